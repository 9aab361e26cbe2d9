"""The resources of the gateway: paths and bodies become calls to the core.

docs/reference/gateway.md is its contract. Applications work through it as firms do through
the other doors: it translates, the core decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.core.downloads import Download
from transom.core.exchange import Exchange
from transom.core.handoff import LONGEST_LEASE, MAX_CLAIM, Claim, Lease
from transom.core.publishing import Publication, Result
from transom.core.tracking import Position
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, ExchangeError
from transom.domain.names import parse_application, parse_file_name, parse_org, parse_sub_space
from transom.frontends import context
from transom.frontends.conditions import Window, window
from transom.frontends.encoding import Json, Media
from transom.frontends.errors import Answerer, BodyBrokeOff, NoResource
from transom.frontends.gateway import wire
from transom.frontends.gateway.waiting import ClientGone, Waits
from transom.frontends.gateway.wire import Members, Zone
from transom.frontends.intake import Incoming, Intake, Pace
from transom.frontends.queries import cursor, number, parameters, position, single
from transom.frontends.requests import (
    bearer,
    header,
    idempotency_key,
    require_method,
    segments,
    small_body,
)
from transom.frontends.sending import send_file
from transom.frontends.workers import Workers

PREFIX = "/api/v1/handoff/"
MAX_BODY = 8 << 20
_DAY = round(LONGEST_LEASE.total_seconds())
_LEASE_SECONDS = 300
_CLAIM = 10


@dataclass(frozen=True, slots=True)
class GatewayDoor:
    """The ASGI application of the gateway."""

    exchange: Exchange
    workers: Workers
    answerer: Answerer
    zone: Zone
    base_url: str
    openapi: bytes
    pace: Pace = field(default_factory=Pace)
    waits: Waits = field(default_factory=Waits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        incoming = Incoming(receive)
        try:
            await self._route(scope, incoming, send)
        except ClientGone:
            return
        except ExchangeError as error:
            response = self.answerer.answer(error, Media.JSON, scope["request_id"])
            if scope["method"] == "PUT":
                response.headers["Connection"] = "close"
                if not isinstance(error, BodyBrokeOff) and not header(scope, "expect"):
                    await incoming.drain()
            await response(scope, receive, send)

    async def _route(self, scope: Scope, receive: Incoming, send: Send) -> None:
        match segments(scope["raw_path"].removeprefix(PREFIX.encode())):
            case ["submissions", tracking_id, "content"]:
                require_method(scope, "GET")
                await self._content(scope, tracking_id, receive, send)
                return
            case ["submissions", tracking_id, verb] if verb in _VERBS:
                require_method(scope, "POST")
                answer = await self._verb(scope, tracking_id, _VERBS[verb], receive)
            case ["openapi.json"]:
                require_method(scope, "GET")
                answer = Response(self.openapi, media_type=Media.JSON.value)
            case [application, "claim"]:
                require_method(scope, "POST")
                answer = await self._claim(scope, application, receive)
            case [application, "owed"]:
                require_method(scope, "GET")
                answer = await self.workers.read(self._owed, scope, application)
            case [application, "results", sub_space, name]:
                require_method(scope, "PUT")
                answer = await self._publish(scope, (application, sub_space, name), receive)
            case _:
                raise NoResource
        await answer(scope, receive, send)

    def _actor(self, scope: Scope) -> Actor:
        return bearer(self.exchange.tokens, scope)

    # --- claim and owed --------------------------------------------------------------------------

    async def _claim(self, scope: Scope, application: str, receive: Incoming) -> Response:
        await self.workers.read(self._actor, scope)  # before a byte of the body counts
        members = Members(wire.parse(await small_body(receive, MAX_BODY)))
        asked = Claim(
            application=parse_application(application),
            limit=members.number("limit", 1, MAX_CLAIM, _CLAIM),
            lease=members.seconds("leaseSeconds", 1, _DAY, _LEASE_SECONDS),
            sub_spaces=wire.sub_spaces(members),
            owed=members.flag("owed"),
            key=idempotency_key(scope),
        )
        wait = members.seconds("waitSeconds", 0, wire.MAX_WAIT, 0)
        members.end()
        held = await self.waits.until_found(
            partial(self.workers.run, self._claimed, scope, asked),
            partial(self.exchange.handoff.listen, asked.application),
            wait.total_seconds(),
            receive,
        )
        return _json({"leases": [self.zone.lease(each) for each in held]})

    def _claimed(self, scope: Scope, asked: Claim) -> tuple[Lease, ...]:
        """One look. Rights are asked for anew: they may have been taken while it waited."""
        return self.exchange.handoff.claim(self._actor(scope), asked)

    def _owed(self, scope: Scope, application: str) -> Response:
        actor = self._actor(scope)
        asked = single(scope["query_string"], {"limit", "cursor"})
        limit = number("limit", asked.get("limit", str(MAX_CLAIM)), MAX_CLAIM)
        after = position(asked["cursor"]) if "cursor" in asked else None
        found = self.exchange.handoff.owed(actor, parse_application(application), after, limit)
        shown = [self.zone.lease(each) | {"holder": each.holder} for each in found]
        response = _json({"owed": shown})
        if len(found) == limit:
            last = Position(found[-1].offered_at, found[-1].submission.tracking_id)
            following = urlencode({"limit": limit, "cursor": cursor(last)})
            address = f"{self.base_url}{PREFIX}{application}/owed?{following}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response

    # --- one submission --------------------------------------------------------------------------

    async def _verb(
        self, scope: Scope, tracking_id: str, verb: Verb, receive: Incoming
    ) -> Response:
        context.tracking_id.set(tracking_id[:64])
        actor = await self.workers.read(self._actor, scope)
        members = Members(wire.parse(await small_body(receive, MAX_BODY)))
        fence = members.number("lease", 0, 1 << 31)
        call = verb(self.exchange, actor, (tracking_id, fence), members)
        members.end()
        return _json(await self.workers.run(call))

    async def _content(self, scope: Scope, tracking_id: str, receive: Incoming, send: Send) -> None:
        context.tracking_id.set(tracking_id[:64])
        opened, part = await self.workers.run(self._open, scope, tracking_id)
        try:
            await send_file(opened, part, receive, send)
        finally:
            opened.reader.close()

    def _open(self, scope: Scope, tracking_id: str) -> tuple[Download, Window | None]:
        actor, handoff = self._actor(scope), self.exchange.handoff
        asked = header(scope, "range")
        if not asked:
            return handoff.content(actor, tracking_id), None
        shown = handoff.received(actor, tracking_id)
        part = window(asked, header(scope, "if-range"), shown)
        if part is None:
            return handoff.content(actor, tracking_id), None
        return handoff.content(actor, tracking_id, part.start, part.length), part

    # --- publish ---------------------------------------------------------------------------------

    async def _publish(
        self, scope: Scope, path: tuple[str, str, str], receive: Incoming
    ) -> Response:
        publication = await self.workers.run(self._begin, scope, path)
        intake = Intake(publication, self.workers, self.pace)
        try:
            await intake.run(receive)
            await intake.settle()
            shown = await self.workers.run(publication.commit)
        finally:
            await intake.settle()
            await self.workers.run(publication.close)
        return _json(wire.published(shown))

    def _begin(self, scope: Scope, path: tuple[str, str, str]) -> Publication:
        actor = self._actor(scope)
        application, sub_space, name = path
        asked = parameters(scope["query_string"], {"org", "about"}, repeated="org")
        result = Result(
            application=parse_application(application),
            sub_space=parse_sub_space(sub_space),
            name=parse_file_name(name),
            orgs=tuple(dict.fromkeys(parse_org(org) for org in asked.get("org", []))),
            about=_about(asked),
            key=idempotency_key(scope),
            sha256=wire.stated_sha256(header(scope, "repr-digest")),
        )
        return self.exchange.publishing.begin(actor, result)


def _about(asked: dict[str, list[str]]) -> str:
    (about,) = asked.get("about", [""])
    if "about" in asked and not about:
        raise BadParameter("about", "it is empty; name a submission, or leave it out")
    return about


# --- what can be done with a submission ----------------------------------------------------------

Held = tuple[str, int]
"""A tracking id, and the number of the lease."""

Verb = Callable[[Exchange, Actor, Held, Members], Callable[[], Json]]


def _heartbeat(exchange: Exchange, actor: Actor, held: Held, asked: Members) -> Callable[[], Json]:
    lease = asked.seconds("leaseSeconds", 1, _DAY, _LEASE_SECONDS)

    def call() -> Json:
        until = exchange.handoff.extend(actor, *held, lease)
        return {"trackingId": held[0], "lease": held[1], "leaseUntil": wire.instant(until)}

    return call


def _acknowledge(
    exchange: Exchange, actor: Actor, held: Held, asked: Members
) -> Callable[[], Json]:
    del asked
    return lambda: wire.standing(exchange.handoff.acknowledge(actor, *held), held[1])


def _report(exchange: Exchange, actor: Actor, held: Held, asked: Members) -> Callable[[], Json]:
    answer = wire.answer(asked)
    return lambda: wire.standing(exchange.handoff.report(actor, *held, answer), held[1])


def _release(exchange: Exchange, actor: Actor, held: Held, asked: Members) -> Callable[[], Json]:
    after: timedelta = asked.seconds("afterSeconds", 0, _DAY, 0)
    return lambda: wire.released(exchange.handoff.release(actor, *held, after))


_VERBS: dict[str, Verb] = {
    "heartbeat": _heartbeat,
    "acknowledge": _acknowledge,
    "report": _report,
    "release": _release,
}


def _json(value: Json) -> Response:
    content = json.dumps(value, separators=(",", ":")).encode()
    return Response(content, media_type=Media.JSON.value)
