"""Sessions: who is connected, how many may be, and that a dead worker's count no more."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hostile.test_races import at_once, of_kind
from sqlalchemy import select
from world import START, Account, World

from transom.core.retention import SESSION_GRACE
from transom.core.sessions import LEASE, ConnectionLimits, NewSession, SessionId, Sessions
from transom.core.sign_in import Attempt, SignedIn
from transom.domain.errors import TooMany
from transom.records.schema import sessions

HERE = NewSession("sftp", "192.0.2.1")


def signed_in(firm: Account) -> SignedIn:
    return firm.world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, "192.0.2.1"))


def service(world: World, per_account: int = 10, per_org: int = 100) -> Sessions:
    return Sessions(world.tools, ConnectionLimits(per_account, per_org))


def kept(world: World) -> list[SessionId]:
    with world.database.reading() as tx:
        return list(tx.execute(select(sessions.c.id).order_by(sessions.c.opened_at)).scalars())


def test_a_session_is_counted_from_its_opening_to_its_close(world: World) -> None:
    who, counted = signed_in(world.account()), service(world, per_account=1)

    first = counted.open(who, HERE)
    with pytest.raises(TooMany):
        counted.open(who, HERE)
    counted.close(first)
    counted.close(first)  # may be said twice
    second = counted.open(who, HERE)

    assert first != second
    assert kept(world) == [second]


def test_the_limit_of_an_account_is_told(world: World) -> None:
    firm, other = world.account(), world.account()
    counted = service(world, per_account=2)
    for _ in range(2):
        counted.open(signed_in(firm), HERE)

    with pytest.raises(TooMany) as refused:
        counted.open(signed_in(firm), HERE)

    assert refused.value.limit == 2
    assert refused.value.message == f"Too many connections: the limit of {firm.name} is 2."
    assert counted.open(signed_in(other), HERE)


def test_the_limit_of_an_organization_counts_all_of_its_accounts(world: World) -> None:
    accounts, other = [world.account() for _ in range(3)], world.account("0002")
    counted = service(world, per_account=2, per_org=3)
    for firm in (*accounts[:2], accounts[0]):
        counted.open(signed_in(firm), HERE)

    with pytest.raises(TooMany) as refused:
        counted.open(signed_in(accounts[2]), HERE)

    assert refused.value.limit == 3
    assert "the limit of organization 0001 is 3" in refused.value.message
    assert counted.open(signed_in(other), HERE)


def test_the_limits_are_the_settings(sqlite_world: World) -> None:
    who, counted = signed_in(sqlite_world.account()), sqlite_world.exchange.sessions
    for _ in range(10):
        counted.open(who, HERE)

    with pytest.raises(TooMany, match="is 10"):
        counted.open(who, HERE)


def test_the_sessions_of_a_dead_worker_count_no_more_after_thirty_seconds(world: World) -> None:
    who, counted = signed_in(world.account()), service(world, per_account=1)
    counted.open(who, HERE)

    world.clock.pass_time(LEASE - timedelta(microseconds=1))
    with pytest.raises(TooMany):
        counted.open(who, HERE)
    world.clock.pass_time(timedelta(microseconds=1))

    assert counted.open(who, HERE)


def test_a_session_that_is_renewed_counts_for_as_long_as_it_is(world: World) -> None:
    who, counted = signed_in(world.account()), service(world, per_account=1)
    session = counted.open(who, HERE)
    for _ in range(10):
        world.clock.pass_time(timedelta(seconds=20))
        counted.renew([session])

    with pytest.raises(TooMany):
        counted.open(who, HERE)


def test_renewing_what_was_closed_or_never_was_brings_nothing_back(world: World) -> None:
    who, counted = signed_in(world.account()), service(world)
    closed, open_ = counted.open(who, HERE), counted.open(who, HERE)
    counted.close(closed)

    counted.renew([closed, open_, "nobody"])
    counted.renew([])

    assert kept(world) == [open_]


def test_a_thousand_sessions_are_renewed_at_once(sqlite_world: World) -> None:
    who = signed_in(sqlite_world.account())
    counted = service(sqlite_world, 1100, 1100)
    ids = [counted.open(who, HERE) for _ in range(1001)]
    sqlite_world.clock.pass_time(LEASE)

    counted.renew(ids)

    with sqlite_world.database.reading() as tx:
        until = set(tx.execute(select(sessions.c.leased_until)).scalars())
    assert until == {START + 2 * LEASE}


def test_expired_sessions_are_swept_but_a_worker_that_stood_still_finds_its_own(
    world: World,
) -> None:
    who, counted = signed_in(world.account()), service(world, per_account=2)
    stood_still, dead = counted.open(who, HERE), counted.open(who, HERE)

    world.clock.pass_time(SESSION_GRACE)
    assert world.exchange.retention.sweep().sessions == 0
    counted.renew([stood_still])
    world.clock.pass_time(LEASE + timedelta(seconds=1))
    swept = world.exchange.retention.sweep()

    assert swept.sessions == 1
    assert dead not in kept(world)
    assert kept(world) == [stood_still]


def test_every_session_is_audited_with_what_it_uses(world: World) -> None:
    firm = world.account()
    key = world.key(firm)
    by_key = world.exchange.sign_in.enter_with_key(firm.name, key, "192.0.2.1")
    asked = NewSession(
        "sftp", "192.0.2.1", "curve25519-sha256 aes128-gcm@openssh.com", "x" * 300, "request-7"
    )

    session = world.exchange.sessions.open(by_key, asked)
    world.exchange.sessions.open(signed_in(firm), HERE)

    first, second = world.audited("session.opened")
    assert (first.principal_id, first.object) == (firm.id, firm.name)
    assert (first.source, first.request_id) == ("192.0.2.1", "request-7")
    assert json.loads(first.detail) == {
        "crypto": "curve25519-sha256 aes128-gcm@openssh.com",
        "door": "sftp",
        "key": key.fingerprint,
        "session": session,
        "software": "x" * 256,
    }
    assert set(json.loads(second.detail)) == {"door", "session"}


def test_a_session_that_was_refused_leaves_nothing(world: World) -> None:
    who, counted = signed_in(world.account()), service(world, per_account=0)

    with pytest.raises(TooMany):
        counted.open(who, HERE)

    assert kept(world) == []
    assert world.audited("session.opened") == []


def test_of_many_that_connect_at_once_just_the_limit_gets_in(world: World) -> None:
    firms = [signed_in(world.account()) for _ in range(2)]
    counted = service(world, per_account=3, per_org=5)

    results = at_once([lambda who=who: counted.open(who, HERE) for who in firms * 5])

    assert len(kept(world)) == 5
    assert len(of_kind(results, TooMany)) == 5
