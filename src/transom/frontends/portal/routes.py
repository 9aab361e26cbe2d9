"""The portal's door: which pages there are, and the one gate that all requests pass.

The gate stands below the router: each page says which sessions it is for, and a session that has
not come that far gets nothing but the way to go on. Every POST is checked for its origin and token
before its page sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.domain.errors import (
    ExchangeError,
    LockedOut,
    ProofNeeded,
    SessionEnded,
)
from transom.domain.people import Assurance, Session, Visit
from transom.frontends.intake import Incoming
from transom.frontends.portal import (
    acting,
    browsing,
    csrf,
    downloading,
    enrolling,
    forms,
    help_pages,
    home,
    language,
    live,
    own_account,
    refusing,
    signing_in,
    speaking,
    submissions,
    uploading,
)
from transom.frontends.portal import kept as kept_forms
from transom.frontends.portal.calls import Call, Surroundings, fresh_browser, with_next
from transom.frontends.portal.cookies import Cookie
from transom.frontends.portal.errors import ForeignForm, NoPage, NotSignedIn, WrongPress
from transom.frontends.portal.proving import SIGN_IN, STEP_UP
from transom.frontends.portal.route import ANYBODY, ENROLLING, FULL, HALF, Route
from transom.frontends.portal.setting_up import ACCOUNT, ENROLMENT
from transom.frontends.portal.statics import PREFIX, Statics
from transom.frontends.requests import header, source

_MAX_PATH = 1024  # a place and the longest name, with characters that are percent-encoded
_MAX_QUERY = 2048
BY_ITSELF = "x-by-itself"
"""The header with which a script asks for a page by itself, nobody having pressed anything."""
_MAX_SOFTWARE = 200
_SEVERAL = frozenset({"state"})
_MAX_COOKIE = 512


async def _home(call: Call) -> Response:
    full = call.found is not None and call.found.assurance is Assurance.FULL
    return call.onward(signing_in.HOME if full else signing_in.START)


_EITHER = ENROLLING | FULL

ROUTES = (
    Route("GET", "/", _home, ANYBODY),
    Route("GET", "/help", help_pages.show, ANYBODY),
    Route("POST", "/language", speaking.choose, ANYBODY),
    Route("GET", "/sign-in", signing_in.start, ANYBODY),
    Route("POST", "/sign-in", signing_in.password, ANYBODY, "/sign-in"),
    Route("POST", "/sign-in/password", signing_in.enter, ANYBODY, "/sign-in"),
    Route("POST", "/sign-in/passkey", signing_in.ask_passkey, ANYBODY, "/sign-in"),
    Route("POST", "/sign-in/passkey/answer", signing_in.enter_by_passkey, ANYBODY, "/sign-in"),
    Route("GET", "/sign-in/factor", SIGN_IN.show, HALF),
    Route("POST", "/sign-in/factor", SIGN_IN.verify, HALF, "/sign-in/factor"),
    Route("POST", "/sign-in/factor/code", SIGN_IN.send, HALF, "/sign-in/factor"),
    Route("POST", "/sign-out", signing_in.sign_out, HALF | ENROLLING),
    Route("GET", "/invitation/{}", enrolling.invited, ANYBODY),
    Route("POST", "/invitation/{}", enrolling.begin, ANYBODY, "/invitation/{}"),
    Route("GET", "/enrolment", enrolling.step, ENROLLING),
    Route("POST", "/enrolment/password", enrolling.password, ENROLLING, "/enrolment"),
    Route("POST", "/enrolment/strength", enrolling.strength, _EITHER),
    Route("POST", "/enrolment/questions", enrolling.questions, ENROLLING, "/enrolment"),
    Route("GET", "/enrolment/factor", ENROLMENT.choose, ENROLLING),
    Route("POST", "/enrolment/factor", ENROLMENT.begin, ENROLLING, "/enrolment"),
    Route("GET", "/enrolment/factor/set-up", ENROLMENT.show, ENROLLING),
    Route(
        "POST", "/enrolment/factor/set-up", ENROLMENT.confirm, ENROLLING, "/enrolment/factor/set-up"
    ),
    Route("GET", "/enrolment/factor/phone/{}", ENROLMENT.phone, ENROLLING),
    Route(
        "POST",
        "/enrolment/factor/phone/{}",
        ENROLMENT.begin_phone,
        ENROLLING,
        "/enrolment/factor/phone/{}",
    ),
    Route("POST", "/enrolment/skip", enrolling.skip, ENROLLING, "/enrolment"),
    Route("POST", "/enrolment/codes", enrolling.codes, ENROLLING, "/enrolment"),
    Route("POST", "/enrolment/finish", enrolling.finish, ENROLLING, "/enrolment"),
    Route("GET", "/account", own_account.show, FULL),
    Route("GET", "/account/activity", own_account.activity, FULL),
    Route("GET", "/account/proof", STEP_UP.show, FULL),
    Route("POST", "/account/proof", STEP_UP.verify, FULL, "/account/proof"),
    Route("POST", "/account/proof/code", STEP_UP.send, FULL, "/account/proof"),
    Route("GET", "/account/factor", ACCOUNT.choose, FULL),
    Route("POST", "/account/factor", ACCOUNT.begin, FULL, "/account/factor"),
    Route("GET", "/account/factor/set-up", ACCOUNT.show, FULL),
    Route("POST", "/account/factor/set-up", ACCOUNT.confirm, FULL, "/account/factor/set-up"),
    Route("GET", "/account/factor/phone/{}", ACCOUNT.phone, FULL),
    Route(
        "POST", "/account/factor/phone/{}", ACCOUNT.begin_phone, FULL, "/account/factor/phone/{}"
    ),
    Route("GET", "/account/factors/{}/rename", own_account.ask_rename, FULL),
    Route(
        "POST", "/account/factors/{}/rename", own_account.rename, FULL, "/account/factors/{}/rename"
    ),
    Route("GET", "/account/factors/{}/remove", own_account.ask_remove, FULL),
    Route(
        "POST", "/account/factors/{}/remove", own_account.remove, FULL, "/account/factors/{}/remove"
    ),
    Route("GET", "/account/codes", own_account.ask_codes, FULL),
    Route("POST", "/account/codes", own_account.codes, FULL, "/account/codes"),
    Route("GET", "/account/password", own_account.ask_password, FULL),
    Route("POST", "/account/password", own_account.password, FULL, "/account/password"),
    Route("POST", "/account/sessions/{}/end", own_account.end_session, FULL, "/account"),
    Route("POST", "/account/sessions/end-others", own_account.end_others, FULL, "/account"),
    Route("POST", "/account/devices/forget", own_account.forget_devices, FULL, "/account"),
    Route("POST", "/account/display", own_account.display, FULL, "/account"),
    *acting.ROUTES,
    *home.ROUTES,
    *browsing.ROUTES,
    *downloading.ROUTES,
    *uploading.ROUTES,
    *submissions.ROUTES,
    *live.ROUTES,
)
"""Every page of `run`. A test asks each of them with half a session, and with none."""


class PortalDoor:
    """The ASGI application of the portal."""

    def __init__(
        self, around: Surroundings, statics: Statics, routes: Sequence[Route] = ROUTES
    ) -> None:
        self._around = around
        self._statics = statics
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        static = self._statics.answer(scope["path"]) if scope["path"].startswith(PREFIX) else None
        if static is not None and scope["method"] in {"GET", "HEAD"}:
            await static(scope, receive, send)
            return
        call = self._call(scope)
        try:
            response = await self._answer(call, scope, receive)
        except ExchangeError as error:
            response = await self._refusal(call, error)
        await self._hear_out(call, response)
        if Cookie.VISIT not in call.cookies:
            self._around.jar.put(response, Cookie.VISIT, call.browser)
        await response(scope, receive, send)

    async def _hear_out(self, call: Call, response: Response) -> None:
        """Let a browser that still sends a file come to see the answer; within bounds."""
        if call.incoming is None or call.method == "GET":
            return
        await call.incoming.drain()
        if not call.incoming.has_ended:
            response.headers["Connection"] = "close"

    def _call(self, scope: Scope) -> Call:
        cookies = self._around.jar.read(scope)
        software = "".join(c for c in header(scope, "user-agent") if c.isprintable())
        return Call(
            around=self._around,
            method="GET" if scope["method"] == "HEAD" else scope["method"],
            path=scope["raw_path"].decode("latin-1")[:_MAX_PATH],
            query=self._query(scope["query_string"]),
            cookies=cookies,
            browser=cookies.get(Cookie.VISIT) or fresh_browser(self._around.entropy),
            visit=Visit(
                source(scope),
                software[:_MAX_SOFTWARE],
                cookies.get(Cookie.DEVICE, "")[:_MAX_COOKIE],
                scope["request_id"],
                language.settle(cookies.get(Cookie.LANGUAGE, ""), header(scope, "accept-language")),
            ),
            is_fragment=header(scope, "hx-request") == "true",
            began_at=self._around.clock.now(),
            is_head=scope["method"] == "HEAD",
            back=self._back,
        )

    async def _answer(self, call: Call, scope: Scope, receive: Receive) -> Response:
        try:
            route = self._route(call)
        except (NoPage, WrongPress):
            await self._recognize(call)
            raise
        by_itself = not route.counts or header(scope, BY_ITSELF) != ""
        ended = await self._resume(call, counts=not by_itself)
        if call.method != "GET" and not csrf.is_from_here(scope, self._around.site.public_url):
            raise ForeignForm
        if route.streams:
            call.incoming = Incoming(receive)
            call.headers = {
                name.decode(): value.decode("latin-1") for name, value in scope["headers"]
            }
        elif call.method == "POST":
            call.answers.raw = await self._form(call, route, scope, receive)
        self._pass(call, route, ended)
        if call.found is not None and call.found.assurance is Assurance.FULL:
            call.acting = await acting.read(call)
        return await route.page(call)

    async def _recognize(self, call: Call) -> None:
        """Find out who asks for a page that is not there: it looks as one that may not be seen."""
        with suppress(ExchangeError):
            await self._resume(call, counts=False)
            if call.found is not None and call.found.assurance is Assurance.FULL:
                call.acting = await acting.read(call)

    async def _resume(self, call: Call, *, counts: bool) -> SessionEnded | None:
        """Find the session of the cookie; says how it ended where it did."""
        token = call.cookies.get(Cookie.SESSION, "")
        if not token or len(token) > _MAX_COOKIE:
            return None
        try:
            resume = call.people.sign_in.resume
            call.found = await call.run(resume, call.visit, token, counts=counts)
        except SessionEnded as ended:
            return ended
        if call.found.assurance is Assurance.FULL and call.found.display.language:
            spoken = language.settle(call.found.display.language)
            call.visit = replace(call.visit, language=spoken)
        return None

    async def _form(self, call: Call, route: Route, scope: Scope, receive: Receive) -> forms.Raw:
        raw = await forms.read(scope, receive)
        call.page_of_form = _fill(route.form_on, call.parts)
        # Without a session nothing will be done but to keep what was typed; its token is stale.
        has_stale_token = call.found is None and Cookie.SESSION in call.cookies and route.needs
        if not has_stale_token and not csrf.fits(call.secret(), _first(raw, csrf.FIELD)):
            raise ForeignForm
        call.answers.raw = raw
        return raw

    def _pass(self, call: Call, route: Route, ended: SessionEnded | None) -> None:
        """The gate."""
        if not route.needs:
            return
        if call.found is None:
            raise ended or NotSignedIn
        if call.found.assurance not in route.needs:
            raise NotSignedIn

    def _route(self, call: Call) -> Route:
        allowed = set()
        for route in self._routes:
            parts = route.parts(call.path)
            if parts is not None and route.method == call.method:
                call.parts = parts
                return route
            if parts is not None:
                allowed.add(route.method)
        raise WrongPress(", ".join(sorted(allowed))) if allowed else NoPage

    def _query(self, raw: bytes) -> Mapping[str, str]:
        """The parameters of a page, each once; `next` only where it is one of our own pages.

        A filter's boxes that are ticked come as one, with commas in between.
        """
        if len(raw) > _MAX_QUERY:
            return {}
        try:
            fields = parse_qs(raw.decode("ascii"), max_num_fields=30, errors="strict")
        except ValueError:
            return {}
        fields |= {name: [",".join(fields[name])] for name in _SEVERAL & fields.keys()}
        found = {name: values[0] for name, values in fields.items() if len(values) == 1}
        if not self._is_page(found.get("next", "")):
            found.pop("next", None)
        return found

    def _back(self, path: str) -> str:
        """This path where it is one of our own pages, else where everybody may begin."""
        pages = (each for each in self._routes if each.method == "GET")
        return path if any(each.parts(path) is not None for each in pages) else "/"

    def _is_page(self, path: str) -> bool:
        return any(
            each.method == "GET"
            and each.counts
            and each.needs >= FULL
            and each.parts(path) is not None
            for each in self._routes
        )

    # --- refusals --------------------------------------------------------------------------------

    async def _refusal(self, call: Call, error: ExchangeError) -> Response:
        match error:
            case ProofNeeded():
                return self._with_what_was_typed(call, own_account.proof_then(call), call.found)
            case LockedOut():
                response = await signing_in.paused(call, error)
            case SessionEnded() | NotSignedIn():
                return self._signed_out(call, error)
            case _:
                response = await refusing.page(call, error, self._again(call))
        return response

    def _signed_out(self, call: Call, error: ExchangeError) -> Response:
        half = call.found.assurance if call.found else None
        if half is Assurance.ENROLLING:
            onward = "/enrolment"
        elif half is Assurance.PASSWORD:
            onward = with_next("/sign-in/factor", self._wanted(call))
        else:
            onward = with_next("/sign-in", self._wanted(call))
        ended = error if isinstance(error, SessionEnded) else None
        going = refusing.going_to(self._wanted(call))
        facts = {"ended": ended, "onward": onward, "half": half, "going": going}
        response = call.page("signed_out.html", 401, **facts)
        if ended is not None:
            # The cookie stays until a new one takes its place: by it the forms of other windows
            # are known for what they are, and what was typed into them is kept too.
            response = self._with_what_was_typed(call, response, None)
        return response

    def _wanted(self, call: Call) -> str:
        wanted = call.path if call.method == "GET" else call.page_of_form
        return wanted if self._is_page(wanted) else ""

    def _with_what_was_typed(
        self, call: Call, response: Response, session: Session | None
    ) -> Response:
        if call.method != "POST":
            return response
        for name in _KEPT_FIELDS:
            value = _first(call.answers.raw, name)
            if value and name not in call.answers.values:
                call.answers.text(name, name, _MAX_KEPT, optional=True)
        whose = (
            kept_forms.whose(session.person.id)
            if session
            else _first(call.answers.raw, kept_forms.WHOSE)
        )
        return call.keep(response, whose)

    def _again(self, call: Call) -> str:
        """Where the same may be tried once more: our own page, reached by GET; or nowhere."""
        wanted = call.path if call.method == "GET" else call.page_of_form
        return wanted if wanted and self._back(wanted) == wanted else ""


_KEPT_FIELDS = ("label", "phone", "theme", "density", "zone", "language")
"""All that forms behind the sign-in hold beside secrets; test: no other field is ever kept."""
_MAX_KEPT = 200


def _first(raw: forms.Raw, name: str) -> str:
    values = raw.get(name, ())
    return values[0] if len(values) == 1 else ""


def _fill(pattern: str, parts: tuple[str, ...]) -> str:
    for part in parts:
        pattern = pattern.replace("{}", part, 1)
    return pattern
