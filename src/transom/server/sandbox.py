"""The demonstration world: a whole exchange on loopback, with organizations, accounts and files.

Nothing of it exists in `run`: the production form has no route, flag or account of the demo.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from transom.client.presets import Server
from transom.connector import Worker
from transom.core import catalogue
from transom.core.administration import OPERATOR, NewAccount
from transom.core.exchange import Exchange
from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.publishing import Result
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level, PrincipalKind
from transom.domain.errors import WrongState
from transom.domain.identity import Organization
from transom.domain.names import FileName, Place
from transom.domain.people import Person, Role
from transom.domain.space import Application, Direction, OrgKind, SubSpace
from transom.frontends.portal.inbox import InboxPage
from transom.frontends.token.routes import PATH as TOKEN_PATH
from transom.messages.inbox import Inbox
from transom.processors.rule_4530.processor import APPLICATION as RULE_4530
from transom.processors.rule_4530.processor import worker_for
from transom.records import migrate
from transom.server import tls
from transom.server.card import card
from transom.server.demo_application import Beside, accept
from transom.server.demo_files import demo_pdf, demo_zip
from transom.server.failures import DemoBusy, UnknownApplication
from transom.server.listeners import Listener
from transom.server.portal import Sandbox
from transom.server.program import Assembled, assemble
from transom.server.run import bound, limits_of, serve_until_stopped
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
    SftpSettings,
    SupportSettings,
    TlsSettings,
    TokenSettings,
)
from transom.server.settings import Settings
from transom.server.sftp import SftpListener, host_keys_of, sftp_door
from transom.server.system import SystemClock, SystemEntropy

LOOPBACK = "127.0.0.1"
APPLICATIONS = ("app1", "app2")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `transom-server demo` was asked for. Port 0 is any free port."""

    data: Path
    http_port: int
    s3_port: int
    tls: bool = False
    ready_file: Path | None = None
    mine: tuple[str, ...] = ()
    """Applications that the developer connects himself."""
    sftp_port: int = 0
    portal_port: int = 0


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account of the demo, as the ready file and the card show it."""

    user: str
    password: str
    org: str
    access: str
    lockout: bool = False


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person of the demo: all that it takes to sign in at the portal."""

    email: str
    password: str
    totp_secret: str
    role: str
    org: str


@dataclass(frozen=True, slots=True)
class DemoApplication:
    """An application of the demo, and its own account."""

    application: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    org: str
    access: Level
    lockout: bool = False
    also: tuple[str, ...] = ()
    """Applications beside the examples."""


_ORGANIZATIONS = (
    Organization("0001", "Northgate Securities", OrgKind.FIRM),
    Organization("0002", "Harbor Street Markets", OrgKind.FIRM),
    Organization("0900", "State Designating Authority", OrgKind.DESIGNATING_AUTHORITY),
)
_ACCOUNTS = (
    _Wanted("0001ftp01", "0001", Level.BOTH, also=(RULE_4530,)),
    _Wanted("0001ftp02", "0001", Level.DOWNLOAD),
    _Wanted("0001ftp03", "0001", Level.SUBMIT),
    _Wanted("0001ftp09", "0001", Level.BOTH, lockout=True),
    _Wanted("0002ftp01", "0002", Level.BOTH),
)
_PEOPLE = (
    (NewPerson("maria.alvarez@northgate.example", "Maria Alvarez", "0001", Role.USER), "firm user"),
    (
        NewPerson("tom.okafor@northgate.example", "Tom Okafor", "0001", Role.SUPER_ADMINISTRATOR),
        "firm administrator",
    ),
    (NewPerson("sam.reyes@harborstreet.example", "Sam Reyes", "0002", Role.USER), "firm user"),
    (
        NewPerson("lena.fischer@operator.example", "Lena Fischer", OPERATOR.id, Role.ENTITLEMENT),
        "operator",
    ),
)
_APPLICATIONS_OF_PEOPLE = {"0001": (*APPLICATIONS, RULE_4530), "0002": APPLICATIONS}
_TOTP_BYTES = 20
EVERYTHING = "0001all01"
"""The account that is entitled to the whole catalogue of the guide, as far as firms may be."""


def run_demo(options: DemoOptions) -> None:
    """Run the demonstration world in the foreground until SIGTERM or SIGINT.

    Raises:
        DemoBusy: another one runs on the same data.
        UnknownApplication: one that the developer wants to connect is none of the demo's.
        CannotListen: a port is taken, or not allowed.
        OSError: the data cannot be written.
    """
    options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one(options.data), _announced(options.ready_file) as announce:
        rest = bound(Listen(LOOPBACK, options.http_port))
        s3 = bound(Listen(LOOPBACK, options.s3_port))
        sftp = bound(Listen(LOOPBACK, options.sftp_port))
        portal = bound(Listen(LOOPBACK, options.portal_port))
        certificates = (
            tls.demo_authority(options.data / "tls", SystemClock().wall()) if options.tls else None
        )
        settings = _settings(options, _Sockets(rest, s3, sftp, portal))
        program = _program(settings)
        accounts = _accounts(program.exchange, options.data)
        people = _people(program.exchange, options.data)
        logins = _logins(program.exchange, options.data)
        mine = _mine(options, logins)
        context = None if certificates is None else tls.server_context(_tls(certificates))
        limits = limits_of(settings)
        listeners = [
            Listener(rest, program.rest, context, (), limits),
            Listener(s3, program.s3, context, (), limits),
            # Plain: passkeys want a certificate that browsers trust, or http://localhost.
            Listener(portal, _portal(program), None, (), limits),
        ]
        door = sftp_door(settings, program.exchange, program.workers)
        ready = _ready(settings, certificates, accounts)
        ready["people"] = [asdict(person) for person in people]
        if mine:
            ready["applications"] = [asdict(login) for login in mine]

        def on_ready() -> None:
            print(card(ready, options.data.resolve(), EVERYTHING), flush=True)  # noqa: T201
            announce(ready)

        ours = [login for login in logins if login not in mine]
        beside = _beside(ready, ours)
        serve_until_stopped(program, listeners, on_ready, beside, [SftpListener(sftp, door)])


def _mine(options: DemoOptions, logins: list[DemoApplication]) -> list[DemoApplication]:
    """The logins of the applications that the developer connects himself."""
    known = {login.application: login for login in logins}
    for name in options.mine:
        if name not in known:
            raise UnknownApplication(
                f"The demo runs no application {name}. You can connect {', '.join(known)}."
            )
    return [known[name] for name in dict.fromkeys(options.mine)]


def _ready(
    settings: Settings, certificates: tls.DemoCertificates | None, accounts: list[DemoAccount]
) -> dict[str, Any]:
    """What the ready file holds."""
    s3, sftp = settings.s3, settings.sftp.listen
    host_key = host_keys_of(settings).every()[0]
    return {
        "rest": settings.rest.public_url,
        "token_url": settings.token_public_url + TOKEN_PATH,
        "s3": {"endpoint": s3.public_url, "region": s3.region, "bucket": s3.bucket},
        "portal": settings.portal.public_url,
        "sftp": {
            "host": LOOPBACK,
            "port": sftp.port if sftp else 0,
            "host_key": host_key.line,
        },
        "pid": os.getpid(),
        "ca": None if certificates is None else str(certificates.authority.resolve()),
        "accounts": [asdict(account) for account in accounts],
    }


@contextmanager
def _announced(file: Path | None) -> Iterator[Callable[[dict[str, object]], None]]:
    """What writes the ready file. There is none before, not even a dead demo's, and none after."""
    if file is None:
        yield lambda _ready: None
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    try:
        yield lambda ready: _write_private(file, json.dumps(ready, indent=2) + "\n")
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise DemoBusy(
                f"Another demo runs on {data}. Stop it, or use another directory: --data DIR"
            ) from taken
        yield


def _program(settings: Settings) -> Assembled:
    """The whole, on the present schema; what it says to people stays in its inbox."""
    clock = SystemClock()
    inbox = Inbox(clock)
    pages = (InboxPage(inbox).route(),)
    program = assemble(settings, clock, SystemEntropy(), sandbox=Sandbox(inbox, pages))
    for database in program.databases.each():
        migrate.up(database)
    return program


@dataclass(frozen=True, slots=True)
class _Sockets:
    rest: socket.socket
    s3: socket.socket
    sftp: socket.socket
    portal: socket.socket


def _portal(program: Assembled) -> ASGIApp:
    assert program.portal is not None  # noqa: S101 - the demo's settings name its address
    return program.portal


def _settings(options: DemoOptions, sockets: _Sockets) -> Settings:
    rest, s3, sftp, portal = sockets.rest, sockets.s3, sockets.sftp, sockets.portal
    keys = options.data / "keys"
    if not keys.exists():
        _write_private(keys, f"demo:{secrets.token_hex(32)}\n")
    scheme = "https" if options.tls else "http"

    def url(bound: socket.socket) -> str:
        return f"{scheme}://{LOOPBACK}:{bound.getsockname()[1]}"

    def at(bound: socket.socket) -> Listen:
        return Listen(LOOPBACK, bound.getsockname()[1])

    return Settings(
        database=DatabaseSettings(url=f"sqlite:///{(options.data / 'transom.db').resolve()}"),
        blobs=BlobSettings(root=options.data / "files"),
        keys=KeySettings(file=keys),
        rest=RestSettings(listen=at(rest), public_url=url(rest), extra_hosts=("localhost",)),
        token=TokenSettings(),
        s3=S3Settings(listen=at(s3), public_url=url(s3), virtual_host_domain="localhost"),
        sftp=SftpSettings(listen=at(sftp), host_key_directory=options.data / "ssh"),
        portal=PortalSettings(
            listen=at(portal), public_url=f"http://localhost:{portal.getsockname()[1]}"
        ),
        people=PeopleSettings(remember_hours=12),
        metrics=MetricsSettings(),
        exchange=ExchangeSettings(),
        limits=LimitSettings(),
        support=SupportSettings(),
        logs=LogSettings(),
    )


def _tls(made: tls.DemoCertificates) -> TlsSettings:
    return TlsSettings(
        certificate_file=made.certificate,
        key_file=made.key,
        ecdsa_certificate_file=made.ecdsa_certificate,
        ecdsa_key_file=made.ecdsa_key,
    )


# --- the world ---------------------------------------------------------------------------------


def _accounts(exchange: Exchange, data: Path) -> list[DemoAccount]:
    """The demo's accounts; made, with everything around them, the first time on this data."""
    kept = data / "accounts.json"
    if not kept.exists():
        accounts = _seed(exchange, data)
        _write_private(kept, json.dumps([asdict(account) for account in accounts], indent=2))
    return [DemoAccount(**each) for each in json.loads(kept.read_text(encoding="utf-8"))]


def _seed(exchange: Exchange, data: Path) -> list[DemoAccount]:
    """Make the world. What a demo that was killed meanwhile made already is used as it is."""
    admin = exchange.administration
    for org in _ORGANIZATIONS:
        with suppress(WrongState):
            admin.add_organization(SYSTEM, org)
    guide = catalogue.read(catalogue.GUIDE)
    admin.load_catalogue(SYSTEM, [*guide, *(_application(name) for name in APPLICATIONS)])
    everywhere = tuple(application.name for application in guide)
    everything = _Wanted(EVERYTHING, "0001", Level.BOTH, also=everywhere)
    accounts = [_account(exchange, wanted) for wanted in (*_ACCOUNTS, everything)]
    _logins(exchange, data)
    _seed_files(exchange, accounts[0].user)
    return accounts


def _people(exchange: Exchange, data: Path) -> list[DemoPerson]:
    """The demo's people, enrolled; made the first time on this data."""
    kept = data / "people.json"
    if not kept.exists():
        made = [
            DemoPerson(new.email, _words(), _totp_secret(), role, new.org) for new, role in _PEOPLE
        ]
        _write_private(kept, json.dumps([asdict(person) for person in made], indent=2))
    exchange.administration.have_operator(SYSTEM)
    people = [DemoPerson(**each) for each in json.loads(kept.read_text(encoding="utf-8"))]
    for person, (new, _) in zip(people, _PEOPLE, strict=True):
        ready = ReadyPerson(new, person.password, person.totp_secret)
        made_person = exchange.people.administration.have_ready(SYSTEM, ready)
        _entitle(exchange, made_person)
    return people


def _entitle(exchange: Exchange, person: Person) -> None:
    """What the demo's first account of a firm may do, its people may do too."""
    applications = _APPLICATIONS_OF_PEOPLE.get(person.org, ())
    for name in applications:
        entitlement = Entitlement(person.id, person.org, name, "", Level.BOTH)
        exchange.administration.entitle(SYSTEM, entitlement)


def _words() -> str:
    """A password that can be typed from a screen."""
    return "-".join(secrets.token_hex(2) for _ in range(3))


def _totp_secret() -> str:
    return base64.b32encode(secrets.token_bytes(_TOTP_BYTES)).decode()


def _application(name: str) -> Application:
    spaces = (
        SubSpace(name, "in", Direction.INBOUND, archived=True),
        SubSpace(name, "out", Direction.OUTBOUND, retention_days=30),
    )
    return Application(name, f"Example {name}", {space.name: space for space in spaces})


def _account(exchange: Exchange, wanted: _Wanted) -> DemoAccount:
    admin = exchange.administration
    try:
        principal, secret = admin.add_account(SYSTEM, NewAccount(wanted.name, wanted.org))
    except WrongState:
        principal = admin.account(wanted.name)
        secret = admin.rotate_secret(SYSTEM, wanted.name)
    for name in (*APPLICATIONS, *wanted.also):
        admin.entitle(SYSTEM, Entitlement(principal.id, wanted.org, name, "", wanted.access))
    return DemoAccount(wanted.name, secret, wanted.org, wanted.access, wanted.lockout)


def _seed_files(exchange: Exchange, reader: str) -> None:
    """The two files of the guide's examples, as far as this account does not see them yet."""
    application, place = APPLICATIONS[0], Place.parse(f"0001/{APPLICATIONS[0]}/out")
    tokens, admin = exchange.tokens, exchange.administration
    sees = tokens.acting(admin.account(reader).id, "")
    there = {each.name for page in exchange.browse.files(sees, place) for each in page}
    publisher = tokens.acting(admin.account(_processor(application)).id, "")
    for file, content in (("file1.zip", demo_zip()), ("file2.pdf", demo_pdf())):
        if file not in there:
            result = Result(place.application, place.sub_space, FileName(file), (place.org,))
            with exchange.publishing.begin(publisher, result) as publication:
                publication.feed(content)
                publication.commit()


def _processor(application: str) -> str:
    return f"{application}-processor"


# --- the applications ----------------------------------------------------------------------------


def _logins(exchange: Exchange, data: Path) -> list[DemoApplication]:
    """The applications' own accounts; made the first time on this data."""
    kept = data / "applications.json"
    if not kept.exists():
        logins = [_login(exchange, name) for name in (*APPLICATIONS, RULE_4530)]
        _write_private(kept, json.dumps([asdict(login) for login in logins], indent=2))
    return [DemoApplication(**each) for each in json.loads(kept.read_text(encoding="utf-8"))]


def _login(exchange: Exchange, application: str) -> DemoApplication:
    admin, name = exchange.administration, _processor(application)
    try:
        new = NewAccount(name, "0001", PrincipalKind.APPLICATION)
        principal, secret = admin.add_account(SYSTEM, new)
    except WrongState:
        principal, secret = admin.account(name), admin.rotate_secret(SYSTEM, name)
    entitlement = Entitlement(principal.id, "", application, "", Level.PROCESS)
    admin.entitle(SYSTEM, entitlement)
    return DemoApplication(application, name, secret)


def _beside(ready: dict[str, Any], logins: Iterable[DemoApplication]) -> list[Beside]:
    """A worker for each of these applications, in a thread of its own."""
    server = Server(ready["rest"], ready["token_url"], "demo")
    authority = Path(ready["ca"]) if ready["ca"] else None
    return [Beside(each.application, _worker(server, each, authority)) for each in logins]


def _worker(server: Server, login: DemoApplication, authority: Path | None) -> Worker:
    if login.application == RULE_4530:
        return worker_for(server, login.user, login.password, authority)
    worker = Worker(server, login.user, login.password, ca_file=authority, concurrency=2)
    worker.on(f"{login.application}/in")(accept)
    return worker


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all at once."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
