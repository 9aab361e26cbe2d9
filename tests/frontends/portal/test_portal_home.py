"""Home: what needs the person, where to upload, and what was sent last."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from answering import answer
from filing import entitled
from visitors import PASSWORD, SECRET, Human, Page, Visitor
from world import Account, Processor, World

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.core.sign_in import Attempt
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import BadCredentials
from transom.domain.people import FactorKind, Period, Role
from transom.domain.submission import Finding, State

NAME = "Si_20261113.txt"


def needs(page: Page) -> str:
    """What stands under "Needs you"."""
    section = page.html.partition('id="needs"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", section).split()[4:])


def test_nothing_needs_somebody_whose_files_are_all_accepted_or_young(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    firm.submit(f"0001/app1/in/{NAME}")
    answer(app)
    firm.submit("0001/app1/in/young.txt")

    page = inside.open("/home")

    assert page.heading == "Home"
    assert "Nothing needs you. Last checked Nov 20, 2026, 3:3" in page.text
    assert "EST" in page.text


def test_a_refusal_stands_first_with_the_way_to_what_was_found(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    sent = firm.submit(f"0001/app1/in/{NAME}")
    answer(app, State.REJECTED, [Finding("R1", "zip", "Z9", "wrong")] * 2)

    page = inside.open("/home")

    assert "Needs you (1)" in page.text
    assert f"Rejected Nov 20, 2026, 3:36 PM EST {NAME} app1/in See 2 findings" in page.text
    assert f'href="/submissions/{sent.tracking_id}#findings"' in page.html


def test_more_than_five_refusals_lead_to_the_list_of_all(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    for number in range(6):
        firm.submit(f"0001/app1/in/{number}.txt")
    answer(app, State.PARTIALLY_REJECTED)

    page = inside.open("/home")

    assert "Needs you (5+)" in page.text
    assert 'href="/submissions?state=rejected,partially_rejected"' in page.html
    assert "6.txt" not in page.text


def test_what_waits_long_is_told_with_both_times(
    inside: Visitor, maria: Human, firm: Account, app: Processor, sqlite_world: World
) -> None:
    for number in range(3):
        firm.submit(f"0001/app1/in/usual{number}.txt")
        sqlite_world.clock.pass_time(timedelta(hours=2))
        answer(app)
    firm.submit("0001/app1/in/late.txt")
    sqlite_world.clock.pass_time(timedelta(hours=26))
    inside.sign_in(maria)

    page = inside.open("/home")

    assert "late.txt app1/in with its application for 26 h, usually 2 h Why?" in page.text


def test_without_a_usual_time_only_the_waiting_is_told(
    inside: Visitor, maria: Human, firm: Account, sqlite_world: World
) -> None:
    firm.submit("0001/app1/in/late.txt")
    sqlite_world.clock.pass_time(timedelta(days=3))
    inside.sign_in(maria)

    assert "with its application for 3 days Why?" in inside.open("/home").text


def test_a_result_that_ends_soon_and_was_not_fetched_is_offered(
    inside: Visitor, maria: Human, app: Processor, sqlite_world: World
) -> None:
    app.publish("0001/app1/out/stmt.pdf")
    sqlite_world.clock.pass_time(timedelta(days=29))
    inside.sign_in(maria)

    page = inside.open("/home")
    assert "Ends soon stmt.pdf app1/out, not downloaded, ends Dec 21, 2026" in page.text

    link = re.search(r'href="([^"]+stmt\.pdf)"', page.html)
    assert link
    assert inside.open(link[1]).status == 200
    assert "stmt.pdf" not in needs(inside.open("/home"))


def test_a_factor_that_ends_within_a_month_is_told_with_the_way_to_another(
    inside: Visitor, sqlite_world: World
) -> None:
    ends_at = sqlite_world.clock.now() + timedelta(days=20)
    admin = sqlite_world.exchange.people.administration
    admin.set_factor_period(SYSTEM, "", FactorKind.SMS, Period(None, ends_at))

    page = inside.open("/home")

    assert "This way to sign in ends Dec 10, 2026" in page.text
    assert 'href="/account/factor"' in page.html


def test_locked_accounts_of_the_firm_are_told_to_its_administrators_only(
    inside: Visitor, firm: Account, sqlite_world: World, another: Callable[[], Visitor]
) -> None:
    new = NewPerson("tom@northgate.example", "Tom Okafor", "0001", Role.ACCOUNT_ADMINISTRATOR)
    made = sqlite_world.exchange.people.administration.have_ready(
        SYSTEM, ReadyPerson(new, PASSWORD, SECRET)
    )
    right = Entitlement(made.id, "0001", "app1", "", Level.BOTH)
    sqlite_world.exchange.administration.entitle(SYSTEM, right)
    for _ in range(5):
        with pytest.raises(BadCredentials):
            sqlite_world.exchange.sign_in.enter(Attempt(firm.name, "wrong", "203.0.113.9"))
    toms = another()
    toms.sign_in(Human(sqlite_world, "tom@northgate.example"))

    told = toms.open("/home").text

    assert f"Locked {firm.name} after too many wrong sign-ins, until Nov 20, 2026" in told
    assert "Locked" not in inside.open("/home").text


def test_nothing_of_another_firm_or_beyond_the_rights_is_told(
    inside: Visitor, sqlite_world: World, app: Processor
) -> None:
    for place, account in (
        ("0002/app1/in", sqlite_world.account("0002")),
        ("0001/app2/in", sqlite_world.account(application="app2")),
    ):
        account.submit(f"{place}/foreign.txt")
    answer(app, State.REJECTED)
    answer(sqlite_world.processor("app2"), State.REJECTED)

    page = inside.open("/home")

    assert "foreign.txt" not in page.html
    assert "Nothing needs you." in page.text


def test_the_latest_submissions_stand_with_their_states_the_newest_first(
    inside: Visitor, firm: Account, app: Processor, sqlite_world: World
) -> None:
    assert "Nothing was sent yet." in inside.open("/home").text
    for number in range(9):
        sent = firm.submit(f"0001/app1/in/{number}.txt")
        sqlite_world.clock.pass_time(timedelta(seconds=1))
    answer(app)

    page = inside.open("/home")

    latest = page.html.partition('id="latest"')[2]
    assert re.findall(r"<bdi>(\d)\.txt<", latest) == list("87654321")
    assert latest.count('data-state="accepted"') == 8
    assert f'data-state-of="{sent.tracking_id}"' in latest


def test_the_places_used_most_are_one_press_away_and_none_where_one_may_not_upload(
    inside: Visitor, maria: Human, firm: Account, sqlite_world: World
) -> None:
    entitled(sqlite_world, maria, application="app2", may="download")
    page = inside.open("/home")
    assert 'class="button button-primary" href="/browse/0001/app1/in"' in page.html
    assert "app2/in" not in page.text

    entitled(sqlite_world, maria, application="app2", may="submit")
    for number in range(2):
        sqlite_world.account(application="app2").submit(f"0001/app2/in/{number}.txt")
    firm.submit("0001/app1/in/one.txt")
    page = inside.open("/home")

    places = page.html.partition('class="places"')[2].partition("</ul>")[0]
    assert re.findall(r'href="/browse/0001/(\w+)/in"', places) == ["app2", "app1"]


def test_whoever_may_act_for_nobody_is_told_whom_to_ask(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)

    page = visitor.open("/home")

    assert "You may not exchange files for any organization yet." in page.text


def test_home_is_of_the_organization_that_one_acts_for(
    inside: Visitor, maria: Human, firm: Account, sqlite_world: World
) -> None:
    firm.submit("0001/app1/in/ours.txt")
    entitled(sqlite_world, maria, org="0002").submit("0002/app1/in/theirs.txt")
    page = inside.open("/home")
    assert ("ours.txt" in page.text, "theirs.txt" in page.text) == (True, False)

    page = inside.press(page, "Switch", org="0002")

    assert ("ours.txt" in page.text, "theirs.txt" in page.text) == (False, True)


def test_home_is_small_with_a_full_list_of_everything(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    for number in range(10):
        firm.submit(f"0001/app1/in/{number}_{'x' * 230}.txt"[:-4] if number else "0001/app1/in/a")
    answer(app, State.REJECTED)

    assert len(inside.open("/home").html) < 24_000
