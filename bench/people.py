"""People at the door: passwords per second, and sessions looked up among ten thousand."""

from __future__ import annotations

import itertools
import secrets
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyotp

from bench import seeding, servers
from bench.report import Report, median
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.people import Entered, FactorKind, Person, Role, Session, Visit
from transom.records import person_sessions
from transom.server import settings
from transom.server.assemble import connect
from transom.server.system import SystemClock

LEAST_SIGN_INS, MOST_MILLISECONDS = 15, 5
SESSIONS, OF_ONE = 10_000, 200
_CALLS = 200
_THREADS = 4
_PASSWORD = "violet anchor tundra seven"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_EMAIL = "bench@northgate.example"
_PASSWORDS = f"""\
The password step of a person's sign-in through the use case, from {_THREADS} threads of one
process: argon2id at its production cost, the lock-out rule, the session and its audit entry
committed to SQLite. At most two argon2id computations run at once, whoever asks."""
_LOOKED_UP = f"""\
{SESSIONS:,} live sessions, {OF_ONE} of them of one person. *Look-up* is what each request to the
portal does first; *list* is that person's page of sessions. One thread, SQLite, the median of
{_CALLS} calls in each round."""


def measure(setting: Setting) -> list[Report]:
    """Password steps in a second, and milliseconds of a look-up and a list."""
    directory = setting.directory("people")
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    with seeding.administering(config) as exchange:
        seeding.seed(exchange, 1)
        new = NewPerson(_EMAIL, "Bench Person", seeding.ORG, Role.USER)
        ready = ReadyPerson(new, _PASSWORD, _SECRET)
        person = exchange.people.administration.have_ready(SYSTEM, ready)
        passwords = _passwords(exchange, setting)
        session = _full(exchange)
        _fill(config, session, person)
        return [passwords, _sessions(exchange, setting, session)]


def _passwords(exchange: Exchange, setting: Setting) -> Report:
    report = Report("People's passwords", _PASSWORDS, ["figure", "per second"])
    rates = [_rate(exchange, setting.seconds, each) for each in range(setting.rounds)]
    report.rows.append(["password steps", f"{median(rates):,.1f}"])
    report.raw("password steps per second", rates, 1)
    report.aim("password steps, median", median(rates), LEAST_SIGN_INS, "/s")
    return report


def _rate(exchange: Exchange, seconds: float, round_: int) -> float:
    until, numbers = time.perf_counter() + seconds, itertools.count()

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < until:
            _begin(exchange, f"10.{round_}.{next(numbers) // 40}.1")
            done += 1
        return done

    with ThreadPoolExecutor(_THREADS) as pool:
        return sum(pool.map(work, range(_THREADS))) / seconds


def _begin(exchange: Exchange, source: str) -> Entered:
    return exchange.people.sign_in.begin(Visit(source, "bench"), _EMAIL, _PASSWORD)


def _fill(config: Path, session: Session, person: Person) -> None:
    """So many sessions beside this one, some of them the same person's."""
    databases = connect(settings.load(config, {}))
    with databases.identity.transaction() as tx:
        kept = person_sessions.to_change(tx, session.id)
        assert kept is not None
        for number in range(SESSIONS):
            whose = person.id if number < OF_ONE else str(uuid.uuid4())
            digest = secrets.token_hex(32)
            made = replace(kept, id=str(uuid.uuid4()), digest=digest, principal_id=whose)
            person_sessions.add(tx, made)
    databases.dispose()


def _sessions(exchange: Exchange, setting: Setting, session: Session) -> Report:
    report = Report("People's sessions", _LOOKED_UP, ["step", "median, ms"])
    visit = Visit("10.200.0.1", "bench")
    steps: dict[str, Callable[[], object]] = {
        "look-up": lambda: exchange.people.sign_in.resume(visit, session.token),
        "list": lambda: exchange.people.account.sessions(session),
    }
    for name, step in steps.items():
        found = [_timed(step) for _ in range(setting.rounds)]
        report.rows.append([name, f"{median(found):.2f}"])
        report.raw(name, found, 2)
        report.limit(f"{name}, median", median(found), MOST_MILLISECONDS, " ms")
    return report


def _full(exchange: Exchange) -> Session:
    sign_in, half = exchange.people.sign_in, _begin(exchange, "10.200.0.1").session
    app = next(each for each in sign_in.factors(half) if each.kind is FactorKind.AUTHENTICATOR)
    code = pyotp.TOTP(_SECRET).at(int(SystemClock().wall().timestamp()))
    return sign_in.verify(half, Visit("10.200.0.1", "bench"), app.id, code).session


def _timed(step: Callable[[], object]) -> float:
    """The median of so many calls, in milliseconds."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1e3
