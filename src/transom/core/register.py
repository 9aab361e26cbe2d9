"""The register: who and what there is, for an operator to see. It never shows a secret.

Identities and entitlements may live in two databases: what is in both is put together here, a page
at a time, by ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection

from transom.core.passwords import name_key
from transom.core.tools import Tools
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import NotFound
from transom.domain.identity import AccountKey, Organization, Principal
from transom.domain.space import Application, Catalogue, Direction
from transom.records import holding, identities, keys, spaces
from transom.records.database import Database
from transom.records.holding import Exempt
from transom.records.identities import OrganizationRow, PrincipalRow
from transom.records.spaces import Queue

EVERY_UNKNOWN_SOURCE = identities.UNKNOWN_SOURCES
_PAGE = 500
_T = TypeVar("_T")


class AccountState(StrEnum):
    """Whether an account may act, and why not."""

    ACTIVE = "active"
    DISABLED = "disabled"
    ORGANIZATION_DISABLED = "organization_disabled"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Registered:
    """An account as it stands."""

    principal: Principal
    state: AccountState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """Who may not sign in until then: an address, an IPv6 /64, or EVERY_UNKNOWN_SOURCE."""

    source: str
    until: datetime


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Everything that is known of an account.

    `last_sign_in` is exact to the hour, and None after 30 days. `secrets` is when each live one was
    made, the newest first; `keys` are the live ones. `holds`: its uploads under temporary names are
    held until they are renamed.
    """

    account: Registered
    organization: Organization | None
    secrets: tuple[datetime, ...]
    keys: tuple[AccountKey, ...]
    last_sign_in: datetime | None
    closings: tuple[Closing, ...]
    entitlements: tuple[Entitlement, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class Held:
    """An entitlement and the name of who holds it; "" for one that this exchange does not know."""

    entitlement: Entitlement
    account: str


@dataclass(frozen=True, slots=True)
class ApplicationRecord:
    """An application, the accounts that process it, and what stands in its inbound sub-spaces.

    `unheld` are the sub-spaces in which temporary names have no meaning.
    """

    application: Application
    accounts: tuple[str, ...]
    queues: Mapping[str, Queue]
    unheld: frozenset[str]


class Register:
    """Reads what Administration changes. Everything comes in the order of names or ids."""

    def __init__(self, tools: Tools, identity: Database) -> None:
        self._tools = tools
        self._identity = identity

    def organizations(self) -> tuple[OrganizationRow, ...]:
        """Every organization."""
        with self._identity.reading() as tx:
            pages = _pages(
                lambda last: identities.organizations_after(
                    tx, last.organization.id if last else "", _PAGE
                )
            )
            return tuple(each for page in pages for each in page)

    def organization(self, org: str) -> OrganizationRow:
        """The organization of this id.

        Raises:
            NotFound
        """
        with self._identity.reading() as tx:
            return organization_of(tx, org)

    # --- accounts --------------------------------------------------------------------------------

    def accounts(self, *, org: str = "", application: str = "") -> tuple[Registered, ...]:
        """Every account, or those of an organization, or entitled in an application.

        Raises:
            NotFound: no such organization or application.
        """
        self._require(org, application)
        with self._identity.reading() as tx, self._tools.database.reading() as other:
            pages = _pages(
                lambda last: identities.registered_after(
                    tx, last.principal.name if last else "", _PAGE, org
                )
            )
            found = (each for page in pages for each in _entitled(other, page, application))
            return tuple(self._registered(each) for each in found)

    def account(self, name: str) -> AccountRecord:
        """Everything that is known of the account of this name.

        Raises:
            NotFound
        """
        now = self._tools.clock.now()
        with self._identity.reading() as tx:
            row = identities.registered(tx, name)
            if row is None:
                raise NotFound(f"Account {name}", "Check the spelling.")
            home = identities.organization(tx, row.principal.home_org)
            secrets = identities.live_secrets(tx, row.principal.id)
            own = keys.of(tx, row.principal.id)
            sources = identities.sources(tx, name_key(name))
        with self._tools.database.reading() as tx:
            held = spaces.entitlements_of(tx, row.principal.id)
            exempt = holding.any_of(tx, [Exempt(row.principal.id)])
        return AccountRecord(
            account=self._registered(row),
            organization=home.organization if home else None,
            secrets=tuple(secrets),
            keys=tuple(each for each in own if each.is_live(now)),
            last_sign_in=max(
                (each.succeeded_at for each in sources if each.succeeded_at), default=None
            ),
            closings=tuple(
                Closing(each.source_key, each.closed_until)
                for each in sources
                if each.closed_until and now < each.closed_until
            ),
            entitlements=held,
            holds=not exempt,
        )

    def _registered(self, row: PrincipalRow) -> Registered:
        principal, now = row.principal, self._tools.clock.now()
        if principal.ends_at is not None and principal.ends_at <= now:
            state = AccountState.ENDED
        elif not principal.active:
            state = AccountState.DISABLED
        else:
            state = AccountState.ACTIVE if row.org_active else AccountState.ORGANIZATION_DISABLED
        return Registered(principal, state, row.created_at)

    # --- entitlements ----------------------------------------------------------------------------

    def entitlements(
        self, *, account: str = "", org: str = "", application: str = ""
    ) -> tuple[Held, ...]:
        """Every entitlement, or those of an account, in an organization, in an application.

        By place, then by account and level.

        Raises:
            NotFound: no such account, organization or application.
        """
        self._require(org, application)
        principal_id = self.account(account).account.principal.id if account else ""
        with self._identity.reading() as tx, self._tools.database.reading() as other:
            pages = _pages(
                lambda last: spaces.entitlements_after(
                    other, last, _PAGE, principal_id=principal_id, org=org, application=application
                )
            )
            found = [held for page in pages for held in _held(tx, page)]
        return tuple(sorted(found, key=_by_place))

    # --- applications ----------------------------------------------------------------------------

    def applications(self) -> tuple[ApplicationRecord, ...]:
        """Every application."""
        catalogue = self._catalogue()
        return tuple(self.application(name) for name in sorted(catalogue.applications))

    def application(self, name: str) -> ApplicationRecord:
        """The application of this name, with its archives.

        Raises:
            NotFound
        """
        application = self._catalogue().applications.get(name)
        if application is None:
            raise NotFound(f"Application {name}", "Check the spelling.")
        inbound = [
            space.name
            for space in application.sub_spaces.values()
            if space.direction is Direction.INBOUND
        ]
        with self._tools.database.reading() as tx:
            queues = spaces.queues(tx, name, inbound, self._tools.clock.now())
            unheld = frozenset(holding.exempt_sub_spaces(tx, name))
        held = self.entitlements(application=name)
        processors = [each.account for each in held if each.entitlement.level is Level.PROCESS]
        return ApplicationRecord(
            application.with_archives(self._tools.keeping.archive_days),
            tuple(processors),
            queues,
            unheld,
        )

    def _catalogue(self) -> Catalogue:
        with self._tools.database.reading() as tx:
            return spaces.catalogue(tx)

    def _require(self, org: str, application: str) -> None:
        if org:
            self.organization(org)
        if application and application not in self._catalogue().applications:
            raise NotFound(f"Application {application}", "Check the spelling.")


def organization_of(tx: Connection, org: str) -> OrganizationRow:
    """The organization of this id.

    Raises:
        NotFound
    """
    found = identities.organization(tx, org)
    if found is None:
        raise NotFound(f"Organization {org}", "Check the spelling.")
    return found


def _pages(read: Callable[[_T | None], list[_T]]) -> Iterator[list[_T]]:
    """Pages, each read after the last row of the one before, until there are no more rows."""
    last: _T | None = None
    while page := read(last):
        yield page
        last = page[-1]


def _entitled(tx: Connection, page: list[PrincipalRow], application: str) -> list[PrincipalRow]:
    if not application:
        return page
    holders = spaces.entitled(tx, application, (each.principal.id for each in page))
    return [each for each in page if each.principal.id in holders]


def _held(tx: Connection, page: list[Entitlement]) -> list[Held]:
    names = identities.names(tx, (each.principal_id for each in page))
    return [Held(each, names.get(each.principal_id, "")) for each in page]


def _by_place(held: Held) -> tuple[str, ...]:
    what = held.entitlement
    return (what.org, what.application, what.sub_space, held.account, what.level)
