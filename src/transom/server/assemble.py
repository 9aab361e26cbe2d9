"""The wiring diagram: settings in, an exchange and its doors out.

The only place that names concrete classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.types import ASGIApp, Receive, Scope, Send

from transom import __version__
from transom.blobs.disk import DiskBlobs
from transom.core.administration import Administration
from transom.core.attention import Attention
from transom.core.bodies import Bodies
from transom.core.browse import Browse
from transom.core.doorbell import Doorbell
from transom.core.downloads import Downloads
from transom.core.exchange import Exchange
from transom.core.grants import Mint, Rate, Tokens
from transom.core.handoff import HandOff
from transom.core.keyring import KeyRing, ServerKey
from transom.core.multipart import Multiparts
from transom.core.news import News
from transom.core.passwords import Argon2Cost, Passwords
from transom.core.people.services import People
from transom.core.present import PresentBook
from transom.core.publishing import Publishing
from transom.core.retention import Retention
from transom.core.rights import RightsBook
from transom.core.scrub import Scrub
from transom.core.sealing import Sealer
from transom.core.sessions import ConnectionLimits, Sessions
from transom.core.sign_in import SignIn
from transom.core.signed_urls import Endpoint, SignedUrls
from transom.core.tools import Keeping, Tools
from transom.core.tracking import Tracking
from transom.core.transfer_tokens import TransferTokens
from transom.core.uploads import Uploads
from transom.frontends.encoding import Media
from transom.frontends.errors import Answerer, Support, WrongHost
from transom.frontends.gateway.routes import PREFIX as GATEWAY_PREFIX
from transom.frontends.gateway.routes import GatewayDoor
from transom.frontends.gateway.wire import Zone
from transom.frontends.portal.watching import Watching
from transom.frontends.rest.routes import RestDoor
from transom.frontends.rest.wire import Links, TrackingStyle
from transom.frontends.s3 import errors as s3_errors
from transom.frontends.s3.calls import Bucket, Surroundings
from transom.frontends.s3.routes import S3Door
from transom.frontends.shell import Door, Shell
from transom.frontends.token.routes import PATH as TOKEN_PATH
from transom.frontends.token.routes import TokenDoor
from transom.frontends.workers import Workers
from transom.ports import BlobStore, Clock, Entropy, Messenger
from transom.records import spaces
from transom.records.database import Database
from transom.server.host_keys import HostKeyDirectory
from transom.server.people import people_services
from transom.server.portal import Parts, Sandbox, portal_app
from transom.server.sections import read_keys
from transom.server.settings import Settings

_TOKEN_PREFIX = "/fip/"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Databases:
    """The exchange's database and the identities'; often one and the same object."""

    exchange: Database
    identity: Database

    def each(self) -> tuple[Database, ...]:
        """Every database once."""
        return tuple(dict.fromkeys((self.exchange, self.identity)))

    def dispose(self) -> None:
        """Close every connection."""
        for database in self.each():
            database.dispose()


@dataclass(frozen=True, slots=True)
class Assembled:
    """A whole program, ready to listen."""

    settings: Settings
    exchange: Exchange
    databases: Databases
    workers: Workers
    rest: ASGIApp
    token: ASGIApp
    s3: ASGIApp
    portal: ASGIApp | None
    gateway: GatewayDoor
    """Reached through `rest`, under its prefix."""
    watching: Watching
    """Open pages of the portal."""

    def drain(self) -> None:
        """Answer whoever waits for something to come; for the event loop, when it stops."""
        self.gateway.waits.end()
        self.watching.end()

    def close(self) -> None:
        """Let go of threads and connections, after the last request."""
        self.workers.close()
        self.databases.dispose()


def connect(settings: Settings) -> Databases:
    """Open the databases; nothing is read yet."""
    size = settings.database.pool_size
    exchange = Database(settings.database.sqlalchemy_url(), pool_size=size)
    url = settings.database.identity_sqlalchemy_url()
    same = url == settings.database.sqlalchemy_url()
    return Databases(exchange, exchange if same else Database(url, pool_size=size))


def key_ring(settings: Settings) -> KeyRing:
    """The keys that sign URLs, and seal transfer tokens and the exchange's audit trail."""
    return _ring(settings.keys.file)


def identity_key_ring(settings: Settings) -> KeyRing:
    """The keys that hash secrets and tokens and seal the identities' audit trail."""
    return _ring(settings.keys.identity_file or settings.keys.file)


def sealers(settings: Settings, databases: Databases) -> tuple[Sealer, ...]:
    """One sealer per database, each with the keys of all exchanges that share it."""
    exchange = Sealer(databases.exchange, key_ring(settings))
    if databases.identity is databases.exchange:
        return (exchange,)
    return (exchange, Sealer(databases.identity, identity_key_ring(settings)))


def build_exchange(
    settings: Settings,
    databases: Databases,
    clock: Clock,
    entropy: Entropy,
    cost: Argon2Cost | None = None,
    messenger: Messenger | None = None,
) -> Exchange:
    """The use cases over real records and real bytes.

    `messenger` carries messages to people in place of those that the settings name.
    """
    root = settings.blobs.root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    tools = Tools(
        databases.exchange,
        DiskBlobs(root, entropy),
        clock,
        entropy,
        Doorbell(),
        Keeping(
            ZoneInfo(settings.exchange.time_zone),
            settings.exchange.archive_days,
            settings.exchange.tracking_days,
            settings.blobs.max_file_bytes,
        ),
    )
    passwords = Passwords(identity_key_ring(settings), cost or Argon2Cost())
    people = people_services(
        settings,
        databases.identity,
        identity_key_ring(settings),
        passwords,
        (clock, entropy),
        messenger,
    )
    return _services(settings, tools, databases, passwords, people)


def _services(
    settings: Settings, tools: Tools, databases: Databases, passwords: Passwords, people: People
) -> Exchange:
    identity, identity_keys = databases.identity, identity_key_ring(settings)
    rights = RightsBook(identity, databases.exchange, tools.clock, settings.exchange.archive_days)
    sign_in = SignIn(identity, passwords, tools.clock)
    limits = settings.limits
    rate = Rate(limits.token_grants_per_second, limits.token_grants_burst)
    mint = Mint(identity_keys, tools.clock, tools.entropy, rate)
    tokens = Tokens(identity, sign_in, rights, mint)
    present = PresentBook(identity, rights, tools.clock)
    endpoint = Endpoint(settings.s3.public_url, settings.s3.region, settings.s3.bucket)
    uploads = Uploads(tools, settings.sftp.suffixes)
    return Exchange(
        sign_in=sign_in,
        tokens=tokens,
        sessions=Sessions(
            tools, ConnectionLimits(limits.connections_per_account, limits.connections_per_org)
        ),
        signed_urls=SignedUrls(key_ring(settings), endpoint, tokens, tools.clock),
        transfer_tokens=TransferTokens(key_ring(settings), endpoint, identity, present, mint),
        browse=Browse(tools),
        uploads=uploads,
        bodies=Bodies(uploads, unwrap_forms=settings.exchange.unwrap_form_uploads),
        multiparts=Multiparts(tools, uploads),
        downloads=Downloads(tools),
        tracking=Tracking(tools),
        attention=Attention(tools),
        news=News(tools),
        handoff=HandOff(tools),
        publishing=Publishing(tools, identity),
        retention=Retention(tools, identity),
        scrub=Scrub(tools),
        sealers=sealers(settings, databases),
        administration=Administration(tools, identity, passwords),
        people=people,
        check=_Check(databases, tools.blobs),
    )


def assemble(
    settings: Settings,
    clock: Clock,
    entropy: Entropy,
    cost: Argon2Cost | None = None,
    sandbox: Sandbox | None = None,
) -> Assembled:
    """Everything, from settings; `cost` lowers the work of password hashing in tests.

    `sandbox` is the demo's: its messenger in place of the real ones, and its pages.
    """
    databases = connect(settings)
    messenger = sandbox.messenger if sandbox else None
    exchange = build_exchange(settings, databases, clock, entropy, cost, messenger)
    workers = Workers(settings.exchange.worker_threads)
    answerer = Answerer(_support(settings))
    rest = RestDoor(
        exchange,
        workers,
        Links(settings.rest.public_url),
        TrackingStyle(settings.exchange.operator_name, ZoneInfo(settings.exchange.time_zone)),
        answerer,
        _openapi("rest", settings.rest.public_url),
        _about(settings),
    )
    token = TokenDoor(exchange, workers)
    s3 = S3Door(Surroundings(exchange, workers, bucket_of(settings)), clock)
    zone = Zone(ZoneInfo(settings.exchange.time_zone))
    base_url = settings.rest.public_url
    gateway = GatewayDoor(
        exchange, workers, answerer, zone, base_url, _openapi("gateway", base_url)
    )
    watching = Watching(exchange, workers)
    parts = Parts(exchange, workers, key_ring(settings), clock, entropy, watching, sandbox)
    doors: dict[str, ASGIApp] = {GATEWAY_PREFIX: gateway}
    if settings.token.listen is None:
        doors[_TOKEN_PREFIX] = token
    return Assembled(
        settings,
        exchange,
        databases,
        workers,
        rest=Shell(_Prefixed(doors, rest), _rest_door("rest", _hosts(settings), answerer), entropy),
        token=Shell(token, _rest_door("token", _hosts(settings), answerer), entropy),
        s3=Shell(s3, _s3_door(settings), entropy),
        portal=portal_app(settings, parts),
        gateway=gateway,
        watching=watching,
    )


@dataclass(frozen=True, slots=True)
class _Prefixed:
    """Several doors on one listener, told apart by how a path begins."""

    doors: Mapping[str, ASGIApp]
    otherwise: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = (door for prefix, door in self.doors.items() if scope["path"].startswith(prefix))
        await next(found, self.otherwise)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Check:
    """The readiness check: records and bytes answer."""

    databases: Databases
    blobs: BlobStore

    def __call__(self) -> None:
        """Write a row and a small file; raises Unavailable or StorageFull when that fails."""
        for database in self.databases.each():
            with database.transaction() as tx:
                spaces.bump(tx, "ready")
        self.blobs.check()


def _ring(path: Any) -> KeyRing:
    return KeyRing([ServerKey(key.id, key.secret) for key in read_keys(path)])


def _support(settings: Settings) -> Support:
    support = settings.support
    return Support(support.phone or "", support.url or "", support.mail or "")


def _hosts(settings: Settings) -> frozenset[str]:
    urls = (settings.rest.public_url, settings.token_public_url)
    named = {str(urlsplit(url).hostname) for url in urls}
    return frozenset(named | {host.lower() for host in settings.rest.extra_hosts})


def _rest_door(name: str, hosts: frozenset[str], answerer: Answerer) -> Door:
    return Door(
        name,
        hosts,
        b"x-request-id",
        lambda request_id: answerer.answer(WrongHost(), Media.JSON, request_id),
        answerer.defect,
        any_host=frozenset({"/health", "/ready"}),
    )


def bucket_of(settings: Settings) -> Bucket:
    """The bucket of the S3 door."""
    chosen = settings.s3
    return Bucket(chosen.bucket, chosen.region, chosen.virtual_host_domain or "")


def _s3_door(settings: Settings) -> Door:
    host, bucket = str(urlsplit(settings.s3.public_url).hostname), bucket_of(settings)
    return Door(
        "s3",
        frozenset({host, bucket.domain, bucket.host} - {""}),
        b"x-amz-request-id",
        s3_errors.wrong_host,
        s3_errors.defect,
    )


def _openapi(door: str, base_url: str) -> bytes:
    text = files(f"transom.frontends.{door}").joinpath("openapi.json").read_text(encoding="utf-8")
    document = json.loads(text)
    document["servers"] = [{"url": base_url}]
    document["info"]["version"] = __version__
    return json.dumps(document, separators=(",", ":")).encode()


def _sftp(settings: Settings) -> dict[str, Any] | None:
    """Where SFTP is taken, under the host of the REST API, and the host keys to pin, best first."""
    chosen = settings.sftp
    if chosen.listen is None or chosen.host_key_directory is None:
        return None
    keys = HostKeyDirectory(chosen.host_key_directory)
    keys.ensure()
    return {
        "host": urlsplit(settings.rest.public_url).hostname,
        "port": chosen.listen.port,
        "hostKeys": [each.line for each in keys.every()],
    }


def _about(settings: Settings) -> dict[str, Any]:
    """What a client may ask before it signs in (decisions.md section 1)."""
    return {
        "apiVersion": "1",
        "server": "transom",
        "rest": settings.rest.public_url,
        "tokenUrl": settings.token_public_url + TOKEN_PATH,
        "handoff": settings.rest.public_url + GATEWAY_PREFIX.rstrip("/"),
        "s3": {
            "endpoint": settings.s3.public_url,
            "region": settings.s3.region,
            "bucket": settings.s3.bucket,
            "forcePathStyle": True,
        },
        "sftp": _sftp(settings),
        "portal": settings.portal.public_url if settings.portal.listen else None,
        "support": _support(settings).fields(),
    }
