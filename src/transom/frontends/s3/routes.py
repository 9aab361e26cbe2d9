"""The S3 door: who signs a request decides what it may be.

Nothing of a request is believed before its signature has verified, and `100 Continue` goes out only
when the operation asks for the body: after everything that can be refused without it.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Message, Receive, Scope, Send

from transom.core.signed_urls import Redeemed
from transom.core.transfer_tokens import Session
from transom.domain.errors import ExchangeError
from transom.frontends.errors import BodyBrokeOff
from transom.frontends.intake import Incoming
from transom.frontends.requests import header
from transom.frontends.s3 import errors, presigned, wire
from transom.frontends.s3.calls import Call, Surroundings, address
from transom.frontends.s3.errors import METHODS, MethodNotAllowed
from transom.frontends.s3.operations import operation
from transom.frontends.s3.signing import Signed, authenticate
from transom.ports import Clock

_WITH_BODY = frozenset({"PUT", "POST"})


@dataclass(frozen=True, slots=True)
class S3Door:
    """The ASGI application of the S3 door."""

    around: Surroundings
    clock: Clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        receive, send = Incoming(receive), _with_second_id(send, scope["request_id"])
        try:
            if scope["method"] not in METHODS:
                raise MethodNotAllowed
            signed = await self.around.workers.read(authenticate, self.around.exchange, scope)
            await self._serve(signed, scope, receive, send)
        except ExchangeError as error:
            await self._refuse(error, scope, receive, send)

    async def _serve(self, signed: Signed, scope: Scope, receive: Receive, send: Send) -> None:
        match signed.by:
            case Redeemed() as redeemed:
                stated = signed.payload.stated
                await presigned.serve(self.around, redeemed, stated, scope, receive, send)
            case Session() as session:
                bucket, key = address(scope, self.around.bucket)
                query = dict(signed.query)
                call = Call(session, signed.payload, query, bucket, key, scope, receive, send)
                await operation(call, self.around.bucket.name)(self.around, call)

    async def _refuse(
        self, error: ExchangeError, scope: Scope, receive: Incoming, send: Send
    ) -> None:
        path = scope["raw_path"].decode("latin-1")
        now = wire.zulu(self.clock.wall())
        response = errors.answer(error, scope["request_id"], now, path)
        if scope["method"] in _WITH_BODY:
            response.headers["Connection"] = "close"
            if not isinstance(error, BodyBrokeOff) and not header(scope, "expect"):
                await receive.drain()
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)


def _with_second_id(send: Send, request_id: str) -> Send:
    """The same, with the header that S3 sends beside the request id."""
    second = (b"x-amz-id-2", wire.host_id(request_id).encode())

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), second]
        await send(message)

    return sending
