"""Factors, and the challenges and set-ups that wait for an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select, update

from transom.domain.identity import FAILURE_WINDOW
from transom.domain.people import FactorKind
from transom.records.database import insert_new, rows, upsert
from transom.records.schema import (
    challenges,
    factors,
    sign_in_failures,
    used_passkey_requests,
)

_USED_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A factor as kept. `sealed` is its secret; `counter` goes up only."""

    id: str
    principal_id: str
    kind: str
    label: str
    hint: str
    sealed: str
    credential: str | None
    counter: int
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChallengeRow:
    """A question that waits for its answer, in one session."""

    session_id: str
    purpose: str
    id: str
    factor_id: str
    kind: str
    sealed: str
    sent_at: datetime
    ends_at: datetime


def add(tx: Connection, factor: FactorRow) -> bool:
    """Bind a factor; False when its passkey is bound already, to whomever."""
    return insert_new(tx, factors, asdict(factor))


def of(tx: Connection, principal_id: str) -> list[FactorRow]:
    """The factors of a person, the oldest first."""
    query = select(factors).where(factors.c.principal_id == principal_id)
    found = tx.execute(query.order_by(factors.c.created_at, factors.c.id))
    return [FactorRow(**row) for row in found.mappings()]


def find(tx: Connection, principal_id: str, factor_id: str) -> FactorRow | None:
    """This factor of this person, or None."""
    query = select(factors).where(factors.c.id == factor_id, factors.c.principal_id == principal_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else FactorRow(**row)


def by_credential(tx: Connection, credential: str) -> FactorRow | None:
    """The factor with the passkey whose id has this hash, or None."""
    row = (
        tx.execute(select(factors).where(factors.c.credential == credential))
        .mappings()
        .one_or_none()
    )
    return None if row is None else FactorRow(**row)


def advance(
    tx: Connection, factor_id: str, counter: int, now: datetime, *, or_stay_at_zero: bool = False
) -> bool:
    """Note a use: the counter must go up, so that nothing is used twice; False when it would not.

    With `or_stay_at_zero` it may stay where it is at zero: passkeys that are synchronized count
    nothing.
    """
    goes_up = factors.c.counter < counter
    if or_stay_at_zero and counter == 0:
        goes_up = or_(goes_up, factors.c.counter == 0)
    change = update(factors).where(factors.c.id == factor_id, goes_up)
    return rows(tx, change.values(counter=counter, last_used_at=now)) == 1


def note_use(tx: Connection, factor_id: str, now: datetime) -> None:
    """Note a use of a factor without a counter."""
    tx.execute(update(factors).where(factors.c.id == factor_id).values(last_used_at=now))


def rename(tx: Connection, principal_id: str, factor_id: str, label: str) -> bool:
    """Give a factor another label; False when the person has no such factor."""
    change = update(factors).where(
        factors.c.id == factor_id, factors.c.principal_id == principal_id
    )
    return rows(tx, change.values(label=label)) == 1


def remove(tx: Connection, factor_id: str) -> bool:
    """Unbind a factor."""
    return rows(tx, delete(factors).where(factors.c.id == factor_id)) == 1


def remove_all(tx: Connection, principal_id: str) -> int:
    """Unbind every factor of a person; returns how many there were."""
    return rows(tx, delete(factors).where(factors.c.principal_id == principal_id))


# --- challenges ----------------------------------------------------------------------------------


def ask(tx: Connection, challenge: ChallengeRow) -> None:
    """Keep a challenge, in place of the session's one before."""
    upsert(tx, challenges, asdict(challenge))


def asked(tx: Connection, session_id: str, purpose: str) -> ChallengeRow | None:
    """The challenge that waits in a session, or None."""
    query = select(challenges).where(
        challenges.c.session_id == session_id, challenges.c.purpose == purpose
    )
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else ChallengeRow(**row)


def take(tx: Connection, challenge_id: str) -> bool:
    """Use a challenge up; False when somebody did already."""
    return rows(tx, delete(challenges).where(challenges.c.id == challenge_id)) == 1


def forget_challenges(tx: Connection, session_ids: Iterable[str]) -> None:
    """Drop what waits in these sessions."""
    tx.execute(delete(challenges).where(challenges.c.session_id.in_(list(session_ids))))


def sweep_challenges(tx: Connection, now: datetime) -> int:
    """Drop challenges that nobody may answer any more; returns how many.

    What was used stays longer: a clock that ran ahead, and is put right, must not make it good
    again.
    """
    used = delete(used_passkey_requests).where(used_passkey_requests.c.ends_at <= now - _USED_KEPT)
    return rows(tx, delete(challenges).where(challenges.c.ends_at <= now)) + rows(tx, used)


def use_request(tx: Connection, digest: str, ends_at: datetime) -> bool:
    """Use a request for a passkey up; False when it was used before."""
    return insert_new(tx, used_passkey_requests, {"digest": digest, "ends_at": ends_at})


# --- wrong answers -------------------------------------------------------------------------------


def wrong_answers(
    tx: Connection, factor_key: str, source_key: str, since: datetime, *, known: bool
) -> tuple[int, datetime | None]:
    """How many wrong answers count against a factor from there, and when the latest was.

    From a known source only its own count; from others, those of all unknown ones.
    """
    kept = sign_in_failures.c
    query = select(func.count(), func.max(kept.at)).where(
        kept.name_key == factor_key, kept.at > since, kept.known.is_(known)
    )
    if known:
        query = query.where(kept.source_key == source_key)
    count, latest = tx.execute(query).one()
    return int(count), latest


def forget_wrong_answers(tx: Connection, factor_key: str, source_key: str) -> None:
    """Forget the wrong answers from one source, after a right one."""
    kept = sign_in_failures.c
    tx.execute(
        delete(sign_in_failures).where(kept.name_key == factor_key, kept.source_key == source_key)
    )


WRONG_ANSWERS_KEPT = FAILURE_WINDOW
"""Wrong answers lie among the failed sign-ins, and are swept with them."""


def kinds(found: Iterable[FactorRow]) -> set[FactorKind]:
    """The kinds among these factors."""
    return {FactorKind(each.kind) for each in found}
