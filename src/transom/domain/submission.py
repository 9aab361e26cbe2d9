"""A submission: the record of one upload, the states it passes, and the legal moves between them.

    requested --> received --> accepted | partially_rejected | rejected
        |             (the application acknowledges in between: taken_at)
        +-------> abandoned
        +--> held --> received | abandoned

`state` is where the submission stands; the guide's `status` and `downstreamStatus` are read off it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from transom.domain.errors import WrongState
from transom.domain.names import FileName, Place


class AccessMethod(StrEnum):
    """Which door an upload came through."""

    SFTP = "sftp"
    REST = "rest"
    S3 = "s3"
    PORTAL = "portal"


class State(StrEnum):
    """Where a submission stands."""

    REQUESTED = "requested"
    HELD = "held"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    PARTIALLY_REJECTED = "partially_rejected"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


OUTCOMES = frozenset({State.ACCEPTED, State.PARTIALLY_REJECTED, State.REJECTED})
"""The states that only the application can give."""

MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.REQUESTED: frozenset({State.HELD, State.RECEIVED, State.ABANDONED}),
        State.HELD: frozenset({State.RECEIVED, State.ABANDONED}),
        State.RECEIVED: OUTCOMES,
        State.ACCEPTED: frozenset(),
        State.PARTIALLY_REJECTED: frozenset(),
        State.REJECTED: frozenset(),
        State.ABANDONED: frozenset(),
    }
)


def sources_of(wanted: State) -> tuple[State, ...]:
    """The states from which a submission may go to this one."""
    return tuple(state for state, targets in MOVES.items() if wanted in targets)


def require_move(what: str, found: State, wanted: State) -> None:
    """Return quietly when a submission may go from one state to the other.

    Raises:
        WrongState: it may not.
    """
    if wanted not in MOVES[found]:
        raise WrongState(what, found, " or ".join(sorted(sources_of(wanted))) or "new")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an application found: which record, which field, its code, and a text."""

    record: str
    field: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Framing:
    """What was taken off a form-framed body: the size in bytes and SHA-256 of the body as sent."""

    raw_size: int
    raw_sha256: str


@dataclass(frozen=True, slots=True)
class Client:
    """Where an upload came from, for the record: address, software and the request's id."""

    method: AccessMethod
    source: str = ""
    software: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """One upload, known by its tracking id (a UUID).

    `place.org` is the organization acted for, `home_org` the account's own. Instants are UTC.
    `size` and `sha256` are of the file as kept; None until it is received.
    """

    tracking_id: str
    principal_id: str
    user_name: str
    home_org: str
    place: Place
    name: FileName
    client: Client
    state: State
    requested_at: datetime
    submitted_at: datetime
    updated_at: datetime
    declared_size: int | None = None
    size: int | None = None
    sha256: str | None = None
    framing: Framing | None = None
    archive_name: str | None = None
    taken_at: datetime | None = None
    answered_at: datetime | None = None
    reason: str = ""
    gate: str = ""
    bytes_seen: int = 0
    downloadable: bool = False
    findings: tuple[Finding, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def is_received(self) -> bool:
        """Whether the bytes are ours: received, or answered since."""
        return self.state is State.RECEIVED or self.state in OUTCOMES
