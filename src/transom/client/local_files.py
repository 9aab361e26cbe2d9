"""Files of this machine: what is sent, and where what is fetched comes to lie.

Nothing here knows of HTTP.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from transom.client.digests import Digest
from transom.client.errors import LocalStorageFull, NotComplete, RefusedByRule

CHUNK_BYTES = 1 << 20

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # no quota on some systems
_RESERVED = {"CON", "PRN", "AUX", "NUL"} | {f"{n}{i}" for n in ("COM", "LPT") for i in range(1, 10)}
_LONGEST_STEM_BYTES = 150


# --- what is sent --------------------------------------------------------------------------------


class Source:
    """A file or stream of known size that is read from its start as often as it must be."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name
        self._start = stream.tell()
        self.size = stream.seek(0, os.SEEK_END) - self._start
        self._changed_at = self._stamp()

    def rewind(self) -> None:
        """Read from the start again."""
        self._stream.seek(self._start)

    def read(self, largest_bytes: int) -> bytes:
        """The next bytes; raises NotComplete when there are none although there should be."""
        try:
            chunk = self._stream.read(largest_bytes)
        except OSError as failure:
            text = f"{self.name} could not be read ({failure.strerror}). Nothing was submitted."
            raise NotComplete(text) from failure
        if not chunk:
            raise self.changed()
        return chunk

    def require_unchanged(self) -> None:
        """Raises NotComplete unless it ends here and is what it was at the beginning."""
        if self._stream.read(1) or self._stamp() != self._changed_at:
            raise self.changed()

    def changed(self) -> NotComplete:
        """Text 18 of the design guide."""
        return NotComplete(
            f"{self.name} changed while it was being sent. Nothing was submitted. Send it again "
            "when it is complete.",
            code="source_changed",
        )

    def _stamp(self) -> tuple[int, int] | None:
        """What shows that a file was written to; None for what is only in memory."""
        try:
            found = os.fstat(self._stream.fileno())
        except (AttributeError, OSError):
            return None
        return found.st_size, found.st_mtime_ns


@contextmanager
def opened(source: Path | str | BinaryIO, name: str) -> Iterator[Source]:
    """Something to send, by path or as a binary stream, from where the stream stands.

    What cannot be read twice, a pipe, is copied into a temporary file first.

    Raises:
        LocalStorageFull: no room for that copy.
        OSError: the path cannot be opened.
    """
    if isinstance(source, Path | str):
        with Path(source).open("rb", buffering=0) as stream, _seekable(stream) as found:
            yield Source(found, name)
    else:
        with _seekable(source) as found:
            yield Source(found, name)


@contextmanager
def _seekable(stream: Any) -> Iterator[BinaryIO]:
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        with room_for("what is to be sent"):
            shutil.copyfileobj(stream, copy, CHUNK_BYTES)
            copy.seek(0)
        yield copy


# --- where it is fetched to ----------------------------------------------------------------------


@contextmanager
def room_for(name: str) -> Iterator[None]:
    """Turns the error of a full disk into LocalStorageFull; every other passes."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in _FULL:
            raise
        raise LocalStorageFull(
            f"There is no room left on this machine for {name}. Make room, then run the same "
            "command again."
        ) from failure


def local_name(name: str, *, windows: bool = os.name == "nt") -> str:
    """A server's file name as a name on this machine, unchanged.

    Raises:
        RefusedByRule: it would lead elsewhere, or means something else to this system.
    """
    is_elsewhere = name in {"", ".", ".."} or "/" in name or "\\" in name
    stem = name.partition(".")[0].rstrip(" ").upper()
    is_other = windows and (":" in name or stem in _RESERVED or name[-1:] in {".", " "})
    if is_elsewhere or is_other or not name.isprintable():
        text = f"{name!r} cannot be the name of a file here. Give another with a path of your own."
        raise RefusedByRule(text, code="bad_name")
    return name


@dataclass(frozen=True, slots=True)
class Identity:
    """Which content a part belongs to. Without a digest only an entity tag can vouch for it."""

    path: str
    size: int | None
    sha256: str | None
    etag: str = ""

    def continues(self, kept: Identity) -> bool:
        """Whether what was kept for that one can be gone on with for this one."""
        same = (self.path, self.size, self.sha256) == (kept.path, kept.size, kept.sha256)
        return same and bool(self.sha256 or kept.etag)


class Sink(Protocol):
    """Where bytes go, in order. `done` of them are there; `sha256` is of these."""

    done: int

    def begin(self, identity: Identity) -> str:
        """Get ready for this content; the entity tag of what is kept of it, or ""."""

    def remember(self, identity: Identity) -> None:
        """The content's entity tag became known."""

    def write(self, chunk: bytes) -> None:
        """Add bytes; raises LocalStorageFull."""

    def restart(self) -> bool:
        """Throw away what is there; False where that cannot be done."""

    def sha256(self) -> str:
        """The digest of what is there."""

    def finish(self) -> Path | None:
        """Make it what was asked for; its path, None for a stream."""

    def discard(self) -> None:
        """Leave nothing behind, where that can be done."""


class StreamSink:
    """A stream of the caller's: what went into it stays."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._digest = Digest()
        self.done = 0

    def begin(self, identity: Identity) -> str:  # noqa: ARG002 - nothing is kept between runs
        """Nothing is kept."""
        return ""

    def remember(self, identity: Identity) -> None:
        """Nothing is kept."""

    def write(self, chunk: bytes) -> None:
        """Hand it on, all of it."""
        self._digest.update(chunk)
        with room_for(self._name):
            _write(self._stream, chunk)
        self.done += len(chunk)

    def restart(self) -> bool:
        """Possible only while nothing was written."""
        return self.done == 0

    def sha256(self) -> str:
        """Of what went into it."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Flush it; it stays open."""
        with room_for(self._name):
            self._stream.flush()

    def discard(self) -> None:
        """What was written stays."""


class PartFile:
    """A file beside its target, renamed onto it when it is whole, kept until then.

    A note beside the part says what it is a part of, so that a later run can go on with it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        stem = _short(target.name)
        self.part = target.with_name(f".{stem}.transom-part")
        self.note = target.with_name(f".{stem}.transom-part.json")
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with room_for(target.name):
            self._stream = os.fdopen(os.open(self.part, flags, 0o666), "r+b", buffering=0)
        self._digest = Digest()
        self.done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream.closed:
            return
        if self._stream.seek(0, os.SEEK_END) == 0:
            self.discard()
        self._stream.close()

    def begin(self, identity: Identity) -> str:
        """Go on with what is kept of this very content; throw away what is of another."""
        kept = self._noted()
        size = self._stream.seek(0, os.SEEK_END)
        fits = identity.size is None or size <= identity.size
        if kept is None or not identity.continues(kept) or not fits:
            self.restart()
            self.remember(identity)
            return ""
        self._take_up()
        return kept.etag

    def _take_up(self) -> None:
        self._digest, self.done = Digest(), 0
        self._stream.seek(0)
        while chunk := self._stream.read(CHUNK_BYTES):
            self._digest.update(chunk)
            self.done += len(chunk)

    def remember(self, identity: Identity) -> None:
        """Write the note."""
        with room_for(self._target.name):
            self.note.write_text(json.dumps(asdict(identity)), encoding="utf-8")

    def _noted(self) -> Identity | None:
        try:
            return Identity(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # no note, or half a one: then the part is nobody's

    def write(self, chunk: bytes) -> None:
        """Add to the part."""
        self._digest.update(chunk)
        with room_for(self._target.name):
            _write(self._stream, chunk)
        self.done += len(chunk)

    def restart(self) -> bool:
        """Empty the part."""
        self._stream.seek(0)
        self._stream.truncate()
        self._digest, self.done = Digest(), 0
        return True

    def sha256(self) -> str:
        """Of what is in the part."""
        return self._digest.hexdigest()

    def finish(self) -> Path:
        """Put it in place of the target, durably."""
        if self._stream.seek(0, os.SEEK_END) != self.done:
            text = f"Somebody else wrote {self.part} meanwhile. Nothing was put in place."
            raise NotComplete(text, code="part_changed")
        with room_for(self._target.name):
            os.fsync(self._stream.fileno())
        self._stream.close()  # Windows renames no open file
        self.part.replace(self._target)
        self.note.unlink(missing_ok=True)
        _sync_directory(self._target.parent)
        return self._target

    def discard(self) -> None:
        """Leave nothing behind."""
        self._stream.close()
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _short(name: str) -> str:
    """A file's name, cut so that what is added to it still fits into 255 bytes."""
    raw = os.fsencode(name)
    if len(raw) <= _LONGEST_STEM_BYTES:
        return name
    cut = raw[:_LONGEST_STEM_BYTES].decode("utf-8", "ignore")
    return f"{cut}.{hashlib.sha256(raw).hexdigest()[:16]}"


def _write(stream: Any, chunk: bytes) -> None:
    """Write all of it: an unbuffered stream may take less than it is given."""
    rest = memoryview(chunk)
    while rest:
        taken = stream.write(rest)
        rest = rest[len(rest) if taken is None else taken :]  # None: it is not one that tells


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":
        return  # Windows opens no directories, and writes renames down by itself
    with suppress(PermissionError):  # a directory one may write to, but not read
        found = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(found)
        finally:
            os.close(found)
