"""The queue in front of each application: who holds which submission, and until when.

Every claim gives a lease a higher fencing number; a holder whose lease ran out and was given to
another is told apart by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select, update

from transom.domain.names import Place
from transom.records.database import rows
from transom.records.schema import leases

_OFFER = insert(leases)
_NOBODY = ""


class LeaseState(StrEnum):
    """Where a hand-off stands."""

    WAITING = "waiting"
    LEASED = "leased"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One hand-off: the fencing number grows with every claim.

    `leased_until` of an acknowledged one tells until when its holder is believed to work on it.
    """

    tracking_id: str
    application: str
    state: LeaseState
    fence: int
    holder: str
    offered_at: datetime
    leased_until: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims what, and until when. `key` lets the same claim be repeated; "" does not.

    `owed` asks for what was acknowledged and left instead of what waits.
    """

    holder: str
    application: str
    sub_spaces: tuple[str, ...]
    limit: int
    now: datetime
    until: datetime
    key: str = ""
    owed: bool = False


def offer(tx: Connection, tracking_id: str, place: Place, now: datetime) -> None:
    """Put a received submission into its application's queue."""
    values = {
        "tracking_id": tracking_id,
        "application": place.application,
        "sub_space": place.sub_space,
        "state": LeaseState.WAITING,
        "fence": 0,
        "holder": _NOBODY,
        "claim_key": "",
        "offered_at": now,
    }
    tx.execute(_OFFER, values)


def is_claimable(tx: Connection, asked: Claim) -> bool:
    """Whether claim() would find anything at this moment; locks nothing."""
    here = leases.c
    wanted = or_(*_wanted(asked))
    query = select(here.tracking_id).where(
        here.application == asked.application, here.sub_space.in_(asked.sub_spaces), wanted
    )
    return tx.execute(query.limit(1)).first() is not None


def claim(tx: Connection, asked: Claim) -> list[LeaseRow]:
    """Lease the oldest that wait, or whose lease ran out; or those that are owed. At most limit."""
    # One query for each: an OR of the two would sort the whole queue before it takes the first.
    found = [row for wanted in _wanted(asked) for row in _oldest(tx, asked, wanted)]
    return _lease(tx, asked, found, LeaseState.ACKNOWLEDGED if asked.owed else LeaseState.LEASED)


def _wanted(asked: Claim) -> tuple[ColumnElement[bool], ...]:
    """What a claim may take. Owed is what was acknowledged, never answered, and left."""
    here = leases.c
    ran_out = here.leased_until <= asked.now
    if asked.owed:
        left = or_(here.leased_until.is_(None), ran_out)
        return (and_(here.state == LeaseState.ACKNOWLEDGED, left),)
    return and_(here.state == LeaseState.LEASED, ran_out), here.state == LeaseState.WAITING


def claimed_before(tx: Connection, asked: Claim) -> list[LeaseRow]:
    """What the same claim was given already, as far as it is still held under it."""
    here = leases.c
    query = select(leases).where(
        here.application == asked.application,
        here.sub_space.in_(asked.sub_spaces),
        here.state.in_([LeaseState.LEASED, LeaseState.ACKNOWLEDGED]),
        here.holder == asked.holder,
        here.claim_key == asked.key,
        here.leased_until > asked.now,
    )
    return [_read(row) for row in tx.execute(query.order_by(here.offered_at))]


def _oldest(tx: Connection, asked: Claim, wanted: ColumnElement[bool]) -> list[Row[Any]]:
    here = leases.c
    found: list[Row[Any]] = []
    for sub_space in asked.sub_spaces:  # one at a time: each is a stretch of the index, in order
        query = (
            select(leases)
            .where(here.application == asked.application, here.sub_space == sub_space, wanted)
            .order_by(here.offered_at)
            .limit(asked.limit)
            .with_for_update(skip_locked=True)
        )
        found += tx.execute(query).all()
    return found


def _lease(
    tx: Connection, asked: Claim, found: list[Row[Any]], state: LeaseState
) -> list[LeaseRow]:
    chosen = sorted(found, key=lambda row: row.offered_at)[: asked.limit]
    if not chosen:
        return []
    change = update(leases).where(leases.c.tracking_id.in_([row.tracking_id for row in chosen]))
    values = {
        "state": state,
        "fence": leases.c.fence + 1,
        "holder": asked.holder,
        "claim_key": asked.key,
        "leased_until": asked.until,
    }
    rows(tx, change.values(**values))
    return [
        LeaseRow(
            row.tracking_id,
            row.application,
            state,
            row.fence + 1,
            asked.holder,
            row.offered_at,
            asked.until,
        )
        for row in chosen
    ]


def owed(
    tx: Connection,
    application: str,
    sub_spaces: tuple[str, ...],
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[LeaseRow]:
    """What is acknowledged and not answered, oldest offer first; after this offer and id."""
    here = leases.c
    query = select(leases).where(
        here.application == application,
        here.sub_space.in_(sub_spaces),
        here.state == LeaseState.ACKNOWLEDGED,
    )
    if after is not None:
        at, tracking_id = after
        later = and_(here.offered_at == at, here.tracking_id > tracking_id)
        query = query.where(or_(here.offered_at > at, later))
    query = query.order_by(here.offered_at, here.tracking_id).limit(limit)
    return [_read(row) for row in tx.execute(query)]


def find(tx: Connection, tracking_id: str) -> LeaseRow | None:
    """The hand-off of a submission, locked for this transaction; None when it was never offered."""
    query = select(leases).where(leases.c.tracking_id == tracking_id).with_for_update()
    row = tx.execute(query).one_or_none()
    return None if row is None else _read(row)


def acknowledge(tx: Connection, tracking_id: str) -> None:
    """Note that its holder took it over. The lease runs on: it tells that somebody works on it."""
    change = update(leases).where(leases.c.tracking_id == tracking_id)
    rows(tx, change.values(state=LeaseState.ACKNOWLEDGED))


def answer(tx: Connection, tracking_id: str) -> None:
    """Note that its holder answered it."""
    change = update(leases).where(leases.c.tracking_id == tracking_id)
    rows(tx, change.values(state=LeaseState.ANSWERED, leased_until=None))


def extend(tx: Connection, tracking_id: str, until: datetime) -> None:
    """Lengthen a lease."""
    change = update(leases).where(leases.c.tracking_id == tracking_id)
    rows(tx, change.values(leased_until=until))


def release(tx: Connection, tracking_id: str, again_at: datetime) -> None:
    """Take a lease from its holder; it can be claimed from then on."""
    change = update(leases).where(leases.c.tracking_id == tracking_id)
    rows(tx, change.values(holder=_NOBODY, claim_key="", leased_until=again_at))


def forget(tx: Connection, tracking_ids: list[str]) -> int:
    """Drop the hand-offs of submissions that tracking no longer keeps."""
    return rows(tx, leases.delete().where(leases.c.tracking_id.in_(tracking_ids)))


def _read(row: Row[Any]) -> LeaseRow:
    return LeaseRow(
        row.tracking_id,
        row.application,
        LeaseState(row.state),
        row.fence,
        row.holder,
        row.offered_at,
        row.leased_until,
    )
