"""Scrubbing: read what is kept, whole, and compare it with the digest it was received with.

Bytes that changed at rest are never served again: the blob is marked, an audit entry and an alarm
in the log say so, and downloads answer that the content is not available.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

from transom.core.retention import SYSTEM
from transom.core.tools import Tools
from transom.domain.errors import NotFound, Unavailable
from transom.ports import Sealed
from transom.records import audit, listings

VERIFY_EVERY = timedelta(days=7)
_READ_BYTES = 1 << 20
_BATCH = 100

_log = logging.getLogger(__name__)


class Scrub:
    """Verifies blobs, those longest unread first."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, budget_bytes: int) -> tuple[int, int]:
        """Verify blobs not read for a week until about so many bytes were read.

        Returns:
            How many were sound, and how many damaged.

        Raises:
            Unavailable: the database did not answer.
        """
        sound = damaged = 0
        before = self._tools.clock.now() - VERIFY_EVERY
        with self._tools.database.reading() as tx:
            due = listings.least_recently_verified(tx, before, _BATCH)
        for blob in due:
            if budget_bytes <= 0:
                break
            budget_bytes -= blob.size
            is_sound = self._is_sound(blob)
            self._record(blob, is_sound=is_sound)
            sound, damaged = sound + is_sound, damaged + (not is_sound)
        return sound, damaged

    def _is_sound(self, blob: Sealed) -> bool:
        digest = hashlib.sha256()
        try:
            reader = self._tools.blobs.open(blob.key)
        except NotFound:
            return False
        try:
            while data := reader.read(_READ_BYTES):
                digest.update(data)
        except Unavailable:
            return False
        finally:
            reader.close()
        return digest.hexdigest() == blob.sha256

    def _record(self, blob: Sealed, *, is_sound: bool) -> None:
        now = self._tools.clock.now()
        with self._tools.database.transaction() as tx:
            if is_sound:
                listings.mark_verified(tx, blob.key, now)
                return
            listings.mark_damaged(tx, blob.key, now)
            audit.add(tx, self._tools.entry(SYSTEM, "blob.damaged", blob.key, sha256=blob.sha256))
        _log.critical("blob damaged", extra={"blob_key": blob.key, "sha256": blob.sha256})
