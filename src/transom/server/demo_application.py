"""The small application inside the demo: it takes every submission at once, accepts it, and answers.

It works through the same core as any application; only the network is left out.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from transom.core.exchange import Exchange
from transom.core.handoff import Lease
from transom.domain.entitlement import Actor
from transom.domain.errors import Unavailable
from transom.domain.names import FileName, Place
from transom.domain.submission import State

_LEASE = timedelta(minutes=5)
_AT_ONCE = 20
_POLL_SECONDS = 1.0
_NAME_PART = 200

_log = logging.getLogger(__name__)


class DemoApplication:
    """Serves one application in a thread of its own."""

    def __init__(self, exchange: Exchange, application: str, principal_id: str) -> None:
        self._exchange = exchange
        self._application = application
        self._principal_id = principal_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=application, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float = 2) -> None:
        """End soon; what was claimed and not answered is offered again."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            heard = self._exchange.handoff.rings(self._application)
            try:
                taken = self.work()
            except Unavailable as failure:
                _log.warning("application waits", extra={"why": failure.message})
                taken = 0
            if not taken:
                self._exchange.handoff.wait(self._application, heard, _POLL_SECONDS)

    def work(self) -> int:
        """Answer what waits now; returns how many submissions that were."""
        actor = self._exchange.tokens.acting(self._principal_id, "")
        leases = self._exchange.handoff.claim(actor, self._application, _AT_ONCE, _LEASE)
        for lease in leases:
            self._answer(actor, lease)
        return len(leases)

    def _answer(self, actor: Actor, lease: Lease) -> None:
        taken = lease.submission
        self._exchange.handoff.acknowledge(actor, taken.tracking_id, lease.fence)
        place = Place(taken.place.org, taken.place.application, "out")
        name = FileName(f"{taken.tracking_id[:8]}_{taken.name[:_NAME_PART]}.txt")
        text = (
            f"{taken.place.application} accepted {taken.name}\n"
            f"tracking id  {taken.tracking_id}\n"
            f"size         {taken.size} bytes\n"
            f"sha256       {taken.sha256}\n"
        )
        publish = self._exchange.handoff.publish
        with publish(actor, place, name, about=taken.tracking_id) as publication:
            publication.write(0, text.encode())
            publication.commit()
        self._exchange.handoff.report(actor, taken.tracking_id, lease.fence, State.ACCEPTED)
