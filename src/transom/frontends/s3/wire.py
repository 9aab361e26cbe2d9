"""How the S3 door writes: XML errors, entity tags, dates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from transom.frontends import markup


def error(
    code: str, message: str, request_id: str, extra: Mapping[str, str] | None = None
) -> bytes:
    """An error document in the form of FAQ 27."""
    elements = {"Code": code, "Message": message, **(extra or {})}
    elements |= {"RequestId": request_id, "HostId": host_id(request_id)}
    inner = "".join(f"<{name}>{markup.text(value)}</{name}>" for name, value in elements.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def host_id(request_id: str) -> str:
    """The second id that S3 answers carry; here it only repeats the first, hashed."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()


def zulu(instant: datetime) -> str:
    """An instant as S3's error elements write it: 2018-12-11T19:58:13Z."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
