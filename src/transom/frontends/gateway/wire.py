"""The shapes of the gateway: every public name of docs/reference/gateway.md is in this file."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from transom.core.handoff import Answer, Lease
from transom.domain.errors import BadParameter
from transom.domain.listing import Listing
from transom.domain.names import parse_sub_space
from transom.domain.submission import OUTCOMES, Finding, State, Submission
from transom.frontends.encoding import Json

MAX_FINDINGS = 10_000
MAX_NAME = 200
MAX_TEXT = 2_000
MAX_WAIT = 60

_OUTCOMES = {state.value.upper(): state for state in sorted(OUTCOMES)}
_REQUIRED = object()


# --- what comes in -------------------------------------------------------------------------------


def parse(body: bytes) -> Json:
    """The object that a body holds; nothing at all is an empty one.

    Raises:
        BadParameter: it is no JSON object.
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise BadParameter("body", "it is not JSON") from wrong
    if not isinstance(found, dict):
        raise BadParameter("body", "a JSON object")
    return found


class Members:
    """Takes the members of an object one by one; what nobody took is refused.

    `within` stands before their names in errors.
    """

    def __init__(self, given: Json, within: str = "") -> None:
        self._left = dict(given)
        self._within = within

    def take(self, name: str, default: object = _REQUIRED) -> Any:
        """A member, or its default.

        Raises:
            BadParameter: it is missing and has no default.
        """
        found = self._left.pop(name, None)
        if found is None:
            if default is _REQUIRED:
                raise self._bad(name, "it is missing")
            return default
        return found

    def number(self, name: str, lowest: int, highest: int, default: object = _REQUIRED) -> int:
        """A whole number within bounds."""
        found = self.take(name, default)
        if isinstance(found, float) and found.is_integer():
            found = int(found)  # 3.0 is a whole number in JSON
        is_whole = isinstance(found, int) and not isinstance(found, bool)
        if not is_whole or not lowest <= found <= highest:
            raise self._bad(name, f"a whole number from {lowest} to {highest}")
        return int(found)

    def seconds(self, name: str, lowest: int, highest: int, default: int) -> timedelta:
        """A time in seconds, parts of them too."""
        found = self.take(name, default)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or not lowest <= found <= highest:  # NaN is in no bounds
            raise self._bad(name, f"a number from {lowest} to {highest}")
        return timedelta(seconds=found)

    def flag(self, name: str) -> bool:
        """True or false; false when it is left out."""
        found = self.take(name, default=False)
        if not isinstance(found, bool):
            raise self._bad(name, "true or false")
        return found

    def text(self, name: str, longest: int, default: object = _REQUIRED) -> str:
        """A text of bounded length."""
        found = self.take(name, default)
        if not isinstance(found, str) or len(found) > longest or not _is_storable(found):
            raise self._bad(name, f"a text of at most {longest} characters")
        return found

    def end(self) -> None:
        """Say that no more is known.

        Raises:
            BadParameter: a member is left.
        """
        for name in self._left:
            raise self._bad(name[:64], "there is no such member")

    def _bad(self, name: str, why: str) -> BadParameter:
        return BadParameter(self._within + name, why)


def _is_storable(text: str) -> bool:
    """Whether every database takes it: no NUL, no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def sub_spaces(asked: Members) -> tuple[str, ...]:
    """The sub-spaces that a claim is for; none means all."""
    found = asked.take("subSpaces", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise BadParameter("subSpaces", "an array of names")
    return tuple(parse_sub_space(each) for each in found)


def answer(asked: Members) -> Answer:
    """What an application says of a submission."""
    outcome = asked.take("outcome")
    if not isinstance(outcome, str) or outcome not in _OUTCOMES:
        raise BadParameter("outcome", f"one of {', '.join(_OUTCOMES)}")
    found = asked.take("findings", [])
    if not isinstance(found, list) or len(found) > MAX_FINDINGS:
        raise BadParameter("findings", f"an array of at most {MAX_FINDINGS}")
    findings = tuple(_finding(number, each) for number, each in enumerate(found))
    return Answer(_OUTCOMES[outcome], findings, acknowledge=asked.flag("acknowledge"))


def _finding(number: int, given: object) -> Finding:
    if not isinstance(given, dict):
        raise BadParameter(f"findings[{number}]", "an object")
    members = Members(given, within=f"findings[{number}].")
    record, field, code = (members.text(name, MAX_NAME, "") for name in ("record", "field", "code"))
    text = members.text("text", MAX_TEXT)
    members.end()
    return Finding(record, field, code, text)


def stated_sha256(repr_digest: str) -> bytes | None:
    """The SHA-256 that a Repr-Digest header states (RFC 9530), or None.

    Raises:
        BadParameter: it states one that cannot be read.
    """
    for part in repr_digest.split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() != "sha-256":
            continue
        try:
            digest = base64.b64decode(value.strip().strip(":"), validate=True)
        except ValueError:
            digest = b""
        if len(digest) != 32:  # noqa: PLR2004 - the bytes of a SHA-256
            raise BadParameter("Repr-Digest", "sha-256=:the digest in base64:")
        return digest
    return None


# --- what goes out -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone of `submissionTime`, as in tracking."""

    zone: ZoneInfo

    def lease(self, held: Lease) -> Json:
        """A submission in the hands of its application."""
        shown = held.submission
        return {
            "trackingId": shown.tracking_id,
            "lease": held.fence,
            "leaseUntil": None if held.until is None else instant(held.until),
            "acknowledged": held.acknowledged,
            "org": shown.place.org,
            "application": shown.place.application,
            "subSpace": shown.place.sub_space,
            "fileName": shown.name,
            "size": shown.size,
            "sha256": shown.sha256,
            "submissionTime": shown.submitted_at.astimezone(self.zone).isoformat(
                timespec="milliseconds"
            ),
            "userName": shown.user_name,
            "homeOrg": shown.home_org,
            "accessMethod": shown.client.method,
            "arcvFileName": shown.archive_name,
        }


def standing(shown: Submission, fence: int) -> Json:
    """Where a submission stands after an acknowledgement or a report."""
    answered = shown.state.upper() if shown.state in OUTCOMES else None
    taken = "RECEIVED" if shown.taken_at is not None else None
    return {
        "trackingId": shown.tracking_id,
        "lease": fence,
        "state": shown.state,
        "downstreamStatus": answered or taken,
    }


def released(shown: Submission) -> Json:
    """A submission that was given back."""
    return {"trackingId": shown.tracking_id, "state": State(shown.state)}


def published(shown: list[Listing]) -> Json:
    """The files that a publication listed."""
    return {
        "files": [
            {
                "org": each.place.org,
                "application": each.place.application,
                "subSpace": each.place.sub_space,
                "fileName": each.name,
                "size": each.size,
                "sha256": each.sha256,
                "ends": None if each.ends_at is None else instant(each.ends_at),
            }
            for each in shown
        ]
    }


def instant(at: datetime) -> str:
    """An instant as our own fields write it: 2018-12-07T14:18:34.000Z."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
