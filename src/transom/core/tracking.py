"""Where submissions stand: one by its tracking id, or the last 90 days, through every door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from transom.core.tools import Tools, is_tracking_id
from transom.domain import archive
from transom.domain.entitlement import Actor
from transom.domain.errors import NotFound
from transom.domain.permission import trackable
from transom.domain.submission import State, Submission
from transom.records import submissions
from transom.records.submissions import OWN_ONLY, Filter

PAGE = 500
_HINT = "No submission with this id in the last {days} days. Check the id; older ones are not kept."


@dataclass(frozen=True, slots=True)
class Query:
    """What to show: everything, or narrowed by name, application, instant or state."""

    file_name: str = ""
    application: str = ""
    since: datetime | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last submission's instant and tracking id."""

    at: datetime
    tracking_id: str


class Tracking:
    """Answers where submissions stand."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def one(self, actor: Actor, tracking_id: str) -> Submission:
        """One submission with its findings and result files.

        Raises:
            NotFound: unknown, foreign, held or abandoned by somebody else, or older than tracking
                keeps: the answer is one and the same.
            Unavailable
        """
        now = self._tools.clock.now()
        with self._tools.database.reading() as tx:
            found = submissions.find(tx, tracking_id) if is_tracking_id(tracking_id) else None
            if found is None or not self._shows(actor, found, now):
                hint = _HINT.format(days=self._tools.keeping.tracking_days)
                raise NotFound(f"Submission {tracking_id[:64]}", hint)
            return submissions.complete(tx, [found], now)[0]

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
            places=tuple(sorted(trackable(actor))),
            since=max(oldest, query.since or oldest),
            principal_id=actor.principal_id,
            now=now,
            file_name=query.file_name,
            application=query.application,
            state=query.state,
        )

    def _oldest(self, now: datetime) -> datetime:
        keeping = self._tools.keeping
        return archive.starts_before(now, keeping.tracking_days, keeping.zone)
