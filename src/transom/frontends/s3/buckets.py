"""The one bucket: what is in it, and what clients ask of buckets before they begin."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from transom.domain.errors import BadParameter
from transom.frontends.requests import small_body
from transom.frontends.s3 import documents, errors, wire
from transom.frontends.s3.calls import Call, Surroundings
from transom.frontends.s3.errors import BucketIsThere, Forbidden, NoCorsRules
from transom.frontends.s3.listing import Asked, Page, page
from transom.frontends.s3.payload import Content
from transom.frontends.s3.queries import number

PAGE: Final = 1000
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)  # clients want a date, and none is asked for
_NOT_IN_REGION: Final = "us-east-1"  # S3 says nothing for this one


async def list_buckets(around: Surroundings, call: Call) -> None:
    """ListBuckets: the one."""
    response = wire.answer("ListAllMyBucketsResult", [], wire.bucket(around.bucket.name, _LONG_AGO))
    await response(call.scope, call.receive, call.send)


async def head(around: Surroundings, call: Call) -> None:
    """HeadBucket."""
    headers = {"x-amz-bucket-region": around.bucket.region}
    response = Response(status_code=200, headers=headers, media_type="application/xml")
    await response(call.scope, call.receive, call.send)


async def location(around: Surroundings, call: Call) -> None:
    """GetBucketLocation."""
    region = around.bucket.region
    text = "" if region == _NOT_IN_REGION else region
    response = wire.answer("LocationConstraint", [], text)
    await response(call.scope, call.receive, call.send)


async def versioning(_around: Surroundings, call: Call) -> None:
    """GetBucketVersioning: there are no versions; each upload is a file of its own."""
    await wire.answer("VersioningConfiguration", [])(call.scope, call.receive, call.send)


async def cors(_around: Surroundings, _call: Call) -> None:
    """GetBucketCors: there are no rules for browsers. s3cmd asks before it tells of a file."""
    raise NoCorsRules


async def create(_around: Surroundings, _call: Call) -> None:
    """CreateBucket: it is there."""
    raise BucketIsThere


async def delete_objects(_around: Surroundings, call: Call) -> None:
    """DeleteObjects: refused, key by key."""
    body = await small_body(Content(call.receive, call.payload), documents.MAX_BYTES)
    keys, _ = documents.deletion(body)
    _, code, message = errors.told(Forbidden("DeleteObjects"))
    refused = "".join(
        wire.element("Error", [("Key", key), ("Code", code), ("Message", message)]) for key in keys
    )
    await wire.answer("DeleteResult", [], refused)(call.scope, call.receive, call.send)


# --- listings ------------------------------------------------------------------------------------


async def list_v1(around: Surroundings, call: Call) -> None:
    """ListObjects, as the older clients ask."""
    asked = _asked(call, call.query.get("marker", ""))
    await _list(around, call, _Listing(asked, _told_v1, owner=True))


async def list_v2(around: Surroundings, call: Call) -> None:
    """ListObjectsV2."""
    query = call.query
    token = query.get("continuation-token")
    asked = _asked(call, query.get("start-after", "") if token is None else _position(token))
    owner = query.get("fetch-owner") == "true"
    await _list(around, call, _Listing(asked, _told_v2, owner=owner))


@dataclass(frozen=True, slots=True)
class _Listing:
    """What is asked for, what its form tells beside it, and whether each file has an owner."""

    asked: Asked
    told: Callable[[Call, Asked, Page], wire.Elements]
    owner: bool


async def _list(around: Surroundings, call: Call, listing: _Listing) -> None:
    body = await around.workers.run(_listed, around, call, listing)
    await Response(body, media_type="application/xml")(call.scope, call.receive, call.send)


def _listed(around: Surroundings, call: Call, listing: _Listing) -> bytes:
    """The document, in a worker: a thousand files take some milliseconds to find and to write."""
    found = page(around.exchange.browse, call.actor, listing.asked)
    encoded = call.query.get("encoding-type") == "url"
    told = listing.told(call, listing.asked, found)
    return wire.listing(listing.asked, found, told, encoded=encoded, owner=listing.owner)


def _told_v1(call: Call, asked: Asked, found: Page) -> wire.Elements:
    return [
        ("Name", call.bucket),
        ("Marker", asked.after),
        ("NextMarker", found.last or None),
        ("MaxKeys", asked.limit),
        ("IsTruncated", bool(found.last)),
    ]


def _told_v2(call: Call, asked: Asked, found: Page) -> wire.Elements:
    return [
        ("Name", call.bucket),
        ("KeyCount", len(found.files) + len(found.branches)),
        ("MaxKeys", asked.limit),
        ("IsTruncated", bool(found.last)),
        ("ContinuationToken", call.query.get("continuation-token")),
        ("NextContinuationToken", _token(found.last) if found.last else None),
        ("StartAfter", call.query.get("start-after") or None),
    ]


def _asked(call: Call, after: str) -> Asked:
    query = call.query
    if query.get("encoding-type", "url") != "url":
        raise BadParameter("encoding-type", "url, or left out")
    limit = min(number("max-keys", query.get("max-keys") or str(PAGE)), PAGE)
    return Asked(query.get("prefix", ""), query.get("delimiter", ""), after, limit)


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _position(token: str) -> str:
    try:
        key = base64.b64decode(token, b"-_", validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are ValueErrors
        key = "\0"
    if not key.isprintable():
        raise BadParameter("continuation-token", "take it from the page before")
    return key
