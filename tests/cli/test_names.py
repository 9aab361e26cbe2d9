"""The client's naming rule is the server's."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.client.cli import names
from transom.domain.errors import BadName
from transom.domain.names import parse_upload_name

NEARLY = st.text(
    string.ascii_letters + string.digits + ":!@,&-='_.# +%/\u00e9\n\u202e", max_size=240
)


def _said_there(name: str) -> str:
    try:
        parse_upload_name(name)
    except BadName as bad:
        hint = getattr(bad, "suggestion", "")
        return f"{bad.message}|{hint}"
    return ""


def _said_here(name: str) -> str:
    try:
        names.check(name)
    except names.BadName as bad:
        return f"{bad.message}|{bad.suggestion}"
    return ""


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        "a:b!c@d,e&f-g='h_.i",
        "",
        "a b",
        "a#b.csv",
        ".",
        "..",
        "a.",
        "a/b",
        "a\nb",
        "###",
        "caf\u00e9.csv",
        "\u202eb",
        "x" * 237,
        "x" * 238,
        "#" + "y" * 80,
    ],
)
def test_a_name_passes_here_exactly_if_it_passes_there(name: str) -> None:
    assert bool(_said_here(name)) == bool(_said_there(name))


@given(NEARLY)
def test_so_does_any_name(name: str) -> None:
    assert bool(_said_here(name)) == bool(_said_there(name))


@pytest.mark.parametrize("name", ["a b.csv", "a#b.csv", "caf\u00e9", "", "a.", "x" * 238])
def test_the_refusal_begins_with_the_same_sentence(name: str) -> None:
    assert _said_here(name).split(". ")[0] == _said_there(name).split(". ")[0]


@given(NEARLY)
def test_what_is_suggested_would_pass(name: str) -> None:
    hint = names.suggestion(name)
    assert not hint or not _said_here(hint)
