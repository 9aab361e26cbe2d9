"""What a bench found: tables, the rounds behind them, and targets met or not."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "explained" / "performance.md"
_OF_THE_DAY = frozenset({"Date", "Revision", "Load before"})
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


def markdown(report: Report, facts: dict[str, str]) -> str:
    """One bench's section of the page."""
    when = f"Measured {facts['Date']} at revision {facts['Revision']}, load before"
    parts = [f"### {report.title}", "", report.method, "", f"{when} {facts['Load before']}.", ""]
    parts += [_row(report.head), _row(["---"] * len(report.head)), *map(_row, report.rows), ""]
    parts += [f"- {_said(each)}" for each in report.targets]
    parts += ["", "The single rounds:", "", *(f"- {each}" for each in report.rounds)]
    return "\n".join(parts)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _said(target: Target) -> str:
    word = "met" if target.met else "**missed**"
    return f"{target.what}: {target.found}, wanted {target.wanted}: {word}."


def write(reports: Sequence[Report], facts: dict[str, str]) -> None:
    """Put these figures between the page's markers; those of other benches stay."""
    page = PAGE.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}(.*){re.escape(END)}", re.DOTALL)
    found = marked.search(page)
    if not found:
        raise SystemExit(f"{PAGE} has no markers {BEGIN} ... {END}")
    _, *old = re.split(r"^(?=### )", found[1].strip(), flags=re.MULTILINE)
    sections = {each.partition("\n")[0].removeprefix("### "): each.strip() for each in old}
    sections |= {each.title: markdown(each, facts) for each in reports}
    lasting = {name: value for name, value in facts.items() if name not in _OF_THE_DAY}
    machine = ["| machine | |\n| --- | --- |", *(f"| {n} | {v} |" for n, v in lasting.items())]
    text = "\n\n".join(["\n".join(machine), *sections.values()])
    filled = marked.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page)
    PAGE.write_text(filled, encoding="utf-8")
