"""Places as people type them."""

from __future__ import annotations

import pytest

from transom.client.cli import places
from transom.client.cli.exits import WrongUse


@pytest.mark.parametrize(
    ("typed", "org", "path"),
    [
        ("0001/r4530/in", "", "0001/r4530/in"),
        ("/0001/r4530/in/", "0001", "0001/r4530/in"),
        ("r4530/in", "0001", "0001/r4530/in"),
        ("0002/r4530/in", "0001", "0002/r4530/in"),
    ],
)
def test_an_organization_may_be_left_out(typed: str, org: str, path: str) -> None:
    assert places.sub_space(typed, org) == path


@pytest.mark.parametrize(
    "typed", ["r4530/in", "0001/r4530", "0001/r4530/in/file", "", "0001/../in"]
)
def test_what_is_no_sub_space_is_wrong_use(typed: str) -> None:
    with pytest.raises(WrongUse, match="is no place here"):
        places.sub_space(typed)


def test_a_level_may_be_any_from_the_root_down() -> None:
    assert places.level("") == ""
    assert places.level("", "0001") == "0001"
    assert places.level("r4530", "0001") == "0001/r4530"
    with pytest.raises(WrongUse):
        places.level("r4530")
    with pytest.raises(WrongUse):
        places.level("0001/a/b/c")


def test_a_file_has_a_place_and_a_name() -> None:
    assert places.file("r4530/out/a.xml", "0001") == ("0001/r4530/out", "a.xml")
    for typed in ("r4530/out", "0001/r4530/out/", "a.xml", "0001/a/b/c/d"):
        with pytest.raises(WrongUse):
            places.file(typed)


def test_a_path_is_shown_as_its_owner_types_it() -> None:
    assert places.short("0001/r4530/in", "0001") == "r4530/in"
    assert places.short("0002/r4530/in", "0001") == "0002/r4530/in"
    assert places.short("0001/r4530/in", "") == "0001/r4530/in"
