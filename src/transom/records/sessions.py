"""Live sessions: one row each, leased for a short while by the worker that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, insert, select, update

from transom.records.database import rows
from transom.records.schema import sessions

_LOCKS = 4
"""Which advisory locks of PostgreSQL are ours; the other half of the lock is the organization."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session: whose, at which door, from where, with what."""

    id: str
    principal_id: str
    home_org: str
    door: str
    source: str
    crypto: str
    software: str
    opened_at: datetime
    leased_until: datetime


def count_alone(tx: Connection, org: str) -> None:
    """Let no other transaction count sessions of this organization until this one ends.

    SQLite has one writer anyway; on PostgreSQL two openings at once would each miss the other.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(org))))


def live(tx: Connection, org: str, principal_id: str, now: datetime) -> tuple[int, int]:
    """How many sessions live of an organization's accounts, and how many of them of one account."""
    mine = case((sessions.c.principal_id == principal_id, 1), else_=0)
    found = tx.execute(
        select(func.count(), func.coalesce(func.sum(mine), 0)).where(
            sessions.c.home_org == org, sessions.c.leased_until > now
        )
    ).one()
    return int(found[0]), int(found[1])


def add(tx: Connection, session: SessionRow) -> None:
    """Keep a session that was just opened."""
    tx.execute(
        insert(sessions).values(
            id=session.id,
            principal_id=session.principal_id,
            home_org=session.home_org,
            door=session.door,
            source=session.source,
            crypto=session.crypto,
            software=session.software,
            opened_at=session.opened_at,
            leased_until=session.leased_until,
        )
    )


def renew(tx: Connection, ids: Sequence[str], until: datetime) -> int:
    """Let these sessions live until then; returns how many of them are there."""
    return rows(tx, update(sessions).where(sessions.c.id.in_(ids)).values(leased_until=until))


def end(tx: Connection, session_id: str) -> bool:
    """Forget a session; False when it was forgotten already."""
    return rows(tx, delete(sessions).where(sessions.c.id == session_id)) == 1


def sweep(tx: Connection, before: datetime) -> int:
    """Forget sessions whose lease ran out before then; returns how many."""
    return rows(tx, delete(sessions).where(sessions.c.leased_until < before))
