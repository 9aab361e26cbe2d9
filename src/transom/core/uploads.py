"""Uploads: the only way in, and the only commit.

Every upload has one life, whichever door it came through: *requested* when opened, *received* when
committed, *abandoned* otherwise. One under a temporary name is *held* in between: core/held.py. The
blob is written first and never rewritten; the transaction that names it is the commit point. See
docs/explained/architecture.md for the crash rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from transom.core.arrival import Arrival, audited
from transom.core.held import HeldUploads, replace_held
from transom.core.tools import Tools
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
from transom.domain.names import FileName, Place
from transom.domain.permission import require
from transom.domain.space import SubSpace
from transom.domain.submission import Client, Framing, State, Submission, require_move
from transom.ports import Sealed, Staged
from transom.records import audit, listings, submissions
from transom.records.submissions import Remembered

ALIVE_EVERY = timedelta(minutes=10)
"""A sign of life younger than this is not written again."""

BROKEN_OFF = "the upload broke off before the file was closed"

_COPY_BYTES = 1 << 20
_AT_ONCE = 500


class _Superseded(Exception):
    """Inside commit() or hold(): the submission was not waiting for bytes any more."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A submission that waits for its bytes, and the instant its signed URL counts from."""

    submission: Submission
    signed_at: datetime


class Uploads(HeldUploads):
    """Opens uploads. What it does with held ones stands in core/held.py."""

    def open(
        self,
        actor: Actor,
        place: Place,
        name: FileName,
        client: Client,
        limit: int | None = None,
    ) -> Upload:
        """Open a submission and begin to receive its bytes, on the only try that it will have.

        `limit` is the door's own limit in bytes, beside the exchange's.

        Raises:
            NotEntitled: the actor may not upload there, or there is no such place.
            StorageFull, Unavailable: nothing was opened.
        """
        space = require(actor, Action.UPLOAD, place)
        submission = self._new(actor, space, place, name, client)
        staged = self._tools.blobs.stage()
        try:
            with self._tools.database.transaction() as tx:
                self._add(tx, actor, submission)
        except BaseException:
            staged.discard()
            raise
        terms = _Terms(space, self._limit(limit), repeatable=False)
        return Upload(self._tools, actor, submission, terms, staged)

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
            self._add(tx, actor, submission)
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

    def add(
        self, tx: Connection, actor: Actor, place: Place, name: FileName, client: Client
    ) -> Submission:
        """Open a submission in the caller's transaction; its bytes come later.

        Raises:
            NotEntitled: the actor may not upload there, or there is no such place.
        """
        space = require(actor, Action.UPLOAD, place)
        submission = self._new(actor, space, place, name, client)
        self._add(tx, actor, submission)
        return submission

    def _add(self, tx: Connection, actor: Actor, submission: Submission) -> None:
        submissions.add(tx, submission)
        audit.add(tx, audited(self._tools, actor, "upload.requested", submission))

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

    def resume(
        self,
        actor: Actor,
        tracking_id: str,
        limit: int | None = None,
        staged: Staged | None = None,
    ) -> Upload:
        """Begin to receive the bytes of a requested submission; a broken try may be repeated.

        `limit` is the door's own limit in bytes, beside the exchange's; `staged` are bytes that
        were received before, where there are any.

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
        terms = _Terms(space, self._limit(limit), repeatable=True)
        return Upload(self._tools, actor, submission, terms, staged or self._tools.blobs.stage())

    def abandon(self, actor: Actor, tracking_id: str, why: str) -> Submission:
        """Give up a submission that waits for its bytes. What was received meanwhile stays.

        Returns:
            The submission as it stands then.

        Raises:
            NotFound: this actor requested no such submission.
            Unavailable
        """
        with self._tools.database.transaction() as tx:
            found = submissions.find(tx, tracking_id)
            if found is None or found.principal_id != actor.principal_id:
                raise NotFound(f"Submission {tracking_id}")
            now, waiting = self._tools.clock.now(), (State.REQUESTED,)
            seen = found.bytes_seen
            if not submissions.mark_abandoned(tx, tracking_id, why, seen, now, found=waiting):
                return submissions.find(tx, tracking_id) or found
            audit.add(tx, audited(self._tools, actor, "upload.abandoned", found, reason=why))
        return replace(found, state=State.ABANDONED, reason=why, updated_at=now)

    def require_right(self, actor: Actor, place: Place) -> None:
        """Return quietly when the actor may upload at a place.

        Raises:
            NotEntitled: it may not, or there is no such place.
        """
        require(actor, Action.UPLOAD, place)

    def most_bytes(self, of_door: int) -> int:
        """The size in bytes that a file may have at a door with this limit of its own."""
        return self._limit(of_door) or of_door

    def _limit(self, of_door: int | None) -> int | None:
        limits = [of_door, self._tools.keeping.max_file_bytes]
        return min((each for each in limits if each is not None), default=None)

    def alive(self, tracking_ids: Iterable[str]) -> None:
        """Tell that the bytes of these uploads still come: those that last longer than 24 h stay.

        May be told as often as one likes; it is written at most every ten minutes.

        Raises:
            Unavailable: try again within hours.
        """
        rest = iter(tracking_ids)
        while some := list(islice(rest, _AT_ONCE)):
            now = self._tools.clock.now()
            with self._tools.database.transaction() as tx:
                submissions.note_alive(tx, some, now - ALIVE_EVERY, now)


@dataclass(frozen=True, slots=True)
class _Terms:
    """Where an upload goes, how many bytes it may have, and whether a broken try is repeated."""

    space: SubSpace
    limit: int | None
    repeatable: bool


class Upload:
    """One file on its way in. It ends in commit() or hold(), or it never happened.

    Use it as a context manager: leaving the block without either throws the bytes away, and leaves
    the submission requested, or abandoned where no other try may come. Calls come from one thread
    at a time.
    """

    def __init__(
        self, tools: Tools, actor: Actor, submission: Submission, terms: _Terms, staged: Staged
    ) -> None:
        self._tools = tools
        self._actor = actor
        self._space = terms.space
        self._terms = terms
        self._done = False
        self._staged = staged
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
        limit = self._terms.limit
        if limit is not None and offset + len(data) > limit:
            raise TooLarge(limit)
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

    def commit(self, framing: Framing | None = None, sha256: str = "") -> Submission:
        """Make the upload real, all at once, and return the submission, now received.

        `framing` tells what was taken off around the file, `sha256` (64 hex digits) what was signed
        for, if anything was.

        Raises:
            PayloadMismatch: these are not the bytes that were signed for.
            IncompleteUpload: bytes are missing below the highest offset written.
            AlreadySubmitted: another try was first; its bytes stand.
            WrongState: the submission was abandoned meanwhile.
            StorageFull, Unavailable: nothing happened, or, when the database failed at the very
                end, it cannot be told; tracking tells.
        """
        sealed = self._seal()
        self._tools.require_signed(sealed, sha256)
        arrival = Arrival(
            self._tools,
            self._actor,
            self._space,
            self.submission,
            sealed,
            self._tools.clock.now(),
            framing,
        )

        def write(tx: Connection) -> Submission | None:
            listings.add_blob(tx, sealed, arrival.at)
            return arrival.receive(tx)

        received = self._record(sealed, write)
        self._tools.doorbell.ring(self._space.application)
        return received

    def hold(self) -> Submission:
        """Keep the bytes until they are renamed, and return the submission, now held.

        Nobody but the same account sees it, and nothing is offered or archived. One that it holds
        under the same name already is abandoned. Uploads.rename_held submits it.

        Raises:
            what commit() raises.
        """
        sealed, now = self._seal(), self._tools.clock.now()
        held = replace(
            self.submission,
            state=State.HELD,
            updated_at=now,
            size=sealed.size,
            sha256=sealed.sha256,
            bytes_seen=sealed.size,
        )
        facts = {"sha256": sealed.sha256, "size": sealed.size}

        def write(tx: Connection) -> Submission | None:
            submissions.hold_alone(tx, held.principal_id)
            replace_held(tx, self._tools, self._actor, held.place, held.name)
            if not submissions.mark_held(tx, held.tracking_id, sealed, now):
                return None
            listings.add_blob(tx, sealed, now)
            audit.add(tx, audited(self._tools, self._actor, "upload.held", held, **facts))
            return held

        return self._record(sealed, write)

    def _seal(self) -> Sealed:
        """The bytes whole, flushed, digested; still invisible."""
        gap = self._staged.first_gap()
        if gap is not None:
            raise IncompleteUpload(self.submission.tracking_id, gap)
        # A key that is fresh each time: no try can touch another's bytes.
        return self._staged.seal_as(self._tools.entropy.blob_key())

    def _record(
        self, sealed: Sealed, write: Callable[[Connection], Submission | None]
    ) -> Submission:
        """The commit point, one transaction; or the bytes are gone again."""
        try:
            recorded = self._written(write)
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
            recorded = found
        self._done = True
        return recorded

    def _written(self, write: Callable[[Connection], Submission | None]) -> Submission:
        with self._tools.database.transaction() as tx:
            recorded = write(tx)
            if recorded is None:
                raise _Superseded
        return recorded

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

    def abort(self, why: str = BROKEN_OFF) -> None:
        """Throw the bytes away. May be called twice.

        The submission stays requested, or is abandoned for this reason where no other try may come.

        Raises:
            Unavailable: the bytes are gone, but how far the try came could not be noted.
        """
        seen = self._staged.size
        self._staged.discard()
        if self._done:
            return
        if not self._terms.repeatable:
            self._abandon(why, seen)
        elif seen:
            with self._tools.database.transaction() as tx:
                submissions.note_bytes_seen(tx, self.submission.tracking_id, seen)

    def _abandon(self, why: str, seen: int) -> None:
        of, now = self.submission, self._tools.clock.now()
        waiting = (State.REQUESTED,)
        with self._tools.database.transaction() as tx:
            if submissions.mark_abandoned(tx, of.tracking_id, why, seen, now, found=waiting):
                entry = audited(self._tools, self._actor, "upload.abandoned", of, reason=why)
                audit.add(tx, entry)
        self._done = True

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
