"""The resources of the REST API: paths become places and names, the core is asked.

Paths are split before they are decoded, and decoded once: an encoded slash never makes a level.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from transom.core.browse import Folder
from transom.core.exchange import Exchange
from transom.core.tracking import Query
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, ExchangeError, Unavailable
from transom.domain.listing import Listing
from transom.domain.names import (
    Place,
    parse_application,
    parse_file_name,
    parse_org,
    parse_sub_space,
    parse_upload_name,
)
from transom.domain.submission import AccessMethod, State, Submission
from transom.frontends import context
from transom.frontends.encoding import Json, Media, encode, media_of
from transom.frontends.errors import Answerer, NoResource
from transom.frontends.queries import cursor, instant, number, position, single
from transom.frontends.requests import (
    bearer,
    client,
    header,
    idempotency_key,
    require_method,
    segments,
)
from transom.frontends.rest import streams, wire
from transom.frontends.rest.wire import Links, TrackingStyle
from transom.frontends.workers import Workers

_MAX_PAGE = 500
_FILE_LEVEL = 4
_QUERY_NAMES = frozenset({"id", "fileName", "application", "since", "state", "limit", "cursor"})


@dataclass(frozen=True, slots=True)
class RestDoor:
    """The ASGI application of the REST API."""

    exchange: Exchange
    workers: Workers
    links: Links
    style: TrackingStyle
    answerer: Answerer
    openapi: bytes
    about: Json
    """What /.well-known/transom tells."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        media = media_of(header(scope, "accept"))
        try:
            response = await self._route(scope, media)
        except ExchangeError as error:
            response = self.answerer.answer(error, media, scope["request_id"])
        await response(scope, receive, send)

    async def _route(self, scope: Scope, media: Media) -> Response:
        head, *path = segments(scope["raw_path"])
        match head, path:
            case "files", _:
                return await self._files(scope, media, path)
            case "tracking", []:
                require_method(scope, "GET")
                return await self._tracking(scope, media)
            case "S3TransferTokens", [org, name]:
                require_method(scope, "GET")
                return await self._transfer_token(scope, media, org, name)
            case "health" | "ready", []:
                require_method(scope, "GET", "HEAD")
                return await self._health(media, deep=head == "ready")
            case "openapi.json", []:
                require_method(scope, "GET")
                return Response(self.openapi, media_type="application/json")
            case ".well-known", ["transom"]:
                require_method(scope, "GET")
                return _shaped(self.about, media, "transom")
            case _:
                raise NoResource

    def _actor(self, scope: Scope) -> Actor:
        return bearer(self.exchange.tokens, scope)

    # --- /files ----------------------------------------------------------------------------------
    # All of one answer happens in one visit to a worker: each visit costs a change of thread.

    async def _files(self, scope: Scope, media: Media, path: list[str]) -> Response:
        if scope["method"] == "PUT":
            shaped, tracking_id = await self.workers.run(self._put, scope, path)
            context.tracking_id.set(tracking_id)
            return _shaped(shaped, media, "upload")
        require_method(scope, "GET", *(["PUT"] if len(path) == _FILE_LEVEL else []))
        match path:
            case [org, name, space]:
                return await self._sub_space(scope, (org, name, space), media)
            case [_, _, _, _]:
                return _shaped(await self.workers.read(self._get, scope, path), media, "file")
            case _:
                return _shaped(await self.workers.read(self._folder, scope, path), media, "folder")

    def _folder(self, scope: Scope, path: list[str]) -> Json:
        actor, browse = self._actor(scope), self.exchange.browse
        match path:
            case []:
                return wire.folder(browse.root(actor), self.links)
            case [org]:
                at = parse_org(org)
                return wire.folder(browse.organization(actor, at), self.links, at)
            case [org, name]:
                at, app = parse_org(org), parse_application(name)
                return wire.folder(browse.application(actor, at, app), self.links, at, app)
            case _:
                raise NoResource

    async def _sub_space(self, scope: Scope, path: tuple[str, str, str], media: Media) -> Response:
        found = await self.workers.read(self._first_page, scope, path, media)
        if isinstance(found, bytes):
            return Response(found, media_type=media.value)
        actor, shown, place = found

        def read() -> AsyncIterator[list[Listing]]:
            return streams.pages(self.workers, self.exchange.browse.files(actor, place))

        body = streams.sub_space(shown, place, read, self.links, media)
        return StreamingResponse(body, media_type=media.value)

    def _first_page(
        self, scope: Scope, path: tuple[str, str, str], media: Media
    ) -> bytes | tuple[Actor, Folder, Place]:
        """The whole answer, when all files fit into one page; else what it takes to stream it."""
        actor = self._actor(scope)
        place = _place(*path)
        shown = self.exchange.browse.sub_space(actor, place)
        pages = self.exchange.browse.files(actor, place)
        first = next(pages)
        if next(pages, None) is not None:
            return actor, shown, place
        return encode(wire.sub_space(shown, place, first, self.links), media, "folder")[0]

    def _get(self, scope: Scope, path: list[str]) -> Json:
        actor = self._actor(scope)
        place, name = _place(*path[:3]), parse_file_name(path[3])
        found = self.exchange.downloads.find(actor, place, name)
        sign = partial(self.exchange.signed_urls.for_download, actor, place, found.name, found.id)
        return wire.download_offer(found, sign(), sign(method="HEAD"), self.links)

    def _put(self, scope: Scope, path: list[str]) -> tuple[Json, str]:
        actor = self._actor(scope)
        if len(path) != _FILE_LEVEL:
            raise NoResource
        place, name = _place(*path[:3]), parse_upload_name(path[3])
        key = idempotency_key(scope)
        came = client(scope, AccessMethod.REST)
        asked = self.exchange.uploads.request(actor, place, name, came, key)
        tracking_id = asked.submission.tracking_id
        signed = self.exchange.signed_urls.for_upload(
            actor, place, name, tracking_id, asked.signed_at
        )
        return wire.upload_offer(asked.submission, signed, self.links), tracking_id

    # --- /tracking -------------------------------------------------------------------------------

    async def _tracking(self, scope: Scope, media: Media) -> Response:
        actor = await self.workers.read(self._actor, scope)
        asked = single(scope["query_string"], _QUERY_NAMES)
        if "id" in asked:
            found = await self.workers.read(self.exchange.tracking.one, actor, asked["id"])
            return self._records([found], media)
        query = _narrowed(asked)
        if "limit" in asked or "cursor" in asked:
            return await self._tracking_page(actor, query, asked, media)
        pages = self.exchange.tracking.all(actor, query)
        first = await self.workers.run(next, pages)  # what fails here still has its own status
        every = streams.pages(self.workers, chain([first], pages))
        body = streams.array(every, self._record, media, "submissions", "submission")
        return StreamingResponse(body, media_type=media.value)

    async def _tracking_page(
        self, actor: Actor, query: Query, asked: dict[str, str], media: Media
    ) -> Response:
        limit = number("limit", asked.get("limit", "100"), _MAX_PAGE)
        after = position(asked["cursor"]) if "cursor" in asked else None
        page = self.exchange.tracking.page
        found, last = await self.workers.run(page, actor, query, after, limit)
        response = self._records(found, media)
        if last is not None:
            following = asked | {"limit": str(limit), "cursor": cursor(last)}
            address = f"{self.links.tracking()}?{urlencode(following)}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response

    def _records(self, found: list[Submission], media: Media) -> Response:
        shapes = [self._record(each) for each in found]
        if media is Media.JSON:
            return _shaped(shapes, media, "")
        return _shaped({"submission": shapes}, media, "submissions")

    def _record(self, shown: Submission) -> Json:
        return wire.submission(shown, self.links, self.style)

    # --- /S3TransferTokens -----------------------------------------------------------------------

    async def _transfer_token(self, scope: Scope, media: Media, org: str, name: str) -> Response:
        shaped = await self.workers.run(self._grant, scope, org, name)
        return _shaped(shaped, media, "transferToken")

    def _grant(self, scope: Scope, org: str, name: str) -> Json:
        actor = self._actor(scope)
        grant = self.exchange.transfer_tokens.grant
        return wire.transfer_token(grant(actor, parse_org(org), parse_application(name)))

    # --- /health ---------------------------------------------------------------------------------

    async def _health(self, media: Media, *, deep: bool) -> Response:
        if deep:
            try:
                await self.workers.run(self.exchange.check)
            except Unavailable as failure:
                body = {"status": "DOWN", "error": failure.code}
                content, media_type = encode(body, media, "health")
                return Response(content, 503, {"Retry-After": "5"}, media_type)
        return _shaped({"status": "UP"}, media, "health")


def _shaped(value: object, media: Media, root: str) -> Response:
    content, media_type = encode(value, media, root)
    return Response(content, media_type=media_type)


def _place(org: str, application: str, space: str) -> Place:
    return Place(parse_org(org), parse_application(application), parse_sub_space(space))


def _narrowed(asked: dict[str, str]) -> Query:
    try:
        states = (State(asked["state"]),) if "state" in asked else ()
    except ValueError:
        raise BadParameter("state", f"one of {', '.join(State)}") from None
    return Query(
        parse_file_name(asked["fileName"]) if "fileName" in asked else "",
        parse_application(asked["application"]) if "application" in asked else "",
        _since(asked["since"]) if "since" in asked else None,
        states,
    )


def _since(text: str) -> datetime:
    try:
        return instant(text.replace(" ", "+"))  # what a "+" becomes that nobody encoded
    except ValueError:
        example = "2026-11-20T15:32:07-05:00"
        raise BadParameter("since", f"an instant with offset, like {example}") from None
