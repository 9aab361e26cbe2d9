"""What people do with their own account. Everything here needs a session at level FULL."""

from __future__ import annotations

from collections.abc import Sequence

from transom.domain.people import AccountView, Activity, Display, Session, Visit


class Account:
    """A person's own account. Every change needs a fresh proof (ProofNeeded) and sends a notice.

    Every method raises SessionEnded when the session is not, or no more, at level FULL.
    """

    def view(self, session: Session) -> AccountView:
        """All that the page shows, sessions and activity aside."""
        raise NotImplementedError

    def rename_factor(self, session: Session, visit: Visit, factor_id: str, label: str) -> None:
        """Raises NotFound, BadParameter ("label"), ProofNeeded."""
        raise NotImplementedError

    def remove_factor(self, session: Session, visit: Visit, factor_id: str) -> None:
        """Raises NotFound, WrongState (the last factor stays), ProofNeeded."""
        raise NotImplementedError

    def new_recovery_codes(self, session: Session, visit: Visit) -> tuple[str, ...]:
        """Ten new codes, shown once; the old ones end. Raises ProofNeeded."""
        raise NotImplementedError

    def change_password(self, session: Session, visit: Visit, current: str, new: str) -> None:
        """Change the password; every other session ends.

        Raises:
            BadParameter: parameter "current" (wrong) or "password" (will not do).
            LockedOut: too many wrong ones; the session has ended.
            ProofNeeded, Unavailable
        """
        raise NotImplementedError

    def sessions(self, session: Session) -> Sequence[Session]:
        """Where the person is signed in, the last seen first, this one (same id) included."""
        raise NotImplementedError

    def end_session(self, session: Session, visit: Visit, session_id: str) -> None:
        """End one of one's own sessions. Raises NotFound. Needs no proof: it only protects."""
        raise NotImplementedError

    def end_other_sessions(self, session: Session, visit: Visit) -> int:
        """End all but this one, and forget remembered devices; returns how many ended."""
        raise NotImplementedError

    def forget_devices(self, session: Session, visit: Visit) -> int:
        """Forget every remembered device; returns how many there were."""
        raise NotImplementedError

    def activity(self, session: Session, limit: int = 50) -> Sequence[Activity]:
        """What happened lately, the newest first."""
        raise NotImplementedError

    def set_display(self, session: Session, display: Display) -> None:
        """Raises BadParameter ("theme", "density", "zone"). Needs no proof."""
        raise NotImplementedError
