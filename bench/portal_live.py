"""Many open pages: what they hold, what they cost, and how soon they show what changed."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import seeding, servers
from bench.portal import open_portal
from bench.processes import cpu_seconds, resident_bytes
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.people.sessions import Opening
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.people import Assurance, Role, Visit
from transom.frontends.portal.cookies import Cookie, Jar
from transom.frontends.portal.watching import MOST_OF_A_SESSION, Since
from transom.records import people
from transom.server.system import SystemClock

PAGES = 1_000
MOST_MIB, MOST_SECONDS = 100, 3
_FIRST = 8
_QUIET_SECONDS = 15.0
_FILES = 5
_OPEN_FILES = 8_192
_PASSWORD = "violet anchor tundra seven"
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_METHOD = f"""\
`transom-server run`, one process on loopback with SQLite; {PAGES:,} pages open, {MOST_OF_A_SESSION}
of each session, every session a person's of its own, all of one firm. Memory is the whole
process's beside what it was with {_FIRST} pages open. *Quiet*: nothing happens for
{_QUIET_SECONDS:.0f} s, sessions and rights are checked. *Told*: from a file's publication by
another process until all pages had it, {_FILES} files."""


def measure(setting: Setting, pages: int = PAGES) -> list[Report]:
    """Memory of open pages, their cost while nothing happens, and how soon they are told."""
    directory = setting.directory("portal-live")
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    port = open_portal(config)
    report = Report("Open pages of the portal", _METHOD, ["figure", "found"])
    with seeding.administering(config) as exchange, _many_files():
        seeding.seed(exchange, 1)
        sessions = [_session(exchange, each) for each in range(-(-pages // MOST_OF_A_SESSION))]
        with servers.production(config) as server:
            asyncio.run(_measured(exchange, port, server.pid, sessions, pages, report))
    return [report]


@contextmanager
def _many_files() -> Iterator[None]:
    """Let us, and the server that we start, hold as many connections as this takes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _session(exchange: Exchange, number: int) -> str:
    """A person with rights at the application, signed in; returns the cookie's value."""
    email = f"page{number:04}@northgate.example"
    ready = ReadyPerson(NewPerson(email, "Bench Person", ORG, Role.USER), _PASSWORD, _SECRET)
    person = exchange.people.administration.have_ready(SYSTEM, ready)
    granted = Entitlement(person.id, ORG, APPLICATION, "", Level.BOTH)
    exchange.administration.entitle(SYSTEM, granted)
    sessions = exchange.people.sign_in._sessions  # noqa: SLF001 - past passwords and codes
    with sessions._kit.identity.transaction() as tx:  # noqa: SLF001
        row = people.named(tx, email)
        assert row is not None
        opened = sessions.open(tx, row, Visit("127.0.0.1", "bench"), Opening(Assurance.FULL))
    return opened.token


@dataclass
class _Page:
    """An open page: when it was told of each file."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: list[float] = field(default_factory=list)

    async def follow(self) -> None:
        while line := await self.reader.readline():
            if line.startswith(b"event: news"):
                self.told.append(time.monotonic())


async def _opened(port: int, token: str) -> _Page:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    cookie = f"{Jar(secure=False).name(Cookie.SESSION)}={token}"
    since = Since(SystemClock().now(), is_page=True)
    head = f"GET /live?since={since} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\n\r\n"
    writer.write(head.encode())
    status = await reader.readline()
    assert b" 200 " in status, status
    while b"event: hello" not in await reader.readline():
        pass
    return _Page(reader, writer)


async def _measured(
    exchange: Exchange, port: int, pid: int, sessions: list[str], count: int, report: Report
) -> None:
    tokens = [sessions[each // MOST_OF_A_SESSION] for each in range(count)]
    pages = [await _opened(port, each) for each in tokens[:_FIRST]]
    before = resident_bytes(pid)
    began = time.monotonic()
    for at in range(_FIRST, count, 20):
        pages += await asyncio.gather(*(_opened(port, each) for each in tokens[at : at + 20]))
    rate = (count - _FIRST) / (time.monotonic() - began)
    following = [asyncio.create_task(each.follow()) for each in pages]
    cpu, quiet = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(_QUIET_SECONDS)
    share = (cpu_seconds(pid) - cpu) / (time.monotonic() - quiet)
    taken = [await _told(exchange, pages, each) for each in range(_FILES)]
    held = resident_bytes(pid) - before
    report.rows += [
        (f"memory of {count - _FIRST:,} pages", f"{held / (1 << 20):.1f} MiB"),
        ("memory of one", f"{held / (count - _FIRST) / 1000:.1f} kB"),
        ("opened per second", f"{rate:,.0f}"),
        ("quiet, of one core", f"{100 * share:.1f}%"),
        ("told, all pages", f"{median(taken):.2f} s"),
    ]
    report.raw("told, s", taken, 2)
    whole = held / (1 << 20) * PAGES / (count - _FIRST)
    report.limit(f"memory of {PAGES:,} pages", whole, MOST_MIB, " MiB")
    report.limit("told, all pages, median", median(taken), MOST_SECONDS, " s")
    for task, page in zip(following, pages, strict=True):
        task.cancel()
        page.writer.close()


async def _told(exchange: Exchange, pages: list[_Page], number: int) -> float:
    """Publish a file, and wait until every page had an event; seconds."""
    before = [len(each.told) for each in pages]
    began = time.monotonic()
    seeding.publish(exchange, f"news{number}.xml", [b"news"])
    while any(len(page.told) == known for page, known in zip(pages, before, strict=True)):
        assert time.monotonic() < began + 30, "a page was told nothing"
        await asyncio.sleep(0.005)
    return time.monotonic() - began
