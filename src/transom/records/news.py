"""What changed lately: where submissions stand, and which files came; by time, read over again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from transom.domain.names import FileName, OrgId, Place
from transom.domain.news import Listed, Stands
from transom.domain.submission import State
from transom.records.schema import listings, submissions, versions

_MOVED = submissions.c
_STANDS = (
    select(
        _MOVED.tracking_id,
        _MOVED.principal_id,
        _MOVED.org,
        _MOVED.application,
        _MOVED.sub_space,
        _MOVED.name,
        _MOVED.state,
        _MOVED.updated_at,
    )
    .where(_MOVED.updated_at > bindparam("since"), _MOVED.updated_at <= bindparam("until"))
    .order_by(_MOVED.updated_at)
    .limit(bindparam("limit"))
)
_FILE = listings.c
_LISTED = (
    select(_FILE.id, _FILE.org, _FILE.application, _FILE.sub_space, _FILE.listed_at)
    .where(
        _FILE.listed_at > bindparam("since"),
        _FILE.listed_at <= bindparam("until"),
        _FILE.ended_at.is_(None),
    )
    .order_by(_FILE.listed_at)
    .limit(bindparam("limit"))
)
_PROBED = "ready"  # what a readiness probe counts up, to see whether it can
_VERSIONS = select(
    func.count().label("counted"), func.coalesce(func.sum(versions.c.version), 0).label("total")
).where(versions.c.key != _PROBED)


def stands(tx: Connection, since: datetime, until: datetime, limit: int) -> list[Stands]:
    """Submissions that changed after one instant and until another, the longest ago first."""
    found = tx.execute(_STANDS, {"since": since, "until": until, "limit": limit})
    return [
        Stands(
            row.tracking_id,
            row.principal_id,
            Place(OrgId(row.org), row.application, row.sub_space),
            FileName(row.name),
            State(row.state),
            row.updated_at,
        )
        for row in found
    ]


def listed(tx: Connection, since: datetime, until: datetime, limit: int) -> list[Listed]:
    """Files listed between the two that are still there, the longest ago first."""
    found = tx.execute(_LISTED, {"since": since, "until": until, "limit": limit})
    return [
        Listed(row.id, Place(OrgId(row.org), row.application, row.sub_space), row.listed_at)
        for row in found
    ]


def rights_version(tx: Connection) -> tuple[int, int]:
    """Another one than before when anybody's rights, or the catalogue, changed."""
    row = tx.execute(_VERSIONS).one()
    return int(row.counted), int(row.total)
