"""Which operation a request is: one table, and everything that is not in it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from transom.domain.errors import NotSupported
from transom.frontends.s3 import buckets, objects, uploads
from transom.frontends.s3.calls import Call, Surroundings
from transom.frontends.s3.errors import Forbidden, MethodNotAllowed, NoSuchBucket

Operation = Callable[[Surroundings, Call], Awaitable[None]]


class Level(Enum):
    """What a request is about."""

    SERVICE = auto()
    BUCKET = auto()
    OBJECT = auto()


OPERATIONS: Final[Mapping[tuple[Level, str, str], Operation]] = MappingProxyType(
    {
        (Level.SERVICE, "GET", ""): buckets.list_buckets,
        (Level.BUCKET, "HEAD", ""): buckets.head,
        (Level.BUCKET, "PUT", ""): buckets.create,
        (Level.BUCKET, "GET", ""): buckets.list_v1,
        (Level.BUCKET, "GET", "list-type"): buckets.list_v2,
        (Level.BUCKET, "GET", "location"): buckets.location,
        (Level.BUCKET, "GET", "versioning"): buckets.versioning,
        (Level.BUCKET, "GET", "cors"): buckets.cors,
        (Level.BUCKET, "GET", "uploads"): uploads.list_uploads,
        (Level.BUCKET, "POST", "delete"): buckets.delete_objects,
        (Level.OBJECT, "PUT", ""): objects.put,
        (Level.OBJECT, "GET", ""): objects.get,
        (Level.OBJECT, "HEAD", ""): objects.head,
        (Level.OBJECT, "POST", "uploads"): uploads.begin,
        (Level.OBJECT, "PUT", "uploadId"): uploads.put_part,
        (Level.OBJECT, "GET", "uploadId"): uploads.list_parts,
        (Level.OBJECT, "POST", "uploadId"): uploads.complete,
        (Level.OBJECT, "DELETE", "uploadId"): uploads.give_up,
    }
)
"""By level, method, and the query parameter that makes another operation of it."""

_SELECTORS: Final = (
    "uploadId",
    "uploads",
    "list-type",
    "location",
    "versioning",
    "cors",
    "delete",
)

_NOBODYS: Final = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "versions",
        "website",
    }
)
"""Parameters that make an operation of S3 which nobody is granted here."""


def operation(call: Call, bucket: str) -> Operation:
    """The operation that a request asks for.

    Raises:
        NoSuchBucket, Forbidden, NotSupported, MethodNotAllowed: there is none.
    """
    level, method = _level(call), call.scope["method"]
    if level is not Level.SERVICE and call.bucket != bucket:
        raise Forbidden("CreateBucket") if method == "PUT" and not call.key else NoSuchBucket()
    selector = next((name for name in _SELECTORS if name in call.query), "")
    found = OPERATIONS.get((level, method, selector))
    denied = _NOBODYS & call.query.keys()
    if denied and not (found and denied == {selector}):
        raise Forbidden(min(denied))
    if found is None:
        raise _refusal(level, method)
    return found


def _level(call: Call) -> Level:
    if not call.bucket:
        return Level.SERVICE
    return Level.OBJECT if call.key else Level.BUCKET


def _refusal(level: Level, method: str) -> Forbidden | NotSupported | MethodNotAllowed:
    if method == "DELETE" and level is not Level.SERVICE:
        return Forbidden("Delete")
    if method == "POST" and level is Level.BUCKET:
        return NotSupported("Upload by a form of a browser", "Use PUT.")
    return MethodNotAllowed()
