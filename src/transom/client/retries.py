"""How often something is tried, and how long is waited in between."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from transom.client.errors import Busy, Unreachable

OnRetry = Callable[[int, int, float, str], None]
"""Called before a wait: the number of the try to come, of how many, in how many seconds, why."""

LONGEST_WAIT_SECONDS = 120.0
"""A server that asks to come again later than this is not waited for."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_OWN_WAIT_SECONDS = 20.0
_chance = secrets.SystemRandom()

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Retries:
    """So many tries in all, with waits that double, and differ between clients."""

    tries: int = 5
    sleep: Callable[[float], None] = time.sleep
    on_retry: OnRetry | None = None

    def run(self, attempt: Callable[[], _T]) -> _T:
        """What an attempt gives, at the first try that gives something.

        Raises:
            Unreachable: of the last try; any other error passes at once.
        """
        number = 1
        while True:
            try:
                return attempt()
            except Unreachable as failure:
                self.pause(number, failure)
                number += 1

    def pause(self, number: int, failure: Unreachable) -> None:
        """Wait after this try, counted from 1; raises when it was the last that makes sense."""
        seconds = self._seconds(number, failure)
        if number >= self.tries or not failure.may_pass or seconds > LONGEST_WAIT_SECONDS:
            raise _given_up(failure, number)
        if self.on_retry is not None:
            self.on_retry(number + 1, self.tries, seconds, failure.message)
        self.sleep(seconds)

    @staticmethod
    def _seconds(number: int, failure: Unreachable) -> float:
        if isinstance(failure, Busy) and failure.retry_after:
            return failure.retry_after + _chance.uniform(0, 0.25)
        own: float = min(_FIRST_WAIT_SECONDS * 2 ** (number - 1), _LONGEST_OWN_WAIT_SECONDS)
        return own * _chance.uniform(0.75, 1.25)


def _given_up(failure: Unreachable, tries: int) -> Unreachable:
    """The error at the end: text 33 of the design guide where there was no answer at all."""
    if not failure.host or not failure.may_pass:
        return failure
    counted = "1 try" if tries == 1 else f"{tries} tries"
    told = Unreachable(
        f"{failure.message.removesuffix('.')} after {counted}. Nothing was submitted. "
        "Check the network and the status page, then run the same command again.",
        request_id=failure.request_id,
    )
    told.host, told.connected = failure.host, failure.connected
    told.__cause__ = failure
    return told
