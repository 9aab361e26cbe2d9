"""What one session has open: files on their way in or out, and folders being listed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from transom.core.downloads import Download
from transom.core.uploads import Upload
from transom.domain.errors import ExchangeError, StorageFull
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.frontends.intake import FLUSH_EVERY
from transom.frontends.sftp.attributes import Listed
from transom.frontends.sftp.errors import BadHandle, TooManyHandles
from transom.frontends.sftp.wire import Name
from transom.frontends.workers import Workers

MAX_HANDLES = 100
_HIGHEST = (1 << 63) - 1


class Receiving:
    """A file on its way in. One write that fails spoils it: CLOSE then says so again."""

    def __init__(self, upload: Upload, place: Place, name: FileName) -> None:
        self.upload = upload
        self.place = place
        self.name = name
        self.failure: ExchangeError | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._flushed = 0

    def write(self, offset: int, data: memoryview) -> None:
        """Place data at offset, in any order.

        Raises:
            TooLarge, NotSupported, StorageFull, Unavailable: nothing will be submitted.
        """
        if self.failure is not None:
            raise self.failure
        try:
            if offset + len(data) > _HIGHEST:
                raise StorageFull
            self.upload.write(offset, data)
        except ExchangeError as failure:
            self.failure = failure
            raise

    def flush_behind(self, workers: Workers) -> None:
        """Have what is written pushed to the disk while more arrives, one push at a time."""
        if self.upload.size - self._flushed < FLUSH_EVERY:
            return
        if self._flushing is None or self._flushing.done():
            self._flushed = self.upload.size
            self._flushing = asyncio.ensure_future(workers.run(self.upload.flush))

    async def settle(self) -> None:
        """Wait for the push that is under way; its failure comes up again when sealing."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
            self._flushing.exception()


@dataclass(frozen=True)
class Sending:
    """A file on its way out."""

    opened: Download

    @property
    def listing(self) -> Listing:
        """What is being read."""
        return self.opened.listing

    def read(self, offset: int, length: int) -> bytes:
        """Up to length bytes from offset; empty only at the end.

        Raises:
            Unavailable: the bytes cannot be read.
        """
        length = min(length, self.listing.size - offset)
        if length <= 0:
            return b""
        reader = self.opened.reader
        data = reader.read_at(offset, length)
        while len(data) < length:
            data += reader.read_at(offset + len(data), length - len(data))
        return data


@dataclass
class Folder:
    """A folder being listed: entries at hand, then pages of files that are read when asked for."""

    listed: Listed
    entries: list[Name]
    pages: Iterator[list[Listing]] | None = None


Handle = Receiving | Sending | Folder
H = TypeVar("H", Receiving, Sending, Folder)


@dataclass
class Handles:
    """The open files and folders of one session, by number."""

    open: dict[int, Handle] = field(default_factory=dict)
    _next: int = 0

    def require_room(self) -> None:
        """Return quietly when one more may be opened. Raises TooManyHandles."""
        if len(self.open) >= MAX_HANDLES:
            raise TooManyHandles(MAX_HANDLES)

    def add(self, handle: Handle) -> bytes:
        """Keep it open; returns what the client calls it. No number is used twice."""
        self._next += 1
        self.open[self._next] = handle
        return self._next.to_bytes(4)

    def get(self, number: int, kind: type[H]) -> H:
        """The open handle of this number and kind. Raises BadHandle: there is none."""
        found = self.open.get(number)
        if not isinstance(found, kind):
            raise BadHandle
        return found

    def named(self, name: bytes, kind: type[H]) -> H:
        """The open handle that the client calls so. Raises BadHandle: there is none."""
        return self.get(number_of(name), kind)

    def take(self, name: bytes) -> Handle:
        """The handle, which is not open any more. Raises BadHandle: there is none."""
        found = self.open.pop(number_of(name), None)
        if found is None:
            raise BadHandle
        return found

    def receiving(self, place: Place, name: FileName) -> Receiving | None:
        """The upload of this session that is under way under a name, if there is one."""
        for each in self.open.values():
            if isinstance(each, Receiving) and (each.place, each.name) == (place, name):
                return each
        return None

    @property
    def is_transferring(self) -> bool:
        """Whether a file is on its way."""
        return any(not isinstance(each, Folder) for each in self.open.values())


def number_of(name: bytes) -> int:
    """The number of a handle; -1 of what cannot be one of ours."""
    return int.from_bytes(name) if len(name) == 4 else -1  # noqa: PLR2004 - as add() makes them
