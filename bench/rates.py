"""The shape that the rates share: rounds that alternate between servers, and one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.load import Outcome
from bench.processes import cpu_seconds
from bench.report import Report, median
from bench.servers import Server
from bench.setting import Setting

HEAD = ("on", "per second", "p50 ms", "p99 ms", "CPU ms each", "load by")


@dataclass(frozen=True)
class Round:
    """One round: what the load saw, and the server's CPU time for each answer in milliseconds."""

    outcome: Outcome
    cpu: float


@dataclass(frozen=True)
class Subject:
    """A server under load. `load` makes the load for so many seconds."""

    server: Server
    load: Callable[[float], Outcome]


def measure(setting: Setting, subjects: Mapping[str, Subject], what: str) -> dict[str, list[Round]]:
    """Rounds on all subjects, in turn, the order reversed every other time."""
    found: dict[str, list[Round]] = {name: [] for name in subjects}
    for number in range(setting.rounds):
        names = list(subjects) if number % 2 == 0 else list(reversed(subjects))
        for name in names:
            found[name].append(_round(setting, subjects[name], f"{what} {name}"))
    return found


def _round(setting: Setting, subject: Subject, what: str) -> Round:
    pid = subject.server.pid
    with setting.watch(pid, what):
        before = cpu_seconds(pid)
        outcome = subject.load(setting.seconds)
        taken = cpu_seconds(pid) - before
    return Round(outcome, 1000 * taken / outcome.answers)


def fill(report: Report, found: Mapping[str, list[Round]]) -> None:
    """The table's rows and the single rounds."""
    for name, rounds in found.items():
        outcomes = [each.outcome for each in rounds]
        report.rows.append(
            (
                name,
                f"{rate(rounds):,.0f}",
                f"{median(each.p50 for each in outcomes):.1f}",
                f"{p99(rounds):.1f}",
                f"{median(each.cpu for each in rounds):.2f}",
                outcomes[0].by,
            )
        )
        report.raw(f"{name}, per second", (each.rate for each in outcomes))
        report.raw(f"{name}, p99 ms", (each.p99 for each in outcomes), 1)


def rate(rounds: list[Round]) -> float:
    return median(each.outcome.rate for each in rounds)


def p99(rounds: list[Round]) -> float:
    return median(each.outcome.p99 for each in rounds)
