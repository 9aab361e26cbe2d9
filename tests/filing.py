"""People who may send and fetch files, and the requests that their browsers make for it."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from urllib.parse import quote

import requests
from visitors import PASSWORD, SECRET, Human, Page, Visitor
from world import Account, World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.people import Person, Role

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
KEY = re.compile(r'name="upload_key" value="([^"]+)"')
STATE = re.compile(r'data-state="([a-z_]+)"')
ID = re.compile(r'href="/submissions/([0-9a-f-]{36})"')


def entitled(
    world: World,
    human: Human,
    org: str = "0001",
    application: str = "app1",
    may: str = "both",
    sub_space: str = "",
) -> Account:
    """Let somebody do this, and an account of the same firm too, which bounds it."""
    account = world.account("0001", may, application, sub_space)
    if org != "0001":
        world.entitle(account, org, application, may, sub_space)
    person = principal(world, human)
    right = Entitlement(person.id, org, application, sub_space, Level(may))
    world.exchange.administration.entitle(SYSTEM, right)
    return account


def principal(world: World, human: Human) -> Person:
    """Somebody, as the register has him."""
    new = NewPerson(human.email, "Maria Alvarez", "0001", Role.USER)
    ready = ReadyPerson(new, PASSWORD, SECRET)
    return world.exchange.people.administration.have_ready(SYSTEM, ready)


@dataclass
class Sender:
    """The upload page of a place, as its script uses it."""

    visitor: Visitor
    place: str
    token: str
    form_key: str

    @classmethod
    def at(cls, visitor: Visitor, place: str = "0001/app1/in") -> Sender:
        page = visitor.open(f"/browse/{place}")
        token, key = TOKEN.search(page.html.partition('id="upload"')[2]), KEY.search(page.html)
        assert token, page.text
        assert key
        return cls(visitor, place, token[1], key[1])

    def put(
        self, name: str, content: object = b"content", key: str = "", **headers: str
    ) -> requests.Response:
        """Send one file by script."""
        return self.ask("PUT", name, content, key, **headers)

    def ask(
        self, method: str, name: str, content: object = b"", key: str = "", **headers: str
    ) -> requests.Response:
        """What its script asks about a file; None in `headers` leaves one out."""
        own = {
            "X-Form-Token": self.token,
            "Idempotency-Key": key or secrets.token_hex(16),
            "Content-Type": "application/octet-stream",
        }
        if isinstance(content, bytes) and method == "PUT":
            own["X-File-SHA256"] = hashlib.sha256(content).hexdigest()
        own |= {each.replace("_", "-"): value for each, value in headers.items()}
        url = f"{self.visitor.portal}/upload/{self.place}/{quote(name, safe='')}"
        return self.visitor.http.request(
            method,
            url,
            data=content,  # type: ignore[arg-type]
            headers={each: value for each, value in own.items() if value},
            timeout=20,
        )

    def post(self, *files: tuple[str, bytes], **options: object) -> Page:
        """Send files by form, as a browser without scripts does."""
        return self.post_body(form_body(self.token, self.form_key, *files), **options)

    def post_body(self, body: object, boundary: str = "xx", **options: object) -> Page:
        """Send a form as it stands."""
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.visitor.ask(
            "POST", f"/upload/{self.place}", data=body, headers=headers, **options
        )


def form_body(token: str, key: str, *files: tuple[str, bytes]) -> bytes:
    """The body of the upload form; a name goes in as it stands."""
    parts = [text_part("form_token", token), text_part("upload_key", key)]
    parts += [file_part(name, content) for name, content in files]
    return b"".join(parts) + b"--xx--\r\n"


def text_part(name: str, value: str) -> bytes:
    """One field of a form."""
    return f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(name: str, content: bytes) -> bytes:
    """One file of a form."""
    head = f'--xx\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: text/plain\r\n\r\n" + content + b"\r\n"
