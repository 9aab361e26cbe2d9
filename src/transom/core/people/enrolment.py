"""Invitation and enrolment: a mailed link, a password, questions, factors, recovery codes."""

from __future__ import annotations

from collections.abc import Mapping

from transom.domain.people import Enrolment, Session, Entered, Strength, Visit


class Enrolments:
    """Leads an invited person to a complete account, step by step; none can be skipped."""

    def start(self, visit: Visit, link: str) -> Session:
        """Use an invitation (POST only; to look at the link changes nothing and asks nothing here).

        Returns:
            A session at level ENROLLING that lives as long as the invitation does.

        Raises:
            InvitationEnded: used, replaced, too old or unknown: nobody can tell which.
        """
        raise NotImplementedError

    def state(self, session: Session) -> Enrolment:
        """Where it stands.

        Raises:
            SessionEnded: not an enrolling session, or the enrolment was ended.
        """
        raise NotImplementedError

    def judge(self, session: Session, password: str) -> Strength:
        """How strong a password would be for this person; keeps nothing. Works at FULL too."""
        raise NotImplementedError

    def set_password(self, session: Session, visit: Visit, password: str) -> None:
        """Step PASSWORD.

        Raises:
            BadParameter: parameter "password"; too short, too long, common, or the person's name.
            SessionEnded, Unavailable
        """
        raise NotImplementedError

    def questions(self) -> Mapping[str, str]:
        """The questions to choose QUESTIONS_ASKED of, by id."""
        raise NotImplementedError

    def set_questions(self, session: Session, visit: Visit, answers: Mapping[str, str]) -> None:
        """Step QUESTIONS: answers by question id.

        Raises:
            BadParameter: parameter is the id of the question, or "questions"; an answer is empty,
                too short, one for two, or the number is not QUESTIONS_ASKED.
            WrongState: the password comes first.
            SessionEnded, Unavailable
        """
        raise NotImplementedError

    def skip_another(self, session: Session, visit: Visit) -> None:
        """Step ANOTHER without a second factor; one is enough.

        Raises:
            WrongState: there is no factor yet.
            SessionEnded
        """
        raise NotImplementedError

    def recovery_codes(self, session: Session, visit: Visit) -> tuple[str, ...]:
        """Step RECOVERY: ten codes, shown once; asking again before finish() makes new ones.

        Raises:
            WrongState: a step before is not done.
            SessionEnded
        """
        raise NotImplementedError

    def finish(self, session: Session, visit: Visit) -> Entered:
        """The end: the person has kept the codes. The session gets a new id at level FULL.

        Raises:
            WrongState: a step is not done.
            SessionEnded
        """
        raise NotImplementedError
