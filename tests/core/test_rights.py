"""Rights: looked up once, and again as soon as anything about them changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from folk import invited
from sqlalchemy import Connection, event
from world import Account, World

from transom.core import rights as rights_module
from transom.core.retention import SYSTEM
from transom.core.rights import MAX_AGE_SECONDS, RightsBook
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import BadParameter, WrongState
from transom.domain.names import Place
from transom.records import identities, spaces

INBOX, OUTBOX = Place.parse("0001/app1/in"), Place.parse("0001/app1/out")


@pytest.fixture
def book(world: World) -> RightsBook:
    return RightsBook(world.database, world.database, world.clock, archive_days=30)


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: Connection, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)


def test_when_nothing_changed_rights_cost_one_small_query(world: World, book: RightsBook) -> None:
    firm = world.account()
    first = book.of(firm.id)

    with counted(world) as statements:
        again = book.of(firm.id)

    assert again is first
    assert len(statements) == 1


def test_a_granted_and_a_withdrawn_entitlement_count_at_once(
    world: World, book: RightsBook
) -> None:
    firm = world.account(may="submit")
    assert book.of(firm.id).at(OUTBOX) is None

    granted = world.entitle(firm, "0001", "app1", "download")
    assert book.of(firm.id).at(OUTBOX) is not None
    world.exchange.administration.end_entitlement(SYSTEM, granted)

    assert book.of(firm.id).at(OUTBOX) is None
    assert book.of(firm.id).at(INBOX) is not None


def test_another_account_s_change_reads_nothing_again(world: World, book: RightsBook) -> None:
    firm, other = world.account(), world.account()
    first = book.of(firm.id)

    world.entitle(other, "0001", "app2", "both")

    assert book.of(firm.id) is first


def test_a_changed_catalogue_counts_at_once(world: World, book: RightsBook) -> None:
    firm = world.account(application="app2")
    before = book.of(firm.id)

    world.guide_catalogue()
    world.entitle(firm, "0001", "crd", "both")

    assert before.at(Place.parse("0001/crd/results")) is None
    assert book.of(firm.id).at(Place.parse("0001/crd/results")) is not None


def test_a_stopped_organization_counts_at_once(world: World, book: RightsBook) -> None:
    firm = world.account()
    assert book.of(firm.id).at(INBOX) is not None

    world.exchange.administration.set_organization_active(SYSTEM, "0001", active=False)

    assert book.of(firm.id).at(INBOX) is None


def test_an_opened_sub_space_counts_at_once_and_for_its_organization_only(
    world: World, book: RightsBook
) -> None:
    world.guide_catalogue()
    mine, others = (
        world.account(application="tradejrnl"),
        world.account("0002", "both", "tradejrnl"),
    )
    app = world.processor("tradejrnl")
    assert list(book.of(mine.id).all()) == []

    app.publish("0001/tradejrnl/adds/trades.csv")

    assert [str(place) for place, _ in book.of(mine.id).all()] == ["0001/tradejrnl/adds"]
    assert list(book.of(others.id).all()) == []


def test_a_change_on_the_identity_side_alone_is_seen_within_a_minute(
    world: World, book: RightsBook
) -> None:
    firm = world.account()
    assert book.of(firm.id).at(INBOX) is not None
    with world.database.transaction() as tx:  # another program, which knows no exchange
        identities.set_organization_active(tx, "0001", active=False)

    assert book.of(firm.id).at(INBOX) is not None
    world.clock._monotonic += MAX_AGE_SECONDS

    assert book.of(firm.id).at(INBOX) is None


def test_an_unknown_principal_has_no_rights(book: RightsBook) -> None:
    assert list(book.of("nobody").all()) == []
    assert book.of("nobody").processes == frozenset()


def test_an_application_s_account_processes_and_sees_nothing(
    world: World, book: RightsBook
) -> None:
    app = world.processor("app1")

    assert book.of(app.account.id).processes == {"app1"}
    assert list(book.of(app.account.id).all()) == []


def test_of_many_principals_only_the_latest_are_remembered(
    world: World, book: RightsBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights_module, "_MAX_ENTRIES", 2)
    firms: list[Account] = [world.account() for _ in range(3)]

    for firm in firms:
        book.of(firm.id)

    assert list(book._kept) == [firm.id for firm in firms[1:]]


def test_the_catalogue_has_its_archives_in_place(book: RightsBook) -> None:
    spaces = book.catalogue().applications["app1"].sub_spaces

    assert set(spaces) == {"in", "in_arcv", "out"}
    assert spaces["in_arcv"].retention_days == 30


def test_a_persons_rights_never_exceed_those_of_the_organizations_accounts(world: World) -> None:
    maria = invited(world)
    person = world.exchange.people.administration.find(maria.email)
    admin = world.exchange.administration
    first, second = (world.account("0001", may, "app1") for may in ("submit", "download"))
    every = ["0001/app1/in", "0001/app1/in_arcv", "0001/app1/out"]
    admin.entitle(SYSTEM, Entitlement(person.id, "0001", "app1", "", Level.BOTH))

    def places() -> list[str]:
        rights = world.exchange.tokens.acting(person.id, "").rights
        return [str(place) for place, _ in rights.all()]

    assert places() == every
    admin.end_entitlement(SYSTEM, Entitlement(second.id, "0001", "app1", "", Level.DOWNLOAD))
    assert places() == every[:1]
    world.account("0002", "both", "app1")  # another organization's account lends nothing
    assert places() == every[:1]
    world.entitle(second, "0001", "app1", "both")
    admin.set_account_active(SYSTEM, first.name, active=False)
    assert places() == every
    admin.set_account_end(SYSTEM, second.name, world.clock.now().date() + timedelta(days=1))
    world.clock.pass_time(timedelta(days=3))
    assert places() == []


def test_a_person_is_granted_only_what_the_organizations_accounts_hold(world: World) -> None:
    maria = invited(world)
    person = world.exchange.people.administration.find(maria.email)
    admin = world.exchange.administration
    both = Entitlement(person.id, "0001", "app1", "", Level.BOTH)
    world.account("0002", "both", "app1")
    world.account("0001", "both", "app2")
    world.account("0001", "submit", "app1", "in")

    with pytest.raises(WrongState) as refused:
        admin.entitle(SYSTEM, both)
    assert refused.value.message.startswith(
        "Organization 0001 is without an account that may do this in 0001/app1: "
        "download, list in in_arcv; download, list in out; this needs it with one,"
    )
    assert admin.entitle(SYSTEM, replace(both, level=Level.SUBMIT))
    with pytest.raises(WrongState, match="download, list in out"):
        admin.entitle(SYSTEM, replace(both, sub_space="out", level=Level.DOWNLOAD))
    world.account("0001", "download", "app1")
    assert admin.entitle(SYSTEM, both)


def test_a_person_does_not_process(sqlite_world: World) -> None:
    maria = invited(sqlite_world)
    person = sqlite_world.exchange.people.administration.find(maria.email)
    entitlement = Entitlement(person.id, "", "app1", "", Level.PROCESS)

    with pytest.raises(BadParameter, match="a person cannot process"):
        sqlite_world.exchange.administration.entitle(SYSTEM, entitlement)
    with sqlite_world.database.transaction() as tx:  # nor one to whom it was granted all the same
        spaces.grant(tx, "by hand", entitlement, sqlite_world.clock.now())
    assert sqlite_world.exchange.tokens.acting(person.id, "").rights.processes == frozenset()
