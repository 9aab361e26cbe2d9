"""The demo's inbox: every message is kept to be looked at, and none leaves the machine."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from transom.domain.messages import Message, SentMessage
from transom.ports import Clock

_KEPT = 500


class Inbox:
    """A messenger that remembers the newest messages."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: deque[SentMessage] = deque(maxlen=_KEPT)
        self._count = 0

    def can_call(self) -> bool:
        """It takes everything."""
        return True

    def send(self, message: Message) -> None:
        """As ports.Messenger has it; never refuses."""
        with self._lock:
            self._count += 1
            self._kept.append(SentMessage(self._count, self._clock.now(), message))

    def messages(self) -> Sequence[SentMessage]:
        """What was sent, the newest first."""
        with self._lock:
            return tuple(reversed(self._kept))
