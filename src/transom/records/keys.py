"""Public keys of accounts: which there are, and whose account one opens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from transom.domain.identity import AccountKey, PublicKey
from transom.records.database import rows, upsert
from transom.records.identities import Credential, read_principal
from transom.records.schema import keys, organizations, principals


def save(tx: Connection, principal_id: str, key: AccountKey) -> None:
    """Give a principal a key; one with the same fingerprint is replaced."""
    upsert(
        tx,
        keys,
        {
            "principal_id": principal_id,
            "fingerprint": key.key.fingerprint,
            "algorithm": key.key.algorithm,
            "blob": key.key.blob,
            "label": key.label,
            "created_at": key.created_at,
            "ends_at": key.ends_at,
            "last_used_at": key.last_used_at,
        },
    )


def of(tx: Connection, principal_id: str) -> list[AccountKey]:
    """Every key of a principal, those that ended included, the oldest first."""
    query = select(keys).where(keys.c.principal_id == principal_id)
    found = tx.execute(query.order_by(keys.c.created_at, keys.c.fingerprint))
    return [_read(row) for row in found]


def find(tx: Connection, principal_id: str, fingerprint: str) -> AccountKey | None:
    """The key of a principal with this fingerprint, or None."""
    query = select(keys).where(
        keys.c.principal_id == principal_id, keys.c.fingerprint == fingerprint
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _read(row)


_HOLDER = (
    select(
        principals,
        organizations.c.active.label("org_active"),
        organizations.c.epoch.label("org_epoch"),
        organizations.c.networks.label("org_networks"),
        keys.c.algorithm,
        keys.c.blob,
        keys.c.label,
        keys.c.created_at.label("key_created_at"),
        keys.c.ends_at.label("key_ends_at"),
        keys.c.last_used_at,
    )
    .join(organizations, organizations.c.id == principals.c.home_org)
    .join(keys, keys.c.principal_id == principals.c.id)
)


def holder(tx: Connection, name: str, offered: PublicKey) -> tuple[Credential, AccountKey] | None:
    """The account of this name with its key, when the key that is offered is one of its own."""
    query = _HOLDER.where(principals.c.name == name, keys.c.fingerprint == offered.fingerprint)
    row = tx.execute(query).one_or_none()
    if row is None or row.blob != offered.blob:
        return None
    found = Credential(read_principal(row), row.org_active, row.epoch, row.org_epoch, ())
    key = PublicKey(row.algorithm, row.blob)
    return found, AccountKey(key, row.label, row.key_created_at, row.key_ends_at, row.last_used_at)


def note_use(tx: Connection, principal_id: str, fingerprint: str, now: datetime) -> None:
    """Remember that an account signed in with this key."""
    rows(tx, _one(principal_id, fingerprint).values(last_used_at=now))


def end(tx: Connection, principal_id: str, fingerprint: str, now: datetime) -> None:
    """End a key of a principal."""
    rows(tx, _one(principal_id, fingerprint).values(ends_at=now))


def end_all(tx: Connection, principal_id: str, now: datetime) -> int:
    """End every key of a principal that has not ended; returns how many there were."""
    live = keys.c.ends_at.is_(None) | (keys.c.ends_at > now)
    change = update(keys).where(keys.c.principal_id == principal_id, live)
    return rows(tx, change.values(ends_at=now))


def _one(principal_id: str, fingerprint: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Update's type has no public name
    return update(keys).where(
        keys.c.principal_id == principal_id, keys.c.fingerprint == fingerprint
    )


def _read(row: Row[Any]) -> AccountKey:
    key = PublicKey(row.algorithm, row.blob)
    return AccountKey(key, row.label, row.created_at, row.ends_at, row.last_used_at)
