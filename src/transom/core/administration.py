"""Administration: organizations, accounts, entitlements and the catalogue, all audited.

The one way in for the demo, the operator's commands and, later, the console.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from transom.core.passwords import Passwords, name_key
from transom.core.sign_in import MAX_NAME, MAX_SECRET, Attempt
from transom.core.tools import Tools
from transom.domain.entitlement import Actor, Entitlement, Level, PrincipalKind
from transom.domain.errors import BadParameter, NotFound, WrongState
from transom.domain.identity import SECRET_BYTES, Organization, Principal, format_secret
from transom.domain.names import parse_org
from transom.domain.space import Application, Catalogue
from transom.records import audit, identities, spaces
from transom.records.database import Database


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account as it is asked for."""

    name: str
    home_org: str
    kind: PrincipalKind = PrincipalKind.ACCOUNT
    networks: tuple[str, ...] = ()
    unwrap_forms: bool = True


class Administration:
    """Changes who and what there is."""

    def __init__(self, tools: Tools, identity: Database, passwords: Passwords) -> None:
        self._tools = tools
        self._identity = identity
        self._passwords = passwords

    # --- organizations ---------------------------------------------------------------------------

    def add_organization(self, actor: Actor, organization: Organization) -> None:
        """Add an organization.

        Raises:
            BadName: the id is not made of digits.
            WrongState: there is one with this id.
        """
        parse_org(organization.id)
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            if not identities.add_organization(tx, organization, now):
                raise WrongState(f"Organization {organization.id}", "there already", "new")
            self._note(tx, actor, "organization.added", organization.id, name=organization.name)

    def set_organization_active(self, actor: Actor, org: str, *, active: bool) -> None:
        """Let an organization act again, or stop it: its tokens and signed URLs end at once.

        Raises:
            NotFound: there is none with this id.
        """
        with self._identity.transaction() as tx:
            if not identities.set_organization_active(tx, org, active=active):
                raise NotFound(f"Organization {org}")
            self._note(
                tx, actor, "organization.enabled" if active else "organization.disabled", org
            )
        with self._tools.database.transaction() as tx:
            spaces.bump(tx, spaces.CATALOGUE)

    # --- accounts --------------------------------------------------------------------------------

    def add_account(self, actor: Actor, new: NewAccount) -> tuple[Principal, str]:
        """Add an account with a generated secret, which is returned this once and never again.

        Raises:
            BadParameter: nobody could sign in with this name, or a network is not in CIDR form.
            NotFound: no such organization.
            WrongState: the name is taken.
        """
        _check_name(new.name)
        _check_networks(new.networks)
        principal = Principal(
            id=self._tools.entropy.uuid(),
            kind=new.kind,
            name=new.name,
            home_org=new.home_org,
            networks=new.networks,
            unwrap_forms=new.unwrap_forms,
        )
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            if new.home_org not in identities.kinds(tx, [new.home_org]):
                raise NotFound(f"Organization {new.home_org}")
            if not identities.add_principal(tx, principal, now):
                raise WrongState(f"Account {new.name}", "there already", "new")
            secret = self._give_secret(tx, principal.id)
            self._note(tx, actor, "account.added", new.name, home_org=new.home_org)
        return principal, secret

    def account(self, name: str) -> Principal:
        """The account of this name.

        Raises:
            NotFound
        """
        with self._identity.reading() as tx:
            found = identities.principal_named(tx, name)
        if found is None:
            raise NotFound(f"Account {name}")
        return found

    def rotate_secret(self, actor: Actor, name: str) -> str:
        """Give an account a new secret, returned this once; the old ones and every grant end.

        Raises:
            NotFound
        """
        principal = self.account(name)
        with self._identity.transaction() as tx:
            identities.end_secrets(tx, principal.id, self._tools.clock.now())
            secret = self._give_secret(tx, principal.id)
            identities.revoke(tx, principal.id)
            self._note(tx, actor, "account.secret_rotated", name)
        return secret

    def choose_secret(self, actor: Actor, name: str, secret: str) -> None:
        """Give an account a secret of its own choosing; the old ones and every grant end.

        Raises:
            BadParameter: nobody could sign in with this secret.
            NotFound
            Unavailable: too many password computations wait.
        """
        if not Attempt(name, secret, "").is_readable():
            raise BadParameter("secret", f"1 to {MAX_SECRET} printable characters")
        principal = self.account(name)
        stored = self._passwords.store(self._tools.entropy.uuid(), secret)
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            identities.end_secrets(tx, principal.id, now)
            identities.add_secret(tx, principal.id, stored, now)
            identities.revoke(tx, principal.id)
            self._note(tx, actor, "account.secret_chosen", name)

    def set_account_active(self, actor: Actor, name: str, *, active: bool) -> None:
        """Let an account act again, or stop it: its tokens and signed URLs end at once.

        Raises:
            NotFound
        """
        principal = self.account(name)
        with self._identity.transaction() as tx:
            identities.set_principal_active(tx, principal.id, active=active)
            self._note(tx, actor, "account.enabled" if active else "account.disabled", name)

    def allow_networks(self, actor: Actor, name: str, networks: tuple[str, ...]) -> None:
        """Allow an account from these networks only (CIDR); none means from anywhere.

        Raises:
            BadParameter: a network is not in CIDR form.
            NotFound
        """
        _check_networks(networks)
        principal = self.account(name)
        with self._identity.transaction() as tx:
            identities.set_networks(tx, principal.id, networks)
            self._note(tx, actor, "account.networks_set", name, networks=list(networks))

    def unlock(self, actor: Actor, name: str) -> None:
        """Forget every failed sign-in of an account, and open it to every source again.

        Raises:
            NotFound
        """
        self.account(name)
        with self._identity.transaction() as tx:
            identities.unlock(tx, name_key(name))
            self._note(tx, actor, "account.unlocked", name)

    def _give_secret(self, tx: Connection, principal_id: str) -> str:
        secret = format_secret(self._tools.entropy.secret(SECRET_BYTES))
        stored = self._passwords.store(self._tools.entropy.uuid(), secret)
        identities.add_secret(tx, principal_id, stored, self._tools.clock.now())
        return secret

    # --- entitlements ----------------------------------------------------------------------------

    def entitle(self, actor: Actor, entitlement: Entitlement) -> None:
        """Grant an entitlement; granting it twice changes nothing.

        Raises:
            NotFound: no such organization, application or sub-space.
            BadParameter: an organization where none belongs, or none where one does.
        """
        self._check(entitlement)
        with self._tools.database.transaction() as tx:
            if spaces.grant(tx, self._tools.entropy.uuid(), entitlement, self._tools.clock.now()):
                self._note_entitlement(tx, actor, "entitlement.granted", entitlement)

    def end_entitlement(self, actor: Actor, entitlement: Entitlement) -> None:
        """Take an entitlement away, at once.

        Raises:
            NotFound: the principal does not have it.
        """
        with self._tools.database.transaction() as tx:
            if not spaces.end_entitlement(tx, entitlement):
                raise NotFound("The entitlement")
            self._note_entitlement(tx, actor, "entitlement.ended", entitlement)

    def _check(self, entitlement: Entitlement) -> None:
        if (entitlement.org == "") != (entitlement.level is Level.PROCESS):
            raise BadParameter("org", "needed at every level but process, which is for all")
        with self._tools.database.reading() as tx:
            application = spaces.catalogue(tx).applications.get(entitlement.application)
        if application is None:
            raise NotFound(f"Application {entitlement.application}")
        archives = application.with_archives(self._tools.keeping.archive_days).sub_spaces
        if entitlement.sub_space and entitlement.sub_space not in archives:
            raise NotFound(f"Sub-space {entitlement.application}/{entitlement.sub_space}")
        if entitlement.org:
            with self._identity.reading() as tx:
                if entitlement.org not in identities.kinds(tx, [entitlement.org]):
                    raise NotFound(f"Organization {entitlement.org}")

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

    def catalogue(self) -> Catalogue:
        """Every application with its sub-spaces, as loaded."""
        with self._tools.database.reading() as tx:
            return spaces.catalogue(tx)

    def _note(self, tx: Connection, actor: Actor, action: str, what: str, **facts: object) -> None:
        audit.add(tx, self._tools.entry(actor, action, what, "", **facts))


def _check_name(name: str) -> None:
    if not Attempt(name, "-", "").is_readable() or ":" in name:  # Basic ends the name at a colon
        raise BadParameter("name", f"1 to {MAX_NAME} printable characters, no colon")


def _check_networks(networks: Iterable[str]) -> None:
    for each in networks:
        try:
            ipaddress.ip_network(each)
        except ValueError as wrong:
            raise BadParameter("network", f"{wrong}; write it like 192.0.2.0/24") from wrong
