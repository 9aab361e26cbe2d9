"""The threads behind the front ends: where the synchronous core runs.

Small pools of our own: measured, threads fight over the interpreter, which the database's driver
lets go of at every row. Forty threads gave 720 listings/s, four 1,000, one 1,350 and half the wait.
So short reads have one thread, what waits for the disk has a few, and secrets that people chose,
which take a slow hash, have threads of their own; the core bounds how many compute and wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_SLOW_THREADS = 20  # more than the core admits, so that the overflow is refused instead of queued


class Workers:
    """Runs calls to the core off the event loop."""

    def __init__(self, threads: int) -> None:
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="reads")
        self._quick = ThreadPoolExecutor(threads, thread_name_prefix="core")
        self._slow = ThreadPoolExecutor(_SLOW_THREADS, thread_name_prefix="secrets")

    async def read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call that reads a few rows, in about a millisecond, and never waits."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reads, partial(call, *args, **kwargs))

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call that takes milliseconds, or waits for the disk."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._quick, partial(call, *args, **kwargs))

    async def run_slow(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a call that checks a chosen secret."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._slow, partial(call, *args, **kwargs))

    def close(self) -> None:
        """End the threads when their present calls are done."""
        self._reads.shutdown(wait=True)
        self._quick.shutdown(wait=True)
        self._slow.shutdown(wait=True)
