"""Everybody with a page open who wants to know what changes; none of them holds a thread.

One task looks for news once a second while anybody watches, and hands each watcher what concerns
it; another asks every ten seconds whether sessions and rights still stand. What a watcher does not
fetch in time is given up: it is told to look at everything anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from transom.core.exchange import Exchange
from transom.core.news import Lately, News, Seen
from transom.domain.entitlement import Actor
from transom.domain.errors import SignInError, TooMany, Unavailable
from transom.domain.news import Change, Listed
from transom.domain.people import Assurance, Visit
from transom.frontends.workers import Workers

MOST = 1_500
"""So many pages at once in one process; the others ask now and then."""
MOST_OF_A_SESSION = 4
"""A browser has six connections to a server, and wants some for the next page."""
_MOST_WAITING = 100
_CHECKED_AT_ONCE = 20
_COME_AGAIN = timedelta(seconds=15)

_EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_DIGITS = 17
_PAGE = "p"
_MOMENT = timedelta(seconds=2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Since:
    """From where on a page wants news: after a look, or since it was made itself.

    A page shows what there was when it was made, though the next look was to come: a file of that
    last moment is no news to it.
    """

    at: datetime
    is_page: bool = False

    def shows(self, change: Change) -> bool:
        """Whether the page shows this file already."""
        is_file = self.is_page and isinstance(change, Listed)
        return is_file and self.at - _MOMENT < change.at <= self.at

    def __str__(self) -> str:
        number = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{_PAGE if self.is_page else ''}{number}"

    @staticmethod
    def read(text: str) -> Since:
        """What __str__ wrote; long ago when it is not that, so that all is looked at anew."""
        digits = text.removeprefix(_PAGE)
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
            return Since(_EPOCH)
        return Since(_EPOCH + timedelta(microseconds=int(digits)), text.startswith(_PAGE))


@dataclass(frozen=True, slots=True)
class Beats:
    """Seconds between looks, checks of sessions, and signs of life.

    Rights are never older than `rights`; no session goes on unchecked for longer than `trusted`.
    """

    look: float = 1.0
    check: float = 10.0
    heartbeat: float = 15.0
    rights: float = 60.0
    trusted: float = 60.0


@dataclass(slots=True)
class Reader:
    """A session with pages open: whose it is, what it may know, and when that was last asked."""

    id: str
    token: str
    visit: Visit
    actor: Actor
    zone: str
    checked_at: float = 0.0
    rights_at: float = 0.0
    watchers: list[Watcher] = field(default_factory=list)


class Watcher:
    """One open page: what waits to be told to it, and whether and why it has come to its end."""

    __slots__ = ("_behind", "_since", "_waiting", "_wake", "ended", "position", "reader", "why")

    def __init__(self, reader: Reader, since: Since) -> None:
        self.reader = reader
        self.position = since.at
        self._since = since
        self.ended = False
        self.why = ""
        self._wake = asyncio.Event()
        self._waiting: deque[Seen] = deque()
        self._behind = False

    def tell(self, seen: Seen) -> None:
        """Have something told; too much at once is told as one thing."""
        if seen.at <= self.position or self._since.shows(seen.change):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.lose()
            return
        self._waiting.append(seen)
        self._wake.set()

    def lose(self) -> None:
        """Have it told that there was more than can be told."""
        self._waiting.clear()
        self._behind = True
        self._wake.set()

    def end(self, why: str) -> None:
        """Come to the end; what waits is told no more. `why` is "" when the server stops."""
        self.ended, self.why = True, why
        self._waiting.clear()
        self._wake.set()

    def take(self) -> tuple[list[Seen], bool]:
        """What waits, and whether more was lost."""
        found, behind = list(self._waiting), self._behind
        self._waiting.clear()
        self._behind = False
        self._wake.clear()
        return found, behind

    async def wait(self, seconds: float) -> None:
        """Until there is something to take, or so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


class Watching:
    """All watchers of one process. Everything here runs in its event loop."""

    def __init__(self, exchange: Exchange, workers: Workers, beats: Beats | None = None) -> None:
        self.beats = beats or Beats()
        self._exchange = exchange
        self._workers = workers
        self._readers: dict[str, Reader] = {}
        self._of_org: dict[str, set[str]] = {}
        self._position: datetime | None = None
        self._rights: tuple[int, int] | None = None
        self._starting = asyncio.Lock()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._over = False

    @property
    def count(self) -> int:
        """How many pages are open."""
        return sum(len(each.watchers) for each in self._readers.values())

    @property
    def position(self) -> datetime:
        """Up to where all that is to be told has been handed out."""
        return self._position or self._exchange.news.position

    async def open(self, reader: Reader, since: Since) -> Watcher:
        """Watch for a page, from there on.

        `reader` is of this page's session; another page of the same goes on with the first one's.

        Raises:
            TooMany: pages, in all. Of one session the oldest makes way.
            Unavailable: the database, or this server stops.
        """
        self._require_going()
        if self.count >= MOST:
            raise TooMany("open pages", _COME_AGAIN)
        await self._start()
        watcher = self._admit(reader, since)
        try:
            lately = await self._workers.run(self._exchange.news.after, since.at)
        except Unavailable:
            self.close(watcher)
            raise
        self._catch_up(watcher, lately)
        return watcher

    def _admit(self, reader: Reader, since: Since) -> Watcher:
        now = asyncio.get_running_loop().time()
        known = self._readers.setdefault(reader.id, reader)
        known.token, known.visit, known.zone = reader.token, reader.visit, reader.zone
        known.checked_at = known.rights_at = now
        self._give(known, reader.actor)
        while len(known.watchers) >= MOST_OF_A_SESSION:
            known.watchers.pop(0).end("many")
        watcher = Watcher(known, since)
        known.watchers.append(watcher)
        return watcher

    def _catch_up(self, watcher: Watcher, lately: Lately | None) -> None:
        if lately is None:
            watcher.lose()
            return
        for each in lately.seen:
            if News.concerns(watcher.reader.actor, each.change):
                watcher.tell(each)
        watcher.position = lately.position

    async def lately(self, since: Since) -> Lately | None:
        """What was seen from there on, for a page that asks now and then.

        Raises:
            Unavailable
        """
        if not self._tasks:
            await self._workers.run(self._exchange.news.look)
        found = await self._workers.run(self._exchange.news.after, since.at)
        if found is None:
            return None
        return replace(found, seen=[each for each in found.seen if not since.shows(each.change)])

    def close(self, watcher: Watcher) -> None:
        """A page was left. May be called twice."""
        reader = watcher.reader
        if watcher in reader.watchers:
            reader.watchers.remove(watcher)
        if not reader.watchers and self._readers.get(reader.id) is reader:
            del self._readers[reader.id]
            self._give(reader, None)
        if not self._readers:
            self._stop()

    def end(self) -> None:
        """The server stops: everybody's end, and nobody begins any more."""
        self._over = True
        for each in self._every():
            each.end("")
        self._stop()

    def _every(self) -> list[Watcher]:
        return [each for reader in self._readers.values() for each in reader.watchers]

    # --- news ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        async with self._starting:
            if not self._tasks:
                self._position = await self._workers.run(self._exchange.news.look)
                self._require_going()
                self._tasks = (
                    asyncio.create_task(self._look_out()),
                    asyncio.create_task(self._check_up()),
                )
                for each in self._tasks:
                    each.add_done_callback(self._fell)

    def _require_going(self) -> None:
        if self._over:
            raise Unavailable("server")

    def _fell(self, task: asyncio.Task[None]) -> None:
        """A defect ends all streams: nobody is to take silence for no news."""
        if task.cancelled() or task.exception() is None:
            return
        _log.error("defect", exc_info=task.exception(), extra={"door": "portal"})
        for each in self._every():
            each.end("away")
        self._stop()

    def _stop(self) -> None:
        for each in self._tasks:
            each.cancel()
        self._tasks = ()

    async def _look_out(self) -> None:
        failed = False
        while True:
            await asyncio.sleep(self.beats.look)
            try:
                await self._spread()
            except Unavailable as failure:
                if not failed:
                    _log.warning("no news for open pages", extra={"why": failure.message})
                failed = True
            else:
                failed = False

    async def _spread(self) -> None:
        assert self._position is not None  # noqa: S101 - the task starts with one
        lately = await self._workers.run(self._looked, self._position)
        if lately is None:
            self._position = self._exchange.news.position
            for each in self._every():
                each.lose()
            return
        self._position = lately.position
        for seen in lately.seen:
            self._tell(seen)

    def _looked(self, position: datetime) -> Lately | None:
        self._exchange.news.look()
        return self._exchange.news.after(position)

    def _tell(self, seen: Seen) -> None:
        for key in self._of_org.get(seen.change.place.org, ()):
            reader = self._readers[key]
            if News.concerns(reader.actor, seen.change):
                for each in reader.watchers:
                    each.tell(seen)

    def _give(self, reader: Reader, actor: Actor | None) -> None:
        """Let a reader know of what this actor may, or of nothing any more."""
        for org in News.organizations(reader.actor):
            keys = self._of_org.get(org, set())
            keys.discard(reader.id)
            if not keys:
                self._of_org.pop(org, None)
        if actor is not None:
            reader.actor = actor
            for org in News.organizations(actor):
                self._of_org.setdefault(org, set()).add(reader.id)

    # --- sessions and rights ---------------------------------------------------------------------

    async def _check_up(self) -> None:
        while True:
            await asyncio.sleep(self.beats.check)
            readers = list(self._readers.values())
            try:
                version = await self._workers.run(self._exchange.news.rights_version)
                changed = version != self._rights
                for at in range(0, len(readers), _CHECKED_AT_ONCE):
                    await self._check(readers[at : at + _CHECKED_AT_ONCE], changed=changed)
                self._rights = version
            except Unavailable:
                self._distrust(readers)

    async def _check(self, readers: Sequence[Reader], *, changed: bool) -> None:
        now = asyncio.get_running_loop().time()
        asked = [(each, changed or now - each.rights_at > self.beats.rights) for each in readers]
        found = await self._workers.run(self._standing, asked)
        for (reader, with_rights), standing in zip(asked, found, strict=True):
            reader.checked_at = now
            if standing is None:
                self._dismiss(reader, "session")
                continue
            reader.zone = standing.zone
            if with_rights and standing.actor is not None and reader.watchers:
                reader.rights_at = now
                self._give(reader, standing.actor)
            if not News.organizations(reader.actor):
                self._dismiss(reader, "rights")

    def _standing(self, asked: Sequence[tuple[Reader, bool]]) -> list[_Standing | None]:
        return [self._one_standing(*each) for each in asked]

    def _one_standing(self, reader: Reader, with_rights: bool) -> _Standing | None:  # noqa: FBT001
        visit = reader.visit
        try:
            resume = self._exchange.people.sign_in.resume
            session = resume(visit, reader.token, counts=False)
            if session.assurance is not Assurance.FULL:
                return None
            acting = self._exchange.tokens.acting
            actor = (
                acting(session.person.id, visit.source, visit.request_id) if with_rights else None
            )
        except SignInError:
            return None
        return _Standing(session.display.zone, actor)

    def _distrust(self, readers: Sequence[Reader]) -> None:
        """A database that says nothing for long lets nobody go on."""
        now = asyncio.get_running_loop().time()
        for each in readers:
            if now - each.checked_at > self.beats.trusted:
                self._dismiss(each, "away")

    def _dismiss(self, reader: Reader, why: str) -> None:
        for each in tuple(reader.watchers):
            each.end(why)
            self.close(each)


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a check found: the zone that is wanted, and the rights where they were read anew."""

    zone: str
    actor: Actor | None
