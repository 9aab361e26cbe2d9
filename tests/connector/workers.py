"""Workers that run in a thread beside the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connector.gateway_server import SECRET, USER, GatewayServer

from transom.connector import Answer, Job, Pace, Worker

QUICK = Pace(lease_seconds=30, wait_seconds=1, owed_seconds=0.2, grace_seconds=5)


def until(holds: Callable[[], object], seconds: float = 15) -> None:
    """Wait until something holds; fail when it does not within this time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def worker_of(
    server: GatewayServer, take: Callable[[Job], Answer], pace: Pace = QUICK, concurrency: int = 4
) -> Worker:
    """A worker that has what arrives at r4530/in taken."""
    worker = Worker(server.server, USER, SECRET, concurrency=concurrency, pace=pace)
    worker.on("r4530/in")(take)
    return worker


@contextmanager
def running(worker: Worker) -> Iterator[list[BaseException]]:
    """The worker runs inside the block; what run() raised is in the list after it."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()
