"""The content of a submission as a file to read: resumed where it was cut, verified at its end."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from transom.client.errors import NotComplete, Unreachable
from transom.connector.backoff import pauses
from transom.connector.errors import ContentDamaged
from transom.connector.gateway import JobGateway, Lease

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CUTS_IN_A_ROW = 6


class Content(io.RawIOBase):
    """The bytes as they arrive. `check` is called before each read, and may raise to end it.

    Size and SHA-256 are verified before the end is told, so who has read to the end has the
    bytes that the exchange received.
    """

    def __init__(
        self,
        gateway: JobGateway,
        lease: Lease,
        check: Callable[[], None],
        pause: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._gateway = gateway
        self._lease = lease
        self._check = check
        self._pause = pause
        self._digest = hashlib.sha256()
        self._arrived = 0
        self._left = memoryview(b"")
        self._line = ExitStack()
        self._blocks: Iterator[bytes] | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what has arrived, at most as much as fits.

        Raises:
            LeaseLost
            ContentDamaged: size or digest differ.
            ClientError: the line broke again and again, or the server refused.
        """
        self._check()
        if not self._left:
            self._left = memoryview(self._next_block())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()
        super().close()

    def _next_block(self) -> bytes:
        """More bytes, or none at the verified end."""
        waiting = pauses()
        for cut in range(CUTS_IN_A_ROW):
            try:
                return self._received()
            except (Unreachable, NotComplete):
                self._hang_up()
                if cut == CUTS_IN_A_ROW - 1:
                    raise
            self._pause(next(waiting))
            self._check()
        raise AssertionError  # the last try has returned or raised

    def _received(self) -> bytes:
        if self._arrived == self._lease.size:
            return self._end()
        if self._blocks is None:
            line = self._gateway.content(self._lease.tracking_id, self._arrived)
            self._blocks = self._line.enter_context(line)
        block = next(self._blocks, b"")
        if not block:
            raise NotComplete("The content ended early.", tracking_id=self._lease.tracking_id)
        self._arrived += len(block)
        self._digest.update(block)
        if self._arrived > self._lease.size:
            raise ContentDamaged(self._lease.tracking_id, "it is longer than what was received")
        return block

    def _end(self) -> bytes:
        self._hang_up()
        if self._digest.hexdigest() != self._lease.sha256:
            raise ContentDamaged(self._lease.tracking_id, "its SHA-256 differs")
        return b""

    def _hang_up(self) -> None:
        self._line.close()
        self._blocks = None
