"""A processor's tests without a server: the harness hands submissions to a worker's handlers.

    harness = Harness(worker)
    handled = harness.submit("r4530/in", b"<filings-3070/>", name="x.xml")
    assert handled.outcome == "REJECTED"

No network, no threads, no waiting. What the handlers meet is the real Job, with the real retries.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from transom.client.errors import ClientError, RefusedByRule, Unreachable
from transom.client.values import Finding
from transom.connector.answers import Answer
from transom.connector.attempt import GivenBack, attempt
from transom.connector.errors import LeaseLost
from transom.connector.gateway import BLOCK, Lease, Parcel, Published
from transom.connector.job import Job
from transom.connector.worker import Worker

Step = Literal["content", "acknowledge", "publish"]
"""What a processor asks of the exchange, and what can be made to fail."""

SUBMITTED_AT = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one submission.

    `outcome` is ACCEPTED, PARTIALLY_REJECTED, REJECTED, or "" when there is no answer: then it
    would be offered again after `again_after` seconds, and `fault` is what the handler raised.
    `published` has every file that was published for it, by path: "0001/r4530/out/feedback.xml".
    """

    outcome: str
    findings: tuple[Finding, ...]
    published: dict[str, bytes]
    acknowledged: bool
    again_after: int | None
    fault: Exception | None


class Harness:
    """Hands submissions to a worker's handlers, one at a time, and tells what became of each.

    `submitted_at` is when all of them were submitted.
    """

    def __init__(self, worker: Worker, submitted_at: datetime = SUBMITTED_AT) -> None:
        self._worker = worker
        self._submitted_at = submitted_at
        self._count = 0
        self._failures: dict[Step, deque[ClientError | None]] = defaultdict(deque)
        self._cuts: deque[int] = deque()
        self.pauses: list[float] = []
        """Seconds that the handlers would have waited between tries."""

    def submit(
        self,
        place: str,
        content: bytes | Path,
        *,
        org: str = "0001",
        name: str = "file.xml",
        again: bool = False,
    ) -> Handled:
        """Have a file handled that a firm submits to "r4530/in".

        With `again` the first run's answer is lost and the submission is offered once more: what
        comes back is of the second run, and a file published by both is one file.

        Raises:
            ValueError: nobody handles this place.
        """
        if place not in self._worker.handlers:
            raise ValueError(f"no handler for {place}; there are {sorted(self._worker.handlers)}")
        gateway = _Memory(content, self._failures, self._cuts)
        self._count += 1
        application, _, sub_space = place.partition("/")
        first = Lease(
            tracking_id=f"00000000-0000-4000-8000-{self._count:012}",
            number=1,
            acknowledged=False,
            org=org,
            application=application,
            sub_space=sub_space,
            file_name=name,
            size=gateway.size,
            sha256=gateway.sha256,
            user_name=f"{org}ftp01",
            submitted_at=self._submitted_at,
        )
        return self._handle(first, gateway, runs=2 if again else 1)

    def fail(self, step: Step, *failures: ClientError) -> None:
        """Have the next calls of a step fail, one after the other; once by default: no answer."""
        self._failures[step] += failures or (Unreachable("No answer from the harness."),)

    def lose_lease(self, step: Step) -> None:
        """Have the lease be over by the next call of a step."""
        self._failures[step].append(None)

    def cut_content(self, *after_bytes: int) -> None:
        """Have the next readings of content break off, each after so many bytes."""
        self._cuts += after_bytes

    def _handle(self, lease: Lease, gateway: _Memory, runs: int) -> Handled:
        handler = self._worker.handlers[f"{lease.application}/{lease.sub_space}"]
        for number in range(1, runs + 1):
            offered = replace(lease, number=number, acknowledged=gateway.acknowledged)
            job = gateway.job = Job(offered, gateway, self.pauses.append)
            done = attempt(handler, job, self._worker.pace.max_attempts)
            job.cancel()
        return gateway.handled(done)


@dataclass(slots=True)
class _Memory:
    """The exchange, as far as one submission's handler can see it."""

    content_of: bytes | Path
    failures: dict[Step, deque[ClientError | None]]
    cuts: deque[int]
    job: Job = field(init=False)
    acknowledged: bool = False
    published: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, Parcel] = field(default_factory=dict)
    size: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        with self._opened() as source:
            while block := source.read(BLOCK):
                self.size += len(block)
                digest.update(block)
        self.sha256 = digest.hexdigest()

    def handled(self, done: Answer | GivenBack) -> Handled:
        if isinstance(done, GivenBack):
            after, fault = done.after_seconds, done.fault
            return Handled("", (), self.published, self.acknowledged, after, fault)
        return Handled(
            done.outcome,
            done.findings,
            self.published,
            acknowledged=True,
            again_after=None,
            fault=None,
        )

    @contextmanager
    def content(self, tracking_id: str, start: int) -> Iterator[Iterator[bytes]]:  # noqa: ARG002
        self._step("content")
        cut = self.cuts.popleft() if self.cuts else None
        with self._opened() as source:
            source.seek(start)
            yield _read(source, cut)

    def acknowledge(self, tracking_id: str, number: int) -> None:  # noqa: ARG002
        self._step("acknowledge")
        self.acknowledged = True

    def publish(self, parcel: Parcel, content: BinaryIO) -> tuple[Published, ...]:
        self._step("publish")
        before = self.keys.setdefault(parcel.key, parcel)
        if before != parcel:
            raise RefusedByRule("This key published something else.", code="wrong_state")
        data = content.read()
        space = f"{parcel.application}/{parcel.sub_space}"
        self.published |= {f"{org}/{space}/{parcel.name}": data for org in parcel.orgs}
        return tuple(
            Published(f"{org}/{space}", parcel.name, parcel.size, parcel.sha256)
            for org in parcel.orgs
        )

    def _opened(self) -> BinaryIO:
        if isinstance(self.content_of, bytes):
            return io.BytesIO(self.content_of)
        return self.content_of.open("rb")

    def _step(self, step: Step) -> None:
        if not self.failures[step]:
            return
        failure = self.failures[step].popleft()
        if failure is not None:
            raise failure
        self.job.cancel()
        raise LeaseLost(self.job.tracking_id)


def _read(source: BinaryIO, cut: int | None) -> Iterator[bytes]:
    left = cut
    while block := source.read(BLOCK if left is None else min(BLOCK, left)):
        left = None if left is None else left - len(block)
        yield block
    if left is not None:
        raise Unreachable("The harness cut the line.")
