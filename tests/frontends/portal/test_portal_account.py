"""Account and security, as a browser without scripts uses it: changes, proofs, and refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from visitors import PASSWORD, Human, Page, Visitor, code_by_phone, subjects
from world import World

WORDS = "seven lamps under water"


@pytest.fixture
def page(visitor: Visitor, maria: Human) -> Page:
    """The account of somebody who has just signed in."""
    return visitor.sign_in(maria, "/account")


def factor(page: Page, label: str) -> str:
    """The id of a factor, from the account's page."""
    found = re.search(rf"{label}.*?/account/factors/([^/]+)/rename", page.html, re.DOTALL)
    assert found
    return found[1]


def test_a_factor_is_renamed_and_a_name_that_will_not_do_is_told(
    visitor: Visitor, page: Page
) -> None:
    form = visitor.open(f"/account/factors/{factor(page, 'Authenticator app')}/rename")
    for wrong in ("", "x" * 61):
        assert visitor.press(form, "Rename", label=wrong).status == 422
    after = visitor.press(form, "Rename", label="Blue phone")

    assert "Blue phone" in after.text
    assert "The name was changed." in after.text


@pytest.mark.parametrize("verb", ["rename", "remove"])
@pytest.mark.usefixtures("page")
def test_a_factor_that_is_not_there_is_not_found(visitor: Visitor, verb: str) -> None:
    assert visitor.open(f"/account/factors/nothing/{verb}").status == 404


def test_a_factor_is_removed_and_a_mail_tells_it(
    visitor: Visitor, page: Page, maria: Human, sqlite_world: World
) -> None:
    form = visitor.open(f"/account/factors/{factor(page, 'Text message')}/remove")
    after = visitor.press(form, "Remove")

    assert "That way to sign in was removed." in after.text
    assert "Voice call" in after.text
    assert len(subjects(sqlite_world, maria.email)) >= 2


@pytest.mark.usefixtures("page")
def test_an_authenticator_is_added_once_it_shows_one_right_code(
    visitor: Visitor, sqlite_world: World
) -> None:
    choose = visitor.open("/account/factor")
    assert visitor.press(choose, "Set up Authenticator app", kind="hologram").status == 422
    form = visitor.press(choose, "Set up Authenticator app")
    key = re.search(r'id="key">([^<]+)<', form.html)
    assert key
    assert visitor.press(form, "Check code", answer="000000").status == 422
    assert visitor.press(form, "Check code", answer="").status == 422
    assert visitor.press(form, "Check code", answer="123456", setup="other").status == 404

    code = pyotp.TOTP(key[1].replace(" ", "")).at(sqlite_world.clock.wall())
    after = visitor.press(form, "Check code", answer=code, label="Tablet")

    assert "Tablet" in after.text
    assert "The new way to sign in is ready." in after.text
    assert visitor.open("/account/factor/set-up").path == "/account/factor"


@pytest.mark.parametrize(
    ("number", "status"),
    [("", 422), ("abc", 422), ("+1 900 555 0142", 422), ("+44 20 7946 0018", 422)],
)
@pytest.mark.usefixtures("page")
def test_a_number_that_gets_no_codes_is_told_beside_the_field_and_stays(
    visitor: Visitor, number: str, status: int
) -> None:
    form = visitor.open("/account/factor/phone/sms")
    again = visitor.press(form, "Send a code", phone=number)

    assert again.status == status
    assert again.button("Send a code")[0].fields["phone"] == number


@pytest.mark.usefixtures("page")
def test_no_flood_of_codes_is_sent(visitor: Visitor) -> None:
    form = visitor.open("/account/factor/phone/sms")
    for _ in range(12):
        found = visitor.press(form, "Send a code", phone="+1 312 555 0177")
        if found.status == 429:
            break

    assert found.status == 429
    assert "No more codes can be sent" in found.text


@pytest.mark.usefixtures("page")
def test_there_is_no_such_phone(visitor: Visitor) -> None:
    assert visitor.open("/account/factor/phone/fax").status == 404
    assert visitor.open("/account/factor/phone/passkey").status == 404


@pytest.mark.usefixtures("page")
def test_the_password_is_changed_with_the_present_one_only(visitor: Visitor) -> None:
    form = visitor.open("/account/password")
    for current, new in (("wrong", WORDS), (PASSWORD, "short"), (PASSWORD, ""), ("", WORDS)):
        again = visitor.press(form, "Change password", current=current, password=new)
        assert again.status == 422
        assert not {"wrong", WORDS, PASSWORD} & set(re.findall(r'value="([^"]*)"', again.html))
    after = visitor.press(form, "Change password", current=PASSWORD, password=WORDS)

    assert "Your password was changed" in after.text


@pytest.mark.usefixtures("page")
def test_new_recovery_codes_are_shown_once(visitor: Visitor) -> None:
    shown = visitor.press(visitor.open("/account/codes"), "Make new codes")
    codes = re.findall(r"<li>([a-z0-9-]{10,})</li>", shown.html)

    assert len(codes) == 10
    assert "10 left" in visitor.open("/account").text
    assert not any(code in visitor.open("/account/codes").html for code in codes)


def test_sessions_are_ended_one_by_one_and_all_at_once(
    visitor: Visitor, maria: Human, another: Callable[[], Visitor]
) -> None:
    second, third = another(), another()
    for each in (second, third, visitor):
        each.sign_in(maria)
    page = visitor.open("/account")

    after = visitor.press(page, "End python")
    assert "That session was ended." in after.text
    assert [second.open("/account").status, third.open("/account").status].count(401) == 1
    after = visitor.press(visitor.open("/account"), "End all others")
    assert "All other sessions were ended" in after.text
    assert {second.open("/account").status, third.open("/account").status} == {401}
    assert visitor.open("/account").status == 200


def test_nobody_ends_the_session_of_another_person(visitor: Visitor, page: Page) -> None:
    token = page.forms[0].fields["form_token"]
    found = visitor.ask("POST", "/account/sessions/unknown/end", data={"form_token": token})

    assert found.status == 404


def test_remembered_devices_are_forgotten(visitor: Visitor, page: Page) -> None:
    token = page.forms[0].fields["form_token"]
    found = visitor.ask("POST", "/account/devices/forget", data={"form_token": token})

    assert "No device is remembered any more." in found.text


def test_a_display_that_there_is_not_is_told(visitor: Visitor, page: Page) -> None:
    again = visitor.press(page, "Save display", theme="neon", zone="Mars/Olympus")

    assert again.status == 422
    assert "Choose a theme." in again.text
    assert visitor.press(page, "Save display", zone="Mars/Olympus").status == 422
    after = visitor.press(page, "Save display", theme="light", density="compact", zone="UTC")
    assert 'data-theme="light" data-density="compact"' in after.html


def test_a_change_with_an_old_proof_asks_first_and_keeps_what_was_typed(
    visitor: Visitor, page: Page, maria: Human, sqlite_world: World
) -> None:
    form = visitor.open(f"/account/factors/{factor(page, 'Authenticator app')}/rename")
    sqlite_world.clock.pass_time(timedelta(minutes=11))

    asked = visitor.press(form, "Rename", label="Green phone")
    assert (asked.path, asked.heading) == ("/account/proof", "Confirm that it is you")
    form = visitor.press(asked, "Continue", answer=maria.code())

    assert form.button("Rename")[0].fields["label"] == "Green phone"
    assert "Green phone" in visitor.press(form, "Rename").text


@pytest.mark.parametrize("path", ["/account/factor", "/account/codes", "/account/password"])
@pytest.mark.usefixtures("page")
def test_a_form_that_needs_a_proof_is_not_even_shown_without(
    visitor: Visitor, sqlite_world: World, path: str
) -> None:
    sqlite_world.clock.pass_time(timedelta(minutes=11))

    assert visitor.open(path).path == "/account/proof"


@pytest.mark.usefixtures("page")
def test_a_proof_by_phone_is_asked_for_sent_and_limited(
    visitor: Visitor, sqlite_world: World
) -> None:
    sqlite_world.clock.pass_time(timedelta(minutes=11))
    asked = visitor.press(visitor.open("/account/codes"), "Text message")
    sent = visitor.press(asked, "Send a code")
    wrong = visitor.press(sent, "Continue", answer="000000")
    assert (wrong.status, "newest message" in wrong.text) == (422, True)
    for _ in range(12):
        again = visitor.press(wrong, "Send it again")
        if again.status == 429:
            break
    assert again.status == 429

    done = (
        visitor.press(again, "Continue", answer=code_by_phone(sqlite_world))
        if any(words.startswith("Continue") for form in again.forms for words, _ in form.buttons)
        else visitor.press(wrong, "Continue", answer=code_by_phone(sqlite_world))
    )
    assert done.path == "/account/codes"


def test_a_way_that_is_not_ones_own_is_not_found(visitor: Visitor, maria: Human) -> None:
    page = visitor.give_password(maria)

    assert visitor.press(page, "Sign in", factor="nobodys", answer="123456").status == 404
    assert visitor.press(page, "Sign in", answer="").status == 422


@pytest.mark.usefixtures("page")
def test_all_activity_is_listed(visitor: Visitor) -> None:
    found = visitor.open("/account/activity")

    assert found.heading == "Activity"
    assert "127.0.0.1" in found.text


def test_a_passkey_that_answers_nonsense_is_told(visitor: Visitor) -> None:
    page = visitor.press(visitor.open("/sign-in"), "Sign in with a passkey")
    for answer in ("", "{}", "not json", '{"id": "x", "rawId": "x", "type": "public-key"}'):
        assert visitor.press(page, "Ask my device", answer=answer).status == 422
