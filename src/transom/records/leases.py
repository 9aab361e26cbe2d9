"""The queue in front of each application: who holds which submission, and until when.

Every claim gives a lease a higher fencing number; a holder whose lease ran out and was given to
another is told apart by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, and_, insert, or_, select, update

from transom.records.database import rows
from transom.records.schema import leases

_OFFER = insert(leases)


class LeaseState(StrEnum):
    """Where a hand-off stands."""

    WAITING = "waiting"
    LEASED = "leased"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One hand-off: the fencing number grows with every claim."""

    tracking_id: str
    application: str
    state: LeaseState
    fence: int
    holder: str
    leased_until: datetime | None


def offer(tx: Connection, tracking_id: str, application: str, now: datetime) -> None:
    """Put a received submission into its application's queue."""
    values = {
        "tracking_id": tracking_id,
        "application": application,
        "state": LeaseState.WAITING,
        "fence": 0,
        "holder": "",
        "offered_at": now,
    }
    tx.execute(_OFFER, values)


def claim(
    tx: Connection, application: str, holder: str, limit: int, now: datetime, until: datetime
) -> list[LeaseRow]:
    """Lease the oldest that wait, or whose lease ran out, to a holder; at most limit."""
    here = leases.c
    claimable = or_(
        here.state == LeaseState.WAITING,
        and_(here.state == LeaseState.LEASED, here.leased_until <= now),
    )
    query = (
        select(here.tracking_id, here.fence)
        .where(here.application == application, claimable)
        .order_by(here.offered_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = []
    for row in tx.execute(query).all():
        change = update(leases).where(here.tracking_id == row.tracking_id)
        values = {
            "state": LeaseState.LEASED,
            "fence": row.fence + 1,
            "holder": holder,
            "leased_until": until,
        }
        rows(tx, change.values(**values))
        claimed.append(
            LeaseRow(row.tracking_id, application, LeaseState.LEASED, row.fence + 1, holder, until)
        )
    return claimed


def find(tx: Connection, tracking_id: str) -> LeaseRow | None:
    """The hand-off of a submission, locked for this transaction; None when it was never offered."""
    query = select(leases).where(leases.c.tracking_id == tracking_id).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return LeaseRow(
        row.tracking_id,
        row.application,
        LeaseState(row.state),
        row.fence,
        row.holder,
        row.leased_until,
    )


def move(tx: Connection, tracking_id: str, fence: int, state: LeaseState) -> bool:
    """Give a hand-off its next state; False when another claim has come between."""
    change = update(leases).where(leases.c.tracking_id == tracking_id, leases.c.fence == fence)
    return rows(tx, change.values(state=state, leased_until=None)) == 1


def extend(tx: Connection, tracking_id: str, fence: int, until: datetime) -> bool:
    """Lengthen a running lease; False when it is no longer this holder's."""
    change = update(leases).where(
        leases.c.tracking_id == tracking_id,
        leases.c.fence == fence,
        leases.c.state == LeaseState.LEASED,
    )
    return rows(tx, change.values(leased_until=until)) == 1


def forget(tx: Connection, tracking_ids: list[str]) -> int:
    """Drop the hand-offs of submissions that tracking no longer keeps."""
    return rows(tx, leases.delete().where(leases.c.tracking_id.in_(tracking_ids)))
