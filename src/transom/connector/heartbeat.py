"""Keeps one lease running while its job is worked on."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from transom.client.errors import ClientError
from transom.connector.gateway import Gateway, is_over
from transom.connector.job import Job

_log = logging.getLogger("transom.connector")

_SHARE = 3  # of its time, after which a lease is lengthened: two beats may fail
_SOONER = 10  # the same after a beat that failed


class Heartbeat:
    """Lengthens a job's lease from a thread, inside its block. Cancels the job when refused.

    `age` is how many seconds ago the lease was asked for.
    """

    def __init__(self, gateway: Gateway, job: Job, lease_seconds: int, age: float) -> None:
        self._gateway = gateway
        self._job = job
        self._seconds = lease_seconds
        self._first = max(0.0, lease_seconds / _SHARE - age)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        name = f"heartbeat of {self._job.tracking_id}"
        threading.Thread(target=self._run, name=name, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def _run(self) -> None:
        wait = self._first
        while not self._over.wait(wait) and not self._job.cancelled:
            wait = self._beat()

    def _beat(self) -> float:
        """Lengthen the lease once; returns the seconds until the next time."""
        number = self._job.lease.number
        try:
            self._gateway.heartbeat(self._job.tracking_id, number, self._seconds)
        except ClientError as failure:
            if is_over(failure) and number == self._job.lease.number:
                self._job.cancel()
            elif not self._over.is_set():
                _log.warning("no heartbeat for %s: %s", self._job.tracking_id, failure)
            return self._seconds / _SOONER
        return self._seconds / _SHARE
