"""The pre-signed door: a signed URL in, one file up or down.

Nothing of a request is believed before its signature has verified, and `100 Continue` goes out only
after that: the body is first asked for when the upload is open.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.core.bodies import Body, Stated
from transom.core.checksums import Algorithm
from transom.core.exchange import Exchange
from transom.core.signed_urls import Redeemed
from transom.domain.errors import BadParameter, ExchangeError, GrantInvalid, TooLarge
from transom.domain.signature import RawRequest
from transom.domain.submission import Submission
from transom.frontends import context
from transom.frontends.conditions import Conditions, is_unchanged, window
from transom.frontends.errors import BodyBrokeOff
from transom.frontends.headers import etag, repr_digest
from transom.frontends.intake import Incoming, Intake, Pace
from transom.frontends.requests import header, source
from transom.frontends.s3 import errors, wire
from transom.frontends.s3.errors import MethodNotAllowed, MissingLength
from transom.frontends.sending import describe, send_file, start
from transom.frontends.workers import Workers
from transom.ports import Clock

SINGLE_PUT_BYTES = 5 << 30
_CHECKSUM = "x-amz-checksum-"


@dataclass(frozen=True, slots=True)
class S3Door:
    """The ASGI application of the pre-signed door."""

    exchange: Exchange
    workers: Workers
    clock: Clock
    pace: Pace = field(default_factory=Pace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        receive = Incoming(receive)
        try:
            if scope["method"] not in {"GET", "HEAD", "PUT"}:
                raise MethodNotAllowed
            redeemed = await self.workers.read(self._redeem, scope)
            if scope["method"] == "PUT":
                await self._put(redeemed, scope, receive, send)
            else:
                await self._get(redeemed, scope, receive, send)
        except ExchangeError as error:
            await self._refuse(error, scope, receive, send)

    def _redeem(self, scope: Scope) -> Redeemed:
        if b"X-Amz-" not in scope["query_string"]:
            raise GrantInvalid("nobody signed it")
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(
                value.decode("utf-8", "surrogateescape")
            )
        request = RawRequest(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
        )
        return self.exchange.signed_urls.redeem(request, source(scope), scope["request_id"])

    async def _refuse(
        self, error: ExchangeError, scope: Scope, receive: Incoming, send: Send
    ) -> None:
        response = errors.answer(error, scope["request_id"], wire.zulu(self.clock.wall()))
        if scope["method"] == "PUT":
            response.headers["Connection"] = "close"
            if not isinstance(error, BodyBrokeOff) and not header(scope, "expect"):
                await receive.drain()
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    # --- PUT -----------------------------------------------------------------------------------

    async def _put(self, redeemed: Redeemed, scope: Scope, receive: Receive, send: Send) -> None:
        context.tracking_id.set(redeemed.submission)
        _check_length(scope)
        begin = self.exchange.bodies.begin
        body = await self.workers.run(
            begin, redeemed.actor, redeemed.submission, _stated(scope), SINGLE_PUT_BYTES
        )
        submission = await self._receive(body, receive)
        await _received(submission)(scope, receive, send)

    async def _receive(self, body: Body, receive: Receive) -> Submission:
        intake = Intake(body, self.workers, self.pace)
        try:
            await intake.run(receive)
            await intake.settle()
            return await self.workers.run(body.commit)
        except BaseException:
            await intake.settle()
            await self.workers.run(body.close)
            raise

    # --- GET and HEAD --------------------------------------------------------------------------

    async def _get(self, redeemed: Redeemed, scope: Scope, receive: Receive, send: Send) -> None:
        listed = self.exchange.downloads.listed
        listing = await self.workers.run(listed, redeemed.actor, redeemed.place, redeemed.listing)
        if listing.name != redeemed.name:
            raise GrantInvalid("the URL names another file")
        asked = Conditions(
            header(scope, "if-match"),
            header(scope, "if-none-match"),
            header(scope, "if-modified-since"),
            header(scope, "if-unmodified-since"),
        )
        if is_unchanged(asked, listing):
            headers = describe(listing)
            del headers["Content-Length"]  # the server would wait for as many bytes
            await start(send, 304, headers)
            await send({"type": "http.response.body"})
            return
        part = window(header(scope, "range"), header(scope, "if-range"), listing)
        if scope["method"] == "HEAD":
            await start(send, 206 if part else 200, describe(listing, part))
            await send({"type": "http.response.body"})
            return
        opened = await self.workers.run(
            self.exchange.downloads.open,
            redeemed.actor,
            listing,
            part.start if part else 0,
            part.length if part else None,
        )
        try:
            await send_file(opened, part, receive, send)
        finally:
            opened.reader.close()


def _received(submission: Submission) -> Response:
    response = Response(status_code=200)
    response.headers["x-transom-tracking-id"] = submission.tracking_id
    if submission.sha256 is not None:
        response.headers["ETag"] = etag(submission.sha256)
        response.headers["Repr-Digest"] = repr_digest(submission.sha256)
    return response


def _check_length(scope: Scope) -> None:
    length = header(scope, "content-length")
    if not length and not header(scope, "transfer-encoding"):
        raise MissingLength
    if length and int(length) > SINGLE_PUT_BYTES:
        raise TooLarge(SINGLE_PUT_BYTES)


def _stated(scope: Scope) -> Stated:
    """What the sender says of the body: its type, and digests to be verified."""
    stated: dict[Algorithm, bytes] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1")
        if name == "content-md5":
            stated[Algorithm.MD5] = _decoded(name, raw_value)
        elif name.startswith(_CHECKSUM):
            stated[Algorithm(name.removeprefix(_CHECKSUM))] = _decoded(name, raw_value)
    return Stated(header(scope, "content-type"), stated)


def _decoded(name: str, value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadParameter(name, "a digest in base64") from None
