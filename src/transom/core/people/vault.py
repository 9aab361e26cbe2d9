"""Seals what must be read again: secrets of factors, challenges, messages that wait."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transom.core.keyring import KeyRing, ServerKey
from transom.ports import Entropy

_NONCE_BYTES = 12
_TOKEN_BYTES = 32


class Broken(Exception):
    """Not sealed here for this purpose, altered, or under a key that left the ring."""


class Vault:
    """Keyed hashes, fresh tokens and sealed values, each for one purpose."""

    def __init__(self, keys: KeyRing, entropy: Entropy) -> None:
        self._keys = keys
        self._entropy = entropy

    def token(self) -> str:
        """43 characters that nobody can guess."""
        raw = base64.urlsafe_b64encode(self._entropy.secret(_TOKEN_BYTES))
        return raw.rstrip(b"=").decode()

    def digests(self, purpose: str, text: str) -> list[str]:
        """What a text may be kept as: under every key, the current one's first."""
        return self._keys.macs(purpose, text.encode())

    @property
    def key_id(self) -> str:
        """Which key makes the first of digests()."""
        return self._keys.current.id

    def seal(self, purpose: str, value: Any) -> str:
        """A value of JSON, which nobody else can read or alter."""
        key, nonce = self._keys.current, self._entropy.secret(_NONCE_BYTES)
        text = json.dumps(value, separators=(",", ":")).encode()
        box = _cipher(key, purpose).encrypt(nonce, text, purpose.encode())
        return f"{key.id}:{base64.urlsafe_b64encode(nonce + box).decode()}"

    def open(self, purpose: str, sealed: str) -> Any:
        """What seal() was given for this purpose.

        Raises:
            Broken
        """
        key_id, _, text = sealed.partition(":")
        key = self._keys.find(key_id)
        if key is None:
            raise Broken
        try:
            raw = base64.urlsafe_b64decode(text.encode())
            nonce, box = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return json.loads(_cipher(key, purpose).decrypt(nonce, box, purpose.encode()))
        except (ValueError, InvalidTag) as failure:  # base64 and UTF-8 fail with ValueErrors
            raise Broken from failure


@lru_cache(maxsize=64)
def _cipher(key: ServerKey, purpose: str) -> AESGCM:
    return AESGCM(key.derive(f"vault/{purpose}"))
