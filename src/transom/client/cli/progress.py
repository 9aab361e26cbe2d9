"""How far transfers are: bars in a terminal that can redraw, else a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from transom.client.cli import words
from transom.client.cli.show import Screen

Step = Callable[[int, int | None], None]
"""Called with the bytes done and in all, None when that is unknown."""

_MOST_BARS: Final = 5
_REDRAWS_PER_SECOND: Final = 10
_SPEED_SECONDS: Final = 5.0
_LONG_SECONDS: Final = 300.0
_EVERY_SECONDS: Final = 30.0


class Watcher(Protocol):
    """Shows transfers of files. Many threads may report, each on its own file."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Take away what was shown."""

    def started(self, name: str, total: int | None) -> Step:
        """A file begins; what is to be told how far it is."""

    def ended(self, name: str, outcome: str) -> None:
        """A file has ended, well or not."""

    def aside(self) -> Any:
        """A block in which lines may be printed."""


def watcher(screen: Screen, verb: str, files: int, *, has_bars: bool) -> Watcher:
    """What fits the other end of standard error; nothing under --quiet and for machines."""
    if screen.shared.quiet or screen.shared.for_machines:
        return Silent()
    if has_bars and screen.is_watched and not screen.is_dumb:
        return Bars(screen, files)
    return Lines(screen, verb)


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to take away."""

    def started(self, name: str, total: int | None) -> Step:  # noqa: ARG002
        """A file begins."""
        return lambda _done, _total: None

    def ended(self, name: str, outcome: str) -> None:
        """A file has ended."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A block in which lines may be printed."""
        yield


@dataclass(slots=True)
class Lines:
    """A line when a file starts and when it ends, and every 30 s once it takes above 5 min."""

    screen: Screen
    verb: str
    clock: Callable[[], float] = time.monotonic

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lines stay."""

    def started(self, name: str, total: int | None) -> Step:
        """A file begins."""
        shown = self.screen.visible(name)
        size = f", {words.size(total)}" if total is not None else ""
        self.screen.note(f"{self.verb} {shown}{size}")
        began = self.clock()
        next_at = began + _LONG_SECONDS

        def step(done: int, total: int | None) -> None:
            nonlocal next_at
            now = self.clock()
            if now >= next_at:
                next_at = now + _EVERY_SECONDS
                whole = f" of {words.size(total)}" if total else ""
                took = words.duration(now - began)
                self.screen.note(f"{self.verb} {shown}: {words.size(done)}{whole} after {took}")

        return step

    def ended(self, name: str, outcome: str) -> None:
        """A file has ended."""
        self.screen.note(f"{self.screen.visible(name)}: {outcome}")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A block in which lines may be printed."""
        yield


@dataclass(slots=True)
class Bars:
    """The 5 files that began first of those under way, and a line for all others."""

    screen: Screen
    files: int
    _lock: Any = field(default_factory=threading.RLock)
    _progress: Any = None
    _tasks: dict[str, Any] = field(default_factory=dict)
    _others: Any = None
    _ended: int = 0

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - only bars need it
        from rich.progress import Progress  # noqa: PLC0415

        console = Console(
            file=self.screen.err,
            color_system="standard" if self.screen.is_coloured else None,
            no_color=not self.screen.is_coloured,
            force_terminal=True,
            highlight=False,
        )
        columns = _columns(console.width)
        self._progress = Progress(
            *columns,
            console=console,
            transient=True,
            refresh_per_second=_REDRAWS_PER_SECOND,
            speed_estimate_period=_SPEED_SECONDS,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._others = self._progress.add_task("", total=None, visible=False)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, name: str, total: int | None) -> Step:
        """A file begins."""
        with self._lock:
            task = self._progress.add_task(
                self.screen.visible(name), total=total, visible=len(self._tasks) < _MOST_BARS
            )
            self._tasks[name] = task
            self._count()

        def step(done: int, total: int | None) -> None:
            self._progress.update(task, completed=done, total=total)

        return step

    def ended(self, name: str, outcome: str) -> None:  # noqa: ARG002 - a line of its own tells it
        """A file has ended: its bar goes, and one that was hidden comes."""
        with self._lock:
            self._progress.remove_task(self._tasks.pop(name))
            self._ended += 1
            for task in list(self._tasks.values())[:_MOST_BARS]:
                self._progress.update(task, visible=True)
            self._count()

    def _count(self) -> None:
        others = self.files - self._ended - min(len(self._tasks), _MOST_BARS)
        self._progress.update(
            self._others, description=f"{others} more", visible=others > 0, completed=0
        )

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The bars go while lines are printed: those go to another stream."""
        with self._lock:
            self._progress.stop()
            try:
                yield
            finally:
                self._progress.start()


def _columns(width: int) -> list[Any]:
    """Name, bar, percent, done of all, speed, time left; no bar where the size is unknown."""
    from rich.progress import BarColumn, ProgressColumn, Task  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    def text(make: Callable[[Task], str]) -> ProgressColumn:
        class Made(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(make(task), no_wrap=True)

        return Made()

    class Bar(BarColumn):
        def render(self, task: Task) -> Any:
            return super().render(task) if task.total else Text("")

    return [
        text(lambda task: words.shortened(task.description, max(width // 3, 8))),
        Bar(bar_width=None),
        text(lambda task: f"{task.percentage:>3.0f}%" if task.total else ""),
        text(_done),
        text(lambda task: f"{words.size(int(task.speed))}/s" if task.speed else ""),
        text(_left),
    ]


def _done(task: Any) -> str:
    """1.90 MB/2.31 MB; nothing for the line that counts the others."""
    if task.total:
        return f"{words.size(int(task.completed))}/{words.size(int(task.total))}"
    return words.size(int(task.completed)) if task.completed else ""


def _left(task: Any) -> str:
    if task.time_remaining is None or not task.total:
        return ""
    minutes, seconds = divmod(int(task.time_remaining), 60)
    return f"{minutes}:{seconds:02}"
