"""The screen: rows to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from threading import RLock, Timer
from types import MappingProxyType
from typing import Any, Final, TextIO, cast

from transom.client.cli import words
from transom.client.cli.exits import WrongUse
from transom.client.errors import ClientError

_GAP: Final = "   "
_SILENCE_SECONDS: Final = 1.0
COLOURS: Final = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Shared:
    """The options that every command has."""

    profile: str = ""
    json: bool = False
    json_lines: bool = False
    color: str = "auto"
    no_input: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def for_machines(self) -> bool:
        """Whether standard output is read by a program."""
        return self.json or self.json_lines


@dataclass(frozen=True, slots=True)
class Mark:
    """The sign beside a state: a letter, what it is drawn as, and its colour."""

    letter: str
    drawn: str
    style: str


MARKS: Mapping[str, Mark] = MappingProxyType(
    {
        "accepted": Mark("v", "\N{CHECK MARK}", "green"),
        "partially_rejected": Mark("~", "\N{CIRCLE WITH LEFT HALF BLACK}", "yellow"),
        "rejected": Mark("x", "\N{BALLOT X}", "red"),
        "received": Mark(">", "\N{RIGHTWARDS ARROW}", "blue"),
        "requested": Mark(".", "\N{MIDDLE DOT}", "dim"),
        "held": Mark(".", "\N{MIDDLE DOT}", "yellow"),
        "abandoned": Mark("/", "/", "dim"),
    }
)
_OTHER: Final = Mark(".", "\N{MIDDLE DOT}", "dim")

WORDS: Mapping[str, str] = MappingProxyType(
    {name: name.replace("_", " ") for name in MARKS} | {"partially_rejected": "partially rejected"}
)

Part = str | tuple[str, str]
"""A piece of a line: text, or text and its style."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. One that holds names is never dropped."""

    head: str
    is_right: bool = False
    is_name: bool = False


@dataclass(slots=True)
class Screen:
    """Where one command's words go. Several threads may write; lines are never torn.

    `width` is None where nothing is to be fitted: in a pipe. `zone` None is the machine's own.
    """

    out: TextIO
    err: TextIO
    shared: Shared = Shared()
    is_coloured: bool = False
    is_unicode: bool = True
    width: int | None = None
    is_watched: bool = False
    """Standard error is a terminal: somebody looks on."""
    can_ask: bool = False
    """Standard input is a terminal and --no-input was not given."""
    zone: tzinfo | None = None
    is_dumb: bool = False
    """A terminal that cannot redraw."""
    _lock: RLock = field(default_factory=RLock, repr=False)

    # --- results -----------------------------------------------------------------------------

    def row(self, *parts: Part) -> None:
        """One line of the result."""
        self._write(self.out, parts)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Part]]) -> None:
        """Rows under a head; the last columns go where the terminal is too narrow for all."""
        cells = [[_pair(each) for each in line] for line in rows]
        widths = [
            max([words.width(column.head), *(words.width(line[at][0]) for line in cells)])
            for at, column in enumerate(columns)
        ]
        kept = self._kept(columns, widths)
        head = [(column.head, "") for column in columns]
        for line in (head, *cells):
            parts = [_padded(line[at], widths[at], columns[at], at == kept[-1]) for at in kept]
            self.row(*_joined(parts))

    def _kept(self, columns: Sequence[Column], widths: Sequence[int]) -> list[int]:
        kept = list(range(len(columns)))
        while self.width is not None and len(kept) > 1:
            if sum(widths[at] for at in kept) + len(_GAP) * (len(kept) - 1) <= self.width:
                break
            droppable = [at for at in kept if not columns[at].is_name]
            if not droppable:
                break
            kept.remove(droppable[-1])
        return kept

    def document(self, value: object) -> None:
        """The one JSON document that --json promises."""
        self._plain(self.out, json.dumps(value, indent=2))

    def event(self, value: object) -> None:
        """One line of JSON, as --json-lines promises."""
        self._plain(self.out, json.dumps(value, separators=(",", ":")))

    # --- everything else ---------------------------------------------------------------------

    def note(self, *parts: Part) -> None:
        """What is going on, for people; nothing under --quiet."""
        if not self.shared.quiet:
            self._write(self.err, parts)

    def warn(self, text: str) -> None:
        """What needs attention, though the command goes on."""
        self._write(self.err, (f"Warning: {self.visible(text)}",))

    def detail(self, text: str) -> None:
        """What only --verbose tells. Never a secret, a token or a signed address."""
        if self.shared.verbose:
            self._write(self.err, (self.visible(text),))

    def next(self, command: str) -> None:
        """What to do next, where somebody looks on."""
        if self.is_watched and not self.shared.for_machines:
            self.note(f"Next: {self.visible(command)}")

    def error(self, failure: ClientError) -> None:
        """A failure: what happened, then why and what to do, the request id last."""
        if self.shared.for_machines:
            self._plain(self.err, json.dumps({"error": told(failure)}))
            return
        what, rest = words.sentences(failure.message)
        lines = [f"Error: {what}", *([f"  {rest}"] if rest else ())]
        lines += [f"  Try: {each}" for each in tries(failure)]
        lines += [f"  Request id: {failure.request_id}"] if failure.request_id else []
        for line in lines:
            self._write(self.err, (self.visible(line),))

    @contextmanager
    def awaiting(self, whom: str) -> Iterator[None]:
        """Say whom we wait for, if nothing has come after a second."""
        told = (f"Waiting for {self.visible(whom)}...",)
        timer = Timer(_SILENCE_SECONDS, self.note, told)
        timer.daemon = True
        if self.is_watched and not self.shared.for_machines:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    # --- pieces ------------------------------------------------------------------------------

    def visible(self, text: str) -> str:
        """Text from elsewhere, made harmless; ASCII alone where no more is in use."""
        return words.visible(text, ascii_only=not self.is_unicode)

    def mark(self, state: str) -> Part:
        """The sign of a state."""
        found = MARKS.get(state, _OTHER)
        return (found.drawn if self.is_unicode else found.letter, found.style)

    def _write(self, stream: TextIO, parts: Iterable[Part]) -> None:
        if not self.is_coloured:
            self._plain(stream, "".join(_pair(each)[0] for each in parts).rstrip())
            return
        from rich.console import Console  # noqa: PLC0415 - only colour needs it, and it is slow
        from rich.text import Text  # noqa: PLC0415

        console = Console(
            file=cast("TextIO", _Deaf(self, stream)),
            color_system="standard",
            force_terminal=True,
            no_color=False,
            highlight=False,
        )
        console.print(Text.assemble(*parts), soft_wrap=True)

    def _plain(self, stream: TextIO, text: str) -> None:
        self.raw(stream, text + "\n")

    def raw(self, stream: TextIO, text: str) -> None:
        """Write, and go on when nobody reads any more: the transfer is not the reader's."""
        with self._lock:
            try:
                stream.write(text)
                stream.flush()
            except BrokenPipeError:
                # Nothing else may meet the closed pipe, least of all the interpreter at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@dataclass(slots=True)
class _Deaf:
    """A stream for Rich that writes through the screen."""

    screen: Screen
    stream: TextIO

    def write(self, text: str) -> int:
        self.screen.raw(self.stream, text)
        return len(text)

    def flush(self) -> None:
        """Each write was flushed already."""


def told(failure: ClientError) -> dict[str, Any]:
    """A failure for machines."""
    what, rest = words.sentences(failure.message)
    return {
        "code": failure.code,
        "message": what,
        "detail": rest,
        "try": list(tries(failure)),
        "requestId": failure.request_id or None,
        "trackingId": failure.tracking_id or None,
        "exitCode": failure.exit_code,
    }


def tries(failure: ClientError) -> tuple[str, ...]:
    """Commands that may help: the failure's notes."""
    return tuple(getattr(failure, "__notes__", ()))


def screen(shared: Shared, environ: Mapping[str, str]) -> Screen:
    """The process's own screen.

    Raises:
        WrongUse: --color is none of auto, always, never.
    """
    if shared.color not in COLOURS:
        raise WrongUse(f'"{shared.color}" is no value for --color. Use {", ".join(COLOURS)}.')
    is_terminal = sys.stdout.isatty()
    return Screen(
        sys.stdout,
        sys.stderr,
        shared,
        is_coloured=not shared.for_machines and colours(shared.color, environ, is_terminal),
        is_unicode=speaks_unicode(environ, sys.stdout.encoding),
        width=shutil.get_terminal_size().columns if is_terminal else None,
        is_watched=sys.stderr.isatty(),
        can_ask=sys.stdin is not None and sys.stdin.isatty() and not shared.no_input,
        is_dumb=environ.get("TERM") == "dumb",
    )


def colours(choice: str, environ: Mapping[str, str], is_terminal: bool) -> bool:  # noqa: FBT001
    """Whether to use colour: the option, NO_COLOR, FORCE_COLOR, then what is at the other end."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return is_terminal and environ.get("TERM") != "dumb"


def speaks_unicode(environ: Mapping[str, str], encoding: str | None) -> bool:
    """Whether signs beyond ASCII can be shown.

    Python writes UTF-8 under LC_ALL=C too (PEP 540), so outside Windows the locale has the word.
    """
    if "utf" not in (encoding or "").lower():
        return False
    if sys.platform == "win32":
        return True
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf" in locale.lower()


def _pair(part: Part) -> tuple[str, str]:
    return (part, "") if isinstance(part, str) else part


def _padded(cell: tuple[str, str], columns: int, column: Column, is_last: bool) -> list[Part]:  # noqa: FBT001
    room = " " * (columns - words.width(cell[0]))
    if column.is_right:
        return [room, cell]
    return [cell] if is_last else [cell, room]


def _joined(cells: Sequence[list[Part]]) -> list[Part]:
    line: list[Part] = []
    for at, cell in enumerate(cells):
        line += [_GAP, *cell] if at else cell
    return line
