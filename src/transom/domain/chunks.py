"""Bodies that S3 clients send in chunks: what was signed of them, and how each signature follows.

Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
Chunks" and "... Including Trailing Headers" in the Amazon S3 API Reference. Each signature covers
the one before it, the first that of the request: no chunk can be altered, left out or moved.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

from transom.domain import signature
from transom.domain.errors import BadParameter, NotSupported
from transom.domain.signature import Claim, SignatureMismatch

_NOTHING = hashlib.sha256().hexdigest()


class Chunking(StrEnum):
    """How a body in chunks is framed, as x-amz-content-sha256 says it."""

    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

    @property
    def is_signed(self) -> bool:
        """Whether each chunk carries a signature."""
        return self is not Chunking.UNSIGNED_TRAILER

    @property
    def has_trailer(self) -> bool:
        """Whether a checksum comes behind the last chunk."""
        return self is not Chunking.SIGNED


def chunking_of(payload_hash: str) -> Chunking | None:
    """How a body is framed; None when it comes as it is, signed whole or not at all.

    Raises:
        NotSupported: chunks signed with elliptic curves (SigV4A).
        BadParameter: a word in capitals that is neither a chunking nor UNSIGNED-PAYLOAD.
    """
    if payload_hash == signature.UNSIGNED_PAYLOAD or not payload_hash.isupper():
        return None
    if "-ECDSA-" in payload_hash:
        raise NotSupported("A signature by elliptic curves", f"Use {signature.ALGORITHM}.")
    try:
        return Chunking(payload_hash)
    except ValueError:
        raise BadParameter(
            signature.CONTENT_SHA256, "there is no such way to send a body"
        ) from None


class Chain:
    """Follows the signatures of one body, chunk by chunk, in order."""

    def __init__(self, claim: Claim, secret: str) -> None:
        credential = claim.credential
        self._key = signature.signing_key(
            secret, credential.date, credential.region, credential.service
        )
        self._scope = f"{signature.amz_date(claim.signed_at)}\n{credential.scope}"
        self._last = claim.signature

    def require_chunk(self, sha256: str, signed: str) -> None:
        """Return when the next chunk, of this SHA-256 in hex, was signed so.

        Raises:
            SignatureMismatch
        """
        self._require(f"-PAYLOAD\n{self._scope}\n{self._last}\n{_NOTHING}\n{sha256}", signed)

    def require_trailer(self, sha256: str, signed: str) -> None:
        """Return when the trailer was signed so; its lines end in a bare LF where it is hashed.

        Raises:
            SignatureMismatch
        """
        self._require(f"-TRAILER\n{self._scope}\n{self._last}\n{sha256}", signed)

    def _require(self, text: str, signed: str) -> None:
        message = f"{signature.ALGORITHM}{text}".encode()
        expected = hmac.digest(self._key, message, "sha256").hex()
        if not hmac.compare_digest(expected, signed):
            raise SignatureMismatch
        self._last = expected
