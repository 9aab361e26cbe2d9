"""Administration: who and what there is, changed at once and audited in the same breath."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from world import Account, World

from transom.core.administration import NewAccount
from transom.core.retention import SYSTEM
from transom.core.sign_in import Attempt
from transom.domain.entitlement import Entitlement, Level, PrincipalKind
from transom.domain.errors import (
    BadCredentials,
    BadName,
    BadParameter,
    NotEntitled,
    NotFound,
    WrongState,
)
from transom.domain.identity import Organization, is_generated
from transom.domain.names import Place
from transom.domain.space import OrgKind


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
    with pytest.raises(WrongState):
        world.organization("0001", OrgKind.SERVICE_PROVIDER)

    assert len(world.audited("organization.added")) == 2  # 0001 and 0002


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

    with pytest.raises(WrongState):
        world.exchange.administration.add_account(SYSTEM, NewAccount(firm.name, "0002"))

    assert signs_in(world, firm.name, firm.secret)


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
    assert json.loads(first.detail) == {"networks": ["203.0.113.0/24", "2001:db8::/32"]}


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


UNKNOWN: dict[str, Callable[[Any], object]] = {
    "account": lambda admin: admin.account("nobody"),
    "rotate": lambda admin: admin.rotate_secret(SYSTEM, "nobody"),
    "choose": lambda admin: admin.choose_secret(SYSTEM, "nobody", "secret"),
    "stop": lambda admin: admin.set_account_active(SYSTEM, "nobody", active=False),
    "networks": lambda admin: admin.allow_networks(SYSTEM, "nobody", ()),
    "unlock": lambda admin: admin.unlock(SYSTEM, "nobody"),
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

    for _ in range(2):
        world.exchange.administration.entitle(SYSTEM, granted(firm))

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
