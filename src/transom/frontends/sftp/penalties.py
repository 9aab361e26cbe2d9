"""Penalties for sources: who misbehaves waits, longer each time, and is free again by itself.

Kept in memory by the process that saw it: a source's penalty is over in minutes, and the lock-out
rule, which all processes share, protects accounts (core/sign_in.py).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MAX_SOURCES = 65_536


@dataclass(frozen=True, slots=True)
class Prices:
    """What each kind of misbehaviour costs, in seconds of waiting.

    Penalties add up. Below `forgiven` nobody waits, so that a slip costs nothing; beyond `most`
    they grow no more.
    """

    wrong_password: float = 2
    no_attempt: float = 1
    too_slow: float = 5
    nonsense: float = 2
    forgiven: float = 20
    most: float = 300


class Penalties:
    """Who has to wait, and until when, by the clock of the event loop."""

    def __init__(self, prices: Prices | None = None) -> None:
        self.prices = prices or Prices()
        self._until: OrderedDict[str, float] = OrderedDict()
        self._waits: set[str] = set()

    def add(self, source: str, seconds: float, now: float) -> None:
        """A source misbehaved."""
        begins = max(now, self._until.pop(source, now))
        self._until[source] = min(begins + seconds, now + self.prices.most)
        if self._until[source] - now >= self.prices.forgiven:
            self._waits.add(source)
        while len(self._until) > _MAX_SOURCES:
            oldest, _ = self._until.popitem(last=False)
            self._waits.discard(oldest)

    def refuses(self, source: str, now: float) -> bool:
        """Whether a source must still wait. What is over is forgotten."""
        until = self._until.get(source)
        if until is None:
            return False
        if until <= now:
            del self._until[source]
            self._waits.discard(source)
            return False
        return source in self._waits
