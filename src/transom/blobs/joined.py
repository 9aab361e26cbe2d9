"""Blobs put together from others, without copying a byte on any file system.

    <root>/blobs/xx/<key>/0000000000000000    the bytes from offset 0: a hard link to the first part
    <root>/blobs/xx/<key>/0000000000800000    the bytes from offset 8,388,608 on; and so forth

A directory stands where another blob has its file, and the name of each file in it is the offset of
its first byte, as 16 hexadecimal digits. It is made in staging and appears by one rename; it is
deleted the same way back. Whoever makes or removes one locks the directory for itself alone, and
whoever reads one shares the lock: so reading goes on when the blob is deleted meanwhile.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from transom.blobs.calls import DIRECTORY, READ, directory, translated
from transom.blobs.reading import DiskReader, WindowReader, window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transom.blobs.calls import DiskCalls


@contextmanager
def gathering(calls: DiskCalls, name: str, staging: int) -> Iterator[int]:
    """An empty directory in staging, locked for the block; removed again when the block fails."""
    os.mkdir(name, 0o700, dir_fd=staging)
    made = os.open(name, DIRECTORY, dir_fd=staging)
    try:
        fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield made
    except Exception:
        with suppress(OSError):  # it may be a blob already; what stays in staging, the sweep takes
            os.stat(name, dir_fd=staging, follow_symlinks=False)
            remove(calls, name, staging, made)
        raise
    finally:
        os.close(made)


def add(calls: DiskCalls, part: str, shard: int, made: int, at: int) -> int:
    """Put a blob behind those that end at an offset; returns its size in bytes."""
    name = _name(at)
    size = os.stat(part, dir_fd=shard, follow_symlinks=False).st_size
    if size:
        calls.link(part, name, src_dir_fd=shard, dst_dir_fd=made, follow_symlinks=False)
    return size


def remove(calls: DiskCalls, name: str, parent: int, descriptor: int) -> None:
    """Take a directory away that the caller has locked: from its first byte to its last, then it.

    So one that lost some of its files has lost its first, and is not taken for whole.
    """
    for piece in sorted(_names(descriptor)):
        calls.unlink(piece, dir_fd=descriptor)
    os.rmdir(name, dir_fd=parent)


def opened(calls: DiskCalls, key: str, shard: int, start: int, length: int | None) -> JoinedReader:
    """A window into a blob.

    Raises:
        FileNotFoundError: it was deleted at this very moment.
        ValueError: start lies beyond the end, or either number is negative.
    """
    descriptor = os.open(key, DIRECTORY, dir_fd=shard)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as deleted:
            raise FileNotFoundError(key) from deleted
        starts = _starts(descriptor)
        size = _end(descriptor, starts)
        return JoinedReader(calls, descriptor, [*starts, size], window(size, start, length))
    except BaseException:
        os.close(descriptor)
        raise


class JoinedReader(WindowReader):
    """A window into one joined blob: the directory stays locked, one file at a time is open."""

    def __init__(
        self, calls: DiskCalls, descriptor: int, bounds: Sequence[int], asked: range
    ) -> None:
        super().__init__(calls, descriptor, asked)
        self._bounds = bounds  # where each file begins, and at last where the blob ends
        self._piece: DiskReader | None = None
        self._extent = range(0)  # which bytes of the blob the open file has

    def _bytes(self, descriptor: int, position: int, wanted: int) -> bytes:
        if self._piece is None or position not in self._extent:
            self._piece = self._opened(descriptor, position)
        return self._piece.read_at(position - self._extent.start, wanted)

    def _opened(self, descriptor: int, position: int) -> DiskReader:
        """The file with the byte at a position, in place of the one that was open."""
        self._let_go()
        number = bisect_right(self._bounds, position) - 1
        self._extent = range(self._bounds[number], self._bounds[number + 1])
        with translated():
            piece = os.open(_name(self._extent.start), READ, dir_fd=descriptor)
        return DiskReader(self._calls, piece, range(len(self._extent)))

    def _let_go(self) -> None:
        if self._piece is not None:
            self._piece.close()
            self._piece = None


def _name(offset: int) -> str:
    return f"{offset:016x}"


def _names(descriptor: int) -> list[str]:
    # A descriptor of its own for each scan: two scans of one share its position.
    with directory(".", descriptor) as scanned, os.scandir(scanned) as entries:
        return [entry.name for entry in entries]


def _starts(descriptor: int) -> list[int]:
    """Where each file begins, ascending."""
    starts = sorted(int(name, 16) for name in _names(descriptor))
    if starts[:1] not in ([], [0]) or not os.fstat(descriptor).st_nlink:
        raise FileNotFoundError("it is being deleted")
    return starts


def _end(descriptor: int, starts: Sequence[int]) -> int:
    if not starts:
        return 0
    last = os.stat(_name(starts[-1]), dir_fd=descriptor, follow_symlinks=False)
    return starts[-1] + last.st_size
