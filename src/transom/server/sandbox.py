"""The demonstration world: a whole exchange on loopback, with organizations, accounts and files.

Nothing of it exists in `run`: the production form has no route, flag or account of the demo.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from transom.core import catalogue
from transom.core.administration import NewAccount
from transom.core.exchange import Exchange
from transom.core.publishing import Result
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level, PrincipalKind
from transom.domain.errors import WrongState
from transom.domain.identity import Organization
from transom.domain.names import FileName, Place
from transom.domain.space import Application, Direction, OrgKind, SubSpace
from transom.frontends.token.routes import PATH as TOKEN_PATH
from transom.records import migrate
from transom.server import tls
from transom.server.assemble import assemble
from transom.server.card import card
from transom.server.demo_application import DemoApplication
from transom.server.demo_files import demo_pdf, demo_zip
from transom.server.listeners import Listener
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
    RestSettings,
    S3Settings,
    SupportSettings,
    TlsSettings,
    TokenSettings,
)
from transom.server.settings import Settings
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


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """One account of the demo, as the ready file and the card show it."""

    user: str
    password: str
    org: str
    access: str
    lockout: bool = False


class DemoBusy(Exception):
    """Another demo runs on the same data."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    org: str
    access: Level
    lockout: bool = False


_ORGANIZATIONS = (
    Organization("0001", "Northgate Securities", OrgKind.FIRM),
    Organization("0002", "Harbor Street Markets", OrgKind.FIRM),
    Organization("0900", "State Designating Authority", OrgKind.DESIGNATING_AUTHORITY),
)
_ACCOUNTS = (
    _Wanted("0001ftp01", "0001", Level.BOTH),
    _Wanted("0001ftp02", "0001", Level.DOWNLOAD),
    _Wanted("0001ftp03", "0001", Level.SUBMIT),
    _Wanted("0001ftp09", "0001", Level.BOTH, lockout=True),
    _Wanted("0002ftp01", "0002", Level.BOTH),
)
EVERYTHING = "0001all01"
"""The account that is entitled to the whole catalogue of the guide, as far as firms may be."""


def run_demo(options: DemoOptions) -> None:
    """Run the demonstration world in the foreground until SIGTERM or SIGINT.

    Raises:
        DemoBusy: another one runs on the same data.
        CannotListen: a port is taken, or not allowed.
        OSError: the data cannot be written.
    """
    options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one(options.data), _announced(options.ready_file) as announce:
        rest = bound(Listen(LOOPBACK, options.http_port))
        s3 = bound(Listen(LOOPBACK, options.s3_port))
        certificates = (
            tls.demo_authority(options.data / "tls", SystemClock().wall()) if options.tls else None
        )
        settings = _settings(options, rest, s3)
        program = assemble(settings, SystemClock(), SystemEntropy())
        for database in program.databases.each():
            migrate.up(database)
        accounts = _accounts(program.exchange, options.data)
        context = None if certificates is None else tls.server_context(_tls(certificates))
        limits = limits_of(settings)
        listeners = [
            Listener(rest, program.rest, context, (), limits),
            Listener(s3, program.s3, context, (), limits),
        ]
        ready = _ready(settings, certificates, accounts)

        def on_ready() -> None:
            print(card(ready, options.data.resolve(), EVERYTHING), flush=True)  # noqa: T201
            announce(ready)

        serve_until_stopped(program, listeners, on_ready, _processors(program.exchange))


def _ready(
    settings: Settings, certificates: tls.DemoCertificates | None, accounts: list[DemoAccount]
) -> dict[str, object]:
    """What the ready file holds."""
    s3 = settings.s3
    return {
        "rest": settings.rest.public_url,
        "token_url": settings.token_public_url + TOKEN_PATH,
        "s3": {"endpoint": s3.public_url, "region": s3.region, "bucket": s3.bucket},
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


def _settings(options: DemoOptions, rest: socket.socket, s3: socket.socket) -> Settings:
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
        s3=S3Settings(listen=at(s3), public_url=url(s3)),
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
        accounts = _seed(exchange)
        _write_private(kept, json.dumps([asdict(account) for account in accounts], indent=2))
    return [DemoAccount(**each) for each in json.loads(kept.read_text(encoding="utf-8"))]


def _seed(exchange: Exchange) -> list[DemoAccount]:
    """Make the world. What a demo that was killed meanwhile made already is used as it is."""
    admin = exchange.administration
    for org in _ORGANIZATIONS:
        with suppress(WrongState):
            admin.add_organization(SYSTEM, org)
    guide = catalogue.read(catalogue.GUIDE)
    admin.load_catalogue(SYSTEM, [*guide, *(_application(name) for name in APPLICATIONS)])
    accounts = [_account(exchange, wanted, APPLICATIONS) for wanted in _ACCOUNTS]
    everywhere = [*APPLICATIONS, *(application.name for application in guide)]
    accounts.append(_account(exchange, _Wanted(EVERYTHING, "0001", Level.BOTH), everywhere))
    for name in APPLICATIONS:
        _seed_processor(exchange, name)
    _seed_files(exchange, accounts[0].user)
    return accounts


def _application(name: str) -> Application:
    spaces = (
        SubSpace(name, "in", Direction.INBOUND, archived=True),
        SubSpace(name, "out", Direction.OUTBOUND, retention_days=30),
    )
    return Application(name, f"Example {name}", {space.name: space for space in spaces})


def _account(exchange: Exchange, wanted: _Wanted, applications: Iterable[str]) -> DemoAccount:
    admin = exchange.administration
    try:
        principal, secret = admin.add_account(SYSTEM, NewAccount(wanted.name, wanted.org))
    except WrongState:
        principal = admin.account(wanted.name)
        secret = admin.rotate_secret(SYSTEM, wanted.name)
    for name in applications:
        entitlement = Entitlement(principal.id, wanted.org, name, "", wanted.access)
        admin.entitle(SYSTEM, entitlement)
    return DemoAccount(wanted.name, secret, wanted.org, wanted.access, wanted.lockout)


def _seed_processor(exchange: Exchange, application: str) -> None:
    """The application's own account. Its secret is thrown away: it works inside this process."""
    admin, name = exchange.administration, _processor(application)
    with suppress(WrongState):
        admin.add_account(SYSTEM, NewAccount(name, "0001", PrincipalKind.APPLICATION))
    entitlement = Entitlement(admin.account(name).id, "", application, "", Level.PROCESS)
    admin.entitle(SYSTEM, entitlement)


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


def _processors(exchange: Exchange) -> list[DemoApplication]:
    admin = exchange.administration
    return [
        DemoApplication(exchange, name, admin.account(_processor(name)).id) for name in APPLICATIONS
    ]


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all at once."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
