"""Invitation and enrolment: a mailed link, a password, questions, factors, recovery codes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from transom.core import lock_out
from transom.core.lock_out import Caller
from transom.core.people import password_rules
from transom.core.people.kit import Kit
from transom.core.people.proof import Proofs
from transom.core.people.questions import QUESTIONS, read_answers
from transom.core.people.sessions import Opening, PeopleSessions
from transom.core.people.sign_in import normal_password
from transom.domain.errors import BadParameter, InvitationEnded, SessionEnded, WrongState
from transom.domain.people import (
    Assurance,
    Enrolment,
    Entered,
    Session,
    Step,
    Strength,
    Visit,
)
from transom.domain.said import Said, said
from transom.records import factors, identities, people
from transom.records.people import InvitationRow, PersonRow

INVITATION_PURPOSE = "invitation"
_MAX_LINK = 128


class Enrolments:
    """Leads an invited person to a complete account, step by step; none can be skipped."""

    def __init__(self, kit: Kit, sessions: PeopleSessions, proofs: Proofs) -> None:
        self._kit = kit
        self._sessions = sessions
        self._proofs = proofs

    def start(self, visit: Visit, link: str) -> Session:
        """Use an invitation (POST only; to look at the link changes nothing and asks nothing here).

        Returns:
            A session at level ENROLLING that lives as long as the invitation does.

        Raises:
            InvitationEnded: used, replaced, too old or unknown: nobody can tell which.
        """
        if not link.isascii() or not 0 < len(link) <= _MAX_LINK:
            raise InvitationEnded
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            for digest in self._kit.vault.digests(INVITATION_PURPOSE, link):
                invitation = people.use_invitation(tx, digest, now)
                if invitation is not None:
                    break
            else:
                raise InvitationEnded
            row = people.find_to_change(tx, invitation.principal_id)
            if row is None or not row.principal.may_act(now) or not row.org_active:
                raise InvitationEnded
            if row.person.enrolled_at is not None or not row.principal.allows(visit.source):
                raise InvitationEnded
            self._kit.note(tx, row.person, visit, "person.invitation_used")
            opening = Opening(Assurance.ENROLLING, invitation=invitation)
            return self._sessions.open(tx, row, visit, opening)

    def state(self, session: Session) -> Enrolment:
        """Where it stands.

        Raises:
            SessionEnded: not an enrolling session, or the enrolment was ended.
        """
        with self._kit.identity.reading() as tx:
            row, invitation = self._enrolling(tx, session)
            return self._state(tx, row, invitation)

    def _enrolling(self, tx: Connection, session: Session) -> tuple[PersonRow, InvitationRow]:
        kept, row = self._sessions.require(tx, session, Assurance.ENROLLING)
        invitation = people.invitation(tx, kept.invitation_id)
        if invitation is None or invitation.ended_at is not None:
            raise SessionEnded("ended")
        return row, invitation

    def _state(self, tx: Connection, row: PersonRow, invitation: InvitationRow) -> Enrolment:
        bound = factors.of(tx, row.person.id)
        is_done = {
            Step.PASSWORD: row.password_at is not None,
            Step.QUESTIONS: people.count_answers(tx, row.person.id) > 0,
            Step.FACTOR: bool(bound),
            Step.ANOTHER: len(bound) > 1 or invitation.skipped_another,
            Step.RECOVERY: row.codes_at is not None,
        }
        steps = tuple(
            step for step in Step if step is not Step.QUESTIONS or self._kit.rules.questions
        )
        return Enrolment(
            person=row.person,
            steps=steps,
            done=frozenset(step for step in steps if is_done[step]),
            now=next((step for step in steps if not is_done[step]), None),
            kinds=self._proofs.offered_kinds(tx, row.person.org),
            factors=self._proofs.live(tx, row),
            ends_at=invitation.ends_at,
        )

    def require_step(self, tx: Connection, session: Session, step: Step) -> PersonRow:
        """The person, when every step before this one is done.

        Raises:
            WrongState, SessionEnded
        """
        row, invitation = self._enrolling(tx, session)
        state = self._state(tx, row, invitation)
        at = state.steps.index(step) if step in state.steps else len(state.steps)
        before = [each for each in state.steps[:at] if each not in state.done]
        if before or step not in state.steps:
            stands = _at(before[0]) if before else said("without this step")
            raise WrongState(said("Your enrolment"), stands, _at(step))
        return row

    # --- password --------------------------------------------------------------------------------

    def judge(self, session: Session, password: str) -> Strength:
        """How strong a password would be for this person; keeps nothing. Works at FULL too."""
        return password_rules.judge(normal_password(password), session.person)

    def set_password(self, session: Session, visit: Visit, password: str) -> None:
        """Step PASSWORD.

        Raises:
            BadParameter: parameter "password"; too short, too long, common, or the person's name.
            SessionEnded, Unavailable
        """
        password = normal_password(password)
        strength = password_rules.judge(password, session.person)
        if strength.refusal:
            raise BadParameter("password", strength.refusal)
        stored = self._kit.passwords.store(self._kit.entropy.uuid(), password)
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            row = self.require_step(tx, session, Step.PASSWORD)
            identities.end_secrets(tx, row.person.id, now)
            identities.add_secret(tx, row.person.id, stored, now)
            people.set_facts(tx, row.person.id, password_at=now)
            self._kit.note(tx, row.person, visit, "person.password_set")

    # --- questions -------------------------------------------------------------------------------

    def questions(self) -> Mapping[str, str]:
        """The questions to choose QUESTIONS_ASKED of, by id."""
        return QUESTIONS

    def set_questions(self, session: Session, visit: Visit, answers: Mapping[str, str]) -> None:
        """Step QUESTIONS: answers by question id.

        Raises:
            BadParameter: parameter is the id of the question, or "questions"; an answer is empty,
                too short, one for two, or the number is not QUESTIONS_ASKED.
            WrongState: the password comes first.
            SessionEnded, Unavailable
        """
        plain = read_answers(answers)
        with self._kit.identity.reading() as tx:
            self.require_step(tx, session, Step.QUESTIONS)  # no work for whoever is not there
        digests = {
            question: self._kit.passwords.store("", answer).digest
            for question, answer in plain.items()
        }
        with self._kit.identity.transaction() as tx:
            row = self.require_step(tx, session, Step.QUESTIONS)
            people.set_answers(tx, row.person.id, digests)
            self._kit.note(tx, row.person, visit, "person.questions_set")

    # --- factors, recovery codes, the end --------------------------------------------------------

    def skip_another(self, session: Session, visit: Visit) -> None:
        """Step ANOTHER without a second factor; one is enough.

        Raises:
            WrongState: there is no factor yet.
            SessionEnded
        """
        with self._kit.identity.transaction() as tx:
            row = self.require_step(tx, session, Step.ANOTHER)
            _, invitation = self._enrolling(tx, session)
            people.skip_another(tx, invitation.id)
            self._kit.note(tx, row.person, visit, "person.another_factor_skipped")

    def recovery_codes(self, session: Session, visit: Visit) -> tuple[str, ...]:
        """Step RECOVERY: ten codes, shown once; asking again before finish() makes new ones.

        Raises:
            WrongState: a step before is not done.
            SessionEnded
        """
        with self._kit.identity.transaction() as tx:
            row = self.require_step(tx, session, Step.RECOVERY)
            codes = self._proofs.recovery.make(tx, row.person.id)
            self._kit.note(tx, row.person, visit, "person.recovery_codes_made")
        return codes

    def finish(self, session: Session, visit: Visit) -> Entered:
        """The end: the person has kept the codes. The session gets a new id at level FULL.

        Raises:
            WrongState: a step is not done.
            SessionEnded
        """
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            row, invitation = self._enrolling(tx, session)
            state = self._state(tx, row, invitation)
            if state.now is not None:
                raise WrongState(said("Your enrolment"), _at(state.now), said("complete"))
            kept, _ = self._sessions.require(tx, session, Assurance.ENROLLING)
            self._sessions.replace(tx, kept)
            people.set_enrolled(tx, row.person.id, now)
            people.end_invitations(tx, row.person.id, now)
            lock_out.note_success(tx, Caller(row.person.email, visit.source), now)
            device, cookie = self._sessions.know_device(tx, row, visit, remember=False)
            self._kit.note(tx, row.person, visit, "person.enrolled")
            self._kit.tell(tx, row.person, visit, said("Your access is set up"))
            enrolled = people.find(tx, row.person.id) or row
            opening = Opening(Assurance.FULL, device.id, proven=True)
            entered = self._sessions.open(tx, enrolled, visit, opening)
        self._kit.post.ring()
        return Entered(entered, cookie, device.ends_at)


def _at(step: Step) -> Said:
    return said("at the step %(step)s", step=_STEPS[step])


_STEPS: Mapping[Step, Said] = MappingProxyType(
    {
        Step.PASSWORD: said("password"),
        Step.QUESTIONS: said("questions"),
        Step.FACTOR: said("factor"),
        Step.ANOTHER: said("another"),
        Step.RECOVERY: said("recovery"),
    }
)
