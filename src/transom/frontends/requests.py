"""Reading requests: headers, sources and bounded bodies, the same way on every door."""

from __future__ import annotations

from typing import cast

from starlette.types import Receive, Scope

from transom.domain.errors import BadParameter
from transom.domain.submission import AccessMethod, Client

_MAX_SOFTWARE = 200


def header(scope: Scope, name: str) -> str:
    """The first header of this (lower-case) name, or ""."""
    wanted = name.encode()
    for key, value in scope["headers"]:
        if key == wanted:
            return cast("bytes", value).decode("latin-1")
    return ""


def source(scope: Scope) -> str:
    """The network address the request came from; behind a trusted proxy, what the proxy says."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def client(scope: Scope, method: AccessMethod) -> Client:
    """Where this request comes from, for the record."""
    software = "".join(c for c in header(scope, "user-agent") if c.isprintable())[:_MAX_SOFTWARE]
    return Client(method, source(scope), software, scope["request_id"])


async def small_body(receive: Receive, limit: int) -> bytes:
    """The whole body, when it is at most limit bytes.

    Raises:
        BadParameter: it is longer, or the client went away.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadParameter("body", "it broke off")
        body += message.get("body", b"")
        if len(body) > limit:
            raise BadParameter("body", f"longer than {limit} bytes")
        if not message.get("more_body", False):
            return bytes(body)
