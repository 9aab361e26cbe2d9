"""Enrolment, as a browser without scripts goes through it: refusals, order, and its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from visitors import Page, Visitor, code_by_phone, invited
from world import World

WORDS = "seven lamps under water"


@pytest.fixture
def page(visitor: Visitor, sqlite_world: World) -> Page:
    """The first step, with the invitation used."""
    return visitor.press(visitor.open(invited(sqlite_world)), "Start")


def answered(page: Page) -> dict[str, str]:
    """Three questions, and an answer to each."""
    offered = re.findall(r'<option value="([^"]+)"', page.html)
    chosen = {f"question{n}": offered[n] for n in (1, 2, 3)}
    return chosen | {f"answer{n}": f"answer number {n}" for n in (1, 2, 3)}


def past_questions(visitor: Visitor, page: Page) -> Page:
    page = visitor.press(page, "Continue", password=WORDS)
    return visitor.press(page, "Continue", **answered(page))


@pytest.mark.parametrize(
    "password", ["", "short", "password1234", "x" * 300, "new@northgate.example"]
)
def test_a_password_that_will_not_do_is_told_and_not_shown(
    visitor: Visitor, page: Page, password: str
) -> None:
    again = visitor.press(page, "Continue", password=password)

    assert (again.status, again.heading) == (422, "Choose a password")
    assert not password or f'name="password" value="{password}"' not in again.html


def test_how_strong_a_password_would_be_is_told_without_setting_it(
    visitor: Visitor, page: Page
) -> None:
    token = page.button("Continue")[0].fields["form_token"]
    told = [
        visitor.ask("POST", "/enrolment/strength", data={"form_token": token, "password": each})
        for each in ("short", WORDS, "")
    ]

    assert all(each.status == 200 and "<html" not in each.html for each in told)
    assert told[0].text != told[1].text
    assert told[2].text == ""
    assert visitor.open("/enrolment").heading == "Choose a password"


def test_questions_want_three_different_ones_each_with_an_answer(
    visitor: Visitor, page: Page
) -> None:
    page = visitor.press(page, "Continue", password=WORDS)
    good = answered(page)
    for wrong in (
        {},
        good | {"question2": good["question1"]},
        good | {"answer3": ""},
        good | {"question1": "made-up"},
        good | {"answer2": good["answer1"]},
    ):
        again = visitor.press(page, "Continue", **wrong)
        assert again.status == 422
        assert "answer number" not in again.html
    assert visitor.press(page, "Continue", **good).heading == "Choose your second factor"


@pytest.mark.parametrize(
    "path", ["/enrolment/skip", "/enrolment/codes", "/enrolment/questions", "/enrolment/finish"]
)
def test_no_step_can_be_skipped(visitor: Visitor, page: Page, path: str) -> None:
    token = page.button("Continue")[0].fields["form_token"]
    found = visitor.ask("POST", path, data={"form_token": token, "kept": "yes"})

    assert found.status in {409, 422}
    assert visitor.open("/enrolment").heading == "Choose a password"


def test_no_factor_is_set_up_before_the_password(visitor: Visitor, page: Page) -> None:
    token = page.button("Continue")[0].fields["form_token"]
    form = {"form_token": token, "kind": "authenticator"}
    found = visitor.ask("POST", "/enrolment/factor", data=form)

    assert found.status == 409


def test_an_enrolment_by_phone_ends_with_the_codes_kept(
    visitor: Visitor, page: Page, sqlite_world: World
) -> None:
    page = visitor.press(past_questions(visitor, page), "Set up Text message")
    page = visitor.press(page, "Send a code", phone="+1 312 555 0142")
    page = visitor.press(page, "Check code", answer=code_by_phone(sqlite_world))
    assert page.heading == "Add another way to sign in"
    page = visitor.press(visitor.press(page, "Go on with one"), "Show my codes")
    again = visitor.press(page, "Finish")
    assert (again.status, "Tick this once" in again.text) == (422, True)

    page = visitor.press(again, "Finish", kept="yes")

    assert page.heading == "Home"
    assert "Your access is set up, and you are signed in." in page.text


def test_an_enrolment_that_took_too_long_is_over(
    visitor: Visitor, page: Page, sqlite_world: World
) -> None:
    sqlite_world.clock.pass_time(timedelta(hours=73))

    assert visitor.open("/enrolment").status == 401
    assert visitor.press(page, "Continue", password=WORDS).status == 401


@pytest.mark.usefixtures("page")
def test_another_browser_cannot_go_on_with_it(
    another: Callable[[], Visitor],
) -> None:
    assert another().open("/enrolment").status == 401


def test_a_code_counts_once_also_right_after_the_enrolment(
    visitor: Visitor, page: Page, sqlite_world: World
) -> None:
    page = visitor.press(past_questions(visitor, page), "Set up Authenticator app")
    key = re.search(r'id="key">([^<]+)<', page.html)
    assert key
    code = pyotp.TOTP(key[1].replace(" ", "")).at(sqlite_world.clock.wall())
    page = visitor.press(page, "Check code", answer=code)
    page = visitor.press(visitor.press(page, "Go on with one"), "Show my codes")
    page = visitor.press(visitor.press(page, "Finish", kept="yes"), "Sign out")
    page = visitor.press(page, "Continue", email="new@northgate.example")
    page = visitor.press(page, "Continue", password=WORDS)

    again = visitor.press(page, "Sign in", answer=code)

    assert again.status == 422
    assert "used already" in again.text
