"""Query strings, numbers in them, and cursors: the same on every API of ours."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from urllib.parse import parse_qs

from transom.core.tracking import Position
from transom.domain.errors import BadParameter

_MAX_PARAMETERS = 20
_MAX_REPEATED = 520  # 500 organizations, and a few


def parameters(raw: bytes, known: Collection[str], repeated: str = "") -> dict[str, list[str]]:
    """The parameters of a query string, each given once but for the repeated one.

    Raises:
        BadParameter: one is not known, or given twice, or the string cannot be read.
    """
    try:
        text = raw.decode("ascii")
        most = _MAX_REPEATED if repeated else _MAX_PARAMETERS
        found = parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=most)
    except ValueError as wrong:
        raise BadParameter("query", "it cannot be read") from wrong
    for name, values in found.items():
        if name not in known:
            there_are = ", ".join(sorted(known)) or "none"
            raise BadParameter(name[:64], f"there is no such parameter; there are {there_are}")
        if len(values) > 1 and name != repeated:
            raise BadParameter(name, "it is given twice")
    return found


def single(raw: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters of a query string, each with its one value. Raises as parameters()."""
    return {name: values[0] for name, values in parameters(raw, known).items()}


def number(name: str, text: str, highest: int) -> int:
    """A whole number from 1.

    Raises:
        BadParameter: it is anything else.
    """
    if text.isascii() and text.isdigit() and len(text) <= len(str(highest)):
        found = int(text)
        if 1 <= found <= highest:
            return found
    raise BadParameter(name, f"a number from 1 to {highest}")


def instant(text: str) -> datetime:
    """An instant with its offset, as UTC. Raises ValueError for anything else."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    try:
        return found.astimezone(UTC)
    except OverflowError as wrong:  # before the year 1, or after 9999
        raise ValueError(text) from wrong


def cursor(last: Position) -> str:
    """A position as it stands in an address."""
    raw = f"{last.at.isoformat()}/{last.tracking_id}".encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def position(text: str) -> Position:
    """The position that a cursor holds.

    Raises:
        BadParameter: none of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, _, tracking_id = raw.decode("ascii").partition("/")
        return Position(instant(at), str(uuid.UUID(tracking_id)))
    except ValueError:  # binascii.Error and UnicodeDecodeError are ValueErrors
        raise BadParameter("cursor", "take it from the Link header of the page before") from None
