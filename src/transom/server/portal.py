"""The portal's application, from settings: the pages for people, and whom they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from transom.core.exchange import Exchange
from transom.core.keyring import KeyRing
from transom.frontends.errors import Support
from transom.frontends.portal.calls import Surroundings
from transom.frontends.portal.commands import Doors
from transom.frontends.portal.cookies import Jar
from transom.frontends.portal.kept import Keeper
from transom.frontends.portal.pages import SANDBOX, Pages, Site
from transom.frontends.portal.route import Route
from transom.frontends.portal.routes import ROUTES, PortalDoor
from transom.frontends.portal.statics import Statics
from transom.frontends.portal.watching import Watching
from transom.frontends.shell import Door, Shell
from transom.frontends.token.routes import PATH as TOKEN_PATH
from transom.frontends.workers import Workers
from transom.ports import Clock, Entropy, Messenger
from transom.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a demo has that `run` has not: a messenger that keeps what it sends, and pages."""

    messenger: Messenger
    pages: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the portal is made of, beside its settings."""

    exchange: Exchange
    workers: Workers
    keys: KeyRing
    clock: Clock
    entropy: Entropy
    watching: Watching
    sandbox: Sandbox | None = None


def portal_app(settings: Settings, parts: Parts) -> ASGIApp | None:
    """The application of the portal's listener; None where the settings name no address."""
    public_url = settings.portal.public_url
    if settings.portal.listen is None or public_url is None:
        return None
    statics = Statics()
    site = Site(
        public_url=public_url,
        zone=settings.exchange.time_zone,
        support=Support(
            settings.support.phone or "", settings.support.url or "", settings.support.mail or ""
        ),
        band=SANDBOX if parts.sandbox else "",
        has_inbox=bool(parts.sandbox and parts.sandbox.pages),
        doors=_doors(settings),
    )
    pages = Pages(site, statics)
    jar = Jar(secure=public_url.startswith("https:"))
    around = Surroundings(
        parts.exchange,
        parts.workers,
        pages,
        site,
        jar,
        Keeper(parts.keys),
        parts.clock,
        parts.entropy,
        parts.watching,
    )
    door = PortalDoor(around, statics, ROUTES + (parts.sandbox.pages if parts.sandbox else ()))
    return Shell(door, _door(public_url, pages), parts.entropy)


def _doors(settings: Settings) -> Doors:
    """Where the other doors are, for ready commands; SFTP under the host of the REST API."""
    sftp = settings.sftp.listen
    return Doors(
        settings.rest.public_url,
        settings.token_public_url + TOKEN_PATH,
        str(urlsplit(settings.rest.public_url).hostname) if sftp else "",
        sftp.port if sftp else 0,
    )


def _door(public_url: str, pages: Pages) -> Door:
    return Door(
        "portal",
        frozenset({str(urlsplit(public_url).hostname)}),
        b"x-request-id",
        lambda _request_id: pages.elsewhere(),
        pages.broken,
        secret_below="/invitation/",  # noqa: S106 - the path, not the secret
    )
