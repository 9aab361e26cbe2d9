"""What a processor says of a submission: an answer, or that it wants it again later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from transom.client.values import Finding

MOST_FINDINGS = 10_000
LONGEST_KEY = 200
LONGEST_TEXT = 2_000
MOST_BYTES = (8 << 20) - 1024  # of the body that carries them, its other members apart
LONGEST_REST_SECONDS = 86_400


class Outcome(StrEnum):
    """What the firm sees as `downstreamStatus`."""

    ACCEPTED = "ACCEPTED"
    PARTIALLY_REJECTED = "PARTIALLY_REJECTED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome with its findings.

    Raises:
        ValueError: more than the exchange takes: 10,000 findings, 200 characters of a record,
            field or code, 2,000 of a text, 8 MiB of all; or a NUL or lone surrogate in one.
    """

    outcome: Outcome
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if len(self.findings) > MOST_FINDINGS:
            raise ValueError(f"{len(self.findings)} findings; the limit is {MOST_FINDINGS}")
        for number, finding in enumerate(self.findings, 1):
            _check(finding, number)
        if len(json.dumps(self.as_json())) > MOST_BYTES:
            raise ValueError("the findings take more than 8 MiB together")

    def as_json(self) -> Mapping[str, Any]:
        """The members of a report that are the answer's."""
        found = [asdict(finding) for finding in self.findings]
        return {"outcome": self.outcome.value, "findings": found}


def _check(finding: Finding, number: int) -> None:
    for name, text in asdict(finding).items():
        limit = LONGEST_TEXT if name == "text" else LONGEST_KEY
        if len(text) > limit:
            long = f"{len(text)} characters, the limit is {limit}"
            raise ValueError(f"{name} of finding {number} has {long}")
        if not _is_storable(text):
            raise ValueError(f"{name} of finding {number} holds a character that is none")


def _is_storable(text: str) -> bool:
    """Whether every database takes it: no NUL, no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def accepted() -> Answer:
    """The answer that all of it is good."""
    return Answer(Outcome.ACCEPTED)


def rejected(findings: Iterable[Finding] = ()) -> Answer:
    """The answer that the whole file must be sent again. See Answer for the limits."""
    return Answer(Outcome.REJECTED, tuple(findings))


def partially_rejected(findings: Iterable[Finding]) -> Answer:
    """The answer that the records with findings must be sent again, in a file of their own."""
    return Answer(Outcome.PARTIALLY_REJECTED, tuple(findings))


class Reject(Exception):
    """Raised by a processor anywhere: the same as returning rejected(findings)."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        super().__init__("rejected")
        self.findings = tuple(findings)


class Retry(Exception):
    """Raised by a processor that cannot work now: it wants the submission again later.

    Raises:
        ValueError: not from 0 to 86,400 seconds.
    """

    def __init__(self, after_seconds: int) -> None:
        if not 0 <= after_seconds <= LONGEST_REST_SECONDS:
            raise ValueError(f"after_seconds is from 0 to {LONGEST_REST_SECONDS}")
        super().__init__(f"again after {after_seconds} s")
        self.after_seconds = after_seconds
