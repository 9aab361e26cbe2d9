"""What runs by itself beside the listeners: sealing, alerts, retention, scrubbing."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from prometheus_client import Counter, Gauge

from transom.core.exchange import Exchange
from transom.core.sealing import Sealer
from transom.domain.errors import Unavailable

SEAL_SECONDS = 5.0
ALERT_SECONDS = 10.0
SWEEP_SECONDS = 3600.0
FIRST_SWEEP_SECONDS = 5.0
SCRUB_SECONDS = 600.0
SCRUB_BYTES = 4 << 30

_log = logging.getLogger(__name__)

GUESSED = Counter(
    "transom_guessing_alerts_total",
    "Alerts of passwords guessed too slowly to be locked out, by what they spread over.",
    ["of"],
)
SWEPT = Counter("transom_swept_total", "What retention ended or removed, by kind.", ["kind"])
DAMAGED = Counter("transom_damaged_blobs_total", "Blobs found to differ from what was received.")
LAST_RUN = Gauge(
    "transom_job_last_success_seconds",
    "When a job last went through.",
    ["job"],
    multiprocess_mode="max",
)
FAILED = Counter("transom_job_failures_total", "Runs of a job that failed.", ["job"])


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    every_seconds: float
    first_after: float
    run: Callable[[], None]


class Caretaker:
    """One thread per job. A failed run is logged and counted; the next one goes on."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._stop = threading.Event()
        jobs = (
            *(  # one for each database: a cut chain in one must not stop the other's
                _Job("seal", SEAL_SECONDS, 0, partial(_seal, sealer)) for sealer in exchange.sealers
            ),
            _Job("alert", ALERT_SECONDS, 0, self._alert),
            _Job("sweep", SWEEP_SECONDS, FIRST_SWEEP_SECONDS, self._sweep),
            _Job("scrub", SCRUB_SECONDS, SCRUB_SECONDS, self._scrub),
        )
        self._threads = [
            threading.Thread(target=self._repeat, args=(job,), name=job.name, daemon=True)
            for job in jobs
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long in all; what is under way is safe to leave half-way."""
        until = time.monotonic() + seconds
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def _repeat(self, job: _Job) -> None:
        wait = job.first_after
        while not self._stop.wait(wait):
            wait = job.every_seconds
            try:
                job.run()
                LAST_RUN.labels(job.name).set(time.time())
            except Unavailable as failure:
                FAILED.labels(job.name).inc()
                _log.warning("job put off", extra={"job": job.name, "why": failure.message})
            except Exception:  # noqa: BLE001 - the boundary of a background job
                FAILED.labels(job.name).inc()
                _log.exception("job failed", extra={"job": job.name})

    def _alert(self) -> None:
        for each in self._exchange.alerts.fresh():
            facts = json.loads(each.detail)
            GUESSED.labels(facts["of"]).inc()
            told = {"object": each.object, "source": each.source} | facts
            _log.warning("passwords are being guessed", extra=told)

    def _sweep(self) -> None:
        swept = asdict(self._exchange.retention.sweep())
        for kind, count in swept.items():
            SWEPT.labels(kind).inc(count)
        _log.info("swept", extra=swept)

    def _scrub(self) -> None:
        sound, damaged = self._exchange.scrub.run(SCRUB_BYTES)
        DAMAGED.inc(damaged)
        _log.info("scrubbed", extra={"sound": sound, "damaged": damaged})


def _seal(sealer: Sealer) -> None:
    sealer.seal()
