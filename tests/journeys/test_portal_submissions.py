"""Home and submissions in a real browser: from what needs somebody to the record that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from browsers import Window, window
from filing import entitled, principal
from playwright.sync_api import Browser
from visitors import Human, Visitor, person
from world import Account, Processor, Served, World

from transom.core.handoff import Answer
from transom.domain.people import Display
from transom.domain.submission import Finding, State
from transom.records import people

Inside = Callable[..., AbstractContextManager[Window]]
LOOKS = [
    pytest.param("light", 1280, marks=pytest.mark.drill),
    pytest.param("dark", 1280, marks=pytest.mark.drill),
    pytest.param("light", 360, marks=pytest.mark.drill),
    ("dark", 360),
]
"""The first three for whoever looks at the pictures; what could be wrong shows in the last."""

HOSTILE = "=cmd'&,!@" + "W" * 220 + ".xml"
MARKUP = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\u202egnp"
PAGES_OF_A_PRINT = re.compile(rb"/Type\s*/Page\b(?!s)")


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world)


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    return entitled(sqlite_world, maria)


@pytest.fixture
def app(sqlite_world: World) -> Processor:
    return sqlite_world.processor()


@pytest.fixture
def inside(browser: Browser, served: Served, maria: Human) -> Inside:
    """Opens windows in which Maria is signed in; the pages for that have journeys of their own."""

    @contextmanager
    def open_window(**options: Any) -> Iterator[Window]:
        with window(browser, served.portal, **options) as shown:
            visitor = Visitor(served.portal)
            visitor.sign_in(maria)
            shown.page.context.add_cookies(
                [
                    {"name": each.name, "value": each.value or "", "url": served.portal}
                    for each in visitor.http.cookies
                ]
            )
            visitor.close()
            yield shown

    return open_window


def answer(app: Processor, outcome: State, *findings: Finding) -> None:
    """Answer everything that waits."""
    handoff = app.account.world.exchange.handoff
    for lease in app.claim(100):
        said = Answer(outcome, findings, acknowledge=True)
        handoff.report(app.actor, lease.submission.tracking_id, lease.fence, said)


def a_busy_week(firm: Account, app: Processor) -> str:
    """Something of everything; returns the tracking id of what was rejected in part."""
    world = firm.world
    for number in range(4):
        firm.submit(f"0001/app1/in/rex_112{number}.xml", b"x" * (10**number * 38))
        world.clock.pass_time(timedelta(minutes=3))
        answer(app, State.ACCEPTED)
    firm.submit("0001/app1/in/SI_20261113.txt", b"x" * 412_000)
    answer(app, State.REJECTED, Finding("", "", "F-1", "The trailer counts 41 records, found 40."))
    world.clock.pass_time(timedelta(hours=3))
    sent = firm.submit("0001/app1/in/4530_2026Q4.xml", b"x" * 2_308_114)
    world.clock.pass_time(timedelta(minutes=4))
    answer(
        app,
        State.PARTIALLY_REJECTED,
        Finding("NGS-2026-0312", "branch-zip", "R4530-114", 'Must be 5 digits. Found "6060".'),
        Finding("NGS-2026-0327", "problem", "R4530-207", MARKUP),
    )
    app.publish("0001/app1/out/feedback_4530_2026Q4.xml", b"x" * 18_400, about=sent.tracking_id)
    firm.submit(f"0001/app1/in/{HOSTILE}")
    world.clock.pass_time(timedelta(hours=5))
    return sent.tracking_id


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_from_home_to_the_wrong_record_and_the_result(
    inside: Inside, firm: Account, app: Processor, scheme: str, width: int
) -> None:
    a_busy_week(firm, app)

    with inside(scheme=scheme, width=width) as shown:
        shown.open("/home")
        shown.look(f"home-{scheme}-{width}")
        shown.press("See 2 findings")
        shown.sees("4530_2026Q4.xml")
        shown.says(MARKUP[:40])
        shown.look(f"submission-{scheme}-{width}")
        shown.page.get_by_role("link", name="NGS-2026-0312").click()
        assert shown.page.url.endswith("#record-ngs-2026-0312")
        with shown.page.expect_download() as fetched:
            shown.page.get_by_role("link", name="Get result file").click()
        assert fetched.value.suggested_filename == "feedback_4530_2026Q4.xml"


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_list_and_its_filters(
    inside: Inside, firm: Account, app: Processor, scheme: str, width: int
) -> None:
    a_busy_week(firm, app)

    with inside(scheme=scheme, width=width) as shown:
        shown.open("/submissions")
        shown.look(f"submissions-{scheme}-{width}")
        shown.page.get_by_label("Rejected", exact=True).check()
        shown.page.get_by_label("Partially rejected", exact=True).check()
        shown.press("Apply")
        assert shown.page.locator("tbody tr").count() == 2
        shown.look(f"submissions-rejected-{scheme}-{width}")
        shown.open("/submissions?from=2026-11-20&to=2026-11-01")
        shown.look(f"submissions-impossible-{scheme}-{width}")
        shown.open("/submissions?q=nothing+like+it")
        shown.look(f"submissions-nothing-{scheme}-{width}")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.usefixtures("firm")
def test_where_nothing_was_sent_yet_the_pages_say_so(
    inside: Inside, scheme: str, width: int
) -> None:
    with inside(scheme=scheme, width=width) as shown:
        shown.open("/home")
        shown.says("Nothing needs you.")
        shown.look(f"home-empty-{scheme}-{width}")
        shown.open("/submissions")
        shown.says("Nothing was sent yet.")
        shown.look(f"submissions-empty-{scheme}-{width}")


def test_a_record_prints_on_one_page_of_either_size(
    inside: Inside, maria: Human, firm: Account, app: Processor
) -> None:
    world, her_id = firm.world, principal(firm.world, maria).id
    with world.program.databases.identity.transaction() as tx:
        people.set_display(tx, her_id, Display(zone="America/Chicago"))
    sent = firm.submit("0001/app1/in/4530_2026Q4.xml", b"x" * 2_308_114)
    world.clock.pass_time(timedelta(minutes=4))
    found = [Finding(f"NGS-{n:04}", "branch-zip", "Z-1", "Must be 5 digits.") for n in range(25)]
    answer(app, State.PARTIALLY_REJECTED, *found)
    app.publish("0001/app1/out/feedback_4530_2026Q4.xml", about=sent.tracking_id)

    with inside() as shown:
        shown.open(f"/submissions/{sent.tracking_id}")
        prints = {size: shown.page.pdf(format=size) for size in ("A4", "Letter")}
        shown.page.emulate_media(media="print")
        text = shown.text
        shown.page.set_viewport_size({"width": 718, "height": 1000})
        shown.page.screenshot(path=".cache/screenshots/submission-print.png", full_page=True)

    assert {size: len(PAGES_OF_A_PRINT.findall(pdf)) for size, pdf in prints.items()} == {
        "A4": 1,
        "Letter": 1,
    }
    assert sent.tracking_id in text
    assert sent.sha256 in text
    assert maria.email in text
    for both in ("2026-11-20 14:40:10 CST", "2026-11-20 15:40:10 EST"):
        assert both in text
    for gone in ("Sign out", "Copy", "Submissions\n", "This session ends"):
        assert gone not in text, gone


def test_the_list_is_filtered_without_scripts(
    inside: Inside, firm: Account, app: Processor
) -> None:
    a_busy_week(firm, app)

    with inside(width=360, scripts=False) as shown:
        shown.open("/submissions")
        shown.fill("File name or tracking id", "4530")
        shown.press("Apply")
        assert shown.page.locator("tbody tr").count() == 1
        shown.press("4530_2026Q4.xml")
        shown.sees("4530_2026Q4.xml")
        shown.says("Send a new file with only these, corrected.")


def test_a_long_hostile_name_widens_no_page(inside: Inside, firm: Account) -> None:
    sent = firm.submit(f"0001/app1/in/{HOSTILE}")

    with inside(width=360) as shown:
        for path in ("/home", "/submissions", f"/submissions/{sent.tracking_id}"):
            shown.open(path)
            wide = shown.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, path
        shown.sees(HOSTILE)
