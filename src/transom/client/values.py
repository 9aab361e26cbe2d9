"""What the client gives back: plain values, parsed once where the answer arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ANSWERED = frozenset({"accepted", "partially_rejected", "rejected"})
"""The states that only an application gives."""

ENDED = ANSWERED | {"abandoned"}
"""The states that a submission never leaves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One level or file in a folder. `size` (bytes) and `modified` (UTC) are None for a level."""

    name: str
    is_file: bool
    writable: bool
    size: int | None = None
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A level with what is in it, in the server's order. `path` is "" for the root."""

    path: str
    writable: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the application found: which record, which field, its code, and a text."""

    record: str
    field: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Submission:
    """Where a submission stands, as tracking tells it.

    `state` is one of requested, held, received, accepted, partially_rejected, rejected, abandoned;
    on a server that does not tell it, it is read off `status` and `downstreamStatus`. `place` is
    "0001/r4530/in". Instants have their offset. What the server leaves out is None or empty.
    `raw` is the record as it came.
    """

    tracking_id: str
    file_name: str
    place: str
    state: str
    status: str
    downstream_status: str | None
    submitted_at: datetime
    updated_at: datetime
    user_name: str = ""
    size: int | None = None
    sha256: str | None = None
    archive_name: str | None = None
    downloadable: bool = False
    findings: tuple[Finding, ...] = ()
    result_files: tuple[str, ...] = ()
    reason: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def is_received(self) -> bool:
        """Whether the bytes arrived whole."""
        return self.state == "received" or self.state in ANSWERED


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was received. `sha256` is of what was read here; `seconds` is the time it took.

    `verified` tells that the server named the same digest; False only where it names none.
    """

    tracking_id: str
    place: str
    name: str
    size: int
    sha256: str
    seconds: float
    verified: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched whole. `path` is None when it was written into a stream.

    `verified` tells that its digest is the one the server named; False only where it names none.
    """

    name: str
    size: int
    sha256: str
    seconds: float
    verified: bool
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class TransferToken:
    """Temporary keys for S3 tools, for one application.

    Paths are "bucket/org/application/sub-space/". `endpoint` is "" on a server that does not tell
    it (FINRA's own): there it is AWS's. `raw` is the answer as it came, secrets and all.
    """

    region: str
    session_name: str
    read_paths: tuple[str, ...]
    write_paths: tuple[str, ...]
    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime
    endpoint: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
