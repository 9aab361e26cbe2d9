"""Entitlements: what each level allows where, for whom, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from transom.domain.entitlement import (
    Action,
    Actor,
    Entitlement,
    Level,
    PrincipalKind,
    Rights,
    rights_of,
)
from transom.domain.names import Place
from transom.domain.space import OPEN_SET, Application, Catalogue, Direction, OrgKind, SubSpace

LIST, UPLOAD, DOWNLOAD = Action.LIST, Action.UPLOAD, Action.DOWNLOAD
FIRM, AUTHORITY = OrgKind.FIRM, OrgKind.DESIGNATING_AUTHORITY
IN, OUT, ARCHIVE = Direction.INBOUND, Direction.OUTBOUND, Direction.ARCHIVE

SUBMITTED = {"list", "upload"}
FETCHED = {"list", "download"}
ALLOWED = {
    (Level.SUBMIT, IN): SUBMITTED,
    (Level.SUBMIT, OUT): set(),
    (Level.SUBMIT, ARCHIVE): set(),
    (Level.DOWNLOAD, IN): set(),
    (Level.DOWNLOAD, OUT): FETCHED,
    (Level.DOWNLOAD, ARCHIVE): FETCHED,
    (Level.BOTH, IN): SUBMITTED,
    (Level.BOTH, OUT): FETCHED,
    (Level.BOTH, ARCHIVE): FETCHED,
    (Level.PROCESS, IN): set(),
    (Level.PROCESS, OUT): set(),
    (Level.PROCESS, ARCHIVE): set(),
}

Opened = Mapping[tuple[str, str], Iterable[str]]


def inbound(application: str, name: str, *kinds: OrgKind) -> SubSpace:
    may_submit = frozenset(kinds or OrgKind)
    return SubSpace(application, name, IN, archived=True, may_submit=may_submit)


def outbound(application: str, name: str) -> SubSpace:
    return SubSpace(application, name, OUT, retention_days=30)


def application(name: str, *spaces: SubSpace) -> Application:
    return Application(name, name, {each.name: each for each in spaces}).with_archives(30)


CATALOGUE = Catalogue.of(
    [
        application(
            "blshts",
            inbound("blshts", "finra_in"),
            inbound("blshts", "sec_in"),
            outbound("blshts", "out"),
        ),
        application(
            "crd",
            inbound("crd", "incoming_designations", AUTHORITY),
            inbound("crd", "incoming_filings", FIRM),
            outbound("crd", "results"),
        ),
        application("tradejrnl", outbound("tradejrnl", OPEN_SET)),
    ]
)
KINDS = {"0001": FIRM, "0002": FIRM, "9000": AUTHORITY}


def entitled(path: str, level: Level = Level.BOTH) -> Entitlement:
    """An entitlement as "organization/application/sub-space"."""
    org, application, sub_space = path.split("/")
    return Entitlement("p1", org, application, sub_space, level)


def rights(*entitlements: Entitlement, opened: Opened | None = None) -> Rights:
    return rights_of(entitlements, CATALOGUE, KINDS, opened or {})


def told(held: Rights) -> dict[str, set[str]]:
    return {str(place): set(right.actions) for place, right in held.all()}


def actor(held: Rights) -> Actor:
    return Actor("p1", "0001ftp01", PrincipalKind.ACCOUNT, "0001", held, source="192.0.2.1")


# --- one entitlement -----------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "direction"), ALLOWED)
def test_what_a_level_allows_depends_on_the_direction_alone(
    level: Level, direction: Direction
) -> None:
    granted = entitled("0001/blshts/", level)

    assert granted.actions(SubSpace("blshts", "x", direction)) == ALLOWED[level, direction]


def test_the_table_above_is_complete() -> None:
    assert set(ALLOWED) == {(level, direction) for level in Level for direction in Direction}


@pytest.mark.parametrize("level", Level)
def test_nobody_downloads_from_an_inbound_sub_space(level: Level) -> None:
    assert DOWNLOAD not in entitled("0001/blshts/", level).actions(inbound("blshts", "in"))


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("direction", [OUT, ARCHIVE])
def test_nobody_uploads_anywhere_else(level: Level, direction: Direction) -> None:
    assert UPLOAD not in entitled("0001/blshts/", level).actions(SubSpace("b", "x", direction))


@pytest.mark.parametrize(
    ("of", "covered"),
    [
        ("", {"finra_in", "sec_in", "out", "finra_in_arcv", "sec_in_arcv"}),
        ("finra_in", {"finra_in", "finra_in_arcv"}),
        ("finra_in_arcv", {"finra_in_arcv"}),
        ("out", {"out"}),
        ("finra", set()),
        ("*", set()),
    ],
)
def test_an_entitlement_covers_all_or_a_sub_space_with_its_archive(
    of: str, covered: set[str]
) -> None:
    spaces = CATALOGUE.applications["blshts"].sub_spaces.values()

    assert {each.name for each in spaces if entitled(f"0001/blshts/{of}").covers(each)} == covered


# --- adding up -----------------------------------------------------------------------------------


def test_an_entitlement_to_an_application_reaches_every_sub_space_that_its_level_is_for() -> None:
    assert told(rights(entitled("0001/blshts/", Level.SUBMIT))) == {
        "0001/blshts/finra_in": SUBMITTED,
        "0001/blshts/sec_in": SUBMITTED,
    }
    assert told(rights(entitled("0001/blshts/", Level.DOWNLOAD))) == {
        "0001/blshts/finra_in_arcv": FETCHED,
        "0001/blshts/out": FETCHED,
        "0001/blshts/sec_in_arcv": FETCHED,
    }


def test_an_entitlement_to_an_inbound_sub_space_covers_its_archive() -> None:
    assert told(rights(entitled("0001/blshts/finra_in"))) == {
        "0001/blshts/finra_in": SUBMITTED,
        "0001/blshts/finra_in_arcv": FETCHED,
    }


def test_entitlements_add_up() -> None:
    held = rights(
        entitled("0001/blshts/sec_in", Level.SUBMIT),
        entitled("0001/blshts/", Level.DOWNLOAD),
        entitled("0001/blshts/sec_in", Level.DOWNLOAD),
        entitled("0002/blshts/out", Level.BOTH),
    )

    assert told(held) == {
        "0001/blshts/finra_in_arcv": FETCHED,
        "0001/blshts/out": FETCHED,
        "0001/blshts/sec_in": SUBMITTED,
        "0001/blshts/sec_in_arcv": FETCHED,
        "0002/blshts/out": FETCHED,
    }


@pytest.mark.parametrize(
    ("org", "inbound_name"),
    [("0001", "incoming_filings"), ("9000", "incoming_designations")],
)
def test_an_organization_sees_only_the_sub_spaces_for_its_kind(org: str, inbound_name: str) -> None:
    assert told(rights(entitled(f"{org}/crd/"))) == {
        f"{org}/crd/{inbound_name}": SUBMITTED,
        f"{org}/crd/{inbound_name}_arcv": FETCHED,
        f"{org}/crd/results": FETCHED,
    }


def test_naming_a_sub_space_for_another_kind_does_not_help() -> None:
    assert told(rights(entitled("0001/crd/incoming_designations"))) == {}


def test_a_sub_space_of_an_open_set_is_there_for_the_organization_it_was_opened_for() -> None:
    opened = {("0001", "tradejrnl"): ["trf2", "trf1"], ("0002", "tradejrnl"): ["other"]}

    held = rights(entitled("0001/tradejrnl/"), opened=opened)

    assert told(held) == {"0001/tradejrnl/trf1": FETCHED, "0001/tradejrnl/trf2": FETCHED}


def test_an_entitlement_may_name_one_sub_space_of_an_open_set() -> None:
    opened = {("0001", "tradejrnl"): ["trf1", "trf2"]}

    assert told(rights(entitled("0001/tradejrnl/trf2"), opened=opened)) == {
        "0001/tradejrnl/trf2": FETCHED
    }


def test_the_template_of_an_open_set_is_no_sub_space() -> None:
    assert told(rights(entitled("0001/tradejrnl/"))) == {}


def test_what_was_opened_in_a_set_that_is_closed_since_is_not_there() -> None:
    opened = {("0001", "blshts"): ["extra"]}

    assert "0001/blshts/extra" not in told(rights(entitled("0001/blshts/"), opened=opened))


@pytest.mark.parametrize(
    "path", ["7777/blshts/", "0001/nosuch/", "0001/blshts/nosuch", "1/blshts/"]
)
def test_an_unknown_organization_application_or_sub_space_grants_nothing(path: str) -> None:
    held = rights(entitled(path))

    assert told(held) == {}
    assert held.processes == frozenset()


def test_processing_is_for_an_application_in_every_organization_and_nothing_else() -> None:
    held = rights(entitled("/crd/", Level.PROCESS))

    assert held.processes == {"crd"}
    assert told(held) == {}


def test_processing_an_unknown_application_grants_nothing() -> None:
    assert rights(entitled("/nosuch/", Level.PROCESS)).processes == frozenset()


def test_no_other_level_processes() -> None:
    assert rights(entitled("0001/crd/", Level.BOTH)).processes == frozenset()


def test_rights_are_told_ordered_by_organization_application_and_sub_space() -> None:
    held = rights(entitled("0002/blshts/"), entitled("0001/crd/"), entitled("0001/blshts/"))

    places = [place for place, _ in held.all()]
    assert places == sorted(places)
    assert len(places) == 13


def test_rights_begin_as_nothing() -> None:
    assert told(Rights()) == {}
    assert Rights().at(Place.parse("0001/crd/results")) is None


def test_the_right_at_a_place_knows_its_sub_space() -> None:
    right = rights(entitled("0001/blshts/")).at(Place.parse("0001/blshts/out"))

    assert right is not None
    assert right.space == outbound("blshts", "out")


# --- what a grant leaves -------------------------------------------------------------------------


def test_an_actor_cut_to_one_action_at_one_place_keeps_exactly_that() -> None:
    whole = actor(rights(entitled("0001/blshts/"), entitled("/crd/", Level.PROCESS)))

    cut = whole.cut_to(UPLOAD, Place.parse("0001/blshts/sec_in"))

    assert told(cut.rights) == {"0001/blshts/sec_in": {"upload"}}
    assert cut.rights.processes == frozenset()
    assert (cut.principal_id, cut.name, cut.source) == (whole.principal_id, whole.name, "192.0.2.1")


@pytest.mark.parametrize(
    ("action", "place"),
    [
        (DOWNLOAD, "0001/blshts/sec_in"),
        (UPLOAD, "0001/blshts/out"),
        (LIST, "0002/blshts/sec_in"),
        (LIST, "0001/nosuch/in"),
        (Action.PROCESS, "0001/blshts/sec_in"),
    ],
)
def test_cutting_to_what_an_actor_may_not_do_leaves_nothing(action: Action, place: str) -> None:
    cut = actor(rights(entitled("0001/blshts/"))).cut_to(action, Place.parse(place))

    assert cut.rights == Rights()


def test_cutting_twice_never_gives_back() -> None:
    place = Place.parse("0001/blshts/sec_in")
    cut = actor(rights(entitled("0001/blshts/"))).cut_to(LIST, place)

    assert cut.cut_to(UPLOAD, place).rights == Rights()
    assert cut.cut_to(LIST, place) == cut
