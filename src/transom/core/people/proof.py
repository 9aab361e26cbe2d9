"""Factors asked for and proven: one way for sign-in, step-up and every kind.

Wrong answers count twice: against the name and source, with the passwords and at every door, and
against the factor itself. Neither can close an account to its owner: a known source counts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core import lock_out
from transom.core.lock_out import Caller
from transom.core.passwords import name_key
from transom.core.people.kinds.authenticator import Authenticator
from transom.core.people.kinds.kind import Asked, Kind
from transom.core.people.kinds.passkey import Passkey
from transom.core.people.kinds.phone import RESEND_AFTER, Phone
from transom.core.people.kinds.recovery import FACTOR_ID, RecoveryCodes
from transom.core.people.kit import Kit
from transom.core.people.vault import Broken
from transom.domain.errors import FactorPaused, FactorRejected, LockedOut, NotFound, SignInError
from transom.domain.identity import Standing
from transom.domain.people import Assurance, Challenge, Factor, FactorKind, Period, Visit
from transom.domain.said import said
from transom.records import factors, identities, people, person_sessions
from transom.records.factors import ChallengeRow, FactorRow
from transom.records.people import PersonRow
from transom.records.person_sessions import PersonSession

PROOF = "proof"
CHALLENGE_PURPOSE = "challenge"
PAUSE = timedelta(minutes=30)
WRONG_ANSWERS = 10
_SET_UP = "set-up"
_NO_FACTORS = (_SET_UP, "password", FACTOR_ID)
"""What wrong answers are counted under beside the factors that a person has bound."""
_PASSKEY_LIFE = timedelta(minutes=5)

_ORDER = (FactorKind.PASSKEY, FactorKind.AUTHENTICATOR, FactorKind.SMS, FactorKind.CALL)
"""The recommended kind first."""

Prove = Callable[[], None]
"""Returns quietly, or raises FactorRejected."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What came of an answer: `refusal` is None when it proved the factor, of that kind."""

    refusal: SignInError | None = None
    kind: FactorKind | None = None


class Proofs:
    """Asks for factors and judges answers; the services run the transactions.

    A refusal is returned and not raised: what it counted must be committed.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.recovery = RecoveryCodes(kit)
        self.passkey = Passkey(kit)
        self.kinds: Mapping[FactorKind, Kind] = {
            FactorKind.AUTHENTICATOR: Authenticator(kit),
            FactorKind.PASSKEY: self.passkey,
            FactorKind.SMS: Phone(kit, FactorKind.SMS),
            FactorKind.CALL: Phone(kit, FactorKind.CALL),
        }

    # --- which there are -------------------------------------------------------------------------

    def offered_kinds(self, tx: Connection, org: str) -> tuple[FactorKind, ...]:
        """The kinds that people of an organization may use now, the recommended first."""
        periods, now = people.periods(tx, org), self._kit.clock.now()
        return tuple(
            kind
            for kind in _ORDER
            if all(period.covers(now) for period in periods.get(kind, ()))
            and (self._kit.post.can_call or not kind.is_by_phone)
        )

    def live(self, tx: Connection, row: PersonRow) -> tuple[Factor, ...]:
        """The factors that a person may prove now: the last used first, recovery codes last."""
        periods = people.periods(tx, row.person.org)
        kinds = self.offered_kinds(tx, row.person.org)
        bound = [
            self._shown(each, periods)
            for each in factors.of(tx, row.person.id)
            if FactorKind(each.kind) in kinds
        ]
        bound.sort(key=lambda each: (each.id != row.last_factor, _ORDER.index(each.kind)))
        left = people.codes_left(tx, row.person.id)
        return (*bound, *([_recovery(row, left)] if left else []))

    def _shown(self, kept: FactorRow, periods: Mapping[FactorKind, tuple[Period, ...]]) -> Factor:
        kind = FactorKind(kept.kind)
        ends = [each.ends_at for each in periods.get(kind, ()) if each.ends_at is not None]
        return Factor(
            kept.id,
            kind,
            kept.label,
            kept.hint,
            kept.created_at,
            kept.last_used_at,
            min(ends, default=None),
        )

    def find(self, tx: Connection, row: PersonRow, factor_id: str) -> Factor:
        """This factor of this person, when it may be proven now.

        Raises:
            NotFound
        """
        for each in self.live(tx, row):
            if each.id == factor_id:
                return each
        raise NotFound(said("This way of signing in"), said("Choose another one."))

    # --- asking ----------------------------------------------------------------------------------

    def challenge(
        self, tx: Connection, kept: PersonSession, row: PersonRow, visit: Visit, factor_id: str
    ) -> Challenge:
        """Ask for a factor, in place of what was asked in this session before.

        Raises:
            NotFound, FactorPaused, TooMany
        """
        factor, now = self.find(tx, row, factor_id), self._kit.clock.now()
        caller = self.caller(kept, row, visit)
        standing = lock_out.standing(tx, caller, now)
        self._require_open(tx, factor.id, row, caller, standing)
        factors.forget_challenges(tx, [kept.id])
        ends_at = min(kept.ends_at, now + _PASSKEY_LIFE)
        if factor.kind is FactorKind.RECOVERY:
            return Challenge(factor, kept.ends_at)
        found = factors.find(tx, row.person.id, factor.id)
        if found is None:
            raise NotFound(said("This way of signing in"), said("Choose another one."))
        kind, new_id = self.kinds[factor.kind], self._kit.entropy.uuid()
        question = kind.challenge(tx, new_id, found, visit)
        if kind.needs_asking:
            sealed = self._kit.vault.seal(CHALLENGE_PURPOSE, dict(question.data))
            asked = ChallengeRow(
                kept.id, PROOF, new_id, factor.id, factor.kind, sealed, now, ends_at
            )
            factors.ask(tx, asked)
        resend_at = now + RESEND_AFTER if factor.kind.is_by_phone else None
        return Challenge(factor, ends_at, resend_at=resend_at, **question.shown)

    # --- judging ---------------------------------------------------------------------------------

    def judge(
        self,
        tx: Connection,
        kept: PersonSession,
        row: PersonRow,
        visit: Visit,
        given: tuple[str, str],
    ) -> Proven:
        """Judge an answer to the challenge of a session; `given` is the factor's id and the answer.

        Raises:
            NotFound: no such factor.
        """
        factor_id, answer = given
        factor = self.find(tx, row, factor_id)
        proven = self.count(
            tx, kept, row, visit, lambda: self._verify(tx, kept, row, factor, answer), factor.id
        )
        return replace(proven, kind=factor.kind)

    def count(
        self,
        tx: Connection,
        kept: PersonSession,
        row: PersonRow,
        visit: Visit,
        prove: Prove,
        factor_id: str,
    ) -> Proven:
        """Run a proof under the limits, and count it when it fails."""
        now, caller = self._kit.clock.now(), self.caller(kept, row, visit)
        standing = lock_out.standing_alone(tx, caller, now)
        if standing.is_closed(now):
            return self._lock_out(tx, kept, row, standing)
        try:
            self._require_open(tx, factor_id, row, caller, standing)
            prove()
        except FactorPaused as paused:
            return Proven(paused)
        except (FactorRejected, Broken) as wrong:
            rejected = _rejection(wrong)
            if rejected.why != "expired":
                return self._count(tx, kept, row, caller, (standing, rejected, factor_id))
            return Proven(rejected)
        factors.forget_wrong_answers(tx, self.key(factor_id, row), caller.source_key)
        return Proven()

    def count_set_up(
        self, tx: Connection, kept: PersonSession, row: PersonRow, visit: Visit, prove: Prove
    ) -> Proven:
        """Run the proof of a new factor: wrong answers pause setting up, and close nothing.

        Whoever sets an app up sees its secret: there is nothing to guess, and a phone whose clock
        is wrong must not cost the whole enrolment.
        """
        now, caller = self._kit.clock.now(), self.caller(kept, row, visit)
        standing = lock_out.standing_alone(tx, caller, now)
        try:
            self._require_open(tx, _SET_UP, row, caller, standing)
            prove()
        except FactorPaused as paused:
            return Proven(paused)
        except (FactorRejected, Broken) as wrong:
            key = self.key(_SET_UP, row)
            identities.add_failure(tx, key, caller.source_key, now, known=standing.known)
            return Proven(_rejection(wrong))
        return Proven()

    def _verify(
        self, tx: Connection, kept: PersonSession, row: PersonRow, factor: Factor, answer: str
    ) -> None:
        if factor.kind is FactorKind.RECOVERY:
            self.recovery.verify(tx, row.person.id, answer)
            return
        found = factors.find(tx, row.person.id, factor.id)
        if found is None:
            raise FactorRejected("expired")
        kind, now = self.kinds[factor.kind], self._kit.clock.now()
        waiting = factors.asked(tx, kept.id, PROOF) if kind.needs_asking else None
        if waiting is not None and (waiting.factor_id != factor.id or waiting.ends_at <= now):
            waiting = None
        kind.verify(tx, found, self._asked(waiting), answer)
        if waiting is not None and not factors.take(tx, waiting.id):
            raise FactorRejected("used")
        factors.note_use(tx, factor.id, now)
        people.set_facts(tx, row.person.id, last_factor=factor.id)

    def _asked(self, waiting: ChallengeRow | None) -> Asked | None:
        if waiting is None:
            return None
        data = self._kit.vault.open(CHALLENGE_PURPOSE, waiting.sealed)
        return Asked(waiting.id, data, waiting.sent_at)

    def _count(
        self,
        tx: Connection,
        kept: PersonSession,
        row: PersonRow,
        caller: Caller,
        failed: tuple[Standing, FactorRejected, str],
    ) -> Proven:
        standing, rejected, factor_id = failed
        now, key = self._kit.clock.now(), self.key(factor_id, row)
        identities.add_failure(tx, key, caller.source_key, now, known=standing.known)
        lock_out.count_failure(tx, caller, standing, now)
        after = lock_out.standing(tx, caller, now)
        if after.is_closed(now):
            self._tell_paused(tx, row, caller)
            return self._lock_out(tx, kept, row, after)
        if self._paused_until(tx, factor_id, row, caller, standing) is not None:
            self._tell_paused(tx, row, caller)
        return Proven(rejected)

    def _tell_paused(self, tx: Connection, row: PersonRow, caller: Caller) -> None:
        """Whoever gets as far as a wrong answer knew the password, or sits in a session."""
        visit = Visit(caller.source, request_id=caller.request_id)
        self._kit.note(tx, row.person, visit, "person.paused")
        self._kit.tell(
            tx, row.person, visit, said("Wrong answers after your password paused a sign-in")
        )

    def _lock_out(
        self, tx: Connection, kept: PersonSession, row: PersonRow, standing: Standing
    ) -> Proven:
        """A lock-out ends the session, and what is half-way from the same address."""
        factors.forget_challenges(tx, [kept.id])
        person_sessions.end(tx, kept.id)
        person_sessions.end_half(tx, row.person.id, Assurance.PASSWORD, kept.source)
        return Proven(LockedOut(closed_until(standing, self._kit.clock.now())))

    def _require_open(
        self, tx: Connection, factor_id: str, row: PersonRow, caller: Caller, standing: Standing
    ) -> None:
        until = self._paused_until(tx, factor_id, row, caller, standing)
        if until is not None:
            raise FactorPaused(until)

    def _paused_until(
        self, tx: Connection, factor_id: str, row: PersonRow, caller: Caller, standing: Standing
    ) -> datetime | None:
        key, since = self.key(factor_id, row), self._kit.clock.now() - PAUSE
        count, latest = factors.wrong_answers(
            tx, key, caller.source_key, since, known=standing.known
        )
        return latest + PAUSE if latest is not None and count >= WRONG_ANSWERS else None

    def unlock(self, tx: Connection, row: PersonRow) -> bool:
        """Forget every wrong answer of a person; False when there was none."""
        ids = [*_NO_FACTORS, *(each.id for each in factors.of(tx, row.person.id))]
        return sum(identities.unlock(tx, self.key(each, row)) for each in ids) > 0

    def key(self, factor_id: str, row: PersonRow) -> str:
        """What wrong answers to a factor are counted under."""
        return name_key(f"factor/{row.person.id}/{factor_id}")

    def caller(self, kept: PersonSession, row: PersonRow, visit: Visit) -> Caller:
        """Who answers, for the lock-out rule: on a known device, that one."""
        listed = row.principal.lists(visit.source)
        return Caller(row.person.email, visit.source, visit.request_id, listed, kept.device_id)


def _rejection(wrong: FactorRejected | Broken) -> FactorRejected:
    return wrong if isinstance(wrong, FactorRejected) else FactorRejected("expired")


def closed_until(standing: Standing, now: datetime) -> datetime:
    """When a name that is closed from there opens again."""
    ends = (standing.closed_until, None if standing.known else standing.unknown_closed_until)
    return max(end for end in ends if end is not None and end > now)


def _recovery(row: PersonRow, left: int) -> Factor:
    made_at = row.codes_at or row.person.enrolled_at
    assert made_at is not None  # noqa: S101 - where codes are left they were made
    kind = FactorKind.RECOVERY
    return Factor(FACTOR_ID, kind, "Recovery codes", "", made_at, left=left)
