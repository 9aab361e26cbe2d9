"""Pages that stay open in a real browser: what changes shows by itself, and nothing else moves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from browsers import Window, window
from filing import entitled
from playwright.sync_api import Browser, expect
from visitors import Human, Visitor, person
from world import Account, Served, World

from transom.core.handoff import Answer
from transom.domain.submission import Finding, State
from transom.frontends.portal.watching import Beats

SOON = 10_000
ASK = "document.dispatchEvent(new Event('session'))"


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    sqlite_world.program.watching.beats = Beats(look=0.05, check=0.2)
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world, phone="+1 312 555 0142")


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    return entitled(sqlite_world, maria)


@pytest.fixture
def visitor(served: Served, maria: Human, firm: Account) -> Iterator[Visitor]:
    """Maria's session, without a window, which is quicker."""
    assert firm.name
    visitor = Visitor(served.portal)
    visitor.headers["User-Agent"] = "Chrome"
    visitor.sign_in(maria)
    yield visitor
    visitor.close()


@pytest.fixture
def signed_in(visitor: Visitor) -> Callable[[Window], None]:
    """Gives a window the visitor's session."""

    def hand(shown: Window) -> None:
        shown.page.context.add_cookies(
            [
                {"name": each.name, "value": each.value or "", "url": visitor.portal}
                for each in visitor.http.cookies
            ]
        )

    return hand


def answer(world: World, outcome: State) -> None:
    """The application answers what waits."""
    processor = world.processor()
    found = (Finding("NGS-1", "zip", "B-1", "Must be 5 digits."),) if outcome != "accepted" else ()
    for lease in processor.claim():
        given = Answer(outcome, found, acknowledge=True)
        tracking_id = lease.submission.tracking_id
        world.exchange.handoff.report(processor.actor, tracking_id, lease.fence, given)


def is_live(shown: Window) -> None:
    expect(shown.page.locator(".footer [data-live-word]")).to_have_text("Live", timeout=SOON)


def test_a_submission_changes_while_one_looks_at_it_and_the_focus_stays(
    browser: Browser,
    served: Served,
    sqlite_world: World,
    signed_in: Callable[[Window], None],
    firm: Account,
) -> None:
    sent = firm.submit("0001/app1/in/4530.xml")
    with window(browser, served.portal) as shown:
        signed_in(shown)
        shown.open(f"/submissions/{sent.tracking_id}")
        is_live(shown)
        shown.page.evaluate("window.mark = 1")
        link = shown.page.locator("[data-refresh-on] :is(a, button):visible").first
        link.focus()
        words = link.inner_text()
        sqlite_world.clock.pass_time(timedelta(minutes=4))
        answer(sqlite_world, State.PARTIALLY_REJECTED)

        tag = shown.page.locator(f'[data-state-of="{sent.tracking_id}"] .tag').first
        expect(tag).to_have_text("Partially rejected", timeout=SOON)
        expect(shown.page.locator("#live")).to_have_text("4530.xml: Partially rejected")
        shown.says("Must be 5 digits.")
        assert shown.page.evaluate("document.activeElement.innerText") == words
        assert shown.page.evaluate("window.mark") == 1
        shown.look("live-submission-light-1280")


def test_new_files_are_offered_above_the_table_and_nothing_moves_by_itself(
    browser: Browser, served: Served, sqlite_world: World, signed_in: Callable[[Window], None]
) -> None:
    processor = sqlite_world.processor()
    processor.publish("0001/app1/out/first.xml")
    with window(browser, served.portal, width=360, scheme="dark") as shown:
        signed_in(shown)
        sqlite_world.clock.pass_time(timedelta(minutes=1))
        shown.open("/browse/0001/app1/out")
        is_live(shown)
        sqlite_world.clock.pass_time(timedelta(seconds=5))
        processor.publish("0001/app1/out/second.xml")
        offer = shown.page.locator("[data-news-of]")
        expect(offer).to_have_text("1 new file, show", timeout=SOON)
        processor.publish("0001/app1/out/third.xml")
        expect(offer).to_have_text("2 new files, show", timeout=SOON)
        assert "second.xml" not in shown.text
        sqlite_world.clock.pass_time(timedelta(seconds=5))
        shown.look("live-place-dark-360")
        shown.press("2 new files, show")
        shown.says("third.xml")
        expect(offer).to_be_hidden()


def test_where_streams_do_not_come_through_the_page_asks_every_15_seconds(
    browser: Browser,
    served: Served,
    sqlite_world: World,
    signed_in: Callable[[Window], None],
    firm: Account,
) -> None:
    sent = firm.submit("0001/app1/in/4530.xml")
    with window(browser, served.portal) as shown:
        signed_in(shown)
        shown.page.clock.install()
        shown.page.route(re.compile(r"/live\?"), lambda route: route.fulfill(status=429))
        shown.open(f"/submissions/{sent.tracking_id}")
        is_live(shown)
        sqlite_world.clock.pass_time(timedelta(minutes=4))
        answer(sqlite_world, State.ACCEPTED)
        shown.page.clock.run_for(14_000)
        asked = [each for each in shown.asked if "/live/since" in each]
        assert len(asked) == 1
        shown.page.clock.run_for(2_000)

        tag = shown.page.locator(f'[data-state-of="{sent.tracking_id}"] .tag').first
        expect(tag).to_have_text("Accepted", timeout=SOON)


def test_a_session_that_is_about_to_end_says_so_and_goes_on_or_not(
    browser: Browser,
    served: Served,
    sqlite_world: World,
    visitor: Visitor,
    signed_in: Callable[[Window], None],
) -> None:
    with window(browser, served.portal, width=360) as shown:
        signed_in(shown)
        shown.open("/account")
        dialog = shown.page.locator("#session-end")

        sqlite_world.clock.pass_time(timedelta(minutes=28))
        shown.page.evaluate(ASK)
        expect(dialog).to_be_visible()
        expect(dialog.locator("h2")).to_contain_text("You will be signed out at")
        expect(dialog.locator("[role=status]")).to_contain_text("You will be signed out at")
        expect(dialog.locator("button").first).to_be_focused()
        shown.look("session-end-light-360")

        visitor.open("/account")  # another tab
        shown.page.evaluate(ASK)
        expect(dialog).to_be_hidden()

        sqlite_world.clock.pass_time(timedelta(minutes=29, seconds=35))
        shown.page.evaluate(ASK)
        expect(dialog.locator("[role=status]")).to_have_text(
            "You will be signed out in 30 seconds."
        )
        dialog.get_by_role("button", name="Stay signed in").click()
        expect(dialog).to_be_hidden()
        assert visitor.open("/live/session").answer.json()["left"] == 1800

        sqlite_world.clock.pass_time(timedelta(minutes=31))
        shown.page.evaluate(ASK)
        expect(dialog.locator("h2")).to_have_text("You were signed out")
        shown.look("session-ended-light-360")
        dialog.get_by_role("link", name="Sign in and go on").click()
        shown.says("Sign in and go on")


def test_the_warning_comes_by_itself_and_escape_puts_it_away(
    browser: Browser, served: Served, sqlite_world: World, signed_in: Callable[[Window], None]
) -> None:
    with window(browser, served.portal, scheme="dark") as shown:
        signed_in(shown)
        shown.page.clock.install()
        shown.open("/account")
        dialog = shown.page.locator("#session-end")
        sqlite_world.clock.pass_time(timedelta(minutes=28))
        shown.page.clock.run_for(27 * 60_000)
        assert not [each for each in shown.asked if each.endswith("/live/session")]
        shown.page.clock.run_for(70_000)
        expect(dialog).to_be_visible(timeout=SOON)
        shown.look("session-end-dark-1280")
        shown.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        shown.page.clock.run_for(16_000)
        expect(dialog).to_be_hidden()


def test_a_code_can_be_sent_again_once_the_count_is_down(
    browser: Browser, served: Served, maria: Human
) -> None:
    with window(browser, served.portal) as shown:
        shown.page.clock.install()
        shown.open("/sign-in")
        shown.fill("User name", maria.email)
        shown.press("Continue")
        shown.fill("Password", maria.password)
        shown.press("Continue")
        shown.press("Text message")
        shown.press("Send a code")
        again = shown.page.get_by_role("button", name="Send it again")
        expect(again).to_be_hidden()
        for left in (30, 20, 10):
            shown.says(f"You can ask for another code in {left} seconds.")
            shown.page.clock.run_for(10_000)
        expect(again).to_be_visible()
        assert "You can ask for another code" not in shown.text
