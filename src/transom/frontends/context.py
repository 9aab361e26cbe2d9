"""What a log line should know about the request it belongs to; set by the front ends."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Final
from urllib.parse import unquote_plus

request_id: ContextVar[str] = ContextVar("request_id", default="")
tracking_id: ContextVar[str] = ContextVar("tracking_id", default="")

_SECRET_NAMES: Final = frozenset(
    {
        "token",
        "access_token",
        "refresh_token",
        "password",
        "secret",
        "client_secret",
        "assertion",
        "client_assertion",
    }
)
_SECRET_PREFIXES: Final = ("x-amz-", "x-transom-")
# The look-behind anchors a name where a parameter can begin: without it a long text with no "="
# in it would be scanned once from every character.
_PARAMETER: Final = re.compile(r"""(?<![^?&;\s"'(<\[{,])([^?&;\s"'(<\[{,=]+)=([^&\s"']*)""")


def redact_query(raw: str) -> str:
    """The same text with the values of secret query parameters replaced by ***.

    Takes a bare query string, a URL, or a sentence that holds one. Secret are X-Amz-*, X-Transom-*,
    and what OAuth or a form would carry (token, password, client_secret, ...), in any case and
    however percent-encoded.
    """
    return _PARAMETER.sub(_without_secret, raw)


def _without_secret(parameter: re.Match[str]) -> str:
    name = unquote_plus(parameter[1]).lower()
    if name in _SECRET_NAMES or name.startswith(_SECRET_PREFIXES):
        return f"{parameter[1]}=***"
    return parameter[0]
