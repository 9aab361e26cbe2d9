"""Scrubbing: read what is kept, whole, and compare it with the digest it was received with.

Bytes that changed at rest are never served again: the blob is marked, an audit entry and an alarm
in the log say so, and downloads answer that the content is not available.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from transom.core.retention import SYSTEM
from transom.core.tools import Tools
from transom.domain.errors import NotFound, Unavailable
from transom.ports import Sealed
from transom.records import audit, listings

VERIFY_EVERY = timedelta(days=7)
_READ_BYTES = 1 << 20
_AT_ONCE = 10_000
_BATCH = 100
_LEAST_COST = 64 << 10  # what opening a small blob costs, as bytes of the budget

_log = logging.getLogger(__name__)


class Scrub:
    """Verifies blobs, those longest unread first."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, budget_bytes: int) -> tuple[int, int]:
        """Verify blobs not read for a week until about so many bytes were read.

        Returns:
            How many were sound, and how many damaged. What cannot be read now is neither.

        Raises:
            Unavailable: the database did not answer.
        """
        sound = damaged = 0
        before = self._tools.clock.now() - VERIFY_EVERY
        with self._tools.database.reading() as tx:
            due = listings.least_recently_verified(tx, before, _AT_ONCE)
        for batch in _batches(due):
            read: dict[Sealed, bool] = {}
            for blob in batch:
                if budget_bytes > 0:
                    budget_bytes -= max(blob.size, _LEAST_COST)
                    read |= self._read(blob)
            self._record(read)
            sound += sum(read.values())
            damaged += len(read) - sum(read.values())
        return sound, damaged

    def _read(self, blob: Sealed) -> dict[Sealed, bool]:
        try:
            return {blob: self._is_sound(blob)}
        except Unavailable:
            # The store failed, which says nothing about the bytes: they are read again.
            _log.critical("blob not readable", extra={"blob_key": blob.key})
            return {}

    def _is_sound(self, blob: Sealed) -> bool:
        digest = hashlib.sha256()
        try:
            reader = self._tools.blobs.open(blob.key)
        except NotFound:
            return False
        try:
            if reader.size != blob.size:
                return False
            while data := reader.read(_READ_BYTES):
                digest.update(data)
        finally:
            reader.close()
        return digest.hexdigest() == blob.sha256

    def _record(self, read: Mapping[Sealed, bool]) -> None:
        now = self._tools.clock.now()
        damaged = [blob for blob, is_sound in read.items() if not is_sound]
        with self._tools.database.transaction() as tx:
            listings.mark_verified(tx, [blob.key for blob in read if read[blob]], now)
            for blob in damaged:
                listings.mark_damaged(tx, blob.key, now)
                facts = {"sha256": blob.sha256}
                audit.add(tx, self._tools.entry(SYSTEM, "blob.damaged", blob.key, "", **facts))
        for blob in damaged:
            _log.critical("blob damaged", extra={"blob_key": blob.key, "sha256": blob.sha256})


def _batches(due: Sequence[Sealed]) -> Iterator[Sequence[Sealed]]:
    return (due[start : start + _BATCH] for start in range(0, len(due), _BATCH))
