"""Who signed a request to the S3 door, and how its body is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from starlette.types import Scope

from transom.core.exchange import Exchange
from transom.core.keyring import ACCESS_KEY_PREFIX
from transom.core.signed_urls import Redeemed
from transom.core.transfer_tokens import Session
from transom.domain.authorization import SignatureUnsupported
from transom.domain.errors import BadParameter, GrantInvalid
from transom.domain.signature import UNSIGNED_PAYLOAD, RawRequest
from transom.frontends.requests import source
from transom.frontends.s3.payload import Payload, read_payload

_BY_OUR_API: Final = f"X-Amz-Credential={ACCESS_KEY_PREFIX}".encode()
_SIGNED_QUERY: Final = (b"X-Amz-Signature=", b"X-Amz-Credential=", b"X-Amz-Algorithm=")
_SIGNED_OF_OLD: Final = (b"AWSAccessKeyId=", b"Signature=")


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature has verified.

    `by` is a Session for transfer tokens (header or query form), or Redeemed for a URL that our
    REST API signed. `query` is the rest of the query in its order, decoded once, without what
    belongs to the signature ("uploads" alone has the value ""): take parameters from here and
    nowhere else. No name occurs twice, whatever its case.
    """

    by: Session | Redeemed
    payload: Payload
    query: tuple[tuple[str, str], ...] = field(repr=False)


def authenticate(exchange: Exchange, scope: Scope) -> Signed:
    """Verify a request. It may read a row: call it in a worker (`workers.read`).

    No body byte is asked for here, so that 100 Continue is not sent before the caller goes on.

    Raises:
        SignatureRefused: with a leaf for each of S3's codes, see domain/signature.py,
            domain/authorization.py, core/sealed_grants.py and core/transfer_tokens.py.
        GrantInvalid: nobody signed it, or the account has stopped, or its grants were withdrawn.
        BadName: of a URL of our REST API.
        BadParameter, NotSupported, DecodedLengthMissing, TrailerMalformed: what is stated of the
            body cannot be read.
        Unavailable
    """
    request = raw_request(scope)
    if _is_by_our_api(request, scope["query_string"]):
        redeemed = exchange.signed_urls.redeem(request, source(scope), scope["request_id"])
        return Signed(redeemed, read_payload(request, UNSIGNED_PAYLOAD), redeemed.query)
    verified = exchange.transfer_tokens.redeem(request, source(scope), scope["request_id"])
    payload = read_payload(request, verified.claim.payload_hash, verified.chain)
    return Signed(verified.session, payload, verified.claim.extra)


def raw_request(scope: Scope) -> RawRequest:
    """The request as it came, for whoever verifies it."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        text = value.decode("utf-8", "surrogateescape")
        headers.setdefault(name.decode("latin-1"), []).append(text)
    return RawRequest(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
    )


def _is_by_our_api(request: RawRequest, query: bytes) -> bool:
    """Whether our REST API is named as the signer; raises for what is not signed as we read it."""
    has_header = "authorization" in request.headers
    has_query = any(term in query for term in _SIGNED_QUERY)
    if has_header and has_query:
        raise BadParameter("Authorization", "only one way to sign is allowed, header or query")
    if not has_header and not has_query:
        if all(term in query for term in _SIGNED_OF_OLD):
            raise SignatureUnsupported
        raise GrantInvalid("nobody signed it")
    return has_query and _BY_OUR_API in query
