"""People at the door: the page, passwords beside transfers, sessions among ten thousand."""

from __future__ import annotations

import os
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyotp

from bench import browsing, clients, processes, seeding, servers
from bench.browsing import Crowd
from bench.report import Report, median
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.people import FactorKind, Role, Session, Visit
from transom.records import person_sessions
from transom.server import settings
from transom.server.assemble import connect
from transom.server.system import SystemClock

MOST_BYTES, MOST_PAGE_MILLISECONDS = 100_000, 200
LEAST_SIGN_INS, LEAST_RATIO, MOST_MILLISECONDS = 15, 0.75, 5
SESSIONS, OF_ONE = 10_000, 200
_CALLS = 200
_THREADS = 4
_LOOKS = 20
_FILE_BYTES = 128 << 20
_PASSWORD = "violet anchor tundra seven"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_EMAIL = "bench@northgate.example"
_PAGE = f"""\
The first look at the sign-in page on loopback, over one connection and nothing cached: the page and
every style, script and picture that it names, one after the other, and the bytes of their bodies.
The median of {_LOOKS} looks in each round; a browser's time to draw them is not in it."""
_PASSWORDS = f"""\
A sign-in is what a browser sends up to the question for a factor: page, user name, password.
argon2id at its production cost, the lock-out rule, session and audit entry committed to SQLite. The
server has one core to itself where there are two, and {_THREADS} browsers sign in as fast as it
lets them."""
_BESIDE = f"""\
Files of {_FILE_BYTES >> 20} MiB go through the pre-signed door, one after the other: while nobody
signs in, while {LEAST_SIGN_INS} people a second sign in to another server beside this one, and
while they sign in to this one, in turn. Servers, curl and browsers share all cores, so sign-ins
take their part of them wherever they are made; what they hinder beyond that is in the ratio of the
last two, the median of the rounds' ratios. MB are 10^6 bytes."""
_LOOKED_UP = f"""\
{SESSIONS:,} live sessions, {OF_ONE} of them of one person. *Look-up* is what each request to the
portal does first; *list* is that person's page of sessions. One thread, SQLite, the median of
{_CALLS} calls in each round."""


def measure(setting: Setting) -> list[Report]:
    """The page, sign-ins in a second, transfers beside them, and look-ups and lists."""
    one, other = (_made(setting.directory(name)) for name in ("people", "people-beside"))
    with servers.production(one.config, processes.last_core()):
        found = [_page(setting, one.portal), _passwords(setting, one.crowd)]
    with servers.production(one.config) as server, servers.production(other.config):
        transfers = Transfers(server, clients.token(server, one.login), one.config.parent)
        found.append(_beside(setting, transfers, one.crowd, other.crowd))
    with seeding.administering(one.config) as exchange:
        session = _full(exchange)
        _fill(one.config, session)
        return [*found, _sessions(exchange, setting, session)]


@dataclass(frozen=True)
class Portal:
    """The production form with a portal, and one person who may sign in there."""

    config: Path
    portal: str
    crowd: Crowd
    login: seeding.Login


def _made(directory: Path) -> Portal:
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    port = processes.free_port()
    portal = f"http://localhost:{port}"
    with config.open("a") as more:
        more.write(f'\n[portal]\nlisten = "127.0.0.1:{port}"\npublic_url = "{portal}"\n')
        more.write('\n[mail]\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"\n')  # none goes
    with seeding.administering(config) as exchange:
        (login,) = seeding.seed(exchange, 1)
        new = NewPerson(_EMAIL, "Bench Person", seeding.ORG, Role.USER)
        ready = ReadyPerson(new, _PASSWORD, _SECRET)
        exchange.people.administration.have_ready(SYSTEM, ready)
    return Portal(config, portal, Crowd(portal, _EMAIL, _PASSWORD, _THREADS), login)


def _page(setting: Setting, portal: str) -> Report:
    report = Report("The sign-in page", _PAGE, ["bytes", "files", "median, ms"])
    browsing.weigh(portal)  # templates are read, pages are warm
    rounds = [[browsing.weigh(portal) for _ in range(_LOOKS)] for _ in range(setting.rounds)]
    size, files = max(each[0] for round_ in rounds for each in round_), rounds[0][0][1]
    taken = [1e3 * median(seconds for *_, seconds in round_) for round_ in rounds]
    report.rows.append([f"{size:,}", str(files), f"{median(taken):.1f}"])
    report.raw("ms", taken, 1)
    report.limit("sign-in page with its files", size, MOST_BYTES, " bytes")
    report.limit("sign-in page, median", median(taken), MOST_PAGE_MILLISECONDS, " ms")
    return report


def _passwords(setting: Setting, crowd: Crowd) -> Report:
    report = Report("People's passwords", _PASSWORDS, ["figure", "per second"])
    crowd.hurry(1)
    rates = [crowd.hurry(setting.seconds) for _ in range(setting.rounds)]
    report.rows.append(["sign-ins", f"{median(rates):,.1f}"])
    report.raw("sign-ins per second", rates, 1)
    report.aim("sign-ins on one core, median", median(rates), LEAST_SIGN_INS, "/s")
    return report


# --- beside transfers ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Transfers:
    """Uploads to a server, of a file that is removed again wherever it was kept."""

    server: servers.Server
    bearer: str
    directory: Path

    def megabytes(self, seconds: float) -> float:
        """One upload after the other for so long; MB in each second that one was under way."""
        file = self.directory / "sent"
        file.write_bytes(os.urandom(1 << 20) * (_FILE_BYTES >> 20))
        until, speeds = time.perf_counter() + seconds, []
        while time.perf_counter() < until:
            url = clients.upload_url(self.server, self.bearer, f"{uuid.uuid4().hex}.bin")
            done = clients.curl_put(url, file, None)
            assert (done.status, done.size) == (200, _FILE_BYTES), done
            speeds.append(done.seconds)
            for kept in (self.directory / "files" / "blobs").glob("*/*"):
                kept.unlink()
        return len(speeds) * _FILE_BYTES / sum(speeds) / 1e6


@dataclass
class Beside:
    """Rounds of transfers, and of the sign-ins made meanwhile."""

    speeds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def run(self, setting: Setting, transfers: Transfers, crowd: Crowd | None) -> None:
        if crowd is None:
            self.speeds.append(transfers.megabytes(setting.seconds))
            return
        began = time.perf_counter()
        with crowd.keeping(LEAST_SIGN_INS) as each:
            self.speeds.append(transfers.megabytes(setting.seconds))
        self.rates.append(len(each) / (time.perf_counter() - began))
        self.took.append(1e3 * median(each))


def _beside(setting: Setting, transfers: Transfers, here: Crowd, elsewhere: Crowd) -> Report:
    head = ["", "MB/s", "sign-ins a second", "median sign-in, ms"]
    report = Report("Transfers beside sign-ins", _BESIDE, head)
    crowds = {"alone": None, "with sign-ins elsewhere": elsewhere, "with sign-ins here": here}
    found = {name: Beside() for name in crowds}
    transfers.megabytes(1)
    for number in range(setting.rounds):
        for name in list(crowds) if number % 2 == 0 else list(reversed(crowds)):
            found[name].run(setting, transfers, crowds[name])
    for name, each in found.items():
        told = (
            [f"{median(each.rates):.1f}", f"{median(each.took):.0f}"] if each.rates else ["0", ""]
        )
        report.rows.append([name, f"{median(each.speeds):,.0f}", *told])
        report.raw(f"{name}, MB/s", each.speeds)
    alone, there, with_us = (each.speeds for each in found.values())
    share = median(a / b for a, b in zip(with_us, alone, strict=True))
    report.rounds.append(f"with sign-ins here to alone: {share:.2f}")
    ratio = median(a / b for a, b in zip(with_us, there, strict=True))
    report.aim("uploads with sign-ins here to those elsewhere", ratio, LEAST_RATIO, "")
    rate = median(found["with sign-ins here"].rates)
    report.aim("sign-ins beside uploads, median", rate, LEAST_SIGN_INS * 0.95, "/s")
    return report


# --- sessions ------------------------------------------------------------------------------------


def _fill(config: Path, session: Session) -> None:
    """So many sessions beside this one, some of them the same person's."""
    databases = connect(settings.load(config, {}))
    with databases.identity.transaction() as tx:
        kept = person_sessions.to_change(tx, session.id)
        assert kept is not None
        for number in range(SESSIONS):
            whose = session.person.id if number < OF_ONE else str(uuid.uuid4())
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
    visit, sign_in = Visit("10.200.0.1", "bench"), exchange.people.sign_in
    half = sign_in.begin(visit, _EMAIL, _PASSWORD).session
    app = next(each for each in sign_in.factors(half) if each.kind is FactorKind.AUTHENTICATOR)
    code = pyotp.TOTP(_SECRET).at(int(SystemClock().wall().timestamp()))
    return sign_in.verify(half, visit, app.id, code).session


def _timed(step: Callable[[], object]) -> float:
    """The median of so many calls, in milliseconds."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1e3
