"""Templates into answers, and what browsers may do with a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from transom.domain.people import Factor
from transom.frontends.errors import Support
from transom.frontends.portal import language, words
from transom.frontends.portal.commands import Doors
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked
from transom.frontends.portal.statics import Statics

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Frame-Options": "DENY",
        # "no-referrer" would make browsers send "Origin: null" with our own forms.
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


SANDBOX = marked("Sandbox. Nothing leaves this machine.")
"""The band of the demo."""


@dataclass(frozen=True, slots=True)
class Site:
    """What every page says of the place it belongs to.

    `band` stands under the header of each page: which environment this is; "" for production.
    """

    public_url: str
    name: str = "Transom"
    zone: str = "America/New_York"
    support: Support = field(default_factory=Support)
    band: str = ""
    has_inbox: bool = False
    doors: Doors = field(default_factory=Doors)


class Pages:
    """Renders the templates of the portal."""

    def __init__(self, site: Site, statics: Statics) -> None:
        self._environment = Environment(
            loader=PackageLoader("transom.frontends.portal"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "site": site,
            "static": statics.path,
            "language": language.present,
            "languages": language.LANGUAGES,
            "news_words": news_words,
        }
        self._environment.filters |= {
            "moment": words.moment,
            "clock": words.clock,
            "stamp": words.stamp,
            "exact": words.exact,
            "eastern": words.eastern,
            "zone_name": words.zone_name,
            "size": words.size,
            "count": words.count,
            "duration": words.duration,
            "state_word": words.state,
            "door_word": words.door,
            "clipped": words.clipped,
            "short_digest": words.short_digest,
            "short_name": words.short_name,
            "software": _software,
            "told": language.translated,
            "factor_name": factor_name,
            "has_own_name": has_own_name,
            "sentence": capital,
        }
        self._environment.add_extension("jinja2.ext.i18n")
        self._environment.policies["ext.i18n.trimmed"] = True
        # The extension adds this to the environment; its class does not tell of it.
        cast("Any", self._environment).install_gettext_callables(
            language.gettext_plain, language.ngettext_plain, newstyle=True
        )

    def page(self, template: str, status: int, facts: Mapping[str, Any]) -> Response:
        """A page, with what every page's answer has."""
        return answer(self.text(template, facts), "text/html; charset=utf-8", status)

    def text(self, template: str, facts: Mapping[str, Any]) -> str:
        """A template, filled."""
        return self._environment.get_template(template).render(facts)

    def elsewhere(self) -> Response:
        """What is answered under any other address than the portal's own."""
        heading = _("This is another address")
        return self._bare(421, heading, _("The portal answers under its own address only."))

    def broken(self, request_id: str) -> Response:
        """What is answered when something of ours breaks."""
        heading = _("Something broke on our side")
        return self._bare(500, heading, _("Nothing you sent was lost or half done."), request_id)

    def _bare(self, status: int, heading: str, sentence: str, request_id: str = "") -> Response:
        """A page that needs nothing but the stylesheet, for when nothing else can be relied on."""
        facts = {"heading": heading, "sentence": sentence, "request_id": request_id}
        return self.page("bare.html", status, facts)


_MOST_NEWS = 10


def news_words() -> list[str]:
    """How a page says that so many files came: 1, 2, ... and 10 or more."""
    few = [
        language.ngettext("%(num)d new file, show", "%(num)d new files, show", number)
        for number in range(1, _MOST_NEWS)
    ]
    return [*few, language.gettext("%(num)d or more new files, show", num=_MOST_NEWS)]


def answer(content: str | bytes, media_type: str, status: int = 200) -> Response:
    """An answer with what browsers are told of each of ours."""
    return Response(content, status, _HEADERS, media_type=media_type)


def redirect(path: str) -> Response:
    """Go on to one of our own pages, by GET."""
    return Response(b"", 303, {**_HEADERS, "Location": path})


_BROWSERS = (  # the more special first: each of them says that it is some of the others too
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def has_own_name(factor: Factor) -> bool:
    """Whether its owner calls a factor otherwise than by what it is."""
    return factor.label not in {"", factor.kind.words.capitalize()}


def factor_name(factor: Factor) -> str:
    """What its owner calls a factor; else what it is, as a sentence begins with it."""
    if has_own_name(factor):
        return factor.label
    return capital(language.translated(factor.kind.words))


def capital(words: str) -> str:
    """Words as a sentence begins with them."""
    return words[:1].upper() + words[1:]


def _software(agent: str) -> str:
    """What a browser calls itself, in words: "Firefox on Windows"."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s", browser=browser, system=system)
    return browser or system or agent[:40] or _("Unknown program")
