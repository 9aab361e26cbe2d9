"""What the use cases work with: records, bytes, time, chance, and how long things stay."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from transom.core.doorbell import Doorbell
from transom.domain.entitlement import Actor
from transom.domain.errors import PayloadMismatch
from transom.ports import BlobStore, Clock, Entropy, Sealed
from transom.records import audit
from transom.records.audit import Entry
from transom.records.database import Database


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept, in calendar days of a zone, and the size limit in bytes."""

    zone: ZoneInfo
    archive_days: int = 30
    tracking_days: int = 90
    max_file_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """Handed to every service that moves files."""

    database: Database
    blobs: BlobStore
    clock: Clock
    entropy: Entropy
    doorbell: Doorbell
    keeping: Keeping

    def require_signed(self, sealed: Sealed, sha256: str) -> None:
        """Return when a fresh blob is the one that was signed for, or "" was; else it goes again.

        The store makes this digest of all bytes: whoever would make it a second time, as they come,
        spends a quarter of the whole upload on it.

        Raises:
            PayloadMismatch
        """
        if sha256 and not hmac.compare_digest(sealed.sha256, sha256):
            self.blobs.delete(sealed.key)
            raise PayloadMismatch

    def entry(
        self, actor: Actor, action: str, what: str, tracking_id: str = "", **facts: object
    ) -> Entry:
        """An audit entry of what an actor does now."""
        return Entry(
            at=self.clock.now(),
            principal_id=actor.principal_id,
            action=action,
            object=what,
            tracking_id=tracking_id,
            source=actor.source,
            request_id=actor.request_id,
            detail=audit.detail(facts),
        )


def is_tracking_id(text: str) -> bool:
    """Whether a text has the form of a tracking id; what has not is nobody's."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
