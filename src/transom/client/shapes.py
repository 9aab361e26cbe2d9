"""The server's JSON, read into values once. What a server leaves out is None or empty."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from transom.client.answers import clean
from transom.client.errors import ServerFault
from transom.client.values import Entry, Finding, Folder, Submission, TransferToken

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next\b')
_WORD = re.compile(r"[A-Za-z0-9+/=_.~:\[\]-]{1,8192}")
_KEYS = ("accessKeyId", "secretAccessKey", "sessionToken")
_OUTCOMES = {
    "ACCEPTED": "accepted",
    "REJECTED": "rejected",
    "PARTIALLY_REJECTED": "partially_rejected",
}


def instant(value: object) -> datetime | None:
    """An instant with its offset, written with or without a colon in it; None if it is none.

    What has no offset is taken as UTC.
    """
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def folder(path: str, found: Any) -> Folder:
    """A level as listings show it; raises ServerFault when it is none."""
    if not isinstance(found, dict) or not isinstance(found.get("children", []), list):
        raise _unreadable("listing")
    entries = tuple(entry(child) for child in found.get("children", []))
    return Folder(path.strip("/"), _writable(found), entries)


def entry(found: Any) -> Entry:
    """One child of a listing."""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise _unreadable("listing")
    told = found.get("metadata")
    metadata = told if isinstance(told, dict) else {}
    return Entry(
        found["name"],
        found.get("type") == "FILE",
        _writable(found),
        count(metadata.get("contentLength")),
        instant(metadata.get("lastModified")),
    )


def submissions(found: Any) -> list[Submission]:
    """The records of one answer of tracking; raises ServerFault when it is none."""
    if not isinstance(found, list):
        raise _unreadable("tracking record")
    return [submission(each) for each in found]


def submission(found: Any) -> Submission:
    """One record of tracking, FINRA's too; raises ServerFault when it is none."""
    if not isinstance(found, dict) or not isinstance(found.get("trackingId"), str):
        raise _unreadable("tracking record")
    submitted = instant(found.get("submissionTime"))
    if submitted is None:
        raise _unreadable("tracking record")
    # The guide's table spells the second name, its sample the first.
    updated = instant(found.get("statusUpdateTime")) or instant(found.get("statusUpdatedTime"))
    return Submission(
        tracking_id=clean(found["trackingId"]),
        file_name=clean(found.get("fileName")),
        place=clean(found.get("uploadLocation")).strip("/"),
        state=_state(found),
        status=clean(found.get("status")),
        downstream_status=clean(found.get("downstreamStatus")) or None,
        submitted_at=submitted,
        updated_at=updated or submitted,
        user_name=clean(found.get("userName")),
        size=count(found.get("fileSize")),
        sha256=digest(found.get("sha256")),
        archive_name=clean(found.get("arcvFileName")) or None,
        downloadable=found.get("downloadable") is True,
        findings=tuple(_findings(found.get("findings"))),
        result_files=tuple(_texts(found.get("resultFiles"))),
        reason=clean(found.get("reason")),
        raw=found,
    )


def transfer_token(found: Any) -> TransferToken:
    """Temporary S3 keys; raises ServerFault when they are none that can go into a shell or file."""
    # The guide's sample nests the keys, its table does not.
    keys: Any = found.get("credentials", found) if isinstance(found, dict) else {}
    expires_at = instant(keys.get("expiration")) if isinstance(keys, dict) else None
    if expires_at is None or not all(_is_word(keys.get(name)) for name in _KEYS):
        raise _unreadable("transfer token")
    endpoint, region = found.get("endpoint", ""), found.get("region")
    if not _is_word(region) or (endpoint and not _is_word(endpoint)):
        raise _unreadable("transfer token")
    access_key_id, secret, session_token = (keys[name] for name in _KEYS)
    return TransferToken(
        region=region,
        session_name=clean(found.get("sessionName")),
        read_paths=tuple(_texts(found.get("readPaths"))),
        write_paths=tuple(_texts(found.get("writePaths"))),
        access_key_id=access_key_id,
        secret=secret,
        session_token=session_token,
        expires_at=expires_at,
        endpoint=endpoint,
        raw=found,
    )


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(_WORD.fullmatch(value))


def text(found: Any, name: str) -> str:
    """A text by its name, whose spelling the guide leaves open: capitals do not matter."""
    if not isinstance(found, dict):
        return ""
    lower = {key.lower(): value for key, value in found.items() if isinstance(key, str)}
    value = lower.get(name.lower())
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """A number of bytes; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def digest(value: object) -> str | None:
    """A SHA-256 in lower case; None if it is none."""
    if not isinstance(value, str) or len(value) != 64:  # noqa: PLR2004 - of SHA-256
        return None
    return value.lower() if all(c in "0123456789abcdefABCDEF" for c in value) else None


def next_cursor(link: str) -> str:
    """Where the next page begins, by a Link header; "" when there is none.

    Only the cursor is taken from it: whatever host it names, the token goes to none but the API's.
    """
    found = _NEXT.search(link)
    if found is None:
        return ""
    try:
        return parse_qs(urlsplit(found[1]).query).get("cursor", [""])[0]
    except ValueError:
        return ""


def _state(found: dict[str, Any]) -> str:
    """The state, told or read off the guide's two statuses."""
    if told := clean(found.get("state")):
        return told
    downstream = clean(found.get("downstreamStatus"))
    if downstream in _OUTCOMES:
        return _OUTCOMES[downstream]
    is_received = clean(found.get("status")).lower().startswith("received")
    return "received" if is_received or downstream == "RECEIVED" else "requested"


def _findings(told: object) -> Iterable[Finding]:
    for each in told if isinstance(told, list) else []:
        if isinstance(each, dict):
            names = ("record", "field", "code", "text")
            record, field, code, text = (clean(each.get(name), 2000) for name in names)
            yield Finding(record, field, code, text)


def _texts(told: object) -> Iterable[str]:
    return [clean(each) for each in told if clean(each)] if isinstance(told, list) else []


def _writable(found: dict[str, Any]) -> bool:
    metadata = found.get("metadata")
    return isinstance(metadata, dict) and metadata.get("writable") is True


def _unreadable(what: str) -> ServerFault:
    return ServerFault(f"The server's {what} cannot be read. Is this the address of the API?")
