"""The XML that clients send, read by expat: no entities, nothing fetched, everything bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from transom.domain.errors import ExchangeError

MAX_BYTES = 4 << 20
"""A completion of 10,000 parts with their checksums has about two million bytes."""

_MAX_DEPTH = 8
_MAX_TEXT = 2048


class MalformedXml(ExchangeError):
    """The body is not the XML that this operation takes."""

    code = "malformed_xml"

    def __init__(self) -> None:
        super().__init__(
            "The XML you provided was not well-formed or did not validate against our schema."
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part as a completion names it. `checksums` are by element, such as ChecksumCRC32."""

    number: int
    etag: str
    checksums: dict[str, str]


def completion(body: bytes) -> list[Part]:
    """The parts of a CompleteMultipartUpload.

    Raises:
        MalformedXml
    """
    return [_part(each) for each in _children(body, "CompleteMultipartUpload", "Part")]


def deletion(body: bytes) -> tuple[list[str], bool]:
    """The keys of a Delete, and whether only what failed is to be told.

    Raises:
        MalformedXml
    """
    root = _read(body)
    if root.name != "Delete":
        raise MalformedXml
    keys = [found for each in root.named("Object") if (found := each.text_of("Key"))]
    return keys, root.text_of("Quiet") == "true"


def _part(element: _Element) -> Part:
    number, etag = element.text_of("PartNumber"), element.text_of("ETag")
    if not (number.isascii() and number.isdigit() and len(number) < _MAX_DEPTH and etag):
        raise MalformedXml
    checksums = {
        child.name: child.text for child in element.children if child.name.startswith("Checksum")
    }
    return Part(int(number), etag, checksums)


def _children(body: bytes, root: str, name: str) -> Iterator[_Element]:
    found = _read(body)
    if found.name != root:
        raise MalformedXml
    return found.named(name)


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    children: list[_Element] = field(default_factory=list)

    def named(self, name: str) -> Iterator[_Element]:
        return (child for child in self.children if child.name == name)

    def text_of(self, name: str) -> str:
        """The text of the one child of this name; "" when there is none."""
        found = [child.text.strip() for child in self.named(name)]
        if len(found) > 1:
            raise MalformedXml
        return found[0] if found else ""


def _read(body: bytes) -> _Element:
    """The root of a document; namespaces are left out of account."""
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)  # noqa: FBT003 - expat takes it by position
    except expat.ExpatError:
        raise MalformedXml from None
    return reader.top.children[0]


class _Reader:
    def __init__(self) -> None:
        self.top = _Element("")
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._open = [self.top]

    def _refuse(self, *_declared: object) -> None:
        raise MalformedXml

    def _start(self, name: str, _attributes: object) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise MalformedXml
        element = _Element(name.rpartition(":")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        element = self._open[-1]
        if element.children:
            return  # white space between elements
        if len(element.text) + len(text) > _MAX_TEXT:
            raise MalformedXml
        element.text += text
