"""Uploads in parts: what was agreed on for the whole, and each part as it was received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MAX_PARTS: Final = 10_000
MIN_PART_BYTES: Final = 5 << 20
"""Of every part but the last."""
MAX_PART_BYTES: Final = 5 << 30
MAX_BYTES: Final = 5 << 40


@dataclass(frozen=True, slots=True)
class Multipart:
    """What is agreed on of an upload in parts.

    `checksum` names the algorithm, "" for none; `full_object` says that it is over the bytes of the
    file, not over its parts' digests. `completed_as` names the parts it was completed with.
    """

    tracking_id: str
    checksum: str = ""
    full_object: bool = False
    completed_as: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as kept. `digest` is what its sender stated of it, by the algorithm `checksum`."""

    tracking_id: str
    number: int
    blob_key: str
    size: int
    sha256: str
    received_at: datetime
    checksum: str = ""
    digest: bytes = b""
