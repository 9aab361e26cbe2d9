"""Several processes behind the same ports: the parent binds them, and starts anew what died.

Each is a whole server of its own, so that one's death costs only its own connections. Each has
sockets of its own, over which the kernel spreads the connections evenly; the parent holds them too,
so that who comes while a process is missing waits for its successor.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

from prometheus_client import CollectorRegistry, multiprocess

from transom.server.sections import Listen

_VARIABLE = "TRANSOM_PROCESS"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_LOOK_SECONDS = 0.1
_STOP_SECONDS = 11.0  # a process ends within ten
_EARLY_SECONDS = 3.0  # who gives up so soon at its first start will not fare better at its second
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """What one process of several was given: its number, from 0, and bound sockets by address."""

    number: int
    sockets: Mapping[str, socket.socket]

    @property
    def keeps_house(self) -> bool:
        """Whether this is the one process that seals, sweeps and scrubs."""
        return self.number == 0

    @classmethod
    def received(cls) -> Self | None:
        """What the parent handed to this process; None when nobody started it so."""
        told = os.environ.pop(_VARIABLE, "")
        if not told:
            return None
        number, lifeline, *pairs = told.split(" ")
        named = (pair.rpartition("=") for pair in pairs)
        found = {at: socket.socket(fileno=int(descriptor)) for at, _, descriptor in named}
        threading.Thread(target=_end_with, args=(int(lifeline),), daemon=True).start()
        return cls(int(number), found)

    def bound(self, listen: Listen) -> socket.socket:
        """The socket at this address."""
        return self.sockets[str(listen)]


def _end_with(lifeline: int) -> None:
    """End when the parent has: its end of the pipe is then closed."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class _Child:
    number: int
    process: subprocess.Popen[bytes]
    started_at: float
    starts: int = 1


@dataclass(slots=True)
class Supervisor:
    """Keeps a process running the same command for each share of the sockets, by address."""

    command: Sequence[str]
    shares: Sequence[Mapping[str, socket.socket]]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _children: list[_Child] = field(default_factory=list)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, then end every process; returns the exit code.

        It is that of the process that could not even start, else 0.
        """
        lifeline, held = os.pipe()
        metrics = tempfile.mkdtemp(prefix="transom-metrics-")
        try:
            with _heeding(self.stop):
                for number in range(len(self.shares)):
                    self._children.append(self._start(number, lifeline, metrics))
                return self._watch(lifeline, metrics)
        finally:
            self._end()
            os.close(held)
            os.close(lifeline)
            shutil.rmtree(metrics, ignore_errors=True)

    def stop(self) -> None:
        """Have run() end."""
        self._stopping.set()

    def _watch(self, lifeline: int, metrics: str) -> int:
        while not self._stopping.wait(_LOOK_SECONDS):
            for at, child in enumerate(self._children):
                code = child.process.poll()
                if code is None:
                    continue
                multiprocess.mark_process_dead(child.process.pid, metrics)  # type: ignore[no-untyped-call]
                lasted = time.monotonic() - child.started_at
                if child.starts == 1 and lasted < _EARLY_SECONDS and code > 0:
                    return code  # it has said why it cannot serve
                facts = {"worker": child.number, "code": code, "seconds": round(lasted, 1)}
                _log.error("process died; another is started", extra=facts)
                if lasted < _EARLY_SECONDS and self._stopping.wait(_PAUSE_SECONDS):
                    break
                self._children[at] = self._start(child.number, lifeline, metrics, child.starts + 1)
        return 0

    def _start(self, number: int, lifeline: int, metrics: str, starts: int = 1) -> _Child:
        share = self.shares[number]
        pairs = [f"{address}={each.fileno()}" for address, each in share.items()]
        told = " ".join([str(number), str(lifeline), *pairs])
        process = subprocess.Popen(  # noqa: S603 - our own command
            self.command,
            env={**os.environ, _VARIABLE: told, _METRICS: metrics},
            pass_fds=[lifeline, *(each.fileno() for each in share.values())],
        )
        return _Child(number, process, time.monotonic(), starts)

    def _end(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        until = time.monotonic() + _STOP_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


@contextlib.contextmanager
def _heeding(stop: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call this, inside the block."""

    def hear(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {each: signal.signal(each, hear) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def shared_metrics() -> CollectorRegistry | None:
    """What all processes count together; None when there is only this one."""
    if _METRICS not in os.environ:
        return None
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def again(config: Path) -> list[str]:
    """The command that runs this server in another process."""
    return [sys.executable, "-m", "transom.server", "run", "--config", str(config)]
