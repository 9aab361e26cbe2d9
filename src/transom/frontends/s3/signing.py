"""Who signed a request to the S3 door, and how its body is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.types import Scope

from transom.core.exchange import Exchange
from transom.core.signed_urls import Redeemed
from transom.core.transfer_tokens import Session
from transom.frontends.s3.payload import Payload


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature has verified.

    `by` is a Session for transfer tokens (header or query form), or Redeemed for a URL that our
    REST API signed. `query` is the rest of the query in its order, decoded once, without what
    belongs to the signature ("uploads" alone has the value ""): take parameters from here and
    nowhere else. No name occurs twice.
    """

    by: Session | Redeemed
    payload: Payload
    query: tuple[tuple[str, str], ...] = field(repr=False)


def authenticate(exchange: Exchange, scope: Scope) -> Signed:
    """Verify a request. It may read a row: call it in a worker (`workers.read`).

    No body byte is asked for here, so that 100 Continue is not sent before the caller goes on.

    Raises:
        SignatureRefused: with a leaf for each of S3's codes, see domain/signature.py and
            domain/authorization.py.
        GrantInvalid: nobody signed it, or the account has stopped, or its grants were withdrawn.
        AccessKeyUnknown, TokenAltered, TokenExpired: of core/transfer_tokens.py.
        BadParameter, BadDigest...: a header about the body cannot be read.
        Unavailable
    """
    raise NotImplementedError
