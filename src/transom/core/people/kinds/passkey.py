"""Passkeys and security keys (WebAuthn): FastPass, Windows Hello, phones, keys on a ring."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

import webauthn
from sqlalchemy import Connection
from webauthn.helpers import options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from transom.core.people.kinds.authenticator import SECRET_PURPOSE
from transom.core.people.kinds.kind import Asked, Bound, Given, Question
from transom.core.people.kit import Kit
from transom.domain.errors import FactorRejected
from transom.domain.people import FactorKind, Person, Visit
from transom.records import factors
from transom.records.factors import FactorRow

_CHALLENGE_BYTES = 32
_MAX_ANSWER = 20_000
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    WebAuthnException,
)
"""What the library raises of an answer that is not well-formed; all of them mean no."""


class Passkey:
    """A signature over a challenge of ours, for our own host only."""

    kind = FactorKind.PASSKEY
    needs_asking = True

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def begin(self, tx: Connection, new_id: str, person: Person, given: Given) -> Question:  # noqa: ARG002
        """Options for navigator.credentials.create()."""
        challenge = self._kit.entropy.secret(_CHALLENGE_BYTES)
        options = webauthn.generate_registration_options(
            rp_id=self._kit.rules.host,
            rp_name=self._kit.rules.title,
            user_id=person.id.encode(),
            user_name=person.email,
            user_display_name=person.name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=[
                self._descriptor(each) for each in given.bound if each.kind == FactorKind.PASSKEY
            ],
        )
        return Question({"challenge": _text(challenge)}, {"options": options_to_json(options)})

    def confirm(self, asked: Asked, answer: str) -> Bound:
        """The new key, signed for this challenge."""
        try:
            made = webauthn.verify_registration_response(
                credential=_bounded(answer),
                expected_challenge=_bytes(asked.data["challenge"]),
                expected_rp_id=self._kit.rules.host,
                expected_origin=self._kit.rules.url,
            )
        except _UNREADABLE as failure:
            raise FactorRejected("wrong") from failure
        secret = {
            "id": _text(made.credential_id),
            "key": _text(made.credential_public_key),
        }
        return Bound(secret, made.sign_count, credential=credential_key(made.credential_id))

    def challenge(self, tx: Connection, new_id: str, factor: FactorRow, visit: Visit) -> Question:  # noqa: ARG002
        """Options for navigator.credentials.get(), for this key."""
        challenge = self._kit.entropy.secret(_CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=self._kit.rules.host,
            challenge=challenge,
            allow_credentials=[self._descriptor(factor)],
        )
        return Question({"challenge": _text(challenge)}, {"options": options_to_json(options)})

    def verify(self, tx: Connection, factor: FactorRow, asked: Asked | None, answer: str) -> None:
        """A signature by this key over this very challenge."""
        if asked is None:
            raise FactorRejected("expired")
        self.judge(tx, factor, _bytes(asked.data["challenge"]), answer, alone=False)

    # --- as the only step ------------------------------------------------------------------------

    def open_options(self, challenge: bytes) -> str:
        """Options for any passkey of this host that the browser offers; the user is verified."""
        options = webauthn.generate_authentication_options(
            rp_id=self._kit.rules.host,
            challenge=challenge,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def judge(
        self, tx: Connection, factor: FactorRow, challenge: bytes, answer: str, *, alone: bool
    ) -> None:
        """Return quietly when the answer is this key's to this challenge.

        `alone`: the authenticator must have verified the user, since nothing else did.

        Raises:
            FactorRejected
        """
        kept: Any = self._kit.vault.open(SECRET_PURPOSE, factor.sealed)
        try:
            proven = webauthn.verify_authentication_response(
                credential=_bounded(answer),
                expected_challenge=challenge,
                expected_rp_id=self._kit.rules.host,
                expected_origin=self._kit.rules.url,
                credential_public_key=_bytes(kept["key"]),
                credential_current_sign_count=factor.counter,
                require_user_verification=alone,
            )
        except _UNREADABLE as failure:
            raise FactorRejected("wrong") from failure
        if proven.credential_id != _bytes(kept["id"]):
            raise FactorRejected("wrong")
        now = self._kit.clock.now()
        if not factors.advance(tx, factor.id, proven.new_sign_count, now, or_stay_at_zero=True):
            raise FactorRejected("used")

    def _descriptor(self, factor: FactorRow) -> PublicKeyCredentialDescriptor:
        kept = self._kit.vault.open(SECRET_PURPOSE, factor.sealed)
        return PublicKeyCredentialDescriptor(id=_bytes(kept["id"]))


def credential_key(credential_id: bytes) -> str:
    """What a passkey is found by."""
    return hashlib.sha256(credential_id).hexdigest()


def credential_of(answer: str) -> str | None:
    """Which passkey an answer says it is of, as credential_key() has it; None: unreadable."""
    try:
        raw = json.loads(_bounded(answer))["rawId"]
        return credential_key(_bytes(raw))
    except _UNREADABLE:
        return None


def _bounded(answer: str) -> str:
    if len(answer) > _MAX_ANSWER:
        raise ValueError("too long to be an answer")
    return answer


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as failure:
        raise ValueError("not base 64") from failure
