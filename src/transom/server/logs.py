"""What the operator reads: one JSON object per line on standard error, in ASCII, without secrets.

Everywhere else it is standard logging: `log.info("upload refused", extra={"reason": "gap"})`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final

from transom.frontends.context import redact_query, request_id, tracking_id

FIELD_BYTES: Final = 4096
_CUT: Final = "...(cut)"
_TRACEBACK_CHARACTERS: Final = 3000
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",  # uvicorn's own, with terminal colours in it
    "message",
    "taskName",
}
_SECRET_FIELDS: Final = frozenset(
    {"access_token", "authorization", "cookie", "password", "secret", "set_cookie", "token"}
)
_CREDENTIAL: Final = re.compile(
    r"""(authorization["']?\s*[:=]|\bbearer\b|\baws4-hmac-sha256\b).*""", re.IGNORECASE
)


def configure(level: str) -> None:
    """Send every logger of the process, from this level up, to standard error as JSON lines.

    level is debug, info, warning or error. May be called again; the last call holds.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Its news (one line per listener and process) is ours to tell, and ours says which listener.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """One event as one line: ts (UTC), level, logger, message, request_id, tracking_id, extras.

    No field is longer than 4096 bytes. Line breaks, terminal codes and everything beyond ASCII come
    out as JSON escapes; credentials as ***.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _text(_message(record)),
            "request_id": _text(request_id.get()),
            "tracking_id": _text(tracking_id.get()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                event.setdefault(name, _field(name, value))
        if record.exc_info:
            # The end of a traceback tells more than its beginning.
            event["exception"] = _text(
                self.formatException(record.exc_info)[-_TRACEBACK_CHARACTERS:]
            )
        return json.dumps(event)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # A slip in the caller. Standard logging would print the arguments raw, over many lines.
        return str(record.msg)


def _field(name: str, value: object) -> object:
    if name.lower().replace("-", "_") in _SECRET_FIELDS:
        return "***"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(str(value))


def _text(text: str) -> str:
    # Cut before redacting, so that a megabyte costs no more than a page; and after it, because an
    # escape takes up to six bytes (a character beyond the basic plane twelve).
    safe = _CREDENTIAL.sub(r"\1 ***", redact_query(text[:FIELD_BYTES]))
    if len(text) <= FIELD_BYTES and _encoded_bytes(safe) <= FIELD_BYTES:
        return safe
    while _encoded_bytes(safe + _CUT) > FIELD_BYTES:
        safe = safe[: len(safe) * 7 // 8]
    return safe + _CUT


def _encoded_bytes(text: str) -> int:
    return len(json.dumps(text)) - len('""')
