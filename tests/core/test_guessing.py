"""Guessing too slow or too wide for the lock-out rule is seen, and slowed where it comes from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from folk import HOME, PASSWORD, Human, at_once, enrolled
from world import World

from transom.core.passwords import name_key
from transom.core.sign_in import Attempt
from transom.domain.errors import BadCredentials, ExchangeError, LockedOut, Unavailable
from transom.domain.identity import network_key
from transom.domain.people import Visit

HOUR = timedelta(hours=1)


@pytest.fixture
def names() -> Iterator[str]:
    return (f"person{number}@northgate.example" for number in itertools.count())


def guess(world: World, name: str, source: str) -> str:
    """One wrong password at the portal; the code of what came of it."""
    with pytest.raises(ExchangeError) as refused:
        Human(world, name).begin("not the password", Visit(source))
    return refused.value.code


def alerts(world: World) -> list[tuple[str, str]]:
    """What each alert is of, and which one."""
    found = world.audited("sign_in.guessing")
    return [(json.loads(each.detail)["of"], each.object) for each in found]


def test_many_names_from_one_source_are_an_alert_of_one_an_hour(
    world: World, names: Iterator[str]
) -> None:
    for name in itertools.islice(names, 20):
        guess(world, name, "203.0.113.66")
    assert alerts(world) == []

    for name in itertools.islice(names, 10):
        guess(world, name, "203.0.113.66")
    assert alerts(world) == [("source", "203.0.113.66")]
    world.clock.pass_time(HOUR)
    for name in itertools.islice(names, 5):
        guess(world, name, "203.0.113.66")
    assert alerts(world) == [("source", "203.0.113.66")] * 2


def test_one_guess_every_half_hour_is_seen_within_two_days(
    sqlite_world: World, names: Iterator[str]
) -> None:
    for number, name in enumerate(itertools.islice(names, 70)):
        guess(sqlite_world, name, "203.0.113.66")
        sqlite_world.clock.pass_time(HOUR / 2)
        if number % 2:
            sqlite_world.exchange.retention.sweep()

    assert ("source", "203.0.113.66") in alerts(sqlite_world)


def test_many_names_from_one_network_are_an_alert(
    sqlite_world: World, names: Iterator[str]
) -> None:
    for host in range(4):
        for name in itertools.islice(names, 16):
            guess(sqlite_world, name, f"203.0.113.{host}")

    assert alerts(sqlite_world) == [("network", "203.0.113.0/24")]


@pytest.mark.parametrize("known", [True, False])
def test_one_name_from_many_sources_is_an_alert_known_or_not(world: World, known: bool) -> None:
    maria = enrolled(world)
    name = maria.email if known else "ghost@northgate.example"
    for number in range(10):
        guess(world, name, f"203.0.{number}.1")
    assert alerts(world) == []
    guess(world, name, "203.0.10.1")

    assert alerts(world) == [("name", name if known else name_key(name))]
    (entry,) = world.audited("sign_in.guessing")
    assert entry.source == "203.0.10.1"
    assert bool(entry.principal_id) == known


def test_guesses_from_everywhere_are_an_alert_and_leave_strangers_few_turns(
    sqlite_world: World, names: Iterator[str]
) -> None:
    world = sqlite_world
    maria = enrolled(world).sign_in()
    for network, host in itertools.product(range(5), range(3)):
        for name in itertools.islice(names, 20):
            guess(world, name, f"10.{network}.0.{host}")
    assert alerts(world) == []
    guess(world, next(names), "10.5.0.1")
    assert alerts(world) == [("everywhere", "everywhere")]

    codes = [guess(world, next(names), "10.6.0.1") for _ in range(7)]
    assert codes == ["bad_credentials"] * 5 + ["locked_out"] * 2
    assert maria.begin(PASSWORD, Visit("10.7.0.1"))  # who comes from elsewhere has turns too
    assert maria.sign_in(HOME).session
    with pytest.raises(LockedOut) as wait:
        maria.begin(PASSWORD, Visit("10.6.0.1"))
    assert wait.value.until <= world.clock.now() + HOUR / 5


def test_a_network_has_fewer_turns_than_all_its_sources(
    sqlite_world: World, names: Iterator[str]
) -> None:
    codes = [
        guess(sqlite_world, next(names), f"203.0.113.{host}")
        for host in range(5)
        for _ in range(50)
    ]

    assert codes == ["bad_credentials"] * 240 + ["locked_out"] * 10
    assert guess(sqlite_world, next(names), "203.0.114.1") == "bad_credentials"


def test_guesses_at_the_token_service_are_seen_too(sqlite_world: World) -> None:
    for number in range(21):
        with pytest.raises(BadCredentials):
            attempt = Attempt(f"0001ftp{number}", "guess", "203.0.113.66")
            sqlite_world.exchange.tokens.grant(attempt)

    assert alerts(sqlite_world) == [("source", "203.0.113.66")]


def test_an_owner_who_mistypes_is_no_alert(sqlite_world: World) -> None:
    maria = enrolled(sqlite_world).sign_in()
    for _ in range(40):
        guess(sqlite_world, maria.email, HOME.source)
        guess(sqlite_world, maria.email, "203.0.113.66")
        sqlite_world.clock.pass_time(timedelta(minutes=10))

    assert alerts(sqlite_world) == []


def test_whoever_watches_is_told_of_each_alert_once(
    sqlite_world: World, names: Iterator[str]
) -> None:
    watch = sqlite_world.exchange.alerts
    for name in itertools.islice(names, 21):
        guess(sqlite_world, name, "203.0.113.66")
    assert watch.fresh() == []  # of the past the audit record tells

    for name in itertools.islice(names, 21):
        guess(sqlite_world, name, "203.0.113.67")
    assert [each.object for each in watch.fresh()] == ["203.0.113.67"]
    assert watch.fresh() == []


def test_guesses_beside_one_another_do_not_wait_for_each_other(
    postgres_world: World, names: Iterator[str]
) -> None:
    calls = [
        lambda name=name, source=f"203.0.113.{number % 2}": guess(postgres_world, name, source)
        for number, name in enumerate(itertools.islice(names, 8))
    ]

    assert not [each for each in at_once(*calls) if isinstance(each, Unavailable)]


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("203.0.113.66", "203.0.113.0/24"),
        ("::ffff:203.0.113.66", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("a socket", "a socket"),
    ],
)
def test_a_network_is_what_one_attacker_may_well_have_whole(source: str, network: str) -> None:
    assert network_key(source) == network
