"""The catalogue, entitlements, and the version numbers that tell a cache when to look again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
)

from transom.domain.entitlement import Entitlement, Level
from transom.domain.space import (
    Application,
    Catalogue,
    Direction,
    Emptied,
    OrgKind,
    SubSpace,
)
from transom.records.database import insert_new, rows, upsert
from transom.records.leases import LeaseState
from transom.records.schema import (
    applications,
    entitlements,
    leases,
    opened_spaces,
    sub_spaces,
    versions,
)

CATALOGUE = "catalogue"
_VERSIONS = select(versions.c.key, versions.c.version).where(
    or_(versions.c.key == bindparam("principal"), versions.c.key == CATALOGUE)
)


@dataclass(frozen=True, slots=True)
class Queue:
    """How many submissions wait, are leased, and are acknowledged but not answered."""

    waiting: int = 0
    leased: int = 0
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """What a cached set of rights was built from; equal versions mean equal rights."""

    principal: int
    catalogue: int


def version(tx: Connection, principal_id: str) -> Version:
    """The present version of a principal's rights."""
    found = {row.key: row.version for row in tx.execute(_VERSIONS, {"principal": principal_id})}
    return Version(found.get(principal_id, 0), found.get(CATALOGUE, 0))


def bump(tx: Connection, key: str) -> None:
    """Make every cache of this principal's rights (or of the CATALOGUE) look again."""
    if not insert_new(tx, versions, {"key": key, "version": 1}):
        rows(
            tx,
            versions.update().where(versions.c.key == key).values(version=versions.c.version + 1),
        )


def save_application(tx: Connection, application: Application, now: datetime) -> None:
    """Add an application or give it this title and exactly these sub-spaces."""
    upsert(
        tx,
        applications,
        {"name": application.name, "title": application.title, "created_at": now},
    )
    tx.execute(delete(sub_spaces).where(sub_spaces.c.application == application.name))
    for space in application.sub_spaces.values():
        tx.execute(
            insert(sub_spaces).values(
                application=application.name,
                name=space.name,
                direction=space.direction,
                retention_days=space.retention_days,
                emptied=space.emptied,
                archived=space.archived,
                may_submit=" ".join(sorted(space.may_submit)),
                gate=space.gate,
            )
        )
    bump(tx, CATALOGUE)


def catalogue(tx: Connection) -> Catalogue:
    """Every application with its sub-spaces, as loaded (archives are not rows)."""
    spaces: dict[str, dict[str, SubSpace]] = {}
    for row in tx.execute(select(sub_spaces)):
        spaces.setdefault(row.application, {})[row.name] = SubSpace(
            application=row.application,
            name=row.name,
            direction=Direction(row.direction),
            retention_days=row.retention_days,
            emptied=Emptied(row.emptied),
            archived=row.archived,
            may_submit=frozenset(OrgKind(kind) for kind in row.may_submit.split()),
            gate=row.gate,
        )
    return Catalogue.of(
        Application(row.name, row.title, spaces.get(row.name, {}))
        for row in tx.execute(select(applications))
    )


def titles(tx: Connection, names: Iterable[str]) -> dict[str, str]:
    """The titles of these applications, by name."""
    query = select(applications.c.name, applications.c.title)
    found = tx.execute(query.where(applications.c.name.in_(sorted(set(names)))))
    return {row.name: row.title for row in found}


def open_space(tx: Connection, org: str, application: str, name: str, now: datetime) -> bool:
    """Open a sub-space of an open set for an organization; False when it was open."""
    values = {"org": org, "application": application, "name": name, "opened_at": now}
    is_new = insert_new(tx, opened_spaces, values)
    if is_new:
        bump(tx, CATALOGUE)
    return is_new


def opened(tx: Connection, orgs: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Names of the sub-spaces opened for these organizations, by organization and application."""
    found: dict[tuple[str, str], list[str]] = {}
    query = select(opened_spaces).where(opened_spaces.c.org.in_(sorted(set(orgs))))
    for row in tx.execute(query):
        found.setdefault((row.org, row.application), []).append(row.name)
    return found


def grant(tx: Connection, entitlement_id: str, entitlement: Entitlement, now: datetime) -> bool:
    """Add an entitlement; False when the principal has it."""
    is_new = insert_new(
        tx,
        entitlements,
        {
            "id": entitlement_id,
            "principal_id": entitlement.principal_id,
            "org": entitlement.org,
            "application": entitlement.application,
            "sub_space": entitlement.sub_space,
            "level": entitlement.level,
            "granted_at": now,
        },
    )
    bump(tx, entitlement.principal_id)
    return is_new


def end_entitlement(tx: Connection, entitlement: Entitlement) -> bool:
    """Take an entitlement away; False when the principal does not have it."""
    here = entitlements.c
    gone = rows(
        tx,
        delete(entitlements).where(
            here.principal_id == entitlement.principal_id,
            here.org == entitlement.org,
            here.application == entitlement.application,
            here.sub_space == entitlement.sub_space,
            here.level == entitlement.level,
        ),
    )
    bump(tx, entitlement.principal_id)
    return gone == 1


def entitlements_of(tx: Connection, principal_id: str) -> tuple[Entitlement, ...]:
    """Everything a principal is entitled to, by organization and application."""
    here = entitlements.c
    query = select(entitlements).where(here.principal_id == principal_id)
    return tuple(
        Entitlement(row.principal_id, row.org, row.application, row.sub_space, Level(row.level))
        for row in tx.execute(query.order_by(here.org, here.application, here.sub_space))
    )


def entitlements_after(
    tx: Connection,
    after: Entitlement | None,
    limit: int,
    *,
    principal_id: str = "",
    org: str = "",
    application: str = "",
) -> list[Entitlement]:
    """A page of entitlements, by organization, application, sub-space, holder and level.

    Those after this one (None: from the first on), and, where it is not "", of one holder, in one
    organization or application.
    """
    here = entitlements.c
    order = (here.org, here.application, here.sub_space, here.principal_id, here.level)
    query = select(entitlements).order_by(*order).limit(limit)
    if after is not None:
        last = (after.org, after.application, after.sub_space, after.principal_id, after.level)
        query = query.where(tuple_(*order) > tuple_(*map(literal, last)))
    wanted = ((here.principal_id, principal_id), (here.org, org), (here.application, application))
    for column, value in wanted:
        if value:
            query = query.where(column == value)
    return [
        Entitlement(row.principal_id, row.org, row.application, row.sub_space, Level(row.level))
        for row in tx.execute(query)
    ]


def entitled(tx: Connection, application: str, principal_ids: Iterable[str]) -> set[str]:
    """Those of these principals that hold any entitlement in an application."""
    here = entitlements.c
    query = select(here.principal_id).where(
        here.application == application, here.principal_id.in_(sorted(set(principal_ids)))
    )
    return set(tx.execute(query).scalars())


def queues(
    tx: Connection, application: str, sub_spaces: Iterable[str], now: datetime
) -> dict[str, Queue]:
    """How many submissions stand where in front of an application, by inbound sub-space."""
    here = leases.c
    is_held = (here.state == LeaseState.LEASED) & (here.leased_until > now) & (here.holder != "")
    stands = case(
        (here.state == LeaseState.ACKNOWLEDGED, LeaseState.ACKNOWLEDGED),
        (is_held, LeaseState.LEASED),
        else_=LeaseState.WAITING,
    ).label("stands")
    open_ones = [LeaseState.WAITING, LeaseState.LEASED, LeaseState.ACKNOWLEDGED]
    query = select(here.sub_space, stands, func.count().label("count")).where(
        here.application == application,
        here.sub_space.in_(sorted(sub_spaces)),  # each a stretch of the index, answered left out
        here.state.in_(open_ones),
    )
    counts: dict[str, dict[str, int]] = {}
    for row in tx.execute(query.group_by(here.sub_space, stands)):
        counts.setdefault(row.sub_space, {})[row.stands] = row[2]
    return {name: Queue(**found) for name, found in counts.items()}
