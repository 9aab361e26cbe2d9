"""The simulator: a whole exchange with a clock one can move, and short words to build it up.

    world.account("0001", may="both", application="app1")

Everything is the real thing: records on SQLite or PostgreSQL, blobs on disk, the core as assembled
for production. Only time is ours.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import requests
from sqlalchemy import Row, select

from transom.core import catalogue
from transom.core.administration import NewAccount
from transom.core.handoff import Claim, Lease
from transom.core.passwords import Argon2Cost
from transom.core.publishing import Result
from transom.core.retention import SYSTEM
from transom.core.tools import Tools
from transom.core.uploads import Upload
from transom.domain.entitlement import Actor, Entitlement, Level, PrincipalKind
from transom.domain.identity import Organization, PublicKey
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.space import Application, Direction, Emptied, OrgKind, SubSpace
from transom.domain.submission import AccessMethod, Client, Submission
from transom.messages.inbox import Inbox
from transom.records import migrate
from transom.records.schema import audit
from transom.server.courier import Courier
from transom.server.listeners import Listener, bind, run, serve
from transom.server.portal import Sandbox
from transom.server.program import Assembled, assemble
from transom.server.run import limits_of
from transom.server.sections import (
    BlobSettings,
    DatabaseSettings,
    ExchangeSettings,
    KeySettings,
    LimitSettings,
    Listen,
    LogSettings,
    MetricsSettings,
    PeopleSettings,
    PortalSettings,
    RestSettings,
    S3Settings,
    SupportSettings,
    TokenSettings,
)
from transom.server.settings import Settings
from transom.server.system import SystemEntropy

START = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)
CHEAP = Argon2Cost(memory_kib=8, passes=1)


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self._wall = at
        self._moved = timedelta(0)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._wall + self._moved

    def wall(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def pass_time(self, period: timedelta) -> None:
        """Let time pass as it does: every clock goes on."""
        self._wall += period
        self._monotonic += period.total_seconds()

    def jump(self, period: timedelta) -> None:
        """Set the machine's clock, forward or back: the monotonic one does not notice."""
        self._wall += period

    def move(self, period: timedelta) -> None:
        """Move the exchange's time, as a sandbox does; the world's stays."""
        self._moved += period


@dataclass(frozen=True)
class Account:
    """An account of the world, with its secret."""

    world: World
    id: str
    name: str
    secret: str
    source: str = "127.0.0.1"

    @property
    def actor(self) -> Actor:
        """Who acts for it right now."""
        return self.world.exchange.tokens.acting(self.id, self.source)

    def submit(self, path: str, content: bytes = b"content") -> Submission:
        """Upload a file and have it received: "0001/app1/in/file.zip"."""
        place, name = place_and_name(path)
        exchange = self.world.exchange
        asked = exchange.uploads.request(self.actor, place, name, Client(AccessMethod.REST))
        with exchange.uploads.resume(self.actor, asked.submission.tracking_id) as upload:
            upload.write(0, content)
            return upload.commit()

    def open(self, path: str) -> Upload:
        """Begin to receive a file at the SFTP door: "0001/app1/in/file.zip"."""
        place, name = place_and_name(path)
        client = Client(AccessMethod.SFTP, self.source, "tester/1.0")
        return self.world.exchange.uploads.open(self.actor, place, name, client)

    def hold(self, path: str, content: bytes = b"content") -> Submission:
        """Upload a file under a temporary name: "0001/app1/in/file.zip.filepart"."""
        with self.open(path) as upload:
            upload.write(0, content)
            return upload.hold()

    def rename(self, path: str, new_name: str) -> Submission:
        """Give what it holds another name."""
        place, name = place_and_name(path)
        uploads = self.world.exchange.uploads
        return uploads.rename_held(self.actor, place, name, FileName(new_name))

    def names(self, place: str) -> list[str]:
        """The names of the files that it sees at a place."""
        pages = self.world.exchange.browse.files(self.actor, Place.parse(place))
        return [each.name for page in pages for each in page]

    def fetch(self, path: str) -> bytes:
        """Download a file whole."""
        place, name = place_and_name(path)
        downloads = self.world.exchange.downloads
        opened = downloads.open(self.actor, downloads.find(self.actor, place, name))
        try:
            return b"".join(iter(lambda: opened.reader.read(1 << 16), b""))
        finally:
            opened.reader.close()


@dataclass(frozen=True)
class Processor:
    """An application's own account, and what it does all day."""

    account: Account
    application: str

    @property
    def actor(self) -> Actor:
        return self.account.actor

    def claim(self, limit: int = 10, minutes: float = 5) -> tuple[Lease, ...]:
        asked = Claim(self.application, limit, timedelta(minutes=minutes))
        return self.account.world.exchange.handoff.claim(self.actor, asked)

    def publish(self, path: str, content: bytes = b"result", about: str = "") -> Listing:
        place, name = place_and_name(path)
        result = Result(place.application, place.sub_space, name, (place.org,), about)
        with self.account.world.exchange.publishing.begin(self.actor, result) as publication:
            publication.feed(content)
            (listing,) = publication.commit()
            return listing


@dataclass
class World:
    """One exchange under test. Organizations 0001 and 0002 are firms; app1 and app2 exist."""

    program: Assembled
    clock: MovableClock
    directory: Path
    inbox: Inbox
    _count: int = field(default=0, repr=False)

    @property
    def exchange(self):  # noqa: ANN201
        return self.program.exchange

    @property
    def database(self):  # noqa: ANN201
        return self.program.databases.exchange

    @property
    def tools(self) -> Tools:
        """What its services are made of: a test may put a failing disk in place of the disk."""
        return self.exchange.uploads._tools

    def audited(self, *actions: str) -> list[Row[Any]]:
        """The audit entries of these actions (or all), oldest first, from both databases."""
        query = select(audit).order_by(audit.c.id)
        if actions:
            query = query.where(audit.c.action.in_(actions))
        found = []
        for database in self.program.databases.each():
            with database.reading() as tx:
                found += tx.execute(query).all()
        return found

    def organization(self, org: str, kind: OrgKind = OrgKind.FIRM) -> None:
        self.exchange.administration.add_organization(SYSTEM, Organization(org, f"Org {org}", kind))

    def application(
        self, name: str, *, emptied: Emptied = Emptied.LEASED, gate: str = "", days: int = 30
    ) -> None:
        spaces = (
            SubSpace(name, "in", Direction.INBOUND, emptied=emptied, archived=True, gate=gate),
            SubSpace(name, "out", Direction.OUTBOUND, retention_days=days),
        )
        made = Application(name, name.upper(), {space.name: space for space in spaces})
        self.exchange.administration.load_catalogue(SYSTEM, [made])

    def guide_catalogue(self) -> None:
        """Load every application of the guide's section 9."""
        self.exchange.administration.load_catalogue(SYSTEM, catalogue.read(catalogue.GUIDE))

    def account(
        self,
        org: str = "0001",
        may: str = "both",
        application: str = "app1",
        sub_space: str = "",
        networks: Sequence[str] = (),
    ) -> Account:
        """An account with one entitlement, in its own organization."""
        self._count += 1
        new = NewAccount(f"{org}ftp{self._count:02}", org, networks=tuple(networks))
        principal, secret = self.exchange.administration.add_account(SYSTEM, new)
        account = Account(self, principal.id, principal.name, secret)
        self.entitle(account, org, application, may, sub_space)
        return account

    def entitle(
        self, account: Account, org: str, application: str, may: str, sub_space: str = ""
    ) -> Entitlement:
        granted = Entitlement(account.id, org, application, sub_space, Level(may))
        self.exchange.administration.entitle(SYSTEM, granted)
        return granted

    def key(self, account: Account, label: str = "", ends_at: datetime | None = None) -> PublicKey:
        """A fresh public key that opens this account."""
        key = public_key()
        admin = self.exchange.administration
        assert admin.add_key(SYSTEM, account.name, key, label, ends_at)
        return key

    def processor(self, application: str = "app1") -> Processor:
        """An account that speaks for an application."""
        self._count += 1
        new = NewAccount(f"{application}-{self._count:02}", "0001", PrincipalKind.APPLICATION)
        principal, secret = self.exchange.administration.add_account(SYSTEM, new)
        account = Account(self, principal.id, principal.name, secret)
        self.entitle(account, "", application, "process")
        return Processor(account, application)

    @contextmanager
    def serving(self) -> Iterator[Served]:
        """The world behind its real listeners, in a thread."""
        settings = self.program.settings
        limits = limits_of(settings)
        doors = (settings.rest, settings.s3, settings.portal)
        sockets = [bind("127.0.0.1", each.listen.port) for each in doors]
        apps = (self.program.rest, self.program.s3, self.program.portal)
        listeners = [
            Listener(sock, app, None, (), limits) for sock, app in zip(sockets, apps, strict=True)
        ]
        ready, stop = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        def on_ready() -> None:
            loops.append(asyncio.get_running_loop())
            ready.set()

        thread = threading.Thread(
            target=run,
            args=(serve(listeners, on_ready=on_ready, on_stop=self.program.drain, stop=stop),),
            daemon=True,
        )
        courier = Courier(self.exchange.people.post)
        thread.start()
        courier.start()
        assert ready.wait(20)
        try:
            public = (settings.rest, settings.s3, settings.portal)
            yield Served(*(str(each.public_url) for each in public))
        finally:
            courier.ask_to_stop()
            courier.join(20)
            loops[0].call_soon_threadsafe(stop.set)
            thread.join(20)
            assert not thread.is_alive()


@dataclass(frozen=True)
class Served:
    """Where a world listens."""

    rest: str
    s3: str
    portal: str

    def caller(self, account: Account) -> Caller:
        """A program that signs in as this account, as the guide's samples do."""
        url = f"{self.rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"
        answer = requests.post(url, auth=(account.name, account.secret), timeout=20)
        return Caller(self, answer.json()["access_token"])


@dataclass(frozen=True)
class Caller:
    """A program with a bearer token, talking to a served world."""

    served: Served
    token: str

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request to the REST API. The path goes out as it stands: "/files/0001"."""
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        prepared = requests.Request(method, self.served.rest, headers=headers, **options).prepare()
        prepared.url = self.served.rest + path
        with requests.Session() as session:
            return session.send(prepared, timeout=20, allow_redirects=False)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def listing(self, path: str) -> Any:
        """The JSON of a level or a file."""
        answer = self.get(f"/files/{path}".rstrip("/"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def names(self, path: str) -> list[str]:
        return [child["name"] for child in self.listing(path)["children"]]

    def request_upload(self, path: str, **headers: str) -> Any:
        """Step 1 of an upload: "0001/app1/in/file.zip"."""
        answer = self.ask("PUT", f"/files/{path}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, path: str, content: bytes = b"content") -> str:
        """Both steps; returns the tracking id."""
        offer = self.request_upload(path)
        headers = {"Content-Type": "application/octet-stream"}
        answer = requests.put(offer["preSignedUrl"], content, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return str(offer["trackingId"])

    def tracked(self, tracking_id: str) -> Any:
        """The tracking record of one submission."""
        answer = self.get(f"/tracking?id={tracking_id}")
        assert answer.status_code == 200, answer.text
        (record,) = answer.json()
        return record


@contextmanager
def access_log() -> Iterator[queue.SimpleQueue[logging.LogRecord]]:
    """The lines that requests leave in the log, as they come."""
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler, logger = QueueHandler(lines), logging.getLogger("transom.access")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def xml(answer: requests.Response) -> ET.Element:
    """The root of an answer in XML."""
    assert answer.headers["Content-Type"] == "application/xml", answer.text
    return ET.fromstring(answer.content)  # noqa: S314 - our own answer, and expat is bounded


def place_and_name(path: str) -> tuple[Place, FileName]:
    place, _, name = path.rpartition("/")
    return Place.parse(place), FileName(name)


def public_key() -> PublicKey:
    """A public key that nobody has."""
    parts = (b"ssh-ed25519", secrets.token_bytes(32))
    return PublicKey("ssh-ed25519", key_blob(*parts))


def key_blob(*parts: bytes) -> bytes:
    """Length-prefixed strings, one after the other, as SSH writes them."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def tracking_id() -> str:
    return str(uuid.uuid4())


@contextmanager
def made(
    directory: Path,
    url: str,
    clock: MovableClock | None = None,
    identity_url: str | None = None,
    people: Mapping[str, object] | None = None,
    cost: Argon2Cost = CHEAP,
    **exchange: object,
) -> Iterator[World]:
    """A world on this database (which is brought up to the present schema).

    With `identity_url` who there is lives apart from what is exchanged.
    """
    directory.mkdir(exist_ok=True)
    keys = directory / "keys"
    keys.write_text(f"test:{secrets.token_hex(32)}\n")
    keys.chmod(0o600)
    rest, s3, portal = _free_port(), _free_port(), _free_port()
    settings = Settings(
        database=DatabaseSettings(url=url, identity_url=identity_url, pool_size=4),
        blobs=BlobSettings(root=directory / "files"),
        keys=KeySettings(file=keys),
        rest=RestSettings(listen=Listen("127.0.0.1", rest), public_url=f"http://127.0.0.1:{rest}"),
        token=TokenSettings(),
        s3=S3Settings(
            listen=Listen("127.0.0.1", s3),
            public_url=f"http://127.0.0.1:{s3}",
            virtual_host_domain="localhost",
        ),
        portal=PortalSettings(
            listen=Listen("127.0.0.1", portal), public_url=f"http://localhost:{portal}"
        ),
        people=PeopleSettings(**(people or {})),  # type: ignore[arg-type]
        metrics=MetricsSettings(),
        exchange=ExchangeSettings(**exchange),  # type: ignore[arg-type]
        limits=LimitSettings(),
        support=SupportSettings(phone="800-555-0100"),
        logs=LogSettings(),
    )
    clock = clock or MovableClock()
    inbox = Inbox(clock)
    program = assemble(settings, clock, SystemEntropy(), cost, Sandbox(inbox, ()))
    try:
        for database in program.databases.each():
            migrate.up(database)
        world = World(program, clock, directory, inbox)
        for org in ("0001", "0002"):
            world.organization(org)
        for name in ("app1", "app2"):
            world.application(name)
        yield world
    finally:
        program.close()


def _free_port() -> int:
    with bind("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])
