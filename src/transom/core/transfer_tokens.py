"""S3 transfer tokens: temporary keys for one application, carried by whoever was given them.

Nothing is stored. The secret key is derived from the access key id, and what the keys permit is
sealed in the session token: any node that has the server's keys can verify a request by itself.
What has changed since is known within ten seconds (core/present.py).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from transom.core.grants import Mint
from transom.core.keyring import KeyRing
from transom.core.present import PresentBook
from transom.core.sealed_grants import SealedGrant, seal, secret_of, unseal
from transom.core.signed_urls import Endpoint
from transom.domain import signature
from transom.domain.authorization import SECURITY_TOKEN, read_authorization, require_in_time
from transom.domain.chunks import Chain
from transom.domain.entitlement import Action, Actor, Right
from transom.domain.errors import GrantInvalid, NotEntitled, TooMany
from transom.domain.names import OrgId, Place
from transom.domain.presigned import Presigned, read_presigned, require_unexpired
from transom.domain.signature import Claim, RawRequest, SignatureRefused
from transom.records import audit, grants
from transom.records.database import Database

QUERY_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - the name of a parameter

_ACCESS_KEY = re.compile(r"ASIA[A-Z2-7]{16}")
_ACCESS_KEY_BYTES = 10  # 16 characters


class AccessKeyUnknown(SignatureRefused):
    """The access key id is none of ours, or came without its session token."""

    code = "access_key_unknown"

    def __init__(self) -> None:
        super().__init__(
            "The access key id you provided does not exist in our records, or its session token "
            "is missing. Ask for a new transfer token."
        )


class TokenExpired(SignatureRefused):
    """The session token is genuine, but its hour is over."""

    code = "session_token_expired"

    def __init__(self, expired_at: datetime) -> None:
        super().__init__("The provided token has expired. Ask for a new one.")
        self.expired_at = expired_at


@dataclass(frozen=True, slots=True)
class TransferToken:
    """Temporary keys as they are shown, once, with where and for what they are good.

    `expires_at` is the world's time, in whole seconds.
    """

    endpoint: Endpoint
    session: Session
    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """What a verified transfer token permits: an account's work in one application.

    `actor` has the rights that were sealed in, cut by those the account has now; nothing in other
    organizations or applications. `name` is "user@uuid", for the record. From `expires_at` (the
    world's time) the token is refused.
    """

    name: str
    actor: Actor
    org: OrgId
    application: str
    expires_at: datetime

    @property
    def read_places(self) -> tuple[Place, ...]:
        """Where files may be fetched, and listed, in order."""
        return self._places(Action.DOWNLOAD)

    @property
    def write_places(self) -> tuple[Place, ...]:
        """Where files may be submitted, and listed, in order."""
        return self._places(Action.UPLOAD)

    def _places(self, action: Action) -> tuple[Place, ...]:
        return tuple(place for place, right in self.actor.rights.all() if action in right.actions)


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose signature fits: who speaks, what he said, and how chunks of it are signed."""

    session: Session
    claim: Claim
    chain: Chain = field(repr=False)


class TransferTokens:
    """Mints transfer tokens, and verifies the requests that are signed with them."""

    def __init__(
        self,
        keys: KeyRing,
        endpoint: Endpoint,
        identity: Database,
        present: PresentBook,
        mint: Mint,
    ) -> None:
        self._keys = keys
        self._endpoint = endpoint
        self._identity = identity
        self._present = present
        self._mint = mint

    # --- minting ---------------------------------------------------------------------------------

    def grant(self, actor: Actor, org: OrgId, application: str) -> TransferToken:
        """Keys of one hour for what the actor may do in one application.

        Raises:
            NotEntitled: nothing, or there is no such application.
            GrantInvalid: the account's grants were withdrawn since the actor signed in.
            NotSupported: so many sub-spaces that no request could carry the token.
            TooMany: this account asks too often.
            Unavailable: nothing was granted; try again.
        """
        sealed = self._sealed(actor, org, application)
        entropy, key = self._mint.entropy, self._keys.current
        access_key_id = f"ASIA{base64.b32encode(entropy.secret(_ACCESS_KEY_BYTES)).decode()}"
        token = TransferToken(
            endpoint=self._endpoint,
            session=_session(sealed, actor),
            access_key_id=access_key_id,
            secret=secret_of(access_key_id, key),
            session_token=seal(sealed, access_key_id, key, entropy),
        )
        self._note(actor, sealed)
        return token

    def _sealed(self, actor: Actor, org: OrgId, application: str) -> SealedGrant:
        spaces = actor.rights.places.get((org, application), {})
        if not spaces:
            raise NotEntitled(actor.name, "transfer", f"{org}/{application}")
        present = self._present.renew(actor.principal_id)
        if present is None or present.holder.principal.epoch != actor.epoch:
            raise GrantInvalid("every grant of the account was withdrawn since")
        return SealedGrant(
            principal_id=actor.principal_id,
            principal_epoch=actor.epoch,
            org_epoch=present.holder.org_epoch,
            org=org,
            application=application,
            reads=_named(spaces, Action.DOWNLOAD),
            writes=_named(spaces, Action.UPLOAD),
            name=f"{actor.name}@{self._mint.entropy.uuid()}",
            issued_at=self._mint.clock.wall(),
        )

    def _note(self, actor: Actor, sealed: SealedGrant) -> None:
        now, rate = self._mint.clock.now(), self._mint.rate
        entry = audit.Entry(
            at=now,
            principal_id=actor.principal_id,
            action="transfer_token.granted",
            object=f"{sealed.org}/{sealed.application}",
            source=actor.source,
            request_id=actor.request_id,
            detail=audit.detail({"session": sealed.name}),
        )
        with self._identity.transaction() as tx:
            bucket = f"transfer-token/{actor.principal_id}"
            wait = grants.take(tx, bucket, rate.per_second, rate.burst, now)
            if not wait:
                audit.add(tx, entry)
        if wait:
            raise TooMany("transfer token requests", wait)

    # --- verifying -------------------------------------------------------------------------------

    def redeem(self, request: RawRequest, source: str, request_id: str) -> Verified:
        """Verify a request signed with temporary keys, in its header or in its query.

        In this order: form and scope, clock, access key, session token, signature, expiry, account.
        Nothing of the request is believed before its signature has verified.

        Raises:
            SignatureRefused: malformed, skewed, altered, expired, or with headers nobody signed.
            BadParameter, NotSupported: of read_authorization().
            AccessKeyUnknown, TokenAltered, TokenExpired: of the keys.
            GrantInvalid: the account has stopped, may not act from this network, or its grants
                were withdrawn.
            Unavailable
        """
        now = self._mint.clock.wall()
        claim, token = self._claim(request, now)
        access_key_id = claim.credential.access_key_id
        if not _ACCESS_KEY.fullmatch(access_key_id) or not token:
            raise AccessKeyUnknown
        sealed, key = unseal(token, access_key_id, self._keys)
        secret = secret_of(access_key_id, key)
        signature.require_genuine(claim, secret)
        signature.require_amz_headers_signed(claim)
        if isinstance(claim, Presigned):
            require_unexpired(claim, now)
        if now >= sealed.expires_at:
            raise TokenExpired(sealed.expires_at)
        actor = self._actor(sealed, source, request_id)
        return Verified(_session(sealed, actor), claim, Chain(claim, secret))

    def _claim(self, request: RawRequest, now: datetime) -> tuple[Claim, str]:
        """What the request claims, and its session token or ""; the query form hides its own."""
        if "authorization" in request.headers:
            claim = read_authorization(request, self._endpoint.region)
            require_in_time(claim, now)
            return claim, "".join(request.headers.get(SECURITY_TOKEN, ()))
        presigned = read_presigned(request, self._endpoint.region)
        extra = tuple(pair for pair in presigned.extra if pair[0] != QUERY_TOKEN)
        return replace(presigned, extra=extra), dict(presigned.extra).get(QUERY_TOKEN, "")

    def _actor(self, sealed: SealedGrant, source: str, request_id: str) -> Actor:
        present = self._present.look_up(sealed.principal_id, sealed.issued_at)
        if present is None:
            raise GrantInvalid("there is no such account")
        holder, epochs = present.holder, (sealed.principal_epoch, sealed.org_epoch)
        principal = holder.principal
        if not holder.org_active or not principal.may_act(self._mint.clock.now()):
            raise GrantInvalid("the account has stopped")
        if (principal.epoch, holder.org_epoch) != epochs:
            raise GrantInvalid("every grant of the account was withdrawn since")
        if not principal.allows(source):
            raise GrantInvalid("the account may not act from this network")
        return replace(present.actor, source=source, request_id=request_id)


def _named(spaces: Mapping[str, Right], action: Action) -> tuple[str, ...]:
    return tuple(sorted(name for name, right in spaces.items() if action in right.actions))


def _session(sealed: SealedGrant, actor: Actor) -> Session:
    org = OrgId(sealed.org)
    cut = actor.cut_to_spaces(org, sealed.application, sealed.actions())
    return Session(sealed.name, cut, org, sealed.application, sealed.expires_at)
