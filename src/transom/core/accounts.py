"""Accounts: added, stopped, ended, and given secrets, keys and networks; all audited."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import Connection

from transom.core.passwords import Passwords, name_key
from transom.core.register import organization_of
from transom.core.sign_in import MAX_NAME, MAX_SECRET, Attempt
from transom.core.tools import Tools
from transom.domain.archive import ends_after
from transom.domain.entitlement import Actor, PrincipalKind
from transom.domain.errors import BadParameter, NotFound, WrongState
from transom.domain.identity import (
    SECRET_BYTES,
    AccountKey,
    Principal,
    PublicKey,
    format_secret,
)
from transom.records import audit, holding, identities, keys
from transom.records.database import Database
from transom.records.holding import Exempt

_MAX_LABEL = 100
_LAST_YEAR = 9998
"""The last year with a year after it, where a calendar counts to 9999."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account as it is asked for."""

    name: str
    home_org: str
    kind: PrincipalKind = PrincipalKind.ACCOUNT
    networks: tuple[str, ...] = ()
    unwrap_forms: bool = True


class Accounts:
    """Changes accounts. The part of Administration that is about them."""

    def __init__(self, tools: Tools, identity: Database, passwords: Passwords) -> None:
        self._tools = tools
        self._identity = identity
        self._passwords = passwords

    def add_account(self, actor: Actor, new: NewAccount) -> tuple[Principal, str]:
        """Add an account with a generated secret, which is returned this once and never again.

        Raises:
            BadParameter: nobody could sign in with this name, or a network is not in CIDR form.
            NotFound: no such organization.
            WrongState: the name is taken, or the organization is disabled.
        """
        principal, secret = self.have_account(actor, new)
        if secret is None:
            raise WrongState(f"Account {new.name}", "there already", "new")
        return principal, secret

    def have_account(self, actor: Actor, new: NewAccount) -> tuple[Principal, str | None]:
        """The account that is asked for: added, unless the same one is there already.

        Returns:
            The account, and its generated secret when it is new: this once and never again.

        Raises:
            BadParameter: nobody could sign in with this name, or a network is not in CIDR form.
            NotFound: no such organization.
            WrongState: there is another account of this name, or it has ended, or the organization
                is disabled.
        """
        _check_name(new.name)
        asked = Principal(
            id=self._tools.entropy.uuid(),
            kind=new.kind,
            name=new.name,
            home_org=new.home_org,
            networks=parse_networks(new.networks),
            unwrap_forms=new.unwrap_forms,
        )
        with self._identity.transaction() as tx:
            self._require_organization(tx, new.home_org)
            if not identities.add_principal(tx, asked, self._tools.clock.now()):
                there = self._lasting(tx, new.name)
                refuse_other(f"Account {new.name}", _facts(asked), _facts(there))
                return there, None
            secret = self._give_secret(tx, asked.id)
            self._note(tx, actor, "account.added", new.name, home_org=new.home_org, kind=new.kind)
        return asked, secret

    def account(self, name: str) -> Principal:
        """The account of this name.

        Raises:
            NotFound
        """
        with self._identity.reading() as tx:
            found = identities.principal_named(tx, name)
        if found is None:
            raise _missing(name)
        return found

    # --- secrets ---------------------------------------------------------------------------------

    def rotate_secret(self, actor: Actor, name: str) -> str:
        """Give an account a new secret, returned this once; the old ones and every grant end.

        Raises:
            NotFound
            WrongState: it has ended.
        """
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name)
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
            WrongState: it has ended.
            Unavailable: too many password computations wait.
        """
        if not Attempt(name, secret, "").is_readable():
            raise BadParameter("secret", f"1 to {MAX_SECRET} printable characters")
        self.account(name)  # an unknown name costs no computation
        stored = self._passwords.store(self._tools.entropy.uuid(), secret)
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name)
            identities.end_secrets(tx, principal.id, now)
            identities.add_secret(tx, principal.id, stored, now)
            identities.revoke(tx, principal.id)
            self._note(tx, actor, "account.secret_chosen", name)

    def _give_secret(self, tx: Connection, principal_id: str) -> str:
        secret = format_secret(self._tools.entropy.secret(SECRET_BYTES))
        stored = self._passwords.store(self._tools.entropy.uuid(), secret)
        identities.add_secret(tx, principal_id, stored, self._tools.clock.now())
        return secret

    # --- keys ------------------------------------------------------------------------------------

    def add_key(
        self,
        actor: Actor,
        name: str,
        key: PublicKey,
        label: str = "",
        ends_at: datetime | None = None,
    ) -> bool:
        """Let an account sign in with a public key too; False when the same one is there already.

        One that has ended may be added again.

        Raises:
            BadParameter: not a key that may be used, no such label, or its end is past.
            NotFound
            WrongState: the account has ended, or has the key with another label or end.
        """
        key.check()
        now = self._tools.clock.now()
        if len(label) > _MAX_LABEL or not label.isprintable():
            raise BadParameter("label", f"at most {_MAX_LABEL} printable characters")
        if ends_at is not None and ends_at <= now:
            raise BadParameter("end", "it is past")
        asked = AccountKey(key, label, now, ends_at)
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name)
            there = keys.find(tx, principal.id, key.fingerprint)
            if there is not None and there.is_live(now):
                refuse_other(f"Key {key.fingerprint}", _key_facts(asked), _key_facts(there))
                return False
            keys.save(tx, principal.id, asked)
            facts = {"fingerprint": key.fingerprint, "algorithm": key.algorithm, "label": label}
            self._note(tx, actor, "account.key_added", name, **facts, ends_at=_told(ends_at))
        return True

    def end_key(self, actor: Actor, name: str, fingerprint: str) -> datetime:
        """End a key of an account: it opens nothing more, and every session and grant ends.

        A key that has ended stays as it is.

        Returns:
            Since when it has ended.

        Raises:
            NotFound: no such account, or it never had this key.
        """
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            principal = self._present(tx, name)
            found = keys.find(tx, principal.id, fingerprint)
            if found is None:
                what = f"Key {fingerprint} of account {name}"
                raise NotFound(what, "Name a key by its fingerprint, as it is listed.")
            if found.ends_at is not None and found.ends_at <= now:
                return found.ends_at
            keys.end(tx, principal.id, fingerprint, now)
            identities.revoke(tx, principal.id)
            facts = {"fingerprint": fingerprint, "label": found.label}
            self._note(tx, actor, "account.key_ended", name, **facts)
        return now

    def keys(self, name: str) -> tuple[AccountKey, ...]:
        """Every key of an account, those that have ended included, the oldest first.

        Raises:
            NotFound
        """
        principal = self.account(name)
        with self._identity.reading() as tx:
            return tuple(keys.of(tx, principal.id))

    # --- stopped, closed, ended ------------------------------------------------------------------

    def set_account_active(self, actor: Actor, name: str, *, active: bool) -> bool:
        """Let an account act again, or stop it: its tokens and signed URLs end at once.

        Returns:
            False when it stood so already.

        Raises:
            NotFound
            WrongState: it has ended, and shall act again.
        """
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name) if active else self._present(tx, name)
            if principal.active == active:
                return False
            identities.set_principal_active(tx, principal.id, active=active)
            self._note(tx, actor, "account.enabled" if active else "account.disabled", name)
        return True

    def unlock(self, actor: Actor, name: str) -> bool:
        """Forget every failed sign-in of an account, and open it to every source again.

        Returns:
            False when there was nothing to forget.

        Raises:
            NotFound
        """
        with self._identity.transaction() as tx:
            self._present(tx, name)
            forgot = identities.unlock(tx, name_key(name))
            if forgot:
                self._note(tx, actor, "account.unlocked", name)
        return forgot

    def end_account(self, actor: Actor, name: str) -> datetime:
        """End an account for good: its secrets, keys, tokens and signed URLs end at once.

        An account that has ended stays as it is.

        Returns:
            Since when it has ended.

        Raises:
            NotFound
        """
        now = self._tools.clock.now()
        with self._identity.transaction() as tx:
            principal = self._present(tx, name)
            if principal.ends_at is not None and principal.ends_at <= now:
                return principal.ends_at
            identities.set_end(tx, principal.id, now)
            identities.end_secrets(tx, principal.id, now)
            keys.end_all(tx, principal.id, now)
            identities.revoke(tx, principal.id)
            self._note(tx, actor, "account.ended", name)
        return now

    def set_account_end(self, actor: Actor, name: str, last_day: date | None) -> datetime | None:
        """Let an account end with a day, in the exchange's zone; None takes a set end back.

        Until then it may act as ever, and its end may be set anew.

        Returns:
            When it will end: the beginning of the day after.

        Raises:
            BadParameter: the day is over, or after the year 9998.
            NotFound
            WrongState: it has ended.
        """
        ends_at = None if last_day is None else self.end_of(last_day)
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name)
            if principal.ends_at != ends_at:
                identities.set_end(tx, principal.id, ends_at)
                before, after = _told(principal.ends_at), _told(ends_at)
                self._note(tx, actor, "account.end_set", name, before=before, ends_at=after)
        return ends_at

    def end_of(self, day: date) -> datetime:
        """When a last day is over, in the exchange's zone.

        Raises:
            BadParameter: the day is over, or after the year 9998.
        """
        zone = self._tools.keeping.zone
        today = self._tools.clock.now().astimezone(zone).date()
        if not today <= day or day.year > _LAST_YEAR:
            raise BadParameter("day", f"from today, {today}, to the end of the year {_LAST_YEAR}")
        return ends_after(datetime.combine(day, time.min, zone), 0, zone)

    # --- networks --------------------------------------------------------------------------------

    def allow_networks(self, actor: Actor, name: str, networks: Iterable[str]) -> tuple[str, ...]:
        """Allow an account from these networks only (CIDR); none means from anywhere.

        Returns:
            The networks as they are kept.

        Raises:
            BadParameter: a network is not in CIDR form.
            NotFound
            WrongState: it has ended.
        """
        wanted = parse_networks(networks)
        with self._identity.transaction() as tx:
            self._set_networks(tx, actor, self._lasting(tx, name), wanted)
        return wanted

    def change_networks(
        self, actor: Actor, name: str, *, more: Iterable[str], fewer: Iterable[str]
    ) -> tuple[str, ...]:
        """Allow an account from some more networks (CIDR), and no longer from others.

        Returns:
            The networks it is allowed from now: never none, which would mean from anywhere.

        Raises:
            BadParameter: a network is not in CIDR form, or the last one would go.
            NotFound: no such account, or it is not allowed from a network that shall go.
            WrongState: it has ended.
        """
        with self._identity.transaction() as tx:
            principal = self._lasting(tx, name)
            wanted = changed_networks(f"account {name}", principal.networks, more, fewer)
            self._set_networks(tx, actor, principal, wanted)
        return wanted

    # --- temporary names -------------------------------------------------------------------------

    def set_account_holds(self, actor: Actor, name: str, *, holds: bool) -> bool:
        """Whether an account's uploads under temporary names are held; they are until told.

        Returns:
            False when it stood so already.

        Raises:
            NotFound
        """
        exempt = Exempt(self.account(name).id)
        return self._set_holds(actor, "account", name, exempt, holds=holds)

    def _set_holds(
        self, actor: Actor, kind: str, what: str, exempt: Exempt, *, holds: bool
    ) -> bool:
        switch = holding.switch_on if holds else holding.switch_off
        with self._tools.database.transaction() as tx:
            changes = switch(tx, exempt)
            if changes:
                self._note(tx, actor, f"{kind}.{'holds' if holds else 'holds_not'}", what)
        return changes

    def _set_networks(
        self, tx: Connection, actor: Actor, principal: Principal, networks: tuple[str, ...]
    ) -> None:
        if principal.networks == networks:
            return
        identities.set_networks(tx, principal.id, networks)
        before, after = list(principal.networks), list(networks)
        self._note(tx, actor, "account.networks_set", principal.name, before=before, networks=after)

    # --- what all of them need -------------------------------------------------------------------

    def _present(self, tx: Connection, name: str) -> Principal:
        """The account of this name, for this transaction alone to change."""
        found = identities.principal_to_change(tx, name)
        if found is None or found.kind is PrincipalKind.PERSON:  # people have services of their own
            raise _missing(name)
        return found

    def _lasting(self, tx: Connection, name: str) -> Principal:
        """The account of this name, for this transaction alone to change, if it has not ended."""
        found = self._present(tx, name)
        if found.ends_at is not None and found.ends_at <= self._tools.clock.now():
            day = found.ends_at.astimezone(self._tools.keeping.zone).date()
            is_over = f"ended for good since {day}"
            raise WrongState(f"Account {name}", is_over, "not ended: add one of another name")
        return found

    def _require_organization(self, tx: Connection, org: str) -> None:
        if not organization_of(tx, org).organization.active:
            raise WrongState(f"Organization {org}", "disabled", "enabled")

    def _note(self, tx: Connection, actor: Actor, action: str, what: str, **facts: object) -> None:
        audit.add(tx, self._tools.entry(actor, action, what, "", **facts))


def refuse_other(what: str, asked: Mapping[str, str], there: Mapping[str, str]) -> None:
    """Return quietly when what is there is what is asked for, fact by fact.

    Raises:
        WrongState: names every fact in which they differ.
    """
    other = [fact for fact in asked if asked[fact] != there[fact]]
    if other:
        found = " and ".join(f"{fact} {there[fact]}" for fact in other)
        wanted = " and ".join(f"{fact} {asked[fact]}" for fact in other)
        raise WrongState(what, f"there already with {found}", f"with {wanted}")


def _facts(account: Principal) -> dict[str, str]:
    return {
        "organization": account.home_org,
        "kind": account.kind,
        "networks": ", ".join(sorted(account.networks)) or "anywhere",
        "form-framed bodies": "unwrapped" if account.unwrap_forms else "kept",
    }


def _key_facts(key: AccountKey) -> dict[str, str]:
    return {"label": key.label or "none", "end": _told(key.ends_at) or "none"}


def _missing(name: str) -> NotFound:
    return NotFound(f"Account {name}", "Check the spelling.")


def _told(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def _check_name(name: str) -> None:
    if not Attempt(name, "-", "").is_readable() or ":" in name:  # Basic ends the name at a colon
        raise BadParameter("name", f"1 to {MAX_NAME} printable characters, no colon")


def parse_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """These networks in their one form, each once.

    Raises:
        BadParameter: one is not in CIDR form.
    """
    found = []
    for each in texts:
        try:
            found.append(str(ipaddress.ip_network(each)))
        except ValueError as wrong:
            raise BadParameter("network", f"{wrong}; write it like 192.0.2.0/24") from wrong
    return tuple(dict.fromkeys(found))


def changed_networks(
    whose: str, networks: Sequence[str], more: Iterable[str], fewer: Iterable[str]
) -> tuple[str, ...]:
    """These networks with some more, and without others: never none, which would mean anywhere.

    Raises:
        BadParameter: a network is not in CIDR form, or the last one would go.
        NotFound: one that shall go is not there.
    """
    added, taken = parse_networks(more), parse_networks(fewer)
    if foreign := [each for each in taken if each not in networks]:
        raise NotFound(f"Network {foreign[0]} of {whose}", "Name a network as it is listed.")
    wanted = tuple(each for each in dict.fromkeys((*networks, *added)) if each not in taken)
    if not wanted:
        raise BadParameter("network", "without its last network it would be allowed from anywhere")
    return wanted
