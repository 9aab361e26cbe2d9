"""What can be exchanged where: sub-spaces, the archives beside them, and open sets."""

from __future__ import annotations

import pytest

from transom.domain.names import parse_sub_space
from transom.domain.space import (
    OPEN_SET,
    Application,
    Catalogue,
    Direction,
    Emptied,
    OrgKind,
    SubSpace,
)

FIRMS = frozenset({OrgKind.FIRM})


def inbound(name: str = "in", *, archived: bool = True) -> SubSpace:
    return SubSpace("crd", name, Direction.INBOUND, archived=archived)


def application(*spaces: SubSpace) -> Application:
    return Application("crd", "CRD", {space.name: space for space in spaces})


def test_an_inbound_sub_space_is_emptied_at_once_and_open_to_every_kind_of_organization() -> None:
    space = SubSpace("crd", "in", Direction.INBOUND)

    assert space.retention_days is None
    assert space.emptied is Emptied.LEASED
    assert space.may_submit == {"firm", "designating_authority", "service_provider"}
    assert space.gate == ""


def test_the_archive_beside_a_sub_space_has_its_name_with_a_suffix_and_keeps_files() -> None:
    archive = inbound("finra_in").archive(30)

    assert (archive.name, archive.application) == ("finra_in_arcv", "crd")
    assert archive.direction is Direction.ARCHIVE
    assert archive.retention_days == 30
    assert not archive.archived


def test_the_archive_is_for_those_who_may_submit() -> None:
    space = SubSpace("crd", "incoming_filings", Direction.INBOUND, may_submit=FIRMS)

    assert space.archive(30).may_submit == FIRMS


def test_the_archive_of_the_longest_name_can_be_asked_for() -> None:
    archive = inbound(parse_sub_space("a" * 59)).archive(30)

    assert parse_sub_space(archive.name) == archive.name


@pytest.mark.parametrize(
    ("space", "inbound_name"),
    [
        (inbound(), "in"),
        (inbound().archive(30), "in"),
        (inbound("finra_in").archive(30), "finra_in"),
        (SubSpace("crd", "out", Direction.OUTBOUND), "out"),
        (SubSpace("crd", "odd_arcv", Direction.OUTBOUND), "odd_arcv"),  # no archive: only its name
    ],
)
def test_an_archive_belongs_to_its_inbound_sub_space_and_any_other_to_itself(
    space: SubSpace, inbound_name: str
) -> None:
    assert space.inbound_name == inbound_name


def test_an_application_gets_an_archive_beside_each_archived_inbound_sub_space() -> None:
    bare = application(
        inbound("in"),
        inbound("unkept", archived=False),
        SubSpace("crd", "out", Direction.OUTBOUND, retention_days=30, archived=True),
    )

    complete = bare.with_archives(30)

    assert set(complete.sub_spaces) == {"in", "in_arcv", "unkept", "out"}
    assert complete.sub_spaces["in_arcv"] == bare.sub_spaces["in"].archive(30)
    assert set(bare.sub_spaces) == {"in", "unkept", "out"}


def test_archives_may_be_added_twice() -> None:
    once = application(inbound()).with_archives(30)

    assert once.with_archives(30) == once


def test_an_application_has_no_sub_spaces_until_it_is_given_some() -> None:
    assert Application("crd", "CRD").sub_spaces == {}


def test_a_sub_space_of_an_open_set_is_its_template_under_the_name_that_was_published() -> None:
    template = SubSpace("tradejrnl", OPEN_SET, Direction.OUTBOUND, retention_days=30)
    adds = Application("tradejrnl", "ADDS", {OPEN_SET: template})

    opened = adds.opened("trf20261120")

    assert opened == SubSpace("tradejrnl", "trf20261120", Direction.OUTBOUND, retention_days=30)


def test_an_application_without_an_open_set_opens_nothing() -> None:
    assert application(inbound()).opened("extra") is None


def test_a_catalogue_finds_applications_by_name() -> None:
    crd, adv = Application("crd", "CRD"), Application("adv", "Advertising")

    assert Catalogue.of([crd, adv]).applications == {"crd": crd, "adv": adv}
