"""People of a world: invited, enrolled, signed in, each in one line.

maria = invited(world, "maria@northgate.example").enrol()
maria.sign_in()
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pyotp
from world import World

from transom.core.people.administration import NewPerson
from transom.core.retention import SYSTEM
from transom.domain.errors import ExchangeError
from transom.domain.messages import Mail, TextMessage, VoiceCall
from transom.domain.people import Entered, FactorKind, Role, Session, Visit

PASSWORD = "violet anchor tundra seven"
HOME = Visit("198.51.100.7", "Firefox on Windows")
ELSEWHERE = Visit("203.0.113.66", "curl")
ANSWERS = {"street": "Elm Street", "teacher": "Mrs. Ng", "job": "Trenton, N.J."}


@dataclass
class Human:
    """Somebody with a mail box, a phone and an authenticator app."""

    world: World
    email: str
    visit: Visit = HOME
    password: str = PASSWORD
    secret: str = ""
    codes: Sequence[str] = ()
    session: Session | None = field(default=None, repr=False)

    @property
    def people(self):  # noqa: ANN201
        return self.world.exchange.people

    # --- post ------------------------------------------------------------------------------------

    def messages(self) -> list[object]:
        """What was sent to this human, the newest first."""
        self.people.post.deliver()
        return [
            each.message
            for each in self.world.inbox.messages()
            if not isinstance(each.message, Mail) or each.message.to == self.email
        ]

    def mails(self) -> list[Mail]:
        return [each for each in self.messages() if isinstance(each, Mail)]

    def subjects(self) -> list[str]:
        return [each.subject for each in self.mails()]

    def link(self) -> str:
        """The token in the newest invitation."""
        for mail in self.mails():
            if found := re.search(r"/invitation/(\S+)", mail.text):
                return found[1]
        raise AssertionError("no invitation came")

    def phone_code(self) -> str:
        """The newest code that came by phone."""
        for each in self.messages():
            if isinstance(each, TextMessage):
                return each.text[:6]
            if isinstance(each, VoiceCall):
                return "".join(re.findall(r"\d", each.words.partition(":")[2]))
        raise AssertionError("no code came")

    # --- enrolment -------------------------------------------------------------------------------

    def start(self) -> Session:
        self.session = self.people.enrolment.start(self.visit, self.link())
        return self.session

    def enrol(self) -> Human:
        """All steps, with an authenticator app."""
        session, steps = self.start(), self.people.enrolment
        steps.set_password(session, self.visit, self.password)
        steps.set_questions(session, self.visit, ANSWERS)
        self.add_app(session)
        steps.skip_another(session, self.visit)
        self.codes = steps.recovery_codes(session, self.visit)
        return self._in(steps.finish(session, self.visit))

    def add_app(self, session: Session) -> None:
        setup = self.people.setup.begin(session, self.visit, FactorKind.AUTHENTICATOR)
        self.secret = setup.secret.replace(" ", "")
        self.people.setup.confirm(session, self.visit, setup.id, self.app_code())

    def app_code(self, steps: int = 0) -> str:
        """What the app shows now, or so many steps later."""
        now = int(self.world.clock.wall().timestamp())
        return str(pyotp.TOTP(self.secret).at(now + 30 * steps))

    def next_code(self) -> str:
        """The code of a step that nobody has seen yet."""
        self.pass_seconds(30)
        return self.app_code()

    def pass_seconds(self, seconds: float) -> None:
        self.world.clock.pass_time(timedelta(seconds=seconds))

    # --- at the door -----------------------------------------------------------------------------

    def begin(self, password: str = "", visit: Visit | None = None) -> Session:
        """The password step."""
        entered = self.people.sign_in.begin(
            visit or self.visit, self.email, password or self.password
        )
        return entered.session

    def factor(self, session: Session, kind: FactorKind = FactorKind.AUTHENTICATOR) -> str:
        """The id of the factor of this kind."""
        return next(e.id for e in self.people.sign_in.factors(session) if e.kind is kind)

    def sign_in(self, visit: Visit | None = None) -> Human:
        """Password and app."""
        visit = visit or self.visit
        session = self.begin(visit=visit)
        answer = self.next_code()
        entered = self.people.sign_in.verify(session, visit, self.factor(session), answer)
        return self._in(entered)

    def _in(self, entered: Entered) -> Human:
        self.session = entered.session
        if entered.device:
            self.visit = replace(self.visit, device=entered.device)
        return self


def invited(
    world: World,
    email: str = "maria@northgate.example",
    role: Role = Role.USER,
    org: str = "0001",
    name: str = "Maria Alvarez",
) -> Human:
    """Somebody whose invitation is on its way."""
    new = NewPerson(email, name, org, role)
    world.exchange.people.administration.invite(SYSTEM, new)
    return Human(world, email)


def enrolled(world: World, email: str = "maria@northgate.example", **facts: object) -> Human:
    """Somebody who can sign in, and is not known anywhere any more."""
    human = invited(world, email, **facts).enrol()  # type: ignore[arg-type]
    human.people.sign_in.end(human.session, human.visit)
    human.visit = HOME
    human.session = None
    human.pass_seconds(60)
    return human


def totp_secret() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What came of calls made at the same moment: a value, or the error."""
    came: list[object] = []
    together = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        together.wait()
        try:
            came.append(call())
        except ExchangeError as refusal:
            came.append(refusal)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came
