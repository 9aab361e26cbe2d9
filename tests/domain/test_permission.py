"""The only decision: who may do what where, and what of all that is there can be seen."""

from __future__ import annotations

import pytest

from transom.domain.entitlement import (
    Action,
    Actor,
    Entitlement,
    Level,
    PrincipalKind,
    rights_of,
)
from transom.domain.errors import NotEntitled
from transom.domain.names import Place
from transom.domain.permission import (
    require,
    require_process,
    trackable,
    visible,
    visible_applications,
    visible_orgs,
)
from transom.domain.space import Application, Catalogue, Direction, OrgKind, SubSpace

LIST, UPLOAD, DOWNLOAD = Action.LIST, Action.UPLOAD, Action.DOWNLOAD
MAY = {
    ("submit", "in"): {LIST, UPLOAD},
    ("submit", "out"): set(),
    ("submit", "in_arcv"): set(),
    ("download", "in"): set(),
    ("download", "out"): {LIST, DOWNLOAD},
    ("download", "in_arcv"): {LIST, DOWNLOAD},
    ("both", "in"): {LIST, UPLOAD},
    ("both", "out"): {LIST, DOWNLOAD},
    ("both", "in_arcv"): {LIST, DOWNLOAD},
    ("process", "in"): set(),
    ("process", "out"): set(),
    ("process", "in_arcv"): set(),
}
DECISIONS = [
    (level, space, action, action in allowed)
    for (level, space), allowed in MAY.items()
    for action in Action
]


def app(name: str) -> Application:
    spaces = (
        SubSpace(name, "in", Direction.INBOUND, archived=True),
        SubSpace(name, "out", Direction.OUTBOUND, retention_days=30),
    )
    return Application(name, name, {each.name: each for each in spaces}).with_archives(30)


CATALOGUE = Catalogue.of([app("app1"), app("app2")])
KINDS = {"0001": OrgKind.FIRM, "0002": OrgKind.FIRM}


def actor(*grants: str) -> Actor:
    """Who holds these: "level organization/application/sub-space"."""
    entitlements = []
    for level, _, path in (grant.partition(" ") for grant in grants):
        org, application, sub_space = path.split("/")
        entitlements.append(Entitlement("p1", org, application, sub_space, Level(level)))
    rights = rights_of(entitlements, CATALOGUE, KINDS, {})
    return Actor("p1", "0001ftp01", PrincipalKind.ACCOUNT, "0001", rights)


def refusal(who: Actor, action: Action, place: str) -> NotEntitled:
    with pytest.raises(NotEntitled) as refused:
        require(who, action, Place.parse(place))
    return refused.value


@pytest.mark.parametrize(("level", "space", "action", "allowed"), DECISIONS)
def test_each_level_allows_what_the_guide_says_and_nothing_more(
    level: str, space: str, action: Action, *, allowed: bool
) -> None:
    who, place = actor(f"{level} 0001/app1/"), f"0001/app1/{space}"

    if allowed:
        assert require(who, action, Place.parse(place)).name == space
    else:
        refusal(who, action, place)


@pytest.mark.parametrize("level", Level)
def test_nobody_downloads_from_an_inbound_sub_space(level: Level) -> None:
    refusal(actor(f"{level} 0001/app1/"), DOWNLOAD, "0001/app1/in")


def test_the_decision_hands_back_the_sub_space_that_it_was_made_for() -> None:
    space = require(actor("both 0001/app1/"), DOWNLOAD, Place.parse("0001/app1/in_arcv"))

    assert space == CATALOGUE.applications["app1"].sub_spaces["in_arcv"]


@pytest.mark.parametrize(
    "place",
    [
        "0002/app1/in",  # another organization's
        "0001/app2/in",  # another application's
        "9999/app1/in",  # no such organization
        "1/app1/in",  # not the same number, though the same value
        "0001/nosuch/in",
        "0001/app1/nosuch",
        "0001/APP1/in",
    ],
)
def test_what_is_foreign_and_what_is_missing_are_refused_with_one_and_the_same_error(
    place: str,
) -> None:
    who = actor("both 0001/app1/")
    wrong_action = refusal(who, DOWNLOAD, "0001/app1/in")

    refused = refusal(who, UPLOAD, place)

    assert type(refused) is NotEntitled
    assert refused.message == wrong_action.message


def test_a_refusal_holds_who_what_and_where_for_the_audit_and_says_nothing_of_it() -> None:
    refused = refusal(actor(), UPLOAD, "0002/app1/in")

    assert (refused.account, refused.action, refused.place) == (
        "0001ftp01",
        "upload",
        "0002/app1/in",
    )
    for fact in ("0001ftp01", "0002", "app1"):
        assert fact not in refused.message


def test_an_actor_cut_to_one_action_may_do_that_one_only() -> None:
    place = Place.parse("0001/app1/in")
    cut = actor("both 0001/app1/", "process /app1/").cut_to(UPLOAD, place)

    require(cut, UPLOAD, place)
    refusal(cut, LIST, "0001/app1/in")
    refusal(cut, LIST, "0001/app1/in_arcv")
    with pytest.raises(NotEntitled):
        require_process(cut, "app1")


# --- processing ----------------------------------------------------------------------------------


def test_an_applications_own_account_speaks_for_it() -> None:
    require_process(actor("process /app1/"), "app1")


@pytest.mark.parametrize("application", ["app2", "nosuch", "", "APP1"])
def test_it_speaks_for_no_other_and_a_missing_one_is_refused_alike(application: str) -> None:
    who = actor("process /app1/", "both 0001/app2/")

    with pytest.raises(NotEntitled) as refused:
        require_process(who, application)

    assert refused.value.message == refusal(who, UPLOAD, "0002/app1/in").message
    assert refused.value.action == "process"


def test_a_firm_with_every_right_does_not_process() -> None:
    with pytest.raises(NotEntitled):
        require_process(actor("both 0001/app1/"), "app1")


# --- what can be seen ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("submit", {"in"}),
        ("download", {"out", "in_arcv"}),
        ("both", {"in", "out", "in_arcv"}),
        ("process", set()),
    ],
)
def test_the_sub_spaces_that_an_actor_sees_are_those_in_which_it_may_do_something(
    level: str, seen: set[str]
) -> None:
    assert set(visible(actor(f"{level} 0001/app1/"), "0001", "app1")) == seen


@pytest.mark.parametrize(("org", "application"), [("0002", "app1"), ("0001", "app2"), ("", "")])
def test_elsewhere_an_actor_sees_nothing(org: str, application: str) -> None:
    assert visible(actor("both 0001/app1/"), org, application) == {}


def test_applications_and_organizations_are_seen_where_anything_in_them_is() -> None:
    who = actor("both 0002/app2/", "submit 0001/app2/", "download 0001/app1/out")

    assert visible_orgs(who) == ["0001", "0002"]
    assert visible_applications(who, "0001") == ["app1", "app2"]
    assert visible_applications(who, "0002") == ["app2"]
    assert visible_applications(who, "9999") == []


def test_an_entitlement_that_comes_to_nothing_shows_nothing() -> None:
    who = actor("submit 0001/app1/out", "process /app2/")

    assert visible_orgs(who) == []
    assert visible_applications(who, "0001") == []


@pytest.mark.parametrize(
    ("grant", "places"),
    [
        ("submit 0001/app1/", {"0001/app1/in"}),
        ("download 0001/app1/", {"0001/app1/in"}),  # by the archive beside it
        ("download 0001/app1/in_arcv", {"0001/app1/in"}),
        ("both 0001/app1/in", {"0001/app1/in"}),
        ("both 0001/app1/out", set()),
        ("both 9999/app1/", set()),
        ("process /app1/", set()),
    ],
)
def test_submissions_may_be_followed_where_they_were_made_by_whoever_has_a_part_in_it(
    grant: str, places: set[str]
) -> None:
    assert {str(each) for each in trackable(actor(grant))} == places
