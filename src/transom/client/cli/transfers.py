"""Several transfers at once: each ends for itself, and Ctrl-C ends those under way."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from transom.client.cli import exits, show
from transom.client.cli.exits import WrongUse
from transom.client.cli.progress import Step, Watcher
from transom.client.cli.show import Screen
from transom.client.errors import ClientError

Job = TypeVar("Job")
Done = TypeVar("Done")


class Stopped(BaseException):
    """Raised out of a transfer's progress when the command is to end."""


@dataclass(frozen=True, slots=True)
class End(Generic[Job, Done]):
    """How one transfer ended: with something done, or with an error."""

    job: Job
    name: str
    done: Done | None = None
    error: ClientError | None = None

    @property
    def exit_code(self) -> int:
        """The code of this file alone."""
        return self.error.exit_code if self.error else exits.DONE


@dataclass(slots=True)
class Transfers(Generic[Job, Done]):
    """Runs jobs in at most so many threads. `ends` may be looked at after a Ctrl-C too."""

    carry: Callable[[Job, Step], Done]
    watcher: Watcher
    ends: list[End[Job, Done]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(
        self, jobs: Sequence[tuple[Job, str, int | None]], parallel: int
    ) -> Iterator[End[Job, Done]]:
        """Each end as it comes; a job is what to carry, a name and a size.

        On KeyboardInterrupt the transfers under way break off, and it is raised again.
        """
        waiting: queue.SimpleQueue[tuple[Job, str, int | None] | None] = queue.SimpleQueue()
        ended: queue.SimpleQueue[End[Job, Done] | BaseException] = queue.SimpleQueue()
        count = min(parallel, len(jobs))
        for job in (*jobs, *[None] * count):
            waiting.put(job)
        # Daemons, so that a second Ctrl-C ends the process at once.
        threads = [
            threading.Thread(target=self._work, args=(waiting, ended), daemon=True)
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in jobs:
                self.ends.append(_raised(ended.get()))
                yield self.ends[-1]
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join()
            while not ended.empty():
                self._note(ended.get())
            raise

    def _note(self, late: End[Job, Done] | BaseException) -> None:
        if isinstance(late, End):
            self.ends.append(late)

    def _work(self, waiting: Any, ended: Any) -> None:
        while (job := waiting.get()) is not None and not self._stop.is_set():
            try:
                ended.put(self._carried(*job))
            except BaseException as failure:  # noqa: BLE001 - it is raised again where it is read
                ended.put(failure)

    def _carried(self, job: Job, name: str, size: int | None) -> End[Job, Done]:
        told = self.watcher.started(name, size)

        def step(done: int, total: int | None) -> None:
            if self._stop.is_set():
                raise Stopped
            told(done, total)

        try:
            done = self.carry(job, step)
        except ClientError as error:
            self.watcher.ended(name, f"failed, {error.code}")
            return End(job, name, error=error)
        except OSError as failure:
            self.watcher.ended(name, "failed")
            return End(job, name, error=local(failure, name))
        self.watcher.ended(name, "done")
        return End(job, name, done)


def _raised(end: End[Job, Done] | BaseException) -> End[Job, Done]:
    """An end; what a thread could not tell as one is raised here."""
    if isinstance(end, BaseException):
        raise end
    return end


def local(failure: OSError, name: str) -> ClientError:
    """What this machine refused, as an error of ours."""
    where = f" ({failure.filename})" if failure.filename else ""
    return WrongUse(f"{name}: {failure.strerror or failure}{where}.", code="local_file")


def failed(screen: Screen, end: End[Any, Any]) -> None:
    """One line for a file of several that failed, and why below."""
    assert end.error is not None  # noqa: S101 - the caller has looked
    if screen.shared.json_lines:
        record = {"event": "failed", "fileName": end.name, "error": show.told(end.error)}
        screen.event(record)
    elif not screen.shared.json:
        screen.note(f"{screen.visible(end.name)}:")
        screen.error(end.error)
