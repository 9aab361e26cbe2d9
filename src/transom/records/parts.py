"""Uploads in parts, and the parts of those that are not at their end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from transom.domain.parts import Multipart, Part
from transom.domain.submission import State, Submission
from transom.records import submissions as rows_of
from transom.records.database import rows, upsert
from transom.records.schema import multiparts, parts, submissions

MAX_OPEN_SHOWN = 10_000


def add(tx: Connection, multipart: Multipart) -> None:
    """Note that the bytes of a submission will come in parts."""
    values = {
        "tracking_id": multipart.tracking_id,
        "checksum": multipart.checksum,
        "full_object": multipart.full_object,
    }
    tx.execute(insert(multiparts), values)


def find(tx: Connection, tracking_id: str) -> Multipart | None:
    """What is agreed on; None when the bytes of this submission do not come in parts."""
    here = multiparts.c
    row = tx.execute(select(multiparts).where(here.tracking_id == tracking_id)).one_or_none()
    if row is None:
        return None
    return Multipart(row.tracking_id, row.checksum, row.full_object, row.completed_as)


def find_submission(tx: Connection, tracking_id: str) -> Submission | None:
    """The submission with this tracking id, when its bytes come, or came, in parts."""
    query = (
        select(submissions)
        .join(multiparts, multiparts.c.tracking_id == submissions.c.tracking_id)
        .where(multiparts.c.tracking_id == tracking_id)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else rows_of.read(row)


def put(tx: Connection, part: Part) -> str | None:
    """Keep a part, in place of one of the same number; returns the key of that one's bytes."""
    here = parts.c
    same = select(here.blob_key).where(
        here.tracking_id == part.tracking_id, here.number == part.number
    )
    before = tx.execute(same).scalar_one_or_none()
    upsert(
        tx,
        parts,
        {
            "tracking_id": part.tracking_id,
            "number": part.number,
            "blob_key": part.blob_key,
            "size": part.size,
            "sha256": part.sha256,
            "checksum": part.checksum,
            "digest": part.digest.hex(),
            "received_at": part.received_at,
        },
    )
    return before


def page(tx: Connection, tracking_id: str, after: int, limit: int) -> list[Part]:
    """The parts whose numbers follow `after`, by number."""
    here = parts.c
    query = select(parts).where(here.tracking_id == tracking_id, here.number > after)
    return [_read(row) for row in tx.execute(query.order_by(here.number).limit(limit))]


def every(tx: Connection, tracking_id: str) -> dict[int, Part]:
    """All parts by number; at most 10,000."""
    query = select(parts).where(parts.c.tracking_id == tracking_id)
    return {row.number: _read(row) for row in tx.execute(query)}


def clear(tx: Connection, tracking_id: str, completed_as: str = "") -> list[str]:
    """Forget the parts, which became a file under that name of them; returns their blobs' keys."""
    keys = tx.execute(select(parts.c.blob_key).where(parts.c.tracking_id == tracking_id))
    gone = list(keys.scalars())
    tx.execute(delete(parts).where(parts.c.tracking_id == tracking_id))
    if completed_as:
        change = update(multiparts).where(multiparts.c.tracking_id == tracking_id)
        rows(tx, change.values(completed_as=completed_as))
    return gone


def open_uploads(tx: Connection, principal_id: str) -> list[Submission]:
    """What a principal uploads in parts at present, by place, name and id."""
    here = submissions.c
    query = (
        select(submissions)
        .join(multiparts, multiparts.c.tracking_id == here.tracking_id)
        .where(here.principal_id == principal_id, here.state == State.REQUESTED)
        .order_by(here.org, here.application, here.sub_space, here.name, here.tracking_id)
    )
    return [rows_of.read(row) for row in tx.execute(query.limit(MAX_OPEN_SHOWN))]


def left_behind(tx: Connection, before: datetime, limit: int) -> list[Part]:
    """Parts of uploads that came to their end before then."""
    here = submissions.c
    query = (
        select(parts)
        .join(submissions, here.tracking_id == parts.c.tracking_id)
        .where(here.state != State.REQUESTED, here.updated_at < before)
    )
    return [_read(row) for row in tx.execute(query.limit(limit))]


def remove(tx: Connection, gone: Iterable[Part]) -> None:
    """Forget these parts."""
    keys = [each.blob_key for each in gone]
    tx.execute(delete(parts).where(parts.c.blob_key.in_(keys)))


def _read(row: Row[Any]) -> Part:
    return Part(
        row.tracking_id,
        row.number,
        row.blob_key,
        row.size,
        row.sha256,
        row.received_at,
        row.checksum,
        bytes.fromhex(row.digest),
    )
