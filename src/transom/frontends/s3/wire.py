"""How the S3 door writes: XML documents, entity tags, dates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from transom.core.checksums import Algorithm
from transom.domain.listing import Listing
from transom.domain.parts import Part
from transom.domain.submission import Submission
from transom.frontends import markup
from transom.frontends.headers import etag
from transom.frontends.s3.listing import Asked, Page, key

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_OWNER = "<Owner><ID>transom</ID><DisplayName>transom</DisplayName></Owner>"

Elements = Iterable[tuple[str, object]]
"""Names and values in order; what is None is left out."""


def error(
    code: str,
    message: str,
    request_id: str,
    extra: Mapping[str, str] | None = None,
    *,
    head: bool = True,
) -> bytes:
    """An error document in the form of FAQ 27; without the head, as what follows one."""
    elements = {"Code": code, "Message": message, **(extra or {})}
    elements |= {"RequestId": request_id, "HostId": host_id(request_id)}
    return f"{HEAD if head else ''}<Error>{_inner(elements.items())}</Error>".encode()


def host_id(request_id: str) -> str:
    """The second id that S3 answers carry; here it only repeats the first, hashed."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()


def zulu(instant: datetime) -> str:
    """An instant as S3's error elements write it: 2018-12-11T19:58:13Z."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def milliseconds(instant: datetime) -> str:
    """An instant as S3's listings write it: 2018-12-11T19:58:13.000Z."""
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def answer(root: str, elements: Elements, more: str = "") -> Response:
    """A document with these elements, and then what is XML already."""
    return Response(document(root, elements, more), media_type="application/xml")


def document(root: str, elements: Elements, more: str = "", *, head: bool = True) -> bytes:
    """The bytes of it; without the head, as what follows one."""
    start = HEAD if head else ""
    return f'{start}<{root} xmlns="{_NAMESPACE}">{_inner(elements)}{more}</{root}>'.encode()


def element(name: str, elements: Elements) -> str:
    """An element that holds others."""
    return f"<{name}>{_inner(elements)}</{name}>"


def _inner(elements: Elements) -> str:
    return "".join(
        f"<{name}>{_text(value)}</{name}>" for name, value in elements if value is not None
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else markup.text(str(value))


# --- checksums -----------------------------------------------------------------------------------


def checksum_header(algorithm: Algorithm) -> str:
    """The header that carries a digest."""
    return f"x-amz-checksum-{algorithm}"


def checksum_element(algorithm: Algorithm) -> str:
    """The element that carries it: ChecksumCRC32, ChecksumCRC64NVME, ChecksumSHA256."""
    return f"Checksum{algorithm.upper()}"


def digest(value: bytes) -> str:
    """A digest as text."""
    return base64.b64encode(value).decode()


# --- listings ------------------------------------------------------------------------------------


_KEYS: Final = frozenset({"Prefix", "Delimiter", "Marker", "NextMarker", "StartAfter"})


def listing(asked: Asked, found: Page, elements: Elements, *, encoded: bool, owner: bool) -> bytes:
    """A ListBucketResult: what the two forms share, after the elements that they do not.

    With `encoded`, whatever is a key, or the beginning of one, is percent-encoded.
    """

    def written(text: str) -> str:
        return quote(text, safe="/") if encoded else text

    shared = [
        *elements,
        ("Prefix", asked.prefix),
        ("Delimiter", asked.delimiter or None),
        ("EncodingType", "url" if encoded else None),
    ]
    named = [
        (name, written(str(value)) if name in _KEYS and value is not None else value)
        for name, value in shared
    ]
    parts = [_file(each, markup.text(written(key(each))), owner=owner) for each in found.files]
    parts += [element("CommonPrefixes", [("Prefix", written(each))]) for each in found.branches]
    return document("ListBucketResult", named, "".join(parts))


def _file(listing: Listing, name: str, *, owner: bool) -> str:
    return (
        f"<Contents><Key>{name}</Key>"
        f"<LastModified>{milliseconds(listing.listed_at)}</LastModified>"
        f"<ETag>{markup.text(etag(listing.sha256))}</ETag><Size>{listing.size}</Size>"
        f"{_OWNER if owner else ''}<StorageClass>STANDARD</StorageClass></Contents>"
    )


def bucket(name: str, made_at: datetime) -> str:
    """The one bucket among all buckets, and whose it is."""
    facts = element("Bucket", [("Name", name), ("CreationDate", milliseconds(made_at))])
    return f"{_OWNER}<Buckets>{facts}</Buckets>"


# --- uploads in parts ----------------------------------------------------------------------------


def part(found: Part) -> str:
    """One part among those of an upload."""
    elements: list[tuple[str, object]] = [
        ("PartNumber", found.number),
        ("LastModified", milliseconds(found.received_at)),
        ("ETag", etag(found.sha256)),
        ("Size", found.size),
    ]
    if found.checksum:
        algorithm = Algorithm(found.checksum)
        elements.append((checksum_element(algorithm), digest(found.digest)))
    return element("Part", elements)


def upload(found: Submission) -> str:
    """One upload in parts among those under way."""
    return element(
        "Upload",
        [
            ("Key", f"{found.place}/{found.name}"),
            ("UploadId", found.tracking_id),
            ("StorageClass", "STANDARD"),
            ("Initiated", milliseconds(found.requested_at)),
        ],
    )
