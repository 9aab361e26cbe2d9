"""Uploads in parts: begin, receive parts, show what is there, complete, give up."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from transom.core.assembly import Completed, Expected, Named
from transom.core.checksums import Algorithm
from transom.core.multipart import Agreed, IncomingPart, Target
from transom.domain.errors import BadParameter, ExchangeError, Unavailable
from transom.domain.parts import MAX_PART_BYTES, Part
from transom.frontends import context
from transom.frontends.headers import etag
from transom.frontends.intake import Intake
from transom.frontends.requests import small_body
from transom.frontends.s3 import documents, errors, objects, terms, wire
from transom.frontends.s3.calls import Call, Surroundings
from transom.frontends.s3.payload import Content
from transom.frontends.s3.queries import number
from transom.frontends.sending import start

PAGE: Final = 1000
PATIENCE_SECONDS: Final = 10.0
"""A completion that takes longer has its answer begin with white space, to keep it alive."""

_ETAG: Final = re.compile(r'"?([0-9a-f]{32})-1"?')

_log = logging.getLogger(__name__)


def _target(call: Call) -> Target:
    place, name = call.file()
    context.tracking_id.set(call.query["uploadId"])
    return Target(call.query["uploadId"], place, name)


async def begin(around: Surroundings, call: Call) -> None:
    """CreateMultipartUpload."""
    terms.check(call.scope)
    place, name = call.new_file()
    agreed = _agreed(call)
    submission = await around.workers.run(
        around.exchange.multiparts.begin, call.actor, place, name, call.client, agreed
    )
    context.tracking_id.set(submission.tracking_id)
    response = wire.answer(
        "InitiateMultipartUploadResult",
        [
            ("Bucket", call.bucket),
            ("Key", call.key),
            ("UploadId", submission.tracking_id),
        ],
    )
    if agreed.algorithm:
        response.headers["x-amz-checksum-algorithm"] = agreed.algorithm.upper()
        response.headers["x-amz-checksum-type"] = _type(full_object=agreed.full_object)
    await response(call.scope, call.receive, call.send)


def _agreed(call: Call) -> Agreed:
    named, kind = call.header("x-amz-checksum-algorithm"), call.header("x-amz-checksum-type")
    if not named:
        return Agreed()
    try:
        algorithm = Algorithm(named.lower())
    except ValueError:
        raise BadParameter("x-amz-checksum-algorithm", "unknown") from None
    full = kind.upper() == "FULL_OBJECT" or (not kind and algorithm is Algorithm.CRC64NVME)
    if full and algorithm in (Algorithm.SHA1, Algorithm.SHA256):
        raise BadParameter("x-amz-checksum-type", "COMPOSITE for this algorithm")
    return Agreed(algorithm, full)


def _type(*, full_object: bool) -> str:
    return "FULL_OBJECT" if full_object else "COMPOSITE"


# --- parts ---------------------------------------------------------------------------------------


async def put_part(around: Surroundings, call: Call) -> None:
    """UploadPart."""
    terms.check(call.scope)
    objects.check_length(call, MAX_PART_BYTES)
    multiparts, workers = around.exchange.multiparts, around.workers
    target, part_number = _target(call), number("partNumber", call.query.get("partNumber", ""))
    incoming = await workers.run(multiparts.receive, call.actor, target, part_number)
    content = Content(call.receive, call.payload.without_sha256())
    part = await _receive(around, incoming, content, call.payload.sha256)
    _in_background(around, target.upload_id)
    headers = {"ETag": etag(part.sha256)} | objects.checksum_headers(content.digests)
    headers.pop("x-amz-checksum-type", None)
    await Response(status_code=200, headers=headers)(call.scope, call.receive, call.send)


async def _receive(
    around: Surroundings, incoming: IncomingPart, content: Content, sha256: str
) -> Part:
    intake = Intake(incoming, around.workers, around.pace)
    try:
        await intake.run(content)
        await intake.settle()
        return await around.workers.run(incoming.commit, content.digests, sha256)
    except BaseException:
        await intake.settle()
        raise
    finally:
        await around.workers.run(incoming.close)


_following: set[asyncio.Task[None]] = set()


def _in_background(around: Surroundings, upload_id: str) -> None:
    """Have the digest follow while other parts come."""
    task = asyncio.ensure_future(_follow(around, upload_id))
    _following.add(task)
    task.add_done_callback(_following.discard)


async def _follow(around: Surroundings, upload_id: str) -> None:
    try:
        await around.workers.run(around.exchange.multiparts.follow, upload_id)
    except Unavailable:
        _log.warning("digest does not follow", exc_info=True)  # the completion reads it all


async def list_parts(around: Surroundings, call: Call) -> None:
    """ListParts."""
    after = number("part-number-marker", call.query.get("part-number-marker", "0"))
    limit = min(number("max-parts", call.query.get("max-parts", str(PAGE))), PAGE)
    target = _target(call)
    found = await around.workers.run(
        around.exchange.multiparts.parts, call.actor, target, after, limit + 1
    )
    shown = found[:limit]
    response = wire.answer(
        "ListPartsResult",
        [
            ("Bucket", call.bucket),
            ("Key", call.key),
            ("UploadId", target.upload_id),
            ("PartNumberMarker", after),
            ("NextPartNumberMarker", shown[-1].number if shown else 0),
            ("MaxParts", limit),
            ("IsTruncated", len(found) > limit),
            ("StorageClass", "STANDARD"),
        ],
        "".join(wire.part(each) for each in shown),
    )
    await response(call.scope, call.receive, call.send)


async def list_uploads(around: Surroundings, call: Call) -> None:
    """ListMultipartUploads: the caller's own."""
    asked = call.query
    limit = min(number("max-uploads", asked.get("max-uploads", str(PAGE))), PAGE)
    prefix, marker = asked.get("prefix", ""), asked.get("key-marker", "")
    after = (marker, asked.get("upload-id-marker", "")) if marker else ("", "")
    found = await around.workers.run(around.exchange.multiparts.open_uploads, call.actor)
    named = [((f"{each.place}/{each.name}", each.tracking_id), each) for each in found]
    rest = [
        (name, each)
        for name, each in sorted(named, key=lambda one: one[0])
        if name[0].startswith(prefix) and _follows(name, after)
    ]
    shown = rest[:limit]
    last = shown[-1][0] if shown and len(rest) > limit else (None, None)
    response = wire.answer(
        "ListMultipartUploadsResult",
        [
            ("Bucket", call.bucket),
            ("KeyMarker", marker),
            ("UploadIdMarker", after[1]),
            ("NextKeyMarker", last[0]),
            ("NextUploadIdMarker", last[1]),
            ("Prefix", prefix or None),
            ("MaxUploads", limit),
            ("IsTruncated", len(rest) > limit),
        ],
        "".join(wire.upload(each) for _, each in shown),
    )
    await response(call.scope, call.receive, call.send)


def _follows(name: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether an upload comes after a marker; one without an id is beyond all of its key."""
    return name > after if after[1] else name[0] > after[0]


async def give_up(around: Surroundings, call: Call) -> None:
    """AbortMultipartUpload."""
    await around.workers.run(around.exchange.multiparts.give_up, call.actor, _target(call))
    await Response(status_code=204)(call.scope, call.receive, call.send)


# --- the end -------------------------------------------------------------------------------------


async def complete(around: Surroundings, call: Call) -> None:
    """CompleteMultipartUpload: one submission.

    An answer that takes long begins with white space. What is refused after that stands in a
    document under status 200, as S3 does it.
    """
    multiparts, target = around.exchange.multiparts, _target(call)
    expected = _expected(call)
    await around.workers.run(multiparts.require, call.actor, target)
    content = Content(call.receive, call.payload)
    body = await small_body(content, documents.MAX_BYTES)
    named = [_named(each) for each in documents.completion(body)]
    finishing = asyncio.ensure_future(
        around.workers.run(multiparts.complete, call.actor, target, named, expected)
    )
    await asyncio.wait([finishing], timeout=PATIENCE_SECONDS)
    if not finishing.done():
        await _complete_slowly(call, finishing)
        return
    done = finishing.result()
    response = Response(
        _completed(call, done), 200, objects.received_headers(done.submission), "application/xml"
    )
    await response(call.scope, call.receive, call.send)


async def _complete_slowly(call: Call, finishing: asyncio.Future[Completed]) -> None:
    await _start_xml(call)
    while not finishing.done():
        await call.send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.wait([finishing], timeout=PATIENCE_SECONDS)
    try:
        document = _completed(call, finishing.result(), head=False)
    except ExchangeError as error:
        document = errors.document(error, call.scope["request_id"], head=False)
    await call.send({"type": "http.response.body", "body": document})


async def _start_xml(call: Call) -> None:
    """Begin an answer whose document follows later."""
    await start(call.send, 200, {"Content-Type": "application/xml"})
    await call.send({"type": "http.response.body", "body": wire.HEAD.encode(), "more_body": True})


def _completed(call: Call, done: Completed, *, head: bool = True) -> bytes:
    submission = done.submission
    elements: list[tuple[str, object]] = [
        ("Location", f"/{call.bucket}/{call.key}"),
        ("Bucket", call.bucket),
        ("Key", call.key),
        ("ETag", etag(submission.sha256 or "")),
    ]
    if done.algorithm is not None:
        suffix = "" if done.full_object else f"-{done.parts}"
        elements += [
            (wire.checksum_element(done.algorithm), wire.digest(done.digest) + suffix),
            ("ChecksumType", _type(full_object=done.full_object)),
        ]
    return wire.document("CompleteMultipartUploadResult", elements, head=head)


def _named(part: documents.Part) -> Named:
    tag = _ETAG.fullmatch(part.etag.strip())
    digests = {
        algorithm: _decoded(wire.checksum_element(algorithm), text)
        for algorithm in Algorithm
        if (text := part.checksums.get(wire.checksum_element(algorithm)))
    }
    return Named(part.number, tag[1] if tag else "", digests)


def _expected(call: Call) -> Expected:
    """What the client states of the whole file. A digest of digests says nothing new: see parts."""
    size = call.header("x-amz-mp-object-size")
    stated: Mapping[Algorithm, str] = {
        algorithm: call.header(wire.checksum_header(algorithm)) for algorithm in Algorithm
    }
    whole = {
        algorithm: _decoded(wire.checksum_header(algorithm), text)
        for algorithm, text in stated.items()
        if text and "-" not in text
    }
    return Expected(number("x-amz-mp-object-size", size) if size else None, whole)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadParameter(name, "a digest in base64") from None
