"""Response headers that describe a file, the same on every door."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from email.utils import format_datetime


def etag(sha256: str) -> str:
    """The entity tag of a file: opaque, with a dash, so that no client takes it for an MD5."""
    return f'"{sha256[:32]}-1"'


def repr_digest(sha256: str) -> str:
    """The Repr-Digest header of RFC 9530."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def http_date(instant: datetime) -> str:
    """An instant as HTTP headers write it."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)
