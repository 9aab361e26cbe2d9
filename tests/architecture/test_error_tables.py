"""Every way the exchange can say no has an answer on every front end."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

import pytest

import transom.frontends
from transom.domain.errors import ExchangeError, Refused
from transom.frontends import errors as api
from transom.frontends.portal import errors as portal
from transom.frontends.s3 import errors as s3
from transom.frontends.sftp import errors as sftp
from transom.frontends.token import errors as token

DOMAIN, FRONTENDS = "transom.domain.", "transom.frontends."
TABLES: dict[str, Mapping[type[ExchangeError], object]] = {
    "api": api.STATUS,
    "portal": portal.PAGES,
    "s3": s3.ANSWERS,
    "sftp": sftp.STATUS,
    "token": token.ANSWERS,
}


def tree(kind: type[ExchangeError] = ExchangeError) -> Iterator[type[ExchangeError]]:
    """Every class below the root."""
    for child in kind.__subclasses__():
        yield child
        yield from tree(child)


def door(kind: type[ExchangeError]) -> str:
    """The front end that an error belongs to; "" for the exchange's own.

    Those that front ends share belong to the API here; the S3 door answers them as well.
    """
    module = kind.__module__
    if module == api.__name__:
        return "api"
    if module.startswith(FRONTENDS):
        return module.removeprefix(FRONTENDS).partition(".")[0]
    assert module.startswith((DOMAIN, "transom.core.")), f"{kind} lives where no error should"
    return ""


def every_error() -> list[type[ExchangeError]]:
    for found in pkgutil.walk_packages(transom.__path__, "transom."):
        if not found.name.startswith("transom.records.migrations"):
            importlib.import_module(found.name)
    return sorted(set(tree()), key=lambda kind: (kind.__module__, kind.__name__))


ONLY_CAUGHT = {Refused}  # nobody raises it bare; an answer to it would hide a leaf left out
CASES = [
    (name, kind)
    for kind in every_error()
    for name in TABLES
    if door(kind) in ("", name) and kind not in ONLY_CAUGHT
]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_every_error_has_an_answer_on_every_front_end(name: str, kind: type[ExchangeError]) -> None:
    answers = [TABLES[name][each] for each in kind.__mro__ if each in TABLES[name]]

    assert answers, f"{kind.__name__} falls through to internal on {name}"
    assert ExchangeError not in TABLES[name], "an answer to the root hides what is missing"


def test_no_error_is_answered_as_a_fault_of_ours() -> None:
    assert 500 not in api.STATUS.values()
    assert 500 not in {told.status for told in portal.PAGES.values()}
    assert 500 not in {status for status, _ in s3.ANSWERS.values()}
    assert 500 not in {status for status, _ in token.ANSWERS.values()}


@pytest.mark.parametrize("name", TABLES)
def test_every_error_has_a_code_of_its_own(name: str) -> None:
    codes = [kind.code for of, kind in CASES if of == name]

    assert "internal" not in codes
    assert sorted(codes) == sorted(set(codes))
