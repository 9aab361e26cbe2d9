"""People, their invitations, answers, recovery codes and devices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from transom.domain.identity import Principal
from transom.domain.people import Display, FactorKind, Period, Person, Role
from transom.records.database import insert_new, rows, upsert
from transom.records.identities import read_principal
from transom.records.schema import (
    answers,
    devices,
    factor_periods,
    invitations,
    organizations,
    people,
    principals,
    recovery_codes,
    resets,
)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person with everything that decides whether a session stands."""

    person: Person
    principal: Principal
    org_active: bool
    org_epoch: int
    display: Display
    last_factor: str
    password_at: datetime | None
    codes_at: datetime | None

    def may_act(self, now: datetime) -> bool:
        """Whether the person is enrolled, and neither locked nor ended, nor the organization."""
        return self.org_active and self.person.may_act(now)


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation as kept: the hash of its link, and what became of it."""

    id: str
    principal_id: str
    digest: str
    invited_by: str
    sent_at: datetime
    ends_at: datetime
    used_at: datetime | None = None
    ended_at: datetime | None = None
    bounced: str = ""
    skipped_another: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that a person has signed in with."""

    id: str
    digest: str
    principal_id: str
    software: str
    created_at: datetime
    ends_at: datetime
    remembered_until: datetime | None = None


PERSON = (
    select(
        principals,
        organizations.c.name.label("org_name"),
        organizations.c.active.label("org_active"),
        organizations.c.epoch.label("org_epoch"),
        organizations.c.networks.label("org_networks"),
        people.c.full_name,
        people.c.role,
        people.c.display,
        people.c.last_factor,
        people.c.password_at,
        people.c.codes_at,
        people.c.enrolled_at,
    )
    .join(people, people.c.principal_id == principals.c.id)
    .join(organizations, organizations.c.id == principals.c.home_org)
)
"""Everything that read_person() needs."""


def read_person(row: Row[Any]) -> PersonRow:
    """A person out of a row of PERSON."""
    display = Display(**json.loads(row.display))
    person = Person(
        id=row.id,
        email=row.name,
        name=row.full_name,
        org=row.home_org,
        org_name=row.org_name,
        role=Role(row.role),
        active=row.active,
        ends_at=row.ends_at,
        enrolled_at=row.enrolled_at,
        language=display.language,
    )
    return PersonRow(
        person,
        read_principal(row),
        row.org_active,
        row.org_epoch,
        display,
        row.last_factor,
        row.password_at,
        row.codes_at,
    )


def add(tx: Connection, person: Person, display: Display) -> None:
    """Keep a person whose principal was just added."""
    tx.execute(
        insert(people).values(
            principal_id=person.id,
            full_name=person.name,
            role=person.role,
            display=json.dumps(asdict(display)),
        )
    )


def named(tx: Connection, email: str) -> PersonRow | None:
    """The person of this user name, or None."""
    row = tx.execute(PERSON.where(principals.c.name == email)).one_or_none()
    return None if row is None else read_person(row)


def find(tx: Connection, principal_id: str) -> PersonRow | None:
    """The person of this id, or None."""
    row = tx.execute(PERSON.where(principals.c.id == principal_id)).one_or_none()
    return None if row is None else read_person(row)


def find_to_change(tx: Connection, principal_id: str) -> PersonRow | None:
    """The person of this id, whose record nobody else changes until this transaction ends."""
    query = select(people.c.principal_id).where(people.c.principal_id == principal_id)
    tx.execute(query.with_for_update())
    return find(tx, principal_id)


def page_after(tx: Connection, email: str, limit: int, org: str = "") -> list[PersonRow]:
    """A page of people (of one organization, or all) in the order of user names, after this one."""
    query = PERSON.where(principals.c.name > email)
    if org:
        query = query.where(principals.c.home_org == org)
    found = tx.execute(query.order_by(principals.c.name).limit(limit))
    return [read_person(row) for row in found]


def set_facts(tx: Connection, principal_id: str, **facts: object) -> bool:
    """Give a person's record other values; False when there is none."""
    change = update(people).where(people.c.principal_id == principal_id)
    return rows(tx, change.values(**facts)) == 1


def set_display(tx: Connection, principal_id: str, display: Display) -> bool:
    """Keep how a person wants pages shown."""
    return set_facts(tx, principal_id, display=json.dumps(asdict(display)))


def set_enrolled(tx: Connection, principal_id: str, now: datetime) -> bool:
    """Note that the enrolment is complete; False when it was already."""
    change = update(people).where(
        people.c.principal_id == principal_id, people.c.enrolled_at.is_(None)
    )
    return rows(tx, change.values(enrolled_at=now)) == 1


# --- invitations ---------------------------------------------------------------------------------


def add_invitation(tx: Connection, row: InvitationRow) -> None:
    """Keep an invitation, and end those of the same person before it."""
    end_invitations(tx, row.principal_id, row.sent_at)
    tx.execute(insert(invitations).values(**asdict(row)))


def end_invitations(tx: Connection, principal_id: str, now: datetime) -> int:
    """End every live invitation of a person; returns how many there were."""
    kept = invitations.c
    live = update(invitations).where(kept.principal_id == principal_id, kept.ended_at.is_(None))
    return rows(tx, live.values(ended_at=now))


def use_invitation(tx: Connection, digest: str, now: datetime) -> InvitationRow | None:
    """Use the live invitation of this hash up; None when there is none (any more)."""
    kept = invitations.c
    live = update(invitations).where(
        kept.digest == digest,
        kept.used_at.is_(None),
        kept.ended_at.is_(None),
        kept.ends_at > now,
    )
    if rows(tx, live.values(used_at=now)) != 1:
        return None
    return InvitationRow(
        **tx.execute(select(invitations).where(kept.digest == digest)).mappings().one()
    )


def invitation(tx: Connection, invitation_id: str) -> InvitationRow | None:
    """The invitation of this id, or None."""
    query = select(invitations).where(invitations.c.id == invitation_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else InvitationRow(**row)


def latest_invitation(tx: Connection, principal_id: str) -> InvitationRow | None:
    """A person's newest invitation, or None."""
    query = select(invitations).where(invitations.c.principal_id == principal_id)
    newest = query.order_by(invitations.c.sent_at.desc()).limit(1)
    row = tx.execute(newest).mappings().one_or_none()
    return None if row is None else InvitationRow(**row)


def note_bounce(tx: Connection, invitation_id: str, why: str) -> None:
    """Note what the mail server said of an invitation's mail."""
    change = update(invitations).where(invitations.c.id == invitation_id)
    tx.execute(change.values(bounced=why))


def skip_another(tx: Connection, invitation_id: str) -> None:
    """Note that the person wants no second factor now."""
    change = update(invitations).where(invitations.c.id == invitation_id)
    tx.execute(change.values(skipped_another=True))


# --- answers -------------------------------------------------------------------------------------


def set_answers(tx: Connection, principal_id: str, digests: Mapping[str, str]) -> None:
    """Keep these answers, by question, instead of those before."""
    forget_answers(tx, principal_id)
    tx.execute(
        insert(answers),
        [
            {"principal_id": principal_id, "question": question, "digest": digest}
            for question, digest in digests.items()
        ],
    )


def forget_answers(tx: Connection, principal_id: str) -> None:
    """Forget a person's answers."""
    tx.execute(delete(answers).where(answers.c.principal_id == principal_id))


def count_answers(tx: Connection, principal_id: str) -> int:
    """How many questions a person has answered."""
    query = select(func.count()).where(answers.c.principal_id == principal_id)
    return int(tx.execute(query).scalar_one())


# --- recovery codes ------------------------------------------------------------------------------


def set_codes(tx: Connection, principal_id: str, digests: Iterable[str], key_id: str) -> None:
    """Keep these recovery codes' hashes instead of those before."""
    end_codes(tx, principal_id)
    tx.execute(
        insert(recovery_codes),
        [{"principal_id": principal_id, "digest": digest, "key_id": key_id} for digest in digests],
    )


def end_codes(tx: Connection, principal_id: str) -> None:
    """Forget a person's recovery codes."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.principal_id == principal_id))


def use_code(tx: Connection, principal_id: str, digests: Iterable[str], now: datetime) -> bool:
    """Use up the code with one of these hashes; False when there is none unused."""
    kept = recovery_codes.c
    change = update(recovery_codes).where(
        kept.principal_id == principal_id, kept.digest.in_(list(digests)), kept.used_at.is_(None)
    )
    return rows(tx, change.values(used_at=now)) == 1


def has_used_code(tx: Connection, principal_id: str, digests: Iterable[str]) -> bool:
    """Whether a code with one of these hashes was used before."""
    kept = recovery_codes.c
    query = select(func.count()).where(
        kept.principal_id == principal_id,
        kept.digest.in_(list(digests)),
        kept.used_at.is_not(None),
    )
    return int(tx.execute(query).scalar_one()) > 0


def codes_left(tx: Connection, principal_id: str) -> int:
    """How many recovery codes are unused."""
    kept = recovery_codes.c
    query = select(func.count()).where(kept.principal_id == principal_id, kept.used_at.is_(None))
    return int(tx.execute(query).scalar_one())


# --- devices -------------------------------------------------------------------------------------


def add_device(tx: Connection, device: Device) -> None:
    """Keep a device."""
    tx.execute(insert(devices).values(**asdict(device)))


def device_of(
    tx: Connection, principal_id: str, digests: Iterable[str], now: datetime
) -> Device | None:
    """The live device of this person whose cookie has one of these hashes, or None."""
    kept = devices.c
    query = select(devices).where(
        kept.principal_id == principal_id, kept.digest.in_(list(digests)), kept.ends_at > now
    )
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Device(**row)


def renew_device(
    tx: Connection, device_id: str, ends_at: datetime, remembered_until: datetime | None
) -> None:
    """Let a device be known longer, and remembered until then."""
    change = update(devices).where(devices.c.id == device_id)
    tx.execute(change.values(ends_at=ends_at, remembered_until=remembered_until))


def remembered(tx: Connection, principal_id: str, now: datetime) -> int:
    """How many devices need no factor now."""
    kept = devices.c
    query = select(func.count()).where(
        kept.principal_id == principal_id, kept.remembered_until > now
    )
    return int(tx.execute(query).scalar_one())


def forget_devices(tx: Connection, principal_id: str) -> None:
    """Let no device of this person be remembered, nor known."""
    tx.execute(delete(devices).where(devices.c.principal_id == principal_id))


def sweep_devices(tx: Connection, now: datetime) -> int:
    """Drop devices that are known no more; returns how many."""
    return rows(tx, delete(devices).where(devices.c.ends_at <= now))


# --- which kinds of factor there are -------------------------------------------------------------


def periods(tx: Connection, org: str) -> dict[FactorKind, tuple[Period, ...]]:
    """The periods that hold for an organization's people, by kind; each must cover the moment."""
    query = select(factor_periods).where(factor_periods.c.org.in_(["", org]))
    found: dict[FactorKind, tuple[Period, ...]] = {}
    for row in tx.execute(query):
        kind = FactorKind(row.kind)
        found[kind] = (*found.get(kind, ()), Period(row.starts_at, row.ends_at))
    return found


def set_period(tx: Connection, org: str, kind: FactorKind, period: Period) -> None:
    """Say from when until when a kind of factor may be used, in an organization or ("") at all."""
    facts = {"starts_at": period.starts_at, "ends_at": period.ends_at}
    upsert(tx, factor_periods, {"org": org, "kind": kind, **facts})


# --- resets --------------------------------------------------------------------------------------


def ask_reset(tx: Connection, principal_id: str, by: str, now: datetime) -> bool:
    """Keep an administrator's wish to let a person enrol anew; False when there is one already."""
    return insert_new(tx, resets, {"principal_id": principal_id, "asked_by": by, "asked_at": now})


def reset_asked(tx: Connection, principal_id: str) -> tuple[str, datetime] | None:
    """Who wished that a person enrols anew, and when, or None."""
    query = select(resets.c.asked_by, resets.c.asked_at)
    row = tx.execute(
        query.where(resets.c.principal_id == principal_id).with_for_update()
    ).one_or_none()
    return None if row is None else (row.asked_by, row.asked_at)


def forget_reset(tx: Connection, principal_id: str) -> bool:
    """Drop the wish; False when there was none."""
    return rows(tx, delete(resets).where(resets.c.principal_id == principal_id)) == 1
