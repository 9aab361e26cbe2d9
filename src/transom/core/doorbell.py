"""Wakes those who wait for hand-offs in this process. Others poll; nothing is lost without it."""

from __future__ import annotations

import threading


class Doorbell:
    """Counts rings per application, and lets a thread wait for the next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings: dict[str, int] = {}

    def ring(self, application: str) -> None:
        """Say that something was offered to an application."""
        with self._changed:
            self._rings[application] = self._rings.get(application, 0) + 1
            self._changed.notify_all()

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
