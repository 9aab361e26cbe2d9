"""What people do with their own account. Everything here needs a session at level FULL."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from transom.core.passwords import name_key
from transom.core.people import password_rules
from transom.core.people.factor_setup import read_label
from transom.core.people.kinds.authenticator import SECRET_PURPOSE
from transom.core.people.kinds.recovery import FACTOR_ID
from transom.core.people.kit import Kit
from transom.core.people.proof import Proofs
from transom.core.people.sessions import PeopleSessions
from transom.core.people.sign_in import normal_password
from transom.domain.errors import BadParameter, FactorRejected, LockedOut, NotFound, WrongState
from transom.domain.people import (
    MAX_PASSWORD,
    AccountView,
    Activity,
    Assurance,
    Display,
    FactorKind,
    Person,
    Session,
    Visit,
)
from transom.domain.said import Said, said
from transom.records import audit, factors, identities, people, person_sessions
from transom.records.audit import Entry
from transom.records.factors import FactorRow
from transom.records.people import PersonRow
from transom.records.person_sessions import PersonSession

_PASSWORD = "password"  # noqa: S105 - what wrong ones are counted under
_THEMES = ("system", "light", "dark")
_DENSITIES = ("comfortable", "compact")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MAX_ACTIVITY = 200
_MAX_NAMES = 2_000
_NAMES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Locked:
    """An account or person of a firm that somewhere cannot sign in, and until when."""

    name: str
    until: datetime


class Account:
    """A person's own account. Every change needs a fresh proof (ProofNeeded) and sends a notice.

    Every method raises SessionEnded when the session is not, or no more, at level FULL.
    """

    def __init__(self, kit: Kit, sessions: PeopleSessions, proofs: Proofs) -> None:
        self._kit = kit
        self._sessions = sessions
        self._proofs = proofs

    def view(self, session: Session) -> AccountView:
        """All that the page shows, sessions and activity aside."""
        with self._kit.identity.reading() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            live = self._proofs.live(tx, row)
            return AccountView(
                person=row.person,
                factors=tuple(each for each in live if each.id != FACTOR_ID),
                kinds=self._proofs.offered_kinds(tx, row.person.org),
                recovery_left=people.codes_left(tx, row.person.id),
                recovery_made_at=row.codes_at,
                password_changed_at=row.password_at or session.opened_at,
                display=row.display,
                remembered_devices=people.remembered(tx, row.person.id, self._kit.clock.now()),
            )

    # --- factors ---------------------------------------------------------------------------------

    def rename_factor(self, session: Session, visit: Visit, factor_id: str, label: str) -> None:
        """Raises NotFound, BadParameter ("label"), ProofNeeded."""
        label = read_label(label)
        if not label:
            raise BadParameter("label", said("a name by which you will know it"))
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require_proven(tx, session)
            if not factors.rename(tx, row.person.id, factor_id, label):
                raise _missing_factor()
            self._kit.note(tx, row.person, visit, "person.factor_renamed", label=label)
            what = said("A way to sign in was renamed: it is called %(name)s now", name=label)
            self._kit.tell(tx, row.person, visit, what)
        self._kit.post.ring()

    def remove_factor(self, session: Session, visit: Visit, factor_id: str) -> None:
        """Raises NotFound, WrongState (the last factor stays), ProofNeeded."""
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require_proven(tx, session)
            found = factors.find(tx, row.person.id, factor_id)
            if found is None:
                raise _missing_factor()
            live = {each.id for each in self._proofs.live(tx, row)} - {FACTOR_ID, factor_id}
            if not live:
                raise WrongState(
                    said("This factor"),
                    said("your last"),
                    said("not the last: add another one first"),
                )
            factors.remove(tx, factor_id)
            self._tell_old_number(tx, row.person, visit, found)
            self._kit.note(tx, row.person, visit, "person.factor_removed", kind=found.kind)
            what = said("A way to sign in was removed: %(kind)s", kind=FactorKind(found.kind).words)
            self._kit.tell(tx, row.person, visit, what)
        self._kit.post.ring()

    def _tell_old_number(
        self, tx: Connection, person: Person, visit: Visit, removed: FactorRow
    ) -> None:
        if FactorKind(removed.kind).is_by_phone and self._kit.post.can_call:
            number = self._kit.vault.open(SECRET_PURPOSE, removed.sealed)["number"]
            self._kit.post.add(tx, self._kit.letters_to(person, visit).number_removed(number))

    def new_recovery_codes(self, session: Session, visit: Visit) -> tuple[str, ...]:
        """Ten new codes, shown once; the old ones end. Raises ProofNeeded."""
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require_proven(tx, session)
            codes = self._proofs.recovery.make(tx, row.person.id)
            self._kit.note(tx, row.person, visit, "person.recovery_codes_made")
            self._kit.tell(tx, row.person, visit, said("New recovery codes were made"))
        self._kit.post.ring()
        return codes

    # --- password --------------------------------------------------------------------------------

    def change_password(self, session: Session, visit: Visit, current: str, new: str) -> None:
        """Change the password; every other session ends.

        Raises:
            BadParameter: parameter "current" (wrong) or "password" (will not do).
            LockedOut: too many wrong ones; the session has ended.
            ProofNeeded, Unavailable
        """
        current, new = normal_password(current), normal_password(new)
        with self._kit.identity.reading() as tx:
            self._sessions.require_proven(tx, session)
            found = identities.credential_of(tx, session.person.email)
        fits = found is not None and self._fits(current, found)
        strength = password_rules.judge(new, session.person)
        if fits and not strength.refusal and current == new:
            raise BadParameter("password", said("another one than now"))
        stored = (
            self._kit.passwords.store(self._kit.entropy.uuid(), new)
            if fits and not strength.refusal
            else None
        )
        with self._kit.identity.transaction() as tx:
            kept, row = self._sessions.require_proven(tx, session)
            locked = self._count_current(tx, (kept, row), visit, fits=fits)
            if stored is not None and locked is None:
                self._set_password(tx, kept, row, visit, stored)
        self._kit.post.ring()
        if locked is not None:
            raise locked
        if not fits:
            raise BadParameter("current", said("this is not your password now"))
        if strength.refusal:
            raise BadParameter("password", strength.refusal)

    def _fits(self, password: str, found: identities.Credential) -> bool:
        readable = 0 < len(password) <= MAX_PASSWORD and password.isprintable()
        return readable and self._kit.passwords.fits(password, found.secrets)

    def _count_current(
        self, tx: Connection, who: tuple[PersonSession, PersonRow], visit: Visit, *, fits: bool
    ) -> LockedOut | None:
        """A wrong password here counts as it does at the door."""

        def prove() -> None:
            if not fits:
                raise FactorRejected("wrong")

        kept, row = who
        refusal = self._proofs.count(tx, kept, row, visit, prove, _PASSWORD).refusal
        return refusal if isinstance(refusal, LockedOut) else None

    def _set_password(
        self,
        tx: Connection,
        kept: PersonSession,
        row: PersonRow,
        visit: Visit,
        stored: identities.StoredSecret,
    ) -> None:
        now, person = self._kit.clock.now(), row.person
        identities.end_secrets(tx, person.id, now)
        identities.add_secret(tx, person.id, stored, now)
        identities.revoke(tx, person.id)  # every grant and session, but this one follows
        person_sessions.end_of(tx, person.id, but=kept.id)
        person_sessions.follow_epoch(tx, kept.id, row.principal.epoch + 1)
        people.forget_devices(tx, person.id)
        people.set_facts(tx, person.id, password_at=now)
        self._kit.note(tx, person, visit, "person.password_changed")
        self._kit.tell(tx, person, visit, said("Your password was changed"))

    # --- sessions --------------------------------------------------------------------------------

    def sessions(self, session: Session) -> Sequence[Session]:
        """Where the person is signed in, the last seen first, this one (same id) included."""
        now = self._kit.clock.now()
        with self._kit.identity.reading() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            kept = person_sessions.of(tx, row.person.id, Assurance.FULL)
        standing = (each for each in kept if each.principal_epoch == row.principal.epoch)
        shown = (self._sessions.shown(each, row) for each in standing)
        return [each for each in shown if now < each.idle_ends_at]

    def end_session(self, session: Session, visit: Visit, session_id: str) -> None:
        """End one of one's own sessions. Raises NotFound. Needs no proof: it only protects."""
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            found = person_sessions.to_change(tx, session_id)
            if found is None or found.principal_id != row.person.id:
                raise NotFound(said("This session"), said("It may have ended already."))
            self._sessions.end(tx, session_id)
            self._kit.note(tx, row.person, visit, "person.session_ended", session=session_id)

    def end_other_sessions(self, session: Session, visit: Visit) -> int:
        """End all but this one, and forget remembered devices; returns how many ended."""
        with self._kit.identity.transaction() as tx:
            kept, row = self._sessions.require(tx, session, Assurance.FULL)
            ended = person_sessions.end_of(tx, row.person.id, but=kept.id)
            people.forget_devices(tx, row.person.id)
            self._kit.note(tx, row.person, visit, "person.sessions_ended", count=ended)
        return ended

    def forget_devices(self, session: Session, visit: Visit) -> int:
        """Forget every remembered device; returns how many there were."""
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            count = people.remembered(tx, row.person.id, self._kit.clock.now())
            people.forget_devices(tx, row.person.id)
            self._kit.note(tx, row.person, visit, "person.devices_forgotten", count=count)
        return count

    # --- activity and display --------------------------------------------------------------------

    def activity(self, session: Session, limit: int = 50) -> Sequence[Activity]:
        """What happened lately, the newest first."""
        with self._kit.identity.reading() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            entries = audit.of_person(
                tx, row.person.id, tuple(_ACTIVITY), min(limit, _MAX_ACTIVITY)
            )
        return [Activity(each.at, _told(each), each.source) for each in entries]

    def locked(self, session: Session) -> Sequence[Locked]:
        """Who of the person's firm is locked, for its administrators; for others nobody.

        Of a firm with more than 2,000 accounts and people the first ones by name.
        """
        with self._kit.identity.reading() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            if not row.person.role.is_administrator:
                return ()
            names = identities.acting_names(tx, row.person.org, _MAX_NAMES)
            named, now = {name_key(each): each for each in names}, self._kit.clock.now()
            keys, until = list(named), dict[str, datetime]()
            for at in range(0, len(keys), _NAMES_AT_ONCE):
                until |= identities.closed(tx, keys[at : at + _NAMES_AT_ONCE], now)
        return [Locked(named[key], until[key]) for key in keys if key in until]

    def organizations(self, ids: Sequence[str]) -> dict[str, str]:
        """What organizations are called, by id. Ask only for those that the person may see."""
        with self._kit.identity.reading() as tx:
            return identities.organization_names(tx, ids)

    def set_display(self, session: Session, display: Display) -> None:
        """Raises BadParameter ("theme", "density", "language", "zone"). Needs no proof."""
        if display.theme not in _THEMES:
            raise BadParameter("theme", f"one of {', '.join(_THEMES)}")
        if display.density not in _DENSITIES:
            raise BadParameter("density", f"one of {', '.join(_DENSITIES)}")
        if display.language and not _LANGUAGE.fullmatch(display.language):
            raise BadParameter("language", 'a code such as "es", or nothing')
        try:
            ZoneInfo(display.zone)
        except (ValueError, OSError, KeyError) as wrong:  # ZoneInfoNotFoundError is a KeyError
            raise BadParameter("zone", "a time zone such as America/New_York") from wrong
        with self._kit.identity.transaction() as tx:
            _, row = self._sessions.require(tx, session, Assurance.FULL)
            people.set_display(tx, row.person.id, display)


_ACTIVITY: Mapping[str, Said] = MappingProxyType(
    {
        "person.signed_in": said("Signed in"),
        "person.signed_out": said("Signed out"),
        "person.password_wrong": said("Wrong password"),
        "person.factor_wrong": said("Wrong code"),
        "person.enrolled": said("Access was set up"),
        "person.password_set": said("Password was set"),
        "person.password_changed": said("Password was changed"),
        "person.factor_added": said("A way to sign in was added"),
        "person.factor_renamed": said("A way to sign in was renamed"),
        "person.factor_removed": said("A way to sign in was removed"),
        "person.recovery_codes_made": said("New recovery codes were made"),
        "person.session_ended": said("A session was ended"),
        "person.sessions_ended": said("All other sessions were ended"),
        "person.devices_forgotten": said("Remembered devices were forgotten"),
        "person.proven": said("Confirmed for a change"),
    }
)
"""What a person is shown of the audit trail, in words."""


def _told(entry: Entry) -> Said:
    what, facts = _ACTIVITY[entry.action], json.loads(entry.detail)
    by = facts.get("by")
    if by in set(FactorKind):  # 3.11 asks of a class only what is of it
        return said("%(what)s with %(factor)s", what=what, factor=FactorKind(by).words)
    return said("%(what)s (%(by)s)", what=what, by=by) if by else what


def _missing_factor() -> NotFound:
    return NotFound(said("This way of signing in"), said("It may have been removed already."))
