"""Objects: one file up in one request, one file or a part of it down, and what a file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from transom.core.bodies import Body
from transom.core.checksums import Algorithm
from transom.domain.entitlement import Actor
from transom.domain.errors import (
    BadParameter,
    ExchangeError,
    NotEntitled,
    NotFound,
    NotSupported,
    TooLarge,
)
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.space import Direction
from transom.domain.submission import Submission
from transom.frontends import context
from transom.frontends.conditions import Conditions, Window, is_unchanged, window
from transom.frontends.errors import PreconditionFailed
from transom.frontends.headers import etag, repr_digest
from transom.frontends.intake import Intake
from transom.frontends.s3 import terms, wire
from transom.frontends.s3.calls import Call, Surroundings
from transom.frontends.s3.errors import MissingLength, NoSuchPart, NoSuchVersion
from transom.frontends.s3.payload import Content
from transom.frontends.sending import describe, send_file, send_unchanged, start

SINGLE_PUT_BYTES: Final = 5 << 30
TRACKING_ID: Final = "x-transom-tracking-id"

_OVERRIDES: Final = {
    f"response-{name.lower()}": name
    for name in (
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Expires",
    )
}

# --- up ------------------------------------------------------------------------------------------


async def put(around: Surroundings, call: Call) -> None:
    """PutObject: one submission."""
    terms.check(call.scope)
    if "partNumber" in call.query:  # a part by a client that lost its upload's id is no file
        raise BadParameter("uploadId", "it is missing")
    place, name = call.new_file()
    check_length(call, SINGLE_PUT_BYTES)
    await _check_absence(around, call, place, name)
    exchange, workers = around.exchange, around.workers
    body = await workers.run(
        exchange.bodies.open, call.actor, place, name, call.client, SINGLE_PUT_BYTES
    )
    context.tracking_id.set(body.tracking_id)
    content = Content(call.receive, call.payload.without_sha256())
    submission = await _receive(around, body, content, call.payload.sha256)
    response = Response(status_code=200, headers=received_headers(submission))
    response.headers.update(checksum_headers(content.digests))
    await response(call.scope, call.receive, call.send)


async def _receive(around: Surroundings, body: Body, content: Content, sha256: str) -> Submission:
    intake = Intake(body, around.workers, around.pace)
    try:
        await intake.run(content)
        await intake.settle()
        return await around.workers.run(body.commit, sha256)
    except ExchangeError as failure:
        await intake.settle()
        await around.workers.run(body.abort, failure.message)
        raise
    except BaseException:
        await intake.settle()
        await around.workers.run(body.close)
        raise


def check_length(call: Call, most: int) -> None:
    """Return quietly when a body says how long it is, and that is not too long.

    Raises:
        MissingLength, TooLarge
    """
    length = call.payload.length
    if length is None:
        raise MissingLength
    if length > most:
        raise TooLarge(most)


async def _check_absence(around: Surroundings, call: Call, place: Place, name: FileName) -> None:
    """What If-None-Match asks: that no such file is there as far as its sender can tell."""
    if call.header("if-match"):
        raise NotSupported("If-Match", "Nothing is ever overwritten: each upload is a new file.")
    wanted = call.header("if-none-match")
    if not wanted:
        return
    if wanted != "*":
        raise NotSupported("If-None-Match with an entity tag", "Use *.")
    try:
        await around.workers.run(_sent, around, call.actor, place, name)
    except NotFound:
        return
    raise PreconditionFailed


def received_headers(submission: Submission) -> dict[str, str]:
    """What tells the sender of a file what became of it."""
    headers = {TRACKING_ID: submission.tracking_id}
    if submission.sha256 is not None:
        headers |= {
            "ETag": etag(submission.sha256),
            "Repr-Digest": repr_digest(submission.sha256),
        }
    return headers


def checksum_headers(digests: Mapping[Algorithm, bytes]) -> dict[str, str]:
    """The digests that were verified, as an answer repeats them."""
    named = {
        wire.checksum_header(algorithm): wire.digest(value)
        for algorithm, value in digests.items()
        if algorithm is not Algorithm.MD5
    }
    return named | {"x-amz-checksum-type": "FULL_OBJECT"} if named else {}


# --- down ----------------------------------------------------------------------------------------


async def get(around: Surroundings, call: Call) -> None:
    """GetObject: the file, or the part that Range asks for."""
    place, name = call.file()
    find = around.exchange.downloads.find
    listing = await around.workers.run(find, call.actor, place, name)
    headers = _overrides(call)
    part = await _agreed(call, listing)
    if part is _UNCHANGED:
        return
    opened = await around.workers.run(
        around.exchange.downloads.open,
        call.actor,
        listing,
        part.start if part else 0,
        part.length if part else None,
    )
    headers = _described(call, listing, part) | headers
    try:
        await send_file(opened, part, call.receive, call.send, headers)
    finally:
        opened.reader.close()


async def head(around: Surroundings, call: Call) -> None:
    """HeadObject: what may be fetched, and for 24 hours what the caller itself has sent."""
    place, name = call.file()
    listing = await around.workers.run(_visible, around, call.actor, place, name)
    headers = _overrides(call)
    part = await _agreed(call, listing)
    if part is _UNCHANGED:
        return
    await start(call.send, 206 if part else 200, _described(call, listing, part) | headers)
    await call.send({"type": "http.response.body"})


_UNCHANGED: Final = Window(-1, -1)
"""The client has the file already, and was told so."""


async def _agreed(call: Call, listing: Listing) -> Window | None:
    """What part of a file to tell of, None for all of it; or it is unchanged, and that was said."""
    if call.query.get("versionId", "null") != "null":
        raise NoSuchVersion
    if is_unchanged(Conditions.of(call.scope), listing):
        await send_unchanged(listing, call.send)
        return _UNCHANGED
    if "partNumber" in call.query:
        return _only_part(call, listing)
    return window(call.header("range"), call.header("if-range"), listing)


def _only_part(call: Call, listing: Listing) -> Window | None:
    """However it was sent, a file has one part: the whole."""
    if call.header("range"):
        raise BadParameter("partNumber", "not together with Range")
    if call.query["partNumber"] != "1":
        raise NoSuchPart
    return Window(0, listing.size) if listing.size else None


def _described(call: Call, listing: Listing, part: Window | None) -> dict[str, str]:
    headers = describe(listing, part)
    whole = part is None or part.length == listing.size
    if whole and call.header("x-amz-checksum-mode").upper() == "ENABLED":
        headers |= checksum_headers({Algorithm.SHA256: bytes.fromhex(listing.sha256)})
    if "partNumber" in call.query:
        headers["x-amz-mp-parts-count"] = "1"
    return headers


def _overrides(call: Call) -> dict[str, str]:
    """The headers that the caller wants to see in the answer."""
    wanted = {_OVERRIDES[name]: value for name, value in call.query.items() if name in _OVERRIDES}
    for name, value in wanted.items():
        if not (value.isascii() and value.isprintable()):
            raise BadParameter(f"response-{name.lower()}", "printable ASCII only")
    return wanted


def _visible(around: Surroundings, actor: Actor, place: Place, name: FileName) -> Listing:
    """A file that the actor may fetch, or has sent itself; called in a worker."""
    try:
        return around.exchange.downloads.find(actor, place, name)
    except NotEntitled:
        return _sent(around, actor, place, name)


def _sent(around: Surroundings, actor: Actor, place: Place, name: FileName) -> Listing:
    """What the actor has sent in the last 24 h, though it may have moved on; in a worker.

    Raises:
        NotFound: nothing of this name.
        NotEntitled: the actor may not list there.
    """
    found = around.exchange.uploads.just_sent(actor, place, name)
    if found is None or not found.is_received or found.size is None or found.sha256 is None:
        raise NotFound(f"{place}/{name}")
    return Listing(
        id="",
        direction=Direction.INBOUND,
        place=place,
        name=name,
        blob_key="",
        size=found.size,
        sha256=found.sha256,
        tracking_id=found.tracking_id,
        listed_at=found.submitted_at,
    )
