"""Taking a body in: block by block into the core, never faster than it is kept, never too slowly.

Blocks are hashed and written where they arrive, in the event loop: measured, a thread gains nothing
there. What may wait for the disk (flushing, committing) runs in a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Message, Receive

from transom.domain.said import said
from transom.frontends.errors import BodyBrokeOff
from transom.frontends.workers import Workers

FLUSH_EVERY = 32 << 20
_DRAIN_BYTES = 64 << 20
_DRAIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a sender must be: so many bytes in each period. Silence is cut at the connection."""

    seconds: float = 60
    least_bytes: int = 60 * 1024


class Taking(Protocol):
    """What takes a body in order, from first byte to last."""

    @property
    def size(self) -> int:
        """How many bytes it took."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def flush(self) -> None:
        """Push what was taken towards the disk."""


class Intake:
    """Feeds one request's body to the core."""

    def __init__(self, body: Taking, workers: Workers, pace: Pace) -> None:
        self._body = body
        self._workers = workers
        self._pace = pace
        self._flushing: asyncio.Future[None] | None = None
        self._flushed = 0

    async def run(self, receive: Receive) -> None:
        """Take the whole body.

        Raises:
            BodyBrokeOff: the client went away, or was too slow.
            TooLarge, StorageFull, Unavailable: nothing will be submitted.
        """
        loop = asyncio.get_running_loop()
        period_ends = loop.time() + self._pace.seconds
        taken = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BodyBrokeOff(said("The upload broke off."))
            data = message.get("body", b"")
            if data:
                self._body.feed(data)
                taken += len(data)
                self._flush_behind()
            if not message.get("more_body", False):
                return
            if loop.time() > period_ends:
                if taken < self._pace.least_bytes:
                    raise BodyBrokeOff(said("The upload was too slow."))
                period_ends, taken = loop.time() + self._pace.seconds, 0

    def _flush_behind(self) -> None:
        """Have what is written pushed to the disk while more arrives, one push at a time."""
        if self._body.size - self._flushed < FLUSH_EVERY:
            return
        if self._flushing is None or self._flushing.done():
            self._flushed = self._body.size
            self._flushing = asyncio.ensure_future(self._workers.run(self._body.flush))

    async def settle(self) -> None:
        """Wait for the push that is under way; its failure comes up again when sealing."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
            self._flushing.exception()


class Incoming:
    """The messages of a request. It knows when the last one was taken: to ask again would hang."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    @property
    def has_ended(self) -> bool:
        """Whether the last message was taken."""
        return self._ended

    async def __call__(self) -> Message:
        """The next message."""
        message = await self._receive()
        self._ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read what a client sends anyway, so that it gets to see the refusal; within bounds."""
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._ended and taken < _DRAIN_BYTES:
                    taken += len((await self()).get("body", b""))
