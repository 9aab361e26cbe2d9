"""Reading requests: headers, sources and bounded bodies, the same way on every door."""

from __future__ import annotations

from typing import cast
from urllib.parse import unquote

from starlette.types import Receive, Scope

from transom.core.grants import Tokens
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, GrantInvalid
from transom.domain.submission import AccessMethod, Client
from transom.frontends.errors import WrongMethod

_MAX_SOFTWARE = 200
_MAX_KEY = 255


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


def idempotency_key(scope: Scope) -> str:
    """The key under which a request may be repeated; "" when it has none.

    Raises:
        BadParameter: it is too long, or cannot be printed.
    """
    key = header(scope, "idempotency-key")
    if len(key) > _MAX_KEY or not key.isprintable():
        raise BadParameter("Idempotency-Key", f"at most {_MAX_KEY} printable characters")
    return key


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


def segments(raw_path: bytes) -> list[str]:
    """The levels of a path, each decoded once; one slash at the end is no level."""
    path = raw_path.decode("latin-1").removeprefix("/")
    try:
        return [unquote(part, errors="strict") for part in path.removesuffix("/").split("/")]
    except UnicodeDecodeError as wrong:
        raise BadParameter("path", "it is not UTF-8 when percent-decoded") from wrong


def require_method(scope: Scope, *allowed: str) -> None:
    """Return quietly when the request has one of these methods; raises WrongMethod."""
    if scope["method"] not in allowed:
        raise WrongMethod(*allowed)


def bearer(tokens: Tokens, scope: Scope) -> Actor:
    """Who a bearer token speaks for; tokens in queries are refused unread (RFC 6750, 2.3).

    Raises:
        GrantInvalid: there is no token, or it is no longer good.
    """
    scheme, _, token = header(scope, "authorization").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise GrantInvalid("no bearer token")
    return tokens.redeem(token.strip(), source(scope), scope["request_id"])
