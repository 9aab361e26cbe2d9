"""Administration: organizations, accounts, entitlements and the catalogue, all audited.

The one way in for the demo, the operator's commands and, later, the console. What there is already
is shown by `register`. Whatever is added may be added again: the same changes nothing, another
under the same name is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from transom.core.accounts import (
    Accounts,
    NewAccount,
    changed_networks,
    parse_networks,
    refuse_other,
)
from transom.core.passwords import Passwords
from transom.core.register import Register, organization_of
from transom.core.tools import Tools
from transom.domain.entitlement import Actor, Entitlement, Level, lacking
from transom.domain.errors import BadParameter, NotFound, WrongState
from transom.domain.identity import Organization, Principal
from transom.domain.names import parse_org
from transom.domain.space import Application, Catalogue, Direction, OrgKind
from transom.records import identities, people, spaces
from transom.records.database import Database
from transom.records.holding import Exempt

__all__ = ["OPERATOR", "Administration", "NewAccount"]

OPERATOR = Organization("0", "The operator", OrgKind.SERVICE_PROVIDER)
"""Home of an application's account for which no other is named; made with the first of them."""

_MAX_TITLE = 200


class Administration(Accounts):
    """Changes who and what there is. What it does to accounts stands in core/accounts.py."""

    def __init__(self, tools: Tools, identity: Database, passwords: Passwords) -> None:
        super().__init__(tools, identity, passwords)
        self.register = Register(tools, identity)

    @property
    def zone(self) -> ZoneInfo:
        """Where days are counted, and the zone for showing moments to an operator."""
        return self._tools.keeping.zone

    def now(self) -> datetime:
        """The exchange's time."""
        return self._tools.clock.now()

    # --- organizations ---------------------------------------------------------------------------

    def add_organization(self, actor: Actor, organization: Organization) -> bool:
        """Add an organization; False when the same one is there already, networks aside.

        Raises:
            BadName: the id is not made of digits.
            BadParameter: the name is none that can be shown, or a network is not in CIDR form.
            WrongState: there is another one with this id.
        """
        parse_org(organization.id)
        organization = replace(organization, networks=parse_networks(organization.networks))
        if not organization.name.isprintable() or not 0 < len(organization.name) <= _MAX_TITLE:
            raise BadParameter("name", f"1 to {_MAX_TITLE} printable characters")
        with self._identity.transaction() as tx:
            is_new = identities.add_organization(tx, organization, self._tools.clock.now())
            if is_new:
                self._note(tx, actor, "organization.added", organization.id, name=organization.name)
            else:
                there = organization_of(tx, organization.id).organization
                what = f"Organization {organization.id}"
                refuse_other(what, _facts(organization), _facts(there))
        return is_new

    def set_organization_active(self, actor: Actor, org: str, *, active: bool) -> bool:
        """Let an organization act again, or stop it: its tokens and signed URLs end at once.

        Returns:
            False when it stood so already.

        Raises:
            NotFound: there is none with this id.
        """
        with self._identity.transaction() as tx:
            changes = organization_of(tx, org).organization.active != active
            if changes:
                action = "organization.enabled" if active else "organization.disabled"
                identities.set_organization_active(tx, org, active=active)
                self._note(tx, actor, action, org)
        # Also when nothing changed: the first try may have ended before it came here.
        with self._tools.database.transaction() as tx:
            spaces.bump(tx, spaces.CATALOGUE)
        return changes

    def set_organization_networks(
        self, actor: Actor, org: str, networks: Iterable[str]
    ) -> tuple[str, ...]:
        """Allow an organization's accounts from these networks only (CIDR); none: from anywhere.

        An account's own networks hold beside them: both must allow.

        Returns:
            The networks as they are kept.

        Raises:
            BadParameter: a network is not in CIDR form.
            NotFound: there is none with this id.
        """
        wanted = parse_networks(networks)
        with self._identity.transaction() as tx:
            self._set_org_networks(tx, actor, self._organization(tx, org), wanted)
        return wanted

    def change_organization_networks(
        self, actor: Actor, org: str, *, more: Iterable[str], fewer: Iterable[str]
    ) -> tuple[str, ...]:
        """Allow an organization's accounts from some more networks, and no longer from others.

        Returns:
            The networks they are allowed from now: never none, which would mean from anywhere.

        Raises:
            BadParameter: a network is not in CIDR form, or the last one would go.
            NotFound: no such organization, or it is not allowed from a network that shall go.
        """
        with self._identity.transaction() as tx:
            found = self._organization(tx, org)
            wanted = changed_networks(f"organization {org}", found.networks, more, fewer)
            self._set_org_networks(tx, actor, found, wanted)
        return wanted

    def _set_org_networks(
        self, tx: Connection, actor: Actor, found: Organization, networks: tuple[str, ...]
    ) -> None:
        if found.networks == networks:
            return
        identities.set_organization_networks(tx, found.id, networks)
        before, after = list(found.networks), list(networks)
        action = "organization.networks_set"
        self._note(tx, actor, action, found.id, before=before, networks=after)

    def _organization(self, tx: Connection, org: str) -> Organization:
        """The organization of this id, for this transaction alone to change."""
        found = identities.organization_to_change(tx, org)
        if found is None:
            raise NotFound(f"Organization {org}", "Check the spelling.")
        return found

    # --- applications' own accounts --------------------------------------------------------------

    def connect_application(
        self, actor: Actor, application: str, new: NewAccount
    ) -> tuple[Principal, str | None]:
        """An application's own account, entitled to process it; added unless it is there already.

        Its home is the organization that is named, or OPERATOR, which is made when it is missing.

        Returns:
            The account, and its secret when it is new: this once and never again.

        Raises:
            BadParameter: nobody could sign in with this name, or a network is not in CIDR form.
            NotFound: no such application or organization.
            WrongState: there is another account of this name, or it is another application's.
        """
        if application not in self.catalogue().applications:
            raise NotFound(f"Application {application}", "Check the spelling.")
        if new.home_org == OPERATOR.id:
            self.have_operator(actor)
        principal, secret = self.have_account(actor, new)
        with self._tools.database.reading() as tx:
            held = spaces.entitlements_of(tx, principal.id)
        others = [each.application for each in held if each.level is Level.PROCESS]
        if others and application not in others:
            asked, there = {"application": application}, {"application": ", ".join(others)}
            refuse_other(f"Account {new.name}", asked, there)
        self.entitle(actor, Entitlement(principal.id, "", application, "", Level.PROCESS))
        return principal, secret

    def have_operator(self, actor: Actor) -> None:
        """Add the operator's own organization, unless it is there."""
        with self._identity.reading() as tx:
            is_there = identities.organization(tx, OPERATOR.id) is not None
        if not is_there:
            self.add_organization(actor, OPERATOR)

    # --- entitlements ----------------------------------------------------------------------------

    def entitle(self, actor: Actor, entitlement: Entitlement) -> bool:
        """Grant an entitlement; False when it is there already.

        A person is granted at most what the accounts of the home organization hold in all; what
        they lose later is cut as it is used.

        Raises:
            NotFound: no such organization, application or sub-space.
            BadParameter: an organization where none belongs, or none where one does; or a person
                who would process.
            WrongState: it is for a person, and the organization does not hold it.
        """
        self._require_held(entitlement, self._check(entitlement))
        with self._tools.database.transaction() as tx:
            new_id, now = self._tools.entropy.uuid(), self._tools.clock.now()
            is_new = spaces.grant(tx, new_id, entitlement, now)
            if is_new:
                self._note_entitlement(tx, actor, "entitlement.granted", entitlement)
        return is_new

    def end_entitlement(self, actor: Actor, entitlement: Entitlement) -> None:
        """Take an entitlement away, at once.

        Raises:
            NotFound: the principal does not have it.
        """
        with self._tools.database.transaction() as tx:
            if not spaces.end_entitlement(tx, entitlement):
                raise NotFound("The entitlement", "An entitlement is ended as it was granted.")
            self._note_entitlement(tx, actor, "entitlement.ended", entitlement)

    def _check(self, entitlement: Entitlement) -> Application:
        """The application, with its archives, in which this may be granted to an account."""
        if (entitlement.org == "") != (entitlement.level is Level.PROCESS):
            raise BadParameter("org", "needed at every level but process, which is for all")
        with self._tools.database.reading() as tx:
            application = spaces.catalogue(tx).applications.get(entitlement.application)
        if application is None:
            raise NotFound(f"Application {entitlement.application}", "Check the spelling.")
        application = application.with_archives(self._tools.keeping.archive_days)
        if entitlement.sub_space and entitlement.sub_space not in application.sub_spaces:
            what = f"Sub-space {entitlement.application}/{entitlement.sub_space}"
            raise NotFound(what, "Check the spelling.")
        if entitlement.org:
            with self._identity.reading() as tx:
                self._require_organization(tx, entitlement.org)
        return application

    def _require_held(self, asked: Entitlement, application: Application) -> None:
        """Return quietly when this is for an account, or for a person and held at home."""
        with self._identity.reading() as tx:
            row = people.find(tx, asked.principal_id)
            if row is None:
                return
            home = row.person.org
            accounts = identities.account_ids(tx, home, self._tools.clock.now())
        if asked.level is Level.PROCESS:
            raise BadParameter("level", "a person cannot process; only applications' accounts do")
        with self._tools.database.reading() as tx:
            held = [each for account in accounts for each in spaces.entitlements_of(tx, account)]
        missing = lacking(asked, held, application)
        if missing:
            told = (f"{', '.join(sorted(missing[name]))} in {name}" for name in missing)
            place = f"{asked.org}/{asked.application}"
            raise WrongState(
                f"Organization {home}",
                f"without an account that may do this in {place}: {'; '.join(told)}",
                "with one, as a person is granted at most what its accounts hold",
            )

    def _note_entitlement(
        self, tx: Connection, actor: Actor, action: str, what: Entitlement
    ) -> None:
        place = "/".join(part for part in (what.org, what.application, what.sub_space) if part)
        self._note(tx, actor, action, place, principal=what.principal_id, level=what.level)

    # --- catalogue -------------------------------------------------------------------------------

    def load_catalogue(self, actor: Actor, applications: Iterable[Application]) -> None:
        """Add these applications, or give them these sub-spaces; others stay as they are."""
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            for application in applications:
                spaces.save_application(tx, application, now)
                names = sorted(application.sub_spaces)
                self._note(tx, actor, "application.loaded", application.name, sub_spaces=names)

    def add_application(self, actor: Actor, application: Application) -> bool:
        """Add an application; False when the same one is there already.

        Raises:
            WrongState: there is another one of this name.
        """
        there = self.catalogue().applications.get(application.name)
        if there is None:
            self.load_catalogue(actor, [application])
        else:
            refuse_other(f"Application {there.name}", _told(application), _told(there))
        return there is None

    def catalogue(self) -> Catalogue:
        """Every application with its sub-spaces, as loaded."""
        with self._tools.database.reading() as tx:
            return spaces.catalogue(tx)

    def set_sub_space_holds(
        self, actor: Actor, application: str, sub_space: str, *, holds: bool
    ) -> bool:
        """Whether uploads under temporary names are held in a sub-space; they are until told.

        Returns:
            False when it stood so already.

        Raises:
            NotFound: no such application or inbound sub-space.
        """
        found = self.catalogue().applications.get(application)
        space = found.sub_spaces.get(sub_space) if found else None
        what = f"{application}/{sub_space}"
        if space is None or space.direction is not Direction.INBOUND:
            raise NotFound(f"Inbound sub-space {what}", "Check the spelling.")
        exempt = Exempt("", application, sub_space)
        return self._set_holds(actor, "sub_space", what, exempt, holds=holds)


def _told(application: Application) -> dict[str, str]:
    spaces = sorted(application.sub_spaces.values(), key=lambda space: space.name)
    told = (f"{space.name} ({space.direction}, {space.retention_days} days)" for space in spaces)
    return {"title": application.title, "sub-spaces": ", ".join(told)}


def _facts(organization: Organization) -> dict[str, str]:
    return {"name": organization.name, "kind": organization.kind}
