"""Files at the portal: 1 GiB through a real browser beside curl, and a page of a million files."""

from __future__ import annotations

import hashlib
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import insert, text

from bench import clients, seeding, servers
from bench.portal import open_portal
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG
from bench.servers import Server
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.people import FactorKind, Role, Visit
from transom.frontends.portal.cookies import Cookie, Jar
from transom.records.database import Database
from transom.records.schema import listings
from transom.server import settings
from transom.server.assemble import connect
from transom.server.system import SystemClock

FILES = 1_000_000
LEAST_RATIO, MOST_MILLISECONDS = 0.6, 300
_ASKED = 20
_BATCH = 10_000
_MIB = 1 << 20
_CHROMIUM = "/usr/bin/chromium"
_PASSWORD = "violet anchor tundra seven"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_EMAIL = "files@northgate.example"
_NAME = "large.bin"
_TAKEN = """performance.getEntriesByType('resource')
  .findLast((each) => each.name.includes('/upload/')).duration"""
_SENT = """\
`transom-server run` on loopback with SQLite. The browser (headless Chromium by Playwright) sends
the file from the upload page of a place; the time is the browser's own, from the request to the end
of its answer. curl sends the same file by a pre-signed URL. Turns alternate; both ends share the
cores. Every upload was hashed, fsynced, archived and tracked, and the digest in its answer was the
file's. The ratio is the median of the rounds' ratios; the first round only warms up."""
_LISTED = f"""\
The page of a place with {FILES:,} files, by one signed-in person over new connections: the median
of {_ASKED} requests in each round, from the request to the last byte, by kind of page."""


def measure(setting: Setting, count: int = FILES) -> list[Report]:
    """MB/s of the browser and of curl; milliseconds of pages of a long listing."""
    return [_uploads(setting), _pages(setting, count)]


# --- uploads -------------------------------------------------------------------------------------


def _uploads(setting: Setting) -> Report:
    directory = setting.directory("portal-upload")
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    portal = f"http://localhost:{open_portal(config)}"
    file = directory / _NAME
    digest = _write(file, setting.file_bytes)
    with seeding.administering(config) as exchange:
        login = seeding.seed(exchange, 1)[0]
        session = _session(exchange)
    ours: list[float] = []
    theirs: list[float] = []
    with servers.production(config) as server, _signed_in(portal, session) as page:
        bearer = clients.token(server, login)
        for _ in range(setting.rounds + 1):
            ours.append(setting.file_bytes / 1e6 / _by_browser(page, portal, file, digest))
            theirs.append(setting.file_bytes / 1e6 / _by_curl(server, bearer, file))
            _make_room(directory / "files" / "blobs")
    ratio = median(a / b for a, b in zip(ours[1:], theirs[1:], strict=True))
    report = Report("Uploads at the portal", _SENT, ["sender", "MB/s, median"])
    for name, found in (("browser", ours[1:]), ("curl, pre-signed", theirs[1:])):
        report.rows.append([name, f"{median(found):,.0f}"])
        report.raw(f"{name}, MB/s", found)
    report.aim("browser beside curl", ratio, LEAST_RATIO, " x")
    return report


def _write(file: Path, size: int) -> str:
    """A file of this size that does not compress; returns its digest."""
    digest, block = hashlib.sha256(), hashlib.shake_256(b"bench").digest(_MIB)
    with file.open("wb") as out:
        for number in range(size // _MIB):
            piece = number.to_bytes(8) + block[8:]
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


@contextmanager
def _signed_in(portal: str, session: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        options = ["--disable-dev-shm-usage", "--no-sandbox"]
        browser: Browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=options)
        context = browser.new_context()
        name = Jar(secure=False).name(Cookie.SESSION)
        context.add_cookies([{"name": name, "value": session, "url": portal}])
        try:
            yield context.new_page()
        finally:
            browser.close()


def _by_browser(page: Page, portal: str, file: Path, digest: str) -> float:
    """Seconds of one upload, as the browser took them."""
    page.goto(f"{portal}/browse/{ORG}/{APPLICATION}/in")
    page.locator("#files").set_input_files(file)
    page.locator("#uploads [data-state]").wait_for(timeout=300_000)
    assert digest in page.locator("#uploads").inner_text()
    taken = page.evaluate(_TAKEN)
    return float(taken) / 1e3


def _by_curl(server: Server, bearer: str, file: Path) -> float:
    """Seconds of one upload by a signed URL."""
    done = clients.curl_put(clients.upload_url(server, bearer, _NAME), file, server.authority)
    assert done.status == 200, done
    return done.seconds


def _make_room(blobs: Path) -> None:
    for kept in blobs.glob("*/*"):
        kept.unlink()


# --- pages ---------------------------------------------------------------------------------------


def _pages(setting: Setting, count: int) -> Report:
    directory = setting.directory("portal-files")
    report = Report("Pages of files", _LISTED, ["database", "page", "median, ms"])
    with ExitStack() as stack:
        for kind, url in stack.enter_context(servers.databases(directory)).items():
            config = servers.configure(directory / kind, url)
            portal = f"http://localhost:{open_portal(config)}"
            with seeding.administering(config) as exchange:
                seeding.seed(exchange, 1)
                session = _session(exchange)
            databases = connect(settings.load(config, {}))
            _fill(databases.exchange, count)
            databases.dispose()
            stack.enter_context(servers.production(config))
            for name, path in _paths(count).items():
                ask = partial(_get, portal, session, path)
                found = [_timed(ask) for _ in range(setting.rounds)]
                report.rows.append([kind, name, f"{median(found):.1f}"])
                report.raw(f"{kind}, {name}, ms", found, 1)
                report.limit(f"{name}, {kind}", median(found), MOST_MILLISECONDS, " ms")
    return report


def _paths(count: int) -> dict[str, str]:
    place = f"/browse/{ORG}/{APPLICATION}/out"
    return {
        "first": place,
        "in the middle": f"{place}?after={_named(count // 2)}",
        "backwards": f"{place}?before={_named(count // 2)}",
        "by prefix": f"{place}?name={_named(count - 1)[:-2]}",
        "200 files": f"{place}?size=200",
        "application": f"/browse/{ORG}/{APPLICATION}",
    }


def _named(number: int) -> str:
    return f"result_{number:07}.csv"


def _fill(database: Database, count: int) -> None:
    """So many results at one place, all of the same bytes, which nobody fetches here."""
    rows = _rows(count)
    while batch := list(islice(rows, _BATCH)):
        with database.transaction() as tx:
            tx.execute(insert(listings), batch)
    if not database.is_sqlite:
        with database.transaction() as tx:
            tx.execute(text("ANALYZE listings"))


def _rows(count: int) -> Iterator[dict[str, object]]:
    now = SystemClock().now()
    for number in range(count):
        yield {
            "id": str(uuid.uuid4()),
            "direction": "outbound",
            "org": ORG,
            "application": APPLICATION,
            "sub_space": "out",
            "name": _named(number),
            "blob_key": "0" * 32,
            "size": 1_000 + number,
            "sha256": f"{number:064x}",
            "tracking_id": "",
            "listed_at": now - timedelta(seconds=count - number),
            "ends_at": now + timedelta(days=30),
        }


def _get(portal: str, session: str, path: str) -> None:
    cookie = {"Cookie": f"{Jar(secure=False).name(Cookie.SESSION)}={session}"}
    asked = urllib.request.Request(portal + path, headers=cookie)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 200
        answer.read()


def _timed(ask: partial[None]) -> float:
    """The median of so many requests, in milliseconds."""
    taken = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e3


# --- the person ----------------------------------------------------------------------------------


def _session(exchange: Exchange) -> str:
    """Somebody who may use the place is signed in: the value of the session's cookie."""
    new = NewPerson(_EMAIL, "Bench Person", ORG, Role.USER)
    ready = ReadyPerson(new, _PASSWORD, _SECRET)
    person = exchange.people.administration.have_ready(SYSTEM, ready)
    right = Entitlement(person.id, ORG, APPLICATION, "", Level.BOTH)
    exchange.administration.entitle(SYSTEM, right)
    sign_in, visit = exchange.people.sign_in, Visit("127.0.0.1", "bench")
    half = sign_in.begin(visit, _EMAIL, _PASSWORD).session
    app = next(each for each in sign_in.factors(half) if each.kind is FactorKind.AUTHENTICATOR)
    code = pyotp.TOTP(_SECRET).at(int(SystemClock().wall().timestamp()))
    return sign_in.verify(half, visit, app.id, code).session.token
