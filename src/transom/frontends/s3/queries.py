"""Numbers in S3's queries."""

from __future__ import annotations

from transom.domain.errors import BadParameter

_MAX_DIGITS = 16


def number(name: str, text: str) -> int:
    """A whole number from 0.

    Raises:
        BadParameter: it is anything else.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text)
    raise BadParameter(name, "a whole number")
