"""What a bench found: tables, the rounds behind them, and targets met or not."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "explained" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Target:
    """A figure beside what was asked of it."""

    what: str
    found: str
    wanted: str
    met: bool

    def __str__(self) -> str:
        word = "met   " if self.met else "MISSED"
        return f"{word}  {self.what}: {self.found} (wanted {self.wanted})"


@dataclass
class Report:
    """One bench's result. Cells are text; `rounds` holds what the medians were taken from."""

    title: str
    method: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    rounds: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def raw(self, what: str, values: Iterable[float], digits: int = 0) -> None:
        """Keep the single rounds of a figure."""
        self.rounds.append(f"{what}: " + ", ".join(f"{each:,.{digits}f}" for each in values))

    def aim(self, what: str, found: float, least: float, unit: str, also: str = "") -> None:
        """Compare a figure with the least that was asked for."""
        digits = 2 if least < 10 else 0
        text = f"{found:,.{digits}f}{unit}"
        wanted = f"at least {least:,g}{unit}{also}"
        self.targets.append(Target(what, text, wanted, found >= least))

    def limit(self, what: str, found: float, most: float, unit: str) -> None:
        """Compare a figure with what it must stay below."""
        met = found < most
        self.targets.append(Target(what, f"{found:,.1f}{unit}", f"below {most:,g}{unit}", met))


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def plain(report: Report) -> str:
    """For a terminal."""
    rows = [report.head, *report.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(report.head))]
    lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
    raw = [f"  {each}" for each in report.rounds]
    aims = [f"  {each}" for each in report.targets]
    return "\n".join(["", report.title, "", *lines, "", "rounds:", *raw, "", *aims])


def markdown(reports: Sequence[Report], machine: dict[str, str]) -> str:
    """For the page."""
    parts = ["| machine | |\n| --- | --- |"]
    parts += [f"| {name} | {value} |" for name, value in machine.items()]
    for report in reports:
        parts += ["", f"### {report.title}", "", report.method, "", _row(report.head)]
        parts += [_row(["---"] * len(report.head)), *map(_row, report.rows), ""]
        parts += [f"- {_said(each)}" for each in report.targets]
        parts += ["", "The single rounds:", "", *(f"- {each}" for each in report.rounds)]
    return "\n".join(parts)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(target: Target) -> str:
    word = "met" if target.met else "**missed**"
    return f"{target.what}: {target.found}, wanted {target.wanted}: {word}."


def write(text: str) -> None:
    """Put the figures between the page's markers."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not marked.search(page):
        raise SystemExit(f"{PAGE} has no markers {BEGIN} ... {END}")
    filled = marked.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page)
    PAGE.write_text(filled, encoding="utf-8")
