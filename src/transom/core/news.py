"""What changed, for those who watch: read once a second for all of a process, while any watch.

A row carries the time at which its change was made, and is seen when that is committed, which may
be seconds later. So each look reads some seconds over again, and tells what it has not told yet.
Changes that another process makes are found like one's own. Nothing here is kept anywhere: whoever
was away too long, or cannot be told all, is told to look at everything anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from transom.core.tools import Tools
from transom.domain.entitlement import Actor
from transom.domain.news import Change, Listed, Stands
from transom.domain.permission import may_list, may_track, visible_orgs
from transom.records import news
from transom.records.submissions import OWN_ONLY

LATE = timedelta(seconds=20)
"""By how much a change may be seen later than it was made: a writer waits 15 s for its turn."""
_USUALLY_LATE = timedelta(seconds=3)
_LOOKS_OF_A_LONG_ONE = 8
KEPT = timedelta(minutes=10)
"""Whoever was away for longer looks at everything anew."""
MOST = 10_000
"""So many changes are kept, and so many of each kind read at once."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A change, and at which look it was seen."""

    change: Change
    at: datetime


@dataclass(frozen=True, slots=True)
class Lately:
    """What was seen after one position, oldest first, and up to which one."""

    seen: Sequence[Seen]
    position: datetime


class News:
    """The changes of the last minutes, as this process has seen them.

    Positions are instants of looks, which never repeat. One look or question at a time.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lock = threading.Lock()
        self._seen: deque[Seen] = deque()
        self._told: dict[str, tuple[datetime, str]] = {}
        self._looks = 0
        self._looked_at: datetime | None = None  # by the exchange's clock
        self._position = self._covered_from = self._read_from = tools.clock.now()
        self._lost_at: datetime | None = None  # of what came until then some is not kept

    @property
    def position(self) -> datetime:
        """Up to where it is known now."""
        return self._position

    def look(self) -> datetime:
        """Read what is new; returns the position up to which it is known now.

        Raises:
            Unavailable: nothing was missed by it; the next look reads further back.
        """
        with self._lock:
            return self._look()

    def after(self, position: datetime) -> Lately | None:
        """What was seen after a position; None when that cannot be told any more.

        Raises:
            Unavailable: the position lies before what was read so far, which failed.
        """
        with self._lock:
            if self._looked_at is None:
                self._look()
            if position < self._covered_from and not self._read_back(position):
                return None
            found = takewhile(lambda each: each.at > position, reversed(self._seen))
            return Lately(tuple(found)[::-1], self._position)

    def rights_version(self) -> tuple[int, int]:
        """Another one than before when any rights may have changed.

        Raises:
            Unavailable
        """
        with self._tools.database.reading() as tx:
            return news.rights_version(tx)

    @staticmethod
    def concerns(actor: Actor, change: Change) -> bool:
        """Whether this actor may know of a change: what it may track, and places it may list."""
        if isinstance(change, Listed):
            return may_list(actor, change.place)
        own_only = change.state in OWN_ONLY
        return may_track(actor, change.place) and (
            not own_only or change.principal_id == actor.principal_id
        )

    @staticmethod
    def organizations(actor: Actor) -> list[str]:
        """Of which organizations changes may concern it."""
        return visible_orgs(actor)

    # --- reading ---------------------------------------------------------------------------------

    def _look(self) -> datetime:
        now = self._tools.clock.now()
        last = self._looked_at
        if last is None or not timedelta(0) <= now - last <= KEPT:
            return self._begin(now)
        self._looks += 1
        is_long = self._looks % _LOOKS_OF_A_LONG_ONE == 0 or now - last > _USUALLY_LATE
        found = self._read(last - (LATE if is_long else _USUALLY_LATE), now + LATE)
        position = max(now, self._position + _TICK)
        if found is None:
            self._forget(now, position)
            self._lost_at = position
        else:
            self._seen.extend(Seen(each, position) for each in self._new(found))
        self._looked_at, self._position = now, position
        self._trim(now)
        return position

    def _begin(self, now: datetime) -> datetime:
        """The first look for long, or after the clock was set: what came before counts as told."""
        found = self._read(now - LATE, now + LATE)
        position = max(now, self._position + _TICK)
        self._forget(now, position)
        if found is None:
            self._lost_at = position
        else:
            self._seen.extend(_in_order(self._new(found), position))
            self._covered_from = min(now, position)
        self._looked_at, self._position = now, position
        return position

    def _read_back(self, position: datetime) -> bool:
        """Read what came between a position and what is known; False when that is too much."""
        is_lost = self._lost_at is not None and position < self._lost_at
        if is_lost or self._tools.clock.now() - position > KEPT:
            return False
        found = self._read(position - LATE, self._read_from)
        if found is None or len(found) + len(self._seen) > MOST:
            return False
        known = [*self._seen, *_in_order(found, self._position)]
        self._seen = deque(sorted(known, key=lambda each: each.at))
        self._covered_from, self._read_from = position, position - LATE
        return True

    def _read(self, since: datetime, until: datetime) -> list[Change] | None:
        """All changes between two instants; None when they are too many."""
        if since >= until:
            return []
        with self._tools.database.reading() as tx:
            moved = news.stands(tx, since, until, MOST + 1)
            listed = news.listed(tx, since, until, MOST + 1)
        if max(len(moved), len(listed)) > MOST:
            return None
        return [*moved, *listed]

    def _new(self, found: Iterable[Change]) -> list[Change]:
        """Those that were not told yet; they count as told from now on."""
        fresh = []
        for each in found:
            key, mark = _mark(each)
            if self._told.get(key) != mark:
                self._told[key] = mark
                fresh.append(each)
        return fresh

    def _trim(self, now: datetime) -> None:
        while self._seen and (len(self._seen) > MOST or self._seen[0].at < now - KEPT):
            self._lost_at = self._covered_from = self._seen.popleft().at
        if self._looks % _LOOKS_OF_A_LONG_ONE == 0:
            oldest = now - 2 * LATE
            self._told = {key: mark for key, mark in self._told.items() if mark[0] > oldest}

    def _forget(self, now: datetime, position: datetime) -> None:
        self._seen.clear()
        self._covered_from, self._read_from = position, now - LATE


def _mark(change: Change) -> tuple[str, tuple[datetime, str]]:
    """Under what a change is told once, and by what two of one submission differ."""
    if isinstance(change, Stands):
        return change.tracking_id, (change.at, change.state)
    return change.id, (change.at, "")


def _in_order(found: Iterable[Change], position: datetime) -> list[Seen]:
    """Changes that nobody looked for when they came, as if somebody had.

    When they could be seen first is not known. Where a submission stands may be told twice; that
    a file came may not, since such news are counted.
    """
    seen = [
        Seen(each, min(each.at + LATE if isinstance(each, Stands) else each.at, position))
        for each in found
    ]
    return sorted(seen, key=lambda each: each.at)
