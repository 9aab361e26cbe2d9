"""Every page in both themes, on a phone and on a desk: nobody kept out, nothing cut, quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from browsers import Window, window
from playwright.sync_api import Browser
from visitors import PASSWORD, Human, Visitor, invited, person
from world import Served, World

TRIES = 5
BUDGET_BYTES = 100_000
BUDGET_MILLISECONDS = 200
LOOKS = [pytest.param("light", 1280, marks=pytest.mark.drill), ("dark", 360)]
"""The other pairs would show nothing new: a test of the stylesheet has every contrast."""


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world, phone="+1 312 555 0142")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nobody_is_kept_out_of_the_sign_in_and_the_account(
    browser: Browser, served: Served, maria: Human, scheme: Literal["light", "dark"], width: int
) -> None:
    with window(browser, served.portal, scheme=scheme, width=width) as shown:
        look = looking(shown, scheme, width)
        for path in ("/sign-in", "/help", "/nowhere", "/account", "/invitation/x"):
            shown.open(path)
            look(path.strip("/"))
        shown.open("/sign-in?next=/account")
        shown.press("Continue")
        look("sign-in-error")
        shown.fill("User name", maria.email)
        shown.press("Continue")
        look("password")
        shown.press("Continue")
        look("password-error")
        shown.fill("Password", PASSWORD)
        shown.press("Continue")
        look("code")
        shown.fill("Code shown by the app", "000000")
        shown.press("Sign in")
        look("code-error")
        shown.press("Text message")
        look("text-message")
        shown.press("Send a code")
        look("text-message-sent")
        shown.press(maria_app(shown))
        shown.fill("Code shown by the app", maria.code())
        shown.press("Sign in")
        shown.sees("Your account")
        look("account-open")
        look_at_account(shown, look)


def maria_app(shown: Window) -> str:
    return "Authenticator app" if "Authenticator app" in shown.text else "authenticator app"


def look_at_account(shown: Window, look: Callable[[str], None]) -> None:
    """Every page behind the account's."""
    for press, name in (
        ("Rename", "rename"),
        ("Remove", "remove"),
        ("Make new codes", "codes-ask"),
        ("Change", "change-password"),
        ("All activity", "activity"),
    ):
        shown.press(press)
        look(name)
        shown.open("/account")
    shown.press("Make new codes")
    shown.press("Make new codes")
    look("codes")
    shown.open("/account/factor")
    look("add-factor")
    shown.press("Set up Voice call")
    look("phone")
    shown.press("Call me")
    look("phone-error")


def test_nobody_is_kept_out_while_the_sign_in_is_paused(
    browser: Browser, served: Served, maria: Human
) -> None:
    visitor = Visitor(served.portal)
    for _ in range(TRIES):
        visitor.give_password(maria, "not the password")
    visitor.close()
    with window(browser, served.portal, width=360) as shown:
        shown.open("/sign-in")
        shown.fill("User name", maria.email)
        shown.press("Continue")
        shown.fill("Password", PASSWORD)
        shown.press("Continue")
        shown.sees("Sign-in is paused for this user name")
        shown.look_in_both_themes("sign-in-paused")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nobody_is_kept_out_of_the_enrolment(
    browser: Browser,
    served: Served,
    sqlite_world: World,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    with window(browser, served.portal, scheme=scheme, width=width) as shown:
        look = looking(shown, scheme, width)
        shown.open(invited(sqlite_world))
        look("invitation-open")
        shown.press("Start")
        look("enrol-password")
        shown.press("Continue")
        look("enrol-password-error")
        shown.fill("Password", PASSWORD)
        shown.press("Continue")
        look("enrol-questions")
        shown.press("Continue")
        look("enrol-questions-error")
        for number in (1, 2, 3):
            shown.page.get_by_label(f"Question {number}", exact=True).select_option(index=number)
            shown.fill(f"Answer {number}", f"answer number {number}")
        shown.press("Continue")
        look("enrol-factor")
        shown.authenticator()
        shown.press("Set up Authenticator app")
        look("enrol-app")
        shown.press("Choose another way")
        shown.press("Set up Passkey or security key")
        look("enrol-passkey")
        shown.press("Register")
        shown.sees("Add another way to sign in")
        look("enrol-another")
        shown.press("Go on with one")
        look("enrol-codes-ask")
        shown.press("Show my codes")
        look("enrol-codes")


def looking(shown: Window, scheme: str, width: int) -> Callable[[str], None]:
    return lambda name: shown.look(f"{name.replace('/', '-') or 'start'}-{scheme}-{width}")


def test_the_sign_in_page_is_small_and_quick(browser: Browser, served: Served) -> None:
    with window(browser, served.portal) as shown:
        sizes: list[int] = []
        shown.page.on("response", lambda answer: sizes.append(len(answer.body())))
        times = []
        for _ in range(3):  # the first pays for the browser's own beginnings
            shown.open("/sign-in")
            shown.page.wait_for_load_state("load")
            script = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            times.append(shown.page.evaluate(script))

    assert sum(sizes[:5]) < BUDGET_BYTES
    assert min(times) < BUDGET_MILLISECONDS


def test_the_keyboard_reaches_all_and_the_focus_is_seen(browser: Browser, served: Served) -> None:
    with window(browser, served.portal) as shown:
        shown.open("/sign-in")
        stops = []
        for _ in range(7):
            shown.page.keyboard.press("Tab")
            stops.append(
                shown.page.evaluate(
                    "[document.activeElement.innerText || document.activeElement.id, "
                    "getComputedStyle(document.activeElement).outlineStyle]"
                )
            )

    names = [name.strip() for name, _ in stops]
    assert names[:6] == [
        "Skip to the content",
        "Transom",
        "email",
        "Continue",
        "Sign in with a passkey",
        "How signing in works",
    ]
    assert {style for _, style in stops} == {"solid"}


def test_an_error_summary_has_the_focus_and_leads_to_the_field(
    browser: Browser, served: Served
) -> None:
    with window(browser, served.portal) as shown:
        shown.open("/sign-in")
        shown.press("Continue")
        focused = shown.page.evaluate("document.activeElement.innerText")
        shown.press("Enter your user name.")
        landed = shown.page.evaluate("document.activeElement.id || location.hash")

    assert "Check these answers" in focused
    assert landed in {"email", "#email"}
