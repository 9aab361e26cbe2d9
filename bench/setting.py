"""What every bench is given: how much, where, and who looks on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

Watch = Callable[[int, str], AbstractContextManager[object]]
RAM = Path("/dev/shm")  # noqa: S108 - on purpose: where disks do not matter, they should not count
GIB = 1 << 30
_ROOM = 8 * GIB


def _nobody(_pid: int, _what: str) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True)
class Setting:
    """How much is measured, and where the data lies."""

    rounds: int
    seconds: float
    file_bytes: int
    fast: Path
    """For what should not depend on a disk: transfers beside nginx, tokens, listings."""
    disk: Path
    """For what must be durable: small submissions."""
    watch: Watch = field(default=_nobody)
    """Goes around the load on a server, given its process id and what is measured."""

    def directory(self, name: str, *, durable: bool = False) -> Path:
        """A fresh directory of this bench's own."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.disk if durable else self.fast))


@contextmanager
def directories(data: Path | None) -> Iterator[tuple[Path, Path]]:
    """A fast and a durable directory, removed afterwards; `data` names a place for both."""
    fast = data or (RAM if _has_room() else Path(tempfile.gettempdir()))
    disk = data or Path(tempfile.gettempdir())
    made = [Path(tempfile.mkdtemp(prefix="transom-bench-", dir=each)) for each in (fast, disk)]
    try:
        yield made[0], made[1]
    finally:
        for each in made:
            shutil.rmtree(each, ignore_errors=True)


def _has_room() -> bool:
    if not RAM.is_dir() or shutil.disk_usage(RAM).free < _ROOM:
        return False
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) << 10 > _ROOM
