"""Blobs as files below one local directory, made permanent by a single link.

    <root>/staging/<key>      bytes being received; locked for as long as their session lives
    <root>/blobs/xx/<key>     blobs; xx is the key's first two digits, so 256 directories

A blob that was put together from others is a directory in place of a file: see joined.py.

Keys are the exchange's own (32 lower-case hexadecimal digits), and nothing else becomes a path.
Everything is opened relative to a directory descriptor and never through a symbolic link.

A crash between any two lines leaves a stale staging file, or an orphan blob that is whole: the file
is fsynced before its blob name exists, and the name is fsynced before anybody is told.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import weakref
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

from transom.blobs import joined
from transom.blobs.calls import (
    DIRECTORY,
    FULL,
    READ,
    REAL_CALLS,
    DiskCalls,
    directory,
    refusal,
    translated,
)
from transom.blobs.joined import JoinedReader
from transom.blobs.reading import DiskReader, window
from transom.blobs.spans import PrefixDigest, Spans
from transom.domain.errors import NotFound, Unavailable
from transom.ports import Entropy, Sealed, StoredKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_KEY: Final = re.compile("[0-9a-f]{32}")
_SHARDS: Final = tuple(f"{number:02x}" for number in range(256))
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskBlobs:
    """A BlobStore on one local file system, which must know hard links and flock.

    Several processes may share a root. Its parent must exist; the rest is made here.
    """

    def __init__(self, root: Path, entropy: Entropy, calls: DiskCalls = REAL_CALLS) -> None:
        self._entropy = entropy
        with translated():
            self._disk = _Disk(root, calls)

    def stage(self) -> DiskStaged:
        """Begin to receive bytes, in a file that this process locks until they are done with."""
        key = _legal(self._entropy.blob_key())
        with translated():
            descriptor = os.open(key, _CREATE, 0o600, dir_fd=self._disk.staging)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise
        return DiskStaged(self._disk, key, descriptor)

    def open(
        self, key: str, start: int = 0, length: int | None = None
    ) -> DiskReader | JoinedReader:
        """Read a blob from start (bytes), for length bytes or to its end: what comes first.

        Raises:
            NotFound: no blob has this key.
            ValueError: not a key of ours, start beyond the end, or either number negative.
            Unavailable: the store failed.
        """
        with translated(), self._disk.shard(_legal(key)) as shard:
            try:
                status = os.stat(key, dir_fd=shard, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    return joined.opened(self._disk.calls, key, shard, start, length)
                asked = window(status.st_size, start, length)
                descriptor = os.open(key, READ, dir_fd=shard)
            except FileNotFoundError as missing:
                raise NotFound("The content of the file") from missing
        return DiskReader(self._disk.calls, descriptor, asked)

    def join(self, key: str, parts: Sequence[str]) -> None:
        """Make a blob of the bytes of others, one after the other. No byte is copied.

        The others stay what they are until they are deleted, and so does this one.

        Raises:
            NotFound: one of them is not there.
            ValueError: not a key of ours.
            StorageFull, Unavailable: under key is nothing, a whole orphan, or what was there.
        """
        _legal(key)
        disk, name = self._disk, _legal(self._entropy.blob_key())
        with translated(), joined.gathering(disk.calls, name, disk.staging) as made:
            self._gather(made, parts)
            disk.synced(disk.calls.fsync, made)
            with disk.shard(key) as shard:
                # Never in place of a blob: a rename replaces no file, and no directory with files.
                disk.calls.rename(name, key, src_dir_fd=disk.staging, dst_dir_fd=shard)
                disk.synced(disk.calls.fsync, shard)

    def _gather(self, made: int, parts: Sequence[str]) -> None:
        at = 0
        for part in parts:
            with self._disk.shard(_legal(part)) as shard:
                try:
                    at += joined.add(self._disk.calls, part, shard, made, at)
                except FileNotFoundError as missing:
                    raise NotFound("The content of a part") from missing

    def delete(self, key: str) -> None:
        """Remove a blob. A key that is not there is no error.

        Not fsynced: should a power cut bring it back, no listing names it, and the sweep takes it.
        """
        disk = self._disk
        with translated(), disk.shard(_legal(key)) as shard, suppress(FileNotFoundError):
            try:
                disk.calls.unlink(key, dir_fd=shard)
            except IsADirectoryError:
                # Out of sight at once; whoever reads it holds it there, and the sweep takes it.
                disk.calls.rename(key, key, src_dir_fd=shard, dst_dir_fd=disk.staging)
                self.discard_staged(key)

    def keys(self, *, staged: bool = False) -> Iterator[StoredKey]:
        """Every blob (or, with staged, all bytes being received), lazily and in no order.

        modified_at is the machine's time of the last write, or of the sealing for a blob. What
        comes or goes meanwhile may be left out.
        """
        parent = self._disk.staging if staged else self._disk.blobs
        for name in (".",) if staged else _SHARDS:
            yield from _scanned(name, parent)

    def discard_staged(self, key: str) -> bool:
        """Remove staged bytes that no live session, of any process, holds; True when removed."""
        calls, staging = self._disk.calls, self._disk.staging
        with translated(), suppress(FileNotFoundError, BlockingIOError):
            descriptor = os.open(_legal(key), READ, dir_fd=staging)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    joined.remove(calls, key, staging, descriptor)
                else:
                    calls.unlink(key, dir_fd=staging)
            finally:
                os.close(descriptor)
            return True
        return False

    def check(self) -> None:
        """Return quietly when a small file can be written, pushed to the disk and removed.

        Raises:
            StorageFull: there is no room; this ends by itself when there is.
            Unavailable: it cannot be done; or an fsync failed, once, until a person restarts us.
        """
        if self._disk.failure is not None:
            raise Unavailable("storage") from self._disk.failure
        staged = self.stage()
        try:
            staged.write(0, bytes(4096))
            staged.flush()
            staged.write(0, bytes(4096))  # raises what the flush kept
        finally:
            staged.discard()


class DiskStaged:
    """Bytes being received, in a locked file, until seal_as(), discard() or the sweep.

    A closed descriptor's number is soon another file's: a write that loses a race against discard()
    could land there. So whoever writes holds _writing, whoever fsyncs holds _syncing, and closing
    takes both, in this order. Two, because a flush() is slow and must not hold up the next write.
    """

    def __init__(self, disk: _Disk, key: str, descriptor: int) -> None:
        self._disk = disk
        self._key = key
        self._descriptor: int | None = descriptor  # None when closed
        self._size = 0
        self._spans = Spans()
        self._digest = PrefixDigest(lambda size, at: disk.calls.pread(descriptor, size, at))
        self._failure: BaseException | None = None
        self._writing, self._syncing = Lock(), Lock()

    @property
    def size(self) -> int:
        """The highest offset written so far, in bytes."""
        return self._size

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Place data at offset (bytes from the start). Any order; overlaps take the later write.

        Raises:
            NotSupported, ValueError: too many pieces, a negative offset (see Spans.add); or the
                bytes were sealed or discarded. Nothing changed.
            StorageFull: no room, or the offset is beyond what a file can have.
            Unavailable: the store failed, now or at an earlier write() or flush().
        """
        view = memoryview(data).cast("B")
        with self._writing:
            descriptor = self._usable()
            if view:
                self._spans.add(offset, offset + len(view))
                with self._or_broken():
                    self._place(descriptor, offset, view)
                    self._digest.wrote(offset, view, self._spans.prefix)
                    self._size = max(self._size, offset + len(view))

    def first_gap(self) -> int | None:
        """The first missing offset below size, or None when the bytes are contiguous from 0."""
        return self._spans.first_gap()

    def flush(self) -> None:
        """Push what was written so far to the disk, so that sealing is quick. Promises nothing.

        Blocks until the disk has it: call it from a worker thread, even while another one writes. A
        failure is kept for the next write() or seal_as(): the kernel tells of lost bytes only once.
        """
        with self._syncing, suppress(Unavailable, ValueError):
            descriptor = self._usable()
            with self._or_broken():
                self._disk.synced(self._disk.calls.fdatasync, descriptor)

    def seal_as(self, key: str) -> Sealed:
        """Make the bytes a blob under key: whole, durable and immutable, or not there at all.

        Raises:
            ValueError: there is a gap, not a key of ours, or the bytes were sealed or discarded.
            StorageFull, Unavailable: under key is nothing, a whole orphan, or what was there.
        """
        _legal(key)
        with self._writing, self._syncing:
            descriptor = self._usable()
            if (gap := self.first_gap()) is not None:
                raise ValueError(f"bytes are missing from offset {gap}")
            with self._or_broken():
                sha256 = self._digest.whole(self._size)
                self._persist(descriptor, key)
            self._close(descriptor)
            return Sealed(key, self._size, sha256)

    def discard(self) -> None:
        """Forget the bytes, once a write or flush under way is through. May be called twice.

        Does nothing after seal_as(). Never fails: what cannot be removed now, the sweep takes.
        """
        with self._writing, self._syncing:
            if self._descriptor is not None:
                with suppress(OSError):
                    self._disk.calls.unlink(self._key, dir_fd=self._disk.staging)
                self._close(self._descriptor)

    def _usable(self) -> int:
        if self._descriptor is None:
            raise ValueError("these bytes were sealed or discarded")
        if self._failure is not None:
            raise refusal(self._failure) from self._failure
        return self._descriptor

    @contextmanager
    def _or_broken(self) -> Iterator[None]:
        """Whatever interrupts this block, the bytes are only good for discard() after it."""
        with translated():
            try:
                yield
            except BaseException as failure:
                self._failure = failure
                raise

    def _place(self, descriptor: int, offset: int, view: memoryview) -> None:
        while view:
            written = self._disk.calls.pwrite(descriptor, view, offset)
            view = view[written:]
            offset += written

    def _persist(self, descriptor: int, key: str) -> None:
        calls, staging = self._disk.calls, self._disk.staging
        os.utime(descriptor)  # the sweep counts an orphan's grace from now, not from the last byte
        self._disk.synced(calls.fsync, descriptor)
        with self._disk.shard(key) as shard:
            # A rename would replace a blob that has the key. A link never does, at the same price.
            calls.link(self._key, key, src_dir_fd=staging, dst_dir_fd=shard, follow_symlinks=False)
            self._assert_linked(descriptor, key, shard)
            self._disk.synced(calls.fsync, shard)
        calls.unlink(self._key, dir_fd=staging)

    def _assert_linked(self, descriptor: int, key: str, shard: int) -> None:
        """The name in staging may have been swapped: what was linked must be the file written."""
        ours = os.fstat(descriptor)
        linked = os.stat(key, dir_fd=shard, follow_symlinks=False)
        if not os.path.samestat(ours, linked) or ours.st_size != self._size:
            self._disk.calls.unlink(key, dir_fd=shard)
            raise OSError(errno.ESTALE, "the staged file is not the one written", self._key)

    def _close(self, descriptor: int) -> None:
        """Also lets go of the lock. An error here has nothing to tell: what counts was fsynced."""
        self._descriptor = None
        with suppress(OSError):
            os.close(descriptor)


class _Disk:
    """What a store and its staged files share: two open directories, the calls, the health."""

    def __init__(self, root: Path, calls: DiskCalls) -> None:
        self.calls = calls
        self.failure: OSError | None = None  # the last failed fsync
        real = root.resolve()  # the operator may put a link before the root; none may be below it
        real.mkdir(mode=0o700, exist_ok=True)
        with directory(real.parent) as parent, directory(real) as top:
            self.staging = self._held("staging", top)
            self.blobs = self._held("blobs", top)
            for name in _SHARDS:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=self.blobs)
            for changed in (self.blobs, top, parent):
                os.fsync(changed)

    def shard(self, key: str) -> AbstractContextManager[int]:
        return directory(key[:2], self.blobs)

    def synced(self, call: Callable[[int], None], descriptor: int) -> None:
        """Unless there was no room, a failure means that bytes are lost, of this file or others."""
        try:
            call(descriptor)
        except OSError as failure:
            if failure.errno not in FULL:
                self.failure = failure
            raise

    def _held(self, name: str, parent: int) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, DIRECTORY, dir_fd=parent)
        # Open until the store and its staged bytes are forgotten; at exit threads may still use it.
        weakref.finalize(self, os.close, descriptor).atexit = False
        return descriptor


def _legal(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a blob key")
    return key


def _scanned(name: str, parent: int) -> Iterator[StoredKey]:
    # A descriptor of its own for each scan: two scans of one share its position.
    with translated(), directory(name, parent) as scanned, os.scandir(scanned) as entries:
        for entry in entries:
            if _KEY.fullmatch(entry.name) and _is_ours(entry):
                with suppress(FileNotFoundError):  # removed meanwhile
                    seconds = entry.stat(follow_symlinks=False).st_mtime
                    yield StoredKey(entry.name, datetime.fromtimestamp(seconds, UTC))


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
