"""The sign-in as a machine: whatever is tried in whatever order, only the right steps open it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from folk import ELSEWHERE, HOME, PASSWORD, Human, enrolled
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from world import World, made

from transom.core.retention import SYSTEM
from transom.domain.errors import ExchangeError, SessionEnded
from transom.domain.people import Assurance, Session, Visit

VISITS = st.sampled_from([HOME, ELSEWHERE])
HOW = st.sampled_from(["app", "app", "spent", "spent", "recovery", "wrong"])
_template: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def template(sqlite_template: Path) -> Iterator[None]:
    """The machine is made without fixtures; it finds the database's file here."""
    _template.append(sqlite_template)
    yield
    _template.clear()


class SignIn(RuleBasedStateMachine):
    """A person, an attacker with the password, and whatever either of them has seen.

    `spent` are codes that opened something, `halves` sessions that passed the password, `proven`
    the tokens of those that a right answer opened, `dead` the tokens of what has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(_template[0], directory / "transom.db")
        url = f"sqlite:///{directory}/transom.db"
        self.world: World = self._stack.enter_context(made(directory / "world", url))
        self.maria: Human = enrolled(self.world)
        self.spent: list[tuple[str, str]] = []
        self.halves: list[Session] = []
        self.proven: dict[str, Visit] = {}
        self.dead: set[str] = set()

    def teardown(self) -> None:
        self._stack.close()

    @property
    def people(self):  # noqa: ANN201
        return self.world.exchange.people

    @property
    def app(self) -> str:
        with self.world.database.reading() as tx:
            return str(tx.exec_driver_sql("SELECT id FROM factors").scalar_one())

    # --- what they do ----------------------------------------------------------------------------

    @rule(visit=VISITS, right=st.booleans())
    def password(self, visit: Visit, right: bool) -> None:
        for _ in range(2):  # in two tabs: a code is good for one of them
            try:
                half = self.maria.begin(PASSWORD if right else "a wrong guess", visit)
            except ExchangeError:
                return
            assert right
            assert half.assurance is Assurance.PASSWORD
            self.halves.append(half)

    @precondition(lambda self: self.halves)
    @rule(data=st.data(), visit=VISITS, how=HOW)
    def answer(self, data: st.DataObject, visit: Visit, how: str) -> None:
        half = data.draw(st.sampled_from(self.halves[-4:]))
        factor, code = {
            "app": lambda: (self.app, self.maria.next_code()),
            "recovery": lambda: ("recovery", self.maria.codes[len(self.spent) % 10]),
            "wrong": lambda: (self.app, "000000"),
            "spent": lambda: self.spent[-1] if self.spent else (self.app, "123456"),
        }[how]()
        was_spent, was_dead = (factor, code) in self.spent, half.token in self.dead
        try:
            entered = self.people.sign_in.verify(half, visit, factor, code)
        except ExchangeError as refused:
            if refused.code == "locked_out":
                self.dead.add(half.token)
            return
        assert how in {"app", "recovery"}
        assert not was_spent
        assert not was_dead
        self.spent.append((factor, code))
        self.dead.add(half.token)
        self.proven[entered.session.token] = visit

    @precondition(lambda self: self.proven)
    @rule(data=st.data())
    def sign_out(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.proven)))
        visit = self.proven[token]
        try:
            session = self.people.sign_in.resume(visit, token)
        except SessionEnded:
            return  # it was idle for too long
        self.people.sign_in.end(session, visit)
        self.dead.add(token)
        del self.proven[token]

    @rule()
    def lock_and_unlock(self) -> None:
        admin = self.people.administration
        admin.lock(SYSTEM, self.maria.email)
        admin.unlock(SYSTEM, self.maria.email)
        self.dead |= {*self.proven, *(each.token for each in self.halves)}
        self.proven.clear()

    @rule(minutes=st.integers(1, 40))
    def wait(self, minutes: int) -> None:
        self.world.clock.pass_time(timedelta(minutes=minutes))

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def half_a_session_reaches_nothing(self) -> None:
        for half in self.halves[-3:]:
            for use in (self.people.account.view, self.people.account.sessions):
                with pytest.raises(SessionEnded):
                    use(half)

    @invariant()
    def what_ended_stays_ended(self) -> None:
        for token in list(self.dead)[-5:]:
            with pytest.raises(SessionEnded):
                self.people.sign_in.resume(HOME, token)

    @invariant()
    def only_what_was_proven_is_open(self) -> None:
        with self.world.database.reading() as tx:
            query = "SELECT count(*) FROM person_sessions WHERE assurance = 'full'"
            assert tx.exec_driver_sql(query).scalar_one() <= len(self.proven)


TestSignIn = pytest.mark.usefixtures("template")(SignIn.TestCase)
SignIn.TestCase.settings = settings(
    max_examples=10,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
