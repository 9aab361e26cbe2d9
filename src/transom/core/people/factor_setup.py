"""Binding a factor to a person, at enrolment and later."""

from __future__ import annotations

from transom.domain.people import Factor, FactorKind, Session, Setup, Visit


class FactorSetup:
    """Sets factors up: in an ENROLLING session past its password (and questions), or a FULL one."""

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
        raise NotImplementedError

    def pending(self, session: Session) -> Setup | None:
        """The set-up begun last, to show its page again (secret and options included), or None."""
        raise NotImplementedError

    def confirm(
        self, session: Session, visit: Visit, setup_id: str, answer: str, label: str = ""
    ) -> Factor:
        """Prove the new factor; now it is bound, and the person gets a notice by mail.

        Raises:
            FactorRejected: `why` is "wrong", "used" or "expired".
            BadParameter: parameter "label".
            NotFound: no such set-up begun in this session.
            LockedOut, SessionEnded, ProofNeeded
        """
        raise NotImplementedError
