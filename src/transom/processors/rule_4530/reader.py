"""A filing read as a stream: one complaint at a time, in flat memory, whatever the bytes are.

The parser is expat, which fetches nothing. A document type declaration ends the reading, so there
are no entities but XML's own five. Everything that a document could make grow has a bound:

    depth                  MOST_DEPTH elements
    text of an element     MOST_TEXT characters are kept; a value that long is wrong in any case
    one tag or comment     MOST_PENDING_BYTES, since expat keeps a token until it is whole
    attributes of a tag    MOST_ATTRIBUTES
    a name                 MOST_NAME characters
    names                  MOST_UNKNOWN_NAMES beyond those of a filing: expat never forgets a name
    flaws of a complaint   MOST_FLAWS; those beyond are not told
    complaints             MOST_COMPLAINTS

A callback that raises ends the reading, but not before expat has gone through the block in hand:
that this takes no time, whatever entities are in it, is expat's own since version 2.4.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

ROOT = "filings-3070"
RECORD = "complaint"

GROUPS: dict[str, tuple[str, ...]] = {
    "contact": ("phone-number", "first-name", "last-name"),
    "related-to": ("other", "rep", "firm", "affiliate"),
    "customer": ("first-name", "last-name"),
    "allegation-period": ("from", "to"),
}
"""The elements of a complaint that hold others, with what they hold."""

FIELDS = (
    "id",
    "date",
    "firm-id",
    "branch-id",
    "branch-zip",
    "product",
    "problem",
    "account-number",
    "disputed-amount",
    "security-symbol",
    "rep-crd-number",
)
"""The elements of a complaint that hold text."""

MOST_DEPTH = 8
MOST_TEXT = 1_000
MOST_PENDING_BYTES = 1 << 20
MOST_ATTRIBUTES = 32
MOST_NAME = 256
MOST_UNKNOWN_NAMES = 64
MOST_FLAWS = 100
MOST_COMPLAINTS = 5_000_000
BLOCK = 1 << 16

_ENCODINGS = {"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1"}  # those that expat itself knows
_LEAVES = {*FIELDS, *(f"{group}/{name}" for group, names in GROUPS.items() for name in names)}
_HOLDERS = {"", *GROUPS}  # "" is the complaint itself
_PARENTS = _LEAVES | _HOLDERS
_NAMES = {ROOT, RECORD, *FIELDS, *GROUPS, *(name for names in GROUPS.values() for name in names)}
_ONLY = f"Only {RECORD} may stand directly below {ROOT}."


if expat.version_info < (2, 4, 1):
    raise ImportError(f"{expat.EXPAT_VERSION} is too old: 2.4.1 bounds the growth of entities")


class Unreadable(Exception):
    """The file cannot be read as a filing, and no part of it counts. `code` is of a finding."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(slots=True)
class Complaint:
    """One complaint as it stands in the file, unchecked.

    `number` counts from 1. `values` has the text of each element that is there, by its path
    ("contact/phone-number"), without white space around it. `flaws` are findings about its form:
    code and path, each once.
    """

    number: int
    values: dict[str, str] = field(default_factory=dict)
    flaws: dict[tuple[str, str], None] = field(default_factory=dict)


def complaints(source: BinaryIO) -> Iterator[Complaint]:
    """Every complaint of a filing, in order.

    Raises:
        Unreadable: perhaps after some complaints.
    """
    reading = _Reading()
    fed = 0
    while block := source.read(BLOCK):
        fed += len(block)
        reading.feed(block)
        yield from reading.taken()
        reading.require_progress(fed)
    if not fed:
        raise Unreadable("R4530-001", "The file is empty.")
    reading.feed(b"", is_last=True)
    if not reading.count:
        raise Unreadable("R4530-005", f"The file holds no {RECORD}.")


class _Reading:
    """What the parser's callbacks build up."""

    def __init__(self) -> None:
        self.count = 0
        self._done: list[Complaint] = []
        self._open: list[str] = []  # the path inside the complaint of each open element
        self._text: list[str] = []
        self._length = 0
        self._unknown: set[str] = set()
        self._complaint = Complaint(0)
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.XmlDeclHandler = self._on_declaration
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.EntityDeclHandler = self._on_doctype
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_text
        self._parser = parser

    def feed(self, block: bytes, *, is_last: bool = False) -> None:
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as failure:
            raise _not_xml(failure) from failure
        except (LookupError, ValueError) as failure:
            # Python looks up encodings that expat does not know, and some are no text at all.
            raise Unreadable("R4530-010", "The encoding is not supported. Use UTF-8.") from failure

    def taken(self) -> list[Complaint]:
        """The complaints that are complete, each once."""
        taken, self._done = self._done, []
        return taken

    def require_progress(self, fed: int) -> None:
        if fed - self._parser.CurrentByteIndex > MOST_PENDING_BYTES:
            raise Unreadable("R4530-007", "A tag, comment or instruction is longer than 1 MiB.")

    # --- callbacks -------------------------------------------------------------------------------

    def _on_declaration(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise Unreadable("R4530-010", "The encoding is not supported. Use UTF-8.")

    def _on_doctype(self, *declared: object) -> None:  # noqa: ARG002 - as called
        raise Unreadable("R4530-003", "Take the document type declaration (<!DOCTYPE) out.")

    def _on_start(self, name: str, attributes: list[str]) -> None:
        self._require_bounds(name, attributes)
        match len(self._open):
            case 0:
                self._open.append(self._root(name))
            case 1:
                self._open.append(self._begun_complaint(name))
            case 2:
                self._open.append(self._begun_element(name))
            case _:
                self._open.append(self._begun_element(f"{self._open[-1]}/{name}"))

    def _on_end(self, name: str) -> None:  # noqa: ARG002 - expat has made sure that it fits
        path = self._open.pop()
        if path in _LEAVES:
            self._complaint.values.setdefault(path, "".join(self._text).strip())
        elif len(self._open) == 1:
            self._done.append(self._complaint)

    def _on_text(self, text: str) -> None:
        path = self._open[-1]
        if path in _LEAVES:
            if self._length < MOST_TEXT:
                self._text.append(text[: MOST_TEXT - self._length])
                self._length += len(text)
        elif path in _HOLDERS and not text.isspace():
            if len(self._open) == 1:
                raise Unreadable("R4530-011", f"{_ONLY} Found text.")
            self._flaw("R4530-104", path)

    # --- what they have in common ----------------------------------------------------------------

    def _require_bounds(self, name: str, attributes: list[str]) -> None:
        if len(self._open) >= MOST_DEPTH:
            raise Unreadable("R4530-006", f"Elements are nested more than {MOST_DEPTH} deep.")
        if len(attributes) > 2 * MOST_ATTRIBUTES:
            raise Unreadable("R4530-007", f"A tag has more than {MOST_ATTRIBUTES} attributes.")
        if name in _NAMES and not attributes:
            return
        for each in (name, *attributes[::2]):
            if len(each) > MOST_NAME:
                raise Unreadable("R4530-007", f"A name has more than {MOST_NAME} characters.")
            if each not in _NAMES:
                self._unknown.add(each)
        if len(self._unknown) > MOST_UNKNOWN_NAMES:
            text = f"More than {MOST_UNKNOWN_NAMES} names that a filing does not have."
            raise Unreadable("R4530-008", text)

    def _root(self, name: str) -> str:
        if name != ROOT:
            raise Unreadable("R4530-004", f"The root must be {ROOT}. Found {_quoted(name)}.")
        return ""

    def _begun_complaint(self, name: str) -> str:
        if name != RECORD:
            raise Unreadable("R4530-011", f"{_ONLY} Found {_quoted(name)}.")
        if self.count == MOST_COMPLAINTS:
            text = f"One file holds at most {MOST_COMPLAINTS:,} complaints. Split it."
            raise Unreadable("R4530-009", text)
        self.count += 1
        self._complaint = Complaint(self.count)
        return ""

    def _begun_element(self, path: str) -> str:
        values = self._complaint.values
        if path in _LEAVES:
            self._text.clear()
            self._length = 0
        if path in values:
            self._flaw("R4530-102", path)
        elif path in GROUPS:
            values[path] = ""
        elif path not in _LEAVES and path.rpartition("/")[0] in _PARENTS:
            self._flaw("R4530-103", path)  # what stands inside it is no news
        return path

    def _flaw(self, code: str, path: str) -> None:
        if len(self._complaint.flaws) < MOST_FLAWS:
            self._complaint.flaws[code, path] = None


def _quoted(name: str) -> str:
    return f'"{name[:60]}"'


def _not_xml(failure: expat.ExpatError) -> Unreadable:
    what = expat.ErrorString(failure.code) or "not well-formed"
    where = f"line {failure.lineno}, column {failure.offset + 1}"
    return Unreadable("R4530-002", f"Not well-formed XML at {where}: {what}.")
