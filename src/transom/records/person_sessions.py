"""People's sessions, by the keyed hash of the cookie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from transom.records.database import rows
from transom.records.people import PERSON, PersonRow, read_person
from transom.records.schema import person_sessions, principals


@dataclass(frozen=True, slots=True)
class PersonSession:
    """A session as kept. `device_id` and `invitation_id` are "" where there is none."""

    id: str
    digest: str
    principal_id: str
    principal_epoch: int
    org_epoch: int
    assurance: str
    invitation_id: str
    device_id: str
    source: str
    software: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime
    proven_at: datetime | None = None


_COLUMNS = [each.label(f"session_{each.name}") for each in person_sessions.c]
_FIELDS = [each.name for each in person_sessions.c]
_WITH_PERSON = PERSON.add_columns(*_COLUMNS).join(
    person_sessions, person_sessions.c.principal_id == principals.c.id
)


def add(tx: Connection, session: PersonSession) -> None:
    """Keep a session."""
    tx.execute(insert(person_sessions).values(**asdict(session)))


def by_digests(tx: Connection, digests: Iterable[str]) -> tuple[PersonSession, PersonRow] | None:
    """The session whose cookie has one of these hashes, with its person, or None."""
    query = _WITH_PERSON.where(person_sessions.c.digest.in_(list(digests)))
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    kept = {name: getattr(row, f"session_{name}") for name in _FIELDS}
    return PersonSession(**kept), read_person(row)


def of(tx: Connection, principal_id: str, assurance: str) -> list[PersonSession]:
    """The sessions of a person at this level, the last seen first."""
    query = select(person_sessions).where(
        person_sessions.c.principal_id == principal_id, person_sessions.c.assurance == assurance
    )
    found = tx.execute(query.order_by(person_sessions.c.seen_at.desc(), person_sessions.c.id))
    return [PersonSession(**row) for row in found.mappings()]


def to_change(tx: Connection, session_id: str) -> PersonSession | None:
    """This session, which nobody else changes until this transaction ends, or None."""
    query = select(person_sessions).where(person_sessions.c.id == session_id)
    row = tx.execute(query.with_for_update()).mappings().one_or_none()
    return None if row is None else PersonSession(**row)


def note_seen(tx: Connection, session_id: str, now: datetime) -> None:
    """Note that a session was used."""
    change = update(person_sessions).where(person_sessions.c.id == session_id)
    tx.execute(change.values(seen_at=now))


def follow_epoch(tx: Connection, session_id: str, epoch: int) -> None:
    """Let one session outlive what ended all grants of its person."""
    change = update(person_sessions).where(person_sessions.c.id == session_id)
    tx.execute(change.values(principal_epoch=epoch))


def end(tx: Connection, session_id: str) -> bool:
    """Forget a session; False when it was forgotten already."""
    return rows(tx, delete(person_sessions).where(person_sessions.c.id == session_id)) == 1


def end_of(tx: Connection, principal_id: str, *, but: str = "") -> int:
    """Forget every session of a person, or all but one; returns how many."""
    kept = person_sessions.c
    return rows(
        tx, delete(person_sessions).where(kept.principal_id == principal_id, kept.id != but)
    )


def end_half(tx: Connection, principal_id: str, assurance: str, source: str) -> int:
    """Forget a person's sessions at this level from this address; returns how many."""
    kept = person_sessions.c
    return rows(
        tx,
        delete(person_sessions).where(
            kept.principal_id == principal_id,
            kept.assurance == assurance,
            kept.source == source,
        ),
    )


def sweep(tx: Connection, before: datetime) -> int:
    """Forget sessions that ended before then; returns how many."""
    return rows(tx, delete(person_sessions).where(person_sessions.c.ends_at < before))
