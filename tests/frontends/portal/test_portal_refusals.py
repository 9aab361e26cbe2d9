"""Refusals: what happened, why, and what to do; nothing of what somebody may not see."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from filing import TOKEN, Sender
from markupsafe import Markup
from visitors import Human, Page, Visitor
from world import World

import transom.domain.errors
import transom.frontends
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import ExchangeError, StorageFull, TooLarge, TooMany, Unavailable
from transom.domain.people import Role
from transom.frontends.portal import errors, refusing
from transom.frontends.portal.errors import sentences, told

ZONE = "America/Chicago"
SAMPLES = {
    "until": datetime(2026, 11, 20, 21, 10, tzinfo=UTC),
    "signed_at": datetime(2026, 11, 20, 21, 10, tzinfo=UTC),
    "expired_at": datetime(2026, 11, 20, 21, 10, tzinfo=UTC),
    "expires_in": timedelta(seconds=60),
    "retry_after": timedelta(seconds=90),
    "administrators": ["Tom Okafor", "Priya Raman"],
    "missing_from": 17,
    "limit": 5_000_000,
    "size": 17,
    "why": "wrong",
    "allowed": "GET",
}


BARE = {"ExchangeError", "Refused"}
"""Nobody raises these."""


def every_error() -> Iterator[type[ExchangeError]]:
    """All that can come to a page: the exchange's own, and the portal's."""
    for module in pkgutil.walk_packages(transom.frontends.__path__, "transom.frontends."):
        importlib.import_module(module.name)
    waiting = [ExchangeError]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        ours = not found.__module__.startswith("transom.frontends") or found in errors.PAGES
        if ours and found.__name__ not in BARE:
            yield found


def made(kind: type[ExchangeError]) -> ExchangeError:
    """One of them, with values that can stand in a sentence."""
    if kind.__init__ is Exception.__init__:
        return kind("This cannot be.")
    wanted = inspect.signature(kind).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in wanted):
        return kind("GET")
    needed = [each for each in wanted if each.default is each.empty]
    return kind(**{each.name: SAMPLES.get(each.name, "0001/app1/in") for each in needed})


@pytest.mark.parametrize("kind", sorted(every_error(), key=str), ids=lambda kind: kind.__name__)
def test_every_refusal_says_what_happened_why_and_what_to_do(kind: type[ExchangeError]) -> None:
    error = made(kind)
    heading, why, todo = sentences(error, ZONE)

    assert 400 <= told(error).status <= 507
    assert heading
    assert not heading.endswith(".")
    assert len({heading, why, todo}) == 3
    assert "%(" not in heading + why + todo
    assert why
    assert todo.endswith(".")
    assert not re.search(
        r"\b(please|sorry|oops|invalid|successfully)\b|!", f"{heading} {why} {todo}", re.IGNORECASE
    )


def test_no_page_of_an_error_stands_in_the_table_in_vain() -> None:
    shown = {id(told(made(kind))) for kind in every_error()}

    assert {id(each) for each in errors.PAGES.values()} == shown


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TooLarge(5_000_000), "The limit here is 5.00 MB."),
        (TooMany("codes", timedelta(seconds=90)), "Try again in 1 min 30 s."),
        (errors.NotYours("x", "You can see x.", ["Tom"]), "Ask Tom."),
        (errors.NotYours("x", "You can see x.", ["A", "B", "C"]), "Ask A, B or C."),
        (errors.NotYours("x", "You can see x.", []), "Ask your administrator."),
    ],
)
def test_a_refusal_says_the_value_that_mattered(error: ExchangeError, said: str) -> None:
    assert said in Markup(" ").join(sentences(error, ZONE)).striptags()


# --- signed out ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home", "Home"),
        ("/browse", "Files"),
        ("/account", "Account and security"),
        ("/account/factors/x/rename", "Account and security"),
    ],
)
def test_who_is_not_signed_in_is_told_where_it_was_going(
    stranger: Visitor, path: str, name: str
) -> None:
    page = stranger.open(path)

    assert (page.status, page.heading) == (401, "Sign in to continue")
    assert f"You were going to: {name}." in page.text
    assert f'href="/sign-in?next={path.replace("/", "%2F")}"' in page.html


def test_a_path_that_is_no_page_is_named_nowhere() -> None:
    assert refusing.going_to("") == refusing.going_to("/homes") == ""


# --- nothing there -------------------------------------------------------------------------------


@pytest.fixture
def entitled(sqlite_world: World, maria: Human) -> Human:
    """Maria sees app1 of her firm; its administrator is Tom."""
    account = sqlite_world.account("0001", may="both", application="app1")
    sqlite_world.account("0002", may="both", application="app1").submit("0002/app1/in/theirs.txt")
    account.submit("0001/app1/in/ours.txt")
    grant(sqlite_world, maria, "submit")
    new = NewPerson("tom@northgate.example", "Tom Okafor", "0001", Role.SUPER_ADMINISTRATOR)
    ready = ReadyPerson(new, maria.password, maria.secret, "")
    sqlite_world.exchange.people.administration.have_ready(SYSTEM, ready)
    return maria


def grant(world: World, human: Human, may: str) -> None:
    found = world.exchange.people.administration.find(human.email)
    granted = Entitlement(found.id, "0001", "app1", "", Level(may))
    world.exchange.administration.entitle(SYSTEM, granted)


def without_its_own(page: Page) -> str:
    """A page but for what each answer has of its own: the token, and the path."""
    text = re.sub(r'value="[A-Za-z0-9_=-]{60,}"', "", page.html)
    return re.sub(r'"(position|since|left|live)[^>]*>|data-left="\d+"|content="\d+"', "", text)


def test_what_is_foreign_and_what_is_missing_look_the_same(
    visitor: Visitor, entitled: Human
) -> None:
    visitor.sign_in(entitled)
    paths = [
        "/browse/0002/app1/in",
        "/browse/1/2/3/4/5/6",
        "/browse/0009/app1/in",
        "/browse/0001/app9/in",
        "/browse/0001/app1/out/nothing.txt",
        "/browse/0001/app2",
    ]
    pages = [visitor.open(path) for path in paths]

    assert {page.status for page in pages} == {404}
    assert {page.heading for page in pages} == {"Nothing here under this address"}
    told = {re.sub(r"/browse/[^\"<]*", "", without_its_own(page)) for page in pages}
    assert len(told) == 1
    for path, page in zip(paths, pages, strict=True):
        main = page.html.partition("<main")[2].partition("</main>")[0]
        assert path not in main
        assert 'href="/home">Go home</a>' in main
        assert 'href="/submissions">Search submissions</a>' in main


def test_an_address_that_is_no_page_is_told_without_the_database(
    visitor: Visitor, maria: Human, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in(maria)
    sign_in = sqlite_world.exchange.people.sign_in
    monkeypatch.setattr(type(sign_in), "resume", Down(Unavailable("database")).resume)
    page = visitor.open("/nothing")

    assert (page.status, page.heading) == (404, "Nothing here under this address")


def test_what_is_missing_leads_who_is_not_signed_in_to_the_start(stranger: Visitor) -> None:
    page = stranger.open("/nothing")

    assert "Go to the start" in page.text
    assert "Search submissions" not in page.text


# --- seen, and not allowed -----------------------------------------------------------------------


def test_nothing_is_fetched_where_files_only_go_in_and_the_page_says_why(
    visitor: Visitor, entitled: Human
) -> None:
    visitor.sign_in(entitled)
    page = visitor.open("/browse/0001/app1/in/ours.txt")

    assert (page.status, page.heading) == (403, "This is not yours to change")
    assert "You can see 0001/app1/in but not get files from it." in page.text
    assert "Ask Tom Okafor" in page.text


def test_who_may_fetch_the_copies_is_led_to_them(
    visitor: Visitor, sqlite_world: World, entitled: Human
) -> None:
    grant(sqlite_world, entitled, "both")
    visitor.sign_in(entitled)
    page = visitor.open("/browse/0001/app1/in/ours.txt")

    assert (page.status, page.heading) == (403, "Files go the other way there")
    assert (
        "its application takes the files from there. Go to 0001/app1/in_arcv instead." in page.text
    )


def test_what_is_sent_where_results_lie_is_led_to_where_it_belongs(
    visitor: Visitor, sqlite_world: World, entitled: Human
) -> None:
    grant(sqlite_world, entitled, "both")
    visitor.sign_in(entitled)
    sender = Sender.at(visitor)
    sender.place = "0001/app1/out"
    page = sender.post(("a.txt", b"content"))

    assert (page.status, page.heading) == (403, "Files go the other way there")
    assert "nothing can be uploaded there. Go to 0001/app1/in instead." in page.text


def test_who_may_only_look_at_results_is_told_whom_to_ask(
    visitor: Visitor, sqlite_world: World, maria: Human
) -> None:
    sqlite_world.account("0001", may="both", application="app1")
    grant(sqlite_world, maria, "download")
    token = TOKEN.search(visitor.sign_in(maria).html)
    assert token
    sender = Sender(visitor, "0001/app1/out", token[1], "k" * 20)
    page = sender.post(("a.txt", b"content"))

    assert (page.status, page.heading) == (403, "This is not yours to change")
    assert "You can see 0001/app1/out but not upload to it." in page.text


# --- our side ------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(visitor: Visitor, maria: Human) -> Visitor:
    visitor.sign_in(maria)
    return visitor


class Down:
    """A service that fails at whatever it is asked."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> object:
        def fail(*_: object, **__: object) -> None:
            raise self._failure

        return fail


@pytest.mark.parametrize(
    ("failure", "status", "heading"),
    [
        (Unavailable("database"), 503, "We are busy"),
        (StorageFull(), 507, "There is no room"),
        (ZeroDivisionError("the secret of the house"), 500, "Something broke on our side"),
    ],
)
def test_a_fault_of_ours_is_told_without_the_database_with_an_id_and_a_way_on(
    signed_in: Visitor,
    sqlite_world: World,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    status: int,
    heading: str,
) -> None:
    visitor = signed_in
    people = sqlite_world.exchange.people
    monkeypatch.setattr(type(people.sign_in), "resume", Down(failure).resume)
    page = visitor.open("/account")

    assert (page.status, page.heading) == (status, heading)
    assert f'<code id="request">{page.answer.headers["x-request-id"]}</code>' in page.html
    assert 'data-copy="request"' in page.html
    assert "Try again" in page.text
    assert "800-555-0100" in page.text
    assert "Nothing" in page.text
    assert "secret" not in page.html


def test_a_fault_while_a_form_is_sent_leads_back_to_its_page(
    visitor: Visitor, sqlite_world: World, maria: Human, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in(maria)
    page = visitor.open("/account/password")
    account = sqlite_world.exchange.people.account
    monkeypatch.setattr(type(account), "change_password", Down(Unavailable("x")).change_password)
    typed = {"current": maria.password, "password": "another good pass phrase"}
    refused = visitor.press(page, "Change", **typed)

    assert refused.status == 503
    assert 'href="/account/password">Try again</a>' in refused.html


def test_a_wait_is_told_in_words_and_to_programs(
    visitor: Visitor, sqlite_world: World, maria: Human, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in(maria)
    account = sqlite_world.exchange.people.account
    failure = TooMany("requests", timedelta(seconds=20))
    monkeypatch.setattr(type(account), "view", Down(failure).view)
    page = visitor.open("/account")

    assert (page.status, page.answer.headers["Retry-After"]) == (429, "20")
    assert "Try again in 20 s." in page.text
