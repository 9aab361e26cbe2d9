"""Hand-off: an application claims submissions, acknowledges them, and answers.

At least once: a lease that runs out is offered again, with a higher fencing number, so a holder
that comes back too late is told. Every call may be repeated; the tracking id is the key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core.downloads import Download
from transom.core.tools import Tools, is_tracking_id
from transom.core.tracking import Position
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, NotFound, Unavailable, WrongState
from transom.domain.listing import Listing
from transom.domain.permission import require_process
from transom.domain.space import Direction
from transom.domain.submission import OUTCOMES, Finding, State, Submission
from transom.records import audit, leases, listings, spaces, submissions
from transom.records.leases import LeaseRow, LeaseState

MAX_CLAIM = 100
LONGEST_LEASE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """What an application asks for: how many, for how long, from where.

    No sub-spaces means all where firms submit. `owed` asks for what was acknowledged, never
    answered, and left by who held it. With a key the same claim may be repeated.
    """

    application: str
    limit: int
    lease: timedelta
    sub_spaces: tuple[str, ...] = ()
    owed: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A submission in the hands of its application; `fence` and `holder` prove whose it is.

    `until` is None for one that was left without an end.
    """

    submission: Submission
    fence: int
    until: datetime | None
    holder: str
    offered_at: datetime
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application says of a submission. `acknowledge` takes it over in the same step."""

    outcome: State
    findings: tuple[Finding, ...] = ()
    acknowledge: bool = False


class HandOff:
    """What an application's own account may do."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def claim(self, actor: Actor, asked: Claim) -> tuple[Lease, ...]:
        """Lease the oldest waiting submissions to an application, oldest first.

        Fewer than the limit, or none, when fewer wait. A lease not acknowledged within its time is
        offered again, so an application sees each tracking id at least once. With a key, a repeat
        gives what the first gave, as long as that is still held.

        Raises:
            NotEntitled: the actor does not speak for this application.
            BadParameter: the limit (1 to 100), the lease (up to 24 hours) or a sub-space.
            Unavailable: nothing was leased.
        """
        require_process(actor, asked.application)
        _check_lease(asked.lease)
        if not 1 <= asked.limit <= MAX_CLAIM:
            raise BadParameter("limit", f"from 1 to {MAX_CLAIM}")
        now = self._tools.clock.now()
        with self._tools.database.reading() as tx:
            wanted = leases.Claim(
                holder=actor.principal_id,
                application=asked.application,
                sub_spaces=self._inbound(tx, asked),
                limit=asked.limit,
                now=now,
                until=now + asked.lease,
                key=asked.key,
                owed=asked.owed,
            )
            before = leases.claimed_before(tx, wanted) if asked.key else []
            # Most looks find nothing: they must not take their turn among those that write.
            if before or not leases.is_claimable(tx, wanted):
                return _leases(tx, before)
        with self._tools.database.transaction() as tx:
            before = leases.claimed_before(tx, wanted) if asked.key else []
            return _leases(tx, before or leases.claim(tx, wanted))

    def owed(
        self, actor: Actor, application: str, after: Position | None = None, limit: int = MAX_CLAIM
    ) -> list[Lease]:
        """What was acknowledged and not answered, by whomever, oldest first; at most limit.

        Raises:
            NotEntitled: the actor does not speak for this application.
            BadParameter: the limit is not from 1 to 100.
            Unavailable
        """
        require_process(actor, application)
        if not 1 <= limit <= MAX_CLAIM:
            raise BadParameter("limit", f"from 1 to {MAX_CLAIM}")
        with self._tools.database.reading() as tx:
            everywhere = self._inbound(tx, Claim(application, limit, LONGEST_LEASE))
            position = None if after is None else (after.at, after.tracking_id)
            return list(_leases(tx, leases.owed(tx, application, everywhere, position, limit)))

    def _inbound(self, tx: Connection, asked: Claim) -> tuple[str, ...]:
        """The sub-spaces that a claim is for: those it names, or all where firms submit."""
        application = spaces.catalogue(tx).applications.get(asked.application)
        found = application.sub_spaces.values() if application else ()
        inbound = {each.name for each in found if each.direction is Direction.INBOUND}
        for name in asked.sub_spaces:
            if name not in inbound:
                known = ", ".join(sorted(inbound)) or "none"
                raise BadParameter("subSpaces", f"firms submit to {known}")
        return tuple(sorted(set(asked.sub_spaces) or inbound))

    def listen(self, application: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Have something called, from any thread, each time something is offered in this process.

        Returns:
            What ends it.
        """
        return self._tools.doorbell.listen(application, callback)

    def received(self, actor: Actor, tracking_id: str) -> Listing:
        """The file of a submission, for its application, as long as its bytes are kept.

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
        return Listing(
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

    def content(
        self, actor: Actor, tracking_id: str, start: int = 0, length: int | None = None
    ) -> Download:
        """The bytes of a submission, from start, for length bytes.

        Raises:
            as received()
        """
        shown = self.received(actor, tracking_id)
        return Download(shown, self._tools.blobs.open(shown.blob_key, start, length))

    def extend(self, actor: Actor, tracking_id: str, fence: int, lease: timedelta) -> datetime:
        """Lengthen a running lease from now, and say until when.

        It goes on after the acknowledgement, where it tells that somebody is still at it.

        Raises:
            BadParameter: the lease (up to 24 hours) is out of range.
            NotFound: no such hand-off for this actor.
            WrongState: the lease is another's by now, or the submission was answered.
            Unavailable
        """
        _check_lease(lease)
        until = self._tools.clock.now() + lease
        with self._tools.database.transaction() as tx:
            self._mine(tx, actor, tracking_id)
            row = self._held(tx, actor, tracking_id, fence)
            if row.state is LeaseState.ANSWERED:
                raise WrongState(f"Submission {tracking_id}", "answered", "not answered")
            leases.extend(tx, tracking_id, until)
        return until

    def acknowledge(self, actor: Actor, tracking_id: str, fence: int) -> Submission:
        """Take a leased submission over: it leaves its inbound sub-space. May be repeated.

        Raises:
            NotFound: no such hand-off for this actor.
            WrongState: the submission is not leased by this actor, or was leased again since.
            Unavailable: nothing happened, or it cannot be told; repeat it.
        """
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            submission = self._mine(tx, actor, tracking_id)
            row = self._held(tx, actor, tracking_id, fence)
            if row.state is LeaseState.LEASED:
                self._take(tx, actor, submission, now)
            return _submission(tx, tracking_id)

    def _take(self, tx: Connection, actor: Actor, submission: Submission, now: datetime) -> None:
        leases.acknowledge(tx, submission.tracking_id)
        submissions.mark_taken(tx, submission.tracking_id, now)
        listings.end_inbound(tx, submission.tracking_id, now)
        self._note(tx, actor, "handoff.acknowledged", submission)

    def report(self, actor: Actor, tracking_id: str, fence: int, answer: Answer) -> Submission:
        """Answer an acknowledged submission, once; repeating the same answer changes nothing.

        Raises:
            BadParameter: the outcome is not accepted, partially_rejected or rejected.
            NotFound: no such hand-off for this actor.
            WrongState: not acknowledged under this lease, or answered otherwise before.
            Unavailable: nothing happened, or it cannot be told; repeat it.
        """
        if answer.outcome not in OUTCOMES:
            raise BadParameter("outcome", "accepted, partially_rejected or rejected")
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            submission = self._mine(tx, actor, tracking_id)
            row = self._held(tx, actor, tracking_id, fence)
            if row.state is LeaseState.ANSWERED:
                return _same(tx, tracking_id, answer, now)
            if row.state is LeaseState.LEASED:
                if not answer.acknowledge:
                    raise WrongState(f"Submission {tracking_id}", "leased", "acknowledged")
                self._take(tx, actor, submission, now)
            submissions.mark_answered(tx, tracking_id, answer.outcome, answer.findings, now)
            leases.answer(tx, tracking_id)
            facts = {"outcome": answer.outcome, "found": len(answer.findings)}
            self._note(tx, actor, "handoff.answered", submission, **facts)
            return _submission(tx, tracking_id)

    def release(
        self, actor: Actor, tracking_id: str, fence: int, after: timedelta = timedelta(0)
    ) -> Submission:
        """Give a lease back; the submission can be claimed again after that time. May be repeated.

        One that was acknowledged can be claimed again as owed.

        Raises:
            BadParameter: the time is negative, or longer than 24 hours.
            NotFound: no such hand-off for this actor.
            WrongState: the lease is another's by now, or the submission was answered.
            Unavailable
        """
        if not timedelta(0) <= after <= LONGEST_LEASE:
            raise BadParameter("afterSeconds", "from 0 to 86400")
        with self._tools.database.transaction() as tx:
            submission = self._mine(tx, actor, tracking_id)
            row = leases.find(tx, tracking_id)
            if row is not None and row.fence == fence and row.holder == "":
                return submission  # released before, and nobody has it yet
            if self._held(tx, actor, tracking_id, fence).state is LeaseState.ANSWERED:
                raise WrongState(f"Submission {tracking_id}", "answered", "not answered")
            leases.release(tx, tracking_id, self._tools.clock.now() + after)
            self._note(tx, actor, "handoff.released", submission)
        if not after:
            self._tools.doorbell.ring(submission.place.application)
        return submission

    def _mine(self, tx: Connection, actor: Actor, tracking_id: str) -> Submission:
        found = submissions.find(tx, tracking_id) if is_tracking_id(tracking_id) else None
        if found is None or found.place.application not in actor.rights.processes:
            raise NotFound(f"Submission {tracking_id[:64]}")
        return found

    def _held(self, tx: Connection, actor: Actor, tracking_id: str, fence: int) -> LeaseRow:
        row = leases.find(tx, tracking_id)
        if row is None or row.state is LeaseState.WAITING:
            raise WrongState(f"Submission {tracking_id}", "not leased", "leased")
        if (row.fence, row.holder) != (fence, actor.principal_id):  # neither is told to others
            raise WrongState(f"Lease {fence} of {tracking_id}", "over or another's", "running")
        return row

    def _note(
        self, tx: Connection, actor: Actor, action: str, of: Submission, **facts: object
    ) -> None:
        what = f"{of.place}/{of.name}"
        audit.add(tx, self._tools.entry(actor, action, what, of.tracking_id, **facts))


def _check_lease(lease: timedelta) -> None:
    if not timedelta(0) < lease <= LONGEST_LEASE:
        raise BadParameter("leaseSeconds", "from 1 to 86400")


def _submission(tx: Connection, tracking_id: str) -> Submission:
    found = submissions.find(tx, tracking_id)
    if found is None:
        raise NotFound(f"Submission {tracking_id}")
    return found


def _leases(tx: Connection, held: Sequence[LeaseRow]) -> tuple[Lease, ...]:
    found = submissions.find_all(tx, [row.tracking_id for row in held])
    return tuple(
        Lease(
            found[row.tracking_id],
            row.fence,
            row.leased_until,
            row.holder,
            row.offered_at,
            acknowledged=row.state is LeaseState.ACKNOWLEDGED,
        )
        for row in held
        if row.tracking_id in found
    )


def _same(tx: Connection, tracking_id: str, answer: Answer, now: datetime) -> Submission:
    """The submission as it was answered, when it was answered just so."""
    (found,) = submissions.complete(tx, [_submission(tx, tracking_id)], now)
    if (found.state, found.findings) != (answer.outcome, answer.findings):
        raise WrongState(f"Submission {tracking_id}", f"{found.state} already", "not answered")
    return found
