"""Grants: bearer tokens, minted against a secret and redeemed on every request.

Tokens are opaque and kept as keyed hashes; each redemption looks the holder up, so that a withdrawn
token, a stopped account and a changed secret count at once.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from transom.core.keyring import KeyRing
from transom.core.rights import RightsBook
from transom.core.sign_in import Attempt, SignedIn, SignIn
from transom.domain.entitlement import Actor
from transom.domain.errors import BadCredentials, GrantInvalid, TooMany
from transom.ports import Clock, Entropy
from transom.records import audit, grants
from transom.records.database import Database

TOKEN_LIFE = timedelta(hours=12)
_TOKEN_PREFIX = "trt_"  # noqa: S105 - a public mark of our tokens, not a secret
_TOKEN_BYTES = 32
_MAX_TOKEN = 256


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, shown once, and how long it lives."""

    text: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """Token grants per account: so many a second, after a burst of so many."""

    per_second: float = 30
    burst: float = 120


@dataclass(frozen=True, slots=True)
class Mint:
    """What tokens are made with. Who can only write to the database cannot make one that counts."""

    keys: KeyRing
    clock: Clock
    entropy: Entropy
    rate: Rate = Rate()

    def text(self) -> str:
        """A fresh token."""
        raw = base64.urlsafe_b64encode(self.entropy.secret(_TOKEN_BYTES))
        return _TOKEN_PREFIX + raw.rstrip(b"=").decode()

    def digests(self, text: str) -> list[str]:
        """What a token may be kept as: under every key, the current one's first."""
        return self.keys.macs("bearer-token", text.encode())


class Tokens:
    """Mints and redeems bearer tokens."""

    def __init__(self, identity: Database, sign_in: SignIn, rights: RightsBook, mint: Mint) -> None:
        self._identity = identity
        self._sign_in = sign_in
        self._rights = rights
        self._mint = mint
        self._clock = mint.clock

    def grant(self, attempt: Attempt) -> Token:
        """A fresh token of 12 hours for a user name and secret.

        Raises:
            BadCredentials: wrong, unknown, closed, ended, or from a network that is not allowed.
            TooMany: this account asks too often.
            Unavailable: nothing was granted; try again.
        """
        found = self._sign_in.check(attempt)
        text, rate = self._mint.text(), self._mint.rate
        wait = timedelta(0)
        with self._identity.transaction() as tx:
            signed_in = self._sign_in.settle(tx, attempt, found)
            if signed_in is not None:
                now = self._clock.now()
                key = f"token/{signed_in.principal.id}"
                wait = grants.take(tx, key, rate.per_second, rate.burst, now)
                if not wait:
                    self._keep(tx, text, attempt, signed_in)
        if signed_in is None:
            raise BadCredentials
        if wait:
            raise TooMany("token requests", wait)
        return Token(text, TOKEN_LIFE)

    def _keep(self, tx: Connection, text: str, attempt: Attempt, signed_in: SignedIn) -> None:
        now = self._clock.now()
        grants.add(
            tx,
            grants.Grant(
                digest=self._mint.digests(text)[0],
                principal_id=signed_in.principal.id,
                principal_epoch=signed_in.principal_epoch,
                org_epoch=signed_in.org_epoch,
                source=attempt.source,
                issued_at=now,
                expires_at=now + TOKEN_LIFE,
            ),
        )
        audit.add(
            tx,
            audit.Entry(
                at=now,
                principal_id=signed_in.principal.id,
                action="token.granted",
                object=signed_in.principal.name,
                source=attempt.source,
                request_id=attempt.request_id,
            ),
        )

    def redeem(self, text: str, source: str, request_id: str = "") -> Actor:
        """Who a token speaks for, with that account's present rights.

        Raises:
            GrantInvalid: unknown, expired, withdrawn, or used from a network that is not allowed.
            Unavailable
        """
        if not text.isascii() or len(text) > _MAX_TOKEN:
            raise GrantInvalid
        now = self._clock.now()
        with self._identity.reading() as tx:
            held = (grants.holder(tx, digest, now) for digest in self._mint.digests(text))
            principal = next((each for each in held if each is not None), None)
        if principal is None or not principal.allows(source):
            raise GrantInvalid
        return self._rights.actor(principal, source, request_id)

    def acting(self, principal_id: str, source: str, request_id: str = "") -> Actor:
        """Who a verified signature speaks for, with that account's present rights.

        Raises:
            GrantInvalid: the account has stopped, or may not act from this network.
            Unavailable
        """
        with self._identity.reading() as tx:
            holder = grants.holder_named(tx, principal_id)
        if holder is None or not holder.org_active:
            raise GrantInvalid
        principal = holder.principal
        if not principal.may_act(self._clock.now()) or not principal.allows(source):
            raise GrantInvalid
        return self._rights.actor(principal, source, request_id, holder.org_epoch)
