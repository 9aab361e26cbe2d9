"""Temporary names: which uploads wait until they are renamed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from transom.domain.holding import SUFFIXES, is_temporary


@pytest.mark.parametrize(
    "name", ["data.zip.filepart", "data.zip.partial", ".filepart", "a.partial"]
)
def test_a_name_is_temporary_when_it_ends_in_a_suffix_that_clients_use(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize(
    "name", ["data.zip", "data.filepart.zip", "filepart", "data.FILEPART", "data.partial1", ""]
)
def test_any_other_name_is_final(name: str) -> None:
    assert not is_temporary(name)


@pytest.mark.parametrize(
    ("suffixes", "temporary"),
    [((".tmp",), True), ((".part", ".tmp"), True), ((), False), (("",), False), (SUFFIXES, False)],
)
def test_the_suffixes_are_the_operator_s_and_an_empty_one_makes_no_name_temporary(
    suffixes: Sequence[str], *, temporary: bool
) -> None:
    assert is_temporary("data.zip.tmp", suffixes) is temporary
