"""The firm's portal: its home and its list of submissions, with a long history behind them."""

from __future__ import annotations

import re
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pyotp
from sqlalchemy import insert

from bench import seeding, servers
from bench.processes import free_port
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.people import FactorKind, Role, Visit
from transom.frontends.portal.cookies import Cookie, Jar
from transom.records.database import Database
from transom.records.schema import findings, submissions
from transom.server import settings
from transom.server.assemble import connect
from transom.server.system import SystemClock

SUBMISSIONS = 100_000
MOST_BYTES, MOST_MILLISECONDS = 100_000, 200
_DAYS = 89
_ASKED = 30
_BATCH = 5_000
_REFUSED_EVERY, _WAITING = 50, 40
_PASSWORD = "violet anchor tundra seven"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_EMAIL = "bench@northgate.example"
_OURS = re.compile(r'(?:href|src)="(/static/[^"]+)"')
_METHOD = f"""\
`transom-server run` on loopback with SQLite, asked by one signed-in person of a firm with
{SUBMISSIONS:,} submissions of {_DAYS} days: every {_REFUSED_EVERY}th was refused with findings, and
{_WAITING} wait for their answer. Each round asks for a page {_ASKED} times over new connections and
takes the median, from the request to the last byte. Bytes are those of the page and of all that it
names, uncompressed. *Found nowhere* reads all there is."""


@dataclass(frozen=True)
class _Reader:
    """A signed-in person's browser, as far as it asks for pages."""

    portal: str
    session: str

    def get(self, path: str) -> bytes:
        cookie = {"Cookie": f"{Jar(secure=False).name(Cookie.SESSION)}={self.session}"}
        asked = urllib.request.Request(self.portal + path, headers=cookie)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 200
            return bytes(answer.read())

    def bytes_of(self, path: str) -> int:
        """The page's own bytes, and those of each file that it names."""
        page = self.get(path)
        return len(page) + sum(len(self.get(each)) for each in set(_OURS.findall(page.decode())))


def measure(setting: Setting, count: int = SUBMISSIONS) -> list[Report]:
    """Milliseconds and bytes of the home, and of the list of submissions."""
    directory = setting.directory("portal")
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    portal = f"http://localhost:{open_portal(config)}"
    with seeding.administering(config) as exchange:
        seeding.seed(exchange, 1)
        person = _person(exchange)
        databases = connect(settings.load(config, {}))
        _fill(databases.exchange, exchange.administration.account(f"{ORG}bench000").id, count)
        databases.dispose()
        session = _sign_in(exchange)
    report = Report("The portal's pages", _METHOD, ["page", "median, ms", "bytes in all"])
    with servers.production(config):
        reader = _Reader(portal, session)
        assert person in reader.get("/home").decode()
        for name, path in _PAGES.items():
            found = [_timed(lambda path=path: reader.get(path)) for _ in range(setting.rounds)]
            size = reader.bytes_of(path)
            report.rows.append([name, f"{median(found):.1f}", f"{size:,}"])
            report.raw(f"{name}, ms", found, 1)
            report.limit(f"{name}, median", median(found), MOST_MILLISECONDS, " ms")
            if name == "home":
                report.limit("home, all its files", size, MOST_BYTES, " bytes")
    return [report]


_PAGES = {
    "home": "/home",
    "submissions": "/submissions",
    "submissions, rejected": "/submissions?state=rejected",
    "submissions, found nowhere": "/submissions?q=nowhere",
}


def open_portal(config: Path) -> int:
    """Add the portal to the settings; returns its port."""
    port = free_port()
    door = f'\n[portal]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://localhost:{port}"\n'
    mail = f'\n[mail]\nhost = "127.0.0.1"\nport = {free_port()}\nsecurity = "none"\n'
    config.write_text(config.read_text() + door + mail)
    return port


def _person(exchange: Exchange) -> str:
    name = "Bench Person"
    ready = ReadyPerson(NewPerson(_EMAIL, name, ORG, Role.USER), _PASSWORD, _SECRET)
    person = exchange.people.administration.have_ready(SYSTEM, ready)
    right = Entitlement(person.id, ORG, APPLICATION, "", Level.BOTH)
    exchange.administration.entitle(SYSTEM, right)
    return name


def _sign_in(exchange: Exchange) -> str:
    """The value of the session's cookie."""
    sign_in, visit = exchange.people.sign_in, Visit("127.0.0.1", "bench")
    half = sign_in.begin(visit, _EMAIL, _PASSWORD).session
    app = next(each for each in sign_in.factors(half) if each.kind is FactorKind.AUTHENTICATOR)
    code = pyotp.TOTP(_SECRET).at(int(SystemClock().wall().timestamp()))
    return sign_in.verify(half, visit, app.id, code).session.token


def _fill(database: Database, account: str, count: int) -> None:
    """So many submissions of one account, the last just now."""
    rows = _submissions(account, count)
    while batch := list(islice(rows, _BATCH)):
        found = [
            {
                "tracking_id": each["tracking_id"],
                "ordinal": 0,
                "record": "NGS-2026-0312",
                "field": "branch-zip",
                "code": "B-1",
                "text": "Must be 5 digits.",
            }
            for each in batch
            if each["state"] in {"rejected", "partially_rejected"}
        ]
        with database.transaction() as tx:
            tx.execute(insert(submissions), batch)
            if found:
                tx.execute(insert(findings), found)


def _submissions(account: str, count: int) -> Iterator[dict[str, object]]:
    now = SystemClock().now()
    step = timedelta(days=_DAYS) / count
    for number in range(count):
        at = now - step * (count - number)
        state = "accepted"
        if number >= count - _WAITING:
            state = "received"
        elif number % _REFUSED_EVERY == 0:
            state = "rejected" if number % (2 * _REFUSED_EVERY) else "partially_rejected"
        answered = None if state == "received" else at + timedelta(minutes=4)
        yield {
            "tracking_id": str(uuid.uuid4()),
            "principal_id": account,
            "user_name": f"{ORG}bench000",
            "home_org": ORG,
            "org": ORG,
            "application": APPLICATION,
            "sub_space": "in",
            "name": f"filing_{number:06}.xml",
            "method": "rest",
            "source": "127.0.0.1",
            "software": "bench",
            "request_id": "bench",
            "state": state,
            "reason": "",
            "gate": "",
            "size": 1_000 + number,
            "sha256": f"{number:064x}",
            "bytes_seen": 1_000 + number,
            "requested_at": at,
            "submitted_at": at,
            "received_at": at,
            "answered_at": answered,
            "updated_at": answered or at,
        }


def _timed(step: Callable[[], object]) -> float:
    """The median of so many calls, in milliseconds."""
    taken = []
    for _ in range(_ASKED):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return median(taken) * 1e3
