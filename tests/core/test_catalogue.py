"""The catalogue: the guide's section 9 line by line, and an operator's own, told what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import World

from transom.core import catalogue
from transom.domain.errors import BadParameter
from transom.domain.space import OPEN_SET, Direction, Emptied, OrgKind

# Guide section 9: application, path below {orgId}, allowed actions, file retention duration.
SECTION_9 = """
ACATS|acats/in|Upload|Immediately Moved
ADDS|tradejrnl/{various}|Download|30 calendar days
Advertising|adv/in|Upload|Immediately Moved
Advertising|adv/out|Download|30 calendar days
Bluesheets|blshts/finra_in|Upload|Immediately Moved
Bluesheets|blshts/sec_in|Upload|Immediately Moved
CCCS|cccs/in|Upload|Immediately Moved
CCCS|cccs/out|Download|30 calendar days
cboe (DNC)|cboednc/in|Upload|Immediately Moved
CRD|crd/incoming_designations|Upload (Designating Authorities Only)|Immediately Moved
CRD|crd/incoming_filings|Upload (Firms Only)|Immediately Moved
CRD|crd/results|Download|30 calendar days
CRD|crd/reports|Download|30 calendar days
eFOCUS|focus/in|Upload|Immediately Moved
eFOCUS|focus/out|Download|30 calendar days
INSITE|ifdf/in|Upload|Immediately Moved
INSITE|ifdf/out|Download|30 calendar days
phlx (DNC)|phlxdnc/in|Upload|Immediately Moved
Stock Record and Allocations|stockrecord/in|Upload|Immediately Moved
Stock Record and Allocations|stockrecord/out|Download|30 calendar days
4530|r4530/in|Upload|Immediately Moved
4530|r4530/out|Download|30 calendar days
Short Interest Reporting|shorts/in|Upload|Immediately Moved
Short Interest Reporting|shorts/out|Download|30 calendar days
Regulatory Extensions (REX)|rex/in|Upload|Immediately Moved
Regulatory Extensions (REX)|rex/out|Download|30 calendar days
Regulation M Filings|regm/in|Upload|Immediately Moved
Regulation M Filings|regm/out|Download|30 calendar days
"""
WHO = {
    frozenset(OrgKind): "",
    frozenset({OrgKind.DESIGNATING_AUTHORITY}): " (Designating Authorities Only)",
    frozenset({OrgKind.FIRM}): " (Firms Only)",
}


def test_the_guide_s_catalogue_is_section_9_line_by_line() -> None:
    lines = []
    for application in catalogue.read(catalogue.GUIDE):
        for space in application.sub_spaces.values():
            name = "{various}" if space.name == OPEN_SET else space.name
            inbound = space.direction is Direction.INBOUND
            action = ("Upload" if inbound else "Download") + WHO[space.may_submit]
            days = space.retention_days
            kept = "Immediately Moved" if days is None else f"{days} calendar days"
            lines.append(f"{application.title}|{application.name}/{name}|{action}|{kept}")

    assert lines == SECTION_9.strip().splitlines()


def test_every_inbound_sub_space_of_the_guide_is_archived_and_no_other() -> None:
    spaces = [
        space
        for application in catalogue.read(catalogue.GUIDE)
        for space in application.sub_spaces.values()
    ]

    assert all(space.archived == (space.direction is Direction.INBOUND) for space in spaces)
    assert {space.emptied for space in spaces} == {Emptied.LEASED}
    assert {space.gate for space in spaces} == {""}


def test_what_was_read_is_what_the_exchange_has_after_loading(world: World) -> None:
    world.guide_catalogue()

    loaded = world.exchange.administration.catalogue().applications

    for application in catalogue.read(catalogue.GUIDE):
        assert loaded[application.name] == application


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return catalogue.read(path)


def test_an_operator_s_own_catalogue_says_everything_of_a_sub_space(tmp_path: Path) -> None:
    (application,) = read(  # type: ignore[misc]
        tmp_path,
        '[app9]\ntitle = "Nine"\n'
        'in = { direction = "inbound", emptied = "at_commit", archived = false, gate = "scan",'
        ' may_submit = ["firm", "service_provider"] }\n'
        'out = { direction = "outbound" }\n',
    )

    inbound, outbound = application.sub_spaces["in"], application.sub_spaces["out"]
    assert (inbound.emptied, inbound.archived, inbound.gate) == (Emptied.AT_COMMIT, False, "scan")
    assert inbound.may_submit == {OrgKind.FIRM, OrgKind.SERVICE_PROVIDER}
    assert (outbound.retention_days, outbound.archived) == (None, False)


IN, OUT = 'direction = "inbound"', 'direction = "outbound"'


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[app9", "own.toml", "table declaration"),
        ("app9 = 1", "app9", "title"),
        ("[app9]\nin = {}", "app9", "title"),
        ("[app9]\ntitle = 9", "app9", "title"),
        ('["app 9"]\ntitle = "x"', "app 9", "letters and digits"),
        ('[app9]\ntitle = "x"\n"in out" = {}', "app9.in out", "letters, digits"),
        ('[app9]\ntitle = "x"\nin = 1', "app9.in", "table"),
        ('[app9]\ntitle = "x"\nin = {}', "app9.in", "'direction' is missing"),
        ('[app9]\ntitle = "x"\nin = { direction = "up" }', "app9.in", "'up'"),
        ('[app9]\ntitle = "x"\nin = { direction = "archive" }', "app9.in", "by themselves"),
        ('[app9]\ntitle = "x"\nin = { direction = 1 }', "app9.in.direction", "text"),
        (f'[app9]\ntitle = "x"\nin_arcv = {{ {IN} }}', "app9.in_arcv", "by themselves"),
        (f'[app9]\ntitle = "x"\nin_arvcv = {{ {IN} }}', "app9.in_arvcv", "by themselves"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, colour = 1 }}', "app9.in.colour", "known are"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, emptied = "soon" }}', "app9.in", "'soon'"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, may_submit = ["x"] }}', "app9.in", "'x'"),
        (
            f'[app9]\ntitle = "x"\nin = {{ {IN}, may_submit = "firm" }}',
            "app9.in.may_submit",
            "list",
        ),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, may_submit = [[]] }}', "app9.in", "[]"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, archived = "no" }}', "app9.in.archived", "true"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, gate = 1 }}', "app9.in.gate", "text"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, retention_days = 9 }}', "retention_days", "at once"),
        (f'[app9]\ntitle = "x"\nout = {{ {OUT}, retention_days = 0 }}', "retention_days", "from 1"),
        (f'[app9]\ntitle = "x"\nin = {{ {IN}, retention_days = "9" }}', "retention_days", "from 1"),
        (
            f'[app9]\ntitle = "x"\nin = {{ {IN}, retention_days = true }}',
            "retention_days",
            "from 1",
        ),
        (
            '[app9]\ntitle = "x"\nout = { direction = "outbound", archived = true }',
            "app9.out.archived",
            "only inbound",
        ),
        (f'[app9]\ntitle = "x"\n"*" = {{ {IN}, archived = true }}', "app9.*.archived", "only"),
    ],
)
def test_a_faulty_catalogue_is_told_where_and_what(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    with pytest.raises(BadParameter) as told:
        read(tmp_path, text)

    assert where in told.value.parameter
    assert what in told.value.why


def test_a_catalogue_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")

    for name in ("bytes.toml", "missing.toml"):
        with pytest.raises(BadParameter) as told:
            catalogue.read(tmp_path / name)
        assert told.value.parameter == name
