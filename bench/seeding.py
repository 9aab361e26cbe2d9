"""Fills an exchange through core administration, whether a server runs on it or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transom.core.administration import NewAccount
from transom.core.exchange import Exchange
from transom.core.publishing import Result
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level, PrincipalKind
from transom.domain.errors import WrongState
from transom.domain.identity import Organization
from transom.domain.names import FileName, Place
from transom.domain.space import Application, Direction, OrgKind, SubSpace
from transom.records import migrate
from transom.server import settings
from transom.server.assemble import build_exchange, connect
from transom.server.system import SystemClock, SystemEntropy

ORG, APPLICATION = "0001", "bench"
_PUBLISHER = "bench-application"


@dataclass(frozen=True)
class Login:
    """An account of the firm's with its generated secret."""

    user: str
    secret: str


@contextmanager
def administering(config: Path) -> Iterator[Exchange]:
    """The use cases on the data that a settings file names, with its schema brought up."""
    chosen = settings.load(config, {})
    databases = connect(chosen)
    try:
        for database in databases.each():
            migrate.up(database)
        yield build_exchange(chosen, databases, SystemClock(), SystemEntropy())
    finally:
        databases.dispose()


def seed(exchange: Exchange, accounts: int) -> list[Login]:
    """The firm with so many accounts, and an application that nobody serves, with its publisher."""
    admin = exchange.administration
    with suppress(WrongState):  # the demo has it already
        admin.add_organization(SYSTEM, Organization(ORG, "Bench firm", OrgKind.FIRM))
    spaces = (
        SubSpace(APPLICATION, "in", Direction.INBOUND, archived=True),
        SubSpace(APPLICATION, "out", Direction.OUTBOUND, retention_days=30),
    )
    made = Application(APPLICATION, "Bench", {space.name: space for space in spaces})
    admin.load_catalogue(SYSTEM, [made])
    new = NewAccount(_PUBLISHER, ORG, PrincipalKind.APPLICATION)
    principal, _ = admin.add_account(SYSTEM, new)
    admin.entitle(SYSTEM, Entitlement(principal.id, "", APPLICATION, "", Level.PROCESS))
    return [_account(exchange, f"{ORG}bench{number:03}") for number in range(accounts)]


def _account(exchange: Exchange, name: str) -> Login:
    admin = exchange.administration
    principal, secret = admin.add_account(SYSTEM, NewAccount(name, ORG))
    admin.entitle(SYSTEM, Entitlement(principal.id, ORG, APPLICATION, "", Level.BOTH))
    return Login(name, secret)


def application_login(exchange: Exchange) -> Login:
    """The application's own account, with a fresh secret."""
    return Login(_PUBLISHER, exchange.administration.rotate_secret(SYSTEM, _PUBLISHER))


def publish(exchange: Exchange, name: str, content: Iterable[bytes]) -> None:
    """A file in the outbound sub-space, from its blocks."""
    place = Place.parse(f"{ORG}/{APPLICATION}/out")
    publisher = exchange.tokens.acting(exchange.administration.account(_PUBLISHER).id, "")
    result = Result(place.application, place.sub_space, FileName(name), (place.org,))
    with exchange.publishing.begin(publisher, result) as publication:
        for block in content:
            publication.feed(block)
        publication.commit()
