"""What is known of a file being received: which bytes are there, and the digest so far."""

from __future__ import annotations

import errno
from bisect import bisect_left, bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from transom.domain.errors import NotSupported, StorageFull

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SPANS: Final = 65_536  # about 5 MB of memory for the worst sender
LARGEST_OFFSET: Final = 2**63 - 1  # of a file; SFTP can say up to 2**64 - 1
CATCH_UP_BYTES: Final = 1 << 20  # what one write may read back, so that no write takes long
PIECE_BYTES: Final = 256 * 1024


class Spans:
    """What has been written so far, as few spans as possible: touching ones are one.

    Bounded, because otherwise each byte at an offset of its own would cost memory.
    """

    __slots__ = ("_ends", "_limit", "_starts")

    def __init__(self, limit: int = MAX_SPANS) -> None:
        self._limit = limit
        self._starts: list[int] = []  # ascending; the n-th span is starts[n] up to ends[n]
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Note that the bytes from start up to, not including, end are there. Repeating is fine.

        Raises, having noted nothing:
            NotSupported: this would be one separate span too many.
            StorageFull: end is beyond what a file can have.
            ValueError: start is negative.
        """
        if start < 0:
            raise ValueError(f"offset {start} is negative")
        if end > LARGEST_OFFSET:
            raise StorageFull
        first = bisect_left(self._ends, start)  # the first span that reaches start
        after = bisect_right(self._starts, end)  # the first span that begins beyond end
        if first < after:
            start = min(start, self._starts[first])
            end = max(end, self._ends[after - 1])
        elif len(self._starts) == self._limit:
            raise NotSupported(
                f"An upload in more than {self._limit} separate pieces", "Send the bytes in order."
            )
        self._starts[first:after] = [start]
        self._ends[first:after] = [end]

    @property
    def prefix(self) -> int:
        """How many bytes are there without a gap, counted from the start of the file."""
        return self._ends[0] if self._starts and self._starts[0] == 0 else 0

    def first_gap(self) -> int | None:
        """The first missing offset below the highest one, or None when there is no gap."""
        return self.prefix if self._ends and self.prefix < self._ends[-1] else None


class PrefixDigest:
    """SHA-256 of a file that is being written, following its contiguous prefix.

    What came out of order is read back once the prefix reaches it: a little with each later write,
    the rest at the end. A write over bytes already hashed makes the whole file be read at the end.
    """

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read  # (size, offset) to bytes
        self._hash = sha256()
        self._reached = 0
        self._stale = False

    def wrote(self, offset: int, data: memoryview, prefix: int) -> None:
        """Take note of data, which the file has at offset; prefix bytes are contiguous now."""
        self._stale = self._stale or offset < self._reached
        if self._stale:
            return
        if offset == self._reached:
            self._take(data)
        self._follow(min(prefix, self._reached + CATCH_UP_BYTES))

    def whole(self, size: int) -> str:
        """The digest of all size bytes, as 64 hexadecimal digits; the file has no gaps."""
        if self._stale:
            self._hash, self._reached = sha256(), 0
        self._follow(size)
        return self._hash.hexdigest()

    def _follow(self, until: int) -> None:
        while self._reached < until:
            piece = self._read(min(PIECE_BYTES, until - self._reached), self._reached)
            if not piece:
                raise OSError(errno.EIO, "the staged file is shorter than what was written")
            self._take(piece)

    def _take(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._reached += len(data)
