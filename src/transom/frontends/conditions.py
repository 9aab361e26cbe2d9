"""Ranges and preconditions of reads (RFC 9110, sections 13 and 14), as pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from starlette.types import Scope

from transom.domain.listing import Listing
from transom.frontends.errors import PreconditionFailed, RangeNotSatisfiable
from transom.frontends.headers import etag
from transom.frontends.requests import header

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a file to send: start and length in bytes."""

    start: int
    length: int


def window(asked: str, if_range: str, listing: Listing) -> Window | None:
    """What a Range header asks for, or None for the whole file.

    Several ranges, other units and nonsense are ignored, as RFC 9110 allows and S3 does; so is a
    range whose If-Range does not name this very file.

    Raises:
        RangeNotSatisfiable: it begins after the end.
    """
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found[0] == "bytes=-":
        return None
    if if_range and if_range.strip() != etag(listing.sha256):
        return None
    first, last = found[1], found[2]
    size = listing.size
    if not first:
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        length = min(int(last), size - 1) - start + 1 if last else size - start
        if last and int(last) < start:
            return None
    if length <= 0 or start >= size:
        raise RangeNotSatisfiable(size)
    return Window(start, length)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The precondition headers of a read, "" where absent."""

    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_unmodified_since: str = ""

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Those of a request."""
        return cls(
            header(scope, "if-match"),
            header(scope, "if-none-match"),
            header(scope, "if-modified-since"),
            header(scope, "if-unmodified-since"),
        )


def is_unchanged(asked: Conditions, listing: Listing) -> bool:
    """Whether the answer is 304, by the order of RFC 9110, section 13.2.2.

    Raises:
        PreconditionFailed: the file is not the one the caller means.
    """
    tag = etag(listing.sha256)
    changed_at = listing.listed_at.replace(microsecond=0)
    if asked.if_match:
        if not _names(asked.if_match, tag):
            raise PreconditionFailed
    elif (before := _date(asked.if_unmodified_since)) and changed_at > before:
        raise PreconditionFailed
    if asked.if_none_match:
        return _names(asked.if_none_match, tag)
    since = _date(asked.if_modified_since)
    return since is not None and changed_at <= since


def _names(header: str, tag: str) -> bool:
    tags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in tags or tag in tags or tag.strip('"') in tags


def _date(header: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(header) if header else None
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
