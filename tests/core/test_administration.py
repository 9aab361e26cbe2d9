"""Administration: who and what there is, changed at once and audited in the same breath."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from world import START, Account, Processor, World, made

from transom.core import register
from transom.core.administration import OPERATOR, NewAccount
from transom.core.register import Closing
from transom.core.retention import SYSTEM
from transom.core.sign_in import Attempt
from transom.domain.entitlement import Entitlement, Level, PrincipalKind
from transom.domain.errors import (
    BadCredentials,
    BadName,
    BadParameter,
    GrantInvalid,
    NotEntitled,
    NotFound,
    WrongState,
)
from transom.domain.identity import Organization, is_generated
from transom.domain.names import Place
from transom.domain.space import OrgKind
from transom.records.spaces import Queue


def signs_in(world: World, name: str, secret: str) -> bool:
    try:
        world.exchange.sign_in.enter(Attempt(name, secret, "192.0.2.1"))
    except BadCredentials:
        return False
    return True


# --- organizations -------------------------------------------------------------------------------


def test_leading_zeros_make_another_organization(world: World) -> None:
    for org in ("1", "01", "00001"):
        world.organization(org)

    first, second = world.account("1"), world.account("01")

    assert [folder.name for folder in world.exchange.browse.root(first.actor).children] == ["1"]
    assert [folder.name for folder in world.exchange.browse.root(second.actor).children] == ["01"]


def test_an_organization_is_added_once(world: World) -> None:
    admin = world.exchange.administration
    same, new = (Organization(org, f"Org {org}", OrgKind.FIRM) for org in ("0001", "0003"))

    assert not admin.add_organization(SYSTEM, same)
    assert admin.add_organization(SYSTEM, new)

    added = [entry.object for entry in world.audited("organization.added")]
    assert added == ["0001", "0002", "0003"]


def test_another_organization_with_an_id_that_is_taken_is_refused_with_the_difference(
    world: World,
) -> None:
    admin = world.exchange.administration

    with pytest.raises(WrongState, match=r"already with kind firm; .* with kind service_provider"):
        world.organization("0001", OrgKind.SERVICE_PROVIDER)
    with pytest.raises(WrongState, match=r"name Org 0001 and kind firm; .* name X and kind d"):
        admin.add_organization(SYSTEM, Organization("0001", "X", OrgKind.DESIGNATING_AUTHORITY))

    assert admin.register.organization("0001").organization.name == "Org 0001"


@pytest.mark.parametrize("name", ["", "a\x1b[31m", "x" * 201])
def test_an_organization_s_name_can_be_shown(sqlite_world: World, name: str) -> None:
    with pytest.raises(BadParameter, match="name"):
        sqlite_world.exchange.administration.add_organization(
            SYSTEM, Organization("0003", name, OrgKind.FIRM)
        )


@pytest.mark.parametrize("org", ["", "x", "0001 ", "1" * 21, "0001/crd", "\u0661"])
def test_an_organization_id_is_made_of_digits(sqlite_world: World, org: str) -> None:
    with pytest.raises(BadName):
        sqlite_world.exchange.administration.add_organization(
            SYSTEM, Organization(org, "", OrgKind.FIRM)
        )


def test_a_stopped_organization_is_nobody_s_place_any_more(world: World) -> None:
    world.organization("0003")
    provider = world.account("0002")
    world.entitle(provider, "0003", "app1", "both")
    admin, place = world.exchange.administration, Place.parse("0003/app1/in")
    assert provider.names(str(place)) == []

    admin.set_organization_active(SYSTEM, "0003", active=False)
    with pytest.raises(NotEntitled):
        provider.names(str(place))
    admin.set_organization_active(SYSTEM, "0003", active=True)

    assert provider.names(str(place)) == []
    stopped, started = world.audited("organization.disabled", "organization.enabled")
    assert (stopped.object, started.object) == ("0003", "0003")


def test_stopping_what_is_stopped_changes_nothing(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration

    for active, changes in ((False, True), (False, False), (True, True), (True, False)):
        assert admin.set_organization_active(SYSTEM, "0002", active=active) is changes
        assert admin.set_account_active(SYSTEM, firm.name, active=active) is changes

    for noun in ("organization", "account"):
        entries = world.audited(f"{noun}.disabled", f"{noun}.enabled")
        assert [entry.action for entry in entries] == [f"{noun}.disabled", f"{noun}.enabled"]


def test_a_stopped_organization_takes_no_new_accounts_and_entitlements(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    admin.set_organization_active(SYSTEM, "0002", active=False)

    with pytest.raises(WrongState, match="0002 is disabled"):
        admin.add_account(SYSTEM, NewAccount("robot", "0002"))
    with pytest.raises(WrongState, match="0002 is disabled"):
        admin.entitle(SYSTEM, granted(firm, org="0002"))


def test_an_organization_that_is_not_there_is_neither_stopped_nor_started(world: World) -> None:
    with pytest.raises(NotFound):
        world.exchange.administration.set_organization_active(SYSTEM, "9999", active=False)

    assert world.audited("organization.disabled") == []


# --- accounts ------------------------------------------------------------------------------------


def test_a_new_account_gets_a_generated_secret_that_is_kept_nowhere(world: World) -> None:
    principal, secret = world.exchange.administration.add_account(
        SYSTEM, NewAccount("robot", "0001", PrincipalKind.ACCOUNT, ("192.0.2.0/24",), False)
    )

    assert is_generated(secret)
    assert signs_in(world, "robot", secret)
    assert world.exchange.administration.account("robot") == principal
    assert (principal.networks, principal.unwrap_forms) == (("192.0.2.0/24",), False)
    with world.database.reading() as tx:
        everything = [
            tuple(row)
            for table in ("secrets", "principals", "audit")
            for row in tx.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    assert secret not in repr(everything)


def test_a_name_is_one_account_s(world: World) -> None:
    firm = world.account()

    for org in ("0001", "0002"):
        with pytest.raises(WrongState):
            world.exchange.administration.add_account(SYSTEM, NewAccount(firm.name, org))

    assert signs_in(world, firm.name, firm.secret)


def test_the_same_account_asked_for_again_is_left_alone_and_gives_no_secret(world: World) -> None:
    admin = world.exchange.administration
    asked = NewAccount("robot", "0001", networks=("10.1.0.0/16", "192.0.2.7"))
    first, secret = admin.have_account(SYSTEM, asked)
    assert secret is not None

    other_form = replace(asked, networks=("192.0.2.7/32", "10.1.0.0/16", "192.0.2.7"))
    again, nothing = admin.have_account(SYSTEM, other_form)

    assert (again, nothing) == (first, None)
    assert signs_in(world, "robot", secret) is False  # not from there
    assert len(world.audited("account.added")) == 1


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"home_org": "0002"}, "organization 0001; this needs it with organization 0002"),
        ({"networks": ("10.0.0.0/8",)}, "networks anywhere; this needs it with networks 10.0.0"),
        ({"kind": PrincipalKind.APPLICATION}, "kind account; this needs it with kind application"),
        ({"unwrap_forms": False}, "form-framed bodies unwrapped; .* form-framed bodies kept"),
    ],
)
def test_another_account_of_a_name_that_is_taken_is_refused_with_the_difference(
    sqlite_world: World, changes: dict[str, Any], difference: str
) -> None:
    admin, asked = sqlite_world.exchange.administration, NewAccount("robot", "0001")
    admin.have_account(SYSTEM, asked)

    with pytest.raises(WrongState, match=f"Account robot is there already with {difference}"):
        admin.have_account(SYSTEM, replace(asked, **changes))


def test_an_account_needs_an_organization_that_is_there(world: World) -> None:
    with pytest.raises(NotFound):
        world.exchange.administration.add_account(SYSTEM, NewAccount("robot", "9999"))


@pytest.mark.parametrize("network", ["", "anywhere", "192.0.2.1/24", "192.0.2.0/33", "10.0.0.0/8 "])
def test_networks_are_in_cidr_form(sqlite_world: World, network: str) -> None:
    admin, firm = sqlite_world.exchange.administration, sqlite_world.account()

    with pytest.raises(BadParameter, match="network"):
        admin.allow_networks(SYSTEM, firm.name, (network,))
    with pytest.raises(BadParameter, match="network"):
        admin.add_account(SYSTEM, NewAccount("robot", "0001", networks=(network,)))


def test_networks_are_set_and_taken_away(world: World) -> None:
    admin, firm = world.exchange.administration, world.account()

    admin.allow_networks(SYSTEM, firm.name, ("203.0.113.0/24", "2001:db8::/32"))
    assert not signs_in(world, firm.name, firm.secret)
    admin.allow_networks(SYSTEM, firm.name, ())

    assert signs_in(world, firm.name, firm.secret)
    first, _ = world.audited("account.networks_set")
    networks = ["203.0.113.0/24", "2001:db8::/32"]
    assert json.loads(first.detail) == {"before": [], "networks": networks}


def test_networks_are_added_and_removed_one_by_one(world: World) -> None:
    admin, firm = world.exchange.administration, world.account(networks=["10.1.0.0/16"])

    def change(more: tuple[str, ...] = (), fewer: tuple[str, ...] = ()) -> tuple[str, ...]:
        return admin.change_networks(SYSTEM, firm.name, more=more, fewer=fewer)

    assert change(("192.0.2.7", "10.1.0.0/16")) == ("10.1.0.0/16", "192.0.2.7/32")
    assert change(("192.0.2.7/32",)) == ("10.1.0.0/16", "192.0.2.7/32")
    assert change(fewer=("10.1.0.0/16",)) == ("192.0.2.7/32",)

    assert admin.account(firm.name).networks == ("192.0.2.7/32",)
    first, second = world.audited("account.networks_set")
    assert json.loads(first.detail)["before"] == ["10.1.0.0/16"]
    assert json.loads(second.detail) == {
        "before": ["10.1.0.0/16", "192.0.2.7/32"],
        "networks": ["192.0.2.7/32"],
    }


def test_the_last_network_is_not_removed_by_accident(world: World) -> None:
    admin, firm = world.exchange.administration, world.account(networks=["10.1.0.0/16"])

    with pytest.raises(BadParameter, match="anywhere"):
        admin.change_networks(SYSTEM, firm.name, more=(), fewer=("10.1.0.0/16",))
    with pytest.raises(NotFound, match=r"Network 10\.2\.0\.0/16"):
        admin.change_networks(SYSTEM, firm.name, more=(), fewer=("10.2.0.0/16",))

    assert admin.account(firm.name).networks == ("10.1.0.0/16",)


def test_a_rotated_secret_replaces_every_older_one(world: World) -> None:
    admin, firm = world.exchange.administration, world.account()

    secret = admin.rotate_secret(SYSTEM, firm.name)

    assert signs_in(world, firm.name, secret)
    assert not signs_in(world, firm.name, firm.secret)


def test_a_chosen_secret_replaces_every_older_one(world: World) -> None:
    admin, firm = world.exchange.administration, world.account()

    admin.choose_secret(SYSTEM, firm.name, "correct horse")

    assert signs_in(world, firm.name, "correct horse")
    assert not signs_in(world, firm.name, firm.secret)
    assert len(world.audited("account.secret_chosen")) == 1
    assert "horse" not in repr(world.audited())


def test_unlocking_what_is_open_changes_nothing(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    assert not signs_in(world, firm.name, "wrong")

    assert admin.unlock(SYSTEM, firm.name)
    assert not admin.unlock(SYSTEM, firm.name)

    assert len(world.audited("account.unlocked")) == 1


# --- their end -----------------------------------------------------------------------------------


def test_an_ended_account_is_ended_at_once_and_for_good(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    token = world.exchange.tokens.grant(Attempt(firm.name, firm.secret, "192.0.2.1")).text

    ended_at = admin.end_account(SYSTEM, firm.name)
    world.clock.pass_time(timedelta(days=1))

    assert admin.end_account(SYSTEM, firm.name) == ended_at == START
    assert not signs_in(world, firm.name, firm.secret)
    with pytest.raises(GrantInvalid):
        world.exchange.tokens.redeem(token, "192.0.2.1")
    assert admin.register.account(firm.name).secrets == ()
    for call in (
        lambda: admin.set_account_active(SYSTEM, firm.name, active=True),
        lambda: admin.rotate_secret(SYSTEM, firm.name),
        lambda: admin.choose_secret(SYSTEM, firm.name, "correct horse"),
        lambda: admin.allow_networks(SYSTEM, firm.name, ()),
        lambda: admin.set_account_end(SYSTEM, firm.name, None),
        lambda: admin.have_account(SYSTEM, NewAccount(firm.name, "0001")),
    ):
        with pytest.raises(WrongState, match="ended for good since 2026-11-20"):
            call()
    assert [entry.object for entry in world.audited("account.ended")] == [firm.name]


def test_an_account_acts_until_the_end_of_its_last_day(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration

    ends_at = admin.set_account_end(SYSTEM, firm.name, date(2026, 11, 22))

    assert ends_at == datetime(2026, 11, 23, 5, tzinfo=UTC)  # midnight in New York
    world.clock.pass_time(ends_at - START - timedelta(seconds=1))
    assert signs_in(world, firm.name, firm.secret)
    world.clock.pass_time(timedelta(seconds=1))
    assert not signs_in(world, firm.name, firm.secret)
    with pytest.raises(GrantInvalid):
        assert firm.actor
    with pytest.raises(WrongState, match="ended for good since 2026-11-23"):
        admin.set_account_active(SYSTEM, firm.name, active=True)


def test_a_last_day_is_set_anew_and_taken_back(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration

    for day in (date(2026, 11, 22), date(2026, 12, 31), date(2026, 12, 31), None):
        admin.set_account_end(SYSTEM, firm.name, day)
    world.clock.pass_time(timedelta(days=100))

    assert signs_in(world, firm.name, firm.secret)
    first, second, last = world.audited("account.end_set")
    until = ("2026-11-23T05:00:00+00:00", "2027-01-01T05:00:00+00:00")
    assert json.loads(first.detail) == {"before": None, "ends_at": until[0]}
    assert json.loads(second.detail) == {"before": until[0], "ends_at": until[1]}
    assert json.loads(last.detail) == {"before": until[1], "ends_at": None}


@pytest.mark.parametrize("day", [date(2026, 11, 19), date(1, 1, 1), date(9999, 1, 1), date.max])
def test_a_last_day_is_one_to_come(sqlite_world: World, day: date) -> None:
    firm, admin = sqlite_world.account(), sqlite_world.exchange.administration

    with pytest.raises(BadParameter, match="from today, 2026-11-20"):
        admin.set_account_end(SYSTEM, firm.name, day)

    assert admin.account(firm.name).ends_at is None


UNKNOWN: dict[str, Callable[[Any], object]] = {
    "account": lambda admin: admin.account("nobody"),
    "rotate": lambda admin: admin.rotate_secret(SYSTEM, "nobody"),
    "choose": lambda admin: admin.choose_secret(SYSTEM, "nobody", "secret"),
    "stop": lambda admin: admin.set_account_active(SYSTEM, "nobody", active=False),
    "networks": lambda admin: admin.allow_networks(SYSTEM, "nobody", ()),
    "some networks": lambda admin: admin.change_networks(SYSTEM, "nobody", more=(), fewer=()),
    "unlock": lambda admin: admin.unlock(SYSTEM, "nobody"),
    "end": lambda admin: admin.end_account(SYSTEM, "nobody"),
    "end later": lambda admin: admin.set_account_end(SYSTEM, "nobody", date(2026, 12, 31)),
    "show": lambda admin: admin.register.account("nobody"),
    "entitlements": lambda admin: admin.register.entitlements(account="nobody"),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN)
def test_an_account_that_is_not_there_is_not_found_and_nothing_is_audited(
    sqlite_world: World, call: Callable[[Any], object]
) -> None:
    before = len(sqlite_world.audited())

    with pytest.raises(NotFound):
        call(sqlite_world.exchange.administration)

    assert len(sqlite_world.audited()) == before


def test_whoever_changed_something_is_named_in_the_audit_trail(world: World) -> None:
    operator, firm = world.account().actor, world.account()
    admin = world.exchange.administration

    admin.set_account_active(replace(operator, request_id="req-9"), firm.name, active=False)

    (entry,) = world.audited("account.disabled")
    assert (entry.principal_id, entry.object) == (operator.principal_id, firm.name)
    assert (entry.source, entry.request_id, entry.at) == ("127.0.0.1", "req-9", world.clock.now())


# --- entitlements --------------------------------------------------------------------------------


def granted(firm: Account, **changes: Any) -> Entitlement:
    return replace(Entitlement(firm.id, "0001", "app2", "", Level.BOTH), **changes)


def test_granting_twice_changes_nothing(world: World) -> None:
    firm = world.account()
    before = len(world.audited("entitlement.granted"))

    for is_new in (True, False):
        assert world.exchange.administration.entitle(SYSTEM, granted(firm)) is is_new

    entries = world.audited("entitlement.granted")[before:]
    assert [(each.object, json.loads(each.detail)) for each in entries] == [
        ("0001/app2", {"principal": firm.id, "level": "both"})
    ]
    assert firm.names("0001/app2/out") == []


def test_an_entitlement_taken_away_counts_at_once(world: World) -> None:
    firm, admin = world.account(), world.exchange.administration
    admin.entitle(SYSTEM, granted(firm))
    assert firm.names("0001/app2/out") == []

    admin.end_entitlement(SYSTEM, granted(firm))

    with pytest.raises(NotEntitled):
        firm.names("0001/app2/out")
    with pytest.raises(NotFound):
        admin.end_entitlement(SYSTEM, granted(firm))
    assert len(world.audited("entitlement.ended")) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"org": ""}, BadParameter, id="no organization"),
        pytest.param({"level": Level.PROCESS}, BadParameter, id="process is for all"),
        pytest.param({"org": "9999"}, NotFound, id="unknown organization"),
        pytest.param({"application": "app9"}, NotFound, id="unknown application"),
        pytest.param({"sub_space": "nowhere"}, NotFound, id="unknown sub-space"),
        pytest.param({"sub_space": "out_arcv"}, NotFound, id="no archive there"),
    ],
)
def test_an_entitlement_is_for_what_there_is(
    sqlite_world: World, changes: dict[str, Any], error: type[Exception]
) -> None:
    firm = sqlite_world.account()

    with pytest.raises(error):
        sqlite_world.exchange.administration.entitle(SYSTEM, granted(firm, **changes))


@pytest.mark.parametrize(
    ("sub_space", "seen"),
    [("", ["in", "in_arcv", "out"]), ("in", ["in", "in_arcv"]), ("in_arcv", ["in_arcv"]),
     ("out", ["out"])],
)  # fmt: skip
def test_an_entitlement_may_be_for_one_sub_space(
    sqlite_world: World, sub_space: str, seen: list[str]
) -> None:
    firm = sqlite_world.account()
    sqlite_world.exchange.administration.entitle(SYSTEM, granted(firm, sub_space=sub_space))

    folder = sqlite_world.exchange.browse.application(firm.actor, "0001", "app2")

    assert [child.name for child in folder.children] == seen


# --- applications' own accounts ------------------------------------------------------------------


def test_an_application_s_account_processes_it_and_is_the_operator_s(world: World) -> None:
    admin = world.exchange.administration
    asked = NewAccount("app1-worker", OPERATOR.id, PrincipalKind.APPLICATION)
    world.account().submit("0001/app1/in/file.zip")

    principal, secret = admin.connect_application(SYSTEM, "app1", asked)
    again = admin.connect_application(SYSTEM, "app1", asked)

    assert secret is not None
    assert again == (principal, None)
    worker = Processor(Account(world, principal.id, principal.name, secret), "app1")
    assert len(worker.claim()) == 1
    assert signs_in(world, principal.name, secret)
    assert admin.register.organization("0").organization == OPERATOR
    admin.set_organization_active(SYSTEM, OPERATOR.id, active=False)
    assert not signs_in(world, principal.name, secret)


def test_an_application_s_account_may_have_another_home(world: World) -> None:
    admin = world.exchange.administration
    asked = NewAccount("app1-worker", "0002", PrincipalKind.APPLICATION)

    principal, _ = admin.connect_application(SYSTEM, "app1", asked)

    assert principal.home_org == "0002"
    with pytest.raises(NotFound):
        admin.register.organization(OPERATOR.id)


def test_an_application_s_account_is_not_made_another_s(world: World) -> None:
    admin = world.exchange.administration
    asked = NewAccount("app1-worker", OPERATOR.id, PrincipalKind.APPLICATION)
    admin.connect_application(SYSTEM, "app1", asked)

    with pytest.raises(WrongState, match=r"application app1; .* application app2"):
        admin.connect_application(SYSTEM, "app2", asked)
    with pytest.raises(NotFound, match="app9"):
        admin.connect_application(SYSTEM, "app9", replace(asked, name="app9-worker"))

    assert [each.account for each in admin.register.entitlements(application="app2")] == []
    assert "app9-worker" not in [each.principal.name for each in admin.register.accounts()]


def test_what_was_left_half_done_is_completed_by_asking_again(world: World) -> None:
    admin = world.exchange.administration
    admin.add_organization(SYSTEM, OPERATOR)
    asked = NewAccount("app1-worker", OPERATOR.id, PrincipalKind.APPLICATION)
    admin.have_account(SYSTEM, asked)  # and there it stopped

    principal, _ = admin.connect_application(SYSTEM, "app1", asked)

    (held,) = admin.register.entitlements(account="app1-worker")
    assert held.entitlement == Entitlement(principal.id, "", "app1", "", Level.PROCESS)


# --- the register --------------------------------------------------------------------------------


def test_the_register_lists_every_organization_with_its_accounts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "_PAGE", 2)
    for org in ("0003", "0004", "0005"):
        world.organization(org)
    world.account("0004")
    world.account("0004")

    found = world.exchange.administration.register.organizations()

    told = [(each.organization.id, each.accounts) for each in found]
    assert told == [("0001", 0), ("0002", 0), ("0003", 0), ("0004", 2), ("0005", 0)]
    assert {each.created_at for each in found} == {START}


def test_the_register_lists_accounts_of_an_organization_or_an_application(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "_PAGE", 2)
    book = world.exchange.administration.register
    one, two, three = world.account(), world.account("0002"), world.account(application="app2")
    worker = world.processor("app2").account

    def names(**filters: str) -> list[str]:
        return [each.principal.name for each in book.accounts(**filters)]

    assert names() == sorted(each.name for each in (one, two, three, worker))
    assert names(org="0002") == [two.name]
    assert names(application="app2") == sorted([three.name, worker.name])
    assert names(org="0001", application="app1") == [one.name]
    for filters in ({"org": "9999"}, {"application": "app9"}):
        with pytest.raises(NotFound):
            book.accounts(**filters)
        with pytest.raises(NotFound):
            book.entitlements(**filters)


def test_the_register_tells_why_an_account_may_not_act(world: World) -> None:
    admin = world.exchange.administration
    active, disabled, ended, orphan = (world.account(org) for org in ("0001",) * 3 + ("0002",))
    admin.set_account_active(SYSTEM, disabled.name, active=False)
    admin.end_account(SYSTEM, ended.name)
    admin.set_organization_active(SYSTEM, "0002", active=False)

    states = {each.principal.name: each.state for each in admin.register.accounts()}

    assert states == {
        active.name: "active",
        disabled.name: "disabled",
        ended.name: "ended",
        orphan.name: "organization_disabled",
    }


def test_the_register_knows_when_an_account_signed_in_and_for_whom_it_is_closed(
    world: World,
) -> None:
    firm, book = world.account(), world.exchange.administration.register
    assert book.account(firm.name).last_sign_in is None
    assert signs_in(world, firm.name, firm.secret)
    for _ in range(5):
        with pytest.raises(BadCredentials):
            world.exchange.sign_in.enter(Attempt(firm.name, "wrong", "198.51.100.7"))

    found = book.account(firm.name)
    world.clock.pass_time(timedelta(minutes=2))

    assert found.last_sign_in == START
    assert found.closings == (Closing("198.51.100.7", START + timedelta(minutes=1)),)
    assert book.account(firm.name).closings == ()
    assert found.secrets == (START,)
    assert [each.level for each in found.entitlements] == [Level.BOTH]
    assert found.organization is not None
    assert found.organization.name == "Org 0001"


def test_the_register_lists_entitlements_by_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "_PAGE", 2)
    book = world.exchange.administration.register
    one, two = world.account(), world.account("0002", "submit", sub_space="in")
    world.entitle(two, "0001", "app2", "download")
    world.entitle(one, "0001", "app1", "submit")
    worker = world.processor("app1").account

    def held(**filters: str) -> list[tuple[str, str, str, str]]:
        return [
            (
                each.entitlement.org,
                each.entitlement.application,
                each.account,
                each.entitlement.level,
            )
            for each in book.entitlements(**filters)
        ]

    everything = [
        ("", "app1", worker.name, "process"),
        ("0001", "app1", one.name, "both"),
        ("0001", "app1", one.name, "submit"),
        ("0001", "app2", two.name, "download"),
        ("0002", "app1", two.name, "submit"),
    ]
    assert held() == everything
    assert held(account=two.name) == everything[3:]
    assert held(org="0001", application="app1") == everything[1:3]


def test_the_register_counts_what_stands_in_front_of_an_application(world: World) -> None:
    firm, app = world.account(), world.processor()
    for number in range(5):
        firm.submit(f"0001/app1/in/{number}.zip")
    taken, *_ = app.claim(limit=3, minutes=5)
    world.exchange.handoff.acknowledge(app.actor, taken.submission.tracking_id, taken.fence)
    book = world.exchange.administration.register

    now = book.application("app1")
    world.clock.pass_time(timedelta(minutes=6))
    later = book.application("app1")

    assert now.accounts == (app.account.name,)
    assert sorted(now.application.sub_spaces) == ["in", "in_arcv", "out"]
    assert now.queues == {"in": Queue(waiting=2, leased=2, acknowledged=1)}
    assert later.queues == {"in": Queue(waiting=4, leased=0, acknowledged=1)}
    assert book.application("app2").queues == {}
    assert [each.application.name for each in book.applications()] == ["app1", "app2"]
    with pytest.raises(NotFound):
        book.application("app9")


def test_the_register_puts_two_databases_together(
    tmp_path: Path, fresh_postgres_database: str
) -> None:
    identity = f"sqlite:///{tmp_path / 'identity.db'}"
    with made(tmp_path / "world", fresh_postgres_database, identity_url=identity) as apart:
        book = apart.exchange.administration.register
        firm, app = apart.account(), apart.processor()
        stranger = Entitlement("elsewhere", "0001", "app1", "", Level.BOTH)
        apart.exchange.administration.entitle(SYSTEM, stranger)

        held = book.entitlements(org="0001")

        assert [(each.entitlement.principal_id, each.account) for each in held] == [
            ("elsewhere", ""),
            (firm.id, firm.name),
        ]
        names = [each.principal.name for each in book.accounts(application="app1")]
        assert names == sorted([firm.name, app.account.name])
        assert [each.level for each in book.account(firm.name).entitlements] == [Level.BOTH]


# --- catalogue -----------------------------------------------------------------------------------


def test_loading_an_application_again_gives_it_exactly_these_sub_spaces(world: World) -> None:
    admin, firm = world.exchange.administration, world.account()
    present = admin.catalogue().applications["app1"]
    only_out = {"out": present.sub_spaces["out"]}

    admin.load_catalogue(SYSTEM, [replace(present, title="New", sub_spaces=only_out)])

    assert dict(admin.catalogue().applications["app1"].sub_spaces) == only_out
    assert admin.catalogue().applications["app1"].title == "New"
    assert "app2" in admin.catalogue().applications
    assert firm.names("0001/app1/out") == []
    with pytest.raises(NotEntitled):
        firm.names("0001/app1/in")
    assert json.loads(world.audited("application.loaded")[-1].detail) == {"sub_spaces": ["out"]}
