"""`POST /fip/rest/ews/oauth2/access_token`: a user name and secret in, a bearer token out.

The guide documents the texts in `error_message`; `error` beside it is RFC 6749's. Bad credentials
are 400 here, not 401.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from transom.core.exchange import Exchange
from transom.core.sign_in import Attempt
from transom.domain.errors import BadParameter, ExchangeError
from transom.domain.identity import is_generated
from transom.frontends.requests import header, small_body, source
from transom.frontends.token import errors
from transom.frontends.token.errors import Fault
from transom.frontends.workers import Workers

PATH = "/fip/rest/ews/oauth2/access_token"
_MAX_FORM = 16 * 1024
_MAX_CREDENTIALS = 4096
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class TokenDoor:
    """The ASGI application of the token service."""

    exchange: Exchange
    workers: Workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            response = await self._answer(scope, receive)
        except Fault as fault:
            response = errors.refusal(fault, scope["request_id"])
        except ExchangeError as error:
            response = errors.answer(error, scope["request_id"])
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] != PATH:
            raise Fault("invalid_request", "There is no such resource here.", 403)
        if scope["method"] != "POST":
            raise Fault("invalid_request", "Use POST.", 405, {"Allow": "POST"})
        await _require_grant_type(scope, receive)
        name, secret = _credentials(header(scope, "authorization"))
        attempt = Attempt(name, secret, source(scope), scope["request_id"])
        run = self.workers.run if is_generated(secret) else self.workers.run_slow
        token = await run(self.exchange.tokens.grant, attempt)
        return JSONResponse(
            {
                "access_token": token.text,
                "scope": "filex",
                "token_type": "Bearer",
                "expires_in": int(token.expires_in.total_seconds()),
            },
            headers={"Pragma": "no-cache"},
        )


async def _require_grant_type(scope: Scope, receive: Receive) -> None:
    """The grant type stands in the query or in a form; secrets in either are refused unread."""
    fields = _fields(scope["query_string"])
    if header(scope, "content-type").partition(";")[0].strip().lower() == _FORM:
        for name, values in _fields(await small_body(receive, _MAX_FORM)).items():
            fields.setdefault(name, []).extend(values)
    grant_types = fields.get("grant_type", [])
    if not grant_types or not grant_types[0]:
        raise Fault("invalid_request", "Grant type is required")
    if any(each != "client_credentials" for each in grant_types):
        message = "Only client_credentials grant type is supported"
        raise Fault("unsupported_grant_type", message)


def _fields(raw: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50)
    except ValueError as wrong:
        raise BadParameter("form", "cannot be read") from wrong


def _credentials(authorization: str) -> tuple[str, str]:
    """User name and secret out of a Basic header (RFC 7617), UTF-8."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Fault("invalid_client", "Client credentials is required")
    malformed = Fault("invalid_request", "Invalid credentials format")
    if len(encoded) > _MAX_CREDENTIALS:
        raise malformed
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise malformed from None
    name, colon, secret = decoded.partition(":")
    if not colon or not name or not decoded.isprintable():
        raise malformed
    return name, secret
