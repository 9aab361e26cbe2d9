"""The rules of one complaint: what is wrong with it, as findings.

docs/reference/rule-4530.md says which of them are public, and which are ours.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Self

from transom.connector import Finding
from transom.processors.rule_4530.findings import shown
from transom.processors.rule_4530.reader import Complaint
from transom.processors.rule_4530.seen import Seen

LONGEST_ID = 30
LONGEST_NAME = 30
LONGEST_ACCOUNT = 30
_LONGEST_FIELD = 200

REQUIRED = (
    "id",
    "date",
    "firm-id",
    "branch-id",
    "contact/phone-number",
    "contact/first-name",
    "contact/last-name",
    "product",
    "problem",
    "customer/first-name",
    "customer/last-name",
)
_MARKS = ("related-to/other", "related-to/rep", "related-to/firm", "related-to/affiliate")
_NAMES = ("contact/first-name", "contact/last-name", "customer/first-name", "customer/last-name")
_PERIOD = ("allegation-period/from", "allegation-period/to")

_DATE = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})|([0-9]{2})/([0-9]{2})/([0-9]{4})")
_PHONE = re.compile(r"(?=(?:[^0-9]*[0-9]){7})[0-9 ()+.x-]{7,20}")
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{2})?")
_EIGHT_DIGITS = re.compile(r"[0-9]{1,8}")
_BRANCH = re.compile(r"[0-9]{1,10}|HOME")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,13}")


@dataclass(frozen=True, slots=True)
class CodeLists:
    """The two-digit codes that a filing may use."""

    product: frozenset[str]
    problem: frozenset[str]

    @classmethod
    def read(cls) -> Self:
        """The lists in codes.toml."""
        text = files(__package__).joinpath("codes.toml").read_text(encoding="utf-8")
        lists = tomllib.loads(text)
        return cls(frozenset(lists["product"]), frozenset(lists["problem"]))


@dataclass(frozen=True, slots=True)
class _Form:
    """How the value of a field must look, and what is said when it does not."""

    code: str
    text: str
    fits: Callable[[str], bool]


def parse_date(text: str) -> date | None:
    """A date written 2026/11/20 or 11/20/2026; None when it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = (
        (found[1], found[2], found[3]) if found[1] else (found[6], found[4], found[5])
    )
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _at_most(limit: int) -> Callable[[str], bool]:
    return lambda text: len(text) <= limit


def _digits(count: int) -> Callable[[str], bool]:
    return _matching(re.compile(f"[0-9]{{{count}}}"))


def _is_date(text: str) -> bool:
    return parse_date(text) is not None


_A_DATE = "Must be a date like 2026/11/20 or 11/20/2026."
_A_NAME = _Form(
    "R4530-116", f"Must have at most {LONGEST_NAME} characters.", _at_most(LONGEST_NAME)
)
_A_MARK = _Form("R4530-117", "Must be 1, or be left out.", lambda text: text == "1")
_A_PERIOD_DATE = _Form("R4530-120", _A_DATE, _is_date)

FORMS: dict[str, _Form] = {
    "id": _Form("R4530-110", f"Must have at most {LONGEST_ID} characters.", _at_most(LONGEST_ID)),
    "date": _Form("R4530-111", _A_DATE, _is_date),
    "firm-id": _Form("R4530-112", "Must be 1 to 8 digits.", _matching(_EIGHT_DIGITS)),
    "branch-id": _Form("R4530-113", "Must be 1 to 10 digits, or HOME.", _matching(_BRANCH)),
    "branch-zip": _Form("R4530-114", "Must be 5 digits.", _digits(5)),
    "contact/phone-number": _Form(
        "R4530-115",
        "Must be a telephone number of at most 20 characters, like 312-555-0142.",
        _matching(_PHONE),
    ),
    **dict.fromkeys(_NAMES, _A_NAME),
    **dict.fromkeys(_MARKS, _A_MARK),
    "product": _Form("R4530-118", "Must be 2 digits.", _digits(2)),
    "problem": _Form("R4530-119", "Must be 2 digits.", _digits(2)),
    **dict.fromkeys(_PERIOD, _A_PERIOD_DATE),
    "account-number": _Form(
        "R4530-121",
        f"Must have at most {LONGEST_ACCOUNT} characters.",
        _at_most(LONGEST_ACCOUNT),
    ),
    "disputed-amount": _Form(
        "R4530-122", "Must be an amount of dollars, like 12500 or 12500.00.", _matching(_AMOUNT)
    ),
    "security-symbol": _Form(
        "R4530-123", "Must be a symbol of at most 14 characters, like BRK.A.", _matching(_SYMBOL)
    ),
    "rep-crd-number": _Form("R4530-124", "Must be 1 to 8 digits.", _matching(_EIGHT_DIGITS)),
}
"""The rule of each field that has a value."""

_FLAWS = {
    "R4530-102": "Stands more than once.",
    "R4530-103": "Has no place here.",
    "R4530-104": "Holds text, but only elements may stand here.",
}


class Rules:
    """Judges the complaints of one file, in their order.

    `latest` is the last day that a complaint's date may be: that of the submission.
    """

    def __init__(self, lists: CodeLists, latest: date) -> None:
        self._lists = lists
        self._latest = latest
        self._seen = Seen()

    def findings(self, complaint: Complaint) -> Iterator[Finding]:
        """What is wrong with a complaint: nothing when it is good."""
        record = _record(complaint)
        for field, code, text in self._found(complaint):
            yield Finding(record, _cut(field), code, text)

    def _found(self, complaint: Complaint) -> Iterator[tuple[str, str, str]]:
        given = {path: value for path, value in complaint.values.items() if value}
        for code, path in complaint.flaws:
            yield path or "complaint", code, _FLAWS[code]
        for path in REQUIRED:
            if path not in given:
                yield path, "R4530-101", "Is required."
        wrong = set()
        for path, value in given.items():
            if problem := _misfit(path, value):
                wrong.add(path)
                yield path, *problem
        right = {path: value for path, value in given.items() if path not in wrong}
        yield from self._across(right, given)

    def _across(
        self, right: dict[str, str], given: dict[str, str]
    ) -> Iterator[tuple[str, str, str]]:
        """What fields say together, or against the rest of the file; of well-formed ones only."""
        if "id" in right and not self._seen.add(right["id"]):
            text = "Is used by an earlier complaint of this file."
            yield "id", "R4530-201", text
        found = parse_date(right.get("date", ""))
        if found is not None and found > self._latest:
            yield "date", "R4530-202", f"Lies after the day of submission, {self._latest}."
        begins, ends = (parse_date(right.get(path, "")) for path in _PERIOD)
        if begins is not None and ends is not None and ends < begins:
            yield "allegation-period", "R4530-203", "Ends before it begins."
        yield from self._about_whom(right, given)
        yield from self._codes(right)

    def _about_whom(
        self, right: dict[str, str], given: dict[str, str]
    ) -> Iterator[tuple[str, str, str]]:
        if not any(path in given for path in _MARKS):
            text = "One of other, rep, firm and affiliate must be 1."
            yield "related-to", "R4530-208", text
        has_number = "rep-crd-number" in given
        if "related-to/rep" in right and not has_number:
            yield "rep-crd-number", "R4530-204", "Is required when related-to marks rep."
        if has_number and "related-to/rep" not in given:
            yield "rep-crd-number", "R4530-205", "Must be left out unless related-to marks rep."

    def _codes(self, right: dict[str, str]) -> Iterator[tuple[str, str, str]]:
        if "product" in right and right["product"] not in self._lists.product:
            yield "product", "R4530-206", f'"{right["product"]}" is not in the product code list.'
        if "problem" in right and right["problem"] not in self._lists.problem:
            yield "problem", "R4530-207", f'"{right["problem"]}" is not in the problem code list.'


def _misfit(path: str, value: str) -> tuple[str, str] | None:
    """The code and text of what is wrong with a value; None when it is as it must be."""
    if not value.isprintable():
        return "R4530-105", f'Must not hold control characters. Found "{shown(value)}".'
    form = FORMS.get(path)
    if form is None or form.fits(value):
        return None
    return form.code, f'{form.text} Found "{shown(value)}".'


def _record(complaint: Complaint) -> str:
    """How a complaint is named: by its id, or by its place in the file when it has none to show."""
    found = complaint.values.get("id", "")
    is_fit = 0 < len(found) <= LONGEST_ID and found.isprintable()
    return found if is_fit else f"complaint {complaint.number}"


def _cut(path: str) -> str:
    return path if len(path) <= _LONGEST_FIELD else f"{path[: _LONGEST_FIELD - 3]}..."
