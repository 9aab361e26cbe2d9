"""People's sessions: opened at each level under a new id, looked up at each request, ended.

A cookie carries 256 random bits; the database holds their keyed hash. A session dies at once with
its person's epoch: locked, ended, reset, or a new password.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core.people.kit import Kit
from transom.core.people.rules import DEVICE_KNOWN_FOR, HALF_WAY
from transom.domain.errors import ProofNeeded, SessionEnded
from transom.domain.people import Assurance, Session, Visit
from transom.records import factors, people, person_sessions
from transom.records.people import Device, InvitationRow, PersonRow
from transom.records.person_sessions import PersonSession

_PURPOSE = "person-session"
_DEVICE_PURPOSE = "person-device"
_MAX_TOKEN = 128
_SOFTWARE_CHARACTERS = 256
_SEEN_EXACT_TO = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """How far a new session has come, and by what: a device, an invitation, a fresh proof.

    `before` is the session at level FULL that it goes on from: a proof makes no session last.
    """

    assurance: Assurance
    device_id: str = ""
    invitation: InvitationRow | None = None
    proven: bool = False
    before: PersonSession | None = None


class PeopleSessions:
    """Opens, finds and ends sessions; for the other services, which run the transactions."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    # --- opening ---------------------------------------------------------------------------------

    def open(
        self,
        tx: Connection,
        row: PersonRow,
        visit: Visit,
        at: Opening,
    ) -> Session:
        """A fresh session; its token is in the result and nowhere else."""
        now, token = self._kit.clock.now(), self._kit.vault.token()
        kept = PersonSession(
            id=self._kit.entropy.uuid(),
            digest=self._kit.vault.digests(_PURPOSE, token)[0],
            principal_id=row.person.id,
            principal_epoch=row.principal.epoch,
            org_epoch=row.org_epoch,
            assurance=at.assurance,
            invitation_id=at.invitation.id if at.invitation else "",
            device_id=at.device_id,
            source=visit.source,
            software=visit.software[:_SOFTWARE_CHARACTERS],
            opened_at=at.before.opened_at if at.before else now,
            seen_at=now,
            ends_at=self._ends_at(at, now),
            proven_at=now if at.proven else None,
        )
        person_sessions.add(tx, kept)
        return replace(self.shown(kept, row), token=token, csrf=_csrf(token))

    def _ends_at(self, at: Opening, now: datetime) -> datetime:
        if at.invitation is not None:
            return at.invitation.ends_at
        if at.before is not None:
            return at.before.ends_at
        half_way = at.assurance is Assurance.PASSWORD
        return now + (HALF_WAY if half_way else self._kit.rules.session_life)

    def shown(self, kept: PersonSession, row: PersonRow) -> Session:
        """A session as its person may see it; without what only its cookie gives."""
        is_full = kept.assurance == Assurance.FULL
        idle_ends = kept.seen_at + self._kit.rules.idle if is_full else kept.ends_at
        return Session(
            id=kept.id,
            person=row.person,
            assurance=Assurance(kept.assurance),
            csrf="",
            source=kept.source,
            software=kept.software,
            opened_at=kept.opened_at,
            seen_at=kept.seen_at,
            ends_at=kept.ends_at,
            idle_ends_at=min(idle_ends, kept.ends_at),
            proven_at=kept.proven_at,
            display=row.display,
        )

    # --- finding ---------------------------------------------------------------------------------

    def find(self, token: str, visit: Visit, *, counts: bool = True) -> Session:
        """The session of a cookie; where this `counts`, it was used now, and ends later.

        Raises:
            SessionEnded
        """
        if not token.isascii() or not 0 < len(token) <= _MAX_TOKEN:
            raise SessionEnded
        digests = self._kit.vault.digests(_PURPOSE, token)
        with self._kit.identity.reading() as tx:
            found = person_sessions.by_digests(tx, digests)
        if found is None:
            raise SessionEnded
        kept, row = found
        self._require_standing(kept, row, visit)
        now = self._kit.clock.now()
        if counts and now - kept.seen_at >= _SEEN_EXACT_TO:
            with self._kit.identity.transaction() as tx:
                person_sessions.note_seen(tx, kept.id, now)
            kept = replace(kept, seen_at=now)
        return replace(self.shown(kept, row), csrf=_csrf(token))

    def _require_standing(self, kept: PersonSession, row: PersonRow, visit: Visit) -> None:
        now = self._kit.clock.now()
        if kept.ends_at <= now:
            raise SessionEnded("old", kept.ends_at)
        idle_ends = self.shown(kept, row).idle_ends_at
        if idle_ends <= now:
            raise SessionEnded("idle", idle_ends)
        epochs = (kept.principal_epoch, kept.org_epoch)
        stands = epochs == (row.principal.epoch, row.org_epoch) and row.org_active
        enrolling = kept.assurance == Assurance.ENROLLING
        may_act = row.principal.may_act(now) if enrolling else row.may_act(now)
        if not stands or not may_act or not row.principal.allows(visit.source):
            raise SessionEnded("ended")

    def require(
        self, tx: Connection, session: Session, *levels: Assurance
    ) -> tuple[PersonSession, PersonRow]:
        """The session and its person, to change them: they stand until this transaction ends.

        Raises:
            SessionEnded: it ended meanwhile, or is at none of these levels.
        """
        # The person first, then the session: in the order of whoever ends all of a person's.
        row = people.find_to_change(tx, session.person.id)
        kept = person_sessions.to_change(tx, session.id)
        if kept is None or kept.assurance not in levels:
            raise SessionEnded
        if row is None or kept.principal_id != row.person.id:
            raise SessionEnded
        epochs = (kept.principal_epoch, kept.org_epoch)
        if epochs != (row.principal.epoch, row.org_epoch):
            raise SessionEnded("ended")
        if kept.ends_at <= self._kit.clock.now():
            raise SessionEnded("old", kept.ends_at)
        return kept, row

    def require_proven(self, tx: Connection, session: Session) -> tuple[PersonSession, PersonRow]:
        """The same at level FULL, with a proof that is fresh.

        Raises:
            SessionEnded, ProofNeeded
        """
        kept, row = self.require(tx, session, Assurance.FULL)
        if not self.shown(kept, row).is_proven(self._kit.clock.now()):
            raise ProofNeeded
        return kept, row

    # --- ending ----------------------------------------------------------------------------------

    def replace(self, tx: Connection, kept: PersonSession) -> None:
        """End a session that goes on under a new id.

        Raises:
            SessionEnded: another request did so at the same moment.
        """
        if not person_sessions.end(tx, kept.id):
            raise SessionEnded
        factors.forget_challenges(tx, [kept.id])

    def end(self, tx: Connection, session_id: str) -> bool:
        """End a session; False when it had ended."""
        factors.forget_challenges(tx, [session_id])
        return person_sessions.end(tx, session_id)

    # --- devices ---------------------------------------------------------------------------------

    def device(self, tx: Connection, principal_id: str, token: str) -> Device | None:
        """The browser of this cookie, when this person signed in with it lately."""
        if not token.isascii() or not 0 < len(token) <= _MAX_TOKEN:
            return None
        digests = self._kit.vault.digests(_DEVICE_PURPOSE, token)
        return people.device_of(tx, principal_id, digests, self._kit.clock.now())

    def know_device(
        self, tx: Connection, row: PersonRow, visit: Visit, *, remember: bool
    ) -> tuple[Device, str]:
        """Make the browser a known one, or keep it so; with the cookie, "" when it has one."""
        now, rules = self._kit.clock.now(), self._kit.rules
        ends_at = now + DEVICE_KNOWN_FOR
        until = now + rules.remember if remember and rules.remember else None
        found = self.device(tx, row.person.id, visit.device)
        if found is not None:
            until = until or found.remembered_until
            people.renew_device(tx, found.id, ends_at, until)
            return replace(found, ends_at=ends_at, remembered_until=until), ""
        token = self._kit.vault.token()
        made = Device(
            self._kit.entropy.uuid(),
            self._kit.vault.digests(_DEVICE_PURPOSE, token)[0],
            row.person.id,
            visit.software[:_SOFTWARE_CHARACTERS],
            now,
            ends_at,
            until,
        )
        people.add_device(tx, made)
        return made, token


def _csrf(token: str) -> str:
    """What forms of a session carry: it follows from the cookie, which does not follow from it."""
    return hashlib.sha256(f"transom/csrf/{token}".encode()).hexdigest()
