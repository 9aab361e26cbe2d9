"""Listings and the blobs they point at. *In*, *out* and *archive* views are only listings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)

from transom.domain.listing import Listing
from transom.domain.names import FileName, OrgId, Place
from transom.domain.space import Direction
from transom.domain.submission import State
from transom.ports import Sealed
from transom.records.database import insert_new, rows
from transom.records.places import within
from transom.records.schema import UNFETCHED, blobs, listings, parts, submissions

PLAIN = 1
_CANDIDATES = 500

_BLOB = insert(blobs)
_LISTING = insert(listings)


def add_blob(tx: Connection, sealed: Sealed, now: datetime) -> None:
    """Record a blob; what names it, a listing or a held submission, is in the same transaction."""
    values = {
        "key": sealed.key,
        "size": sealed.size,
        "sha256": sealed.sha256,
        "format": PLAIN,
        "created_at": now,
        "verified_at": now,
    }
    tx.execute(_BLOB, values)


def add(tx: Connection, listing: Listing) -> None:
    """Show a file at a place."""
    tx.execute(_LISTING, _values(listing, listing.name))


def add_to_archive(tx: Connection, listing: Listing, names: Iterator[str]) -> str:
    """Show a file in an archive under the first of these names that no file there ever had.

    Returns:
        The name that was free.
    """
    while True:
        candidates = list(islice(names, 1))
        while candidates:
            name = candidates.pop(0)
            if insert_new(tx, listings, _values(listing, name)):
                return name
            # Many of one name at one moment, or a clock that stands: look for the next gap at once.
            candidates = candidates or list(islice(names, _CANDIDATES))
            taken = _names_among(tx, listing.place, candidates)
            candidates = [each for each in candidates if each not in taken]


def _names_among(tx: Connection, place: Place, names: list[str]) -> set[str]:
    here = listings.c
    query = select(here.name).where(
        here.org == place.org,
        here.application == place.application,
        here.sub_space == place.sub_space,
        here.name.in_(names),
    )
    return set(tx.execute(query).scalars())


def _values(listing: Listing, name: str) -> dict[str, Any]:
    return {
        "id": listing.id,
        "direction": listing.direction,
        "org": listing.place.org,
        "application": listing.place.application,
        "sub_space": listing.place.sub_space,
        "name": name,
        "blob_key": listing.blob_key,
        "size": listing.size,
        "sha256": listing.sha256,
        "tracking_id": listing.tracking_id,
        "listed_at": listing.listed_at,
        "ends_at": listing.ends_at,
    }


_AT_PLACE = (
    (listings.c.org == bindparam("org"))
    & (listings.c.application == bindparam("application"))
    & (listings.c.sub_space == bindparam("sub_space"))
)
_LIVE = listings.c.ended_at.is_(None) & or_(
    listings.c.ends_at.is_(None), listings.c.ends_at > bindparam("now")
)
_PAGE = (
    select(listings)
    .where(_AT_PLACE, _LIVE, listings.c.name > bindparam("after"))
    .order_by(listings.c.name, listings.c.listed_at.desc())
    .limit(bindparam("limit"))
)
_WITHIN = (listings.c.name >= bindparam("first")) & (listings.c.name < bindparam("beyond"))
_PAGE_OF = _PAGE.where(_WITHIN)
_BEFORE = (
    select(listings)
    .where(_AT_PLACE, _LIVE, listings.c.name < bindparam("before"))
    .order_by(listings.c.name.desc(), listings.c.listed_at.desc())
    .limit(bindparam("limit"))
)
_BEFORE_OF = _BEFORE.where(_WITHIN)
_NEWEST_FIRST = (
    select(listings.c.listed_at)
    .where(_AT_PLACE, _LIVE)
    .order_by(listings.c.listed_at.desc())
    .limit(bindparam("limit"))
    .subquery()
)
_ABOUT = select(
    func.count().label("files"),
    func.max(_NEWEST_FIRST.c.listed_at, type_=listings.c.listed_at.type).label("newest"),
).select_from(_NEWEST_FIRST)
_NEWEST = (
    select(listings)
    .where(_AT_PLACE, _LIVE, listings.c.name == bindparam("name"))
    .order_by(listings.c.listed_at.desc())
    .limit(1)
)
_BY_ID = select(listings).where(_LIVE, listings.c.id == bindparam("id"))


def page(
    tx: Connection, place: Place, after: str, limit: int, now: datetime, prefix: str = ""
) -> list[Listing]:
    """Live listings at a place whose names follow `after`, by name, newest first within a name.

    At most limit rows, whose names begin with `prefix`. A name may stand several times; its newest
    is first, and a page that ends within a name loses only older ones.
    """
    asked = {**_parameters(place, now), "after": after, "limit": limit}
    if not prefix:
        return [_read(row, place) for row in tx.execute(_PAGE, asked).all()]
    return [_read(row, place) for row in tx.execute(_PAGE_OF, asked | _bounds(prefix)).all()]


def page_before(
    tx: Connection, place: Place, before: str, limit: int, now: datetime, prefix: str = ""
) -> list[Listing]:
    """Live listings at a place whose names come before `before`, by name from the last backwards.

    Within a name the newest is first; otherwise as page().
    """
    asked = {**_parameters(place, now), "before": before, "limit": limit}
    if not prefix:
        return [_read(row, place) for row in tx.execute(_BEFORE, asked).all()]
    return [_read(row, place) for row in tx.execute(_BEFORE_OF, asked | _bounds(prefix)).all()]


def _bounds(prefix: str) -> dict[str, str]:
    return {"first": prefix, "beyond": prefix[:-1] + chr(ord(prefix[-1]) + 1)}


def about(tx: Connection, place: Place, now: datetime, most: int) -> tuple[int, datetime | None]:
    """How many live listings a place has, counted up to `most`, and when the newest came."""
    row = tx.execute(_ABOUT, {**_parameters(place, now), "limit": most}).one()
    return int(row.files), row.newest


def newest(tx: Connection, place: Place, name: str, now: datetime) -> Listing | None:
    """The newest live listing of a name at a place, or None."""
    row = tx.execute(_NEWEST, {**_parameters(place, now), "name": name}).one_or_none()
    return None if row is None else _read(row)


def live(tx: Connection, listing_id: str, now: datetime) -> Listing | None:
    """The listing with this id, when it has not ended."""
    row = tx.execute(_BY_ID, {"id": listing_id, "now": now}).one_or_none()
    return None if row is None else _read(row)


def with_ids(tx: Connection, ids: Sequence[str]) -> dict[str, Listing]:
    """The listings with these ids, ended ones included, by id."""
    query = select(listings).where(listings.c.id.in_(ids))
    return {row.id: _read(row) for row in tx.execute(query)}


def _parameters(place: Place, now: datetime) -> dict[str, Any]:
    return {
        "org": place.org,
        "application": place.application,
        "sub_space": place.sub_space,
        "now": now,
    }


def end_inbound(tx: Connection, tracking_id: str, now: datetime) -> int:
    """End the inbound listing of a submission: it was moved. Returns how many ended."""
    here = listings.c
    change = update(listings).where(
        here.tracking_id == tracking_id,
        here.direction == Direction.INBOUND,
        here.ended_at.is_(None),
    )
    return rows(tx, change.values(ended_at=now))


def due(tx: Connection, now: datetime, limit: int) -> list[Listing]:
    """Listings whose end has come but which are still shown as live rows, oldest end first."""
    here = listings.c
    query = select(listings).where(here.ended_at.is_(None), here.ends_at <= now)
    return [_read(row) for row in tx.execute(query.order_by(here.ends_at).limit(limit))]


def end(tx: Connection, listing_id: str, now: datetime) -> bool:
    """End a listing; False when it had ended."""
    change = update(listings).where(listings.c.id == listing_id, listings.c.ended_at.is_(None))
    return rows(tx, change.values(ended_at=now)) == 1


def note_fetched(tx: Connection, listing_id: str, now: datetime) -> bool:
    """Note that somebody began to download a file; False when somebody had before."""
    change = update(listings).where(listings.c.id == listing_id, listings.c.fetched_at.is_(None))
    return rows(tx, change.values(fetched_at=now)) == 1


def unfetched(
    tx: Connection, places: Sequence[Place], until: datetime, now: datetime, limit: int
) -> list[Listing]:
    """Results at places of one organization that nobody downloaded and that end before then.

    At most limit, the first to end first.
    """
    if not places:
        return []
    here = listings.c
    query = select(listings).where(
        UNFETCHED,
        here.org == places[0].org,
        within(tx, listings, places),
        here.ends_at > now,
        here.ends_at <= until,
    )
    return [_read(row) for row in tx.execute(query.order_by(here.ends_at).limit(limit))]


def of_submission(tx: Connection, tracking_id: str, now: datetime) -> list[Listing]:
    """Live listings about a submission: its archive copy and results, in the order they came."""
    here = listings.c
    query = select(listings).where(
        here.tracking_id == tracking_id,
        here.direction != Direction.INBOUND,
        here.ended_at.is_(None),
        or_(here.ends_at.is_(None), here.ends_at > now),
    )
    return [_read(row) for row in tx.execute(query.order_by(here.listed_at, here.name))]


_LISTED = exists().where(listings.c.blob_key == blobs.c.key, listings.c.ended_at.is_(None))
_WAITED_FOR = exists().where(
    submissions.c.blob_key == blobs.c.key,
    submissions.c.state == State.RECEIVED,
    submissions.c.taken_at.is_(None),
)
_HELD = exists().where(submissions.c.blob_key == blobs.c.key, submissions.c.state == State.HELD)
_NOBODYS = ~_LISTED & ~_WAITED_FOR & ~_HELD
"""No live listing points at it, and no submission of it waits for its application, or is held."""


def nobodys_blobs(tx: Connection, limit: int) -> list[Sealed]:
    """Blobs that nobody needs any more, at most limit."""
    query = select(blobs.c.key, blobs.c.size, blobs.c.sha256).where(_NOBODYS).limit(limit)
    return [Sealed(row.key, row.size, row.sha256) for row in tx.execute(query)]


def forget_blob(tx: Connection, key: str) -> bool:
    """Drop the record of a blob that nobody needs; False when somebody does again."""
    return rows(tx, delete(blobs).where(blobs.c.key == key, _NOBODYS)) == 1


def known_blobs(tx: Connection, keys: list[str]) -> set[str]:
    """Which of these keys have a record: as a blob, or as a part of what is still to come."""
    whole = select(blobs.c.key).where(blobs.c.key.in_(keys))
    of_parts = select(parts.c.blob_key).where(parts.c.blob_key.in_(keys))
    return set(tx.execute(union_all(whole, of_parts)).scalars())


def least_recently_verified(tx: Connection, before: datetime, limit: int) -> list[Sealed]:
    """Sound blobs not read whole since before then, the longest ago first."""
    here = blobs.c
    query = select(here.key, here.size, here.sha256).where(
        here.damaged_at.is_(None), here.verified_at < before
    )
    return [
        Sealed(row.key, row.size, row.sha256)
        for row in tx.execute(query.order_by(here.verified_at).limit(limit))
    ]


def mark_verified(tx: Connection, keys: list[str], now: datetime) -> None:
    """Note that these blobs were read whole and have their digests."""
    rows(tx, update(blobs).where(blobs.c.key.in_(keys)).values(verified_at=now))


def mark_damaged(tx: Connection, key: str, now: datetime) -> None:
    """Note that a blob is not what was received; it is kept for inspection and never served."""
    rows(tx, update(blobs).where(blobs.c.key == key).values(damaged_at=now))


def is_damaged(tx: Connection, key: str) -> bool:
    """Whether a blob was found damaged."""
    query = select(blobs.c.damaged_at).where(blobs.c.key == key)
    return tx.execute(query).scalar_one_or_none() is not None


def forget_ended(tx: Connection, before: datetime, limit: int) -> int:
    """Drop rows of listings that ended before then; returns how many."""
    here = listings.c
    old = select(here.id).where(here.ended_at < before).limit(limit).scalar_subquery()
    return rows(tx, delete(listings).where(here.id.in_(old)))


def _read(row: Row[Any], place: Place | None = None) -> Listing:
    return Listing(
        id=row.id,
        direction=Direction(row.direction),
        place=place or Place(OrgId(row.org), row.application, row.sub_space),
        name=FileName(row.name),
        blob_key=row.blob_key,
        size=row.size,
        sha256=row.sha256,
        tracking_id=row.tracking_id,
        listed_at=row.listed_at,
        ends_at=row.ends_at,
        fetched_at=row.fetched_at,
    )
