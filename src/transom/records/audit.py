"""The audit trail: entries written in the transaction of what they record, sealed afterwards.

A seal is an HMAC over the seal before it and the entry, so a changed, inserted or missing entry
breaks the chain. Sealing in each transaction would make transfers wait for one another, so one
sealer follows within seconds (decisions.md section 7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from transom.records.schema import PERSONAL, audit, audit_seals

_INSERT = insert(audit)
_SEALING = 0x5EA1  # an advisory lock's number


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which object, from where. `detail` holds facts, never secrets."""

    at: datetime
    principal_id: str
    action: str
    object: str
    tracking_id: str = ""
    source: str = ""
    request_id: str = ""
    detail: str = "{}"
    id: int = 0

    def canonical(self) -> bytes:
        """The bytes that a seal covers."""
        parts = [
            self.id,
            self.at.isoformat(timespec="microseconds"),
            self.principal_id,
            self.action,
            self.object,
            self.tracking_id,
            self.source,
            self.request_id,
            self.detail,
        ]
        return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain."""

    sequence: int
    audit_id: int
    key_id: str
    seal: str


def detail(facts: Mapping[str, object]) -> str:
    """Facts as they are kept: JSON with sorted keys."""
    return json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def add(tx: Connection, entry: Entry) -> None:
    """Write an entry; it stands or falls with the transaction."""
    tx.execute(
        _INSERT,
        {
            "at": entry.at,
            "principal_id": entry.principal_id,
            "action": entry.action,
            "object": entry.object,
            "tracking_id": entry.tracking_id,
            "source": entry.source,
            "request_id": entry.request_id,
            "detail": entry.detail,
        },
    )


def last_seal(tx: Connection) -> Seal | None:
    """The newest link, or None before the first. Until this transaction ends nobody else seals."""
    if tx.dialect.name == "postgresql":  # SQLite has one writer anyway
        tx.execute(select(func.pg_advisory_xact_lock(_SEALING)))
    query = select(audit_seals).order_by(audit_seals.c.sequence.desc()).limit(1)
    row = tx.execute(query).one_or_none()
    return None if row is None else _seal(row)


def seal_at(tx: Connection, sequence: int) -> Seal | None:
    """The link with this number, or None."""
    query = select(audit_seals).where(audit_seals.c.sequence == sequence)
    row = tx.execute(query).one_or_none()
    return None if row is None else _seal(row)


def latest(tx: Connection) -> datetime | None:
    """When the newest entry was written, by the clock of then; None before the first."""
    return tx.execute(select(audit.c.at).order_by(audit.c.id.desc()).limit(1)).scalar_one_or_none()


def newest(tx: Connection) -> int:
    """The highest id of an entry; 0 before the first. Lower ones may be committed later."""
    return int(tx.execute(select(func.coalesce(func.max(audit.c.id), 0))).scalar_one())


def of_action(tx: Connection, action: str, after: int) -> list[Entry]:
    """The entries of an action with ids above this one, the oldest first."""
    query = select(audit).where(audit.c.id > after, audit.c.action == action)
    return [_entry(row) for row in tx.execute(query.order_by(audit.c.id))]


def of_person(tx: Connection, principal_id: str, actions: Sequence[str], limit: int) -> list[Entry]:
    """The newest entries of these actions (of those for people) of a person, the newest first."""
    query = (
        select(audit)
        .where(audit.c.principal_id == principal_id, audit.c.action.in_(actions))
        .where(PERSONAL)  # the very text of the index, or SQLite does not take it
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    return [_entry(row) for row in tx.execute(query)]


def unsealed(tx: Connection, after: int, limit: int) -> list[Entry]:
    """Committed entries with ids above `after` that have no seal yet, in the order of their ids."""
    query = (
        select(audit)
        .outerjoin(audit_seals, audit_seals.c.audit_id == audit.c.id)
        .where(audit_seals.c.audit_id.is_(None), audit.c.id > after)
        .order_by(audit.c.id)
        .limit(limit)
    )
    return [_entry(row) for row in tx.execute(query)]


def add_seals(tx: Connection, seals: list[Seal]) -> None:
    """Append links to the chain; none changes nothing."""
    if not seals:
        return
    tx.execute(
        insert(audit_seals),
        [
            {
                "sequence": each.sequence,
                "audit_id": each.audit_id,
                "key_id": each.key_id,
                "seal": each.seal,
            }
            for each in seals
        ],
    )


def sealed_after(tx: Connection, sequence: int, limit: int) -> list[tuple[Seal, Entry | None]]:
    """Links after a place in the chain, each with the entry it covers (None: gone), in order."""
    query = (
        select(audit_seals, audit)
        .outerjoin(audit, audit.c.id == audit_seals.c.audit_id)
        .where(audit_seals.c.sequence > sequence)
        .order_by(audit_seals.c.sequence)
        .limit(limit)
    )
    return [(_seal(row), None if row.id is None else _entry(row)) for row in tx.execute(query)]


def count_unsealed(tx: Connection) -> int:
    """How many entries wait for their seal."""
    query = (
        select(func.count())
        .select_from(audit)
        .outerjoin(audit_seals, audit_seals.c.audit_id == audit.c.id)
        .where(audit_seals.c.audit_id.is_(None))
    )
    return int(tx.execute(query).scalar_one())


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        at=row.at,
        principal_id=row.principal_id,
        action=row.action,
        object=row.object,
        tracking_id=row.tracking_id,
        source=row.source,
        request_id=row.request_id,
        detail=row.detail,
        id=row.id,
    )


def _seal(row: Row[Any]) -> Seal:
    return Seal(row.sequence, row.audit_id, row.key_id, row.seal)
