"""The wish of an operator or of the system that the program ends."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Signals:
    """Counts SIGINT and SIGTERM inside its block, when that is in the main thread.

    The first is only counted: nothing that takes a lock may happen in a signal handler. The
    second raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as called
        self.heard += 1
        if self.heard > 1:
            raise KeyboardInterrupt
