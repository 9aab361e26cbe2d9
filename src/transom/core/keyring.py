"""The server's own keys, and what is derived from them. Nothing here is ever stored or printed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

ACCESS_KEY_PREFIX = "TRSM"
_ACCESS_KEY_LENGTH = 20
_SECRET_LENGTH = 40


@dataclass(frozen=True, slots=True, repr=False)
class ServerKey:
    """One key: a short public id, and at least 32 secret bytes."""

    id: str
    value: bytes

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose; no purpose reveals another's."""
        return hmac.digest(self.value, f"transom/{purpose}".encode(), hashlib.sha256)

    def mac(self, purpose: str, message: bytes) -> str:
        """A keyed hash of a message for one purpose, as 64 hexadecimal digits."""
        return hmac.new(self.derive(purpose), message, hashlib.sha256).hexdigest()

    @property
    def access_key_id(self) -> str:
        """The public name of this key in signed URLs: 20 upper-case letters and digits."""
        named = base64.b32encode(hashlib.sha256(self.id.encode()).digest()).decode()
        return (ACCESS_KEY_PREFIX + named)[:_ACCESS_KEY_LENGTH]

    @property
    def url_secret(self) -> str:
        """The secret that signs URLs under this key: 40 characters."""
        return base64.b64encode(self.derive("signed-url")).decode()[:_SECRET_LENGTH]


class KeyRing:
    """Keys in order: the first makes new things, all of them recognise old ones."""

    def __init__(self, keys: Sequence[ServerKey]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self._keys = tuple(keys)

    @property
    def current(self) -> ServerKey:
        """The key that makes new things."""
        return self._keys[0]

    def find(self, key_id: str) -> ServerKey | None:
        """The key with this id, or None when it was taken off the ring."""
        return next((key for key in self._keys if key.id == key_id), None)

    def macs(self, purpose: str, message: bytes) -> list[str]:
        """The keyed hashes of a message under every key, the current one's first."""
        return [key.mac(purpose, message) for key in self._keys]

    def find_access_key(self, access_key_id: str) -> ServerKey | None:
        """The key that a signed URL names, or None."""
        return next((key for key in self._keys if key.access_key_id == access_key_id), None)
