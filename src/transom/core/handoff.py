"""Hand-off: an application claims submissions, acknowledges them, answers, and publishes results.

At least once: a lease that runs out is offered again, with a higher fencing number, so a holder
that comes back too late is told. Every call may be repeated; the tracking id is the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from transom.core.downloads import Download
from transom.core.tools import Tools, is_tracking_id
from transom.domain import archive
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, IncompleteUpload, NotFound, Unavailable, WrongState
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.permission import require_process
from transom.domain.space import Direction, SubSpace
from transom.domain.submission import OUTCOMES, Finding, State, Submission
from transom.records import audit, identities, leases, listings, spaces, submissions
from transom.records.database import Database
from transom.records.leases import LeaseRow, LeaseState

MAX_CLAIM = 100
LONGEST_LEASE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Lease:
    """A submission in the hands of its application until `until`; `fence` proves whose it is."""

    submission: Submission
    fence: int
    until: datetime


class HandOff:
    """What an application's own account may do."""

    def __init__(self, tools: Tools, identity: Database) -> None:
        self._tools = tools
        self._identity = identity

    def claim(
        self, actor: Actor, application: str, limit: int, lease: timedelta
    ) -> tuple[Lease, ...]:
        """Lease the oldest waiting submissions to an application, oldest first.

        At most limit (1 to 100); fewer, or none, when fewer wait. A lease not acknowledged within
        its time is offered again, so an application sees each tracking id at least once.

        Raises:
            NotEntitled: the actor does not speak for this application.
            BadParameter: the limit, or the lease (up to 24 hours), is out of range.
            Unavailable: nothing was leased.
        """
        require_process(actor, application)
        _check_lease(lease)
        if not 1 <= limit <= MAX_CLAIM:
            raise BadParameter("limit", f"from 1 to {MAX_CLAIM}")
        now = self._tools.clock.now()
        until = now + lease
        with self._tools.database.transaction() as tx:
            held = leases.claim(tx, application, actor.principal_id, limit, now, until)
            return tuple(Lease(_submission(tx, row.tracking_id), row.fence, until) for row in held)

    def wait(self, application: str, heard: int, seconds: float) -> bool:
        """Wait until something was offered since `heard` rings; False when the time ran out."""
        return self._tools.doorbell.wait(application, heard, seconds)

    def rings(self, application: str) -> int:
        """How often something was offered in this process; for wait()."""
        return self._tools.doorbell.rings(application)

    def content(
        self, actor: Actor, tracking_id: str, start: int = 0, length: int | None = None
    ) -> Download:
        """The bytes of a submission, for its application, as long as they are kept.

        Raises:
            NotFound: no such submission of an application that the actor speaks for, or its bytes
                have ended.
            Unavailable
        """
        with self._tools.database.reading() as tx:
            submission = self._mine(tx, actor, tracking_id)
            key = submissions.blob_key_of(tx, tracking_id)
            damaged = key is not None and listings.is_damaged(tx, key)
        if damaged:
            raise Unavailable("file's content")
        if key is None:
            raise NotFound(f"Submission {tracking_id}")
        shown = Listing(
            id="",
            direction=Direction.INBOUND,
            place=submission.place,
            name=submission.name,
            blob_key=key,
            size=submission.size or 0,
            sha256=submission.sha256 or "",
            tracking_id=tracking_id,
            listed_at=submission.submitted_at,
        )
        return Download(shown, self._tools.blobs.open(key, start, length))

    def extend(self, actor: Actor, tracking_id: str, fence: int, lease: timedelta) -> datetime:
        """Lengthen a running lease from now, and say until when.

        Raises:
            BadParameter: the lease (up to 24 hours) is out of range.
            NotFound: no such hand-off for this actor.
            WrongState: the lease is another's by now, or the submission was acknowledged.
            Unavailable
        """
        _check_lease(lease)
        until = self._tools.clock.now() + lease
        with self._tools.database.transaction() as tx:
            self._mine(tx, actor, tracking_id)
            if not leases.extend(tx, tracking_id, fence, until):
                raise WrongState(f"Lease {fence} of {tracking_id}", "over", "running")
        return until

    def acknowledge(self, actor: Actor, tracking_id: str, fence: int) -> Submission:
        """Take a leased submission over: it leaves its inbound sub-space. May be repeated.

        Raises:
            NotFound: no such hand-off for this actor.
            WrongState: the submission is not leased, or was leased again since.
            Unavailable: nothing happened, or it cannot be told; repeat it.
        """
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            submission = self._mine(tx, actor, tracking_id)
            row = self._held(tx, tracking_id, fence)
            if row.state is LeaseState.LEASED:
                leases.move(tx, tracking_id, fence, LeaseState.ACKNOWLEDGED)
                submissions.mark_taken(tx, tracking_id, now)
                listings.end_inbound(tx, tracking_id, now)
                self._note(tx, actor, "handoff.acknowledged", submission)
            return _submission(tx, tracking_id)

    def report(
        self,
        actor: Actor,
        tracking_id: str,
        fence: int,
        outcome: State,
        findings: Sequence[Finding] = (),
    ) -> Submission:
        """Answer an acknowledged submission, once; repeating the same outcome changes nothing.

        Raises:
            BadParameter: the outcome is not accepted, partially_rejected or rejected.
            NotFound: no such hand-off for this actor.
            WrongState: not acknowledged under this lease, or answered otherwise before.
            Unavailable: nothing happened, or it cannot be told; repeat it.
        """
        if outcome not in OUTCOMES:
            raise BadParameter("outcome", "accepted, partially_rejected or rejected")
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            self._mine(tx, actor, tracking_id)
            row = self._held(tx, tracking_id, fence)
            if row.state is LeaseState.LEASED:
                raise WrongState(f"Submission {tracking_id}", "leased", "acknowledged")
            submission = _submission(tx, tracking_id)  # as it stands now that the row is ours
            if row.state is LeaseState.ANSWERED and submission.state is not outcome:
                raise WrongState(f"Submission {tracking_id}", submission.state, State.RECEIVED)
            if row.state is LeaseState.ACKNOWLEDGED:
                submissions.mark_answered(tx, tracking_id, outcome, findings, now)
                leases.move(tx, tracking_id, fence, LeaseState.ANSWERED)
                self._note(
                    tx, actor, "handoff.answered", submission, outcome=outcome, found=len(findings)
                )
            return _submission(tx, tracking_id)

    def publish(self, actor: Actor, place: Place, name: FileName, about: str = "") -> Publication:
        """Begin to publish a file into an outbound sub-space of an organization.

        `about` is the tracking id that the file answers, or "". In an open set the sub-space is
        opened by the first file.

        Raises:
            NotEntitled: the actor does not speak for this application.
            NotFound: no such organization, outbound sub-space, or submission to answer.
            StorageFull, Unavailable
        """
        require_process(actor, place.application)
        with self._tools.database.reading() as tx:
            application = spaces.catalogue(tx).applications.get(place.application)
            if about:
                self._mine(tx, actor, about)
        with self._identity.reading() as tx:
            known = identities.kinds(tx, [place.org])
        if application is None or place.org not in known:
            raise NotFound(str(place))
        named = application.sub_spaces.get(place.sub_space)
        space = named or application.opened(place.sub_space)
        if space is None or space.direction is not Direction.OUTBOUND:
            raise NotFound(str(place))
        target = _Target(space, about, opens=named is None)
        return Publication(self._tools, actor, place, name, target)

    def _mine(self, tx: Connection, actor: Actor, tracking_id: str) -> Submission:
        found = submissions.find(tx, tracking_id) if is_tracking_id(tracking_id) else None
        if found is None or found.place.application not in actor.rights.processes:
            raise NotFound(f"Submission {tracking_id[:64]}")
        return found

    def _held(self, tx: Connection, tracking_id: str, fence: int) -> LeaseRow:
        row = leases.find(tx, tracking_id)
        if row is None or row.state is LeaseState.WAITING:
            raise WrongState(f"Submission {tracking_id}", "not leased", "leased")
        if row.fence != fence:
            raise WrongState(f"Lease {fence} of {tracking_id}", "over", f"lease {row.fence}")
        return row

    def _note(
        self, tx: Connection, actor: Actor, action: str, of: Submission, **facts: object
    ) -> None:
        what = f"{of.place}/{of.name}"
        audit.add(tx, self._tools.entry(actor, action, what, of.tracking_id, **facts))


def _check_lease(lease: timedelta) -> None:
    if not timedelta(0) < lease <= LONGEST_LEASE:
        raise BadParameter("lease", "more than nothing, at most 24 hours")


def _submission(tx: Connection, tracking_id: str) -> Submission:
    found = submissions.find(tx, tracking_id)
    if found is None:
        raise NotFound(f"Submission {tracking_id}")
    return found


@dataclass(frozen=True, slots=True)
class _Target:
    space: SubSpace
    about: str
    opens: bool


class Publication:
    """One result file on its way out. It ends in commit() or it never happened.

    Use it as a context manager: leaving the block without commit() throws the bytes away.
    """

    def __init__(
        self, tools: Tools, actor: Actor, place: Place, name: FileName, target: _Target
    ) -> None:
        self._tools = tools
        self._actor = actor
        self._place = place
        self._name = name
        self._target = target
        self._staged = tools.blobs.stage()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Place data at offset (bytes from the start).

        Raises:
            StorageFull, Unavailable: nothing will be published.
        """
        self._staged.write(offset, data)

    def commit(self) -> Listing:
        """List the file, all at once.

        Raises:
            IncompleteUpload: bytes are missing below the highest offset written.
            StorageFull, Unavailable: nothing was published, or, when the database failed at the
                very end, it cannot be told.
        """
        gap = self._staged.first_gap()
        if gap is not None:
            raise IncompleteUpload(self._target.about, gap)
        sealed = self._staged.seal_as(self._tools.entropy.blob_key())
        now, keeping = self._tools.clock.now(), self._tools.keeping
        days = self._target.space.retention_days
        listing = Listing(
            id=self._tools.entropy.uuid(),
            direction=Direction.OUTBOUND,
            place=self._place,
            name=self._name,
            blob_key=sealed.key,
            size=sealed.size,
            sha256=sealed.sha256,
            tracking_id=self._target.about,
            listed_at=now,
            ends_at=None if days is None else archive.ends_after(now, days, keeping.zone),
        )
        with self._tools.database.transaction() as tx:
            if self._target.opens:
                place = self._place
                spaces.open_space(tx, place.org, place.application, place.sub_space, now)
            listings.add_blob(tx, sealed, now)
            listings.add(tx, listing)
            what = f"{self._place}/{self._name}"
            facts = {"sha256": sealed.sha256, "size": sealed.size}
            entry = self._tools.entry(
                self._actor, "handoff.published", what, self._target.about, **facts
            )
            audit.add(tx, entry)
        return listing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._staged.discard()
