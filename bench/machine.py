"""What was measured where: the machine, the versions, the revision."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("uvicorn", "uvloop", "httptools", "starlette", "sqlalchemy", "psycopg", "cryptography")
_NGINX = ("/usr/sbin/nginx", "-v")


def facts(fast: Path, disk: Path) -> dict[str, str]:
    """One line for each thing that a reader needs to place the figures."""
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Revision": _revision(),
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "Memory": f"{_memory_gib():.0f} GiB",
        "Kernel": platform.release(),
        "Python": f"{platform.python_version()}, {_packages()}",
        "Beside it": ", ".join(filter(None, map(_first_line, _commands()))),
        "Load before": f"{os.getloadavg()[0]:.2f} (one minute's average)",
        "RAM disk": f"{_file_system(fast)}: transfers, listings, tokens",
        "Disk": f"{_file_system(disk)}: submissions, PostgreSQL; {_fsync(disk)}",
    }


class Witness:
    """How much of the machine other programs, and the host, took since this was made.

    Ours are this process and the children that have ended.
    """

    def __init__(self) -> None:
        self._began, self._ours, self._machine = (
            time.monotonic(),
            _our_seconds(),
            _machine_seconds(),
        )

    def __str__(self) -> str:
        whole = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        busy, stolen = (
            now - then for now, then in zip(_machine_seconds(), self._machine, strict=True)
        )
        others = max(0.0, busy - (_our_seconds() - self._ours))
        return (
            f"other programs took {others / whole:.0%} of the CPUs, the host {stolen / whole:.0%}"
        )


def _our_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _machine_seconds() -> tuple[float, float]:
    """CPU time of all programs (user, nice, system), and what the host kept for others."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    ticks = [int(each) / os.sysconf("SC_CLK_TCK") for each in fields]
    return sum(ticks[:3]), ticks[7]


def _fsync(disk: Path) -> str:
    """What a small durable file costs there, right now."""
    taken = []
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        for number in range(100):
            with (Path(directory) / str(number)).open("wb") as file:
                file.write(bytes(1024))
                file.flush()
                began = time.perf_counter()
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - began)
    return f"fsync of a new file of 1 KiB {1000 * statistics.median(taken):.2f} ms"


def _revision() -> str:
    commit = _output("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "src")
    return commit + (" with changes in src" if changed else "")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def _packages() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _commands() -> list[tuple[str, ...]]:
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = [("curl", "--version"), _NGINX, ("wrk", "-v"), ("openssl", "version")]
    return [*found, *((str(each), "--version") for each in postgres[-1:])]


def _first_line(command: tuple[str, ...]) -> str:
    words = _output(*command).partition("\n")[0].replace("nginx version: ", "").split()
    return " ".join(words[:3]).partition(" [")[0]


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return (done.stdout or done.stderr).strip()


def _file_system(path: Path) -> str:
    """Kind and place of the file system that a path is on: the longest mount point that fits."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    around = [(point, kind) for point, kind in mounts if path.resolve().is_relative_to(point)]
    point, kind = max(around, key=lambda each: len(each[0]))
    return f"{path.parent} ({kind} at {point})"
