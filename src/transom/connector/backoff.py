"""How long to wait before trying again: twice as long each time, never quite the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

LONGEST_SECONDS = 600


def after_failure(attempt: int) -> int:
    """Whole seconds until a failed submission is offered again: 2, 4, 8, ... up to 10 minutes."""
    return min(1 << min(attempt, 20), LONGEST_SECONDS)


def pauses(first: float = 0.5, longest: float = 30.0) -> Iterator[float]:
    """Seconds to wait before each next try, without end.

    Many workers that lost the same server must not come back in step: each pause is somewhere
    between half of it and the whole.
    """
    length = first
    while True:
        yield random.uniform(length / 2, length)  # noqa: S311 - nothing secret in it
        length = min(length * 2, longest)
