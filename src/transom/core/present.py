"""Accounts as they are at present, for grants that are kept nowhere.

A sealed token says what an account was allowed when it was made. What has changed since is read
here, by one small query per account and ten seconds: every process learns of a revocation within
that time, and refuses an account that it could not read for a minute (decisions.md section 5).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime

from transom.core.rights import RightsBook
from transom.domain.entitlement import Actor
from transom.domain.errors import Unavailable
from transom.ports import Clock
from transom.records import grants
from transom.records.database import Database
from transom.records.grants import Holder

FRESH_SECONDS = 10.0
TRUSTED_SECONDS = 60.0
_MAX_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class Present:
    """An account as it was read last: with its epochs, and as the actor it is when it may act."""

    holder: Holder
    actor: Actor


@dataclass(frozen=True, slots=True)
class _Kept:
    present: Present | None
    read_at: datetime
    fresh_until: float
    trusted_until: float


class PresentBook:
    """Looks accounts up; seldom in the database."""

    def __init__(self, identity: Database, rights: RightsBook, clock: Clock) -> None:
        self._identity = identity
        self._rights = rights
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def look_up(self, principal_id: str, since: datetime) -> Present | None:
        """An account as it was at most 10 seconds ago, and not before `since` (the world's time).

        While the database does not answer, as it was at most a minute ago. None: there is none.

        Raises:
            Unavailable: nobody could tell for a minute, or ever.
        """
        with self._lock:
            kept = self._kept.get(principal_id)
        if kept is None or kept.read_at < since:
            return self.renew(principal_id)
        now = self._clock.monotonic()
        if now < kept.fresh_until:
            return kept.present
        try:
            return self.renew(principal_id)
        except Unavailable:
            if now >= kept.trusted_until:
                raise
            # Not every request is to wait for a database that is down: ask again in a while.
            again_at = min(now + FRESH_SECONDS, kept.trusted_until)
            self._keep(principal_id, replace(kept, fresh_until=again_at))
            return kept.present

    def renew(self, principal_id: str) -> Present | None:
        """An account as it is now; look_up() goes on from there. None: there is none.

        Raises:
            Unavailable
        """
        read_at, now = self._clock.wall(), self._clock.monotonic()
        with self._identity.reading() as tx:
            holder = grants.holder_named(tx, principal_id)
        present = Present(holder, self._rights.actor(holder.principal)) if holder else None
        kept = _Kept(present, read_at, now + FRESH_SECONDS, now + TRUSTED_SECONDS)
        self._keep(principal_id, kept)
        return present

    def _keep(self, principal_id: str, kept: _Kept) -> None:
        with self._lock:
            self._kept[principal_id] = kept
            self._kept.move_to_end(principal_id)
            if len(self._kept) > _MAX_ENTRIES:
                self._kept.popitem(last=False)
