"""What the operator's commands print: documents for machines, tables and facts for people.

Data goes to standard output; what was done, and what to do next, to standard error.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_GAP: Final = "  "


def document(value: object) -> None:
    """One JSON document, on standard output."""
    typer.echo(json.dumps(value, indent=2))


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Columns under their heads, as many from the left as fit COLUMNS; piped, all of them."""
    rows = [tuple(head), *(tuple(map(visible, line)) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    count = _fitting(widths)
    for row in rows:
        cells = zip(row[:count], widths, strict=False)
        typer.echo(_GAP.join(f"{cell:<{width}}" for cell, width in cells).rstrip())


def _fitting(widths: Sequence[int]) -> int:
    """How many columns there is room for, and at least one: names are never dropped."""
    room = shutil.get_terminal_size((0, 0)).columns  # 0: no terminal, and COLUMNS is not set
    if not room:
        return len(widths)
    fits = [
        count
        for count in range(1, len(widths) + 1)
        if sum(widths[:count]) + len(_GAP) * (count - 1) <= room
    ]
    return max(fits, default=1)


def facts(title: str, about: Sequence[tuple[str, Sequence[str]]]) -> None:
    """What is known of one thing: its title, then each fact beside its name, a line for each."""
    typer.echo(visible(title))
    width = max(len(name) for name, _ in about)
    for name, values in about:
        for number, value in enumerate(values):
            label = "" if number else name
            typer.echo(f"{_GAP}{label:<{width}}{_GAP}{visible(value)}".rstrip())


def done(what: str, following: str = "") -> None:
    """Say what is true now, on standard error; to a terminal also what to do next."""
    typer.echo(visible(what), err=True)
    if following and sys.stderr.isatty():
        typer.echo(f"Next: {visible(following)}", err=True)


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """A moment for people: "2026-11-20 14:36 EST", or "" for none."""
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def instant(at: datetime | None) -> str | None:
    """A moment for machines, as RFC 3339 writes it, or None."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def visible(text: str) -> str:
    """A text with its control characters made visible: it can do nothing to a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
