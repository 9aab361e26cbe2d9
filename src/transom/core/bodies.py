"""Request bodies that arrive in order, from first byte to last.

They are verified against what the sender stated, and freed of a form's envelope when there is exact
proof of one (decisions.md section 4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from transom.core.checksums import Algorithm, Checksums
from transom.core.uploads import Upload, Uploads
from transom.domain.entitlement import Actor
from transom.domain.framing import MAX_HEADER_BYTES, may_be_framed, read_opening
from transom.domain.names import FileName, Place
from transom.domain.submission import Client, Framing, Submission

_BLANK_LINE = b"\r\n\r\n"
_DASHES = b"--"
_AFTER_BOUNDARY = len(b"--\r\n")  # what follows the boundary in a closing


@dataclass(frozen=True, slots=True)
class Stated:
    """What a sender says of a body: its media type, and digests to be verified."""

    content_type: str = ""
    digests: Mapping[Algorithm, bytes] = field(default_factory=dict)


class _Stage(Enum):
    UNDECIDED = auto()
    PLAIN = auto()
    FRAMED = auto()


class Bodies:
    """Begins to receive bodies."""

    def __init__(self, uploads: Uploads, *, unwrap_forms: bool) -> None:
        self._uploads = uploads
        self._unwrap_forms = unwrap_forms

    def open(self, actor: Actor, place: Place, name: FileName, client: Client, limit: int) -> Body:
        """Open a submission and receive its bytes, on the only try that it will have.

        `limit` is the door's own limit in bytes, beside the exchange's. Nothing is verified here.

        Raises:
            what Uploads.open raises.
        """
        upload = self._uploads.open(actor, place, name, client, limit)
        return Body(upload, Checksums({}), unwrap=False)

    def begin(
        self, actor: Actor, tracking_id: str, stated: Stated, limit: int | None = None
    ) -> Body:
        """Receive the bytes of a requested submission.

        `limit` is the door's own limit in bytes, beside the exchange's.

        Raises:
            BadParameter: a stated digest has the wrong length.
            and what Uploads.resume raises.
        """
        checksums = Checksums(stated.digests)
        upload = self._uploads.resume(actor, tracking_id, limit)
        unwrap = self._unwrap_forms and actor.unwrap_forms and may_be_framed(stated.content_type)
        return Body(upload, checksums, unwrap=unwrap)


class Body:
    """Feeds an upload from first byte to last.

    With `unwrap`, a body that proves to be a form around one file of the upload's name is freed of
    it; the proof is complete only at the end, and a body that falls short of it is kept as it was
    sent. Close it when done, whatever happened.
    """

    def __init__(self, upload: Upload, checksums: Checksums, *, unwrap: bool) -> None:
        self._upload = upload
        self._checksums = checksums
        self._stage = _Stage.UNDECIDED if unwrap else _Stage.PLAIN
        self._held = b""  # undecided: all so far; framed: the last bytes, as many as a closing has
        self._start = b""
        self._boundary = b""
        self._closing = b""
        self._boundary_inside = False
        self._raw = hashlib.sha256()
        self.size = 0

    @property
    def tracking_id(self) -> str:
        """Of the submission that these bytes are for."""
        return self._upload.submission.tracking_id

    def feed(self, data: bytes) -> None:
        """Take the next bytes as they were sent.

        Raises:
            TooLarge, StorageFull, Unavailable: as Upload.write.
        """
        self.size += len(data)
        self._checksums.update(data)
        if self._stage is _Stage.PLAIN:
            self._upload.write(self._upload.size, data)
        elif self._stage is _Stage.FRAMED:
            self._feed_framed(data)
        else:
            self._decide(self._held + data)

    def _decide(self, start: bytes) -> None:
        if _may_go_on(start):
            self._held = start
            return
        opening = read_opening(start, self._upload.submission.name)
        self._held = b""
        if opening is None:
            self._stage = _Stage.PLAIN
            self._upload.write(0, start)
            return
        self._stage = _Stage.FRAMED
        self._boundary, self._closing = opening.boundary, opening.closing
        self._start = start[: opening.length]
        self._raw.update(self._start)
        self._feed_framed(start[opening.length :])

    def _feed_framed(self, data: bytes) -> None:
        self._raw.update(data)
        seen = self._held + data
        # A boundary that ends earlier than the one of a closing at the very end is inside the file.
        # What is held is searched again with what follows, so none is missed between two pieces.
        self._boundary_inside |= self._boundary in seen[: -_AFTER_BOUNDARY - 1]
        keep = len(self._closing)
        content, self._held = seen[:-keep], seen[-keep:]
        if content:
            self._upload.write(self._upload.size, content)

    def flush(self) -> None:
        """Push what was written towards the disk, so that commit() is quick. Promises nothing."""
        self._upload.flush()

    def abort(self, why: str) -> None:
        """Throw the bytes away, and say why where no other try may come. May be called twice."""
        self._upload.abort(why)

    def close(self) -> None:
        """Throw away what was not committed. May be called twice."""
        self._upload.close()

    def commit(self, sha256: str = "") -> Submission:
        """Verify and make the upload real.

        `sha256` (64 hex digits) is of the file as it was signed for, if it was.

        Raises:
            DigestMismatch: the bytes are not those the sender stated; nothing was submitted.
            and what Upload.commit raises.
        """
        self._checksums.verify()
        if self._stage is _Stage.UNDECIDED:
            self._upload.write(0, self._held)
        if self._stage is not _Stage.FRAMED:
            return self._upload.commit(sha256=sha256)
        if self._boundary_inside or self._held != self._closing:
            self._upload.restore(self._start, self._held)
            return self._upload.commit(sha256=sha256)
        return self._upload.commit(Framing(self.size, self._raw.hexdigest()), sha256)


def _may_go_on(start: bytes) -> bool:
    """Whether these first bytes may still become the opening of a form."""
    return (
        _BLANK_LINE not in start
        and len(start) < MAX_HEADER_BYTES
        and start[: len(_DASHES)] == _DASHES[: len(start)]
    )
