"""Sign-in: which check runs, the lock-out rule, and that from outside all refusals are alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from world import CHEAP, Account, World

from transom.core.administration import NewAccount
from transom.core.keyring import KeyRing, ServerKey
from transom.core.passwords import Passwords
from transom.core.retention import SYSTEM
from transom.core.sign_in import MAX_NAME, MAX_SECRET, Attempt, SignIn
from transom.domain.errors import BadCredentials, BadParameter
from transom.domain.identity import format_secret
from transom.domain.space import OrgKind
from transom.records.schema import principals, sign_in_failures, sign_in_sources
from transom.server.assemble import key_ring

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"
WRONG = "not the secret"


def enters(world: World, name: str, secret: str, source: str = HOME) -> bool:
    """Whether this name and secret sign in from this address."""
    try:
        world.exchange.sign_in.enter(Attempt(name, secret, source, "request-1"))
    except BadCredentials:
        return False
    return True


def fail(world: World, name: str, times: int, source: str = HOME) -> None:
    for _ in range(times):
        assert not enters(world, name, WRONG, source)


def fail_from_many(world: World, name: str, times: int) -> None:
    for number in range(times):
        fail(world, name, 1, f"203.0.113.{number}")


def rows(world: World) -> tuple[int, int]:
    """How many failures and how many sources are remembered."""
    with world.program.databases.identity.reading() as tx:
        return tuple(
            tx.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (sign_in_failures, sign_in_sources)
        )  # type: ignore[return-value]


# --- who gets in ---------------------------------------------------------------------------------


def test_the_right_generated_secret_signs_in(world: World) -> None:
    firm = world.account()

    signed_in = world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, HOME))

    assert (signed_in.principal.id, signed_in.principal.name) == (firm.id, firm.name)


def test_the_right_chosen_secret_signs_in_and_the_generated_one_no_more(world: World) -> None:
    firm = world.account()
    world.exchange.administration.choose_secret(SYSTEM, firm.name, "correct horse")

    assert enters(world, firm.name, "correct horse")
    assert not enters(world, firm.name, firm.secret)
    assert not enters(world, firm.name, "Correct horse")


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(WRONG, id="chosen form"),
        pytest.param(format_secret(b"\0" * 32), id="generated form"),
        pytest.param("", id="empty"),
        pytest.param("x" * (MAX_SECRET + 1), id="too long"),
        pytest.param("a\0b", id="with a NUL"),
        pytest.param("a\nb", id="with a line feed"),
    ],
)
@pytest.mark.parametrize("kind", ["generated", "chosen"])
def test_another_secret_does_not_whatever_its_form(world: World, secret: str, kind: str) -> None:
    firm = world.account()
    if kind == "chosen":
        world.exchange.administration.choose_secret(SYSTEM, firm.name, "correct horse")

    assert not enters(world, firm.name, secret)


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "",
        "0001FTP01",
        " 0001ftp01",
        "0001ftp01\0",
        "0001ftp01\r\n",
        "x" * 129,
        "' OR 1=1",
    ],
)
def test_an_unknown_name_does_not_sign_in(world: World, name: str) -> None:
    firm = world.account()
    assert firm.name == "0001ftp01"

    assert not enters(world, name, firm.secret)
    assert not enters(world, name, WRONG)


def stopped(world: World, firm: Account) -> None:
    world.exchange.administration.set_account_active(SYSTEM, firm.name, active=False)


def organization_stopped(world: World, _: Account) -> None:
    world.exchange.administration.set_organization_active(SYSTEM, "0001", active=False)


def ended(world: World, firm: Account) -> None:
    with world.database.transaction() as tx:
        change = update(principals).where(principals.c.id == firm.id)
        tx.execute(change.values(ends_at=world.clock.now()))


def elsewhere_only(world: World, firm: Account) -> None:
    world.exchange.administration.allow_networks(SYSTEM, firm.name, ("203.0.113.0/24",))


def closed(world: World, firm: Account) -> None:
    fail(world, firm.name, 5)


def rotated(world: World, firm: Account) -> None:
    world.exchange.administration.rotate_secret(SYSTEM, firm.name)


@pytest.mark.parametrize(
    "how", [stopped, organization_stopped, ended, elsewhere_only, closed, rotated]
)
def test_whoever_may_not_enter_is_answered_like_a_wrong_password(
    world: World, how: Callable[[World, Account], None]
) -> None:
    firm = world.account()
    assert enters(world, firm.name, firm.secret)
    how(world, firm)

    refusals = []
    for name, secret in ((firm.name, firm.secret), (firm.name, WRONG), ("nobody", WRONG)):
        with pytest.raises(BadCredentials) as refused:
            world.exchange.sign_in.enter(Attempt(name, secret, HOME))
        refusals.append((str(refused.value), vars(refused.value)))

    assert refusals[0] == refusals[1] == refusals[2]


def test_a_stopped_account_that_is_let_go_on_signs_in_again(world: World) -> None:
    firm = world.account()
    stopped(world, firm)
    world.exchange.administration.set_account_active(SYSTEM, firm.name, active=True)

    assert enters(world, firm.name, firm.secret)


def test_an_account_ends_at_its_end_date_and_not_before(world: World) -> None:
    firm = world.account()
    ended(world, firm)
    world.clock.pass_time(-timedelta(microseconds=1))

    assert enters(world, firm.name, firm.secret)


@pytest.mark.parametrize(
    ("source", "may"),
    [
        ("192.0.2.1", True),
        ("192.0.2.255", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_an_account_with_networks_enters_from_these_only(
    sqlite_world: World, source: str, may: bool
) -> None:
    firm = sqlite_world.account(networks=("192.0.2.0/24", "2001:db8::/32"))

    assert enters(sqlite_world, firm.name, firm.secret, source) is may


# --- five in an hour close the pair --------------------------------------------------------------


def test_five_failures_in_an_hour_close_the_pair_of_name_and_source(world: World) -> None:
    firm = world.account()

    fail(world, firm.name, 4)
    assert enters(world, firm.name, firm.secret)  # and a success forgets the four
    fail(world, firm.name, 5)

    assert not enters(world, firm.name, firm.secret)
    assert enters(world, firm.name, firm.secret, ELSEWHERE)
    assert enters(world, world.account().name, WRONG) is False


def test_failures_an_hour_apart_do_not_add_up(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 4)
    world.clock.pass_time(timedelta(hours=1))

    fail(world, firm.name, 1)

    assert enters(world, firm.name, firm.secret)


def test_the_waits_grow_to_an_hour_and_end(world: World) -> None:
    firm = world.account()
    waits = []

    for _ in range(6):
        while would_enter(world, firm):
            fail(world, firm.name, 1)
        closed_at = world.clock.now()
        while not would_enter(world, firm):
            world.clock.pass_time(timedelta(minutes=1))
        waits.append((world.clock.now() - closed_at) / timedelta(minutes=1))

    assert waits == [1, 5, 15, 60, 60, 60]


def would_enter(world: World, firm: Account) -> bool:
    """Whether the right secret would be let in now; nothing of it is kept."""
    attempt = Attempt(firm.name, firm.secret, HOME)
    sign_in = world.exchange.sign_in
    found = sign_in.check(attempt)
    with world.database._writer.connect() as tx:
        tx.begin()
        return sign_in.settle(tx, attempt, found) is not None


def test_a_closed_pair_counts_no_more_failures_and_keeps_no_more_rows(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 5)
    before = rows(world)

    fail(world, firm.name, 30)
    world.clock.pass_time(timedelta(seconds=60))

    assert rows(world) == before
    assert enters(world, firm.name, firm.secret)  # the wait did not grow by knocking


def test_after_a_success_the_waits_begin_anew(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 5)
    world.clock.pass_time(timedelta(minutes=1))
    assert enters(world, firm.name, firm.secret)

    fail(world, firm.name, 5)
    world.clock.pass_time(timedelta(minutes=1))

    assert enters(world, firm.name, firm.secret)


def test_after_a_day_without_closing_the_waits_begin_anew(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 5)
    world.clock.pass_time(timedelta(hours=24))

    fail(world, firm.name, 5)
    world.clock.pass_time(timedelta(minutes=1))

    assert enters(world, firm.name, firm.secret)


def test_an_ipv6_network_counts_as_one_source(world: World) -> None:
    firm = world.account()

    for number in range(5):
        fail(world, firm.name, 1, f"2001:db8::{number}")

    assert not enters(world, firm.name, firm.secret, "2001:db8::ffff")
    assert enters(world, firm.name, firm.secret, "2001:db8:0:1::1")


# --- twenty from unknown sources -----------------------------------------------------------------


def test_twenty_failures_from_unknown_sources_close_the_account_to_unknown_sources_only(
    world: World,
) -> None:
    firm = world.account()
    assert enters(world, firm.name, firm.secret, HOME)

    fail_from_many(world, firm.name, 20)

    assert not enters(world, firm.name, firm.secret, ELSEWHERE)
    assert enters(world, firm.name, firm.secret, HOME)  # known by its success
    world.clock.pass_time(timedelta(hours=1))
    assert enters(world, firm.name, firm.secret, ELSEWHERE)


def test_nineteen_do_not(world: World) -> None:
    firm = world.account()

    fail_from_many(world, firm.name, 19)

    assert enters(world, firm.name, firm.secret, ELSEWHERE)


def test_failures_from_known_sources_do_not_count_towards_the_twenty(world: World) -> None:
    firm = world.account()
    for number in range(20):
        assert enters(world, firm.name, firm.secret, f"203.0.113.{number}")

    fail_from_many(world, firm.name, 20)

    assert enters(world, firm.name, firm.secret, ELSEWHERE)


def test_a_source_is_known_for_thirty_days_after_its_success(world: World) -> None:
    firm = world.account()
    assert enters(world, firm.name, firm.secret, HOME)
    assert enters(world, firm.name, firm.secret, ELSEWHERE)
    world.clock.pass_time(timedelta(days=29))
    assert enters(world, firm.name, firm.secret, HOME)
    world.clock.pass_time(timedelta(days=2))

    fail_from_many(world, firm.name, 20)

    assert enters(world, firm.name, firm.secret, HOME)
    assert not enters(world, firm.name, firm.secret, ELSEWHERE)


def test_a_source_on_the_allow_list_is_known(world: World) -> None:
    firm = world.account(networks=("192.0.2.0/24",))

    fail_from_many(world, firm.name, 25)

    assert enters(world, firm.name, firm.secret, "192.0.2.77")


def test_a_known_source_is_still_closed_by_its_own_failures(world: World) -> None:
    firm = world.account()
    assert enters(world, firm.name, firm.secret, HOME)

    fail(world, firm.name, 5, HOME)

    assert not enters(world, firm.name, firm.secret, HOME)


# --- for names that nobody has, all is alike -----------------------------------------------------


def test_an_unknown_name_is_closed_by_the_same_rule(world: World) -> None:
    fail(world, "nobody", 30)

    assert rows(world) == (5, 1)
    (entry,) = world.audited("sign_in.closed")
    assert entry.principal_id == ""
    assert "nobody" not in entry.object  # people type passwords into the name field too


def test_a_name_created_while_it_was_being_guessed_is_closed_as_any_other(world: World) -> None:
    fail(world, "0001ftp01", 5)

    firm = world.account()

    assert firm.name == "0001ftp01"
    assert not enters(world, firm.name, firm.secret)


def test_unreadable_names_and_secrets_leave_no_row(world: World) -> None:
    for name, secret in (("", "x"), ("x" * 200, "x"), ("a\0", "x"), ("a", "\x7f"), ("a", "")):
        assert not enters(world, name, secret)

    assert rows(world) == (0, 0)


def test_what_counts_for_nothing_any_more_is_swept(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 5)
    fail_from_many(world, "nobody", 25)
    assert enters(world, firm.name, firm.secret, ELSEWHERE)
    world.clock.pass_time(timedelta(hours=2))
    world.exchange.retention.sweep()
    assert rows(world) == (0, 3)  # two closings that lengthen the next wait, one known source

    world.clock.pass_time(timedelta(days=31))
    world.exchange.retention.sweep()

    assert rows(world) == (0, 0)


# --- administrators ------------------------------------------------------------------------------


def test_an_administrator_s_unlock_ends_every_closing(world: World) -> None:
    firm = world.account()
    fail(world, firm.name, 5)
    fail_from_many(world, firm.name, 20)
    assert not enters(world, firm.name, firm.secret)

    world.exchange.administration.unlock(SYSTEM, firm.name)

    assert enters(world, firm.name, firm.secret, HOME)
    assert enters(world, firm.name, firm.secret, ELSEWHERE)
    (entry,) = world.audited("account.unlocked")
    assert entry.object == firm.name


def test_unlocking_keeps_known_sources_known(world: World) -> None:
    firm = world.account()
    assert enters(world, firm.name, firm.secret, HOME)
    world.exchange.administration.unlock(SYSTEM, firm.name)

    fail_from_many(world, firm.name, 20)

    assert enters(world, firm.name, firm.secret, HOME)


def test_every_closing_is_audited_with_its_source(world: World) -> None:
    firm = world.account()

    fail(world, firm.name, 5)
    fail_from_many(world, firm.name, 20)

    pair, unknown = world.audited("sign_in.closed")
    assert (pair.principal_id, pair.object, pair.source) == (firm.id, firm.name, HOME)
    assert pair.request_id == "request-1"
    assert json.loads(pair.detail) == {"closed_to": HOME, "seconds": 60}
    assert json.loads(unknown.detail) == {"closed_to": "*", "seconds": 3600}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda admin: admin.choose_secret(SYSTEM, "0001ftp01", ""), id="empty"),
        pytest.param(
            lambda admin: admin.choose_secret(SYSTEM, "0001ftp01", "x" * (MAX_SECRET + 1)),
            id="too long a secret",
        ),
        pytest.param(
            lambda admin: admin.choose_secret(SYSTEM, "0001ftp01", "a\tb"), id="unprintable"
        ),
        pytest.param(
            lambda admin: admin.add_account(SYSTEM, NewAccount("x" * (MAX_NAME + 1), "0001")),
            id="too long a name",
        ),
        pytest.param(
            lambda admin: admin.add_account(SYSTEM, NewAccount("a:b", "0001")), id="colon"
        ),
        pytest.param(lambda admin: admin.add_account(SYSTEM, NewAccount("", "0001")), id="no name"),
    ],
)
def test_nobody_is_given_a_name_or_secret_that_could_never_sign_in(
    sqlite_world: World, call: Callable[[Any], object]
) -> None:
    sqlite_world.account()

    with pytest.raises(BadParameter):
        call(sqlite_world.exchange.administration)


def test_an_account_of_an_organization_of_any_kind_signs_in(sqlite_world: World) -> None:
    sqlite_world.organization("0009", OrgKind.SERVICE_PROVIDER)
    provider = sqlite_world.account("0009")

    assert enters(sqlite_world, provider.name, provider.secret)


def test_a_generated_secret_moves_to_the_present_key_as_it_is_used(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    old, new = key_ring(world.program.settings).current, ServerKey("new", b"n" * 32)

    def enters_with(*keys: ServerKey) -> bool:
        passwords = Passwords(KeyRing(keys), CHEAP)
        sign_in = SignIn(world.database, passwords, world.clock)
        try:
            sign_in.enter(Attempt(firm.name, firm.secret, HOME))
        except BadCredentials:
            return False
        return True

    assert not enters_with(new)
    assert enters_with(new, old)
    assert enters_with(new)
    admin.rotate_secret(SYSTEM, firm.name)
    assert not enters_with(new, old)
