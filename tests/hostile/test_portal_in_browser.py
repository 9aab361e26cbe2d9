"""What another site can make a browser do to somebody who is signed in: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest
from browsers import chromium
from playwright.sync_api import Browser, BrowserContext, Page
from visitors import PASSWORD, SECRET, person
from world import World

EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def portal(sqlite_world: World) -> Iterator[str]:
    with sqlite_world.serving() as served:
        yield served.portal


@pytest.fixture
def signed_in(browser: Browser, portal: str, sqlite_world: World) -> Iterator[BrowserContext]:
    maria = person(sqlite_world)
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{portal}/sign-in")
    page.fill("#email", maria.email)
    page.click("text=Continue")
    page.fill("#password", PASSWORD)
    page.click("button:has-text('Continue')")
    sqlite_world.clock.pass_time(timedelta(seconds=30))
    page.fill("#answer", pyotp.TOTP(SECRET).at(sqlite_world.clock.wall()))
    page.click("main button:has-text('Sign in')")
    page.wait_for_url("**/home")
    yield context
    context.close()


def visit(context: BrowserContext, html: str) -> Page:
    """The villain's own page, served without any network."""
    page = context.new_page()
    page.route(f"{EVIL}/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{EVIL}/")
    return page


def test_a_form_on_another_site_changes_nothing(signed_in: BrowserContext, portal: str) -> None:
    form = f'<form method=post action="{portal}/account/sessions/end-others"></form>'
    page = visit(signed_in, form)
    with page.expect_response(f"{portal}/**") as answer:
        page.evaluate("document.forms[0].submit()")

    assert answer.value.status == 403
    own = signed_in.pages[0]
    own.goto(f"{portal}/account")
    assert own.inner_text("h1") == "Your account"


def test_no_page_of_ours_is_shown_inside_another(signed_in: BrowserContext, portal: str) -> None:
    page = visit(signed_in, f'<iframe src="{portal}/account"></iframe>')
    page.wait_for_load_state("load")

    (frame,) = page.main_frame.child_frames
    assert "Your account" not in frame.content()


def test_a_script_on_another_site_reads_nothing(signed_in: BrowserContext, portal: str) -> None:
    page = visit(signed_in, "<p>villain</p>")
    told = page.evaluate(
        "url => fetch(url, {credentials: 'include'}).then(() => 'read', () => 'refused')",
        f"{portal}/account",
    )

    assert told == "refused"


def test_scripts_see_no_cookie_and_nothing_is_stored(
    signed_in: BrowserContext, portal: str
) -> None:
    page = signed_in.pages[0]
    page.goto(f"{portal}/account")

    assert page.evaluate("document.cookie") == ""
    kept = page.evaluate("({...localStorage, ...sessionStorage})")
    assert kept == {}
