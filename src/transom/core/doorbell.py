"""Tells those who wait for hand-offs in this process. Others look; nothing is lost without it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Doorbell:
    """Knows who listens for each application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    def listeners(self, application: str) -> int:
        """How many listen now."""
        with self._lock:
            return len(self._listeners.get(application, ()))

    def ring(self, application: str) -> None:
        """Say that something was offered to an application."""
        with self._lock:
            told = tuple(self._listeners.get(application, ()))
        for listener in told:
            listener()

    def listen(self, application: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this at every ring, from the thread that rings; it must be quick.

        Returns:
            What ends it.
        """
        with self._lock:
            self._listeners.setdefault(application, set()).add(callback)

        def end() -> None:
            with self._lock:
                self._listeners[application].discard(callback)

        return end
