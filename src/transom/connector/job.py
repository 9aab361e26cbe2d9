"""A job: one submission in a processor's hands."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from transom.client.errors import (
    ClientError,
    NotComplete,
    NotSignedIn,
    RefusedByRule,
    Uncertain,
    Unreachable,
)
from transom.connector.backoff import pauses
from transom.connector.content import Content
from transom.connector.errors import LeaseLost, PublishedOtherwise
from transom.connector.gateway import BLOCK, JobGateway, Lease, Parcel, Published, is_over

PUBLISH_TRIES = 6
_IN_MEMORY_BYTES = 1 << 20


class Job:
    """What a processor is given. Its methods may be used by several threads of the processor.

    `size` is in bytes, `submitted_at` has the exchange's own offset. `attempt` counts how often
    the submission was given out, this time included; `acknowledged` is True where it was taken
    over before: by an earlier run, or by acknowledge().
    """

    def __init__(self, lease: Lease, gateway: JobGateway, pause: Callable[[float], None]) -> None:
        self.tracking_id = lease.tracking_id
        self.org = lease.org
        self.application = lease.application
        self.sub_space = lease.sub_space
        self.file_name = lease.file_name
        self.size = lease.size
        self.sha256 = lease.sha256
        self.user_name = lease.user_name
        self.submitted_at = lease.submitted_at
        self.attempt = lease.number
        self.acknowledged = lease.acknowledged
        self._lease = lease
        self._gateway = gateway
        self._pause = pause
        self._lost = False

    @property
    def cancelled(self) -> bool:
        """Whether working on is of no use: another holds it by now, or the worker is ending.

        Look at it in long loops; every method of the job raises LeaseLost from then on.
        """
        return self._lost

    def open(self) -> io.BufferedReader:
        """The content as a file to read, from its start; close it, or use it in a `with`.

        It comes over the network as it is read, and is resumed where the line was cut. Size and
        SHA-256 are verified before the end is told.

        Raises:
            LeaseLost
            ContentDamaged, ClientError: from reading it.
        """
        self._check()
        return io.BufferedReader(
            Content(self._gateway, self._lease, self._check, self._pause), BLOCK
        )

    def save(self, path: Path | str) -> Path:
        """The content as a file of this machine, verified; there is none when this raises."""
        target = Path(path)
        part = target.with_name(f"{target.name}.{self.tracking_id}.part")
        try:
            with self.open() as content, part.open("wb") as kept:
                while block := content.read(BLOCK):
                    kept.write(block)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def publish(
        self,
        sub_space: str,
        name: str,
        content: bytes | Path | BinaryIO,
        *,
        orgs: Sequence[str] | None = None,
        about: str | None = None,
    ) -> tuple[Published, ...]:
        """Publish a file into an outbound sub-space of this application.

        `orgs` are those that shall see it, all at the same moment (1 to 500); the submission's
        own when left out. `about` is the tracking id that it answers: this job's when left out,
        "" for none. A stream is read from where it stands.
        The same name in the same sub-space again, in this run or the next, publishes nothing more.

        Raises:
            LeaseLost
            PublishedOtherwise: an earlier run published this with other content.
            ClientError: the server refused, or was not reached in several tries.
        """
        wanted = tuple(orgs) if orgs is not None else (self.org,)
        said = self.tracking_id if about is None else about
        with _rewindable(content) as source:
            start = source.tell()
            size, sha256 = _measured(source)
            key = self._key(sub_space, name, wanted)
            parcel = Parcel(self.application, sub_space, name, wanted, said, size, sha256, key)
            return self._published(parcel, source, start)

    def acknowledge(self) -> None:
        """Take the submission over before it is answered: the firm sees RECEIVED.

        For work that takes hours. From here on a run that dies is repeated as *owed*.

        Raises:
            LeaseLost
            ClientError
        """
        self._check()
        try:
            self._gateway.acknowledge(self.tracking_id, self._lease.number)
        except ClientError as failure:
            if not is_over(failure):
                raise
            self.cancel()
            raise LeaseLost(self.tracking_id) from failure
        self.acknowledged = True

    @property
    def lease(self) -> Lease:
        """The lease that it is held by now."""
        return self._lease

    def take_on(self, lease: Lease) -> None:
        """Go on under a newer lease of the same submission."""
        self._lease = lease
        self.acknowledged = self.acknowledged or lease.acknowledged

    def cancel(self) -> None:
        """Have every further step raise LeaseLost."""
        self._lost = True

    def _check(self) -> None:
        if self._lost:
            raise LeaseLost(self.tracking_id)

    def _key(self, sub_space: str, name: str, orgs: tuple[str, ...]) -> str:
        """The same for every run of this submission: what was published is not published again."""
        parts = (self.tracking_id, self.application, sub_space, name, *sorted(orgs))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _published(self, parcel: Parcel, source: BinaryIO, start: int) -> tuple[Published, ...]:
        waiting = pauses()
        for number in range(1, PUBLISH_TRIES + 1):
            self._check()
            source.seek(start)
            try:
                return self._gateway.publish(parcel, source)
            except RefusedByRule as refusal:
                if refusal.code != "wrong_state":
                    raise
                raise PublishedOtherwise(self.tracking_id, parcel.name) from refusal
            except (Unreachable, NotComplete, Uncertain, NotSignedIn) as failure:
                if number == PUBLISH_TRIES or not _may_pass(failure):
                    raise
            self._pause(next(waiting))
        raise AssertionError  # the last try has returned or raised


def _may_pass(failure: ClientError) -> bool:
    """Whether a next try may do better; a token that ran out is renewed by it."""
    return not isinstance(failure, NotSignedIn) or failure.code == "invalid_token"


@contextmanager
def _rewindable(content: bytes | Path | BinaryIO) -> Iterator[BinaryIO]:
    """The content as a file that can be read twice."""
    if isinstance(content, bytes):
        yield io.BytesIO(content)
    elif isinstance(content, Path):
        with content.open("rb") as opened:
            yield opened
    elif content.seekable():
        yield content
    else:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as kept:
            while block := content.read(BLOCK):
                kept.write(block)
            kept.seek(0, os.SEEK_SET)
            yield kept  # type: ignore[misc] # a BinaryIO in all but name


def _measured(source: BinaryIO) -> tuple[int, str]:
    """How many bytes are left in it, and their SHA-256."""
    size, digest = 0, hashlib.sha256()
    while block := source.read(BLOCK):
        size += len(block)
        digest.update(block)
    return size, digest.hexdigest()
