"""The portal's application, from settings: the pages for people, and whom they belong to."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp

from transom.core.exchange import Exchange
from transom.core.keyring import KeyRing
from transom.frontends.errors import Support
from transom.frontends.portal.calls import Inbox, Surroundings
from transom.frontends.portal.cookies import Jar
from transom.frontends.portal.kept import Keeper
from transom.frontends.portal.pages import Pages, Site
from transom.frontends.portal.routes import PortalDoor
from transom.frontends.portal.statics import Statics
from transom.frontends.shell import Door, Shell
from transom.frontends.workers import Workers
from transom.ports import Clock, Entropy
from transom.server.settings import Settings

_SANDBOX = "Sandbox. Nothing leaves this machine."


def portal_app(  # noqa: PLR0913 - the wiring diagram's parts
    settings: Settings,
    exchange: Exchange,
    workers: Workers,
    keys: KeyRing,
    clock: Clock,
    entropy: Entropy,
    inbox: Inbox | None = None,
) -> ASGIApp | None:
    """The application of the portal's listener; None where the settings name no address.

    With an inbox it is the demo's, and says so on every page.
    """
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
        band="" if inbox is None else _SANDBOX,
        has_inbox=inbox is not None,
    )
    pages = Pages(site, statics)
    jar = Jar(secure=public_url.startswith("https:"))
    around = Surroundings(
        exchange.people, workers, pages, site, jar, Keeper(keys), clock, entropy, inbox
    )
    return Shell(PortalDoor(around, statics), _door(public_url, pages), entropy)


def _door(public_url: str, pages: Pages) -> Door:
    return Door(
        "portal",
        frozenset({str(urlsplit(public_url).hostname)}),
        b"x-request-id",
        lambda _request_id: pages.bare(
            421, "This is another address", "The portal answers under its own address only."
        ),
        lambda request_id: pages.bare(
            500,
            "Something broke on our side",
            "Nothing you sent was lost or half done.",
            request_id,
        ),
    )
