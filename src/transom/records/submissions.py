"""Submissions: rows in, frozen values out. Every move is a conditional update that happens once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from transom.domain.names import FileName, OrgId, Place
from transom.domain.submission import (
    OUTCOMES,
    AccessMethod,
    Client,
    Finding,
    Framing,
    State,
    Submission,
    sources_of,
)
from transom.ports import Sealed
from transom.records.database import insert_new, rows
from transom.records.places import within
from transom.records.schema import (
    findings,
    idempotency,
    listings,
    multiparts,
    parts,
    submissions,
)

OWN_ONLY = (State.HELD, State.ABANDONED)
"""The states in which only the principal that uploads sees a submission."""

_BEGINNING_OF_ID = 8
"""So much of a tracking id is what lists show; less would be found in others by chance."""
_LOCKS = 5
"""Which advisory locks of PostgreSQL are ours; the other half of the lock is the principal."""

_INSERT = insert(submissions)
_BY_ID = select(submissions).where(submissions.c.tracking_id == bindparam("tracking_id"))
_BY_ID_PLAIN = submissions.c.tracking_id == bindparam("of")


def add(tx: Connection, submission: Submission) -> None:
    """Keep a submission that was just requested."""
    tx.execute(
        _INSERT,
        {
            "tracking_id": submission.tracking_id,
            "principal_id": submission.principal_id,
            "user_name": submission.user_name,
            "home_org": submission.home_org,
            "org": submission.place.org,
            "application": submission.place.application,
            "sub_space": submission.place.sub_space,
            "name": submission.name,
            "method": submission.client.method,
            "source": submission.client.source,
            "software": submission.client.software,
            "request_id": submission.client.request_id,
            "state": submission.state,
            "reason": submission.reason,
            "gate": submission.gate,
            "declared_size": submission.declared_size,
            "bytes_seen": 0,
            "requested_at": submission.requested_at,
            "submitted_at": submission.submitted_at,
            "updated_at": submission.updated_at,
        },
    )


def find(tx: Connection, tracking_id: str) -> Submission | None:
    """The submission with this tracking id, without its findings; None when there is none."""
    row = tx.execute(_BY_ID, {"tracking_id": tracking_id}).one_or_none()
    return None if row is None else read(row)


def find_all(tx: Connection, tracking_ids: Sequence[str]) -> dict[str, Submission]:
    """The submissions with these tracking ids, by id, without their findings."""
    query = select(submissions).where(submissions.c.tracking_id.in_(tracking_ids))
    return {row.tracking_id: read(row) for row in tx.execute(query)}


def blob_key_of(tx: Connection, tracking_id: str) -> str | None:
    """Under which key the bytes of a submission were received; None when they were not."""
    query = select(submissions.c.blob_key).where(submissions.c.tracking_id == tracking_id)
    return tx.execute(query).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a submission once its bytes are kept."""

    blob_key: str
    size: int
    sha256: str
    framing: Framing | None
    archive_name: str | None
    received_at: datetime


_RECEIVE = update(submissions).where(
    _BY_ID_PLAIN, submissions.c.state.in_(sources_of(State.RECEIVED))
)


def mark_received(tx: Connection, tracking_id: str, receipt: Receipt) -> bool:
    """Move a submission from requested or held to received; False when it was neither."""
    framing = receipt.framing
    changes = {
        "of": tracking_id,
        "state": State.RECEIVED,
        "blob_key": receipt.blob_key,
        "size": receipt.size,
        "bytes_seen": framing.raw_size if framing else receipt.size,
        "sha256": receipt.sha256,
        "raw_size": framing.raw_size if framing else None,
        "raw_sha256": framing.raw_sha256 if framing else None,
        "archive_name": receipt.archive_name,
        "received_at": receipt.received_at,
        "submitted_at": receipt.received_at,
        "updated_at": receipt.received_at,
    }
    return rows(tx, _RECEIVE, changes) == 1


def mark_abandoned(
    tx: Connection,
    tracking_id: str,
    reason: str,
    bytes_seen: int,
    now: datetime,
    *,
    found: Sequence[State] = sources_of(State.ABANDONED),
) -> bool:
    """Move a submission from one of these states to abandoned; False when it was in none."""
    change = (
        update(submissions)
        .where(_BY_ID_PLAIN, submissions.c.state.in_(found))
        .values(state=State.ABANDONED, reason=reason, bytes_seen=bytes_seen, updated_at=now)
    )
    return rows(tx, change, {"of": tracking_id}) == 1


def note_bytes_seen(tx: Connection, tracking_id: str, bytes_seen: int) -> None:
    """Remember how far a try came that broke off; the submission stays requested."""
    change = update(submissions).where(_BY_ID_PLAIN, submissions.c.state == State.REQUESTED)
    rows(tx, change.values(bytes_seen=bytes_seen), {"of": tracking_id})


def mark_taken(tx: Connection, tracking_id: str, now: datetime) -> bool:
    """Note that the application acknowledged a received submission; False when it had before."""
    change = update(submissions).where(
        _BY_ID_PLAIN, submissions.c.state == State.RECEIVED, submissions.c.taken_at.is_(None)
    )
    return rows(tx, change.values(taken_at=now, updated_at=now), {"of": tracking_id}) == 1


def mark_answered(
    tx: Connection, tracking_id: str, outcome: State, found: Sequence[Finding], now: datetime
) -> bool:
    """Move a submission from received to its outcome, with findings; False when it is not."""
    change = update(submissions).where(_BY_ID_PLAIN, submissions.c.state == State.RECEIVED)
    values = {"state": outcome, "answered_at": now, "updated_at": now}
    if rows(tx, change.values(**values), {"of": tracking_id}) != 1:
        return False
    if found:
        noted = [
            {
                "tracking_id": tracking_id,
                "ordinal": ordinal,
                "record": finding.record,
                "field": finding.field,
                "code": finding.code,
                "text": finding.text,
            }
            for ordinal, finding in enumerate(found)
        ]
        tx.execute(insert(findings), noted)
    return True


@dataclass(frozen=True, slots=True)
class Filter:
    """Which submissions to show, of those since then and before `until`.

    `file_name` is whole, `text` a part of a name in any case, or the beginning of a tracking id. No
    states means all. `before` and `after` are positions: what is older than it, or newer.
    """

    places: tuple[Place, ...]
    since: datetime
    principal_id: str
    now: datetime
    file_name: str = ""
    application: str = ""
    states: tuple[State, ...] = ()
    before: tuple[datetime, str] | None = None
    after: tuple[datetime, str] | None = None
    until: datetime | None = None
    method: AccessMethod | None = None
    text: str = ""


def page(tx: Connection, wanted: Filter, limit: int) -> list[Submission]:
    """Submissions newest first, at most limit; held and abandoned ones only to their principal."""
    return complete(tx, brief(tx, wanted, limit), wanted.now)


def brief(tx: Connection, wanted: Filter, limit: int) -> list[Submission]:
    """The same without findings and result files; newer than `after`, the oldest come first."""
    if not wanted.places:
        return []
    here = submissions.c
    order: list[ColumnElement[Any]] = [here.submitted_at.desc(), here.tracking_id.desc()]
    if wanted.after is not None:
        order = [here.submitted_at, here.tracking_id]
    query = select(submissions).where(*_wanted(tx, wanted)).order_by(*order).limit(limit)
    return [read(row) for row in tx.execute(query)]


def count(tx: Connection, wanted: Filter, most: int) -> int:
    """How many submissions there are to show, counted up to `most`."""
    if not wanted.places:
        return 0
    some = select(submissions.c.tracking_id).where(*_wanted(tx, wanted)).limit(most).subquery()
    return int(tx.execute(select(func.count()).select_from(some)).scalar_one())


def _wanted(tx: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    here = submissions.c
    narrowing = [
        within(tx, submissions, wanted.places),
        here.submitted_at >= wanted.since,
        or_(here.state.not_in(OWN_ONLY), here.principal_id == wanted.principal_id),
    ]
    if wanted.file_name:
        narrowing.append(here.name == wanted.file_name)
    if wanted.application:
        narrowing.append(here.application == wanted.application)
    if State.ACCEPTED in wanted.states:
        # Most are: an index would name nearly all, to be sorted, where a walk in order soon ends.
        narrowing.append((here.state + "").in_(wanted.states))
    elif wanted.states:
        narrowing.append(here.state.in_(wanted.states))
    if wanted.until is not None:
        narrowing.append(here.submitted_at < wanted.until)
    if wanted.method is not None:
        narrowing.append(here.method == wanted.method)
    if wanted.text:
        narrowing.append(_mentions(wanted.text.lower()))
    return narrowing + _beyond(wanted)


def _mentions(text: str) -> ColumnElement[bool]:
    here = submissions.c
    named = func.lower(here.name).contains(text, autoescape=True)
    if len(text) < _BEGINNING_OF_ID:
        return named
    return or_(named, here.tracking_id.startswith(text, autoescape=True))


def _beyond(wanted: Filter) -> list[ColumnElement[bool]]:
    """On which side of a position; the first half alone lets an index be used."""
    here = submissions.c
    if wanted.before is not None:
        at, tracking_id = wanted.before
        older = (here.submitted_at < at) | (here.tracking_id < tracking_id)
        return [here.submitted_at <= at, older]
    if wanted.after is not None:
        at, tracking_id = wanted.after
        newer = (here.submitted_at > at) | (here.tracking_id > tracking_id)
        return [here.submitted_at >= at, newer]
    return []


def complete(tx: Connection, found: Sequence[Submission], now: datetime) -> list[Submission]:
    """The same submissions with findings, result files, and whether the archive still has them."""
    received = [each.tracking_id for each in found if each.is_received]
    answered = [each.tracking_id for each in found if each.state in OUTCOMES]
    if not received:
        return list(found)
    noted = _findings(tx, answered)
    live, results = _listed(tx, received, now)
    return [
        replace(
            each,
            findings=tuple(noted.get(each.tracking_id, ())),
            downloadable=each.tracking_id in live,
            results=tuple(results.get(each.tracking_id, ())),
        )
        for each in found
    ]


def first_findings(tx: Connection, tracking_id: str, limit: int) -> list[Finding]:
    """What was found in a submission, at most limit, what is of the whole file first."""
    here = findings.c
    query = select(findings).where(here.tracking_id == tracking_id)
    rows_found = tx.execute(query.order_by(here.record != "", here.ordinal).limit(limit))
    return [_finding(row) for row in rows_found]


def findings_after(
    tx: Connection, tracking_id: str, after: int, limit: int
) -> list[tuple[int, Finding]]:
    """What was found in a submission beyond a number, with the numbers, in their order."""
    here = findings.c
    query = select(findings).where(here.tracking_id == tracking_id, here.ordinal > after)
    found = tx.execute(query.order_by(here.ordinal).limit(limit))
    return [(row.ordinal, _finding(row)) for row in found]


def count_findings(tx: Connection, tracking_id: str, most: int) -> int:
    """How much was found in a submission, counted up to `most`."""
    some = select(findings.c.ordinal).where(findings.c.tracking_id == tracking_id).limit(most)
    return int(tx.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def _findings(tx: Connection, ids: Iterable[str]) -> dict[str, list[Finding]]:
    noted: dict[str, list[Finding]] = {}
    wanted = list(ids)
    if wanted:
        query = select(findings).where(findings.c.tracking_id.in_(wanted))
        for row in tx.execute(query.order_by(findings.c.tracking_id, findings.c.ordinal)):
            noted.setdefault(row.tracking_id, []).append(_finding(row))
    return noted


def _finding(row: Row[Any]) -> Finding:
    return Finding(row.record, row.field, row.code, row.text)


def _listed(
    tx: Connection, ids: Sequence[str], now: datetime
) -> tuple[set[str], dict[str, list[str]]]:
    here = listings.c
    query = select(
        here.tracking_id, here.direction, here.org, here.application, here.sub_space, here.name
    ).where(
        here.tracking_id.in_(ids),
        here.direction != "inbound",
        here.ended_at.is_(None),
        or_(here.ends_at.is_(None), here.ends_at > now),
    )
    live: set[str] = set()
    results: dict[str, list[str]] = {}
    for row in tx.execute(query.order_by(here.listed_at)):
        if row.direction == "archive":
            live.add(row.tracking_id)
        else:
            path = f"{row.org}/{row.application}/{row.sub_space}/{row.name}"
            results.setdefault(row.tracking_id, []).append(path)
    return live, results


def stale_requests(tx: Connection, before: datetime, limit: int) -> list[Submission]:
    """Submissions requested before then whose bytes do not come, oldest first, locked.

    One that is being received, or swept by another, at this very moment is left out.
    """
    return _stale(tx, ~_IN_PARTS, before, limit)


def stale_multiparts(tx: Connection, before: datetime, limit: int) -> list[Submission]:
    """The same of those whose bytes come in parts; they have longer."""
    return _stale(tx, _IN_PARTS, before, limit)


_IN_PARTS = exists().where(multiparts.c.tracking_id == submissions.c.tracking_id)


def _stale(
    tx: Connection, kind: ColumnElement[bool], before: datetime, limit: int
) -> list[Submission]:
    here = submissions.c
    query = select(submissions).where(
        here.state == State.REQUESTED,
        here.requested_at < before,
        or_(here.alive_at.is_(None), here.alive_at < before),
        kind,
    )
    query = query.order_by(here.requested_at).limit(limit)
    return [read(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def waits(tx: Connection, tracking_id: str, now: datetime) -> bool:
    """Whether a submission still waits for bytes; then it stays so until this transaction ends."""
    change = update(submissions).where(_BY_ID_PLAIN, submissions.c.state == State.REQUESTED)
    return rows(tx, change.values(alive_at=now), {"of": tracking_id}) == 1


def note_alive(
    tx: Connection, tracking_ids: Sequence[str], before: datetime, now: datetime
) -> None:
    """Note that the bytes of these requested submissions still come.

    One of which it was noted after `before` is left as it is.
    """
    here = submissions.c
    change = update(submissions).where(
        here.tracking_id.in_(tracking_ids),
        here.state == State.REQUESTED,
        func.coalesce(here.alive_at, here.requested_at) <= before,
    )
    rows(tx, change.values(alive_at=now))


# --- held uploads --------------------------------------------------------------------------------


def hold_alone(tx: Connection, principal_id: str) -> None:
    """Let no other transaction change what this principal holds until this one ends.

    SQLite has one writer anyway; on PostgreSQL two of one name would each miss the other.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(principal_id))))


def mark_held(tx: Connection, tracking_id: str, sealed: Sealed, now: datetime) -> bool:
    """Move a submission from requested to held, its bytes kept; False when it was not requested."""
    change = update(submissions).where(
        _BY_ID_PLAIN, submissions.c.state.in_(sources_of(State.HELD))
    )
    values = {
        "state": State.HELD,
        "blob_key": sealed.key,
        "size": sealed.size,
        "sha256": sealed.sha256,
        "bytes_seen": sealed.size,
        "held_at": now,
        "updated_at": now,
    }
    return rows(tx, change.values(**values), {"of": tracking_id}) == 1


def rename(tx: Connection, tracking_id: str, name: str, now: datetime) -> bool:
    """Give a held submission another name; False when it is not held any more."""
    change = update(submissions).where(_BY_ID_PLAIN, submissions.c.state == State.HELD)
    return rows(tx, change.values(name=name, updated_at=now), {"of": tracking_id}) == 1


def held(tx: Connection, principal_id: str, place: Place, name: str = "") -> list[Submission]:
    """What a principal holds at a place, by name; or under one name."""
    query = select(submissions).where(
        submissions.c.state == State.HELD, *_sent_by(principal_id, place, name)
    )
    return [read(row) for row in tx.execute(query.order_by(submissions.c.name))]


def held_to_replace(
    tx: Connection, principal_id: str, place: Place, name: str
) -> Submission | None:
    """What a principal holds at a place under a name, locked; None when it holds none."""
    query = select(submissions).where(
        submissions.c.state == State.HELD, *_sent_by(principal_id, place, name)
    )
    row = tx.execute(query.with_for_update()).one_or_none()
    return None if row is None else read(row)


def stale_held(tx: Connection, before: datetime, limit: int) -> list[Submission]:
    """Submissions held since before then, locked. One that is being renamed now is left out."""
    here = submissions.c
    query = select(submissions).where(here.state == State.HELD, here.held_at < before)
    query = query.order_by(here.requested_at).limit(limit).with_for_update(skip_locked=True)
    return [read(row) for row in tx.execute(query)]


def newest_sent(
    tx: Connection, principal_id: str, place: Place, name: str, since: datetime
) -> Submission | None:
    """The newest submission of this name that the principal had kept at a place since then."""
    here = submissions.c
    query = select(submissions).where(
        here.state.in_([State.HELD, State.RECEIVED, *OUTCOMES]),
        func.coalesce(here.received_at, here.held_at) > since,
        *_sent_by(principal_id, place, name),
    )
    row = tx.execute(query.order_by(here.requested_at.desc()).limit(1)).one_or_none()
    return None if row is None else read(row)


def _sent_by(principal_id: str, place: Place, name: str) -> list[ColumnElement[bool]]:
    here = submissions.c
    wanted = [
        here.principal_id == principal_id,
        here.org == place.org,
        here.application == place.application,
        here.sub_space == place.sub_space,
    ]
    return [*wanted, here.name == name] if name else wanted


# --- what tracking does not keep -----------------------------------------------------------------


def forget_before(tx: Connection, before: datetime, limit: int) -> list[str]:
    """Drop submissions older than tracking keeps, with findings; returns their tracking ids.

    What its application has not taken yet stays, however old: it is the only record of it.
    """
    here = submissions.c
    query = select(here.tracking_id).where(
        here.submitted_at < before,
        or_(here.state != State.RECEIVED, here.taken_at.is_not(None)),
    )
    query = query.order_by(here.submitted_at).limit(limit).with_for_update(skip_locked=True)
    gone = list(tx.execute(query).scalars())
    if gone:
        for table in (findings, parts, multiparts):
            tx.execute(delete(table).where(table.c.tracking_id.in_(gone)))
        tx.execute(delete(submissions).where(here.tracking_id.in_(gone)))
    return gone


# --- idempotency keys ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a request under an idempotency key led to."""

    request: str
    tracking_id: str
    signed_at: datetime


def remember(tx: Connection, principal_id: str, key: str, first: Remembered) -> bool:
    """Keep the outcome of a request under its key; False when the key was used before."""
    values = {
        "principal_id": principal_id,
        "key": key,
        "request": first.request,
        "tracking_id": first.tracking_id,
        "signed_at": first.signed_at,
        "created_at": first.signed_at,
    }
    return insert_new(tx, idempotency, values)


def remembered(tx: Connection, principal_id: str, key: str) -> Remembered | None:
    """What was kept under this key, or None."""
    here = idempotency.c
    query = select(idempotency).where(here.principal_id == principal_id, here.key == key)
    row = tx.execute(query).one_or_none()
    return None if row is None else Remembered(row.request, row.tracking_id, row.signed_at)


def sweep_idempotency(tx: Connection, before: datetime) -> int:
    """Drop keys kept since before then; returns how many."""
    return rows(tx, delete(idempotency).where(idempotency.c.created_at < before))


def read(row: Row[Any]) -> Submission:
    """The submission in a row, without findings."""
    framing = None if row.raw_sha256 is None else Framing(row.raw_size, row.raw_sha256)
    return Submission(
        tracking_id=row.tracking_id,
        principal_id=row.principal_id,
        user_name=row.user_name,
        home_org=row.home_org,
        place=Place(OrgId(row.org), row.application, row.sub_space),
        name=FileName(row.name),
        client=Client(AccessMethod(row.method), row.source, row.software, row.request_id),
        state=State(row.state),
        requested_at=row.requested_at,
        submitted_at=row.submitted_at,
        updated_at=row.updated_at,
        declared_size=row.declared_size,
        size=row.size,
        sha256=row.sha256,
        framing=framing,
        archive_name=row.archive_name,
        taken_at=row.taken_at,
        answered_at=row.answered_at,
        reason=row.reason,
        gate=row.gate,
        bytes_seen=row.bytes_seen,
    )
