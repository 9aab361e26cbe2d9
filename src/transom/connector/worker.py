"""The worker: a whole application's side of the exchange in a handful of methods."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from transom.client.errors import ServerFault, Unreachable
from transom.client.presets import Server
from transom.connector.attempt import Handler
from transom.connector.backoff import pauses
from transom.connector.desk import Desk, Pace, Run
from transom.connector.gateway import Account, Gateway, passes
from transom.connector.signals import Signals

MOST_HANDS = 100
_PLACE = re.compile(r"([A-Za-z0-9]{1,64})/([A-Za-z0-9_]{1,64})")
_LOOK_SECONDS = 0.2

_log = logging.getLogger("transom.connector")


class Worker:
    """Takes submissions for the handlers that were registered, and sends their answers.

    `concurrency` is how many submissions of one application are worked on at once, each in a
    thread of its own (1 to 100). Nothing is asked of the server before run().
    """

    def __init__(
        self,
        server: str | Server,
        user: str,
        secret: str,
        *,
        ca_file: Path | None = None,
        concurrency: int = 4,
        pace: Pace | None = None,
    ) -> None:
        if not 1 <= concurrency <= MOST_HANDS:
            raise ValueError(f"concurrency is from 1 to {MOST_HANDS}")
        self._server = server
        self._account = Account(user, secret, ca_file)
        self._hands = concurrency
        self._handlers: dict[str, Handler] = {}
        self._stopping = threading.Event()
        self.pace = pace or Pace()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by place, "r4530/in"."""
        return MappingProxyType(self._handlers)

    def on(self, place: str) -> Callable[[Handler], Handler]:
        """Have what arrives at a place, "r4530/in", handled by the decorated function.

        Raises:
            ValueError: that is no application and sub-space, or it has a handler.
        """
        if not _PLACE.fullmatch(place):
            raise ValueError(f'"{place}" is not application/sub-space, like r4530/in')
        if place in self._handlers:
            raise ValueError(f"{place} has a handler already")

        def register(handler: Handler) -> Handler:
            self._handlers[place] = handler
            return handler

        return register

    def run(self) -> None:
        """Work until stop(), or in the main thread until SIGINT or SIGTERM.

        Then nothing new is claimed, and jobs in hand have the grace period; a second signal ends
        it at once. A server that cannot be reached is waited for. A worker runs once.

        Raises:
            ClientError: at the start, where waiting is of no use: NotSignedIn, NotEntitled, ...
            ValueError: it has no handler.
        """
        if not self._handlers:
            raise ValueError("the worker has no handler")
        with Signals() as signals:
            gateway = self._connected(signals)
            if gateway is None:
                return
            run = Run(gateway, self._stopping, self.pace)
            desks = self._desks(run)
            crew = _Crew(gateway, desks)
            while not self._stopping.wait(_LOOK_SECONDS):
                self._heed(signals)
            _log.info("ending: jobs in hand have %g s", self.pace.grace_seconds)
            crew.leave(self.pace.grace_seconds)
            if run.trouble is not None:
                raise run.trouble

    def stop(self) -> None:
        """Have run() end, from any thread; a worker that is idle ends within a second."""
        self._stopping.set()

    def _rest(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _heed(self, signals: Signals) -> None:
        if signals.heard:
            self.stop()

    def _connected(self, signals: Signals) -> Gateway | None:
        """The link to the server, once it tells its addresses; None when it is time to end."""
        for pause in pauses():
            self._heed(signals)
            if self._stopping.is_set():
                break
            try:
                return Gateway.connect(self._server, self._account, self._rest)
            except (Unreachable, ServerFault) as failure:
                if not passes(failure):
                    raise
                _log.warning("the server is waited for: %s", failure)
            until = time.monotonic() + pause
            while time.monotonic() < until and not self._stopping.wait(_LOOK_SECONDS):
                self._heed(signals)
        return None

    def _desks(self, run: Run) -> tuple[Desk, ...]:
        by_application: dict[str, dict[str, Handler]] = defaultdict(dict)
        for place, handler in self._handlers.items():
            application, _, sub_space = place.partition("/")
            by_application[application][sub_space] = handler
        return tuple(
            Desk(run, application, handlers, self._hands)
            for application, handlers in by_application.items()
        )


class _Crew:
    """The desks at work, each with a thread that claims.

    A claim that waits at the server cannot be called back: its thread may outlive run() by the
    time of a claim. It gives back what it still got, and the last to leave closes the link.
    """

    def __init__(self, gateway: Gateway, desks: tuple[Desk, ...]) -> None:
        self._gateway = gateway
        self._desks = desks
        self._lock = threading.Lock()
        self._present = len(desks) + 1
        for desk in desks:
            threading.Thread(target=self._serve, args=(desk,), daemon=True).start()

    def leave(self, grace_seconds: float) -> None:
        """Wait for the jobs in hand, at most so long; then give up what is left."""
        until = time.monotonic() + grace_seconds
        for desk in self._desks:
            # In short parts: on Windows a signal is not heard during one long wait.
            while not desk.idle(_LOOK_SECONDS) and time.monotonic() < until:
                continue
            desk.abandon()
        self._leave()

    def _serve(self, desk: Desk) -> None:
        try:
            desk.serve()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._present -= 1
            if self._present:
                return
        self._gateway.close()
