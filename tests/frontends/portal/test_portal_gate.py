"""The gate: no page but for the sessions it is for, no form but our own, no answer unguarded."""

from __future__ import annotations

import re

import pytest
import requests
from visitors import Human, Visitor, invited
from world import Served, World, access_log

from transom.domain.people import Assurance
from transom.frontends.portal.route import Route
from transom.frontends.portal.routes import ROUTES

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
GUARDED = [route for route in ROUTES if route.needs]


def path_of(route: Route) -> str:
    return route.path.replace("{}", "sms")


def ids(route: Route) -> str:
    return f"{route.method} {route.path}"


def all_refused(visitor: Visitor, assurance: Assurance | None) -> None:
    """Ask for each page that this session is not for, with a good form token."""
    token = TOKEN.search(visitor.open("/sign-in").html)
    assert token
    for route in GUARDED:
        if assurance is not None and assurance in route.needs:
            continue
        form = {"form_token": token[1]} if route.method == "POST" else None
        page = visitor.ask(route.method, path_of(route), data=form, allow_redirects=False)
        assert page.status == 401, ids(route)


def test_nobody_gets_a_page_without_a_session(visitor: Visitor) -> None:
    all_refused(visitor, None)


def test_a_session_that_has_passed_the_password_only_gets_nothing_but_the_next_step(
    visitor: Visitor, maria: Human
) -> None:
    visitor.give_password(maria)

    all_refused(visitor, Assurance.PASSWORD)


def test_a_session_that_enrols_gets_nothing_but_the_enrolment(
    visitor: Visitor, sqlite_world: World
) -> None:
    visitor.press(visitor.open(invited(sqlite_world)), "Start")

    all_refused(visitor, Assurance.ENROLLING)


def test_a_session_that_is_signed_in_enrols_nobody(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)

    all_refused(visitor, Assurance.FULL)


def test_every_form_is_refused_without_its_token(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)
    for route in ROUTES:
        if route.method == "POST" and (not route.needs or Assurance.FULL in route.needs):
            for form in ({"form_token": "x"}, {"form_token": ["x", "y"]}, {"other": "x"}):
                assert visitor.ask("POST", path_of(route), data=form).status == 403, ids(route)
    assert visitor.open("/account").status == 200


def test_a_token_of_another_browser_or_session_is_none(
    visitor: Visitor, maria: Human, served: Served
) -> None:
    other = Visitor(served.portal)
    foreign = TOKEN.search(other.open("/sign-in").html)
    other.close()
    before = TOKEN.search(visitor.open("/sign-in").html)
    visitor.sign_in(maria)

    for token in (foreign, before):
        assert token
        page = visitor.ask("POST", "/account/codes", data={"form_token": token[1]})
        assert (page.status, page.heading) == (403, "This form was not taken")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused_even_with_a_good_token(
    visitor: Visitor, maria: Human, headers: dict[str, str]
) -> None:
    page = visitor.sign_in(maria)
    visitor.headers = headers

    assert visitor.press(page, "Sign out").status == 403
    visitor.headers = {}
    assert visitor.open("/account").status == 200


GUARDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(
    "path", ["/sign-in", "/account", "/nowhere", "/help", "/", "/invitation/x"]
)
def test_every_answer_says_what_browsers_may_do_with_it(stranger: Visitor, path: str) -> None:
    found = stranger.open(path, allow_redirects=False).answer.headers

    assert {name: found.get(name) for name in GUARDS} == GUARDS
    assert "Access-Control-Allow-Origin" not in found


def test_no_other_site_is_let_read_answers(stranger: Visitor) -> None:
    page = stranger.ask("OPTIONS", "/sign-in", headers={"Origin": "https://evil.example"})

    assert page.status == 405
    assert not [name for name in page.answer.headers if name.lower().startswith("access-control")]


def test_a_host_that_is_not_ours_gets_no_page(stranger: Visitor) -> None:
    page = stranger.open("/sign-in", headers={"Host": "evil.example"})

    assert page.status == 421
    assert "evil.example" not in page.html


def test_what_is_not_there_is_not_found_and_what_takes_no_post_says_what_it_takes(
    stranger: Visitor,
) -> None:
    assert stranger.open("/wp-admin").status == 404
    assert stranger.open("/account/factors//rename").status == 404
    found = stranger.ask("DELETE", "/account")
    assert (found.status, found.answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        ("x" * 70_000, "application/x-www-form-urlencoded", 413),
        ("&".join(f"a{n}=1" for n in range(100)), "application/x-www-form-urlencoded", 400),
        ("email=%ff%fe", "application/x-www-form-urlencoded", 400),
        ("email=\u00e9", "application/x-www-form-urlencoded", 400),
        ('{"email": "x"}', "application/json", 400),
        ("--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        ("", "", 400),
    ],
)
def test_what_is_no_form_of_ours_is_refused_with_a_page(
    stranger: Visitor, data: str, content_type: str, status: int
) -> None:
    page = stranger.ask(
        "POST", "/sign-in", data=data.encode(), headers={"Content-Type": content_type}
    )

    assert page.status == status
    assert page.heading


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Enter your user name."),
        ("a" * 300, "This is 300 characters long, the limit is 254."),
        ("maria\x00@northgate.example", "This holds characters that cannot be typed."),
        ("maria@northgate.example\r\nBcc: all", "This holds characters that cannot be typed."),
    ],
)
def test_a_hostile_field_is_told_beside_it(stranger: Visitor, typed: str, told: str) -> None:
    page = stranger.press(stranger.open("/sign-in"), "Continue", email=typed)

    assert page.status == 422
    assert page.text.count(told) == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_static_files_are_served_to_be_kept(common: Served, stranger: Visitor, method: str) -> None:
    path = re.search(r'href="(/static/portal[^"]+)"', stranger.open("/sign-in").html)
    assert path
    answer = requests.request(method, common.portal + path[1], timeout=20)

    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"


def test_a_link_of_an_invitation_is_in_no_log(stranger: Visitor) -> None:
    with access_log() as lines:
        stranger.press(stranger.open("/invitation/very-secret-link"), "Start")

    told = [lines.get(timeout=10).__dict__ for _ in range(2)]
    assert [each["path"] for each in told] == ["/invitation/***"] * 2
    assert "very-secret-link" not in str(told)


def test_the_sandbox_is_no_page_of_run(stranger: Visitor) -> None:
    page = stranger.open("/sandbox/inbox")

    assert page.status == 404
    assert not [route for route in ROUTES if route.path.startswith("/sandbox")]


def test_where_to_find_the_portal_is_told_to_clients(common: Served) -> None:
    about = requests.get(f"{common.rest}/.well-known/transom", timeout=20).json()

    assert about["portal"] == common.portal
