"""Bearer tokens by their hash, and the rate at which accounts may ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from transom.domain.identity import Principal
from transom.records.database import insert_new, rows
from transom.records.identities import read_principal
from transom.records.schema import grants, organizations, principals, rates

_INSERT = insert(grants)
_HOLDER = (
    select(
        principals,
        organizations.c.networks.label("org_networks"),
        grants.c.expires_at,
        (
            organizations.c.active
            & (organizations.c.epoch == grants.c.org_epoch)
            & (principals.c.epoch == grants.c.principal_epoch)
        ).label("stands"),
    )
    .select_from(grants)
    .join(principals, principals.c.id == grants.c.principal_id)
    .join(organizations, organizations.c.id == principals.c.home_org)
    .where(grants.c.digest == bindparam("digest"))
)
_PRINCIPAL = (
    select(
        principals,
        organizations.c.networks.label("org_networks"),
        organizations.c.active.label("stands"),
        organizations.c.epoch.label("org_epoch"),
    )
    .join(organizations, organizations.c.id == principals.c.home_org)
    .where(principals.c.id == bindparam("principal_id"))
)
_RATE = select(rates.c.level, rates.c.at).where(rates.c.key == bindparam("key")).with_for_update()
_TAKE = update(rates).where(rates.c.key == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Grant:
    """A bearer token as kept: the hash of it, whose it is, and the epochs it was made in."""

    digest: str
    principal_id: str
    principal_epoch: int
    org_epoch: int
    source: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever holds grants that are kept nowhere, with what ends them all at once.

    `org_active` and `org_epoch` are those of its home organization.
    """

    principal: Principal
    org_active: bool
    org_epoch: int


def add(tx: Connection, grant: Grant) -> None:
    """Keep a token's hash."""
    tx.execute(
        _INSERT,
        {
            "digest": grant.digest,
            "principal_id": grant.principal_id,
            "principal_epoch": grant.principal_epoch,
            "org_epoch": grant.org_epoch,
            "source": grant.source,
            "issued_at": grant.issued_at,
            "expires_at": grant.expires_at,
        },
    )


def holder(tx: Connection, digest: str, now: datetime) -> Principal | None:
    """Whose live token has this hash; None when there is none, or its holder was stopped."""
    row = tx.execute(_HOLDER, {"digest": digest}).one_or_none()
    if row is None or not row.stands or row.expires_at <= now:
        return None
    found = read_principal(row)
    return found if found.may_act(now) else None


def holder_named(tx: Connection, principal_id: str) -> Holder | None:
    """The principal of this id as it is now, whether or not it may act."""
    row = tx.execute(_PRINCIPAL, {"principal_id": principal_id}).one_or_none()
    return None if row is None else Holder(read_principal(row), row.stands, row.org_epoch)


def sweep(tx: Connection, now: datetime) -> int:
    """Drop expired tokens; returns how many."""
    return rows(tx, delete(grants).where(grants.c.expires_at <= now))


def take(tx: Connection, key: str, per_second: float, burst: float, now: datetime) -> timedelta:
    """Take one from a bucket that fills at a rate up to a burst; takers of one bucket queue.

    Returns zero when there was one to take, else how long until there will be.
    """
    row = tx.execute(_RATE, {"key": key}).one_or_none()
    if row is None:
        insert_new(tx, rates, {"key": key, "level": burst, "at": now})  # a row that can be locked
        row = tx.execute(_RATE, {"key": key}).one()
    passed = max(0.0, (now - row.at).total_seconds())  # a clock stepped back fills nothing
    level = min(burst, row.level + passed * per_second)
    if level < 1:
        return timedelta(seconds=(1 - level) / per_second)
    tx.execute(_TAKE, {"of": key, "level": level - 1, "at": now})
    return timedelta(0)


def is_empty(tx: Connection, key: str, per_second: float, burst: float, now: datetime) -> bool:
    """Whether take() would find nothing in this bucket."""
    row = tx.execute(select(rates.c.level, rates.c.at).where(rates.c.key == key)).one_or_none()
    if row is None:
        return False
    passed = max(0.0, (now - row.at).total_seconds())
    return bool(min(burst, row.level + passed * per_second) < 1)


def sweep_rates(tx: Connection, now: datetime) -> int:
    """Drop buckets that nobody took from for a day: they are full by now, also the slowest."""
    return rows(tx, delete(rates).where(rates.c.at < now - timedelta(days=1)))
