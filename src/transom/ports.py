"""Everything that can be swapped, on one page: time, chance, messages, and where bytes rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from transom.domain.messages import Message


class Clock(Protocol):
    """Where every instant comes from. All instants are aware and in UTC."""

    def now(self) -> datetime:
        """The exchange's time; a sandbox may move it."""
        ...

    def wall(self) -> datetime:
        """The world's time, which foreign devices compare: SigV4 dates, one-time codes, TLS."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step, from an arbitrary start: for waits and for trusting no jump."""
        ...


class Entropy(Protocol):
    """Where every identifier and secret comes from."""

    def uuid(self) -> str:
        """A fresh tracking or record id: 36 characters, lower case."""
        ...

    def blob_key(self) -> str:
        """A fresh key for a blob: 32 lower-case hexadecimal digits."""
        ...

    def secret(self, size: int) -> bytes:
        """Exactly size bytes that nobody can guess."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was made permanent: size in bytes and SHA-256 as 64 hexadecimal digits."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A blob, or staged bytes, found in the store.

    modified_at is when the blob was sealed, or the staged bytes last written: the machine's wall
    time, which Clock.now() need not follow.
    """

    key: str
    modified_at: datetime


class Staged(Protocol):
    """Bytes being received. It ends in seal_as(), or discard(), or the sweep takes it.

    One writer at a time; calls may come from different threads one after the other. After the end,
    write() and seal_as() raise ValueError.
    """

    @property
    def size(self) -> int:
        """The highest offset written so far, in bytes."""
        ...

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Place data at offset (bytes from the start). Any order; overlaps take the later write.

        Raises:
            NotSupported: the bytes would lie in more than 65,536 separate pieces; nothing changed.
            ValueError: the offset is negative, or the bytes were sealed or discarded.
            StorageFull: no room; discard() what is there.
            Unavailable: the store failed; discard() what is there.
        """
        ...

    def first_gap(self) -> int | None:
        """The first missing offset below size, or None when the bytes are contiguous from 0."""
        ...

    def flush(self) -> None:
        """Push what was written towards the disk, so that sealing is quick. Promises nothing."""
        ...

    def seal_as(self, key: str) -> Sealed:
        """Make the bytes a blob under key: whole, durable and immutable, or not there at all.

        May be called once. After an error the staged bytes are only good for discard().

        Raises:
            ValueError: there is a gap (ask first_gap() first), or the bytes were sealed or
                discarded.
            StorageFull, Unavailable: nothing is visible under key, or an orphan the sweep takes.
        """
        ...

    def discard(self) -> None:
        """Forget the bytes. May be called twice, and after seal_as(), where it does nothing."""
        ...


class BlobReader(Protocol):
    """A window into one blob. Reading goes on even if the blob is deleted meanwhile."""

    @property
    def size(self) -> int:
        """Bytes in the window."""
        ...

    def read(self, limit: int) -> bytes:
        """The next bytes, at most limit; empty at the end.

        Raises:
            ValueError: limit is not positive, or the reader is closed.
            Unavailable: the store failed, or the blob is shorter than it was.
        """
        ...

    def read_at(self, offset: int, limit: int) -> bytes:
        """Bytes from offset (in the window), at most limit; empty only at the end, or beyond it.

        Where read() goes on stays the same.

        Raises:
            ValueError: offset is negative, limit is not positive, or the reader is closed.
            Unavailable: as read().
        """
        ...

    def close(self) -> None:
        """Let go of it. May be called twice."""
        ...


class BlobStore(Protocol):
    """Immutable bytes under opaque keys. Names, owners and times live in the records, not here.

    A key is one that Entropy.blob_key() made; given anything else, every method raises ValueError.
    """

    def stage(self) -> Staged:
        """Begin to receive bytes; invisible to everybody else.

        Raises:
            StorageFull, Unavailable
        """
        ...

    def open(self, key: str, start: int = 0, length: int | None = None) -> BlobReader:
        """Read a blob from start (bytes), for length bytes or to its end, whichever comes first.

        Raises:
            NotFound: no blob has this key.
            ValueError: start lies beyond the end, or either number is negative.
            Unavailable: the store failed.
        """
        ...

    def join(self, key: str, parts: Sequence[str]) -> None:
        """Make a blob of the bytes of others, one after the other, copying as little as it can.

        The others, which were sealed and not joined, stay what they are; each is deleted by itself.

        Raises:
            NotFound: one of them is not there.
            StorageFull, Unavailable: nothing is visible under key, or an orphan the sweep takes.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a blob. A key that is not there is no error."""
        ...

    def keys(self, *, staged: bool = False) -> Iterator[StoredKey]:
        """Every blob in the store (or, with staged, all bytes being received), in no order."""
        ...

    def discard_staged(self, key: str) -> bool:
        """Remove staged bytes that no live session holds; True when something was removed."""
        ...

    def check(self) -> None:
        """Return quietly when the store can take and give bytes.

        Raises:
            StorageFull, Unavailable: what is wrong, for the readiness check.
        """
        ...


class Undeliverable(Exception):
    """A message that will never arrive: there is no such address, or the number is refused."""


class Messenger(Protocol):
    """Sends messages to people."""

    def can_call(self) -> bool:
        """Whether it takes text messages and calls, and not mails alone."""
        ...

    def send(self, message: Message) -> None:
        """Hand a message to whoever delivers it; at most half a minute.

        The same message may be sent twice, when the answer to the first try was lost.

        Raises:
            Undeliverable: it never will be; its text says why, in one line, without the content.
            Unavailable: not now; try again.
        """
        ...
