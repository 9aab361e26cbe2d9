"""What an operator decides about people, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

HALF_WAY = timedelta(minutes=10)
"""How long a session may stay between the password and the factor."""
DEVICE_KNOWN_FOR = timedelta(days=30)
RESET_WAITS = timedelta(hours=24)
"""How long one administrator's wish for a reset waits for the other's."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's choices. `url` is the portal's public one: passkeys are bound to its host."""

    url: str = "http://localhost"
    title: str = "Transom"
    questions: bool = True
    invitation_life: timedelta = timedelta(hours=72)
    idle: timedelta = timedelta(minutes=30)
    session_life: timedelta = timedelta(hours=12)
    remember: timedelta = timedelta(0)
    countries: tuple[str, ...] = ("US", "CA")
    by_phone: bool = False

    @property
    def host(self) -> str:
        """The relying party's id for passkeys."""
        return str(urlsplit(self.url).hostname)
