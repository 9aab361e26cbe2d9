"""Form tokens, cookies, and what is kept for half an hour."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import Response

from transom.core.keyring import KeyRing, ServerKey
from transom.frontends.portal import csrf, kept
from transom.frontends.portal.cookies import Cookie, Jar
from transom.frontends.portal.kept import Keeper, Kept

NOW = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)
PAGE = "http://localhost:8000"


def scope(**headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": pairs}


def test_a_form_token_fits_the_browser_and_session_it_was_made_for_and_no_other() -> None:
    mine = csrf.secret("visit", "session")
    token = csrf.token(mine, secrets.token_bytes(32))

    assert csrf.fits(mine, token)
    assert not csrf.fits(csrf.secret("visit", "another"), token)
    assert not csrf.fits(csrf.secret("another", "session"), token)


def test_no_two_answers_carry_the_same_form_token() -> None:
    mine = csrf.secret("visit", "session")

    assert len({csrf.token(mine, secrets.token_bytes(32)) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "presented",
    ["", "AAAA", "not base 64!", "\u00e9", base64.b64encode(bytes(64)).decode(), "A" * 10_000],
)
def test_what_is_no_form_token_does_not_fit(presented: str) -> None:
    assert not csrf.fits(csrf.secret("visit", ""), presented)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        ({"origin": PAGE, "sec_fetch_site": "same-origin"}, True),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": PAGE + ".evil.example"}, False),
        ({"origin": "http://localhost:8001"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"origin": PAGE, "sec_fetch_site": "cross-site"}, False),
    ],
)
def test_a_request_comes_from_our_pages_or_is_refused(
    headers: dict[str, str], *, ours: bool
) -> None:
    assert csrf.is_from_here(scope(**headers), PAGE) is ours


def test_over_tls_cookies_are_bound_to_this_host_and_out_of_reach_of_scripts() -> None:
    response = Response()
    Jar(secure=True).put(response, Cookie.SESSION, "abc")

    assert response.headers["set-cookie"] == (
        "__Host-transom-session=abc; HttpOnly; Path=/; SameSite=lax; Secure"
    )


def test_a_cookie_with_a_life_ends_with_it() -> None:
    response = Response()
    Jar(secure=False).put(response, Cookie.DEVICE, "abc", timedelta(hours=2))

    assert "Max-Age=7200" in response.headers["set-cookie"]


@pytest.mark.parametrize(
    "sent",
    [
        "transom-session=a; transom-session=b",
        "__Host-transom-session=a",
        "transom-session=" + "a" * 4000,
        "transom-session=\u00e9",
        "x" * 9000 + "; transom-session=a",
    ],
)
def test_a_cookie_that_may_be_somebody_elses_is_none(sent: str) -> None:
    assert Cookie.SESSION not in Jar(secure=False).read(
        {"headers": [(b"cookie", sent.encode("latin-1"))]}
    )


def test_cookies_are_read_by_name() -> None:
    found = Jar(secure=False).read(scope(cookie="a=b; transom-session=abc; transom-visit=x=="))

    assert found == {Cookie.SESSION: "abc", Cookie.VISIT: "x=="}


@pytest.fixture
def keeper() -> Keeper:
    return Keeper(KeyRing([ServerKey("test", secrets.token_bytes(32))]))


def test_what_was_typed_is_there_again_for_half_an_hour(keeper: Keeper) -> None:
    typed = Kept("/account", kept.whose("person"), {"label": "Pixel 9, \u0627"})
    sealed = keeper.seal(typed, NOW)

    assert keeper.open(sealed, NOW + timedelta(minutes=29)) == typed
    assert keeper.open(sealed, NOW + timedelta(minutes=31)) is None


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAA", "\u00e9"])
def test_what_we_did_not_seal_is_not_opened(keeper: Keeper, sealed: str) -> None:
    assert keeper.open(sealed, NOW) is None


def test_nobody_else_reads_or_makes_what_was_kept(keeper: Keeper) -> None:
    sealed = keeper.seal(Kept("/account", "x", {"label": "secret words"}), NOW)
    other = Keeper(KeyRing([ServerKey("other", secrets.token_bytes(32))]))

    assert b"secret words" not in base64.urlsafe_b64decode(sealed)
    assert other.open(sealed, NOW) is None


def test_more_than_a_browser_keeps_is_not_kept(keeper: Keeper) -> None:
    assert keeper.seal(Kept("/account", "x", {"label": "y" * 3000}), NOW) == ""
