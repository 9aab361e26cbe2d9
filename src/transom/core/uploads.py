"""Uploads: the only way in, and the only commit.

Every upload has one life, whichever door it came through: *requested* when opened, *received* when
committed, *abandoned* otherwise. The blob is written first and never rewritten; the transaction
that names it is the commit point. See docs/explained/architecture.md for the crash rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from transom.core.tools import Tools
from transom.domain import archive
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import (
    AlreadySubmitted,
    BadParameter,
    IncompleteUpload,
    NotFound,
    Refused,
    StorageFull,
    TooLarge,
    Unavailable,
    WrongState,
)
from transom.domain.listing import Listing
from transom.domain.names import ARCHIVE_SUFFIX, FileName, Place
from transom.domain.permission import require
from transom.domain.space import Direction, Emptied, SubSpace
from transom.domain.submission import Client, Framing, State, Submission, require_move
from transom.ports import Sealed
from transom.records import audit, leases, listings, submissions
from transom.records.audit import Entry
from transom.records.submissions import Receipt, Remembered

_COPY_BYTES = 1 << 20


class _Superseded(Exception):
    """Inside commit(): the submission was not waiting for bytes any more."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A submission that waits for its bytes, and the instant its signed URL counts from."""

    submission: Submission
    signed_at: datetime


class Uploads:
    """Opens uploads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def request(
        self,
        actor: Actor,
        place: Place,
        name: FileName,
        client: Client,
        idempotency_key: str = "",
    ) -> Requested:
        """Open a submission whose bytes come later; with a key, the same one every time for 24 h.

        Raises:
            NotEntitled: the actor may not upload there, or there is no such place.
            BadParameter: the idempotency key was used for another request.
            Unavailable: nothing was opened.
        """
        space = require(actor, Action.UPLOAD, place)
        submission = self._new(actor, space, place, name, client)
        with self._tools.database.transaction() as tx:
            if idempotency_key:
                first = self._first(tx, actor, idempotency_key, submission)
                if first is not None:
                    return first
            submissions.add(tx, submission)
            audit.add(tx, _audited(self._tools, actor, "upload.requested", submission))
        return Requested(submission, self._tools.clock.wall())

    def _new(
        self, actor: Actor, space: SubSpace, place: Place, name: FileName, client: Client
    ) -> Submission:
        now = self._tools.clock.now()
        return Submission(
            tracking_id=self._tools.entropy.uuid(),
            principal_id=actor.principal_id,
            user_name=actor.name,
            home_org=actor.home_org,
            place=place,
            name=name,
            client=client,
            state=State.REQUESTED,
            requested_at=now,
            submitted_at=now,
            updated_at=now,
            gate=space.gate,
        )

    def _first(
        self, tx: Connection, actor: Actor, key: str, submission: Submission
    ) -> Requested | None:
        """What an earlier request under this key led to; None when this one is the first."""
        request = f"PUT {submission.place}/{submission.name}"
        mine = Remembered(request, submission.tracking_id, self._tools.clock.wall())
        if submissions.remember(tx, actor.principal_id, key, mine):
            return None
        first = submissions.remembered(tx, actor.principal_id, key)
        if first is None or first.request != request:
            raise BadParameter("Idempotency-Key", "it was used for another request; take a new one")
        found = submissions.find(tx, first.tracking_id)
        return None if found is None else Requested(found, first.signed_at)

    def resume(self, actor: Actor, tracking_id: str, limit: int | None = None) -> Upload:
        """Begin to receive the bytes of a requested submission; a broken try may be repeated.

        `limit` is the door's own limit in bytes, beside the exchange's.

        Raises:
            NotFound: this actor requested no such submission.
            NotEntitled: the right to upload there has gone since.
            AlreadySubmitted: its bytes are here; they are not altered.
            WrongState: it was abandoned.
            StorageFull, Unavailable
        """
        with self._tools.database.reading() as tx:
            submission = submissions.find(tx, tracking_id)
        if submission is None or submission.principal_id != actor.principal_id:
            raise NotFound(f"Submission {tracking_id}")
        space = require(actor, Action.UPLOAD, submission.place)
        if submission.is_received:
            raise AlreadySubmitted(tracking_id)
        require_move(f"Submission {tracking_id}", submission.state, State.RECEIVED)
        limits = [each for each in (limit, self._tools.keeping.max_file_bytes) if each is not None]
        return Upload(self._tools, actor, submission, space, min(limits, default=None))


def _audited(tools: Tools, actor: Actor, action: str, of: Submission, **facts: object) -> Entry:
    facts |= {"home_org": of.home_org, "method": of.client.method}
    return tools.entry(actor, action, f"{of.place}/{of.name}", of.tracking_id, **facts)


class Upload:
    """One file on its way in. It ends in commit() or it never happened.

    Use it as a context manager: leaving the block without commit() throws the bytes away and leaves
    the submission requested. Calls come from one thread at a time.
    """

    def __init__(
        self, tools: Tools, actor: Actor, submission: Submission, space: SubSpace, limit: int | None
    ) -> None:
        self._tools = tools
        self._actor = actor
        self._space = space
        self._limit = limit
        self._done = False
        self._staged = tools.blobs.stage()
        self.submission = submission

    @property
    def size(self) -> int:
        """The highest offset written so far, in bytes."""
        return self._staged.size

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Place data at offset (bytes from the start). Any order; overlaps take the later write.

        Raises:
            TooLarge: the file would exceed the limit.
            StorageFull, Unavailable: nothing will be submitted.
        """
        if self._limit is not None and offset + len(data) > self._limit:
            raise TooLarge(self._limit)
        self._staged.write(offset, data)

    def flush(self) -> None:
        """Push what was written towards the disk, so that commit() is quick. Promises nothing."""
        self._staged.flush()

    def restore(self, before: bytes, after: bytes) -> None:
        """Put bytes around what was written: an envelope taken off too early goes back on.

        Raises:
            TooLarge, StorageFull, Unavailable: nothing will be submitted.
        """
        blobs, key = self._tools.blobs, self._tools.entropy.blob_key()
        sealed = self._staged.seal_as(key)
        self._staged = blobs.stage()
        reader = blobs.open(key)
        try:
            self.write(0, before)
            while data := reader.read(_COPY_BYTES):
                self.write(self._staged.size, data)
        finally:
            reader.close()
            blobs.delete(key)
        self.write(len(before) + sealed.size, after)

    def commit(self, framing: Framing | None = None) -> Submission:
        """Make the upload real, all at once, and return the submission, now received.

        `framing` tells what was taken off around the file.

        Raises:
            IncompleteUpload: bytes are missing below the highest offset written.
            AlreadySubmitted: another try was first; its bytes stand.
            WrongState: the submission was abandoned meanwhile.
            StorageFull, Unavailable: nothing happened, or, when the database failed at the very
                end, it cannot be told; tracking tells.
        """
        gap = self._staged.first_gap()
        if gap is not None:
            raise IncompleteUpload(self.submission.tracking_id, gap)
        key = self._tools.entropy.blob_key()  # fresh each time: no try can touch another's bytes
        sealed = self._staged.seal_as(key)  # whole, flushed, digested; still invisible
        received = self._record(sealed, framing)
        self._done = True
        self._tools.doorbell.ring(self._space.application)
        return received

    def _record(self, sealed: Sealed, framing: Framing | None) -> Submission:
        now = self._tools.clock.now()
        try:
            with self._tools.database.transaction() as tx:
                name = self._write_records(tx, sealed, framing, now)
        except _Superseded:
            self._tools.blobs.delete(sealed.key)  # rolled back for certain: nobody names it
            raise self._refusal() from None
        except StorageFull:
            self._tools.blobs.delete(sealed.key)  # rolled back for certain, and room is needed
            raise
        except Unavailable:
            # The answer to COMMIT may be what was lost. Our fresh key tells whether it happened.
            found = self._find()
            if found is None or not self._names(sealed.key):
                raise
            return found
        return replace(
            self.submission,
            state=State.RECEIVED,
            submitted_at=now,
            updated_at=now,
            size=sealed.size,
            sha256=sealed.sha256,
            framing=framing,
            archive_name=name,
        )

    def _write_records(
        self, tx: Connection, sealed: Sealed, framing: Framing | None, now: datetime
    ) -> str | None:
        """The commit point, one transaction; returns the archive name."""
        submission = self.submission
        name = self._list(tx, sealed, now)
        receipt = Receipt(sealed.key, sealed.size, sealed.sha256, framing, name, now)
        if not submissions.mark_received(tx, submission.tracking_id, receipt):
            raise _Superseded
        listings.add_blob(tx, sealed, now)
        if not self._space.gate:
            leases.offer(tx, submission.tracking_id, submission.place, now)
        facts: dict[str, object] = {"sha256": sealed.sha256, "size": sealed.size}
        if framing is not None:
            facts |= {"raw_sha256": framing.raw_sha256, "raw_size": framing.raw_size}
        audit.add(tx, _audited(self._tools, self._actor, "upload.received", submission, **facts))
        return name

    def _list(self, tx: Connection, sealed: Sealed, now: datetime) -> str | None:
        """Show the file where this sub-space shows what it received; returns its archive name."""
        submission, keeping = self.submission, self._tools.keeping
        inbound = Listing(
            id=self._tools.entropy.uuid(),
            direction=Direction.INBOUND,
            place=submission.place,
            name=submission.name,
            blob_key=sealed.key,
            size=sealed.size,
            sha256=sealed.sha256,
            tracking_id=submission.tracking_id,
            listed_at=now,
        )
        if self._space.emptied is Emptied.LEASED:
            listings.add(tx, inbound)
        if not self._space.archived:
            return None
        archived = replace(
            inbound,
            id=self._tools.entropy.uuid(),
            direction=Direction.ARCHIVE,
            place=replace(submission.place, sub_space=self._space.name + ARCHIVE_SUFFIX),
            ends_at=archive.ends_after(now, keeping.archive_days, keeping.zone),
        )
        names = archive.archive_names(submission.name, now, keeping.zone)
        return listings.add_to_archive(tx, archived, names)

    def _refusal(self) -> Refused | WrongState:
        """Why the submission waits for no bytes: another try was first, or it was abandoned."""
        tracking_id, found = self.submission.tracking_id, self._find()
        if found is not None and found.is_received:
            return AlreadySubmitted(tracking_id)
        state = found.state if found else "gone"
        return WrongState(f"Submission {tracking_id}", state, State.REQUESTED)

    def _find(self) -> Submission | None:
        with self._tools.database.reading() as tx:
            return submissions.find(tx, self.submission.tracking_id)

    def _names(self, key: str) -> bool:
        with self._tools.database.reading() as tx:
            return submissions.blob_key_of(tx, self.submission.tracking_id) == key

    def abort(self) -> None:
        """Throw the bytes away; the submission stays requested. May be called twice.

        Raises:
            Unavailable: the bytes are gone, but how far the try came could not be noted.
        """
        seen = self._staged.size
        self._staged.discard()
        if seen and not self._done:
            with self._tools.database.transaction() as tx:
                submissions.note_bytes_seen(tx, self.submission.tracking_id, seen)

    def close(self) -> None:
        """End of the story: what was not committed is thrown away. May be called twice."""
        if not self._done:
            self.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
