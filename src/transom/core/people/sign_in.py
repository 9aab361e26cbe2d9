"""How a person gets in: a password, then a factor, or a passkey alone."""

from __future__ import annotations

from transom.domain.people import (
    Challenge,
    Factor,
    PasskeyRequest,
    Session,
    Entered,
    Visit,
)


class PeopleSignIn:
    """Signs people in. Known and unknown names are answered alike, in text and in time."""

    def begin(self, visit: Visit, email: str, password: str) -> Entered:
        """The first step: at level PASSWORD, or at once FULL on a device remembered by this person.

        Raises:
            BadCredentials: wrong, unknown, ended, not enrolled: nobody can tell which.
            LockedOut: paused for this name and source, known or not; `until`.
            Unavailable: too many password checks wait.
        """
        raise NotImplementedError

    def resume(self, visit: Visit, token: str) -> Session:
        """The session of a cookie, at whatever level; one database read (and seldom a write).

        Raises:
            SessionEnded: `why` is "idle", "old", "ended" or "unknown"; `at` where it is told.
        """
        raise NotImplementedError

    def factors(self, session: Session) -> tuple[Factor, ...]:
        """The factors that may answer in a session at PASSWORD or FULL, the last used first.

        Recovery codes come last. Empty: every factor has been retired; only an administrator helps.
        """
        raise NotImplementedError

    def challenge(self, session: Session, visit: Visit, factor_id: str) -> Challenge:
        """Ask for a factor now; sends the code where it goes by phone. Voids the one before.

        At FULL it is the step-up before a change.

        Raises:
            SessionEnded, NotFound (no such factor of this person)
            FactorPaused: too many wrong answers; `until`. Another factor may do.
            TooMany: codes to this number, account or source; `retry_after`.
            Unavailable: the gateway does not take it.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def passkey_options(self) -> PasskeyRequest:
        """Begin a sign-in with a passkey as the only step (the authenticator verifies the user)."""
        raise NotImplementedError

    def passkey_sign_in(self, visit: Visit, token: str, answer: str) -> Entered:
        """Answer passkey_options().

        Raises:
            FactorRejected: `why` as in verify().
            LockedOut
        """
        raise NotImplementedError

    def end(self, session: Session, visit: Visit) -> None:
        """Sign out: the session ends on the server. May be called twice."""
        raise NotImplementedError

    @property
    def remember_hours(self) -> int:
        """How long a device may be remembered; 0: not at all, and the box is not shown."""
        raise NotImplementedError
