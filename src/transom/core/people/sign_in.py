"""How a person gets in: a password, then a factor, or a passkey alone.

Known and unknown names do the same work and get the same answer. A pause belongs to the pair of
name and source, whether or not there is such a name; a device that the person signed in with before
is a source of its own, so that nobody else can close the account to it.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core import guessing, lock_out
from transom.core.lock_out import Caller
from transom.core.people.kinds.passkey import credential_of
from transom.core.people.kit import Kit
from transom.core.people.proof import Proofs, closed_until
from transom.core.people.sessions import Opening, PeopleSessions
from transom.core.people.vault import Broken
from transom.core.sign_in import Attempt
from transom.domain.entitlement import PrincipalKind
from transom.domain.errors import (
    BadCredentials,
    FactorRejected,
    LockedOut,
    SignInError,
)
from transom.domain.identity import Standing
from transom.domain.people import (
    MAX_PASSWORD,
    Assurance,
    Challenge,
    Entered,
    Factor,
    FactorKind,
    PasskeyRequest,
    Session,
    Visit,
)
from transom.domain.said import said
from transom.records import factors, identities, people
from transom.records.people import Device, PersonRow
from transom.records.person_sessions import PersonSession

_PASSKEY_PURPOSE = "passkey-request"
_PASSKEY_LIFE = timedelta(minutes=5)
_CHALLENGE_BYTES = 32
_ANSWERING = (Assurance.PASSWORD, Assurance.FULL)


class PeopleSignIn:
    """Signs people in. Known and unknown names are answered alike, in text and in time."""

    def __init__(self, kit: Kit, sessions: PeopleSessions, proofs: Proofs) -> None:
        self._kit = kit
        self._sessions = sessions
        self._proofs = proofs

    @property
    def remember_hours(self) -> int:
        """How long a device may be remembered; 0: not at all, and the box is not shown."""
        return int(self._kit.rules.remember / timedelta(hours=1))

    # --- the first step --------------------------------------------------------------------------

    def begin(self, visit: Visit, email: str, password: str) -> Entered:
        """The first step: at level PASSWORD, or at once FULL on a device remembered by this person.

        Raises:
            BadCredentials: wrong, unknown, ended, not enrolled: nobody can tell which.
            LockedOut: paused for this name and source, known or not; `until`.
            Unavailable: too many password checks wait.
        """
        email, password = normal_email(email), normal_password(password)
        if len(password) > MAX_PASSWORD or not Attempt(email, password, "").is_readable():
            raise BadCredentials  # nobody's: there is nothing to compare, nor to count
        row, fits = self._who(email), self._fits(email, password)
        may_enter = row is not None and fits and self._may_enter(row, visit)
        with self._kit.identity.transaction() as tx:
            refusal = self._refusal(tx, row, visit, email, may_enter=may_enter)
            if refusal is None and row is not None:
                return self._let_in(tx, row, visit)
        raise refusal or BadCredentials()

    def _who(self, email: str) -> PersonRow | None:
        with self._kit.identity.reading() as tx:
            return people.named(tx, email)

    def _fits(self, email: str, password: str) -> bool:
        with self._kit.identity.reading() as tx:
            found = identities.credential_of(tx, email)
        is_person = found is not None and found.principal.kind is PrincipalKind.PERSON
        stored = found.secrets if found is not None and is_person else ()
        return self._kit.passwords.fits(password, stored)

    def _may_enter(self, row: PersonRow, visit: Visit) -> bool:
        return row.may_act(self._kit.clock.now()) and row.principal.allows(visit.source)

    def _refusal(
        self,
        tx: Connection,
        row: PersonRow | None,
        visit: Visit,
        email: str,
        *,
        may_enter: bool,
    ) -> SignInError | None:
        """Count a wrong password; what to answer, or None when the right one may go on."""
        now = self._kit.clock.now()
        caller = self._caller(row, self._device(tx, row, visit), visit, email)
        standing = lock_out.standing_alone(tx, caller, now)
        if standing.is_closed(now):
            return LockedOut(closed_until(standing, now))
        if not standing.known:
            # One password tried on many names: each takes from what its source may try in all.
            wait = guessing.take_turn(tx, visit.source, now)
            if wait:
                return LockedOut(now + wait)
        if may_enter:
            return None
        lock_out.count_failure(tx, caller, standing, now)
        self._kit.note_guess(tx, row, caller)
        return BadCredentials()

    def _device(self, tx: Connection, row: PersonRow | None, visit: Visit) -> Device | None:
        return self._sessions.device(tx, row.person.id if row else "", visit.device)

    def _caller(
        self, row: PersonRow | None, device: Device | None, visit: Visit, email: str
    ) -> Caller:
        listed = row is not None and row.principal.lists(visit.source)
        device_id = device.id if device else ""
        return Caller(email, visit.source, visit.request_id, listed, device_id)

    def _let_in(self, tx: Connection, row: PersonRow, visit: Visit) -> Entered:
        now, device = self._kit.clock.now(), self._device(tx, row, visit)
        device_id = device.id if device else ""
        until = device.remembered_until if device else None
        if until is not None and now < until and self.remember_hours:
            opening = Opening(Assurance.FULL, device_id)
            self._kit.note(tx, row.person, visit, "person.signed_in", by="remembered device")
        else:
            opening = Opening(Assurance.PASSWORD, device_id)
            self._kit.note(tx, row.person, visit, "person.password_right")
        return Entered(self._sessions.open(tx, row, visit, opening))

    def resume(self, visit: Visit, token: str, *, counts: bool = True) -> Session:
        """The session of a cookie, at whatever level; one database read (and seldom a write).

        What a page asks by itself, with nobody at it, does not count as use of the session.

        Raises:
            SessionEnded: `why` is "idle", "old", "ended" or "unknown"; `at` where it is told.
        """
        return self._sessions.find(token, visit, counts=counts)

    # --- the second ------------------------------------------------------------------------------

    def factors(self, session: Session) -> tuple[Factor, ...]:
        """The factors that may answer in a session at PASSWORD or FULL, the last used first.

        Recovery codes come last. Empty: every factor has been retired; only an administrator helps.

        Raises:
            SessionEnded
        """
        with self._kit.identity.reading() as tx:
            _, row = self._sessions.require(tx, session, *_ANSWERING)
            return self._proofs.live(tx, row)

    def challenge(self, session: Session, visit: Visit, factor_id: str) -> Challenge:
        """Ask for a factor now; sends the code where it goes by phone. Voids the one before.

        At FULL it is the step-up before a change.

        Raises:
            SessionEnded, NotFound (no such factor of this person)
            FactorPaused: too many wrong answers; `until`. Another factor may do.
            TooMany: codes to this number, account or source; `retry_after`.
        """
        with self._kit.identity.transaction() as tx:
            kept, row = self._sessions.require(tx, session, *_ANSWERING)
            challenge = self._proofs.challenge(tx, kept, row, visit, factor_id)
        self._kit.post.ring()
        return challenge

    def verify(
        self, session: Session, visit: Visit, factor_id: str, answer: str, *, remember: bool = False
    ) -> Entered:
        """Answer the challenge. The session gets a new id and token at level FULL.

        `answer` is the code, or the JSON of navigator.credentials.get(). `remember` asks to skip
        the factor on this device for a short while, where the operator allows that.

        Raises:
            FactorRejected: `why` is "wrong", "used" or "expired"; the session goes on.
            FactorPaused: this factor; `until`.
            LockedOut: the session has ended with it; `until`.
            SessionEnded, NotFound
        """
        entered = None
        with self._kit.identity.transaction() as tx:
            kept, row = self._sessions.require(tx, session, *_ANSWERING)
            proven = self._proofs.judge(tx, kept, row, visit, (factor_id, answer))
            refusal = proven.refusal
            if refusal is None:
                self._sessions.replace(tx, kept)
                self._note_entry(tx, self._proofs.caller(kept, row, visit))
                if kept.assurance == Assurance.FULL:
                    entered = self._go_on(tx, row, visit, kept)
                else:
                    entered = self._enter(tx, row, visit, proven.kind or "", remember=remember)
            else:
                self._kit.note(tx, row.person, visit, "person.factor_wrong", code=refusal.code)
        self._kit.post.ring()
        if entered is None:
            raise refusal or FactorRejected
        return entered

    def _note_entry(self, tx: Connection, caller: Caller) -> None:
        """A success is of the address too, whatever device it was on."""
        now = self._kit.clock.now()
        lock_out.note_success(tx, caller, now)
        if caller.device_id:
            at_address = Caller(caller.name, caller.source, caller.request_id)
            lock_out.note_success(tx, at_address, now)

    def _go_on(self, tx: Connection, row: PersonRow, visit: Visit, kept: PersonSession) -> Entered:
        """The same session, freshly proven: it ends when it would have."""
        opening = Opening(Assurance.FULL, kept.device_id, proven=True, before=kept)
        self._kit.note(tx, row.person, visit, "person.proven")
        return Entered(self._sessions.open(tx, row, visit, opening))

    def _enter(
        self, tx: Connection, row: PersonRow, visit: Visit, by: str, *, remember: bool
    ) -> Entered:
        device, cookie = self._sessions.know_device(tx, row, visit, remember=remember)
        opening = Opening(Assurance.FULL, device.id, proven=True)
        session = self._sessions.open(tx, row, visit, opening)
        self._kit.note(tx, row.person, visit, "person.signed_in", by=by, new_device=bool(cookie))
        if cookie:
            self._kit.tell(tx, row.person, visit, said("Signed in on a new device"))
        if by == FactorKind.RECOVERY:
            self._kit.tell(tx, row.person, visit, said("A recovery code was used"))
        return Entered(session, cookie, device.ends_at)

    # --- a passkey as the only step --------------------------------------------------------------

    def passkey_options(self) -> PasskeyRequest:
        """Begin a sign-in with a passkey as the only step (the authenticator verifies the user)."""
        challenge = self._kit.entropy.secret(_CHALLENGE_BYTES)
        ends_at = self._kit.clock.now() + _PASSKEY_LIFE
        sealed = [challenge.hex(), ends_at.timestamp()]
        token = self._kit.vault.seal(_PASSKEY_PURPOSE, sealed)
        return PasskeyRequest(token, self._proofs.passkey.open_options(challenge))

    def passkey_sign_in(self, visit: Visit, token: str, answer: str) -> Entered:
        """Answer passkey_options().

        Raises:
            FactorRejected: `why` as in verify().
            LockedOut
        """
        challenge, ends_at = self._request(token)
        credential = credential_of(answer)
        refusal: SignInError | None = FactorRejected("wrong")
        with self._kit.identity.transaction() as tx:
            found = factors.by_credential(tx, credential) if credential else None
            row = people.find_to_change(tx, found.principal_id) if found else None
            if found is not None and row is not None and self._may_use(tx, row, visit):
                given = (challenge, answer, ends_at)
                refusal = self._judge_alone(tx, row, visit, found.id, given)
                if refusal is None:
                    people.set_facts(tx, row.person.id, last_factor=found.id)
                    entered = self._enter(tx, row, visit, FactorKind.PASSKEY, remember=False)
        self._kit.post.ring()
        if refusal is not None:
            raise refusal
        return entered

    def _request(self, token: str) -> tuple[bytes, datetime]:
        """The challenge of a request for a passkey, and when it ends."""
        try:
            challenge, ends = self._kit.vault.open(_PASSKEY_PURPOSE, token)
        except (Broken, UnicodeEncodeError) as failure:
            raise FactorRejected("expired") from failure
        now = self._kit.clock.now()
        ends_at = datetime.fromtimestamp(ends, now.tzinfo)
        if ends_at <= now:
            raise FactorRejected("expired")
        return bytes.fromhex(challenge), ends_at

    def _may_use(self, tx: Connection, row: PersonRow, visit: Visit) -> bool:
        offered = self._proofs.offered_kinds(tx, row.person.org)
        return FactorKind.PASSKEY in offered and self._may_enter(row, visit)

    def _judge_alone(
        self,
        tx: Connection,
        row: PersonRow,
        visit: Visit,
        factor_id: str,
        given: tuple[bytes, str, datetime],
    ) -> SignInError | None:
        """Judge a passkey's answer under the lock-out rule; success is noted.

        `given` is the challenge, the answer, and when the request ends.
        """
        now = self._kit.clock.now()
        device = self._device(tx, row, visit)
        caller = self._caller(row, device, visit, row.person.email)
        standing: Standing = lock_out.standing_alone(tx, caller, now)
        if standing.is_closed(now):
            return LockedOut(closed_until(standing, now))
        found = factors.find(tx, row.person.id, factor_id)
        if found is None:
            return FactorRejected("wrong")
        challenge, answer, ends_at = given
        refusal = None
        try:
            self._proofs.passkey.judge(tx, found, challenge, answer, alone=True)
        except (FactorRejected, Broken):
            refusal = FactorRejected("wrong")
        if refusal is None and not factors.use_request(tx, challenge.hex(), ends_at):
            refusal = FactorRejected("used")  # an answer that somebody overheard
        if refusal is not None:
            lock_out.count_failure(tx, caller, standing, now)
            self._kit.note(tx, row.person, visit, "person.factor_wrong", code=refusal.code)
            return refusal
        self._note_entry(tx, caller)
        return None

    # --- the end ---------------------------------------------------------------------------------

    def end(self, session: Session, visit: Visit) -> None:
        """Sign out: the session ends on the server. May be called twice."""
        with self._kit.identity.transaction() as tx:
            if self._sessions.end(tx, session.id):
                self._kit.note(tx, session.person, visit, "person.signed_out")


def normal_email(text: str) -> str:
    """A user name as it is kept: without blanks around it, in lower case."""
    return text.strip().lower()


def normal_password(text: str) -> str:
    """A password in one form, however a keyboard composed it (NIST SP 800-63B: NFKC)."""
    return unicodedata.normalize("NFKC", text)
