"""A listing: a file name at a place that points at a blob. Every view of files is made of these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from transom.domain.names import FileName, Place
from transom.domain.space import Direction


@dataclass(frozen=True, slots=True)
class Listing:
    """One file at a place, until `ends_at` (None: until it is moved).

    `size` is in bytes, `sha256` 64 hexadecimal digits; `tracking_id` is the submission that it is,
    or that it answers, or "". `fetched_at` is when somebody first began to download it.
    """

    id: str
    direction: Direction
    place: Place
    name: FileName
    blob_key: str
    size: int
    sha256: str
    tracking_id: str
    listed_at: datetime
    ends_at: datetime | None = None
    fetched_at: datetime | None = None
