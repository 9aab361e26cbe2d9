"""Messages that wait to be sent, sealed: they hold links and codes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from transom.records.database import rows
from transom.records.schema import outbox


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message, until it is sent or too old to be of use."""

    id: str
    kind: str
    sealed: str
    invitation_id: str
    created_at: datetime
    next_at: datetime
    ends_at: datetime
    tries: int = 0


def add(tx: Connection, waiting: Waiting) -> None:
    """Keep a message to be sent; it stands or falls with the transaction."""
    tx.execute(insert(outbox).values(**asdict(waiting)))


def due(tx: Connection, now: datetime, limit: int) -> list[Waiting]:
    """Messages whose time has come, the oldest first."""
    query = select(outbox).where(outbox.c.next_at <= now)
    found = tx.execute(query.order_by(outbox.c.next_at, outbox.c.id).limit(limit))
    return [Waiting(**row) for row in found.mappings()]


def claim(tx: Connection, waiting: Waiting, next_at: datetime) -> bool:
    """Take a message to send it now, and nobody else until then; False when somebody did."""
    kept = outbox.c
    change = update(outbox).where(kept.id == waiting.id, kept.next_at == waiting.next_at)
    return rows(tx, change.values(next_at=next_at, tries=waiting.tries + 1)) == 1


def put_off(tx: Connection, waiting_id: str, next_at: datetime) -> None:
    """Try a message again then."""
    tx.execute(update(outbox).where(outbox.c.id == waiting_id).values(next_at=next_at))


def done(tx: Connection, waiting_id: str) -> None:
    """Forget a message: it was sent, or never will be."""
    tx.execute(delete(outbox).where(outbox.c.id == waiting_id))
