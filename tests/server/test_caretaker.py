"""What runs by itself beside the listeners: it survives what fails, and it stops at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from world import World

from transom.core.exchange import Exchange
from transom.core.retention import Swept
from transom.core.sign_in import Attempt
from transom.domain.errors import BadCredentials, Unavailable
from transom.server import caretaker
from transom.server.caretaker import Caretaker


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is due at once, and again at once."""
    for name in (
        "SEAL_SECONDS",
        "ALERT_SECONDS",
        "SWEEP_SECONDS",
        "FIRST_SWEEP_SECONDS",
        "SCRUB_SECONDS",
    ):
        monkeypatch.setattr(caretaker, name, 0.01)


@dataclass
class Job:
    """A job of the exchange that fails as often as it is told to, and counts."""

    answer: Callable[[], Any]
    failures: list[Exception] = field(default_factory=list)
    runs: int = 0

    def sweep(self) -> Any:
        self.runs += 1
        if self.failures:
            raise self.failures.pop()
        return self.answer()

    def run(self, _budget_bytes: int) -> Any:
        return self.sweep()


@contextmanager
def running(exchange: Exchange) -> Iterator[Caretaker]:
    beside = Caretaker(exchange)
    beside.start()
    try:
        yield beside
    finally:
        beside.ask_to_stop()
        beside.join(5)


def test_it_seals_sweeps_and_scrubs(sqlite_world: World) -> None:
    world = sqlite_world
    world.account().submit("0001/app1/in/a.zip")
    world.clock.pass_time(timedelta(days=8))
    sound = "transom_job_last_success_seconds"
    before = [value(sound, job=job) for job in ("seal", "sweep", "scrub")]

    with running(world.exchange):
        eventually(lambda: world.exchange.sealers[0].verify().unsealed == 0)
        for job, then in zip(("seal", "sweep", "scrub"), before, strict=True):
            eventually(lambda job=job, then=then: value(sound, job=job) > then)

    assert world.exchange.sealers[0].verify().is_sound


def test_what_retention_ends_is_counted(sqlite_world: World) -> None:
    sweep = Job(lambda: Swept(listings=2))
    before = value("transom_swept_total", kind="listings")

    with running(replace(sqlite_world.exchange, retention=sweep)):
        eventually(lambda: value("transom_swept_total", kind="listings") >= before + 4)


@pytest.mark.parametrize(
    ("failure", "level", "message"),
    [
        (Unavailable("database"), logging.WARNING, "job put off"),
        (ZeroDivisionError("a defect"), logging.ERROR, "job failed"),
    ],
)
def test_a_run_that_fails_is_told_and_counted_and_the_next_goes_on(
    sqlite_world: World,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
    level: int,
    message: str,
) -> None:
    sweep = Job(Swept, [failure])
    before = value("transom_job_failures_total", job="sweep")
    caplog.set_level(logging.INFO)

    with running(replace(sqlite_world.exchange, retention=sweep)):
        eventually(lambda: sweep.runs >= 3)

    assert value("transom_job_failures_total", job="sweep") == before + 1
    told = [record for record in caplog.records if record.message == message]
    assert [(record.levelno, vars(record)["job"]) for record in told] == [(level, "sweep")]


def test_a_job_that_fails_holds_up_no_other(sqlite_world: World) -> None:
    sweep = Job(Swept, [ZeroDivisionError() for _ in range(1000)])
    world = sqlite_world

    with running(replace(world.exchange, retention=sweep)):
        world.account()
        eventually(lambda: world.exchange.sealers[0].verify().unsealed == 0)


def test_damaged_files_are_counted(sqlite_world: World) -> None:
    scrub = Job(lambda: (3, 1))
    before = value("transom_damaged_blobs_total")

    with running(replace(sqlite_world.exchange, scrub=scrub)):
        eventually(lambda: value("transom_damaged_blobs_total") >= before + 2)


def test_guessing_is_told_and_counted(
    sqlite_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    counted = "transom_guessing_alerts_total"
    before = value(counted, of="source")
    caplog.set_level(logging.INFO)
    watch = sqlite_world.exchange.alerts
    watch.fresh()
    for number in range(21):
        attempt = Attempt(f"0001ftp{number}", "guess", "203.0.113.66")
        with pytest.raises(BadCredentials):
            sqlite_world.exchange.sign_in.enter(attempt)

    with running(sqlite_world.exchange):
        eventually(lambda: value(counted, of="source") == before + 1)

    (told,) = [each for each in caplog.records if each.message == "passwords are being guessed"]
    facts = {name: vars(told)[name] for name in ("of", "object", "source", "more_than")}
    assert facts == {
        "of": "source",
        "object": "203.0.113.66",
        "source": "203.0.113.66",
        "more_than": 20,
    }


def test_it_stops_at_once_though_the_next_run_is_far_off(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEAL_SECONDS", "SWEEP_SECONDS", "FIRST_SWEEP_SECONDS", "SCRUB_SECONDS"):
        monkeypatch.setattr(caretaker, name, 3600.0)
    beside = Caretaker(sqlite_world.exchange)
    beside.start()

    began = time.monotonic()
    beside.ask_to_stop()
    beside.join(5)

    assert time.monotonic() - began < 1


def test_a_job_under_way_is_not_waited_for_longer_than_asked(sqlite_world: World) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def sweep() -> Swept:
        begun.set()
        go_on.wait(20)
        return Swept()

    beside = Caretaker(replace(sqlite_world.exchange, retention=Job(sweep)))
    beside.start()
    assert begun.wait(5)

    began = time.monotonic()
    beside.ask_to_stop()
    beside.join(0.2)
    seconds = time.monotonic() - began
    go_on.set()
    beside.join(5)

    assert seconds < 2


def test_one_that_was_never_started_can_be_stopped(sqlite_world: World) -> None:
    beside = Caretaker(sqlite_world.exchange)

    beside.ask_to_stop()
    beside.join(1)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
