"""The small application inside the demo: takes every submission at once, accepts it, and answers.

It works through the same core as any application; only the network is left out.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from transom.core.exchange import Exchange
from transom.core.handoff import Answer, Claim, Lease
from transom.core.publishing import Result
from transom.domain.entitlement import Actor
from transom.domain.errors import ExchangeError
from transom.domain.names import FileName
from transom.domain.submission import State, Submission

LEASE = timedelta(seconds=30)  # after a crash, this long until somebody takes it up
_AT_ONCE = 20
_LOOK_SECONDS = 1.0
_NOTICE_SECONDS = 0.2
_REST_SECONDS = 1.0
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

    def ask_to_stop(self) -> None:
        """Begin nothing new; what was claimed and not answered is offered again."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            heard = self._exchange.handoff.rings(self._application)
            try:
                taken = self.work()
            except ExchangeError as failure:
                _log.warning("application rests", extra=self._facts(failure))
                self._stop.wait(_REST_SECONDS)
                continue
            if not taken:
                self._idle(heard)

    def _idle(self, heard: int) -> None:
        """Wait for the bell, in short parts so that a stop is noticed, or until it is time to look.

        What nobody rings for are leases that ran out.
        """
        for _ in range(round(_LOOK_SECONDS / _NOTICE_SECONDS)):
            rang = self._exchange.handoff.wait(self._application, heard, _NOTICE_SECONDS)
            if rang or self._stop.is_set():
                return

    def work(self) -> int:
        """Take what waits now; returns how many submissions that were.

        One that cannot be answered stops none of the others: it is logged, and offered again when
        its lease has run out.

        Raises:
            ExchangeError: nothing could be claimed.
        """
        actor = self._exchange.tokens.acting(self._principal_id, "")
        asked = Claim(self._application, _AT_ONCE, LEASE)
        leases = self._exchange.handoff.claim(actor, asked)
        for lease in leases:
            if self._stop.is_set():
                break
            try:
                self._answer(actor, lease)
            except ExchangeError as failure:
                facts = self._facts(failure) | {"submission": lease.submission.tracking_id}
                _log.warning("application could not answer", extra=facts)
        return len(leases)

    def _facts(self, failure: ExchangeError) -> dict[str, object]:
        return {"application": self._application, "why": failure.message}

    def _answer(self, actor: Actor, lease: Lease) -> None:
        """Publish, then answer: what dies before the second is offered and done again."""
        taken = lease.submission
        self._publish(actor, taken)
        answer = Answer(State.ACCEPTED, acknowledge=True)
        self._exchange.handoff.report(actor, taken.tracking_id, lease.fence, answer)

    def _publish(self, actor: Actor, taken: Submission) -> None:
        name = FileName(f"{taken.tracking_id[:8]}_{taken.name[:_NAME_PART]}.txt")
        text = (
            f"{taken.place.application} accepted {taken.name}\n"
            f"tracking id  {taken.tracking_id}\n"
            f"size         {taken.size} bytes\n"
            f"sha256       {taken.sha256}\n"
        )
        application, org, about = taken.place.application, taken.place.org, taken.tracking_id
        result = Result(application, "out", name, (org,), about)
        with self._exchange.publishing.begin(actor, result) as publication:
            publication.feed(text.encode())
            publication.commit()
