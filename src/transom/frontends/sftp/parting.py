"""How a connection ends in words, so that the client gets to read them.

A socket that is closed while bytes from the client lie unread in it resets the connection, and a
reset may overtake what was sent last (RFC 2525, 2.17; Windows drops what it has not shown yet).
The library does just that. So the last words are followed by the end of our side alone; what the
client still sends is read and forgotten until it closes its own side, for a moment at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

MOMENT_SECONDS = 1.0
_MOST_BYTES = 1 << 20


class Line:
    """A connection's transport, as the library sees it; the library only ever aborts one."""

    def __init__(self, transport: asyncio.Transport, partings: set[asyncio.Transport]) -> None:
        self._transport = transport
        self._partings = partings
        self._in_words = False
        self.write: Callable[[bytes], None] = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def part(self) -> None:
        """Last words were written: let them arrive when the library aborts."""
        self._in_words = True

    def abort(self) -> None:
        """End it: at once, or after last words as soon as the client has read them."""
        if not self._in_words or self._transport.is_closing():
            self._transport.abort()
            return
        self._partings.add(self._transport)
        self._transport.set_protocol(_Deaf(self._transport, self._partings))
        self._transport.write_eof()
        self._transport.resume_reading()


class _Deaf(asyncio.Protocol):
    """Waits for the other side to close, and takes nothing to heart any more."""

    def __init__(self, transport: asyncio.Transport, partings: set[asyncio.Transport]) -> None:
        self._transport = transport
        self._partings = partings
        self._protocol = transport.get_protocol()
        self._left = _MOST_BYTES
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(MOMENT_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Forget it; a client that has much to say is not listening."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Both sides are closed."""
        self._end.cancel()
        self._partings.discard(self._transport)
        self._protocol.connection_lost(exc)
