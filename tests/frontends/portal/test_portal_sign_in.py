"""Signing in at the portal, as a browser without scripts does it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from visitors import Human, Visitor, code_by_phone, delivered, person
from world import World, made


def test_user_name_password_and_code_open_the_account(visitor: Visitor, maria: Human) -> None:
    page = visitor.sign_in(maria)

    assert (page.status, page.path, page.heading) == (200, "/home", "Home")
    assert "Maria Alvarez" in page.text


def test_each_step_of_the_sign_in_gives_the_session_a_new_id(
    visitor: Visitor, maria: Human
) -> None:
    visitor.give_password(maria)
    half = visitor.session
    visitor.press(visitor.open("/sign-in/factor"), "Sign in", answer=maria.code())

    assert half
    assert visitor.session not in {"", half}


def test_a_wrong_password_is_told_beside_the_field_and_the_name_stays(
    visitor: Visitor, maria: Human
) -> None:
    page = visitor.give_password(maria, "not the password")

    assert page.status == 422
    assert "User name or password is not right. Check both and try again." in page.text
    assert page.button("Continue")[0].fields["email"] == maria.email
    assert "not the password" not in page.html


def test_a_user_name_that_is_no_address_is_told_so(visitor: Visitor) -> None:
    page = visitor.press(visitor.open("/sign-in"), "Continue", email="maria")

    assert page.status == 422
    assert "Your user name is your e-mail address" in page.text
    assert page.html.index("<title>Error: ") > 0


def test_a_wrong_code_is_told_and_the_right_one_still_works(visitor: Visitor, maria: Human) -> None:
    page = visitor.press(visitor.give_password(maria), "Sign in", answer="000000")

    assert page.status == 422
    assert "That code is not right." in page.text
    assert visitor.press(page, "Sign in", answer=maria.code()).heading == "Home"


def test_a_code_may_be_typed_with_a_blank_in_the_middle(visitor: Visitor, maria: Human) -> None:
    code = maria.code()
    page = visitor.press(visitor.give_password(maria), "Sign in", answer=f"{code[:3]} {code[3:]}")

    assert page.heading == "Home"


@pytest.mark.parametrize("way", ["Text message", "Voice call"])
def test_a_code_that_comes_by_phone_opens_the_account(
    visitor: Visitor, maria: Human, sqlite_world: World, way: str
) -> None:
    page = visitor.press(visitor.give_password(maria), way)
    page = visitor.press(page, "Send a code" if way == "Text message" else "Call me")
    assert "0142" in page.text
    assert "312" not in page.text

    page = visitor.press(page, "Sign in", answer=code_by_phone(sqlite_world))

    assert page.heading == "Home"


def test_to_look_at_a_page_sends_no_code(
    visitor: Visitor, maria: Human, sqlite_world: World
) -> None:
    visitor.press(visitor.give_password(maria), "Text message")
    delivered(sqlite_world)

    assert sqlite_world.inbox.messages() == ()


def test_the_way_used_last_is_offered_first(
    visitor: Visitor, maria: Human, sqlite_world: World, another: Callable[[], Visitor]
) -> None:
    page = visitor.press(visitor.give_password(maria), "Text message")
    page = visitor.press(page, "Send a code")
    sqlite_world.clock.pass_time(timedelta(seconds=1))
    visitor.press(page, "Sign in", answer=code_by_phone(sqlite_world))

    assert "Send a code" in another().give_password(maria).text


def test_after_the_sign_in_one_gets_where_one_was_going(visitor: Visitor, maria: Human) -> None:
    page = visitor.open("/account/activity")
    assert (page.status, page.heading) == (401, "Sign in to continue")
    assert "next=%2Faccount%2Factivity" in page.html

    assert visitor.sign_in(maria, "/account/activity").path == "/account/activity"


def test_signing_out_ends_the_session_on_the_server(visitor: Visitor, maria: Human) -> None:
    page = visitor.sign_in(maria)
    copied = visitor.session

    page = visitor.press(page, "Sign out")

    assert page.path == "/sign-in"
    assert "You are signed out." in page.text
    visitor.http.cookies.set("transom-session", copied, domain="localhost.local", path="/")
    assert visitor.open("/account").status == 401


def test_half_way_one_can_stop(visitor: Visitor, maria: Human) -> None:
    page = visitor.press(visitor.give_password(maria), "Stop signing in")

    assert page.path == "/sign-in"
    assert visitor.open("/sign-in/factor").status == 401


def test_a_notice_is_shown_once(visitor: Visitor, maria: Human) -> None:
    page = visitor.press(visitor.sign_in(maria), "Sign out")

    assert "You are signed out." in page.text
    assert "You are signed out." not in visitor.open("/sign-in").text


def test_too_many_wrong_passwords_pause_the_sign_in_and_say_until_when(
    visitor: Visitor, maria: Human
) -> None:
    for _ in range(5):
        visitor.give_password(maria, "not the password")
    page = visitor.give_password(maria)

    assert (page.status, page.heading) == (429, "Sign-in is paused for this user name")
    assert "<time datetime=" in page.html


def test_a_remembered_device_is_not_asked_for_a_code_again(
    tmp_path: Path, sqlite_template: Path
) -> None:
    database = tmp_path / "transom.db"
    shutil.copy(sqlite_template, database)
    rules = {"remember_hours": 12}
    with (
        made(tmp_path / "w", f"sqlite:///{database}", people=rules) as world,
        world.serving() as it,
    ):
        maria, visitor = person(world), Visitor(it.portal)
        page = visitor.give_password(maria)
        page = visitor.press(page, "Sign in", answer=maria.code(), remember="yes")
        page = visitor.press(page, "Sign out")

        assert visitor.give_password(maria).heading == "Home"
        assert "1 device is remembered" in visitor.open("/account").text
        visitor.close()
