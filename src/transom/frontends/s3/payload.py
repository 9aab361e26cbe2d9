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

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import Message, Receive

from transom.core.checksums import Algorithm


@dataclass(frozen=True, slots=True)
class Payload:
    """How a body is framed, and what was stated of it.

    `length` is the size of the content in bytes once it is decoded; None when the client did not
    say (plain Transfer-Encoding without a length): refuse with MissingLength where S3 wants one.
    `stated` holds digests from headers; `trailer` is the checksum that comes behind the body.
    `algorithm` is what the client asked to have answered: of `stated` or `trailer`, or None.
    """

    length: int | None
    stated: Mapping[Algorithm, bytes] = field(default_factory=dict)
    trailer: Algorithm | None = None


class Content:
    """An ASGI receive that gives the content of a body, verified by its end.

    Raises, from any call:
        PayloadMismatch: it is not the content that was signed (XAmzContentSHA256Mismatch).
        SignatureMismatch: a chunk, or the trailer, was altered.
        ContentIncomplete: framing broken, or longer or shorter than announced (IncompleteBody).
        TrailerMalformed: a trailer is missing, unknown or unreadable (MalformedTrailerError).
        DigestMismatch: a checksum differs (BadDigest).
    """

    def __init__(self, receive: Receive, payload: Payload) -> None:
        self._receive = receive
        self._payload = payload

    async def __call__(self) -> Message:
        """The next message, with decoded bytes; http.disconnect is handed on as it comes."""
        raise NotImplementedError

    @property
    def digests(self) -> Mapping[Algorithm, bytes]:
        """What was stated, as header or trailer, and has verified. Empty before the end."""
        raise NotImplementedError
