"""The whole program, from settings: the exchange, and a front end for each door."""

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
from transom.core.exchange import Exchange
from transom.core.passwords import Argon2Cost
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
from transom.ports import Clock, Entropy
from transom.server.assemble import Databases, build_exchange, connect, key_ring
from transom.server.host_keys import HostKeyDirectory
from transom.server.portal import Parts, Sandbox, portal_app
from transom.server.settings import Settings

_TOKEN_PREFIX = "/fip/"  # noqa: S105 - a path


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
