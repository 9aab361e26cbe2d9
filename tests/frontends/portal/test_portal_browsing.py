"""Browsing and fetching: exactly what the person is entitled to, page by page, and the file."""

from __future__ import annotations

import re
from html import unescape

import pytest
from filing import entitled, principal
from visitors import Human, Page, Visitor
from world import Account, Processor, World

from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level

PLACE = "0001/app1/out"
CSP = "sandbox; default-src 'none'; frame-ancestors 'none'"


def names(page: Page) -> list[str]:
    """The files that a page lists."""
    return re.findall(r'title="([^"]+)"><bdi>', page.html)


# --- levels --------------------------------------------------------------------------------------


def test_the_applications_of_the_organization_stand_with_titles_and_what_one_may_do(
    inside: Visitor, sqlite_world: World, maria: Human
) -> None:
    entitled(sqlite_world, maria, application="app2", may="download")

    page = inside.open("/browse")

    assert page.heading == "Files of Org 0001"
    assert "APP1 app1 upload and download" in page.text
    assert "APP2 app2 download" in page.text


def test_whoever_is_entitled_to_nothing_is_told_whom_to_ask(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)

    assert "Ask your administrator" in visitor.open("/browse").text


def test_an_application_tells_of_each_folder_what_is_in_it_and_how_long_it_stays(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    firm.submit("0001/app1/in/one.zip")
    app.publish(f"{PLACE}/result.zip")

    page = inside.open("/browse/0001/app1")

    assert page.heading == "APP1"
    assert "in upload 1 until the application takes it 2026-11-20 15:36" in page.text
    assert "in_arcv download 1 30 days" in page.text
    assert "out download 1 30 days" in page.text


def test_files_are_listed_by_name_with_size_and_times_in_the_readers_zone_and_eastern(
    inside: Visitor, app: Processor
) -> None:
    app.publish(f"{PLACE}/b.zip", b"x" * 2_310_000)
    app.publish(f"{PLACE}/a.zip")
    inside.press(inside.open("/account"), "Save display", zone="America/Chicago")

    page = inside.open(f"/browse/{PLACE}")

    assert names(page) == ["a.zip", "b.zip"]
    assert "2.31 MB 2026-11-20 14:36 2026-12-20 23:00 2026-12-21 00:00:00 EST" in page.text
    assert "Here since (CST)" in page.text


def test_what_ends_soon_says_so(
    inside: Visitor, sqlite_world: World, maria: Human, app: Processor
) -> None:
    sqlite_world.application("app3", days=1)
    entitled(sqlite_world, maria, application="app3")
    sqlite_world.processor("app3").publish("0001/app3/out/a.txt")
    app.publish(f"{PLACE}/a.txt")

    assert "Ends in 32 h" in inside.open("/browse/0001/app3/out").text
    assert "Ends in" not in inside.open(f"/browse/{PLACE}").text


def test_pages_lead_on_and_back_by_name_and_a_filter_stays(inside: Visitor, app: Processor) -> None:
    for number in range(120):
        app.publish(f"{PLACE}/f{number:03}.txt")
    app.publish(f"{PLACE}/g.txt")

    first = inside.open(f"/browse/{PLACE}?name=f")
    second = inside.open(link(first, "Later names"))
    third = inside.open(link(second, "Later names"))
    back = inside.open(link(third, "Earlier names"))

    assert [names(each)[0] for each in (first, second, third)] == [
        "f000.txt",
        "f050.txt",
        "f100.txt",
    ]
    assert names(third)[-1] == "f119.txt"
    assert names(back) == names(second)
    assert "Later names" not in third.text
    assert "Earlier names" not in first.text
    assert len(names(inside.open(f"/browse/{PLACE}?size=200"))) == 121


def link(page: Page, said: str) -> str:
    found = re.search(rf'href="([^"]+)">{said}', page.html)
    assert found, page.text
    return unescape(found[1])


NO_PREFIXES = ["zz", "%00", "a b", "%F0%9F%98%80", "%2F", "<b>"]


def test_a_filter_that_nothing_can_match_says_so_and_offers_to_clear_it(
    inside: Visitor, app: Processor
) -> None:
    for prefix in NO_PREFIXES:
        app.publish(f"{PLACE}/a.txt")

        page = inside.open(f"/browse/{PLACE}?name={prefix}")

        assert page.status == 200
        assert "No file here has a name that begins so. Clear" in page.text


def test_a_name_that_stands_twice_is_listed_once_and_the_newest_is_fetched(
    inside: Visitor, app: Processor
) -> None:
    app.publish(f"{PLACE}/a.txt", b"old")
    app.publish(f"{PLACE}/a.txt", b"new")

    assert names(inside.open(f"/browse/{PLACE}")) == ["a.txt"]
    assert inside.open(f"/browse/{PLACE}/a.txt").answer.content == b"new"


def test_a_files_page_has_its_digest_both_times_its_submission_and_commands(
    inside: Visitor, firm: Account
) -> None:
    submission = firm.submit("0001/app1/in/a'b&c.zip")
    assert submission.archive_name

    page = inside.open("/browse/0001/app1/in_arcv", params={"file": submission.archive_name})

    assert page.heading == submission.archive_name.replace("'", "&#39;").replace("&c", "&amp;c")
    assert str(submission.sha256) in page.text
    assert "2026-11-20 15:36:40 EST" in page.text
    assert submission.tracking_id in page.text
    assert "Received" in page.text
    assert (
        f"transom get '0001/app1/in_arcv/{submission.archive_name[:18]}a'\"'\"'b&c.zip'"
        in page.text
    )
    assert "/files/0001/app1/in_arcv/" in page.text


def test_commands_for_sending_name_this_sites_addresses(
    inside: Visitor, sqlite_world: World
) -> None:
    page = inside.open("/browse/0001/app1/in")

    assert "transom put FILE 0001/app1/in --wait" in page.text
    assert f"{sqlite_world.program.settings.rest.public_url}/files/0001/app1/in/FILE" in page.text
    assert "sftp" not in page.text.lower()  # this world has no such door


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/browse/0002",
        "/browse/0002/app1",
        "/browse/0002/app1/out",
        "/browse/0002/app1/out/a.txt",
        "/browse/0001/app2",
        "/browse/0001/app2/out",
        "/browse/0001/app1/nothing",
        "/browse/0001/app1/in_arvcv2",
        "/browse/00001/app1",
        "/browse/1/app1",
        "/browse/0001/app1/out/missing.txt",
        "/browse/0001/app1/out/..%2F..%2Fetc",
        "/browse/0001/app1/out?file=missing.txt",
        "/browse/0001/app%20x/out",
    ],
)
def test_foreign_places_and_files_are_not_there_like_missing_ones(
    inside: Visitor, sqlite_world: World, path: str
) -> None:
    sqlite_world.account("0002")
    sqlite_world.processor().publish("0002/app1/out/a.txt")

    page = inside.open(path)
    missing = inside.open("/browse/0001/app9")

    assert page.status == 404
    assert (page.heading, page.status) == (missing.heading, missing.status)


def test_what_was_sent_in_cannot_be_fetched_from_the_inbound_folder(
    inside: Visitor, firm: Account
) -> None:
    firm.submit("0001/app1/in/a.txt")

    fetched = inside.open("/browse/0001/app1/in/a.txt")
    about = inside.open("/browse/0001/app1/in?file=a.txt")

    assert fetched.status in {403, 404}
    assert fetched.answer.content != b"content"
    assert "cannot be fetched from here. A copy stays in in_arcv." in about.text
    assert "Get file" not in about.text


# --- fetching ------------------------------------------------------------------------------------


def test_a_file_comes_as_an_attachment_that_nothing_may_run_in(
    inside: Visitor, app: Processor, sqlite_world: World
) -> None:
    app.publish(f"{PLACE}/x'&=,.svg", b"<svg onload='alert(1)'/>")

    answer = inside.open(f"/browse/{PLACE}/x'&=,.svg").answer

    assert answer.content == b"<svg onload='alert(1)'/>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert (
        answer.headers["Content-Disposition"]
        == "attachment; filename=\"x'&=,.svg\"; filename*=UTF-8''x%27%26%3D%2C.svg"
    )
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    (entry,) = sqlite_world.audited("download.started")
    assert entry.object == f"{PLACE}/x'&=,.svg"


def test_parts_heads_and_conditions_are_answered_as_the_other_doors_do(
    inside: Visitor, app: Processor, sqlite_world: World
) -> None:
    app.publish(f"{PLACE}/a.txt", b"0123456789")
    path = f"/browse/{PLACE}/a.txt"
    whole = inside.ask("HEAD", path).answer

    def asked(**headers: str) -> tuple[int, bytes]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = inside.ask("GET", path, headers=given).answer
        return answer.status_code, answer.content

    assert (whole.status_code, whole.content) == (200, b"")
    assert whole.headers["Content-Length"] == "10"
    assert not sqlite_world.audited("download.started")
    assert asked(Range="bytes=2-4") == (206, b"234")
    assert asked(Range="bytes=20-") == (416, b"")
    assert asked(If_None_Match=whole.headers["ETag"]) == (304, b"")
    assert asked(If_Match='"other"') == (412, b"")
    part = inside.ask("HEAD", path, headers={"Range": "bytes=2-4"}).answer
    assert (part.status_code, part.headers["Content-Length"]) == (206, "3")


def test_nobody_fetches_without_a_session(visitor: Visitor, app: Processor) -> None:
    app.publish(f"{PLACE}/a.txt")

    assert visitor.open(f"/browse/{PLACE}/a.txt").status == 401


@pytest.mark.usefixtures("firm")
def test_a_place_that_was_withdrawn_is_gone_at_once(
    inside: Visitor, app: Processor, sqlite_world: World, maria: Human
) -> None:
    app.publish(f"{PLACE}/a.txt")
    assert inside.open(f"/browse/{PLACE}/a.txt").status == 200
    right = Entitlement(principal(sqlite_world, maria).id, "0001", "app1", "", Level.BOTH)
    sqlite_world.exchange.administration.end_entitlement(SYSTEM, right)

    assert inside.open(f"/browse/{PLACE}").status == 404
    assert inside.open(f"/browse/{PLACE}/a.txt").status == 404
