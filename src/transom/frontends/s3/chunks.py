"""aws-chunked: taking a body in chunks apart, as it arrives, in bounded memory.

    <hex size>[;chunk-signature=<hex>] CRLF  <bytes> CRLF  ...  0[;chunk-signature=<hex>] CRLF
    [<name>:<value> CRLF  [x-amz-trailer-signature:<hex> CRLF]]  CRLF

Bytes go on as they come, before their chunk's signature is checked: whoever keeps them must wait
for end() before it commits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from typing import Final, TypeAlias, TypeVar

from transom.domain.chunks import Chain
from transom.domain.errors import ExchangeError

T = TypeVar("T")
Step: TypeAlias = Generator[bool, None, T]

MAX_LINE: Final = 1024
LEAST_CHUNK: Final = 8192
"""As on S3, only the last chunk may be smaller: each costs a signature."""

_CRLF: Final = b"\r\n"
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"
_SIGNED_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
_PLAIN_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,16})")
_TRAILER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~]*)[ \t]*")


class ContentIncomplete(ExchangeError):
    """The body ends too early or too late, or its chunks cannot be told apart."""

    code = "incomplete_content"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Nothing was kept. Send it again.")


class ChunkTooSmall(ExchangeError):
    """A chunk below 8 KiB that is not the last."""

    code = "chunk_too_small"

    def __init__(self) -> None:
        super().__init__(
            f"Only the last chunk is allowed to have a size less than {LEAST_CHUNK} bytes."
        )


class TrailerMalformed(ExchangeError):
    """A trailer is missing, was not announced, or cannot be read."""

    code = "trailer_malformed"

    def __init__(self, why: str) -> None:
        super().__init__(f"The request contained trailing data that was not well-formed: {why}.")


class Chunks:
    """Takes one body apart. `length` is what it must come to, in bytes once decoded.

    With a chain, each chunk must be signed, and the trailer too. `trailer` names the one header, in
    lower case, that must come behind the last chunk, or is "".
    """

    def __init__(self, length: int, trailer: str = "", chain: Chain | None = None) -> None:
        self._left = length
        self._trailer = trailer
        self._chain = chain
        self._held = b""  # what came and was not looked at yet: less than a line, between calls
        self._given: list[bytes] = []
        self._was_small = False  # the chunk before, which must then have been the last
        self._ended = False
        self._steps = self._body()
        self.trailer_value = ""

    def feed(self, data: bytes) -> bytes:
        """The content in the next bytes of the body; often fewer bytes, sometimes none.

        Raises:
            ContentIncomplete, ChunkTooSmall, TrailerMalformed: the framing is broken.
            SignatureMismatch: a chunk, or the trailer, was altered.
        """
        self._held += data
        self._ended = next(self._steps, True)
        if self._ended and self._held:
            raise ContentIncomplete("Something follows the end of the body.")
        given = b"".join(self._given)
        self._given.clear()
        return given

    def end(self) -> None:
        """Return when the body is whole.

        Raises:
            ContentIncomplete: it is not.
        """
        if not self._ended:
            raise ContentIncomplete("The body ends before its last chunk.")

    # Each step yields False when it needs more bytes, and goes on when there are some.

    def _body(self) -> Iterator[bool]:
        size = yield from self._chunk()
        while size:
            size = yield from self._chunk()
        if self._trailer:
            yield from self._trailing()
        if (yield from self._line()):
            raise TrailerMalformed("there is more than was announced")

    def _chunk(self) -> Step[int]:
        size, signed = yield from self._head()
        digest = hashlib.sha256() if self._chain else None
        left = size
        while left:
            while not self._held:
                yield False
            piece, self._held = self._held[:left], self._held[left:]
            left -= len(piece)
            self._given.append(piece)
            if digest:
                digest.update(piece)
        if size and (yield from self._line()):
            raise ContentIncomplete("A chunk is longer than it says.")
        if self._chain and digest:
            self._chain.require_chunk(digest.hexdigest(), signed)
        return size

    def _head(self) -> Step[tuple[int, str]]:
        line = yield from self._line()
        found = (_SIGNED_SIZE if self._chain else _PLAIN_SIZE).fullmatch(line)
        if found is None:
            raise ContentIncomplete("A chunk does not say its size as it should.")
        size = int(found[1], 16)
        if size > self._left or (self._left and not size):
            raise ContentIncomplete("The body is not as long as x-amz-decoded-content-length says.")
        if size and self._was_small:
            raise ChunkTooSmall
        self._was_small = size < LEAST_CHUNK
        self._left -= size
        return size, found[2].decode() if self._chain else ""

    def _trailing(self) -> Iterator[bool]:
        name, value = yield from self._header()
        if name != self._trailer:
            raise TrailerMalformed(f"{self._trailer} must come first")
        if self._chain:
            digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            name, signed = yield from self._header()
            if name != _TRAILER_SIGNATURE:
                raise TrailerMalformed(f"{_TRAILER_SIGNATURE} must follow")
            self._chain.require_trailer(digest, signed)
        self.trailer_value = value

    def _header(self) -> Step[tuple[str, str]]:
        line = yield from self._line()
        found = _TRAILER.fullmatch(line)
        if found is None:
            raise TrailerMalformed("it is missing, or no header")
        return found[1].decode().lower(), found[2].decode()

    def _line(self) -> Step[bytes]:
        while (end := self._held.find(_CRLF)) < 0:
            if len(self._held) > MAX_LINE:
                raise ContentIncomplete("A line between chunks is too long.")
            yield False
        line, self._held = self._held[:end], self._held[end + len(_CRLF) :]
        return line
