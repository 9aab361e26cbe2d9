"""What can be found in a filing: each code with what it means, and the first so many findings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from transom.connector import Finding

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "R4530-001": "The file is empty.",
        "R4530-002": "The file is not well-formed XML.",
        "R4530-003": "The file has a document type declaration.",
        "R4530-004": "The root is not filings-3070.",
        "R4530-005": "The file holds no complaint.",
        "R4530-006": "Elements are nested too deep.",
        "R4530-007": "One tag, comment or instruction is too long, or has too many attributes.",
        "R4530-008": "Too many names that a filing does not have.",
        "R4530-009": "Too many complaints for one file.",
        "R4530-010": "The encoding is not supported.",
        "R4530-011": "Something other than a complaint stands directly below the root.",
        "R4530-012": "There are more findings than a report holds.",
        "R4530-101": "A required element is missing or empty.",
        "R4530-102": "An element stands more than once.",
        "R4530-103": "An element has no place where it stands.",
        "R4530-104": "Text stands where only elements may.",
        "R4530-105": "A value holds a character that cannot be printed.",
        "R4530-110": "id has more than 30 characters.",
        "R4530-111": "date is no date.",
        "R4530-112": "firm-id is not 1 to 8 digits.",
        "R4530-113": "branch-id is neither 1 to 10 digits nor HOME.",
        "R4530-114": "branch-zip is not 5 digits.",
        "R4530-115": "phone-number is no telephone number of at most 20 characters.",
        "R4530-116": "A name has more than 30 characters.",
        "R4530-117": "A mark below related-to is not 1.",
        "R4530-118": "product is not 2 digits.",
        "R4530-119": "problem is not 2 digits.",
        "R4530-120": "A date of the allegation period is no date.",
        "R4530-121": "account-number has more than 30 characters.",
        "R4530-122": "disputed-amount is no amount of dollars.",
        "R4530-123": "security-symbol is no symbol.",
        "R4530-124": "rep-crd-number is not 1 to 8 digits.",
        "R4530-201": "id is used by an earlier complaint of the file.",
        "R4530-202": "date lies after the day of submission.",
        "R4530-203": "The allegation period ends before it begins.",
        "R4530-204": "The complaint is about a representative whose CRD number is missing.",
        "R4530-205": "A representative's CRD number, but the complaint is about none.",
        "R4530-206": "product is not in the product code list.",
        "R4530-207": "problem is not in the problem code list.",
        "R4530-208": "related-to marks nothing.",
    }
)
"""Every code that a finding can bear: 0xx the file, 1xx one field, 2xx what fields say together."""

MOST_REPORTED = 1_000
_SHOWN = 60


def shown(text: str) -> str:
    """A value as findings quote it: on one line, and not longer than people read."""
    visible = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: _SHOWN + 1])
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}..."


class FirstFindings:
    """The findings that go into the report: the first 1,000, and how many there are in all."""

    def __init__(self) -> None:
        self._first: list[Finding] = []
        self.count = 0

    def add(self, finding: Finding) -> None:
        """Count one more."""
        self.count += 1
        if len(self._first) < MOST_REPORTED:
            self._first.append(finding)

    def lead(self, finding: Finding) -> None:
        """Count one that comes before all others."""
        self.count += 1
        self._first.insert(0, finding)

    def reported(self, feedback_name: str) -> tuple[Finding, ...]:
        """Those to report, with a word about the rest if there is one."""
        first = self._first[:MOST_REPORTED]
        if self.count <= MOST_REPORTED:
            return tuple(first)
        text = (
            f"{self.count:,} findings in all; the first {MOST_REPORTED:,} are listed here. "
            f"See {feedback_name}."
        )
        return (*first, Finding("", "", "R4530-012", text))
