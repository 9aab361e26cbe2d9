"""Where submissions stand: one by its tracking id, or the last 90 days, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from transom.core.tools import Tools, is_tracking_id
from transom.domain import archive
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotFound
from transom.domain.listing import Listing
from transom.domain.names import Place
from transom.domain.permission import allows, trackable
from transom.domain.space import Direction
from transom.domain.submission import AccessMethod, Finding, State, Submission
from transom.records import listings, submissions
from transom.records.submissions import OWN_ONLY, Filter

PAGE = 500
_COUNTED = 1_000_000
_HINT = "No submission with this id in the last {days} days. Check the id; older ones are not kept."


@dataclass(frozen=True, slots=True)
class Query:
    """What to show: everything, or narrowed.

    `file_name` is whole, `text` a part of a name in any case, or the beginning of a tracking id.
    `since` is the first instant, `until` the first one after. No states means all.
    """

    file_name: str = ""
    application: str = ""
    since: datetime | None = None
    states: tuple[State, ...] = ()
    until: datetime | None = None
    org: str = ""
    method: AccessMethod | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last submission's instant and tracking id."""

    at: datetime
    tracking_id: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Submissions newest first, without findings and result files, and whether there are others."""

    found: tuple[Submission, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A file about a submission, and whether this actor may download it."""

    listing: Listing
    may_fetch: bool


@dataclass(frozen=True, slots=True)
class Record:
    """All about one submission, for people.

    `submission` has its first findings only, of so many (`found`). `copy` is the archive's, None
    where there is none or it has ended; `may_send` tells whether the actor may upload there.
    """

    submission: Submission
    found: int
    results: tuple[Kept, ...]
    copy: Kept | None
    may_send: bool


class Tracking:
    """Answers where submissions stand."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @property
    def days(self) -> int:
        """For how many days submissions are kept."""
        return self._tools.keeping.tracking_days

    def places(self, actor: Actor, org: str) -> list[Place]:
        """The places of an organization whose submissions the actor may follow."""
        return sorted(place for place in trackable(actor) if org in ("", place.org))

    def one(self, actor: Actor, tracking_id: str) -> Submission:
        """One submission with its findings and result files.

        Raises:
            NotFound: unknown, foreign, held or abandoned by somebody else, or older than tracking
                keeps: the answer is one and the same.
            Unavailable
        """
        with self._tools.database.reading() as tx:
            found = self._find(tx, actor, tracking_id)
            return submissions.complete(tx, [found], self._tools.clock.now())[0]

    def record(self, actor: Actor, tracking_id: str, most: int) -> Record:
        """All about one submission, with at most so many findings.

        Raises:
            NotFound, Unavailable: as one().
        """
        with self._tools.database.reading() as tx:
            found = self._find(tx, actor, tracking_id)
            noted = submissions.first_findings(tx, tracking_id, most)
            count = len(noted)
            if count == most:
                count = submissions.count_findings(tx, tracking_id, _COUNTED)
            files = listings.of_submission(tx, tracking_id, self._tools.clock.now())
        kept = [Kept(each, allows(actor, Action.DOWNLOAD, each.place)) for each in files]
        copies = [each for each in kept if each.listing.direction is Direction.ARCHIVE]
        return Record(
            submission=replace(found, findings=tuple(noted), downloadable=bool(copies)),
            found=count,
            results=tuple(e for e in kept if e.listing.direction is Direction.OUTBOUND),
            copy=next(iter(copies), None),
            may_send=allows(actor, Action.UPLOAD, found.place),
        )

    def findings(self, actor: Actor, tracking_id: str) -> Iterator[list[Finding]]:
        """All that was found in a submission, in pages read as they are asked for.

        Raises:
            NotFound, Unavailable: at once, as one().
        """
        with self._tools.database.reading() as tx:
            self._find(tx, actor, tracking_id)
        return self._findings(tracking_id)

    def _findings(self, tracking_id: str) -> Iterator[list[Finding]]:
        after = -1
        while True:
            with self._tools.database.reading() as tx:
                found = submissions.findings_after(tx, tracking_id, after, PAGE)
            yield [each for _, each in found]
            if len(found) < PAGE:
                return
            after = found[-1][0]

    def _find(self, tx: Connection, actor: Actor, tracking_id: str) -> Submission:
        now = self._tools.clock.now()
        found = submissions.find(tx, tracking_id) if is_tracking_id(tracking_id) else None
        if found is None or not self._shows(actor, found, now):
            hint = _HINT.format(days=self._tools.keeping.tracking_days)
            raise NotFound(f"Submission {tracking_id[:64]}", hint)
        return found

    def _shows(self, actor: Actor, found: Submission, now: datetime) -> bool:
        return (
            found.place in trackable(actor)
            and found.submitted_at >= self._oldest(now)
            and (found.state not in OWN_ONLY or found.principal_id == actor.principal_id)
        )

    def page(
        self, actor: Actor, query: Query, after: Position | None, limit: int
    ) -> tuple[list[Submission], Position | None]:
        """Submissions newest first, at most limit (1 to 500), and where the next page begins.

        Raises:
            Unavailable
        """
        wanted = self._filter(actor, query)
        if after is not None:
            wanted = replace(wanted, before=(after.at, after.tracking_id))
        with self._tools.database.reading() as tx:
            found = submissions.page(tx, wanted, limit + 1)
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        return found[:limit], Position(last.submitted_at, last.tracking_id)

    def brief(
        self,
        actor: Actor,
        query: Query,
        limit: int,
        *,
        older: Position | None = None,
        newer: Position | None = None,
    ) -> Slice:
        """Submissions for a list of at most limit: the newest, or next to a position.

        Raises:
            Unavailable
        """
        wanted = self._filter(actor, query)
        if newer is not None:
            wanted = replace(wanted, after=(newer.at, newer.tracking_id))
        elif older is not None:
            wanted = replace(wanted, before=(older.at, older.tracking_id))
        with self._tools.database.reading() as tx:
            found = submissions.brief(tx, wanted, limit + 1)  # one more tells that there are more
        shown, more = tuple(found[:limit]), len(found) > limit
        if newer is not None:
            return Slice(shown[::-1], has_newer=more, has_older=True)
        return Slice(shown, has_newer=older is not None, has_older=more)

    def count(self, actor: Actor, query: Query, most: int) -> int:
        """How many submissions match, counted up to `most`.

        Raises:
            Unavailable
        """
        wanted = self._filter(actor, query)
        with self._tools.database.reading() as tx:
            return submissions.count(tx, wanted, most)

    def all_brief(self, actor: Actor, query: Query) -> Iterator[tuple[Submission, ...]]:
        """Everything that matches, newest first, in pages read as they are asked for."""
        after: Position | None = None
        while True:
            page = self.brief(actor, query, PAGE, older=after)
            yield page.found
            if not page.has_older:
                return
            after = Position(page.found[-1].submitted_at, page.found[-1].tracking_id)

    def all(self, actor: Actor, query: Query) -> Iterator[list[Submission]]:
        """Everything that matches, newest first, in pages read as they are asked for."""
        after: Position | None = None
        while True:
            found, after = self.page(actor, query, after, PAGE)
            yield found
            if after is None:
                return

    def _filter(self, actor: Actor, query: Query) -> Filter:
        now = self._tools.clock.now()
        oldest = self._oldest(now)
        return Filter(
            places=tuple(self.places(actor, query.org)),
            since=max(oldest, query.since or oldest),
            principal_id=actor.principal_id,
            now=now,
            file_name=query.file_name,
            application=query.application,
            states=query.states,
            until=query.until,
            method=query.method,
            text=query.text,
        )

    def _oldest(self, now: datetime) -> datetime:
        keeping = self._tools.keeping
        return archive.starts_before(now, keeping.tracking_days, keeping.zone)
