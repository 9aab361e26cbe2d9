"""Processes of our own: started, watched through /proc, and ended with us."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SECONDS_TO_STOP = 15
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, cores: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of a block, on these cores only when any are named."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*_with_us(), *_on(cores), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """End a process that we started."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(SECONDS_TO_STOP)


def _with_us() -> list[str]:
    """Have Linux end it should we be killed before we can."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _on(cores: Sequence[int]) -> list[str]:
    taskset = shutil.which("taskset")
    return [taskset, "-c", ",".join(map(str, cores))] if taskset and cores else []


def last_core() -> list[int]:
    """One core to pin a server to; none where there is only one, or no taskset."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1:] if len(cores) > 1 and shutil.which("taskset") else []


def other_cores() -> list[int]:
    """The cores that `last_core` leaves."""
    return sorted(os.sched_getaffinity(0))[:-1] if last_core() else []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its children have taken, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / _TICKS
    return own + sum(map(cpu_seconds, children(pid)))


def resident_bytes(pid: int) -> int:
    """Memory in use by a process and its children now."""
    return _status(pid, "VmRSS") + sum(map(resident_bytes, children(pid)))


def peak_bytes(pid: int) -> int:
    """The most memory in use since `forget_peak`."""
    return _status(pid, "VmHWM") + sum(map(peak_bytes, children(pid)))


def forget_peak(pid: int) -> None:
    """Let the peak begin anew at what is in use now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    for child in children(pid):
        forget_peak(child)


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def children(pid: int) -> list[int]:
    """The ids of a process's children that have not ended."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
