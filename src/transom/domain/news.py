"""Something that changed, as little of it as those need who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from transom.domain.names import FileName, Place
from transom.domain.submission import State


@dataclass(frozen=True, slots=True)
class Stands:
    """A submission stands where it did not, or its application took it: since `at`."""

    tracking_id: str
    principal_id: str
    place: Place
    name: FileName
    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A file came to a place at `at`; `id` is its listing's."""

    id: str
    place: Place
    at: datetime


Change = Stands | Listed
