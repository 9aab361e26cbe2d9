"""Organizations, principals, their secrets, and how names and sources stand at sign-in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from transom.domain import identity
from transom.domain.entitlement import PrincipalKind
from transom.domain.identity import Organization, Principal, SecretKind, Standing
from transom.domain.space import OrgKind
from transom.records.database import insert_new, rows, upsert
from transom.records.schema import (
    organizations,
    principals,
    secrets,
    sign_in_failures,
    sign_in_sources,
)

UNKNOWN_SOURCES = "*"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One secret of a principal: the keyed hash or argon2id string it is checked against."""

    id: str
    kind: SecretKind
    key_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A principal with what is needed to check it: secrets, organization, and epochs."""

    principal: Principal
    org_active: bool
    principal_epoch: int
    org_epoch: int
    secrets: tuple[StoredSecret, ...]


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization, since when it is there, and how many accounts call it home."""

    organization: Organization
    created_at: datetime
    accounts: int


@dataclass(frozen=True, slots=True)
class PrincipalRow:
    """A principal, since when it is there, and whether its organization may act."""

    principal: Principal
    created_at: datetime
    org_active: bool


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What is remembered of a source (or UNKNOWN_SOURCES) that signed in, or tried to."""

    source_key: str
    succeeded_at: datetime | None
    closed_until: datetime | None


def add_organization(tx: Connection, organization: Organization, now: datetime) -> bool:
    """Add an organization; False when one with this id is there."""
    return insert_new(
        tx,
        organizations,
        {
            "id": organization.id,
            "name": organization.name,
            "kind": organization.kind,
            "active": organization.active,
            "networks": " ".join(organization.networks),
            "created_at": now,
        },
    )


_IDS_IN_A_STATEMENT = 500


def kinds(tx: Connection, ids: Iterable[str]) -> dict[str, OrgKind]:
    """The kind of each of these organizations that is there and active."""
    found = tx.execute(
        select(organizations.c.id, organizations.c.kind).where(
            organizations.c.id.in_(sorted(set(ids))), organizations.c.active
        )
    )
    return {row.id: OrgKind(row.kind) for row in found}


_ACCOUNTS = (
    select(func.count())
    .where(principals.c.home_org == organizations.c.id, principals.c.kind != PrincipalKind.PERSON)
    .scalar_subquery()
    .label("accounts")
)


def organization_names(tx: Connection, ids: Sequence[str]) -> dict[str, str]:
    """What organizations are called, by id."""
    here = organizations.c
    found: dict[str, str] = {}
    for start in range(0, len(ids), _IDS_IN_A_STATEMENT):
        some = ids[start : start + _IDS_IN_A_STATEMENT]
        rows = tx.execute(select(here.id, here.name).where(here.id.in_(some)))
        found |= {row.id: row.name for row in rows}
    return found


def organization(tx: Connection, org: str) -> OrganizationRow | None:
    """The organization of this id, or None."""
    query = select(organizations, _ACCOUNTS).where(organizations.c.id == org)
    row = tx.execute(query).one_or_none()
    return None if row is None else _organization(row)


def organizations_after(tx: Connection, org: str, limit: int) -> list[OrganizationRow]:
    """A page of the organizations in the order of their ids: those after this one."""
    query = select(organizations, _ACCOUNTS).where(organizations.c.id > org)
    found = tx.execute(query.order_by(organizations.c.id).limit(limit))
    return [_organization(row) for row in found]


def _organization(row: Row[Any]) -> OrganizationRow:
    networks = tuple(row.networks.split())
    found = Organization(row.id, row.name, OrgKind(row.kind), row.active, networks)
    return OrganizationRow(found, row.created_at, row.accounts)


def organization_to_change(tx: Connection, org: str) -> Organization | None:
    """The organization of this id, which nobody else changes until this transaction ends."""
    tx.execute(select(organizations.c.id).where(organizations.c.id == org).with_for_update())
    found = organization(tx, org)
    return None if found is None else found.organization


def set_organization_networks(tx: Connection, org: str, networks: Iterable[str]) -> bool:
    """Allow an organization's accounts from these networks only (CIDR; none: from anywhere)."""
    change = update(organizations).where(organizations.c.id == org)
    return rows(tx, change.values(networks=" ".join(networks))) == 1


def set_organization_active(tx: Connection, org: str, *, active: bool) -> bool:
    """Let an organization act, or stop it and all its grants; False when there is none."""
    change = update(organizations).where(organizations.c.id == org)
    return rows(tx, change.values(active=active, epoch=organizations.c.epoch + 1)) == 1


def add_principal(tx: Connection, principal: Principal, now: datetime) -> bool:
    """Add a principal; False when its id or name is taken."""
    return insert_new(
        tx,
        principals,
        {
            "id": principal.id,
            "kind": principal.kind,
            "name": principal.name,
            "home_org": principal.home_org,
            "active": principal.active,
            "ends_at": principal.ends_at,
            "networks": " ".join(principal.networks),
            "unwrap_forms": principal.unwrap_forms,
            "created_at": now,
        },
    )


def set_principal_active(tx: Connection, principal_id: str, *, active: bool) -> bool:
    """Let a principal act, or stop it and all its grants; False when there is none."""
    return rows(tx, _touch(principal_id).values(active=active)) == 1


def set_networks(tx: Connection, principal_id: str, networks: Iterable[str]) -> bool:
    """Allow a principal from these networks only (CIDR; none means from anywhere)."""
    change = update(principals).where(principals.c.id == principal_id)
    return rows(tx, change.values(networks=" ".join(networks))) == 1


def set_end(tx: Connection, principal_id: str, ends_at: datetime | None) -> bool:
    """Let a principal end then, or at no set time; False when there is none."""
    change = update(principals).where(principals.c.id == principal_id)
    return rows(tx, change.values(ends_at=ends_at)) == 1


def revoke(tx: Connection, principal_id: str) -> bool:
    """End every grant of a principal at once; False when there is none."""
    return rows(tx, _touch(principal_id)) == 1


def _touch(principal_id: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Update's type has no public name
    change = update(principals).where(principals.c.id == principal_id)
    return change.values(epoch=principals.c.epoch + 1)


ORG_NETWORKS = (
    select(organizations.c.networks)
    .where(organizations.c.id == principals.c.home_org)
    .scalar_subquery()
    .label("org_networks")
)
"""What read_principal() needs beside the columns of principals."""


def principal_named(tx: Connection, name: str) -> Principal | None:
    """The principal of this name, or None."""
    query = select(principals, ORG_NETWORKS).where(principals.c.name == name)
    row = tx.execute(query).one_or_none()
    return None if row is None else read_principal(row)


def principal_to_change(tx: Connection, name: str) -> Principal | None:
    """The principal of this name, which nobody else changes until this transaction ends."""
    query = select(principals, ORG_NETWORKS).where(principals.c.name == name)
    row = tx.execute(query.with_for_update(of=principals)).one_or_none()
    return None if row is None else read_principal(row)


_REGISTERED = select(
    principals,
    organizations.c.active.label("org_active"),
    organizations.c.networks.label("org_networks"),
).outerjoin(organizations, organizations.c.id == principals.c.home_org)


def registered(tx: Connection, name: str) -> PrincipalRow | None:
    """The account of this name as it stands, or None; people are not accounts."""
    query = _REGISTERED.where(principals.c.name == name)
    row = tx.execute(query.where(principals.c.kind != PrincipalKind.PERSON)).one_or_none()
    return None if row is None else _registered(row)


def registered_after(tx: Connection, name: str, limit: int, org: str = "") -> list[PrincipalRow]:
    """A page of accounts (of one organization, or all) in the order of names, after this one."""
    query = _REGISTERED.where(principals.c.name > name, principals.c.kind != PrincipalKind.PERSON)
    if org:
        query = query.where(principals.c.home_org == org)
    found = tx.execute(query.order_by(principals.c.name).limit(limit))
    return [_registered(row) for row in found]


def _registered(row: Row[Any]) -> PrincipalRow:
    return PrincipalRow(read_principal(row), row.created_at, bool(row.org_active))


def account_ids(tx: Connection, org: str, now: datetime) -> list[str]:
    """The accounts that call an organization home and were not stopped or ended, by id."""
    query = select(principals.c.id).where(
        principals.c.home_org == org,
        principals.c.kind == PrincipalKind.ACCOUNT,
        principals.c.active,
        principals.c.ends_at.is_(None) | (principals.c.ends_at > now),
    )
    return list(tx.execute(query.order_by(principals.c.id)).scalars())


def acting_names(tx: Connection, org: str, limit: int) -> list[str]:
    """The names of all that call an organization home and were not stopped, at most limit."""
    query = select(principals.c.name).where(principals.c.home_org == org, principals.c.active)
    return list(tx.execute(query.order_by(principals.c.name).limit(limit)).scalars())


def names(tx: Connection, ids: Iterable[str]) -> dict[str, str]:
    """The name of each of these principals that is there, by its id."""
    query = select(principals.c.id, principals.c.name)
    found = tx.execute(query.where(principals.c.id.in_(sorted(set(ids)))))
    return {row.id: row.name for row in found}


def read_principal(row: Row[Any]) -> Principal:
    """A principal out of a row that has the columns of that table and `org_networks`."""
    return Principal(
        id=row.id,
        kind=PrincipalKind(row.kind),
        name=row.name,
        home_org=row.home_org,
        active=row.active,
        ends_at=row.ends_at,
        networks=tuple(row.networks.split()),
        unwrap_forms=row.unwrap_forms,
        epoch=row.epoch,
        org_networks=tuple((row.org_networks or "").split()),
    )


def add_secret(tx: Connection, principal_id: str, secret: StoredSecret, now: datetime) -> None:
    """Give a principal one more secret."""
    tx.execute(
        insert(secrets).values(
            id=secret.id,
            principal_id=principal_id,
            kind=secret.kind,
            key_id=secret.key_id,
            digest=secret.digest,
            created_at=now,
        )
    )


def renew_secret(tx: Connection, secret: StoredSecret) -> bool:
    """Keep the same secret under another key; False when it has ended."""
    change = update(secrets).where(secrets.c.id == secret.id, secrets.c.ended_at.is_(None))
    return rows(tx, change.values(key_id=secret.key_id, digest=secret.digest)) == 1


def end_secrets(tx: Connection, principal_id: str, now: datetime) -> int:
    """End every secret of a principal; returns how many there were."""
    live = secrets.c.ended_at.is_(None)
    change = update(secrets).where(secrets.c.principal_id == principal_id, live)
    return rows(tx, change.values(ended_at=now))


def live_secrets(tx: Connection, principal_id: str) -> list[datetime]:
    """When each live secret of a principal was made, the newest first."""
    query = select(secrets.c.created_at).where(
        secrets.c.principal_id == principal_id, secrets.c.ended_at.is_(None)
    )
    return list(tx.execute(query.order_by(secrets.c.created_at.desc())).scalars())


_CREDENTIAL = (
    select(
        principals,
        organizations.c.active.label("org_active"),
        organizations.c.epoch.label("org_epoch"),
        organizations.c.networks.label("org_networks"),
        secrets.c.id.label("secret_id"),
        secrets.c.kind.label("secret_kind"),
        secrets.c.key_id,
        secrets.c.digest,
    )
    .join(organizations, organizations.c.id == principals.c.home_org)
    .outerjoin(secrets, (secrets.c.principal_id == principals.c.id) & secrets.c.ended_at.is_(None))
)


def credential_of(tx: Connection, name: str) -> Credential | None:
    """What is needed to check a principal of this name, or None when there is none."""
    found = tx.execute(_CREDENTIAL.where(principals.c.name == name)).all()
    if not found:
        return None
    row = found[0]
    kept = tuple(
        StoredSecret(each.secret_id, SecretKind(each.secret_kind), each.key_id, each.digest)
        for each in found
        if each.secret_id is not None
    )
    return Credential(read_principal(row), row.org_active, row.epoch, row.org_epoch, kept)


# --- the lock-out rule's memory ------------------------------------------------------------------


def standing(
    tx: Connection, name_key: str, source_key: str, now: datetime, *, listed: bool
) -> Standing:
    """How a name and a source stand. `listed`: the source is on the account's allow-list."""
    since = now - identity.FAILURE_WINDOW
    failures = sign_in_failures.c
    counted = tx.execute(
        select(
            func.coalesce(func.sum(case((failures.source_key == source_key, 1), else_=0)), 0),
            func.coalesce(func.sum(case((failures.known.is_(False), 1), else_=0)), 0),
        ).where(failures.name_key == name_key, failures.at > since)
    ).one()
    kept = sign_in_sources.c
    sources = {
        row.source_key: row
        for row in tx.execute(
            select(sign_in_sources).where(
                kept.name_key == name_key, kept.source_key.in_((source_key, UNKNOWN_SOURCES))
            )
        )
    }
    here, unknown = sources.get(source_key), sources.get(UNKNOWN_SOURCES)
    forgotten = identity.CLOSINGS_FORGOTTEN_AFTER
    succeeded = here.succeeded_at if here else None
    return Standing(
        known=listed or _since(succeeded, now, identity.KNOWN_FOR),
        fresh=_since(succeeded, now, identity.FRESH_FOR),
        failures=int(counted[0]),
        unknown_failures=int(counted[1]),
        closings=here.closings if here and _since(here.closed_at, now, forgotten) else 0,
        closed_until=here.closed_until if here else None,
        unknown_closed_until=unknown.closed_until if unknown else None,
    )


def _since(at: datetime | None, now: datetime, period: timedelta) -> bool:
    return at is not None and now - at < period


def count_alone(tx: Connection, name_key: str) -> None:
    """Let no other transaction count failures of this name until this one ends.

    SQLite has one writer anyway; on PostgreSQL two failures at once would each miss the other.
    """
    if tx.dialect.name == "postgresql":
        number = int(name_key[:15], 16)
        tx.execute(select(func.pg_advisory_xact_lock(number)))


def add_failure(
    tx: Connection, name_key: str, source_key: str, now: datetime, *, known: bool
) -> None:
    """Count one failed sign-in."""
    tx.execute(
        insert(sign_in_failures).values(
            name_key=name_key, source_key=source_key, known=known, at=now
        )
    )


def close(
    tx: Connection, name_key: str, source_key: str, now: datetime, until: datetime, closings: int
) -> None:
    """Close a name to a source (or UNKNOWN_SOURCES) until then; closings counts this one too."""
    upsert(
        tx,
        sign_in_sources,
        {
            "name_key": name_key,
            "source_key": source_key,
            "closed_until": until,
            "closed_at": now,
            "closings": closings,
        },
    )


def add_success(tx: Connection, name_key: str, source_key: str, now: datetime) -> None:
    """Remember this source as known, and forget its failures and closings."""
    upsert(
        tx,
        sign_in_sources,
        {
            "name_key": name_key,
            "source_key": source_key,
            "succeeded_at": now,
            "closed_until": None,
            "closings": 0,
        },
    )
    tx.execute(
        delete(sign_in_failures).where(
            sign_in_failures.c.name_key == name_key, sign_in_failures.c.source_key == source_key
        )
    )


def sources(tx: Connection, name_key: str) -> list[SourceRow]:
    """Every source remembered for a name, in the order of their keys."""
    kept = sign_in_sources.c
    query = select(sign_in_sources).where(kept.name_key == name_key).order_by(kept.source_key)
    return [
        SourceRow(row.source_key, row.succeeded_at, row.closed_until) for row in tx.execute(query)
    ]


def closed(tx: Connection, name_keys: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Which of these names are closed, to whomever, and until when the last closing goes."""
    kept = sign_in_sources.c
    until = func.max(kept.closed_until, type_=kept.closed_until.type).label("until")
    query = select(kept.name_key, until).where(
        kept.name_key.in_(name_keys), kept.closed_until > now
    )
    return {row.name_key: row.until for row in tx.execute(query.group_by(kept.name_key))}


def unlock(tx: Connection, name_key: str) -> bool:
    """Forget each failure and closing of a name, if any is; known sources stay known."""
    kept = sign_in_sources.c
    failures = delete(sign_in_failures).where(sign_in_failures.c.name_key == name_key)
    closings = update(sign_in_sources).where(
        kept.name_key == name_key, kept.closed_until.is_not(None) | (kept.closings > 0)
    )
    forgotten = rows(tx, failures)
    return forgotten + rows(tx, closings.values(closed_until=None, closings=0)) > 0


def sweep_sign_in(tx: Connection, now: datetime) -> int:
    """Drop failures and sources that count for nothing any more; returns how many rows went."""
    old = rows(
        tx, delete(sign_in_failures).where(sign_in_failures.c.at < now - identity.FAILURE_WINDOW)
    )
    kept = sign_in_sources.c
    forgotten = (func.coalesce(kept.succeeded_at, kept.closed_at) < now - identity.KNOWN_FOR) & (
        kept.closed_until.is_(None) | (kept.closed_until < now)
    )
    return old + rows(tx, delete(sign_in_sources).where(forgotten))
