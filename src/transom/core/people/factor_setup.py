"""Binding a factor to a person, at enrolment and later."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from transom.core.people.enrolment import Enrolments
from transom.core.people.kinds.authenticator import SECRET_PURPOSE
from transom.core.people.kinds.kind import Asked, Bound, Given
from transom.core.people.kinds.phone import RESEND_AFTER
from transom.core.people.kit import Kit
from transom.core.people.proof import CHALLENGE_PURPOSE, Proofs
from transom.core.people.sessions import PeopleSessions
from transom.core.people.vault import Broken
from transom.domain.errors import (
    BadParameter,
    FactorRejected,
    NotFound,
    NotSupported,
    WrongState,
)
from transom.domain.people import (
    MAX_LABEL,
    Assurance,
    Factor,
    FactorKind,
    Session,
    Setup,
    Step,
    Visit,
)
from transom.domain.said import said
from transom.records import factors
from transom.records.factors import ChallengeRow, FactorRow
from transom.records.people import PersonRow
from transom.records.person_sessions import PersonSession

SET_UP = "set-up"
MAX_FACTORS = 10
_LIFE = timedelta(minutes=15)


class FactorSetup:
    """Sets factors up: in an ENROLLING session past its password (and questions), or a FULL one."""

    def __init__(
        self, kit: Kit, sessions: PeopleSessions, proofs: Proofs, enrolments: Enrolments
    ) -> None:
        self._kit = kit
        self._sessions = sessions
        self._proofs = proofs
        self._enrolments = enrolments

    def begin(self, session: Session, visit: Visit, kind: FactorKind, phone: str = "") -> Setup:
        """Begin to set a factor up; `phone` for SMS and CALL, as typed. Voids the one begun before.

        Raises:
            BadParameter: parameter "phone": no number, or one of a country that is not served.
            NotSupported: this kind is switched off, retired or not there yet.
            ProofNeeded: FULL, and the last proof is too old: challenge() and verify() first.
            TooMany: codes to this number, account or source; `retry_after`.
            WrongState: a step before is not done, or there are too many factors.
            SessionEnded, Unavailable
        """
        now, new_id = self._kit.clock.now(), self._kit.entropy.uuid()
        with self._kit.identity.transaction() as tx:
            kept, row = self._may_bind(tx, session)
            if kind not in self._proofs.offered_kinds(tx, row.person.org):
                raise NotSupported(said("This way to sign in"), said("Choose another one."))
            bound = factors.of(tx, row.person.id)
            if len(bound) >= MAX_FACTORS:
                raise WrongState(said("The number of factors"), str(MAX_FACTORS), said("smaller"))
            given = Given(visit, phone, bound)
            question = self._proofs.kinds[kind].begin(tx, new_id, row.person, given)
            ends_at = min(kept.ends_at, now + _LIFE)
            shown = dict(question.shown)
            sealed = self._kit.vault.seal(
                CHALLENGE_PURPOSE, {"data": dict(question.data), "shown": shown}
            )
            factors.ask(tx, ChallengeRow(kept.id, SET_UP, new_id, "", kind, sealed, now, ends_at))
        self._kit.post.ring()
        resend_at = now + RESEND_AFTER if kind.is_by_phone else None
        return Setup(new_id, kind, ends_at, resend_at=resend_at, **shown)

    def pending(self, session: Session) -> Setup | None:
        """The set-up begun last, to show its page again (secret and options included), or None."""
        with self._kit.identity.reading() as tx:
            waiting = factors.asked(tx, session.id, SET_UP)
        if waiting is None or waiting.ends_at <= self._kit.clock.now():
            return None
        try:
            shown = self._kit.vault.open(CHALLENGE_PURPOSE, waiting.sealed)["shown"]
        except Broken:
            return None
        kind = FactorKind(waiting.kind)
        resend_at = waiting.sent_at + RESEND_AFTER if kind.is_by_phone else None
        return Setup(waiting.id, kind, waiting.ends_at, resend_at=resend_at, **shown)

    def confirm(
        self, session: Session, visit: Visit, setup_id: str, answer: str, label: str = ""
    ) -> Factor:
        """Prove the new factor; now it is bound, and the person gets a notice by mail.

        Raises:
            FactorRejected: `why` is "wrong", "used" or "expired".
            BadParameter: parameter "label".
            NotFound: no such set-up begun in this session.
            FactorPaused: too many wrong answers.
            SessionEnded, ProofNeeded
        """
        label = read_label(label)
        bound: list[FactorRow] = []
        with self._kit.identity.transaction() as tx:
            kept, row = self._may_bind(tx, session)
            waiting = factors.asked(tx, kept.id, SET_UP)
            if waiting is None or waiting.id != setup_id:
                raise NotFound(said("What you were setting up"), said("Begin again."))
            refusal = self._proofs.count_set_up(
                tx,
                kept,
                row,
                visit,
                lambda: bound.append(self._prove(tx, row, waiting, answer, label)),
            ).refusal
            if refusal is None:
                (made,) = bound
                self._kit.note(
                    tx, row.person, visit, "person.factor_added", kind=made.kind, label=made.label
                )
                if row.person.enrolled_at is not None:
                    kind = FactorKind(made.kind).words
                    what = said("A new way to sign in was added: %(kind)s", kind=kind)
                    self._kit.tell(tx, row.person, visit, what)
        self._kit.post.ring()
        if refusal is not None:
            raise refusal
        return Factor(made.id, FactorKind(made.kind), made.label, made.hint, made.created_at)

    def _prove(
        self, tx: Connection, row: PersonRow, waiting: ChallengeRow, answer: str, label: str
    ) -> FactorRow:
        now = self._kit.clock.now()
        if waiting.ends_at <= now:
            raise FactorRejected("expired")
        kind = FactorKind(waiting.kind)
        data = self._kit.vault.open(CHALLENGE_PURPOSE, waiting.sealed)["data"]
        proven = self._proofs.kinds[kind].confirm(Asked(waiting.id, data, waiting.sent_at), answer)
        if not factors.take(tx, waiting.id):
            raise FactorRejected("used")
        made = self._row(row, kind, proven, label)
        if not factors.add(tx, made):
            raise FactorRejected("used")
        return made

    def _row(self, row: PersonRow, kind: FactorKind, proven: Bound, label: str) -> FactorRow:
        return FactorRow(
            id=self._kit.entropy.uuid(),
            principal_id=row.person.id,
            kind=kind,
            label=label or kind.words.capitalize(),
            hint=proven.hint,
            sealed=self._kit.vault.seal(SECRET_PURPOSE, dict(proven.secret)),
            credential=proven.credential,
            counter=proven.counter,
            created_at=self._kit.clock.now(),
        )

    def _may_bind(self, tx: Connection, session: Session) -> tuple[PersonSession, PersonRow]:
        if session.assurance is Assurance.ENROLLING:
            self._enrolments.require_step(tx, session, Step.FACTOR)
            return self._sessions.require(tx, session, Assurance.ENROLLING)
        return self._sessions.require_proven(tx, session)


def read_label(text: str) -> str:
    """A label as it is kept.

    Raises:
        BadParameter
    """
    label = " ".join(text.split())
    if len(label) > MAX_LABEL or not label.isprintable():
        raise BadParameter(
            "label", said("at most %(limit)d characters that can be seen", limit=MAX_LABEL)
        )
    return label
