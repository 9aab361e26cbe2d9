"""Who is connected right now, and how many connections that may be.

Each session is a row with a lease that its worker renews: when a worker dies, its sessions count
no more after 30 seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import NewType

from transom.core.sign_in import SignedIn
from transom.core.tools import Tools
from transom.domain.errors import TooMany
from transom.records import audit, sessions
from transom.records.audit import Entry
from transom.records.sessions import SessionRow

SessionId = NewType("SessionId", str)

LEASE = timedelta(seconds=30)
_AT_ONCE = 500
_SOFTWARE_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many sessions may live at once, over all doors and workers."""

    per_account: int = 10
    per_org: int = 100


@dataclass(frozen=True, slots=True)
class NewSession:
    """What is known of a connection once its account has signed in.

    `crypto` names the algorithms that it uses, `software` what the client calls itself.
    """

    door: str
    source: str
    crypto: str = ""
    software: str = ""
    request_id: str = ""


class Sessions:
    """Opens, renews and closes sessions."""

    def __init__(self, tools: Tools, limits: ConnectionLimits | None = None) -> None:
        self._tools = tools
        self._limits = limits or ConnectionLimits()

    def open(self, signed_in: SignedIn, asked: NewSession) -> SessionId:
        """Count a connection in, leased for 30 seconds; renew it well before.

        Raises:
            TooMany: the account, or its organization, has as many as it may.
            Unavailable: it is not counted; do not serve it.
        """
        principal, now = signed_in.principal, self._tools.clock.now()
        session = SessionRow(
            id=self._tools.entropy.uuid(),
            principal_id=principal.id,
            home_org=principal.home_org,
            door=asked.door,
            source=asked.source,
            crypto=asked.crypto,
            software=asked.software[:_SOFTWARE_CHARACTERS],
            opened_at=now,
            leased_until=now + LEASE,
        )
        with self._tools.database.transaction() as tx:
            sessions.count_alone(tx, principal.home_org)
            of_org, of_account = sessions.live(tx, principal.home_org, principal.id, now)
            self._require_room(signed_in, of_org, of_account)
            sessions.add(tx, session)
            audit.add(tx, self._opened(signed_in, asked, session))
        return SessionId(session.id)

    def _require_room(self, signed_in: SignedIn, of_org: int, of_account: int) -> None:
        principal, limits = signed_in.principal, self._limits
        if of_account >= limits.per_account:
            raise TooMany("connections", LEASE, limit=limits.per_account, whose=principal.name)
        if of_org >= limits.per_org:
            whose = f"organization {principal.home_org}"
            raise TooMany("connections", LEASE, limit=limits.per_org, whose=whose)

    def _opened(self, signed_in: SignedIn, asked: NewSession, session: SessionRow) -> Entry:
        facts = {
            "door": asked.door,
            "session": session.id,
            "key": signed_in.fingerprint,
            "crypto": session.crypto,
            "software": session.software,
        }
        return Entry(
            at=session.opened_at,
            principal_id=session.principal_id,
            action="session.opened",
            object=signed_in.principal.name,
            source=asked.source,
            request_id=asked.request_id,
            detail=audit.detail({name: value for name, value in facts.items() if value}),
        )

    def renew(self, session_ids: Sequence[str]) -> None:
        """Lease these sessions for another 30 seconds. One that was closed stays closed.

        Raises:
            Unavailable: some may not be renewed; try again before their leases run out.
        """
        rest = iter(session_ids)
        while some := list(islice(rest, _AT_ONCE)):
            with self._tools.database.transaction() as tx:
                sessions.renew(tx, some, self._tools.clock.now() + LEASE)

    def close(self, session_id: str) -> None:
        """Count a session out. May be called twice.

        Raises:
            Unavailable: it counts until its lease runs out.
        """
        with self._tools.database.transaction() as tx:
            sessions.end(tx, session_id)
