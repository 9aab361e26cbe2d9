"""What was typed into a form that could not be taken yet: kept for half an hour, sealed.

The browser holds it, only the server reads it, and only the person who typed it sees it again.
Passwords, codes and answers are never among it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken

from transom.core.keyring import KeyRing

LIFE = timedelta(minutes=30)
WHOSE = "whose"
"""The field of a form that says whose page it stood on: a hash, good for nothing else."""

_MAX_SEALED = 3000


@dataclass(frozen=True, slots=True)
class Kept:
    """The page that a form stands on, whose it was, and what was typed."""

    page: str
    whose: str
    values: Mapping[str, str] = field(default_factory=dict)


def whose(person_id: str) -> str:
    """What stands for a person in a form."""
    return hashlib.sha256(f"whose/{person_id}".encode()).hexdigest()[:16]


class Keeper:
    """Seals and opens."""

    def __init__(self, keys: KeyRing) -> None:
        secret = keys.current.derive("portal-kept-form")
        self._box = Fernet(base64.urlsafe_b64encode(secret))

    def seal(self, kept: Kept, now: datetime) -> str:
        """The value of a cookie; "" when it would be longer than browsers keep."""
        plain = json.dumps([kept.page, kept.whose, dict(kept.values)]).encode()
        sealed = self._box.encrypt_at_time(plain, int(now.timestamp())).decode()
        return sealed if len(sealed) <= _MAX_SEALED else ""

    def open(self, sealed: str, now: datetime) -> Kept | None:
        """What was sealed here at most half an hour ago, or None."""
        try:
            plain = self._box.decrypt_at_time(
                sealed.encode(), int(LIFE.total_seconds()), int(now.timestamp())
            )
        except (InvalidToken, ValueError):
            return None
        return Kept(*json.loads(plain))
