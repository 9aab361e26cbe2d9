"""The demo's small application: it answers what comes, and no failure ends or hurries it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from world import Account, Processor, World

from transom.core.exchange import Exchange
from transom.core.handoff import HandOff
from transom.domain.errors import ExchangeError, Unavailable, WrongState
from transom.domain.submission import State
from transom.server.demo_application import LEASE, DemoApplication


class Failing:
    """A hand-off of which some calls fail before they do anything, and are counted."""

    def __init__(self, real: HandOff, **failures: list[ExchangeError]) -> None:
        self._real = real
        self._failures = failures
        self.calls = dict.fromkeys(failures, 0)

    def __getattr__(self, name: str) -> Any:
        if name in self.calls:
            self.calls[name] += 1
            if self._failures[name]:
                raise self._failures[name].pop()
        return getattr(self._real, name)


@dataclass
class Scene:
    """A world with a firm and an application's account."""

    world: World
    firm: Account
    processor: Processor

    def application(self, **failures: list[ExchangeError]) -> tuple[DemoApplication, Failing]:
        failing = Failing(self.world.exchange.handoff, **failures)
        exchange: Exchange = replace(self.world.exchange, handoff=failing)
        return DemoApplication(exchange, "app1", self.processor.account.id), failing

    def state(self, tracking_id: str) -> State:
        tracking = self.world.exchange.tracking
        return tracking.one(self.firm.actor, tracking_id).state


@pytest.fixture
def scene(sqlite_world: World) -> Scene:
    return Scene(sqlite_world, sqlite_world.account(), sqlite_world.processor())


@contextmanager
def started(application: DemoApplication) -> Iterator[None]:
    application.start()
    try:
        yield
    finally:
        application.ask_to_stop()
        application.join(5)


def test_it_takes_accepts_and_answers_with_a_file(scene: Scene) -> None:
    sent = scene.firm.submit("0001/app1/in/a.zip", b"hello")
    application, _ = scene.application()

    assert application.work() == 1

    assert scene.state(sent.tracking_id) is State.ACCEPTED
    assert scene.firm.names("0001/app1/in") == []
    (result,) = scene.firm.names("0001/app1/out")
    assert result == f"{sent.tracking_id[:8]}_a.zip.txt"
    assert sent.sha256 in scene.firm.fetch(f"0001/app1/out/{result}").decode()
    assert application.work() == 0


def test_the_longest_name_gets_an_answer_too(scene: Scene) -> None:
    sent = scene.firm.submit(f"0001/app1/in/{'n' * 237}")
    application, _ = scene.application()

    application.work()

    assert scene.state(sent.tracking_id) is State.ACCEPTED


@pytest.mark.parametrize("step", ["report"])
def test_one_that_fails_stops_no_other_and_is_answered_when_its_lease_has_run_out(
    scene: Scene, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    first = scene.firm.submit("0001/app1/in/a.zip")
    scene.world.clock.pass_time(timedelta(seconds=1))
    second = scene.firm.submit("0001/app1/in/b.zip")
    application, _ = scene.application(**{step: [WrongState("It", "so", "otherwise")]})

    application.work()
    then = scene.state(first.tracking_id)
    nothing = application.work()
    scene.world.clock.pass_time(LEASE)
    application.work()

    assert then is State.RECEIVED
    assert scene.state(second.tracking_id) is State.ACCEPTED
    assert nothing == 0
    assert scene.state(first.tracking_id) is State.ACCEPTED
    (told,) = (each for each in caplog.records if each.levelno == logging.WARNING)
    assert vars(told)["submission"] == first.tracking_id


def test_it_rests_while_nothing_can_be_claimed_and_then_goes_on(scene: Scene) -> None:
    sent = scene.firm.submit("0001/app1/in/a.zip")
    application, failing = scene.application(claim=[Unavailable("database")])

    with started(application):
        eventually(lambda: scene.state(sent.tracking_id) is State.ACCEPTED)

    assert failing.calls["claim"] <= 4  # it did not spin


def test_it_hears_the_bell_at_once_and_stops_at_once(scene: Scene) -> None:
    application, _ = scene.application()

    with started(application):
        sent = scene.firm.submit("0001/app1/in/a.zip")
        eventually(lambda: scene.state(sent.tracking_id) is State.ACCEPTED)
        began = time.monotonic()

    assert time.monotonic() - began < 1


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
