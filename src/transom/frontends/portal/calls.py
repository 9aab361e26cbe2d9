"""One request to the portal, as its pages see it, and what surrounds all of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from starlette.responses import Response

from transom.core.exchange import Exchange
from transom.core.people.services import People
from transom.domain.entitlement import Actor
from transom.domain.people import Assurance, Entered, Session, Visit
from transom.domain.submission import AccessMethod, Client
from transom.frontends.intake import Incoming, Pace
from transom.frontends.portal import csrf, kept, language
from transom.frontends.portal.cookies import Cookie, Jar
from transom.frontends.portal.errors import ForeignForm, NotSignedIn
from transom.frontends.portal.forms import Answers
from transom.frontends.portal.kept import Keeper, Kept
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.notices import NOTICES
from transom.frontends.portal.pages import Pages, Site, redirect
from transom.frontends.portal.watching import Since, Watching
from transom.frontends.workers import Workers
from transom.ports import Clock, Entropy

P = ParamSpec("P")
T = TypeVar("T")

_PAD_BYTES = 32
_LANGUAGE_LIFE = timedelta(days=365)
_THEMES = frozenset({"light", "dark"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every page may use."""

    exchange: Exchange
    workers: Workers
    pages: Pages
    site: Site
    jar: Jar
    keeper: Keeper
    clock: Clock
    entropy: Entropy
    watching: Watching
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization that the person may act for."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Acting:
    """A person as an actor: with its present rights, and the organization it acts for.

    `organizations` are those it may act for, its own first; `own` is where it belongs. `org` is the
    one it acts for now, None when it may act for none (the operator's staff).
    """

    actor: Actor
    organizations: tuple[Organization, ...]
    own: str
    org: Organization | None
    lost: str = ""
    """The organization that it had chosen, and may not act for any more."""

    @property
    def is_on_behalf(self) -> bool:
        """Whether it acts for another organization than its own."""
        return self.org is not None and self.org.id != self.own


@dataclass(slots=True)
class Call:
    """One request. `parts` are what stands in a path where its route has {}."""

    around: Surroundings
    method: str
    path: str
    query: Mapping[str, str]
    cookies: Mapping[Cookie, str]
    browser: str
    """The visit cookie: random, and as old as this browser's run."""
    visit: Visit
    is_fragment: bool
    """Whether htmx asks, and wants a part of the page only."""
    began_at: datetime
    """When the request came: the page shows at least what there was then."""
    back: Callable[[str], str]
    """A path, where it is one of our own pages; else where everybody may begin."""
    is_head: bool = False
    """Whether HEAD was asked; `method` is GET then."""
    found: Session | None = None
    parts: tuple[str, ...] = ()
    answers: Answers = field(default_factory=Answers)
    page_of_form: str = ""
    """The page that the posted form stands on, where it can be shown again."""
    restored: bool = False
    """Whether the form of this page was filled with what was typed before."""
    acting: Acting | None = None
    """For whom the person acts, and what it may do; None before the sign-in is complete."""
    incoming: Incoming | None = None
    """The body, of a route that streams."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers, of a route that streams, by their lower-case names."""

    @property
    def session(self) -> Session:
        """The session, for pages that have one: the gate has seen to it."""
        if self.found is None:
            raise NotSignedIn
        return self.found

    @property
    def people(self) -> People:
        """The services for people."""
        return self.around.exchange.people

    @property
    def exchange(self) -> Exchange:
        """The services for files."""
        return self.around.exchange

    @property
    def client(self) -> Client:
        """Where an upload by this request comes from, for the record."""
        visit = self.visit
        return Client(AccessMethod.PORTAL, visit.source, visit.software, visit.request_id)

    def require_token(self, token: str) -> None:
        """Return when a form's token is of this browser and session.

        Raises:
            ForeignForm: it is not.
        """
        if not csrf.fits(self.secret(), token):
            raise ForeignForm

    @property
    def now(self) -> datetime:
        """The exchange's time."""
        return self.around.clock.now()

    @property
    def seconds_left(self) -> int:
        """So long until the session ends, when nothing happens; 0 when there is none."""
        return 0 if self.found is None else self.seconds_until(self.found.idle_ends_at)

    def seconds_until(self, at: datetime) -> int:
        """So long until then; 0 when it is past."""
        return max(0, int((at - self.now).total_seconds()))

    @property
    def zone(self) -> str:
        """The zone that this reader wants times in; before the sign-in the exchange's."""
        full = self.found is not None and self.found.assurance is Assurance.FULL
        return self.found.display.zone if full and self.found else self.around.site.zone

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call to the core that takes milliseconds."""
        return await self.around.workers.run(call, *args, **kwargs)

    async def run_slow(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call to the core that checks or stores what a person chose."""
        return await self.around.workers.run_slow(call, *args, **kwargs)

    # --- answers ---------------------------------------------------------------------------------

    def secret(self) -> bytes:
        """What this browser's and session's form tokens are made of."""
        return csrf.secret(self.browser, self.found.csrf if self.found else "")

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page, with what every page needs; a notice that waits is shown on it."""
        person = self.found.person if self.found else None
        common = {
            "answers": self.answers,
            "form_token": csrf.token(self.secret(), self.around.entropy.secret(_PAD_BYTES)),
            "session": self.found,
            "is_full": self.found is not None and self.found.assurance is Assurance.FULL,
            "whose": kept.whose(person.id) if person else "",
            "theme": self._theme(),
            "density": self.found.display.density if self.found else "comfortable",
            "zone": self.zone,
            "path": self.path,
            "wanted_page": self.query.get("next", ""),
            "acting": self.acting,
            "position": Since(self.began_at, is_page=True),
            "seconds_left": self.seconds_left,
            "seconds_until": self.seconds_until,
            "notice": self._lost() or self._noticed(),
        }
        response = self.around.pages.page(template, status, common | facts)
        if Cookie.NOTICE in self.cookies and not self.is_fragment:
            self.around.jar.drop(response, Cookie.NOTICE)
        if self.restored:
            self.around.jar.drop(response, Cookie.KEPT)
        if self._lost() and not self.is_fragment:
            self.around.jar.drop(response, Cookie.ORG)
        return response

    def _lost(self) -> tuple[str, str] | None:
        """What is said, once, when the person may not act any more for whom it had chosen."""
        if self.acting is None or not self.acting.lost:
            return None
        return ("note", _("You may not act for %(org)s any more.", org=self.acting.lost))

    def onward(self, path: str, notice: str = "") -> Response:
        """Go on to another page, which shows this notice."""
        response = redirect(path)
        if notice:
            self.around.jar.put(response, Cookie.NOTICE, notice)
        return response

    def enter(self, response: Response, entered: Entered) -> Response:
        """Hand the browser its new session, and the cookie that makes the device known."""
        self.hand_session(response, entered.session)
        if entered.device:
            ends = entered.device_ends_at
            life = None if ends is None else ends - self.now
            self.around.jar.put(response, Cookie.DEVICE, entered.device, life)
        return response

    def hand_session(self, response: Response, session: Session) -> Response:
        """Hand the browser a new session's id."""
        self.around.jar.put(response, Cookie.SESSION, session.token)
        if session.assurance is Assurance.FULL:
            self.hand_theme(response, session.display.theme)
            self.hand_language(response, session.display.language)
        return response

    def hand_theme(self, response: Response, theme: str) -> None:
        """Let pages before the sign-in look as this person wants them."""
        if theme in _THEMES:
            self.around.jar.put(response, Cookie.THEME, theme)
        else:
            self.around.jar.drop(response, Cookie.THEME)

    def hand_language(self, response: Response, code: str) -> None:
        """Let pages before the sign-in speak as this person wants them to; "" changes nothing."""
        if code in language.LANGUAGES:
            self.around.jar.put(response, Cookie.LANGUAGE, code, _LANGUAGE_LIFE)

    # --- what was typed --------------------------------------------------------------------------

    def keep(self, response: Response, whose: str) -> Response:
        """Keep what was typed into the form just posted, for this person, after a sign-in."""
        values = {name: text for name, text in self.answers.values.items() if text}
        if self.page_of_form and whose and values:
            sealed = self.around.keeper.seal(Kept(self.page_of_form, whose, values), self.now)
            if sealed:
                self.around.jar.put(response, Cookie.KEPT, sealed, kept.LIFE)
        return response

    def kept_page(self, session: Session) -> str:
        """The page on which this person typed something that waits; "" when there is none."""
        found = self._kept(session)
        return found.page if found else ""

    def restore(self) -> bool:
        """Fill the form of this page with what was typed before; says whether there was any."""
        found = self._kept(self.found)
        if found is None or found.page != self.path:
            return False
        self.answers.values |= found.values
        self.restored = True
        return True

    def _kept(self, session: Session | None) -> Kept | None:
        sealed = self.cookies.get(Cookie.KEPT, "")
        if session is None or not sealed:
            return None
        found = self.around.keeper.open(sealed, self.now)
        return found if found and found.whose == kept.whose(session.person.id) else None

    def _noticed(self) -> tuple[str, str] | None:
        found = NOTICES.get(self._notice())
        return (found[0], _(found[1])) if found else None

    def _notice(self) -> str:
        return "restored" if self.restored else self.cookies.get(Cookie.NOTICE, "")

    def _theme(self) -> str:
        full = self.found is not None and self.found.assurance is Assurance.FULL
        wanted = self.found.display.theme if full and self.found else self.cookies.get(Cookie.THEME)
        return wanted if wanted in _THEMES else ""


def fresh_browser(entropy: Entropy) -> str:
    """A value for the visit cookie."""
    return base64.urlsafe_b64encode(entropy.secret(24)).decode()


def with_next(path: str, onward: str) -> str:
    """A path that remembers where to go on to."""
    return f"{path}?next={quote(onward, safe='')}" if onward else path
