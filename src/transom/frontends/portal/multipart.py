"""Forms with files, read part by part as they come: no file is ever held whole.

Browsers put names into quotes and percent-encode what would end them (RFC 7578, and the HTML
standard); nothing else is read, and nothing is decoded, so that a name is refused as it stands.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.types import Message, Receive

from transom.domain.errors import BadParameter, TooLarge
from transom.domain.said import said
from transom.frontends.errors import BodyBrokeOff

MAX_PARTS = 1000
_MAX_HEADERS = 8
_MAX_HEADER_BYTES = 4096
_MAX_TEXT_BYTES = 4096
_CONTENT_TYPE = re.compile(
    r'multipart/form-data\s*;.*?\bboundary="?([^\s";,]{1,70})"?\s*', re.IGNORECASE
)
_PARAMETER = rb'\s*;\s*([a-z*]+)="([^"\r\n]*)"'
_DISPOSITION = re.compile(rb"form-data((?:%b)*)\s*" % _PARAMETER)
_PARAMETERS = re.compile(_PARAMETER)


@dataclass(slots=True)
class Part:
    """One part of a form: a field, or a file where `file_name` is not None ("": none chosen).

    Call it for its content, message by message, as one receives the body of a request.
    """

    form: Form
    name: str
    file_name: str | None
    has_ended: bool = False

    async def __call__(self) -> Message:
        """The next piece of its content."""
        data = b"" if self.has_ended else await self.form.content(self)
        return {"type": "http.request", "body": data, "more_body": not self.has_ended}

    async def text(self) -> str:
        """The whole content of a field.

        Raises:
            TooLarge: it is longer than any field of ours.
            BadParameter: it cannot be read.
        """
        found = bytearray()
        while not self.has_ended:
            found += await self.form.content(self)
            if len(found) > _MAX_TEXT_BYTES:
                raise TooLarge(_MAX_TEXT_BYTES)
        try:
            return found.decode()
        except UnicodeDecodeError as wrong:
            raise BadParameter("form", "it cannot be read") from wrong


@dataclass(slots=True)
class _Heard:
    """What the parser told and nobody has asked for yet: no more than one message leads to."""

    events: deque[Mapping[bytes, bytes] | bytes | None] = field(default_factory=deque)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)

    def parser(self, boundary: bytes) -> MultipartParser:
        """A parser that tells it."""
        return MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self.name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._content,
                "on_part_end": lambda: self.events.append(None),
            },
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )

    def _header_ends(self) -> None:
        self.headers.setdefault(bytes(self.name).lower(), bytes(self.value))
        self.name.clear()
        self.value.clear()

    def _headers_end(self) -> None:
        self.events.append(dict(self.headers))
        self.headers.clear()

    def _content(self, data: bytes, start: int, end: int) -> None:
        # The parser cuts at whatever might begin a boundary: the pieces go on together.
        if self.events and isinstance(self.events[-1], bytes):
            self.events[-1] += data[start:end]
        else:
            self.events.append(data[start:end])


class Form:
    """The parts of one request's body, in their order."""

    def __init__(self, content_type: str, receive: Receive) -> None:
        """Raises BadParameter: it is no form with files."""
        found = _CONTENT_TYPE.fullmatch(content_type.strip())
        if found is None or not found[1].isascii():
            raise BadParameter("form", "send it as the page does")
        self._receive = receive
        self._heard = _Heard()
        self._parser = self._heard.parser(found[1].encode())
        self._more = True
        self._is_broken = False
        self._present: Part | None = None
        self._count = 0

    async def next(self) -> Part | None:
        """The next part, or None after the last; what is left of the one before is dropped.

        Raises:
            BadParameter: it cannot be read as a form, or has too many parts.
            BodyBrokeOff: it ended within a part.
        """
        while self._present is not None and not self._present.has_ended:
            await self.content(self._present)
        while not self._heard.events:
            if not self._more and not self._is_broken:
                return None
            await self._hear()
        headers = self._heard.events.popleft()
        assert isinstance(headers, dict)  # noqa: S101 - content was dropped to its end above
        self._count += 1
        if self._count > MAX_PARTS:
            raise BadParameter("form", f"it has more than {MAX_PARTS} parts")
        self._present = self._part(headers)
        return self._present

    async def content(self, part: Part) -> bytes:
        """The next bytes of the present part; notes when it has ended.

        Raises:
            BadParameter, BodyBrokeOff: as next().
        """
        while not self._heard.events:
            if not self._more and not self._is_broken:
                raise BodyBrokeOff(said("The upload broke off."))
            await self._hear()
        found = self._heard.events[0]
        if isinstance(found, bytes):
            self._heard.events.popleft()
        else:
            found = b""
        if self._heard.events and self._heard.events[0] is None:
            self._heard.events.popleft()
            part.has_ended = True
        return found

    async def _hear(self) -> None:
        if self._is_broken:
            raise BadParameter("form", "it cannot be read")
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise BodyBrokeOff(said("The upload broke off."))
        self._more = message.get("more_body", False)
        try:
            self._parser.write(message.get("body", b""))
        except FormParserError:
            self._is_broken = True  # what came before it counts

    def _part(self, headers: Mapping[bytes, bytes]) -> Part:
        found = _DISPOSITION.fullmatch(headers.get(b"content-disposition", b"").strip())
        if found is None:
            raise BadParameter("form", "one of its parts has no name that can be read")
        given = dict(_PARAMETERS.findall(found[1]))
        name, file_name = given.get(b"name", b""), given.get(b"filename")
        shown = None if file_name is None else file_name.decode(errors="replace")
        return Part(self, name.decode(errors="replace"), shown)
