"""Retention: end what has come to its end, and remove what nobody names. Never early.

Deletion trusts no jump of the machine's clock: while the process lives, the instant that retention
goes by never runs faster than the monotonic clock. A sandbox that moves the exchange's own time is
not a jump. A start with the clock far ahead of the last thing recorded is trusted no more than an
absence of three days.

Every ending is audited in the transaction that makes it; batches are bounded, and a sweep that dies
is taken up by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Connection

from transom.core.tools import Tools
from transom.core.uploads import BROKEN_OFF
from transom.domain import archive
from transom.domain.entitlement import Actor, PrincipalKind, Rights
from transom.domain.holding import HOLD_LIFE
from transom.domain.submission import AccessMethod, State, Submission
from transom.ports import Clock
from transom.records import (
    audit,
    grants,
    identities,
    leases,
    listings,
    parts,
    sessions,
    submissions,
)
from transom.records.database import Database

BATCH = 500
ORPHAN_GRACE = timedelta(hours=24)
REQUEST_LIFE = timedelta(hours=24)
KEY_LIFE = timedelta(hours=24)
PARTS_LIFE = timedelta(days=7)
"""An upload in parts to which none came for so long is abandoned."""
PARTS_GRACE = timedelta(hours=1)
"""Whoever has just ended an upload in parts clears up himself."""
SESSION_GRACE = timedelta(hours=1)
"""A worker that stood still finds its sessions again, and renews them."""
LONGEST_ABSENCE = timedelta(days=3)

_UNUSED = "the signed URL expired unused"
_BROKEN_OFF = "the upload broke off and was not repeated"
_NOT_COMPLETED = "it was not completed within 7 days after its last part"
_NOT_RENAMED = "it was not renamed within 24 hours"

_Stale = Callable[[Connection, datetime, int], list[Submission]]

SYSTEM = Actor("system", "system", PrincipalKind.SYSTEM, "", Rights())
"""The exchange itself, as the doer of what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, in counts."""

    listings: int = 0
    blobs: int = 0
    orphans: int = 0
    staged: int = 0
    requests: int = 0
    held: int = 0
    multiparts: int = 0
    parts: int = 0
    submissions: int = 0
    tokens: int = 0
    sessions: int = 0


class SteadyClock:
    """The exchange's time, held back when the machine's clock has jumped forward."""

    def __init__(self, clock: Clock, last_known: datetime | None = None) -> None:
        self._clock = clock
        self._wall = clock.wall()
        if last_known is not None:
            moved = clock.now() - self._wall
            self._wall = min(self._wall, last_known - moved + LONGEST_ABSENCE)
        self._monotonic = clock.monotonic()

    @property
    def behind(self) -> timedelta:
        """How far it is held back now."""
        return self._clock.now() - self.now()

    def now(self) -> datetime:
        """An instant that is never ahead of the time that truly passed since the start."""
        wall = self._clock.wall()
        passed = timedelta(seconds=self._clock.monotonic() - self._monotonic)
        moved = self._clock.now() - wall
        return min(wall, self._wall + passed) + moved


class Retention:
    """Sweeps both databases and the blob store."""

    def __init__(self, tools: Tools, identity: Database) -> None:
        self._tools = tools
        self._identity = identity
        self._steady = SteadyClock(tools.clock)

    def recall(self) -> timedelta:
        """Learn from the records when the exchange last ran; call it before recording anything.

        Returns:
            How far retention is held back because the clock is further ahead than an absence would
            explain. The next start, if the clock is right, makes good for it.

        Raises:
            Unavailable
        """
        with self._tools.database.reading() as tx:
            last = audit.latest(tx)
        self._steady = SteadyClock(self._tools.clock, last)
        return self._steady.behind

    def sweep(self) -> Swept:
        """Do everything that is due now, in bounded batches. May be repeated and run twice at once.

        Raises:
            Unavailable: what was done stays done; the rest is done next time.
        """
        now = self._steady.now()
        return Swept(
            held=self._abandon(now, HOLD_LIFE, submissions.stale_held),  # before their blobs go
            listings=self._end_listings(now),
            blobs=self._remove_unlisted(),
            orphans=self._remove_orphans(),
            staged=self._remove_stale_staging(),
            requests=self._abandon(now, REQUEST_LIFE, submissions.stale_requests),
            multiparts=self._abandon(now, PARTS_LIFE, submissions.stale_multiparts, _NOT_COMPLETED),
            parts=self._remove_parts(now),
            submissions=self._forget_submissions(now),
            tokens=self._forget_grants(now),
            sessions=self._forget_sessions(now),
        )

    def _end_listings(self, now: datetime) -> int:
        ended = 0
        while True:
            with self._tools.database.transaction() as tx:
                due = listings.due(tx, now, BATCH)
                gone = [each for each in due if listings.end(tx, each.id, now)]
                for each in gone:
                    what = f"{each.place}/{each.name}"
                    self._note(tx, "retention.ended", what, each.tracking_id)
            ended += len(gone)
            if len(due) < BATCH:
                return ended

    def _remove_unlisted(self) -> int:
        """Remove blobs that nobody needs: first the record, then the bytes.

        A crash between the two leaves an orphan, which the next sweep of orphans takes.
        """
        removed = 0
        while True:
            with self._tools.database.transaction() as tx:
                found = listings.nobodys_blobs(tx, BATCH)
                gone = [each for each in found if listings.forget_blob(tx, each.key)]
                for each in gone:
                    self._note(tx, "retention.deleted", each.key, sha256=each.sha256)
            for each in gone:
                self._tools.blobs.delete(each.key)
            removed += len(gone)
            if len(found) < BATCH or not gone:
                return removed

    def _remove_orphans(self) -> int:
        """Remove bytes without a record: what a crash between sealing and the commit point left."""
        removed = 0
        old = (
            each.key
            for each in self._tools.blobs.keys()  # noqa: SIM118 - a store, not a dict
            if self._older(each.modified_at, ORPHAN_GRACE)
        )
        for keys in _batches(old):
            with self._tools.database.transaction() as tx:
                orphans = set(keys) - listings.known_blobs(tx, keys)
                for key in sorted(orphans):
                    self._note(tx, "retention.orphan_deleted", key)
            for key in orphans:
                self._tools.blobs.delete(key)
            removed += len(orphans)
        return removed

    def _remove_stale_staging(self) -> int:
        stale = [
            each.key
            for each in self._tools.blobs.keys(staged=True)
            if self._older(each.modified_at, ORPHAN_GRACE)
        ]
        return sum(self._tools.blobs.discard_staged(key) for key in stale)

    def _remove_parts(self, now: datetime) -> int:
        """Remove parts of uploads that have ended: swept, or ended by what died over it."""
        removed = 0
        while True:
            with self._tools.database.transaction() as tx:
                found = parts.left_behind(tx, now - PARTS_GRACE, BATCH)
                parts.remove(tx, found)
            for each in found:
                self._tools.blobs.delete(each.blob_key)
            removed += len(found)
            if len(found) < BATCH:
                return removed

    def _older(self, modified_at: datetime, grace: timedelta) -> bool:
        """Whether bytes were last written longer ago than that, by the store's own clock."""
        moved = self._tools.clock.now() - self._tools.clock.wall()
        return modified_at < self._steady.now() - moved - grace

    def _abandon(self, now: datetime, life: timedelta, stale: _Stale, why: str = "") -> int:
        abandoned = 0
        while True:
            with self._tools.database.transaction() as tx:
                found = stale(tx, now - life, BATCH)
                for each in found:
                    reason = why or _reason(each)
                    submissions.mark_abandoned(tx, each.tracking_id, reason, each.bytes_seen, now)
                    what = f"{each.place}/{each.name}"
                    self._note(tx, "upload.abandoned", what, each.tracking_id, reason=reason)
            abandoned += len(found)
            if len(found) < BATCH:
                return abandoned

    def _forget_submissions(self, now: datetime) -> int:
        keeping = self._tools.keeping
        oldest = archive.starts_before(now, keeping.tracking_days, keeping.zone)
        forgotten = 0
        while True:
            with self._tools.database.transaction() as tx:
                gone = submissions.forget_before(tx, oldest, BATCH)
                leases.forget(tx, gone)
                for tracking_id in gone:
                    self._note(tx, "tracking.forgotten", tracking_id, tracking_id)
            forgotten += len(gone)
            if len(gone) < BATCH:
                break
        while True:
            with self._tools.database.transaction() as tx:
                ended = listings.forget_ended(tx, oldest, BATCH)
            if ended < BATCH:
                break
        with self._tools.database.transaction() as tx:
            submissions.sweep_idempotency(tx, now - KEY_LIFE)
        return forgotten

    def _forget_grants(self, now: datetime) -> int:
        with self._identity.transaction() as tx:
            identities.sweep_sign_in(tx, now)
            grants.sweep_rates(tx, now)
            return grants.sweep(tx, now)

    def _forget_sessions(self, now: datetime) -> int:
        with self._tools.database.transaction() as tx:
            return sessions.sweep(tx, now - SESSION_GRACE)

    def _note(
        self, tx: Connection, action: str, what: str, tracking_id: str = "", **facts: object
    ) -> None:
        audit.add(tx, self._tools.entry(SYSTEM, action, what, tracking_id, **facts))


def _reason(of: Submission) -> str:
    """Why a submission that nobody finished is abandoned."""
    if of.state is State.HELD:
        return _NOT_RENAMED
    if of.client.method in (AccessMethod.SFTP, AccessMethod.S3):
        return BROKEN_OFF
    return _BROKEN_OFF if of.bytes_seen else _UNUSED


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        yield batch
