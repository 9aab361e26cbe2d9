"""The demo's people sign in with what its ready file says, and its inbox shows what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
from browsers import window
from journeys.servers import Demo, demo
from playwright.sync_api import Browser, expect
from visitors import Visitor

ROLES = {"firm user", "firm administrator", "operator"}


@dataclass(frozen=True)
class Somebody:
    """A person of the ready file."""

    facts: dict[str, Any]

    @property
    def email(self) -> str:
        return str(self.facts["email"])

    @property
    def password(self) -> str:
        return str(self.facts["password"])

    def code(self) -> str:
        return pyotp.TOTP(self.facts["totp_secret"]).now()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo")) as found:
        yield found


@pytest.fixture
def visitor(running: Demo) -> Iterator[Visitor]:
    visitor = Visitor(running.ready["portal"])
    yield visitor
    visitor.close()


def test_the_ready_file_names_the_portal_and_its_people(running: Demo) -> None:
    people = running.ready["people"]

    assert running.ready["portal"].startswith("http://localhost:")
    assert {each["role"] for each in people} == ROLES
    assert [each["org"] for each in people] == ["0001", "0001", "0002", "0"]
    fields = {"email", "password", "totp_secret", "role", "org"}
    assert all(set(each) == fields for each in people)
    assert all(each["password"] in running.text for each in people)


@pytest.mark.parametrize("number", range(4))
def test_each_person_of_the_demo_signs_in(running: Demo, visitor: Visitor, number: int) -> None:
    somebody = Somebody(running.ready["people"][number])

    page = visitor.sign_in(somebody, "/account")  # type: ignore[arg-type]

    assert page.heading == "Your account"
    assert somebody.email in page.text
    assert "Sandbox. Nothing leaves this machine." in page.text


def test_the_inbox_shows_what_was_sent_and_passwords_of_nobody(
    running: Demo, visitor: Visitor
) -> None:
    page = visitor.open("/sandbox/inbox")

    assert (page.status, page.heading) == (200, "Inbox of the demo")
    assert visitor.open("/sandbox/inbox?kind=call").status == 200
    assert not any(each["password"] in page.text for each in running.ready["people"])


def test_nobody_is_kept_out_of_the_inbox(running: Demo, browser: Browser) -> None:
    portal = running.ready["portal"]
    visitor = Visitor(portal)
    visitor.sign_in(Somebody(running.ready["people"][2]))  # type: ignore[arg-type]
    visitor.close()
    with window(browser, portal, width=360) as shown:
        shown.open("/sandbox/inbox")
        expect(shown.page.locator("article").first).to_contain_text("Signed in on a new device")
        shown.look_in_both_themes("inbox")


def test_the_people_are_the_same_after_another_start(tmp_path: Path) -> None:
    with demo(tmp_path) as first:
        before = first.ready["people"]
        first.terminate()
    with demo(tmp_path, "--tls") as second:
        assert second.ready["people"] == before
        assert second.ready["portal"].startswith("http://localhost:")
        visitor = Visitor(second.ready["portal"])
        assert visitor.sign_in(Somebody(before[0])).heading == "Home"  # type: ignore[arg-type]
        visitor.close()
