"""Public keys: given to accounts, opening them, ended; and that what is closed refuses keys too."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from core.faults import TroubledDatabase, url_of
from world import CHEAP, START, Account, World, key_blob, public_key

from transom.core.administration import NewAccount
from transom.core.passwords import Passwords
from transom.core.retention import SYSTEM
from transom.core.sign_in import MAX_NAME, Attempt, SignIn
from transom.domain.errors import (
    BadCredentials,
    BadParameter,
    ExchangeError,
    GrantInvalid,
    NotFound,
    Unavailable,
    WrongState,
)
from transom.domain.identity import FAILURES_FROM_UNKNOWN, FAILURES_PER_SOURCE, PublicKey
from transom.server.assemble import key_ring

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


def enters(world: World, name: str, key: PublicKey, source: str = HOME) -> bool:
    """Whether this key signs in from there; what is offered and what enters are always alike."""
    offered = world.exchange.sign_in.offers_key(name, key, source)
    try:
        signed_in = world.exchange.sign_in.enter_with_key(name, key, source, "request-1")
    except BadCredentials:
        assert not offered
        return False
    assert offered
    assert signed_in.principal.name == name
    return True


def fail(world: World, firm: Account, times: int, source: str = HOME) -> None:
    for _ in range(times):
        with pytest.raises(BadCredentials):
            world.exchange.sign_in.enter(Attempt(firm.name, "wrong", source))


# --- who gets in ---------------------------------------------------------------------------------


def test_a_key_of_an_account_opens_it_and_tells_which_it_was(world: World) -> None:
    firm = world.account()
    key, other = world.key(firm, "nightly"), world.key(firm, "daily")

    signed_in = world.exchange.sign_in.enter_with_key(firm.name, key, HOME)
    by_secret = world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, HOME))

    assert (signed_in.principal.id, signed_in.fingerprint) == (firm.id, key.fingerprint)
    assert (by_secret.principal.id, by_secret.fingerprint) == (firm.id, "")
    assert signed_in.principal_epoch == by_secret.principal_epoch == firm.actor.epoch
    assert enters(world, firm.name, other)


def test_a_key_opens_only_the_accounts_that_have_it(world: World) -> None:
    firm, other, none = world.account(), world.account(), world.account()
    shared = world.key(firm)
    world.exchange.administration.add_key(SYSTEM, other.name, shared)
    world.key(none)

    assert enters(world, firm.name, shared)
    assert enters(world, other.name, shared)
    assert not enters(world, none.name, shared)
    assert not enters(world, "nobody", shared)


def test_what_is_empty_or_unknown_opens_nothing(world: World) -> None:
    firm, bare = world.account(), world.account()
    key = world.key(firm)

    for name in ("", " ", "\0", f"{firm.name}\n", "x" * (MAX_NAME + 1), firm.name.upper()):
        assert not enters(world, name, key)
    for offered in (PublicKey("", b""), PublicKey("ssh-ed25519", b""), public_key()):
        assert not enters(world, firm.name, offered)
        assert not enters(world, bare.name, offered)


def test_a_key_does_not_open_an_account_that_may_not_act(world: World) -> None:
    disabled, ended, of_stopped = world.account(), world.account(), world.account("0002")
    accounts = {each.name: world.key(each) for each in (disabled, ended, of_stopped)}
    admin = world.exchange.administration
    assert all(enters(world, name, key) for name, key in accounts.items())

    admin.set_account_active(SYSTEM, disabled.name, active=False)
    admin.end_account(SYSTEM, ended.name)
    admin.set_organization_active(SYSTEM, "0002", active=False)

    assert not any(enters(world, name, key) for name, key in accounts.items())
    (gone,) = admin.keys(ended.name)
    assert gone.ends_at == START


def test_a_key_counts_only_from_networks_that_are_allowed(world: World) -> None:
    firm = world.account(networks=["192.0.2.0/24"])
    key = world.key(firm)
    before = enters(world, firm.name, key), enters(world, firm.name, key, ELSEWHERE)

    world.exchange.administration.set_organization_networks(SYSTEM, "0001", ["198.51.100.0/24"])

    assert before == (True, False)
    assert not enters(world, firm.name, key)
    assert not enters(world, firm.name, key, ELSEWHERE)
    assert not enters(world, firm.name, key, "no address")


def test_a_key_opens_until_its_end(world: World) -> None:
    firm = world.account()
    key = world.key(firm, ends_at=START + timedelta(days=1))

    world.clock.pass_time(timedelta(days=1) - timedelta(microseconds=1))
    assert enters(world, firm.name, key)
    world.clock.pass_time(timedelta(microseconds=1))
    assert not enters(world, firm.name, key)


def test_a_database_that_does_not_answer_lets_nobody_in(world: World) -> None:
    firm = world.account()
    key = world.key(firm)
    database = TroubledDatabase(url_of(world))
    passwords = Passwords(key_ring(world.program.settings), CHEAP)
    sign_in = SignIn(database, passwords, world.clock)
    database.gone = True

    with pytest.raises(Unavailable):
        sign_in.enter_with_key(firm.name, key, HOME)

    database.dispose()


# --- the lock-out rule ---------------------------------------------------------------------------


def test_keys_that_open_nothing_never_count(world: World) -> None:
    firm = world.account()
    key = world.key(firm)

    for _ in range(2 * FAILURES_FROM_UNKNOWN):
        assert not enters(world, firm.name, public_key())

    assert enters(world, firm.name, key)
    assert world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, ELSEWHERE))
    assert world.audited("sign_in.closed") == []


def test_a_source_closed_after_wrong_passwords_is_closed_to_keys_until_it_opens(
    world: World,
) -> None:
    firm = world.account()
    key = world.key(firm)
    fail(world, firm, FAILURES_PER_SOURCE)

    assert not enters(world, firm.name, key)
    assert enters(world, firm.name, key, ELSEWHERE)
    world.clock.pass_time(timedelta(minutes=1))
    assert enters(world, firm.name, key)


def test_an_account_closed_to_unknown_sources_lets_a_key_in_from_a_known_one(
    world: World,
) -> None:
    firm = world.account()
    key = world.key(firm)
    assert enters(world, firm.name, key)  # known from now
    for number in range(FAILURES_FROM_UNKNOWN):
        fail(world, firm, 1, f"203.0.113.{number}")

    assert not enters(world, firm.name, key, ELSEWHERE)
    assert enters(world, firm.name, key)


def test_a_key_that_opens_makes_its_source_known_and_forgets_its_failures(world: World) -> None:
    firm = world.account()
    key = world.key(firm)
    fail(world, firm, FAILURES_PER_SOURCE - 1)

    assert enters(world, firm.name, key)
    fail(world, firm, FAILURES_PER_SOURCE - 1)

    assert enters(world, firm.name, key)
    found = world.exchange.administration.register.account(firm.name)
    assert (found.last_sign_in, found.closings) == (START, ())


# --- given, listed, ended ------------------------------------------------------------------------


def test_keys_are_listed_with_what_is_known_of_them(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    first = world.key(firm, "nightly", START + timedelta(days=30))
    world.clock.pass_time(timedelta(hours=1))
    second = world.key(firm)
    assert enters(world, firm.name, first)

    nightly, other = admin.keys(firm.name)

    assert (nightly.key, nightly.label, nightly.created_at) == (first, "nightly", START)
    assert (nightly.ends_at, nightly.last_used_at) == (
        START + timedelta(days=30),
        START + timedelta(hours=1),
    )
    assert (other.key, other.label, other.ends_at, other.last_used_at) == (second, "", None, None)
    assert admin.keys(world.account().name) == ()
    assert admin.register.account(firm.name).keys == (nightly, other)


def test_the_last_use_is_noted_once_an_hour(world: World) -> None:
    firm = world.account()
    key = world.key(firm)
    times = []
    for minutes in (0, 59, 1):
        world.clock.pass_time(timedelta(minutes=minutes))
        assert enters(world, firm.name, key)
        (kept,) = world.exchange.administration.keys(firm.name)
        times.append(kept.last_used_at)

    assert times == [START, START, START + timedelta(hours=1)]


def test_the_same_key_again_changes_nothing_and_another_label_is_refused(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    key = world.key(firm, "nightly")

    assert admin.add_key(SYSTEM, firm.name, key, "nightly") is False
    with pytest.raises(WrongState, match=r"there already with label nightly; .*label daily"):
        admin.add_key(SYSTEM, firm.name, key, "daily")
    with pytest.raises(WrongState, match="end none"):
        admin.add_key(SYSTEM, firm.name, key, "nightly", START + timedelta(days=1))
    assert len(world.audited("account.key_added")) == 1


def test_an_ended_key_opens_nothing_at_once_and_its_sessions_and_tokens_end(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    key, other = world.key(firm, "lost"), world.key(firm)
    signed_in = world.exchange.sign_in.enter_with_key(firm.name, key, HOME)
    token = world.exchange.tokens.grant(Attempt(firm.name, firm.secret, HOME)).text

    ended_at = admin.end_key(SYSTEM, firm.name, key.fingerprint)

    assert ended_at == START
    assert not enters(world, firm.name, key)
    assert enters(world, firm.name, other)
    assert firm.actor.epoch != signed_in.principal_epoch  # how a session knows that it is over
    with pytest.raises(GrantInvalid):
        world.exchange.tokens.redeem(token, HOME)
    assert [each.key for each in admin.register.account(firm.name).keys] == [other]


def test_a_key_ends_once_and_may_be_given_again(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    key = world.key(firm, "nightly")
    admin.end_key(SYSTEM, firm.name, key.fingerprint)
    world.clock.pass_time(timedelta(hours=1))
    epoch = firm.actor.epoch

    assert admin.end_key(SYSTEM, firm.name, key.fingerprint) == START
    assert firm.actor.epoch == epoch
    assert admin.add_key(SYSTEM, firm.name, key, "again") is True
    assert enters(world, firm.name, key)
    (kept,) = admin.keys(firm.name)
    assert (kept.label, kept.ends_at) == ("again", None)


def test_every_change_of_keys_is_audited(world: World) -> None:
    firm = world.account()
    key = world.key(firm, "nightly", START + timedelta(days=1))
    world.exchange.administration.end_key(SYSTEM, firm.name, key.fingerprint)

    added, ended = world.audited("account.key_added", "account.key_ended")

    assert added.object == ended.object == firm.name
    assert json.loads(added.detail) == {
        "algorithm": "ssh-ed25519",
        "ends_at": "2026-11-21T20:36:10+00:00",
        "fingerprint": key.fingerprint,
        "label": "nightly",
    }
    assert json.loads(ended.detail) == {"fingerprint": key.fingerprint, "label": "nightly"}


@pytest.mark.parametrize(
    ("key", "label", "days"),
    [
        pytest.param(PublicKey("ssh-dss", key_blob(b"ssh-dss")), "", 1, id="algorithm"),
        pytest.param(PublicKey("ssh-ed25519", b""), "", 1, id="no key"),
        pytest.param(public_key(), "x" * 101, 1, id="long label"),
        pytest.param(public_key(), "a\nb", 1, id="label of two lines"),
        pytest.param(public_key(), "", 0, id="end that is past"),
    ],
)
def test_a_key_that_could_not_be_used_is_refused(
    sqlite_world: World, key: PublicKey, label: str, days: int
) -> None:
    firm, admin = sqlite_world.account(), sqlite_world.exchange.administration

    with pytest.raises(BadParameter):
        admin.add_key(SYSTEM, firm.name, key, label, START + timedelta(days=days))
    assert admin.keys(firm.name) == ()


def test_keys_are_of_accounts_that_are_there_and_have_not_ended(sqlite_world: World) -> None:
    firm, admin = sqlite_world.account(), sqlite_world.exchange.administration
    key = sqlite_world.key(firm)
    nobody: list[tuple[type[ExchangeError], object]] = []
    for kind, call in (
        (NotFound, lambda: admin.add_key(SYSTEM, "nobody", key)),
        (NotFound, lambda: admin.end_key(SYSTEM, "nobody", key.fingerprint)),
        (NotFound, lambda: admin.end_key(SYSTEM, firm.name, public_key().fingerprint)),
        (NotFound, lambda: admin.keys("nobody")),
    ):
        with pytest.raises(kind):
            nobody.append((kind, call()))
    admin.end_account(SYSTEM, firm.name)
    with pytest.raises(WrongState):
        admin.add_key(SYSTEM, firm.name, public_key())
    assert nobody == []


# --- networks of an organization -----------------------------------------------------------------


def test_an_organization_s_networks_hold_at_every_door(world: World) -> None:
    firm, tokens = world.account(), world.exchange.tokens
    key, attempt = world.key(firm), Attempt(firm.name, firm.secret, HOME)
    token = tokens.grant(attempt).text

    world.exchange.administration.set_organization_networks(SYSTEM, "0001", ["198.51.100.0/24"])

    assert not enters(world, firm.name, key)
    for refused in (
        lambda: tokens.grant(attempt),
        lambda: tokens.redeem(token, HOME),
        lambda: tokens.acting(firm.id, HOME),
        lambda: world.exchange.sign_in.enter(attempt),
    ):
        with pytest.raises((BadCredentials, GrantInvalid)):
            refused()
    assert tokens.redeem(token, ELSEWHERE).name == firm.name
    assert tokens.acting(firm.id, ELSEWHERE).name == firm.name
    assert enters(world, firm.name, key, ELSEWHERE)
    assert world.account("0002").actor.name  # another organization's are not touched


def test_an_organization_s_networks_are_set_changed_and_taken_away(world: World) -> None:
    admin = world.exchange.administration

    def kept() -> tuple[str, ...]:
        return admin.register.organization("0001").organization.networks

    networks = ["192.0.2.0/24", "192.0.2.0/24"]
    assert admin.set_organization_networks(SYSTEM, "0001", networks) == ("192.0.2.0/24",) == kept()
    more = admin.change_organization_networks(SYSTEM, "0001", more=["2001:db8::/32"], fewer=[])
    assert more == ("192.0.2.0/24", "2001:db8::/32") == kept()
    less = admin.change_organization_networks(SYSTEM, "0001", more=[], fewer=["192.0.2.0/24"])
    assert less == ("2001:db8::/32",) == kept()
    with pytest.raises(BadParameter, match="anywhere"):
        admin.change_organization_networks(SYSTEM, "0001", more=[], fewer=["2001:db8::/32"])
    with pytest.raises(NotFound, match=r"Network 10\.0\.0\.0/8 of organization 0001"):
        admin.change_organization_networks(SYSTEM, "0001", more=[], fewer=["10.0.0.0/8"])
    assert admin.set_organization_networks(SYSTEM, "0001", []) == () == kept()
    admin.set_organization_networks(SYSTEM, "0001", [])  # nothing to change, nothing audited
    for wrong in ("192.0.2.1/24", "everywhere"):
        with pytest.raises(BadParameter):
            admin.set_organization_networks(SYSTEM, "0001", [wrong])
    for change in (
        lambda: admin.set_organization_networks(SYSTEM, "0009", []),
        lambda: admin.change_organization_networks(SYSTEM, "0009", more=[], fewer=[]),
    ):
        with pytest.raises(NotFound):
            change()
    assert [json.loads(each.detail) for each in world.audited("organization.networks_set")] == [
        {"before": [], "networks": ["192.0.2.0/24"]},
        {"before": ["192.0.2.0/24"], "networks": ["192.0.2.0/24", "2001:db8::/32"]},
        {"before": ["192.0.2.0/24", "2001:db8::/32"], "networks": ["2001:db8::/32"]},
        {"before": ["2001:db8::/32"], "networks": []},
    ]


def test_a_source_in_an_organization_s_networks_is_known(world: World) -> None:
    firm = world.account()
    world.exchange.administration.set_organization_networks(SYSTEM, "0001", ["192.0.2.0/24"])
    for number in range(FAILURES_FROM_UNKNOWN):
        fail(world, firm, 1, f"203.0.113.{number}")

    assert world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, HOME))


def test_an_account_is_asked_for_again_whatever_its_organization_s_networks(world: World) -> None:
    admin = world.exchange.administration
    admin.set_organization_networks(SYSTEM, "0001", ["192.0.2.0/24"])
    _, secret = admin.have_account(SYSTEM, NewAccount("0001ftp77", "0001"))

    there, none = admin.have_account(SYSTEM, NewAccount("0001ftp77", "0001"))

    assert secret is not None
    assert none is None
    assert (there.networks, there.org_networks) == ((), ("192.0.2.0/24",))
