"""The lock-out rule at work: one for every door, every step and every process.

The rule itself is domain/identity.py's Standing. Whoever counts or judges here does so alone for
that name, so that guesses in flight beside one another all count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core import guessing
from transom.core.passwords import name_key
from transom.domain import identity
from transom.domain.identity import Standing, source_key
from transom.records import audit, identities
from transom.records.identities import UNKNOWN_SOURCES

_DEVICE = "device/"


@dataclass(frozen=True, slots=True)
class Caller:
    """A name as it was typed, and where it was typed.

    `listed`: from an address on the account's allow-list. `device_id`: on a browser that this
    person signed in with before, which counts as a known source of its own.
    """

    name: str
    source: str
    request_id: str = ""
    listed: bool = False
    device_id: str = ""

    @property
    def name_key(self) -> str:
        """What the name is counted under."""
        return name_key(self.name)

    @property
    def source_key(self) -> str:
        """What the source is counted under: the device, else the address."""
        return _DEVICE + self.device_id if self.device_id else source_key(self.source)

    @property
    def is_known(self) -> bool:
        """Whether the source is known without a look at the record."""
        return self.listed or bool(self.device_id)


def standing(tx: Connection, caller: Caller, now: datetime) -> Standing:
    """How the name and the source stand with the rule."""
    return identities.standing(tx, caller.name_key, caller.source_key, now, listed=caller.is_known)


def standing_alone(tx: Connection, caller: Caller, now: datetime) -> Standing:
    """The same, once every guess in flight has counted; nobody else counts until this ends."""
    identities.count_alone(tx, caller.name_key)
    return standing(tx, caller, now)


def note_success(tx: Connection, caller: Caller, now: datetime) -> None:
    """Make the source a known one, and forget its failures and closings."""
    identities.add_success(tx, caller.name_key, caller.source_key, now)


def count_failure(tx: Connection, caller: Caller, found: Standing, now: datetime) -> None:
    """Count a failure of a name and source that stood so, and close what the rule closes."""
    key, source = caller.name_key, caller.source_key
    if not found.known and not found.failures:
        guessing.note(tx, caller.name, caller.source, caller.request_id, now)
    identities.add_failure(tx, key, source, now, known=found.known)
    wait = found.wait_after_failure()
    if wait is not None:
        identities.close(tx, key, source, now, now + wait, found.closings + 1)
        _note_closing(tx, caller, now, wait, source)
    if found.closes_to_unknown():
        until = now + identity.CLOSED_TO_UNKNOWN_FOR
        identities.close(tx, key, UNKNOWN_SOURCES, now, until, 1)
        _note_closing(tx, caller, now, until - now, UNKNOWN_SOURCES)


def _note_closing(
    tx: Connection, caller: Caller, now: datetime, wait: timedelta, closed_to: str
) -> None:
    owner = identities.principal_named(tx, caller.name)
    audit.add(
        tx,
        audit.Entry(
            at=now,
            principal_id=owner.id if owner else "",
            action="sign_in.closed",
            object=caller.name if owner else caller.name_key,
            source=caller.source,
            request_id=caller.request_id,
            detail=audit.detail({"closed_to": closed_to, "seconds": round(wait.total_seconds())}),
        ),
    )
