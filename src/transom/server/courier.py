"""Sends what people are told, as soon as it is committed, in a thread of its own."""

from __future__ import annotations

import logging
import threading

from prometheus_client import Counter

from transom.core.people.post import Post
from transom.domain.errors import Unavailable

LOOK_SECONDS = 2.0
"""How often it looks by itself: for what waits for another try, or another process left."""

SENT = Counter("transom_messages_sent_total", "Mails, text messages and calls handed on.")

_log = logging.getLogger(__name__)


class Courier:
    """Delivers until it is asked to stop."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True
        self._post.ring()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long; what is left half-way is sent again."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            self._post.rung.wait(LOOK_SECONDS)
            self._deliver()

    def _deliver(self) -> None:
        try:
            SENT.inc(self._post.deliver())
        except Unavailable as failure:
            _log.warning("messages put off", extra={"why": failure.message})
        except Exception:  # noqa: BLE001 - the boundary of a background job
            _log.exception("delivery failed")
