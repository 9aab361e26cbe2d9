"""What administrators do with people: invite, list, lock, reset, end; all audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection

from transom.core import lock_out
from transom.core.administration import OPERATOR
from transom.core.lock_out import Caller
from transom.core.passwords import name_key
from transom.core.people.enrolment import INVITATION_PURPOSE
from transom.core.people.kinds.authenticator import SECRET_PURPOSE
from transom.core.people.kinds.phone import masked, read_number
from transom.core.people.kit import Kit
from transom.core.people.proof import Proofs, closed_until
from transom.core.people.rules import RESET_WAITS
from transom.core.people.sign_in import normal_email
from transom.core.people.vault import Broken
from transom.core.register import organization_of
from transom.core.sign_in import MAX_NAME
from transom.domain.entitlement import Actor, PrincipalKind
from transom.domain.errors import (
    BadParameter,
    FactorRejected,
    LockedOut,
    NotFound,
    SignInError,
    WrongState,
)
from transom.domain.identity import Principal
from transom.domain.people import (
    Assurance,
    Display,
    Factor,
    FactorKind,
    Invitation,
    InvitationState,
    Period,
    Person,
    Role,
    Visit,
)
from transom.domain.said import said
from transom.records import audit, factors, identities, people, person_sessions
from transom.records.factors import FactorRow
from transom.records.people import InvitationRow, PersonRow

_MAX_FULL_NAME = 128
_PAGE = 200


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person as asked for: e-mail address (the user name), name, organization, role.

    `language` is what mails and pages are in until the person chooses; "" is not known.
    """

    email: str
    name: str
    org: str
    role: Role
    language: str = ""


@dataclass(frozen=True, slots=True)
class ReadyPerson:
    """A person of the demo: enrolled with known credentials."""

    new: NewPerson
    password: str
    totp_secret: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person, as administrators see one. `paused_until` tells of wrong tries, by source."""

    person: Person
    invitation: Invitation | None
    factors: tuple[Factor, ...]
    sessions: int
    paused: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """A wish to let a person enrol anew: done, or waiting for a second administrator."""

    done: bool
    asked_by: str
    waits_until: datetime


class PeopleAdministration:
    """Changes who there is."""

    def __init__(self, kit: Kit, proofs: Proofs) -> None:
        self._kit = kit
        self._proofs = proofs

    # --- invited ---------------------------------------------------------------------------------

    def invite(self, actor: Actor, new: NewPerson) -> Invitation:
        """Add a person and mail the invitation.

        Raises:
            BadParameter: no address that mail goes to, no name, or a role of other organizations.
            NotFound: no such organization.
            WrongState: the user name is taken, the organization is disabled, or it has its super
                account administrator already.
        """
        new = _checked(new)
        with self._kit.identity.transaction() as tx:
            row = self._add(tx, actor, new)
            invitation = self._send(tx, actor, row)
        self._kit.post.ring()
        return self._told(row, invitation, has_factors=False)

    def resend(self, actor: Actor, email: str) -> Invitation:
        """Mail a new invitation. The old link, and whatever was done with it, counts no more.

        Raises:
            NotFound
            WrongState: the person is enrolled, or has ended.
        """
        with self._kit.identity.transaction() as tx:
            row = self._lasting(tx, email)
            if row.person.enrolled_at is not None:
                raise WrongState(f"Person {row.person.email}", "enrolled", "invited only")
            self._undo_enrolment(tx, row)
            invitation = self._send(tx, actor, row)
        self._kit.post.ring()
        return self._told(row, invitation, has_factors=False)

    def _add(self, tx: Connection, actor: Actor, new: NewPerson) -> PersonRow:
        if not organization_of(tx, new.org).organization.active:
            raise WrongState(f"Organization {new.org}", "disabled", "enabled")
        if new.role is Role.SUPER_ADMINISTRATOR and self._super_administrator(tx, new.org):
            has_one = "with its super account administrator"
            raise WrongState(f"Organization {new.org}", has_one, "without one")
        principal = Principal(self._kit.entropy.uuid(), PrincipalKind.PERSON, new.email, new.org)
        if not identities.add_principal(tx, principal, self._kit.clock.now()):
            raise WrongState(f"User name {new.email}", "taken", "new")
        person = Person(principal.id, new.email, new.name, new.org, "", new.role)
        display = Display(zone=self._kit.letters.zone.key, language=new.language)
        people.add(tx, person, display)
        self._note(tx, actor, "person.added", person, org=new.org, role=new.role)
        return self._present(tx, new.email)

    def _super_administrator(self, tx: Connection, org: str) -> bool:
        now = self._kit.clock.now()
        return any(
            row.person.role is Role.SUPER_ADMINISTRATOR and row.principal.may_act(now)
            for row in self._every(tx, org)
        )

    def _send(self, tx: Connection, actor: Actor, row: PersonRow) -> InvitationRow:
        now, link = self._kit.clock.now(), self._kit.vault.token()
        by = "The operator" if actor.kind is PrincipalKind.SYSTEM else actor.name
        invitation = InvitationRow(
            id=self._kit.entropy.uuid(),
            principal_id=row.person.id,
            digest=self._kit.vault.digests(INVITATION_PURPOSE, link)[0],
            invited_by=by,
            sent_at=now,
            ends_at=now + self._kit.rules.invitation_life,
        )
        people.add_invitation(tx, invitation)
        letter = self._kit.letters.in_language(row.person.language).invitation(
            row.person, link, invitation.ends_at, by, self._kit.entropy.uuid()
        )
        self._kit.post.add(tx, letter, invitation.id)
        self._note(tx, actor, "person.invited", row.person)
        return invitation

    def _undo_enrolment(self, tx: Connection, row: PersonRow) -> None:
        """Nothing that proves the person counts any more; who the person is stays."""
        now, person_id = self._kit.clock.now(), row.person.id
        identities.end_secrets(tx, person_id, now)
        identities.revoke(tx, person_id)
        factors.remove_all(tx, person_id)
        people.forget_answers(tx, person_id)
        people.end_codes(tx, person_id)
        people.forget_devices(tx, person_id)
        people.forget_reset(tx, person_id)
        person_sessions.end_of(tx, person_id)
        facts = {"password_at": None, "codes_at": None, "enrolled_at": None, "last_factor": ""}
        people.set_facts(tx, person_id, **facts)

    # --- looked at -------------------------------------------------------------------------------

    def find(self, email: str) -> Person:
        """The person of this user name. Raises NotFound."""
        with self._kit.identity.reading() as tx:
            return self._present(tx, email).person

    def show(self, email: str) -> PersonView:
        """A person with invitation, factors, sessions and pauses. Raises NotFound."""
        now = self._kit.clock.now()
        with self._kit.identity.reading() as tx:
            row = self._present(tx, email)
            latest = people.latest_invitation(tx, row.person.id)
            live = self._proofs.live(tx, row)
            sources = identities.sources(tx, name_key(row.person.email))
            open_sessions = person_sessions.of(tx, row.person.id, Assurance.FULL)
        told = self._told(row, latest, has_factors=bool(live)) if latest else None
        paused = [
            (each.source_key, each.closed_until)
            for each in sources
            if each.closed_until is not None and each.closed_until > now
        ]
        return PersonView(row.person, told, live, len(open_sessions), tuple(paused))

    def people(self, org: str = "") -> Sequence[Person]:
        """Every person (of one organization, or all), by user name."""
        with self._kit.identity.reading() as tx:
            return [row.person for row in self._every(tx, org)]

    def invitations(self, org: str = "") -> Sequence[Invitation]:
        """Every person's latest invitation (of one organization, or all), by e-mail."""
        found = []
        with self._kit.identity.reading() as tx:
            for row in self._every(tx, org):
                latest = people.latest_invitation(tx, row.person.id)
                if latest is not None:
                    has_factors = bool(factors.of(tx, row.person.id))
                    found.append(self._told(row, latest, has_factors=has_factors))
        return found

    def _every(self, tx: Connection, org: str) -> list[PersonRow]:
        found: list[PersonRow] = []
        while page := people.page_after(tx, found[-1].person.email if found else "", _PAGE, org):
            found += page
        return found

    def _told(self, row: PersonRow, kept: InvitationRow, *, has_factors: bool) -> Invitation:
        person = row.person
        return Invitation(
            person.email,
            person.org,
            person.role,
            self._state(row, kept, has_factors=has_factors),
            kept.invited_by,
            kept.sent_at,
            kept.ends_at,
            kept.bounced,
        )

    def _state(self, row: PersonRow, kept: InvitationRow, *, has_factors: bool) -> InvitationState:
        now = self._kit.clock.now()
        stages = (
            (row.person.enrolled_at is not None, InvitationState.COMPLETE),
            (kept.ended_at is not None or kept.ends_at <= now, InvitationState.ENDED),
            (has_factors, InvitationState.FACTOR_SET),
            (row.password_at is not None, InvitationState.PASSWORD_SET),
            (kept.used_at is not None, InvitationState.OPENED),
            (bool(kept.bounced), InvitationState.BOUNCED),
        )
        return next((state for is_so, state in stages if is_so), InvitationState.SENT)

    # --- locked, ended ---------------------------------------------------------------------------

    def lock(self, actor: Actor, email: str) -> bool:
        """Let a person do nothing more, at once; False when it stood so. Raises NotFound."""
        with self._kit.identity.transaction() as tx:
            row = self._to_change(tx, email)
            if not row.person.active:
                return False
            identities.set_principal_active(tx, row.person.id, active=False)
            person_sessions.end_of(tx, row.person.id)
            self._note(tx, actor, "person.locked", row.person)
        return True

    def unlock(self, actor: Actor, email: str) -> bool:
        """Let a person act again, and forget every failed sign-in; False when nothing changed.

        Raises:
            NotFound
            WrongState: the person has ended.
        """
        with self._kit.identity.transaction() as tx:
            row = self._lasting(tx, email)
            changes = not row.person.active
            if changes:
                identities.set_principal_active(tx, row.person.id, active=True)
            changes |= identities.unlock(tx, name_key(row.person.email))
            changes |= self._proofs.unlock(tx, row)
            if changes:
                self._note(tx, actor, "person.unlocked", row.person)
        return changes

    def end(self, actor: Actor, email: str) -> None:
        """End a person for good; the user name stays taken.

        Raises:
            NotFound
            WrongState: it has ended already.
        """
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            row = self._lasting(tx, email)
            self._undo_enrolment(tx, row)
            people.end_invitations(tx, row.person.id, now)
            identities.set_end(tx, row.person.id, now)
            self._note(tx, actor, "person.ended", row.person)

    # --- reset -----------------------------------------------------------------------------------

    def reset(self, actor: Actor, email: str, by: str, code: str) -> Reset:
        """Let a person enrol anew: factors, password and sessions end, a new invitation goes.

        It takes two administrators within a day: each proves with a code of the own authenticator
        app that it is not the other's hand. A wish counts as long as whoever had it may do this.

        Raises:
            FactorRejected: the code is not right; LockedOut: too many wrong ones.
            BadParameter: "by" is nobody who may do this.
            NotFound
            WrongState: the person has ended, or was never enrolled.
        """
        done, refusal = None, self._prove(actor, by, code)
        if refusal is not None:
            raise refusal
        with self._kit.identity.transaction() as tx:
            row, helper = self._lasting(tx, email), self._present(tx, by)
            if not self._may_reset(row, helper):
                raise BadParameter(
                    "by", "an operator of role security, or the firm's administrator"
                )
            done = self._ask_or_do(tx, actor, row, helper)
        self._kit.post.ring()
        return done

    def _ask_or_do(self, tx: Connection, actor: Actor, row: PersonRow, helper: PersonRow) -> Reset:
        now, person_id = self._kit.clock.now(), row.person.id
        if row.person.enrolled_at is None:
            raise WrongState(f"Person {row.person.email}", "not enrolled", "enrolled: send anew")
        first, visit = self._asked_before(tx, row, helper), _visit(actor)
        if first is not None:
            self._undo_enrolment(tx, row)
            self._send(tx, actor, row)
            facts = {"by": helper.person.email, "asked_by": first.email}
            self._note(tx, actor, "person.reset", row.person, **facts)
            self._kit.tell(tx, row.person, visit, said("Two administrators reset your access"))
            return Reset(True, first.email, now)  # noqa: FBT003 - its field says so
        people.forget_reset(tx, person_id)
        people.ask_reset(tx, person_id, helper.person.id, now)
        self._note(tx, actor, "person.reset_asked", row.person, by=helper.person.email)
        self._kit.tell(tx, row.person, visit, said("An administrator asked to reset your access"))
        return Reset(False, helper.person.email, now + RESET_WAITS)  # noqa: FBT003

    def _asked_before(self, tx: Connection, row: PersonRow, helper: PersonRow) -> Person | None:
        """Who else asked for it within a day, and may still do so: not locked or ended since."""
        asked = people.reset_asked(tx, row.person.id)
        if asked is None or asked[1] + RESET_WAITS <= self._kit.clock.now():
            return None
        first = people.find(tx, asked[0])
        if first is None or first.person.id == helper.person.id:
            return None
        return first.person if self._may_reset(row, first) else None

    def _may_reset(self, row: PersonRow, helper: PersonRow) -> bool:
        person, other = row.person, helper.person
        at_home = other.role.is_administrator and other.org == person.org
        is_helper = other.role is Role.SECURITY or at_home
        return is_helper and other.id != person.id and helper.may_act(self._kit.clock.now())

    def _prove(self, actor: Actor, by: str, code: str) -> SignInError | None:
        """Prove an administrator by a code; what it counted is committed."""
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            row = self._present(tx, by)
            caller = Caller(row.person.email, actor.source, actor.request_id)
            standing = lock_out.standing_alone(tx, caller, now)
            if standing.is_closed(now):
                return LockedOut(closed_until(standing, now))
            apps = [
                each
                for each in factors.of(tx, row.person.id)
                if each.kind == FactorKind.AUTHENTICATOR
            ]
            for each in apps:
                try:
                    self._proofs.kinds[FactorKind.AUTHENTICATOR].verify(tx, each, None, code)
                except (FactorRejected, Broken):
                    continue
                return None
            lock_out.count_failure(tx, caller, standing, now)
            self._kit.note(tx, row.person, _visit(actor), "person.factor_wrong")
        return FactorRejected("wrong")

    # --- kinds of factor -------------------------------------------------------------------------

    def set_factor_period(self, actor: Actor, org: str, kind: FactorKind, period: Period) -> None:
        """Say from when until when a kind may be used: for everybody ("") or one organization.

        Raises:
            NotFound: no such organization.
            BadParameter: it would end before it starts.
        """
        if period.starts_at and period.ends_at and period.ends_at <= period.starts_at:
            raise BadParameter("until", "later than from")
        with self._kit.identity.transaction() as tx:
            if org:
                organization_of(tx, org)
            people.set_period(tx, org, kind, period)
            told = {"starts_at": period.starts_at, "ends_at": period.ends_at}
            facts = {name: at.isoformat() if at else None for name, at in told.items()}
            audit.add(
                tx,
                audit.Entry(
                    at=self._kit.clock.now(),
                    principal_id=actor.principal_id,
                    action="factor.period_set",
                    object=f"{org or 'everybody'}/{kind}",
                    source=actor.source,
                    detail=audit.detail(facts),
                ),
            )

    def factor_kinds(self, org: str = "") -> tuple[FactorKind, ...]:
        """The kinds that may be used now, by everybody or in one organization."""
        with self._kit.identity.reading() as tx:
            return self._proofs.offered_kinds(tx, org)

    # --- the demo --------------------------------------------------------------------------------

    def have_ready(self, actor: Actor, ready: ReadyPerson) -> Person:
        """For the demo only: a person with this password and TOTP secret (base 32), enrolled.

        One who is there already stays as he is.
        """
        new = _checked(ready.new)
        stored = self._kit.passwords.store(self._kit.entropy.uuid(), ready.password)
        now = self._kit.clock.now()
        with self._kit.identity.transaction() as tx:
            there = people.named(tx, new.email)
            if there is not None:
                return there.person
            row = self._add(tx, actor, new)
            identities.add_secret(tx, row.person.id, stored, now)
            people.set_facts(tx, row.person.id, password_at=now)
            self._bind(tx, row, FactorKind.AUTHENTICATOR, {"secret": ready.totp_secret}, "")
            if ready.phone:
                number = read_number(ready.phone, self._kit.rules.countries)
                for kind in (FactorKind.SMS, FactorKind.CALL):
                    self._bind(tx, row, kind, {"number": number}, masked(number))
            people.set_enrolled(tx, row.person.id, now)
            return self._present(tx, new.email).person

    def _bind(
        self, tx: Connection, row: PersonRow, kind: FactorKind, secret: dict[str, str], hint: str
    ) -> None:
        kept = FactorRow(
            id=self._kit.entropy.uuid(),
            principal_id=row.person.id,
            kind=kind,
            label=kind.words.capitalize(),
            hint=hint,
            sealed=self._kit.vault.seal(SECRET_PURPOSE, secret),
            credential=None,
            counter=0,
            created_at=self._kit.clock.now(),
        )
        factors.add(tx, kept)

    # --- what all of them need -------------------------------------------------------------------

    def _present(self, tx: Connection, email: str) -> PersonRow:
        found = people.named(tx, normal_email(email))
        if found is None:
            raise NotFound(f"Person {email}", "Check the spelling.")
        return found

    def _to_change(self, tx: Connection, email: str) -> PersonRow:
        """The person of this user name, for this transaction alone to change."""
        row = people.find_to_change(tx, self._present(tx, email).person.id)
        assert row is not None  # noqa: S101 - people are never removed
        return row

    def _lasting(self, tx: Connection, email: str) -> PersonRow:
        """The same, if not ended."""
        row = self._to_change(tx, email)
        ends_at = row.person.ends_at
        if ends_at is not None and ends_at <= self._kit.clock.now():
            raise WrongState(f"Person {row.person.email}", "ended for good", "not ended")
        return row

    def _note(
        self, tx: Connection, actor: Actor, action: str, person: Person, **facts: object
    ) -> None:
        audit.add(
            tx,
            audit.Entry(
                at=self._kit.clock.now(),
                principal_id=actor.principal_id,
                action=action,
                object=person.email,
                source=actor.source,
                request_id=actor.request_id,
                detail=audit.detail({"person": person.id} | facts),
            ),
        )


def _visit(actor: Actor) -> Visit:
    return Visit(actor.source, request_id=actor.request_id)


def _checked(new: NewPerson) -> NewPerson:
    try:
        found = validate_email(new.email.strip(), check_deliverability=False).normalized
    except EmailNotValidError as wrong:
        raise BadParameter("email", str(wrong)) from wrong
    email = normal_email(found)
    if len(email) > MAX_NAME or ":" in email:
        raise BadParameter("email", f"an address of at most {MAX_NAME} characters, without colon")
    name = " ".join(new.name.split())
    if not name.isprintable() or not 0 < len(name) <= _MAX_FULL_NAME:
        raise BadParameter("name", f"1 to {_MAX_FULL_NAME} printable characters")
    if new.role.is_operator != (new.org == OPERATOR.id):
        where = f"organization {OPERATOR.id}" if new.role.is_operator else "a firm"
        raise BadParameter("role", f"the role {new.role} belongs to {where}")
    return replace(new, email=email, name=name)
