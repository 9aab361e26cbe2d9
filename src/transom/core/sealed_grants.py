"""What an S3 session token carries, sealed: nobody but us can read it, alter it or make one.

A token is base64 of a version byte, the public name of the server's key, a nonce, and what was
granted, encrypted and authenticated with AES-256-GCM. The access key id is authenticated with it,
so that a token opens for the keys it was made with and for no others.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transom.core.keyring import KeyRing, ServerKey
from transom.domain.entitlement import Action
from transom.domain.errors import NotSupported
from transom.domain.signature import SignatureRefused
from transom.ports import Entropy

TOKEN_LIFE = timedelta(hours=1)
MAX_TOKEN_CHARACTERS = 32_768
"""Of the 64 KiB that the head of a request may have: some hundred sub-spaces with long names."""

_VERSION = 1
_HEAD_BYTES = 21  # the version, and the name of a key
_NONCE_BYTES = 12
_BOX_AT = _HEAD_BYTES + _NONCE_BYTES
_SECRET_BYTES = 30  # 40 characters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_READ = frozenset({Action.LIST, Action.DOWNLOAD})
_WRITE = frozenset({Action.LIST, Action.UPLOAD})


class TokenAltered(SignatureRefused):
    """The session token is none of ours, or not the one of this access key."""

    code = "session_token_altered"

    def __init__(self) -> None:
        super().__init__("The session token is not the one of this access key. Ask for a new one.")


@dataclass(frozen=True, slots=True)
class SealedGrant:
    """What was granted: whose work, in which epochs, in which application, and since when.

    `reads` and `writes` are names of sub-spaces. `name` is the session's, for the record.
    """

    principal_id: str
    principal_epoch: int
    org_epoch: int
    org: str
    application: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    name: str
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        """The first instant at which it is good no more, in whole seconds of the world's time."""
        return self.issued_at.replace(microsecond=0) + TOKEN_LIFE

    def actions(self) -> dict[str, frozenset[Action]]:
        """What was allowed, by sub-space."""
        return dict.fromkeys(self.reads, _READ) | dict.fromkeys(self.writes, _WRITE)


_FIELDS = tuple(each.name for each in fields(SealedGrant) if each.name != "issued_at")


def seal(grant: SealedGrant, access_key_id: str, key: ServerKey, entropy: Entropy) -> str:
    """The session token for a grant, to go with this access key id.

    Raises:
        NotSupported: it would be longer than requests can carry.
    """
    head = bytes([_VERSION]) + key.access_key_id.encode()
    nonce = entropy.secret(_NONCE_BYTES)
    box = _cipher(key).encrypt(nonce, _written(grant), head + access_key_id.encode())
    token = base64.b64encode(head + nonce + box).decode()
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise NotSupported("A transfer token for so many sub-spaces", "Use SFTP or the REST API.")
    return token


def unseal(token: str, access_key_id: str, keys: KeyRing) -> tuple[SealedGrant, ServerKey]:
    """What a session token grants, and the key that it was made with.

    Whether the grant still counts is another question.

    Raises:
        TokenAltered: not made by us for this access key id, or with a key that left the ring.
    """
    try:
        raw = base64.b64decode(token[: MAX_TOKEN_CHARACTERS + 1], validate=True)
        head, nonce, box = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:_BOX_AT], raw[_BOX_AT:]
        key = keys.find_access_key(head[1:].decode("ascii"))
        if head[:1] != bytes([_VERSION]) or key is None or len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenAltered
        return _read(_cipher(key).decrypt(nonce, box, head + access_key_id.encode())), key
    except (ValueError, InvalidTag) as failure:  # base64 and UTF-8 fail with ValueErrors
        raise TokenAltered from failure


def secret_of(access_key_id: str, key: ServerKey) -> str:
    """The secret key that goes with an access key id: 40 characters, the same every time."""
    return base64.b64encode(key.derive(f"transfer-secret/{access_key_id}")[:_SECRET_BYTES]).decode()


@lru_cache(maxsize=16)
def _cipher(key: ServerKey) -> AESGCM:
    return AESGCM(key.derive("transfer-token"))


def _written(grant: SealedGrant) -> bytes:
    microseconds = (grant.issued_at - _EPOCH) // _MICROSECOND
    parts = [getattr(grant, each) for each in _FIELDS]
    return json.dumps([*parts, microseconds], separators=(",", ":")).encode()


def _read(text: bytes) -> SealedGrant:
    *parts, microseconds = json.loads(text)
    named = dict(zip(_FIELDS, parts, strict=True))
    named |= {"reads": tuple(named["reads"]), "writes": tuple(named["writes"])}
    return SealedGrant(**named, issued_at=_EPOCH + microseconds * _MICROSECOND)
