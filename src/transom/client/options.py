"""What may be said about how a server is talked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from transom import __version__
from transom.client.connections import Connections
from transom.client.retries import OnRetry, Retries


class Options(TypedDict, total=False):
    """What may be said about a session; every one may be left out.

    ca_file: a root to trust beside the system's, in PEM form
    timeout_seconds: how long a server may be silent (60)
    token: a ready token, used instead of user name and secret; it cannot be renewed
    retries: how often something is tried in all (5)
    on_retry: told before each wait; see retries.py
    user_agent: how requests name their sender ("transom/VERSION")
    allow_plain_http: whether http is allowed beyond this machine (False)
    sleep, clock: how to wait, and a clock that only goes forward, both in seconds
    """

    ca_file: Path | str | None
    timeout_seconds: float
    token: str
    retries: int
    on_retry: OnRetry | None
    user_agent: str
    allow_plain_http: bool
    sleep: Callable[[float], None]
    clock: Callable[[], float]


def connections(options: Options) -> Connections:
    """A pool of connections as the options have it."""
    return Connections(
        options.get("ca_file"),
        options.get("timeout_seconds", 60.0),
        options.get("user_agent", f"transom/{__version__}"),
    )


def retries(options: Options) -> Retries:
    """Tries and waits as the options have them."""
    return Retries(
        options.get("retries", 5), options.get("sleep", time.sleep), options.get("on_retry")
    )
