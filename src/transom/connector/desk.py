"""One application's desk: claims what waits, and has each submission worked on by one hand."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transom.client.errors import ClientError, NotSignedIn, Unreachable
from transom.connector.answers import Answer
from transom.connector.attempt import GivenBack, Handler, attempt
from transom.connector.backoff import pauses
from transom.connector.gateway import Claim, Gateway, Lease, is_over, passes
from transom.connector.heartbeat import Heartbeat
from transom.connector.job import Job

_KEPT_ANSWERS = 100
_AGAIN_SECONDS = 5  # until what a hand of ours still holds, but lost, is offered again
_FULL_LOOK_SECONDS = 1.0
_ENDING_SECONDS = 1.0

_log = logging.getLogger("transom.connector")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a worker takes its time, in seconds unless it says otherwise.

    lease_seconds: how long a submission is ours without a heartbeat; after a crash, how long
        until somebody else takes it up
    wait_seconds: how long a claim waits at the server for something to come (0 to 60)
    owed_seconds: how often it looks for what was taken over and never answered
    grace_seconds: how long jobs in hand may go on when the worker is to end
    max_attempts: how many failures until a submission counts as stuck; it is tried on
    """

    lease_seconds: int = 60
    wait_seconds: int = 20
    owed_seconds: float = 300.0
    grace_seconds: float = 30.0
    max_attempts: int = 10


@dataclass(slots=True)
class Run:
    """What all desks of a running worker share: the link, and the wish that it ends.

    `trouble` is why a worker could not even begin.
    """

    gateway: Gateway
    stopping: threading.Event
    pace: Pace
    trouble: ClientError | None = None

    def pause(self, seconds: float) -> None:
        """Wait, or less when the worker is to end."""
        self.stopping.wait(seconds)


class Desk:
    """Serves one application: its handlers by sub-space, with so many hands."""

    def __init__(
        self, run: Run, application: str, handlers: Mapping[str, Handler], hands: int
    ) -> None:
        self._run = run
        self._application = application
        self._handlers = handlers
        self._hands = hands
        self._at_work: dict[str, Job] = {}
        self._answers: dict[str, Answer] = {}
        self._turn = threading.Condition()
        self._owed_due = time.monotonic()
        self._met = False

    def serve(self) -> None:
        """Claim and hand out until the worker is to end."""
        while not self._run.stopping.is_set():
            free = self._free_hands()
            if free:
                try:
                    self._take(free)
                except Exception:  # noqa: BLE001 - the boundary of one round
                    _log.exception("a round for %s broke", self._application)
                    self._run.pause(1.0)

    def idle(self, seconds: float) -> bool:
        """Wait until no job is in hand, at most so long; whether that is so."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._at_work, seconds)

    def abandon(self) -> None:
        """Give up what is in hand: nothing more is sent for it, and its lease runs out."""
        with self._turn:
            for job in self._at_work.values():
                _log.warning("not finished, and left to its lease: %s", job.tracking_id)
                job.cancel()

    # --- claiming --------------------------------------------------------------------------------

    def _free_hands(self) -> int:
        """How many hands are free; waits a while for one. Only serve() takes hands away."""
        with self._turn:
            self._turn.wait_for(lambda: len(self._at_work) < self._hands, _FULL_LOOK_SECONDS)
            return self._hands - len(self._at_work)

    def _take(self, free: int) -> None:
        pace = self._run.pace
        owed = time.monotonic() >= self._owed_due
        claim = Claim(
            application=self._application,
            sub_spaces=tuple(sorted(self._handlers)),
            limit=free,
            lease_seconds=pace.lease_seconds,
            wait_seconds=0 if owed else pace.wait_seconds,
            owed=owed,
            key=uuid.uuid4().hex,
        )
        asked_at = time.monotonic()
        leases = self._claimed(claim)
        if owed and len(leases) < free:
            self._owed_due = time.monotonic() + pace.owed_seconds
        for lease in leases:
            # What a claim waited is not taken off: a beat too early harms nobody.
            self._begin(lease, time.monotonic() - asked_at)

    def _claimed(self, claim: Claim) -> tuple[Lease, ...]:
        """What a claim gives, however often it must be repeated; nothing when it is time to end.

        The claim goes out with one key each time: if its answer was lost, the leases are not.
        """
        for pause in pauses():
            try:
                leases = self._run.gateway.claim(claim)
            except ClientError as failure:
                self._weigh(failure)
                self._run.pause(pause)
            else:
                self._met = True
                return leases
            if self._run.stopping.is_set():
                break
        return ()

    def _weigh(self, failure: ClientError) -> None:
        """End the worker where it never got in and trying again is of no use; else tell of it."""
        if not self._met and not passes(failure):
            self._run.trouble = failure
            self._run.stopping.set()
        elif not self._run.stopping.is_set():
            _log.warning("nothing can be claimed for %s: %s", self._application, failure)

    def _begin(self, lease: Lease, age: float) -> None:
        with self._turn:
            held = self._at_work.get(lease.tracking_id)
            if held is not None and held.cancelled:  # it is about to end, as a rule
                self._turn.wait_for(lambda: lease.tracking_id not in self._at_work, _ENDING_SECONDS)
                held = self._at_work.get(lease.tracking_id)
            ending = self._run.stopping.is_set()
            if held is None and not ending:
                self._start(lease, age)
                return
            if held is not None and not held.cancelled:
                held.take_on(lease)
                return
        self._release(lease, 0 if ending else _AGAIN_SECONDS)

    def _start(self, lease: Lease, age: float) -> None:
        job = Job(lease, self._run.gateway, self._run.pause)
        self._at_work[lease.tracking_id] = job
        name = f"{self._application} {lease.tracking_id}"
        threading.Thread(target=self._work, args=(job, age), name=name, daemon=True).start()

    # --- working ---------------------------------------------------------------------------------

    def _work(self, job: Job, age: float) -> None:
        pace = self._run.pace
        try:
            with Heartbeat(self._run.gateway, job, pace.lease_seconds, age):
                done = self._answer_to(job)
                if isinstance(done, GivenBack):
                    self._give_back(job, done.after_seconds)
                else:
                    self._report(job, done)
        except Exception:  # noqa: BLE001 - the boundary of one job
            _log.exception("a job broke: %s", job.tracking_id)
        finally:
            job.cancel()
            with self._turn:
                del self._at_work[job.tracking_id]
                self._turn.notify_all()

    def _answer_to(self, job: Job) -> Answer | GivenBack:
        """An answer that was found before and never arrived, or what the processor says now."""
        with self._turn:
            kept = self._answers.pop(job.tracking_id, None)
        if kept is not None:
            return kept
        return attempt(self._handlers[job.sub_space], job, self._run.pace.max_attempts)

    def _report(self, job: Job, answer: Answer) -> None:
        """Report until it is known to have arrived, or the submission is not ours any more."""
        for pause in pauses():
            if job.cancelled:
                break
            try:
                self._run.gateway.report(job.tracking_id, job.lease.number, answer)
            except (Unreachable, NotSignedIn) as failure:
                _log.warning("the answer to %s waits: %s", job.tracking_id, failure)
                time.sleep(pause)  # in the grace period too: it is what the grace is for
            except ClientError as failure:
                if is_over(failure):
                    break
                _log.exception("the answer to %s was refused", job.tracking_id)
                self._give_back(job, self._run.pace.lease_seconds)
                return
            else:
                _log.info("%s: %s", job.tracking_id, answer.outcome)
                return
        _log.warning("the lease of %s is over; its answer was not sent", job.tracking_id)
        self._keep(job.tracking_id, answer)

    def _keep(self, tracking_id: str, answer: Answer) -> None:
        """Remember an answer in case the submission comes back: the work is not done twice."""
        with self._turn:
            self._answers[tracking_id] = answer
            while len(self._answers) > _KEPT_ANSWERS:
                del self._answers[next(iter(self._answers))]

    def _give_back(self, job: Job, after_seconds: int) -> None:
        if job.cancelled:
            _log.warning("the lease of %s is over", job.tracking_id)
            return
        # It may be offered to us again before this job has ended, which must not take it on then.
        job.cancel()
        if job.acknowledged:
            # It cannot be offered anew; it is claimed as owed once its lease has run out.
            rest = max(1, after_seconds)
            gateway, number = self._run.gateway, job.lease.number
            self._try(job.tracking_id, lambda: gateway.heartbeat(job.tracking_id, number, rest))
        else:
            self._release(job.lease, after_seconds)

    def _release(self, lease: Lease, after_seconds: int) -> None:
        if lease.acknowledged:
            return  # owed: claimed again when its lease has run out
        gateway = self._run.gateway
        self._try(
            lease.tracking_id,
            lambda: gateway.release(lease.tracking_id, lease.number, after_seconds),
        )

    def _try(self, tracking_id: str, step: Callable[[], None]) -> None:
        """Do what the end of a lease would do as well, later."""
        try:
            step()
        except ClientError as failure:
            _log.warning("%s could not be given back: %s", tracking_id, failure)
