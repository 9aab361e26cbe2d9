"""Wakes those who wait for hand-offs in this process. Others poll; nothing is lost without it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Doorbell:
    """Counts rings per application, tells who listens, and lets a thread wait for the next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings: dict[str, int] = {}
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    def ring(self, application: str) -> None:
        """Say that something was offered to an application."""
        with self._changed:
            self._rings[application] = self._rings.get(application, 0) + 1
            self._changed.notify_all()
            listeners = tuple(self._listeners.get(application, ()))
        for listener in listeners:
            listener()

    def listen(self, application: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this at every ring, from the thread that rings; it must be quick.

        Returns:
            What ends it.
        """
        with self._changed:
            self._listeners.setdefault(application, set()).add(callback)

        def end() -> None:
            with self._changed:
                self._listeners[application].discard(callback)

        return end

    def rings(self, application: str) -> int:
        """How often it has rung; hand it to wait() so that no ring between is missed."""
        with self._changed:
            return self._rings.get(application, 0)

    def wait(self, application: str, heard: int, seconds: float) -> bool:
        """Wait until it has rung more often than was heard; False when the time ran out."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._rings.get(application, 0) > heard, timeout=seconds
            )
