"""People at the portal: who they are, and a browser without scripts that presses its buttons."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pyotp
import requests
from sqlalchemy import func, select
from world import World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.messages import Mail, TextMessage, VoiceCall
from transom.domain.people import Role
from transom.records.schema import outbox

PASSWORD = "copper lantern orbit"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PHONE = "+1 312 555 0142"
_LINK = re.compile(r"https?://\S+")
_CODE = re.compile(r"\d(?:[\s,]*\d){5}")


@dataclass(frozen=True)
class Human:
    """A person of the world who is enrolled, with an authenticator app."""

    world: World
    email: str
    password: str = PASSWORD
    secret: str = SECRET

    def code(self) -> str:
        """What the app shows, once its next code has come: none is used twice."""
        self.world.clock.pass_time(timedelta(seconds=30))
        return pyotp.TOTP(self.secret).at(self.world.clock.wall())


def person(
    world: World, email: str = "maria@northgate.example", org: str = "0001", phone: str = ""
) -> Human:
    """Somebody who is enrolled already."""
    new = NewPerson(email, "Maria Alvarez", org, Role.USER)
    ready = ReadyPerson(new, PASSWORD, SECRET, phone)
    world.exchange.people.administration.have_ready(SYSTEM, ready)
    return Human(world, email)


def invited(world: World, email: str = "new@northgate.example", name: str = "Nora New") -> str:
    """Invite somebody; returns the path of the mailed link."""
    world.exchange.people.administration.invite(SYSTEM, NewPerson(email, name, "0001", Role.USER))
    return urlsplit(_LINK.findall(mail(world, email).text)[0]).path


def mail(world: World, to: str) -> Mail:
    """The newest mail to somebody, once all that waits is delivered."""
    delivered(world)
    found = (each.message for each in world.inbox.messages())
    return next(each for each in found if isinstance(each, Mail) and each.to == to)


def delivered(world: World) -> None:
    """Wait until all that was to be sent is sent, by the courier or by us."""
    until = time.monotonic() + 10
    while True:
        world.exchange.people.post.deliver()
        with world.program.databases.identity.reading() as tx:
            if not tx.execute(select(func.count()).select_from(outbox)).scalar_one():
                return
        assert time.monotonic() < until, "messages wait"
        time.sleep(0.005)


def subjects(world: World, to: str) -> list[str]:
    """The subjects of all mails to somebody, the newest first."""
    delivered(world)
    found = (each.message for each in world.inbox.messages())
    return [each.subject for each in found if isinstance(each, Mail) and each.to == to]


def code_by_phone(world: World) -> str:
    """The code in the newest text message or call."""
    delivered(world)
    for each in world.inbox.messages():
        if isinstance(each.message, TextMessage):
            return _digits(each.message.text)
        if isinstance(each.message, VoiceCall):
            return _digits(each.message.words)
    raise AssertionError("no code was sent")


def _digits(text: str) -> str:
    found = _CODE.search(text)
    assert found, text
    return "".join(each for each in found[0] if each.isdigit())


@dataclass
class Form:
    """A form of a page: where it goes, its fields as they stand, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.texts: list[str] = []
        self._inside = self._in_button = False
        self._select = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(facts.get("action", ""), facts.get("method", "get")))
            self._inside = True
        elif tag in {"script", "style"}:
            self._silent += 1
        elif self._inside:
            self._field(tag, facts)

    def _field(self, tag: str, facts: dict[str, str]) -> None:
        form = self.forms[-1]
        if tag == "input" and "name" in facts and facts.get("type") != "checkbox":
            form.fields[facts["name"]] = facts.get("value", "")
        elif tag == "select":
            self._select = facts["name"]
            form.fields[self._select] = ""
        elif tag == "option" and "selected" in facts:
            form.fields[self._select] = facts["value"]
        elif tag == "button" and facts.get("type") == "submit":
            own = {facts["name"]: facts["value"]} if "name" in facts else {}
            form.buttons.append(("", own))
            self._in_button = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "button":
            self._in_button = False
        elif tag in {"script", "style"}:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.texts.append(data)
        if self._in_button:
            said, own = self.forms[-1].buttons[-1]
            self.forms[-1].buttons[-1] = (" ".join(f"{said} {data}".split()), own)


class Page:
    """An answer, read."""

    def __init__(self, answer: requests.Response) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.path = urlsplit(answer.url).path
        self.html = answer.text
        reader = _Reader()
        reader.feed(answer.text)
        self.forms = reader.forms
        self.text = " ".join(" ".join(reader.texts).split())

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.html, re.DOTALL)
        return re.sub(r"<[^>]*>", "", found[1]).strip() if found else ""

    def button(self, said: str) -> tuple[Form, dict[str, str]]:
        """The form with this button, and what the button itself adds."""
        for form in self.forms:
            for words, own in form.buttons:
                if words.startswith(said):
                    return form, own
        raise AssertionError(f"no button {said!r} on: {self.text}")


@dataclass
class Visitor:
    """A browser without scripts, with cookies of its own."""

    portal: str
    http: requests.Session = field(default_factory=requests.Session)
    headers: dict[str, str] = field(default_factory=dict)

    def open(self, path: str, **options: Any) -> Page:
        """Go to a page, by GET, and wherever it leads."""
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> Page:
        """One request, and wherever it leads."""
        url = urljoin(self.portal, path)
        headers = self.headers | options.pop("headers", {})
        return Page(self.http.request(method, url, timeout=20, headers=headers, **options))

    def press(self, page: Page, said: str, **typed: str) -> Page:
        """Fill the form with this button, and press it."""
        form, own = page.button(said)
        fields = form.fields | own | typed
        where = urljoin(page.answer.url, form.action)
        if form.method == "get":
            return self.ask("GET", where, params=fields)
        return self.ask("POST", where, data=fields)

    def give_password(self, who: Human, password: str = "", onward: str = "") -> Page:
        """The first two steps of the sign-in."""
        page = self.open(f"/sign-in?next={onward}" if onward else "/sign-in")
        page = self.press(page, "Continue", email=who.email)
        return self.press(page, "Continue", password=password or who.password)

    def sign_in(self, who: Human, onward: str = "") -> Page:
        """All of it, with the authenticator."""
        page = self.give_password(who, onward=onward)
        assert page.heading == "Confirm that it is you", page.text
        return self.press(page, "Sign in", answer=who.code())

    @property
    def session(self) -> str:
        """The value of the session's cookie."""
        return self.http.cookies.get("transom-session") or ""

    def close(self) -> None:
        self.http.close()
