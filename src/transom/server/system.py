"""The real clock and the real source of chance."""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import UTC, datetime


class SystemClock:
    """The machine's time; the exchange's is the same."""

    def now(self) -> datetime:
        """The exchange's time, aware and in UTC."""
        return datetime.now(UTC)

    def wall(self) -> datetime:
        """The world's time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never step."""
        return time.monotonic()


class SystemEntropy:
    """The operating system's random numbers."""

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.uuid4())

    def blob_key(self) -> str:
        """32 hexadecimal digits."""
        return secrets.token_hex(16)

    def secret(self, size: int) -> bytes:
        """Exactly size random bytes."""
        return secrets.token_bytes(size)
