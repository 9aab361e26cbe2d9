"""Pages that say no, as people see them: nobody kept out, nothing cut off, no script needed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest
from browsers import Window, window
from playwright.sync_api import Browser, expect
from visitors import PASSWORD, Human, person
from world import Served, World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import Unavailable
from transom.domain.people import Role

LOOKS = [pytest.param("light", 1280, marks=pytest.mark.drill), ("dark", 360)]
HOSTILE = "Tom <img src=x onerror=alert(1)> Okafor"


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def world_of_maria(served: Served, sqlite_world: World) -> tuple[Served, World, Human]:
    return served, sqlite_world, maria_of(sqlite_world)


def maria_of(sqlite_world: World) -> Human:
    """She may only send to app1 of her firm, whose administrator has a hostile name."""
    account = sqlite_world.account("0001", may="both", application="app1")
    account.submit("0001/app1/in/ours.txt")
    maria = person(sqlite_world)
    administration = sqlite_world.exchange.people.administration
    found = administration.find(maria.email)
    granted = Entitlement(found.id, "0001", "app1", "", Level.SUBMIT)
    sqlite_world.exchange.administration.entitle(SYSTEM, granted)
    new = NewPerson("tom@northgate.example", HOSTILE, "0001", Role.SUPER_ADMINISTRATOR)
    administration.have_ready(SYSTEM, ReadyPerson(new, PASSWORD, maria.secret, ""))
    return maria


def sign_in(shown: Window, who: Human) -> None:
    shown.open("/sign-in")
    shown.fill("User name", who.email)
    shown.press("Continue")
    shown.fill("Password", PASSWORD)
    shown.press("Continue")
    shown.fill("Code shown by the app", who.code())
    shown.press("Sign in")
    shown.sees("Home")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nobody_is_kept_out_of_a_refusal(
    browser: Browser,
    world_of_maria: tuple[Served, World, Human],
    monkeypatch: pytest.MonkeyPatch,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    served, world, maria = world_of_maria
    with window(browser, served.portal, scheme=scheme, width=width) as shown:

        def look(path: str, name: str, heading: str) -> None:
            shown.open(path)
            shown.sees(heading)
            shown.look(f"refusal-{name}-{scheme}-{width}")

        look("/submissions", "signed-out", "Sign in to continue")
        sign_in(shown, maria)
        look("/browse/0002/app1/in", "nothing", "Nothing here under this address")
        look("/browse/0001/app1/in/ours.txt", "not-yours", "This is not yours to change")
        assert HOSTILE in shown.text
        look("/sign-out", "wrong-press", "This address takes no such request")
        world.clock.pass_time(timedelta(hours=1))
        shown.open("/home")
        shown.says("Your session ended at ")
        shown.look(f"refusal-ended-{scheme}-{width}")
        failing(monkeypatch, world, Unavailable("database"))
        look("/home", "busy", "We are busy")
        failing(monkeypatch, world, ZeroDivisionError("a defect"))
        look("/home", "defect", "Something broke on our side")
        shown.trouble = [each for each in shown.trouble if "status of" not in each]


def failing(monkeypatch: pytest.MonkeyPatch, world: World, failure: Exception) -> None:
    """From now on no session can be looked up."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(type(world.exchange.people.sign_in), "resume", fail)


def test_the_id_for_support_is_copied_by_a_press(
    browser: Browser, served: Served, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = ["clipboard-read", "clipboard-write"]
    with window(browser, served.portal, permissions=grants) as shown:
        shown.open("/sign-in")
        context = shown.page.context
        context.add_cookies([{"name": "transom-session", "value": "x", "url": served.portal}])
        failing(monkeypatch, sqlite_world, ZeroDivisionError("a defect"))
        shown.open("/home")
        shown.page.get_by_role("button", name="Copy").click()
        expect(shown.page.locator("#live")).to_have_text("Copied")
        copied = shown.page.evaluate("navigator.clipboard.readText()")

        assert copied == shown.page.inner_text("#request")
        shown.trouble = [each for each in shown.trouble if "status of 500" not in each]
