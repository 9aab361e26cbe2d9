"""The applications inside the demo: connected like anybody's, over the network.

app1 and app2 accept whatever comes; r4530 is the Rule 4530 processor.
"""

from __future__ import annotations

import logging
import threading

from transom.client.errors import ClientError
from transom.connector import Answer, Job, Worker, accepted

_NAME_PART = 200

_log = logging.getLogger(__name__)


def accept(job: Job) -> Answer:
    """Accept what came, and say so in a file."""
    text = (
        f"{job.application} accepted {job.file_name}\n"
        f"tracking id  {job.tracking_id}\n"
        f"size         {job.size} bytes\n"
        f"sha256       {job.sha256}\n"
    )
    name = f"{job.tracking_id[:8]}_{job.file_name[:_NAME_PART]}.txt"
    job.publish("out", name, text.encode())
    return accepted()


class Beside:
    """A worker in a thread of its own, beside the server that it talks to."""

    def __init__(self, name: str, worker: Worker) -> None:
        self._worker = worker
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin nothing new; what was claimed and not answered is offered again."""
        self._worker.stop()

    def join(self, seconds: float) -> None:
        """Wait for its end, at most so long."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._worker.run()
        except ClientError as failure:
            facts = {"application": self._thread.name, "why": failure.message}
            _log.error("application ended", extra=facts)
