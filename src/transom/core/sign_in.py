"""Credentials in; a principal or an error out. The only place where a secret is judged.

The secret is checked first, always, at the same cost; then one transaction reads how the name and
the source stand with the lock-out rule and either counts the failure or notes the success. So a
guess that was right but came while the account was closed is refused like a wrong one.

A key is no secret: clients offer every key they have. What opens nothing is refused and not
counted; what is closed to passwords is closed to keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from transom.core import lock_out
from transom.core.lock_out import Caller
from transom.core.passwords import Passwords
from transom.domain import identity
from transom.domain.entitlement import PrincipalKind
from transom.domain.errors import BadCredentials
from transom.domain.identity import AccountKey, Principal, PublicKey
from transom.ports import Clock
from transom.records import identities, keys
from transom.records.database import Database
from transom.records.identities import Credential

MAX_NAME = 128
MAX_SECRET = 1024


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a caller presents: a user name, a secret, and the address it comes from."""

    name: str
    secret: str
    source: str
    request_id: str = ""

    def is_readable(self) -> bool:
        """Whether name and secret are of a length and of characters that any account could have."""
        return (
            self.has_readable_name()
            and 0 < len(self.secret) <= MAX_SECRET
            and self.secret.isprintable()
        )

    def has_readable_name(self) -> bool:
        """Whether the name is of a length and of characters that any account's could have."""
        return 0 < len(self.name) <= MAX_NAME and self.name.isprintable()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A principal whose secret or key was right, with the epochs in force at that moment.

    `fingerprint` is of the key, or "" where it was a secret.
    """

    principal: Principal
    principal_epoch: int
    org_epoch: int
    fingerprint: str = ""


class SignIn:
    """Judges credentials for every door."""

    def __init__(self, database: Database, passwords: Passwords, clock: Clock) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock

    def check(self, attempt: Attempt) -> Credential | None:
        """The account whose secret this is, or None; the lock-out rule has not been asked yet.

        Raises:
            Unavailable: the database, or the queue of password checks, cannot take it now.
        """
        if not attempt.is_readable():
            return None
        with self._database.reading() as tx:
            found = identities.credential_of(tx, attempt.name)
        fits = self._passwords.fits(attempt.secret, found.secrets if found else ())
        return found if fits else None

    def settle(self, tx: Connection, attempt: Attempt, found: Credential | None) -> SignedIn | None:
        """Decide in a transaction, after check(): note the success, or count the failure.

        Returns:
            Who signed in, or None: refused, and the transaction must be committed all the same.
        """
        now = self._clock.now()
        if not attempt.is_readable():
            return None
        if found is None or not self._may_enter(found, attempt, now):
            self._refuse(tx, attempt, found, now)
            return None
        if not self._is_open(tx, attempt, found, now):
            return None
        renewed = self._passwords.renewed(attempt.secret, found.secrets)
        if renewed is not None:
            identities.renew_secret(tx, renewed)
        return SignedIn(found.principal, found.principal_epoch, found.org_epoch)

    def _is_open(self, tx: Connection, attempt: Attempt, found: Credential, now: datetime) -> bool:
        """Whether the lock-out rule lets this account in from there; then the success is noted."""
        caller = _caller(attempt, found)
        standing = lock_out.standing(tx, caller, now)
        if not standing.fresh:
            # Guesses in flight beside this one count first: the right one must not overtake them.
            standing = lock_out.standing_alone(tx, caller, now)
        if standing.is_closed(now):
            return False
        if standing.failures or not standing.fresh:
            lock_out.note_success(tx, caller, now)
        return True

    def _refuse(
        self, tx: Connection, attempt: Attempt, found: Credential | None, now: datetime
    ) -> None:
        caller = _caller(attempt, found)
        standing = lock_out.standing_alone(tx, caller, now)
        if not standing.is_closed(now):
            lock_out.count_failure(tx, caller, standing, now)

    def enter(self, attempt: Attempt) -> SignedIn:
        """Check and settle in one go, for doors that grant nothing in the same transaction.

        Raises:
            BadCredentials: wrong, unknown, closed, ended, or from a network that is not allowed.
            Unavailable
        """
        found = self.check(attempt)
        with self._database.transaction() as tx:
            signed_in = self.settle(tx, attempt, found)
        if signed_in is None:
            raise BadCredentials
        return signed_in

    # --- keys ------------------------------------------------------------------------------------

    def offers_key(self, name: str, key: PublicKey, source: str) -> bool:
        """Whether this key would open the account of this name now, from there. Counts nothing.

        Raises:
            Unavailable: it cannot be told; refuse.
        """
        attempt, now = Attempt(name, "", source), self._clock.now()
        with self._database.reading() as tx:
            found = self._holder(tx, attempt, key, now)
            if found is None:
                return False
            return not lock_out.standing(tx, _caller(attempt, found[0]), now).is_closed(now)

    def enter_with_key(
        self, name: str, key: PublicKey, source: str, request_id: str = ""
    ) -> SignedIn:
        """Sign in with a key, once the caller has proven by a signature that it has it.

        Raises:
            BadCredentials: not a key of this account, or ended, closed, or from a network that is
                not allowed.
            Unavailable
        """
        attempt, now = Attempt(name, "", source, request_id), self._clock.now()
        with self._database.transaction() as tx:
            found = self._holder(tx, attempt, key, now)
            if found is None or not self._is_open(tx, attempt, found[0], now):
                raise BadCredentials
            holder, mine = found
            if mine.last_used_at is None or now - mine.last_used_at >= identity.FRESH_FOR:
                keys.note_use(tx, holder.principal.id, key.fingerprint, now)
        return SignedIn(holder.principal, holder.principal_epoch, holder.org_epoch, key.fingerprint)

    def _holder(
        self, tx: Connection, attempt: Attempt, key: PublicKey, now: datetime
    ) -> tuple[Credential, AccountKey] | None:
        """Whose live key this is, when it may act and come from there; its own name only."""
        if not attempt.has_readable_name():
            return None
        found = keys.holder(tx, attempt.name, key)
        if found is None or not found[1].is_live(now):
            return None
        return found if self._may_enter(found[0], attempt, now) else None

    def _may_enter(self, found: Credential, attempt: Attempt, now: datetime) -> bool:
        # A person's password alone opens nothing: people come in at the portal only.
        is_person = found.principal.kind is PrincipalKind.PERSON
        may_act = found.org_active and found.principal.may_act(now)
        return may_act and not is_person and found.principal.allows(attempt.source)


def _caller(attempt: Attempt, found: Credential | None) -> Caller:
    listed = found is not None and found.principal.lists(attempt.source)
    return Caller(attempt.name, attempt.source, attempt.request_id, listed)
