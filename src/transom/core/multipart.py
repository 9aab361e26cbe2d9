"""Uploads in parts: each part is a blob of its own until the last act joins them into one.

The id of such an upload is its submission's tracking id. Parts are recorded as they come, so that
an upload outlives a restart and may be continued at another node; joining them copies no byte, and
a digest follows them while they arrive. What is never completed is swept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transom.core.arrival import audited
from transom.core.assembly import (
    BadPart,
    Completed,
    Expected,
    Joined,
    Named,
    chosen_of,
    described,
    known_whole,
    name_of,
)
from transom.core.checksums import Algorithm, Checksums
from transom.core.following import Followers
from transom.core.tools import Tools, is_tracking_id
from transom.core.uploads import Uploads
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import (
    AlreadySubmitted,
    BadParameter,
    DigestMismatch,
    NotFound,
    TooLarge,
    Unavailable,
    WrongState,
)
from transom.domain.names import FileName, Place
from transom.domain.parts import MAX_BYTES, MAX_PART_BYTES, MAX_PARTS, Multipart, Part
from transom.domain.permission import require
from transom.domain.submission import Client, State, Submission
from transom.records import audit, parts, submissions

GIVEN_UP = "its client gave the upload up"

_FOLLOWED_AT_ONCE = 16
_PIECE_BYTES = 1 << 20


class NoSuchUpload(NotFound):
    """No upload of this id is under way: unknown, somebody else's, another file's, or ended."""

    code = "no_such_upload"

    def __init__(self) -> None:
        super().__init__("The upload", "It was completed or given up, or was never begun.")


@dataclass(frozen=True, slots=True)
class Target:
    """An upload as a caller names it: by its id, and the file that it is for."""

    upload_id: str
    place: Place
    name: FileName


@dataclass(frozen=True, slots=True)
class Agreed:
    """Which checksum the client will state, and whether over the whole file or over the parts."""

    algorithm: Algorithm | None = None
    full_object: bool = False


class Multiparts:
    """Begins, feeds, completes and gives up uploads in parts."""

    def __init__(self, tools: Tools, uploads: Uploads) -> None:
        self._tools = tools
        self._uploads = uploads
        self._followers = Followers(tools.blobs)

    def begin(
        self, actor: Actor, place: Place, name: FileName, client: Client, agreed: Agreed
    ) -> Submission:
        """Open a submission whose bytes will come in parts.

        Raises:
            NotEntitled: the actor may not upload there, or there is no such place.
            Unavailable: nothing was opened.
        """
        with self._tools.database.transaction() as tx:
            submission = self._uploads.add(tx, actor, place, name, client)
            checksum = agreed.algorithm or ""
            parts.add(tx, Multipart(submission.tracking_id, checksum, agreed.full_object))
        return submission

    def open_uploads(self, actor: Actor) -> list[Submission]:
        """What this very actor has begun and neither completed nor given up, where it may upload.

        Raises:
            Unavailable
        """
        with self._tools.database.reading() as tx:
            found = parts.open_uploads(tx, actor.principal_id)
        rights = actor.rights
        return [
            each
            for each in found
            if (right := rights.at(each.place)) and Action.UPLOAD in right.actions
        ]

    def parts(self, actor: Actor, target: Target, after: int, limit: int) -> list[Part]:
        """The parts that are there, by number, those that follow `after`.

        Raises:
            NotEntitled, NoSuchUpload, Unavailable
        """
        self._waiting(actor, target)
        with self._tools.database.reading() as tx:
            return parts.page(tx, target.upload_id, after, limit)

    def require(self, actor: Actor, target: Target) -> None:
        """Return quietly when this very actor uploads, or has uploaded, in parts under this id.

        Raises:
            NotEntitled, NoSuchUpload, Unavailable
        """
        self._own(actor, target)

    # --- one part ------------------------------------------------------------------------------

    def receive(self, actor: Actor, target: Target, number: int) -> IncomingPart:
        """Begin to receive a part. One of this number that is there stays until this one is whole.

        Raises:
            BadParameter: no part has such a number.
            NotEntitled, NoSuchUpload, StorageFull, Unavailable
        """
        if not 1 <= number <= MAX_PARTS:
            raise BadParameter("partNumber", f"a number from 1 to {MAX_PARTS}")
        self._waiting(actor, target)
        limits = (MAX_PART_BYTES, self._tools.keeping.max_file_bytes)
        limit = min(each for each in limits if each is not None)
        return IncomingPart(self._tools, target.upload_id, number, limit)

    def follow(self, upload_id: str) -> None:
        """Let the digest follow the parts that have come. Call it after each, while others come.

        It comes to nothing when somebody else does it already.

        Raises:
            Unavailable: nothing is lost.
        """
        follower = self._followers.of(upload_id)
        if not follower.busy.acquire(blocking=False):
            return
        try:
            while ready := self._ready(upload_id, follower.count):
                follower.take(ready)
        except NotFound:
            return  # sent anew, completed or given up at this moment
        finally:
            follower.busy.release()

    def _ready(self, upload_id: str, after: int) -> list[str]:
        """The keys of the parts that follow one without a gap, some of them."""
        with self._tools.database.reading() as tx:
            found = parts.page(tx, upload_id, after, _FOLLOWED_AT_ONCE)
        return [each.blob_key for n, each in enumerate(found, after + 1) if each.number == n]

    # --- the end -------------------------------------------------------------------------------

    def complete(
        self, actor: Actor, target: Target, named: Sequence[Named], expected: Expected
    ) -> Completed:
        """Make the upload real, of exactly these parts. A repetition gives the same answer.

        Raises:
            BadPart, PartsOutOfOrder, PartTooSmall, BadParameter: the upload goes on.
            DigestMismatch: the file is not the one that was stated; the upload goes on.
            TooLarge: the upload goes on, for what it is worth.
            NotEntitled, NoSuchUpload
            StorageFull, Unavailable: as Upload.commit.
        """
        if not named:
            raise BadParameter("parts", "name at least one")
        submission = self._own(actor, target)
        if submission.state is not State.REQUESTED:
            return self._repeated(submission, named)
        with self._tools.database.reading() as tx:
            there = parts.every(tx, target.upload_id)
            agreed = parts.find(tx, target.upload_id)
        if agreed is None:
            raise NoSuchUpload
        try:
            chosen = chosen_of(named, there)
            self._check_whole(chosen, expected)
            received = self._commit(actor, target, chosen)
        except (AlreadySubmitted, WrongState, NotFound, BadPart) as meanwhile:
            after = self._own(actor, target)
            if after.state is not State.REQUESTED:  # another completion was first
                return self._repeated(after, named)
            if isinstance(meanwhile, BadPart):
                raise
            raise Unavailable("part that is being replaced") from meanwhile
        self._clear(target.upload_id, name_of(named))
        return described(received, agreed, chosen)

    def _commit(self, actor: Actor, target: Target, chosen: Sequence[Part]) -> Submission:
        joined = Joined(self._tools, self._followers, target.upload_id, chosen)
        with self._uploads.resume(actor, target.upload_id, staged=joined) as upload:
            return upload.commit()

    def _check_whole(self, chosen: Sequence[Part], expected: Expected) -> None:
        size, limit = sum(each.size for each in chosen), self._tools.keeping.max_file_bytes
        if size > min(MAX_BYTES, limit or MAX_BYTES):
            raise TooLarge(min(MAX_BYTES, limit or MAX_BYTES))
        if expected.size is not None and expected.size != size:
            raise BadParameter("size", f"the parts have {size} bytes together")
        unread = {
            algorithm: digest
            for algorithm, digest in expected.digests.items()
            if known_whole(algorithm, chosen) != digest
        }
        if unread:
            self._read_through(chosen, unread)

    def _read_through(self, chosen: Sequence[Part], expected: Mapping[Algorithm, bytes]) -> None:
        """Compare what cannot be told from the parts' own digests."""
        for algorithm in expected:
            if known_whole(algorithm, chosen) is not None:
                raise DigestMismatch(algorithm)
        checksums = Checksums(expected)
        for part in chosen:
            reader = self._tools.blobs.open(part.blob_key)
            try:
                while data := reader.read(_PIECE_BYTES):
                    checksums.update(data)
            finally:
                reader.close()
        checksums.verify()

    def _repeated(self, submission: Submission, named: Sequence[Named]) -> Completed:
        """The answer to a completion that happened before, when it was of the same parts."""
        if not submission.is_received:
            raise NoSuchUpload
        upload_id = submission.tracking_id
        with self._tools.database.reading() as tx:
            there = parts.every(tx, upload_id)  # first: they go when the upload gets its name
        if not self._completed_as(upload_id) and self._made(submission, named, there):
            # Whoever was first has not come to its end, or died.
            self._clear(upload_id, name_of(named))
        elif self._completed_as(upload_id) != name_of(named):
            raise NoSuchUpload
        return Completed(submission, parts=len(named))

    def _completed_as(self, upload_id: str) -> str:
        """The name of the parts that an upload was completed of; "" before its end."""
        with self._tools.database.reading() as tx:
            agreed = parts.find(tx, upload_id)
        if agreed is None:
            raise NoSuchUpload
        return agreed.completed_as

    def _made(
        self, submission: Submission, named: Sequence[Named], there: Mapping[int, Part]
    ) -> bool:
        """Whether the file that was received is made of these parts; False once they are gone."""
        chosen = chosen_of(named, there)
        follower = self._followers.of(submission.tracking_id)
        with follower.busy:
            try:
                return follower.whole([part.blob_key for part in chosen]) == submission.sha256
            except NotFound:
                return False

    def _clear(self, upload_id: str, completed_as: str = "") -> None:
        with self._tools.database.transaction() as tx:
            gone = parts.clear(tx, upload_id, completed_as)
        self._forget(upload_id, gone)

    def _forget(self, upload_id: str, gone: Sequence[str]) -> None:
        self._followers.forget(upload_id)
        for key in gone:
            self._tools.blobs.delete(key)

    def give_up(self, actor: Actor, target: Target) -> None:
        """Abandon an upload; its parts go.

        Raises:
            NotEntitled, NoSuchUpload, Unavailable
        """
        submission = self._waiting(actor, target)
        now, waiting = self._tools.clock.now(), (State.REQUESTED,)
        with self._tools.database.transaction() as tx:
            if not submissions.mark_abandoned(
                tx, submission.tracking_id, GIVEN_UP, submission.bytes_seen, now, found=waiting
            ):
                raise NoSuchUpload
            entry = audited(self._tools, actor, "upload.abandoned", submission, reason=GIVEN_UP)
            audit.add(tx, entry)
            gone = parts.clear(tx, submission.tracking_id)
        self._forget(submission.tracking_id, gone)

    # --- whose it is -----------------------------------------------------------------------------

    def _own(self, actor: Actor, target: Target) -> Submission:
        """The submission that this very actor uploads, or has uploaded, in parts under this id.

        Raises:
            NotEntitled, NoSuchUpload, Unavailable
        """
        require(actor, Action.UPLOAD, target.place)
        found = None
        if is_tracking_id(target.upload_id):
            with self._tools.database.reading() as tx:
                found = parts.find_submission(tx, target.upload_id)
        if found is None or (found.principal_id, found.place, found.name) != (
            actor.principal_id,
            target.place,
            target.name,
        ):
            raise NoSuchUpload
        return found

    def _waiting(self, actor: Actor, target: Target) -> Submission:
        """The same, and it still waits for bytes."""
        found = self._own(actor, target)
        if found.state is not State.REQUESTED:
            raise NoSuchUpload
        return found


class IncomingPart:
    """Feeds one part from first byte to last. Close it when done, whatever happened."""

    def __init__(self, tools: Tools, upload_id: str, number: int, limit: int) -> None:
        self._tools = tools
        self._upload_id = upload_id
        self._number = number
        self._limit = limit
        self._staged = tools.blobs.stage()

    @property
    def size(self) -> int:
        """How many bytes were taken."""
        return self._staged.size

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge, StorageFull, Unavailable: the part will not be there.
        """
        if self._staged.size + len(data) > self._limit:
            raise TooLarge(self._limit)
        self._staged.write(self._staged.size, data)

    def flush(self) -> None:
        """Push what was taken towards the disk. Promises nothing."""
        self._staged.flush()

    def commit(self, stated: Mapping[Algorithm, bytes], sha256: str = "") -> Part:
        """Keep the part, durably, in place of one of the same number.

        `stated` are digests that were verified, `sha256` (64 hex digits) is what was signed for, if
        anything was.

        Raises:
            PayloadMismatch: these are not the bytes that were signed for.
            NoSuchUpload: it was completed or given up meanwhile.
            StorageFull, Unavailable: the part is not there, or it cannot be told; send it again.
        """
        sealed = self._staged.seal_as(self._tools.entropy.blob_key())
        self._tools.require_signed(sealed, sha256)
        algorithm, digest = next(
            ((each, value) for each, value in stated.items() if each is not Algorithm.MD5),
            ("", b""),
        )
        part = Part(
            self._upload_id,
            self._number,
            sealed.key,
            sealed.size,
            sealed.sha256,
            self._tools.clock.now(),
            algorithm,
            digest,
        )
        with self._tools.database.transaction() as tx:
            waits = submissions.waits(tx, self._upload_id, part.received_at)
            replaced = parts.put(tx, part) if waits else sealed.key
        if replaced is not None:
            self._tools.blobs.delete(replaced)
        if not waits:
            raise NoSuchUpload
        return part

    def close(self) -> None:
        """Throw away what was not kept. May be called twice."""
        self._staged.discard()
