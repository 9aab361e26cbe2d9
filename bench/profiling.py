"""Where the time goes: py-spy looks at the running server while a bench loads it.

py-spy is no dependency of the project: it is fetched into .cache/ when it is first wanted.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes

RATE = 100
_CACHE = Path(__file__).parent.parent / ".cache" / "bench"
_PACKAGE = "py-spy==0.4.2"
_SECONDS_TO_ATTACH = 0.7
_LONGEST = 120
_ROWS = 30


def program() -> str:
    """Where py-spy is; fetched from PyPI when it is missing."""
    if found := shutil.which("py-spy"):
        return found
    own = _CACHE / "bin" / "py-spy"
    if not own.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(_CACHE), _PACKAGE]
        subprocess.run(pip, check=True)
    return str(own)


@dataclass
class Profile:
    """Samples by what was measured: stacks, outermost frame first."""

    directory: Path
    stacks: dict[str, Counter[tuple[str, ...]]] = field(default_factory=dict)

    @contextmanager
    def watch(self, pid: int, what: str) -> Iterator[None]:
        """Look at a process for the length of a block. Only Python programs can be looked into."""
        if what.startswith("Beside"):
            yield
            return
        out = self.directory / "stacks"
        command = [program(), "record", "--pid", str(pid), "--format", "raw", "--output", str(out)]
        command += ["--rate", str(RATE), "--duration", str(_LONGEST), "--threads"]
        with (self.directory / "py-spy").open("ab") as log:
            spy = subprocess.Popen(command, stdout=log, stderr=log)
        time.sleep(_SECONDS_TO_ATTACH)
        try:
            yield
        finally:
            processes.stop(spy, 2)
        self._take(what, out)

    def _take(self, what: str, out: Path) -> None:
        kept = self.stacks.setdefault(what, Counter())
        if not out.exists():
            print(f"py-spy gave nothing for {what}: {(self.directory / 'py-spy').read_text()}")
            return
        for line in out.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            kept[tuple(stack.split(";"))] += int(count)
        out.unlink()

    def __str__(self) -> str:
        return "\n".join(_shown(what, stacks) for what, stacks in self.stacks.items())


def _shown(what: str, stacks: Counter[tuple[str, ...]]) -> str:
    whole = sum(stacks.values()) or 1
    threads: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for stack, count in stacks.items():
        threads[_thread(stack[0])] += count
        alone[_function(stack[-1])] += count
        for frame in {_function(each) for each in stack[1:]}:
            below[frame] += count
    parts = [f"\n=== {what}: {whole} samples while a thread was at work, {RATE} a second"]
    for title, counted in (
        ("threads", threads),
        ("by function, itself", alone),
        ("by function, with what it calls", below),
    ):
        parts.append(f"\n{title}")
        parts += [f"{n / whole:7.1%}  {name}" for name, n in counted.most_common(_ROWS)]
    return "\n".join(parts)


def _thread(frame: str) -> str:
    return frame.partition('"')[2].partition("_")[0].strip('"') or frame


def _function(frame: str) -> str:
    """A frame without its line, and its file from the package on."""
    name, _, place = frame.partition(" (")
    path = place.partition(":")[0].rstrip(")")
    for mark in ("/site-packages/", "/src/", "/lib/python3.11/"):
        path = path.rpartition(mark)[2]
    return f"{name} ({path})"
