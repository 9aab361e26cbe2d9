"""For whom somebody acts: shown on every page, switched by a press, gone when the right is gone."""

from __future__ import annotations

import pytest
from filing import entitled, principal
from visitors import Human, Page, Visitor
from world import World

from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level


@pytest.fixture
def inside(visitor: Visitor, maria: Human, sqlite_world: World) -> Visitor:
    """Maria, who may act for her own firm and for 0002."""
    entitled(sqlite_world, maria)
    entitled(sqlite_world, maria, org="0002")
    visitor.sign_in(maria)
    return visitor


def test_one_acts_for_the_own_firm_until_one_switches(inside: Visitor) -> None:
    home = inside.open("/browse")
    assert home.heading == "Files of Org 0001"
    assert "Acting for" not in home.text

    assert inside.press(home, "Switch", org="0002").path == "/home"
    after = inside.open("/browse")

    assert after.heading == "Files of Org 0002"
    assert "Acting for Org 0002 (0002)" in after.text


def test_a_page_of_a_place_acts_for_its_organization_whatever_was_chosen(inside: Visitor) -> None:
    page = inside.open("/browse/0002/app1/in")

    assert "Acting for Org 0002 (0002)" in page.text
    assert "Acting for" not in inside.open("/browse").text


@pytest.mark.parametrize("org", ["0003", "", "2", "0002' or 1"])
def test_nobody_switches_to_a_foreign_organization(inside: Visitor, org: str) -> None:
    refused = inside.press(inside.open("/browse"), "Switch", org=org)

    assert refused.status == 404
    assert inside.open("/browse").heading == "Files of Org 0001"


def test_whoever_may_not_act_for_it_any_more_is_back_at_the_own_firm_and_told_once(
    inside: Visitor, sqlite_world: World, maria: Human
) -> None:
    inside.press(inside.open("/browse"), "Switch", org="0002")
    right = Entitlement(principal(sqlite_world, maria).id, "0002", "app1", "", Level.BOTH)
    sqlite_world.exchange.administration.end_entitlement(SYSTEM, right)

    first, second = inside.open("/browse"), inside.open("/browse")

    assert "You may not act for 0002 any more." in first.text
    assert first.heading == "Files of Org 0001"
    assert "any more" not in second.text


@pytest.fixture
def many(inside: Visitor, sqlite_world: World, maria: Human) -> Visitor:
    """Maria, who may act for fourteen organizations."""
    bound = sqlite_world.account("0001")
    person = principal(sqlite_world, maria)
    for number in range(10, 22):
        org = f"00{number}"
        sqlite_world.organization(org)
        sqlite_world.entitle(bound, org, "app1", "both")
        right = Entitlement(person.id, org, "app1", "", Level.BOTH)
        sqlite_world.exchange.administration.entitle(SYSTEM, right)
    return inside


def test_of_many_organizations_one_is_found_by_name_or_number(many: Visitor) -> None:
    assert "<select" not in many.open("/browse").html
    every, few = many.open("/acting-for"), many.open("/acting-for?q=ORG%200015")
    by_number = many.open("/acting-for?q=0020")

    assert every.text.count("Switch Org") == 13
    assert few.text.count("Switch Org") == 1
    assert "Org 0020" in by_number.text
    assert "No organization of yours" in many.open("/acting-for?q=%3Cb%3E").text

    assert chosen(many, few).heading == "Files of Org 0015"


def chosen(visitor: Visitor, page: Page) -> Page:
    visitor.press(page, "Switch Org 0015")
    return visitor.open("/browse")


def test_whoever_may_act_for_none_is_told_whom_to_ask(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)

    assert "You may act for no organization yet." in visitor.open("/acting-for").text
