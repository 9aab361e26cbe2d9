"""URLs that our REST API signed: one file up or down for whoever holds one."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.core.bodies import Body, Stated
from transom.core.checksums import Algorithm
from transom.core.signed_urls import Redeemed
from transom.domain.errors import GrantInvalid, TooLarge
from transom.domain.submission import Submission
from transom.frontends import context
from transom.frontends.conditions import Conditions, is_unchanged, window
from transom.frontends.intake import Intake
from transom.frontends.requests import header
from transom.frontends.s3.calls import Surroundings
from transom.frontends.s3.errors import MissingLength
from transom.frontends.s3.objects import SINGLE_PUT_BYTES, received_headers
from transom.frontends.sending import describe, send_file, send_unchanged, start


async def serve(
    around: Surroundings,
    redeemed: Redeemed,
    stated: Mapping[Algorithm, bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Serve one request on a verified URL. `stated` are digests of what it brings.

    Raises:
        ExchangeError: what it is refused with.
    """
    if scope["method"] == "PUT":
        await _put(around, redeemed, stated, scope, receive, send)
    else:
        await _get(around, redeemed, scope, receive, send)


async def _put(
    around: Surroundings,
    redeemed: Redeemed,
    digests: Mapping[Algorithm, bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    context.tracking_id.set(redeemed.submission)
    _check_length(scope)
    stated = Stated(header(scope, "content-type"), digests)
    begin = around.exchange.bodies.begin
    body = await around.workers.run(
        begin, redeemed.actor, redeemed.submission, stated, SINGLE_PUT_BYTES
    )
    submission = await _receive(around, body, receive)
    response = Response(status_code=200, headers=received_headers(submission))
    await response(scope, receive, send)


async def _receive(around: Surroundings, body: Body, receive: Receive) -> Submission:
    intake = Intake(body, around.workers, around.pace)
    try:
        await intake.run(receive)
        await intake.settle()
        return await around.workers.run(body.commit)
    except BaseException:
        await intake.settle()
        await around.workers.run(body.close)
        raise


async def _get(
    around: Surroundings, redeemed: Redeemed, scope: Scope, receive: Receive, send: Send
) -> None:
    downloads = around.exchange.downloads
    listing = await around.workers.run(
        downloads.listed, redeemed.actor, redeemed.place, redeemed.listing
    )
    if listing.name != redeemed.name:
        raise GrantInvalid("the URL names another file")
    asked = Conditions.of(scope)
    if is_unchanged(asked, listing):
        await send_unchanged(listing, send)
        return
    part = window(header(scope, "range"), header(scope, "if-range"), listing)
    if scope["method"] == "HEAD":
        await start(send, 206 if part else 200, describe(listing, part))
        await send({"type": "http.response.body"})
        return
    opened = await around.workers.run(
        downloads.open,
        redeemed.actor,
        listing,
        part.start if part else 0,
        part.length if part else None,
    )
    try:
        await send_file(opened, part, receive, send)
    finally:
        opened.reader.close()


def _check_length(scope: Scope) -> None:
    length = header(scope, "content-length")
    if not length and not header(scope, "transfer-encoding"):
        raise MissingLength
    if length and int(length) > SINGLE_PUT_BYTES:
        raise TooLarge(SINGLE_PUT_BYTES)
