"""Whole stories at the portal, in a real browser: enrolling, and every way to sign in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest
from browsers import Window, window
from playwright.sync_api import Browser
from visitors import PASSWORD, Human, code_by_phone, invited, mail, person, subjects
from world import Served, World

NORA = "new@northgate.example"
WORDS = "seven lamps under water"


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def shown(browser: Browser, served: Served) -> Iterator[Window]:
    with window(browser, served.portal) as shown:
        yield shown


def next_code(world: World, secret: str) -> str:
    world.clock.pass_time(timedelta(seconds=30))
    return pyotp.TOTP(secret).at(world.clock.wall())


def give_password(shown: Window, email: str, password: str) -> None:
    shown.open("/sign-in?next=/account")
    shown.fill("User name", email)
    shown.press("Continue")
    shown.fill("Password", password)
    shown.press("Continue")


def sign_in(shown: Window, who: Human) -> None:
    give_password(shown, who.email, who.password)
    shown.fill("Code shown by the app", who.code())
    shown.press("Sign in")
    shown.sees("Your account")


def answer_questions(shown: Window) -> None:
    shown.sees("Security questions")
    for number in (1, 2, 3):
        shown.page.get_by_label(f"Question {number}", exact=True).select_option(index=number)
        shown.fill(f"Answer {number}", f"answer number {number}")
    shown.press("Continue")


def enrol_by_app(shown: Window, world: World, link: str) -> str:
    """From the mailed link until the first factor is bound; returns the app's secret."""
    shown.open(link)
    shown.press("Start")
    shown.sees("Choose a password")
    shown.fill("Password", WORDS)
    shown.press("Continue")
    answer_questions(shown)
    shown.sees("Choose your second factor")
    shown.press("Set up Authenticator app")
    shown.sees("Scan this with your authenticator app")
    secret = shown.page.inner_text("#key").replace(" ", "")
    shown.fill("Code shown by the app", next_code(world, secret))
    shown.fill("Name for this device (optional)", "Nora's Pixel")
    shown.press("Check code and continue")
    shown.sees("Add another way to sign in")
    return secret


def finish_with_a_passkey(shown: Window) -> list[str]:
    """From the second factor to the end; returns the recovery codes."""
    shown.press("Set up Passkey or security key")
    shown.sees("Register your passkey or security key")
    shown.fill("Name for this device (optional)", "Laptop")
    shown.press("Register")
    shown.sees("Keep your recovery codes")
    shown.press("Show my codes")
    codes = shown.page.locator("#codes li").all_inner_texts()
    assert len(set(codes)) == 10
    shown.page.get_by_label("I have kept these codes").check()
    shown.press("Finish")
    shown.sees("Home")
    return codes


def give_recovery_code(shown: Window, code: str) -> None:
    give_password(shown, NORA, WORDS)
    shown.press("Recovery code")
    shown.fill("Recovery code", code)
    shown.press("Sign in")


def test_an_invited_person_enrols_and_signs_in_in_each_way(
    shown: Window, sqlite_world: World
) -> None:
    secret = enrol_by_app(shown, sqlite_world, invited(sqlite_world))
    shown.authenticator()
    codes = finish_with_a_passkey(shown)
    shown.says("Your access is set up, and you are signed in.")
    shown.open("/account")
    shown.says("Nora's Pixel")
    shown.says("10 left")

    shown.sign_out()
    give_password(shown, NORA, WORDS)
    shown.press("Nora's Pixel")
    shown.fill("Code shown by the app", next_code(sqlite_world, secret))
    shown.press("Sign in")
    shown.sees("Your account")

    shown.sign_out()
    shown.press("Sign in with a passkey")
    shown.press("Ask my device")
    shown.sees("Home")

    shown.sign_out()
    give_password(shown, NORA, WORDS)
    shown.press("Use Laptop")  # it was used last
    shown.sees("Your account")

    shown.sign_out()
    give_recovery_code(shown, codes[0].lower())
    shown.says("9 left")

    shown.sign_out()
    give_recovery_code(shown, codes[0])
    shown.says("That recovery code is not right, or was used.")


def test_everything_but_passkeys_works_without_scripts(
    browser: Browser, served: Served, sqlite_world: World
) -> None:
    with window(browser, served.portal, scripts=False) as shown:
        secret = enrol_by_app(shown, sqlite_world, invited(sqlite_world))
        shown.press("Go on with one")
        shown.press("Show my codes")
        shown.page.get_by_label("I have kept these codes").check()
        shown.press("Finish")
        shown.sees("Home")
        shown.sign_out()
        give_password(shown, NORA, WORDS)
        shown.fill("Code shown by the app", next_code(sqlite_world, secret))
        shown.press("Sign in")
        shown.sees("Your account")
        shown.press("Rename")
        shown.fill("Name", "Nora's other phone")
        shown.press("Rename")
        shown.says("Nora's other phone")
        shown.sign_out()
        shown.press("Sign in with a passkey")
        shown.says("need scripts, which are switched off")


def test_an_enrolment_goes_on_where_it_was_left(shown: Window, sqlite_world: World) -> None:
    enrol_by_app(shown, sqlite_world, invited(sqlite_world))

    shown.open("/account")
    shown.sees("Finish setting up first")
    shown.press("Go on")

    shown.sees("Add another way to sign in")
    shown.press("Go on with one")
    shown.press("Show my codes")
    shown.sees("Keep your recovery codes")


@pytest.mark.parametrize(
    ("kind", "send"), [("Text message", "Send a code"), ("Voice call", "Call me")]
)
def test_a_phone_is_added_and_used(
    shown: Window, sqlite_world: World, kind: str, send: str
) -> None:
    maria = person(sqlite_world)
    sign_in(shown, maria)
    shown.press("Add another way")
    shown.press(f"Set up {kind}")
    shown.fill("Your number", "not a number")
    shown.press(send)
    assert shown.page.title().startswith("Error: ")
    shown.fill("Your number", "+1 312 555 0142")
    shown.press(send)
    shown.fill("Code", code_by_phone(sqlite_world))
    shown.press("Check code and continue")
    shown.sees("Your account")
    shown.says("The new way to sign in is ready.")
    assert mail(sqlite_world, maria.email)
    shown.sign_out()
    sqlite_world.clock.pass_time(timedelta(minutes=2))

    give_password(shown, maria.email, PASSWORD)
    shown.press(kind)
    shown.press(send)
    shown.page.get_by_label("Code from the").fill(code_by_phone(sqlite_world))
    shown.press("Sign in")
    shown.sees("Your account")


def test_a_change_asks_again_who_one_is_once_ten_minutes_are_over(
    shown: Window, sqlite_world: World
) -> None:
    maria = person(sqlite_world)
    sign_in(shown, maria)
    sqlite_world.clock.pass_time(timedelta(minutes=11))

    shown.press("Make new codes")
    shown.sees("Confirm that it is you")
    shown.fill("Code shown by the app", maria.code())
    shown.press("Continue")
    shown.sees("Make new recovery codes?")
    shown.press("Make new codes")

    shown.sees("Keep your new recovery codes")
    assert shown.page.locator("#codes li").count() == 10
    shown.press("I have kept them")
    shown.says("10 left")
    assert len(subjects(sqlite_world, maria.email)) >= 1


def test_the_last_way_in_stays(shown: Window, sqlite_world: World) -> None:
    sign_in(shown, person(sqlite_world))

    shown.press("Remove")
    shown.press("Remove")

    shown.sees("Your account")
    shown.says("This is your only way to sign in, so it stays.")


def test_a_changed_password_ends_every_other_session(
    shown: Window, browser: Browser, served: Served, sqlite_world: World
) -> None:
    maria = person(sqlite_world)
    sign_in(shown, maria)
    with window(browser, served.portal) as other:
        sign_in(other, maria)
        other.press("Change")
        other.fill("Present password", PASSWORD)
        other.fill("New password", "password1234")
        other.press("Change password")
        assert other.page.title().startswith("Error: ")
        other.fill("Present password", PASSWORD)
        other.fill("New password", WORDS)
        other.page.locator("#strength:not(:empty)").wait_for()
        other.press("Change password")
        other.sees("Your account")
        other.says("Your password was changed")

        shown.open("/account")
        shown.sees("Your session was ended")


def test_one_sees_and_ends_ones_other_sessions_without_leaving_the_page(
    shown: Window, browser: Browser, served: Served, sqlite_world: World
) -> None:
    maria = person(sqlite_world)
    with window(browser, served.portal) as other:
        sign_in(other, maria)
        sign_in(shown, maria)
        shown.says("This session")
        shown.page.get_by_role("button", name="End Chrome on Linux").click()
        shown.says("Ended just now.")
        assert shown.path == "/account"

        other.open("/account")
        other.sees("Your session was ended")


def test_what_was_typed_survives_the_end_of_the_session_and_is_sent_only_by_a_new_press(
    shown: Window, sqlite_world: World
) -> None:
    maria = person(sqlite_world)
    sign_in(shown, maria)
    shown.press("Rename")
    shown.fill("Name", "Maria's <b>Pixel</b>")
    sqlite_world.clock.pass_time(timedelta(minutes=31))
    shown.press("Rename")
    shown.says("Your session ended at ")
    shown.press("Sign in and go on")
    shown.fill("User name", maria.email)
    shown.press("Continue")
    shown.fill("Password", PASSWORD)
    shown.press("Continue")
    shown.fill("Code shown by the app", maria.code())
    shown.press("Sign in")

    shown.says("What you typed is here again.")
    shown.look_in_both_themes("restored")
    assert shown.page.get_by_label("Name", exact=True).input_value() == "Maria's <b>Pixel</b>"
    shown.press("Rename")
    shown.sees("Your account")
    shown.says("Maria's <b>Pixel</b>")


def test_pages_look_as_one_chose_also_before_the_next_sign_in(
    shown: Window, sqlite_world: World
) -> None:
    sign_in(shown, person(sqlite_world))
    shown.page.get_by_label("Theme").select_option("dark")
    shown.page.get_by_label("Time zone").select_option("America/Chicago")
    shown.press("Save display")
    shown.says("Pages look as you chose.")
    shown.says("CST")
    shown.sign_out()

    assert shown.page.locator("html").get_attribute("data-theme") == "dark"
    ground = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(14, 21, 22)"
