"""Check secrets: a keyed hash for generated ones, argon2id for chosen ones.

Which check runs is decided by the form of what the caller sent, never by the account, and unknown
names go through the same work (decisions.md section 5), so time tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from transom.core.keyring import KeyRing
from transom.domain.errors import Unavailable
from transom.domain.identity import SecretKind, is_generated
from transom.records.identities import StoredSecret

_PURPOSE = "generated-secret"
_NOBODY = "nobody's secret"
_NO_DIGEST = "-" * 64  # what no keyed hash is equal to


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Memory in KiB, passes, and how many computations may run and wait at once."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    running: int = 2
    waiting: int = 16


class Passwords:
    """Makes and checks stored secrets."""

    def __init__(self, keys: KeyRing, cost: Argon2Cost) -> None:
        self._keys = keys
        self._argon2 = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1
        )
        self._running = threading.BoundedSemaphore(cost.running)
        self._admitted = threading.BoundedSemaphore(cost.running + cost.waiting)
        self._dummy = self._argon2.hash(_NOBODY)

    def store(self, secret_id: str, secret: str) -> StoredSecret:
        """What to keep of a secret, by the kind that its form says it is.

        Raises:
            Unavailable: too many computations wait already.
        """
        if is_generated(secret):
            key = self._keys.current
            digest = key.mac(_PURPOSE, secret.encode())
            return StoredSecret(secret_id, SecretKind.GENERATED, key.id, digest)
        with self._slot():
            return StoredSecret(secret_id, SecretKind.CHOSEN, "", self._argon2.hash(secret))

    def fits(self, secret: str, stored: Sequence[StoredSecret]) -> bool:
        """Whether a secret is one of those stored; with none stored the work is the same.

        Raises:
            Unavailable: too many computations wait already.
        """
        if is_generated(secret):
            return self._fits_generated(secret, stored)
        chosen = [each.digest for each in stored if each.kind is SecretKind.CHOSEN]
        with self._slot():
            matches = [self._verify(digest, secret) for digest in chosen or [self._dummy]]
        return any(matches) and bool(chosen)

    def renewed(self, secret: str, stored: Sequence[StoredSecret]) -> StoredSecret | None:
        """What to keep instead of a generated secret that fits, or None when it is kept well.

        Secrets move to the current key as they are used, so that an old key can leave the ring.
        """
        for each in stored:
            current, key = self._keys.current, self._keys.find(each.key_id)
            if each.kind is not SecretKind.GENERATED or key is None or key == current:
                continue
            if hmac.compare_digest(key.mac(_PURPOSE, secret.encode()), each.digest):
                digest = current.mac(_PURPOSE, secret.encode())
                return StoredSecret(each.id, each.kind, current.id, digest)
        return None

    def _fits_generated(self, secret: str, stored: Sequence[StoredSecret]) -> bool:
        kept = [
            (key, each.digest)
            for each in stored
            if each.kind is SecretKind.GENERATED and (key := self._keys.find(each.key_id))
        ]
        nobodys = [(self._keys.current, _NO_DIGEST)]
        matches = [
            hmac.compare_digest(key.mac(_PURPOSE, secret.encode()), digest)
            for key, digest in kept or nobodys
        ]
        return any(matches)

    def _verify(self, digest: str, secret: str) -> bool:
        try:
            return self._argon2.verify(digest, secret)
        except (VerificationError, InvalidHashError):
            return False

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise Unavailable("password check")
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()


def name_key(name: str) -> str:
    """What sign-in failures are counted under: people type passwords into the name field too."""
    return hashlib.sha256(name.encode()).hexdigest()
