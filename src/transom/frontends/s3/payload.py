"""Bodies as S3 clients frame them: plain, or in signed or unsigned chunks with trailers.

    body = Content(receive, signed.payload)      # an ASGI receive; give it to Intake or small_body
    ...
    body.digests                                 # after the end: what was stated and has verified

Content hands on the decoded bytes only, never more than were announced, and hands over the last
message only when everything that the client stated of the body has proven true: signed SHA-256,
chunk signatures, Content-MD5, x-amz-checksum-* as header or trailer, decoded length. So whoever
commits after the last message commits what the client signed. No digest need be checked again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlette.types import Message, Receive

from transom.core.checksums import SIZES, Algorithm, Checksums
from transom.domain.chunks import Chain, chunking_of
from transom.domain.errors import BadParameter, ExchangeError, PayloadMismatch
from transom.domain.signature import UNSIGNED_PAYLOAD, Headers, RawRequest
from transom.frontends.s3.chunks import Chunks, TrailerMalformed

DECODED_LENGTH = "x-amz-decoded-content-length"
_CHECKSUM = "x-amz-checksum-"
_ABOUT_CHECKSUMS = frozenset({f"{_CHECKSUM}{each}" for each in ("algorithm", "type", "mode")})
_MAX_DIGITS = 15


class DecodedLengthMissing(ExchangeError):
    """A body in chunks that does not say how long it is once decoded."""

    code = "decoded_length_missing"

    def __init__(self) -> None:
        super().__init__(f"You must provide the {DECODED_LENGTH} header.")


class InvalidDigest(BadParameter):
    """A digest that is no base64, or has the wrong length."""

    code = "invalid_digest"


@dataclass(frozen=True, slots=True)
class Payload:
    """How a body is framed, and what was stated of it.

    `length` is the size of the content in bytes once it is decoded; None when the client did not
    say (plain Transfer-Encoding without a length): refuse with MissingLength where S3 wants one.
    `stated` holds digests from headers, `trailer` is the checksum that comes behind the body,
    `sha256` (64 hex digits, or "") the whole content's as it was signed.
    """

    length: int | None
    stated: Mapping[Algorithm, bytes] = field(default_factory=dict)
    trailer: Algorithm | None = None
    sha256: str = ""
    is_chunked: bool = False
    chain: Chain | None = field(default=None, repr=False)

    def without_sha256(self) -> Payload:
        """The same for a reader whose keeper compares `sha256`: see Tools.require_signed."""
        return replace(self, sha256="")


def read_payload(request: RawRequest, payload_hash: str, chain: Chain | None = None) -> Payload:
    """How the body of a request is to be read, from its headers and what was signed for it.

    Raises:
        DecodedLengthMissing: chunks without x-amz-decoded-content-length.
        TrailerMalformed: a trailer was announced and cannot come, or is none that we verify.
        InvalidDigest: a digest is no base64, or too long or short.
        BadParameter: another header about the body cannot be read, or names an unknown chunking.
        NotSupported: chunks signed with elliptic curves.
        ValueError: signed chunks without the chain of their request.
    """
    chunking = chunking_of(payload_hash)
    headers, stated = request.headers, stated_digests(request)
    trailer = _trailer(headers, wanted=chunking is not None and chunking.has_trailer)
    if chunking is None:
        sha256 = "" if payload_hash == UNSIGNED_PAYLOAD else payload_hash
        return Payload(_length(headers, "content-length"), stated, sha256=sha256)
    length = _length(headers, DECODED_LENGTH)
    if length is None:
        raise DecodedLengthMissing
    if chunking.is_signed and chain is None:
        raise ValueError(payload_hash)  # who signs chunks has signed the request
    signed_by = chain if chunking.is_signed else None
    return Payload(length, stated, trailer, is_chunked=True, chain=signed_by)


def stated_digests(request: RawRequest) -> dict[Algorithm, bytes]:
    """What the headers state of the body: Content-MD5 and x-amz-checksum-*.

    A POST completes an upload in parts: its checksums are the whole object's, and not here.

    Raises:
        InvalidDigest: it is no base64, too long or short, or given twice.
        BadParameter: an algorithm that we do not have.
    """
    stated = {}
    for name, values in request.headers.items():
        if name == "content-md5":
            stated[Algorithm.MD5] = _digest(Algorithm.MD5, values)
        elif _is_checksum(name) and request.method != "POST":
            algorithm = _algorithm(name)
            stated[algorithm] = _digest(algorithm, values)
    return stated


class Content:
    """An ASGI receive that gives the content of a body, verified by its end.

    Raises, from any call:
        PayloadMismatch: it is not the content that was signed (XAmzContentSHA256Mismatch).
        SignatureMismatch: a chunk, or the trailer, was altered.
        ContentIncomplete: framing broken, or longer or shorter than announced (IncompleteBody).
        ChunkTooSmall: InvalidChunkSizeError.
        TrailerMalformed: a trailer is missing, unknown or unreadable (MalformedTrailerError).
        DigestMismatch: a checksum differs (BadDigest).
    """

    def __init__(self, receive: Receive, payload: Payload) -> None:
        self._receive = receive
        self._payload = payload
        self._checksums = Checksums(payload.stated, payload.trailer)
        self._sha256 = hashlib.sha256() if payload.sha256 else None
        self._chunks = _chunks(payload) if payload.is_chunked else None
        self.digests: Mapping[Algorithm, bytes] = {}
        """What was stated, as header or trailer, and has verified. Empty before the end."""

    async def __call__(self) -> Message:
        """The next message, with decoded bytes; http.disconnect is handed on as it comes."""
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        content, more = message.get("body", b""), message.get("more_body", False)
        if self._chunks:
            content = self._chunks.feed(content)
        self._checksums.update(content)
        if self._sha256:
            self._sha256.update(content)
        if not more:
            self._verify()
        return {"type": "http.request", "body": content, "more_body": more}

    def _verify(self) -> None:
        stated = dict(self._payload.stated)
        if self._chunks:
            self._chunks.end()
        if self._chunks and self._payload.trailer:
            algorithm = self._payload.trailer
            stated[algorithm] = _decoded(algorithm, self._chunks.trailer_value)
            self._checksums.expect(algorithm, stated[algorithm])
        if self._sha256 and not hmac.compare_digest(self._sha256.hexdigest(), self._payload.sha256):
            raise PayloadMismatch
        self._checksums.verify()
        self.digests = stated


def _chunks(payload: Payload) -> Chunks:
    trailer = f"{_CHECKSUM}{payload.trailer}" if payload.trailer else ""
    return Chunks(payload.length or 0, trailer, payload.chain)


def _trailer(headers: Headers, *, wanted: bool) -> Algorithm | None:
    names = headers.get("x-amz-trailer", ())
    if not wanted and not names:
        return None
    name = names[0].strip().lower() if wanted and len(names) == 1 else ""
    if not _is_checksum(name):
        raise TrailerMalformed("x-amz-trailer must name one checksum, where one is to follow")
    return _algorithm(name)


def _is_checksum(name: str) -> bool:
    return name.startswith(_CHECKSUM) and name not in _ABOUT_CHECKSUMS


def _algorithm(name: str) -> Algorithm:
    try:
        return Algorithm(name.removeprefix(_CHECKSUM))
    except ValueError:
        raise BadParameter(name, "there is no such checksum here") from None


def _digest(algorithm: Algorithm, values: Sequence[str]) -> bytes:
    if len(values) != 1:
        raise InvalidDigest(algorithm, "the digest is given twice")
    return _decoded(algorithm, values[0])


def _decoded(algorithm: Algorithm, text: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidDigest(algorithm, "a digest in base64") from None
    if len(digest) != SIZES[algorithm]:
        raise InvalidDigest(algorithm, "the digest has the wrong length")
    return digest


def _length(headers: Headers, name: str) -> int | None:
    values = headers.get(name, ())
    if not values:
        return None
    text = values[0]
    if len(values) > 1 or not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise BadParameter(name, "a number of bytes, given once")
    return int(text)
