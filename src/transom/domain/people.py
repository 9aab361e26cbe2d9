"""People: their roles, factors, sessions and enrolment, as plain values and rules.

A person is a principal of kind *person*; the user name is the e-mail address in lower case. Nobody
gets in with a password alone: a session at level PASSWORD can do nothing but answer a challenge,
one at level ENROLLING nothing but enrol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from transom.domain.said import Said, said

PROOF_LASTS = timedelta(minutes=10)
"""How long after a factor was proven a change needs no new proof."""

MIN_PASSWORD = 12
MAX_PASSWORD = 256
MAX_LABEL = 60
QUESTIONS_ASKED = 3
RECOVERY_CODES = 10


class Role(StrEnum):
    """What a person does for an organization."""

    USER = "user"
    ACCOUNT_ADMINISTRATOR = "aa"
    SUPER_ADMINISTRATOR = "saa"
    SUPPORT = "support"
    ENTITLEMENT = "entitlement"
    SECURITY = "security"
    AUDITOR = "auditor"

    @property
    def is_operator(self) -> bool:
        """Whether it is a role of the operator's own staff."""
        return self in _OPERATOR

    @property
    def is_administrator(self) -> bool:
        """Whether it administers a firm (SAA and AA)."""
        return self in {Role.SUPER_ADMINISTRATOR, Role.ACCOUNT_ADMINISTRATOR}

    @property
    def words(self) -> Said:
        """How it is called for people: "firm user", "operator (support)"."""
        return _TITLES[self]


_OPERATOR = frozenset({Role.SUPPORT, Role.ENTITLEMENT, Role.SECURITY, Role.AUDITOR})
_TITLES: Mapping[Role, Said] = MappingProxyType(
    {
        Role.USER: said("firm user"),
        Role.ACCOUNT_ADMINISTRATOR: said("account administrator"),
        Role.SUPER_ADMINISTRATOR: said("super account administrator"),
        Role.SUPPORT: said("operator (support)"),
        Role.ENTITLEMENT: said("operator (entitlement)"),
        Role.SECURITY: said("operator (security)"),
        Role.AUDITOR: said("operator (auditor)"),
    }
)


class FactorKind(StrEnum):
    """A kind of second factor."""

    AUTHENTICATOR = "authenticator"
    PASSKEY = "passkey"
    SMS = "sms"
    CALL = "call"
    RECOVERY = "recovery"

    @property
    def words(self) -> Said:
        """How it is called for people."""
        return _FACTOR_TITLES[self]

    @property
    def is_by_phone(self) -> bool:
        """Whether a code goes over a telephone network: restricted, as numbers get stolen."""
        return self in {FactorKind.SMS, FactorKind.CALL}


_FACTOR_TITLES: Mapping[FactorKind, Said] = MappingProxyType(
    {
        FactorKind.AUTHENTICATOR: said("authenticator app"),
        FactorKind.PASSKEY: said("passkey or security key"),
        FactorKind.SMS: said("text message"),
        FactorKind.CALL: said("voice call"),
        FactorKind.RECOVERY: said("recovery code"),
    }
)


class Assurance(StrEnum):
    """How far a session has come. Only FULL may use the portal."""

    ENROLLING = "enrolling"
    PASSWORD = "password"  # noqa: S105 - the name of a level
    FULL = "full"


class Step(StrEnum):
    """A step of the enrolment, in their order."""

    PASSWORD = "password"  # noqa: S105 - the name of a step
    QUESTIONS = "questions"
    FACTOR = "factor"
    ANOTHER = "another"
    RECOVERY = "recovery"


class InvitationState(StrEnum):
    """What the inviter sees."""

    SENT = "sent"
    BOUNCED = "bounced"
    OPENED = "opened"
    PASSWORD_SET = "password set"  # noqa: S105 - the name of a state
    FACTOR_SET = "factor set"
    COMPLETE = "complete"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Person:
    """A person, as the register keeps it."""

    id: str
    email: str
    name: str
    org: str
    org_name: str
    role: Role
    active: bool = True
    ends_at: datetime | None = None
    enrolled_at: datetime | None = None
    language: str = ""
    """What it chose to read, a code such as "es"; "" when it did not choose."""

    def may_act(self, now: datetime) -> bool:
        """Whether the person is enrolled, not locked, and has not come to the end date."""
        in_time = self.ends_at is None or now < self.ends_at
        return self.active and in_time and self.enrolled_at is not None


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor that is bound to a person.

    `hint` tells which it is and no more: a masked number, "" where the label does. `ends_at` is
    when its kind is retired for this person, None for no set time. `left` counts unused recovery
    codes.
    """

    id: str
    kind: FactorKind
    label: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None = None
    ends_at: datetime | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when something may be used; None is no bound."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def covers(self, now: datetime) -> bool:
        """Whether it may be used at this moment."""
        return (self.starts_at is None or self.starts_at <= now) and (
            self.ends_at is None or now < self.ends_at
        )


@dataclass(frozen=True, slots=True)
class Display:
    """How a person wants pages shown. theme: system, light, dark; density: comfortable, compact.

    `language` is a code such as "es"; "" is what the browser asks for.
    """

    theme: str = "system"
    density: str = "comfortable"
    zone: str = "America/New_York"
    slash_focus: bool = True
    language: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """From where a request comes: address, what the browser calls itself, and its device cookie.

    `language` is what its answer is written in.
    """

    source: str
    software: str = ""
    device: str = ""
    request_id: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A person's session, as far as it has come.

    `token` is the value for the cookie, and only there where it is new: after begin(), verify(),
    passkey_sign_in(), start() and finish(); otherwise "". `csrf` goes into every form of this
    session. `proven_at` is when a factor was last proven in it.
    """

    id: str
    person: Person
    assurance: Assurance
    csrf: str
    source: str
    software: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime
    idle_ends_at: datetime
    proven_at: datetime | None = None
    display: Display = field(default_factory=Display)
    token: str = field(default="", repr=False)

    def is_proven(self, now: datetime) -> bool:
        """Whether a change needs no new proof."""
        return self.proven_at is not None and now - self.proven_at < PROOF_LASTS


@dataclass(frozen=True, slots=True)
class Entered:
    """A session under a new id, one step further, and the device cookie to set ("" to leave it).

    The device cookie makes this browser a known one for a month; whoever guesses elsewhere cannot
    close the account to it.
    """

    session: Session
    device: str = field(default="", repr=False)
    device_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """The request to present a factor now.

    `sent_to` is the masked number a code went to, `resend_at` when the next may be asked for.
    `options` is the JSON for navigator.credentials.get(), for a passkey.
    """

    factor: Factor
    ends_at: datetime
    sent_to: str = ""
    resend_at: datetime | None = None
    options: str = ""


@dataclass(frozen=True, slots=True)
class PasskeyRequest:
    """A request for a passkey as the only step: `token` comes back with the answer."""

    token: str
    options: str


@dataclass(frozen=True, slots=True)
class Setup:
    """A factor that is about to be bound; it counts only once confirmed.

    Authenticator: `secret` in groups of four, `uri` (otpauth:), `qr_svg` (inline SVG, no scripts).
    Passkey: `options`, JSON for navigator.credentials.create(). Phone: `sent_to`, `resend_at`.
    """

    id: str
    kind: FactorKind
    ends_at: datetime
    secret: str = field(default="", repr=False)
    uri: str = field(default="", repr=False)
    qr_svg: str = field(default="", repr=False)
    options: str = ""
    sent_to: str = ""
    resend_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Where an enrolment stands. `steps` in order; `done` those behind; `now` is None at the end.

    `kinds` are the kinds of factor that may be set up, the recommended first.
    """

    person: Person
    steps: tuple[Step, ...]
    done: frozenset[Step]
    now: Step | None
    kinds: tuple[FactorKind, ...]
    factors: tuple[Factor, ...]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a password is: score 0 to 4, in words, and why it would be refused ("" if not)."""

    score: int
    words: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that happened to a person's account."""

    at: datetime
    words: str
    source: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """What the page "Account and security" shows."""

    person: Person
    factors: tuple[Factor, ...]
    kinds: tuple[FactorKind, ...]
    recovery_left: int
    recovery_made_at: datetime | None
    password_changed_at: datetime
    display: Display
    remembered_devices: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, as the inviter sees it."""

    email: str
    org: str
    role: Role
    state: InvitationState
    invited_by: str
    sent_at: datetime
    ends_at: datetime
    detail: str = ""
