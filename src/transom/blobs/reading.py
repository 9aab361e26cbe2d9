"""Reading blobs: windows into files that stay open, whatever becomes of their names."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from threading import Lock
from typing import TYPE_CHECKING

from transom.blobs.calls import translated

if TYPE_CHECKING:
    from transom.blobs.calls import DiskCalls


class WindowReader(ABC):
    """A window into one blob that is open, so deleting the blob does not end the reading."""

    def __init__(self, calls: DiskCalls, descriptor: int, asked: range) -> None:
        self._calls = calls
        self._descriptor: int | None = descriptor
        self._window = asked
        self._position = asked.start
        self._using = Lock()  # close() waits for a read: the number may be another file's at once

    @property
    def size(self) -> int:
        """Bytes in the window."""
        return len(self._window)

    def read(self, limit: int) -> bytes:
        """The next bytes, at least one and at most limit; empty at the end.

        Raises:
            Unavailable: the store failed, or the blob is shorter than it was.
        """
        with self._using:
            piece = self._read(self._position, limit)
            self._position += len(piece)
            return piece

    def read_at(self, offset: int, limit: int) -> bytes:
        """Bytes from offset in the window, at least one and at most limit; empty from its end on.

        Where read() goes on stays the same.

        Raises:
            Unavailable: the store failed, or the blob is shorter than it was.
        """
        if offset < 0:
            raise ValueError(f"the offset {offset} is negative")
        with self._using:
            return self._read(self._window.start + offset, limit)

    def _read(self, position: int, limit: int) -> bytes:
        if self._descriptor is None or limit < 1:
            raise ValueError(f"this reader is closed, or the limit {limit} is below 1")
        wanted = min(limit, self._window.stop - position)
        return self._bytes(self._descriptor, position, wanted) if wanted > 0 else b""

    @abstractmethod
    def _bytes(self, descriptor: int, position: int, wanted: int) -> bytes:
        """Bytes of the blob from a position, at least one; called by one thread at a time."""

    def _let_go(self) -> None:  # noqa: B027 - most hold nothing else
        """Let go of what is held beside the descriptor."""

    def close(self) -> None:
        """Let go of the blob. May be called twice."""
        with self._using:
            self._let_go()
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


class DiskReader(WindowReader):
    """A window into a blob that is one file."""

    def _bytes(self, descriptor: int, position: int, wanted: int) -> bytes:
        with translated():
            piece = self._calls.pread(descriptor, wanted, position)
            if not piece:
                raise OSError(errno.EIO, "the blob is shorter than it was")
        return piece


def window(size: int, start: int, length: int | None) -> range:
    """The offsets from start, for length bytes or to the end of so many: what comes first.

    Raises:
        ValueError: start lies beyond the end, or either number is negative.
    """
    wanted = size if length is None else length
    if wanted < 0 or not 0 <= start <= size:
        raise ValueError(f"{start}, {length} is no start and length in a blob of {size} bytes")
    return range(start, min(size, start + wanted))
