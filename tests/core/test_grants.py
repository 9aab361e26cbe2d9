"""Grants: tokens of twelve hours, kept as hashes, and gone at once when their holder is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from world import Account, World

from transom.core.grants import TOKEN_LIFE
from transom.core.retention import SYSTEM
from transom.core.sign_in import Attempt
from transom.domain.errors import BadCredentials, GrantInvalid, NotEntitled, TooMany
from transom.domain.names import Place
from transom.records.schema import grants, principals, rates

SOURCE = "192.0.2.1"


def token_of(firm: Account, source: str = SOURCE) -> str:
    return firm.world.exchange.tokens.grant(Attempt(firm.name, firm.secret, source, "req-1")).text


def lives(world: World, token: str, source: str = SOURCE) -> bool:
    try:
        world.exchange.tokens.redeem(token, source)
    except GrantInvalid:
        return False
    return True


def test_a_token_speaks_for_its_account_with_that_account_s_rights(world: World) -> None:
    firm = world.account()

    actor = world.exchange.tokens.redeem(token_of(firm), SOURCE, "req-2")

    assert (actor.principal_id, actor.name, actor.home_org) == (firm.id, firm.name, "0001")
    assert (actor.source, actor.request_id) == (SOURCE, "req-2")
    assert actor.rights.at(Place.parse("0001/app1/in")) is not None
    assert actor.rights.at(Place.parse("0001/app2/in")) is None


def test_a_token_lives_for_twelve_hours(world: World) -> None:
    firm = world.account()
    granted = world.exchange.tokens.grant(Attempt(firm.name, firm.secret, SOURCE))

    assert granted.expires_in == TOKEN_LIFE == timedelta(hours=12)
    world.clock.pass_time(TOKEN_LIFE - timedelta(microseconds=1))
    assert lives(world, granted.text)
    world.clock.pass_time(timedelta(microseconds=1))
    assert not lives(world, granted.text)


def test_a_clock_set_back_gives_an_expired_and_swept_token_no_second_life(world: World) -> None:
    firm = world.account()
    token = token_of(firm)
    world.clock.pass_time(timedelta(hours=13))
    assert world.exchange.retention.sweep().tokens == 1

    world.clock.jump(-timedelta(hours=13))

    assert not lives(world, token)


def test_of_a_token_only_a_keyed_hash_is_kept(world: World) -> None:
    firm = world.account()
    token = token_of(firm)

    with world.database.reading() as tx:
        row = tx.execute(select(grants)).one()
    (entry,) = world.audited("token.granted")

    assert len(row.digest) == 64
    assert row.digest != hashlib.sha256(token.encode()).hexdigest()  # who can write could make one
    assert token not in repr((tuple(row), tuple(entry)))
    assert (entry.principal_id, entry.source, entry.request_id) == (firm.id, SOURCE, "req-1")


def test_every_token_is_another(world: World) -> None:
    firm = world.account()

    tokens = {token_of(firm) for _ in range(10)}

    assert len(tokens) == 10
    assert all(each.isascii() and lives(world, each) for each in tokens)


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda t: t[:-1], lambda t: t + "a"])
def test_an_altered_token_is_worth_nothing(
    sqlite_world: World, change: Callable[[str], str]
) -> None:
    token = token_of(sqlite_world.account())

    assert lives(sqlite_world, token)
    assert not lives(sqlite_world, change(token))


@pytest.mark.parametrize("text", ["", " ", "trt_", "x" * 257, "x" * 100_000, "trt_é", "\0"])
def test_what_is_no_token_is_refused(sqlite_world: World, text: str) -> None:
    assert not lives(sqlite_world, text)


# --- withdrawn -----------------------------------------------------------------------------------


def stop(firm: Account) -> None:
    firm.world.exchange.administration.set_account_active(SYSTEM, firm.name, active=False)


def stop_and_start(firm: Account) -> None:
    stop(firm)
    firm.world.exchange.administration.set_account_active(SYSTEM, firm.name, active=True)


def rotate(firm: Account) -> None:
    firm.world.exchange.administration.rotate_secret(SYSTEM, firm.name)


def choose(firm: Account) -> None:
    firm.world.exchange.administration.choose_secret(SYSTEM, firm.name, "correct horse")


def stop_organization(firm: Account) -> None:
    firm.world.exchange.administration.set_organization_active(SYSTEM, "0001", active=False)


def stop_and_start_organization(firm: Account) -> None:
    stop_organization(firm)
    firm.world.exchange.administration.set_organization_active(SYSTEM, "0001", active=True)


def end(firm: Account) -> None:
    with firm.world.database.transaction() as tx:
        change = update(principals).where(principals.c.id == firm.id)
        tx.execute(change.values(ends_at=firm.world.clock.now()))


@pytest.mark.parametrize(
    "how",
    [stop, stop_and_start, rotate, choose, stop_organization, stop_and_start_organization, end],
)
def test_a_withdrawn_token_is_dead_at_once_and_others_live_on(
    world: World, how: Callable[[Account], None]
) -> None:
    firm, other = world.account(), world.account("0002")
    token, others = token_of(firm), token_of(other)
    assert lives(world, token)

    how(firm)

    assert not lives(world, token)
    assert lives(world, others)


def test_a_token_is_used_from_the_account_s_networks_only(world: World) -> None:
    firm = world.account(networks=("192.0.2.0/24",))
    token = token_of(firm)

    assert lives(world, token, "192.0.2.99")
    assert not lives(world, token, "198.51.100.1")


def test_a_token_s_rights_are_the_present_ones(world: World) -> None:
    firm = world.account()
    token = token_of(firm)
    place = Place.parse("0001/app2/out")

    granted = world.entitle(firm, "0001", "app2", "download")
    assert list(world.exchange.browse.files(world.exchange.tokens.redeem(token, SOURCE), place))
    world.exchange.administration.end_entitlement(SYSTEM, granted)

    with pytest.raises(NotEntitled):
        world.exchange.browse.files(world.exchange.tokens.redeem(token, SOURCE), place)


@pytest.mark.parametrize("how", [stop, stop_organization, end])
def test_nobody_acts_for_an_account_that_was_stopped(
    world: World, how: Callable[[Account], None]
) -> None:
    firm = world.account()
    how(firm)

    with pytest.raises(GrantInvalid):
        world.exchange.tokens.acting(firm.id, SOURCE)


def test_nobody_acts_for_an_unknown_account_or_from_a_foreign_network(world: World) -> None:
    firm = world.account(networks=("192.0.2.0/24",))

    for principal, source in (("nobody", SOURCE), ("", SOURCE), (firm.id, "198.51.100.1")):
        with pytest.raises(GrantInvalid):
            world.exchange.tokens.acting(principal, source)


# --- rates ---------------------------------------------------------------------------------------


def test_a_wrong_secret_gets_no_token_and_costs_no_rate(world: World) -> None:
    firm = world.account()

    with pytest.raises(BadCredentials):
        world.exchange.tokens.grant(Attempt(firm.name, "wrong", SOURCE))

    with world.database.reading() as tx:
        assert tx.execute(select(rates).where(rates.c.key.startswith("token/"))).all() == []
        assert tx.execute(select(grants)).all() == []


def test_after_a_burst_of_120_tokens_come_at_30_a_second(world: World) -> None:
    firm, other = world.account(), world.account()
    for _ in range(120):
        token_of(firm)

    with pytest.raises(TooMany) as refused:
        token_of(firm)
    assert refused.value.retry_after == timedelta(seconds=1 / 30)
    token_of(other)  # whose rate is its own

    world.clock.pass_time(timedelta(seconds=1))
    for _ in range(30):
        token_of(firm)
    with pytest.raises(TooMany):
        token_of(firm)


def test_a_full_burst_has_gathered_after_four_seconds_and_never_more(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    token_of(firm)
    sqlite_world.clock.pass_time(timedelta(days=1))

    for _ in range(120):
        token_of(firm)

    with pytest.raises(TooMany):
        token_of(firm)


def test_a_clock_set_back_fills_no_bucket_and_empties_none(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    for _ in range(119):
        token_of(firm)
    sqlite_world.clock.jump(-timedelta(hours=1))

    token_of(firm)

    with pytest.raises(TooMany):
        token_of(firm)


def test_a_refused_request_is_no_failed_sign_in(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    for _ in range(120):
        token_of(firm)
    for _ in range(10):
        with pytest.raises(TooMany):
            token_of(firm)
    sqlite_world.clock.pass_time(timedelta(seconds=1))

    assert lives(sqlite_world, token_of(firm))


def test_idle_buckets_are_swept(world: World) -> None:
    token_of(world.account())
    world.clock.pass_time(timedelta(hours=25))

    world.exchange.retention.sweep()

    with world.database.reading() as tx:
        assert tx.execute(select(rates)).all() == []
