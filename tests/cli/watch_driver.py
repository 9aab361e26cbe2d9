"""A watcher as a process of its own, whose exchange is a file, and which kills itself when told.

usage: watch_driver.py DIR EXCHANGE KILL_AT TURNS

KILL_AT is "STEP:N", the Nth time that a step is reached; steps are where a machine may stop.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from transom.client.cli.config import Config, Resolved
from transom.client.cli.connection import Desk
from transom.client.cli.journal import Journal
from transom.client.cli.show import Screen
from transom.client.cli.watch import Order, Watch
from transom.client.errors import ClientError
from transom.client.values import Sent, Submission

PLACE = "0001/app1/in"


class Killer:
    """Ends this process with kill -9 at the right moment."""

    def __init__(self, at: str) -> None:
        self.step, _, count = at.partition(":")
        self.left = int(count or 1)

    def __call__(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


class Exchange:
    """An exchange whose memory is a file: tracking id to state, name and digest."""

    def __init__(self, file: Path, reached: Any) -> None:
        self.file = file
        self.reached = reached
        self.failures: list[ClientError] = []

    @property
    def records(self) -> dict[str, dict[str, str]]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def note(self, tracking_id: str, **facts: str) -> None:
        records = self.records
        records[tracking_id] = records.get(tracking_id, {}) | facts
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(records))
        fresh.replace(self.file)

    def put(self, path: Path, place: str, name: str, *, progress: Any, on_requested: Any) -> Sent:
        self.reached("asking")
        tracking_id = f"{len(self.records):08}-id"
        self.note(tracking_id, state="requested", name=name)
        self.reached("asked")
        on_requested(tracking_id)
        self.reached("noted")
        if self.failures:
            failure = self.failures.pop(0)
            failure.tracking_id = tracking_id
            raise failure
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        progress(len(content), len(content))
        self.note(tracking_id, state="received", sha256=sha256)
        self.reached("received")
        return Sent(tracking_id, place, name, len(content), sha256, 0.1, verified=True)

    def submission(self, tracking_id: str) -> Submission:
        from datetime import UTC, datetime  # noqa: PLC0415

        record = self.records[tracking_id]
        at = datetime(2026, 11, 20, tzinfo=UTC)
        return Submission(tracking_id, record["name"], PLACE, record["state"], "", None, at, at)


class Steps(Journal):
    """A journal that tells each step."""

    reached: Any = None

    def write(self, entry: Any) -> None:
        self.reached(f"before {entry.step}")
        super().write(entry)
        self.reached(f"after {entry.step}")

    def remove(self, entry: Any) -> None:
        self.reached("before remove")
        super().remove(entry)
        self.reached("after remove")


def watch(directory: Path, exchange: Any, *, resend: float = 0, journal: Any = None) -> Watch:
    """A watcher of a directory, with nobody at its screen."""
    screen = Screen(io.StringIO(), io.StringIO())
    desk = Desk(screen, Config(directory / "config.toml"), {})
    order = Order(directory, PLACE, 0.0, resend)
    return Watch(desk, exchange, order, PLACE, journal or Journal(directory))


def main(directory: str, file: str, kill_at: str, turns: str) -> None:
    reached = Killer(kill_at)
    journal = Steps(Path(directory))
    journal.reached = reached
    with journal.locked():
        running = watch(Path(directory), Exchange(Path(file), reached), journal=journal)
        for _ in range(int(turns)):
            running.turn()
            for pause in running._pauses.values():
                pause.until = 0.0


__all__ = ["Exchange", "Resolved", "watch"]

if __name__ == "__main__":
    main(*sys.argv[1:])
