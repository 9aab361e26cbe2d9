"""Waiting for something to do without holding a thread: a bell wakes, a look now and then follows.

What nobody rings for are leases that ran out and what another process received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")

LOOK_SECONDS = 1.0

Listen = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes what is called at each ring; returns what ends that."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Waits:
    """Everybody who waits; when the server stops, they are answered instead of cut."""

    def __init__(self) -> None:
        self._wakes: set[asyncio.Event] = set()
        self._over = False

    def end(self) -> None:
        """Have everybody look a last time, and nobody wait any more. In the event loop only."""
        self._over = True
        for wake in self._wakes:
            wake.set()

    async def until_found(
        self, look: Callable[[], Awaitable[T]], listen: Listen, seconds: float, receive: Receive
    ) -> T:
        """What `look` finds: at once, after a ring, or nothing when the time is over.

        Raises:
            ClientGone: the client went away, and nothing was found for it.
        """
        found = await look()
        if found or not seconds:
            return found
        loop = asyncio.get_running_loop()
        wake = asyncio.Event()
        self._wakes.add(wake)

        def ring() -> None:
            loop.call_soon_threadsafe(wake.set)

        stop = listen(ring)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            ends = loop.time() + seconds
            while True:
                found = await look()  # also for what came between the first look and the bell
                left = 0.0 if self._over else ends - loop.time()
                if found or left <= 0:
                    return found
                await _first(wake, gone, min(left, LOOK_SECONDS))
                if gone.done():
                    raise ClientGone
                wake.clear()
        finally:
            stop()
            self._wakes.discard(wake)
            gone.cancel()


async def _first(wake: asyncio.Event, gone: asyncio.Future[None], seconds: float) -> None:
    """Wait for one of these, or for the time to pass."""
    woken = asyncio.ensure_future(wake.wait())
    either: set[asyncio.Future[Any]] = {woken, gone}
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
