"""Requests signed in their Authorization header, as every S3 client does by default.

The S3 door takes a request apart with read_authorization(), checks its clock with
require_in_time(), finds the secret of the credential, and asks signature.require_genuine().
"""

from __future__ import annotations

import re
from datetime import datetime

from transom.domain import signature
from transom.domain.errors import BadParameter, NotSupported
from transom.domain.signature import (
    ALGORITHM,
    CONTENT_SHA256,
    LARGEST_SKEW,
    Claim,
    MalformedSignature,
    RawRequest,
    SignatureRefused,
)

SECURITY_TOKEN = "x-amz-security-token"  # noqa: S105 - the name of a header
_DATE = "x-amz-date"

_ELLIPTIC = "AWS4-ECDSA-"
_SHAPES = {
    "Credential": signature.CREDENTIAL,
    "SignedHeaders": signature.SIGNED_HEADERS,
    "Signature": signature.SIGNATURE,
    _DATE: signature.DATE,
}
_WORD = re.compile(r"[0-9a-f]{64}|[A-Z][A-Z0-9-]{7,63}")


class MalformedAuthorization(MalformedSignature):
    """The Authorization header, or what must come with it, cannot be read in exactly one way."""

    code = "authorization_malformed"


class SignatureUnsupported(SignatureRefused):
    """The request is signed in another way than Signature Version 4."""

    code = "signature_unsupported"

    def __init__(self) -> None:
        super().__init__(
            f"The authorization mechanism you have provided is not supported. Use {ALGORITHM}."
        )


class ClockSkewed(SignatureRefused):
    """The request is dated more than 15 minutes before or after our time."""

    code = "clock_skewed"

    def __init__(self, signed_at: datetime) -> None:
        super().__init__(
            "The difference between the request time and the current time is too large. "
            "Set the clock of the machine that signs."
        )
        self.signed_at = signed_at


def read_authorization(request: RawRequest, region: str) -> Claim:
    """What the headers of a signed request claim, for this region and service s3.

    Every x-amz- header came once: two would be signed as one, and read as another.

    Raises:
        SignatureUnsupported: it is signed by an older version, or not for S3 at all.
        NotSupported: it is signed with elliptic curves (SigV4A).
        MalformedAuthorization: a part is missing, given twice or out of its form, or for another
            region, service or day; or the query cannot be read.
        BadParameter: x-amz-content-sha256 is missing, or nothing that S3 knows.
    """
    try:
        return _read(request, region)
    except MalformedSignature as failure:
        raise MalformedAuthorization(failure.parameter, failure.why, failure.region) from failure


def require_in_time(claim: Claim, now: datetime) -> None:
    """Return when the request is dated at most 15 minutes from the world's time, aware UTC.

    Raises:
        ClockSkewed
    """
    if abs(claim.signed_at - now) > LARGEST_SKEW:
        raise ClockSkewed(claim.signed_at)


def _read(request: RawRequest, region: str) -> Claim:
    values = _parts(_only(request, "authorization"))
    _require_amz_headers_once(request)
    values[_DATE] = _only(request, _DATE)
    signature.require_shapes(values, _SHAPES)
    pairs = signature.decoded_query(request.query)
    signature.require_each_name_once(pairs)
    return Claim(
        request=request,
        credential=signature.read_credential(values["Credential"], region, values[_DATE]),
        signed_at=signature.read_instant(values[_DATE]),
        signed_headers=signature.read_signed_headers(values["SignedHeaders"]),
        signature=values["Signature"],
        payload_hash=_payload_hash(request),
        extra=pairs,
    )


def _parts(authorization: str) -> dict[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme.startswith(_ELLIPTIC):
        raise NotSupported("A signature by elliptic curves", f"Use {ALGORITHM}.")
    if scheme != ALGORITHM:
        raise SignatureUnsupported
    pairs = [part.strip(" ").partition("=")[::2] for part in rest.split(",")]
    values = dict(pairs)
    if len(values) != len(pairs) or not values.keys() <= _SHAPES.keys():
        raise MalformedSignature("Authorization", "must have Credential, SignedHeaders, Signature")
    return values


def _only(request: RawRequest, name: str) -> str:
    values = request.headers.get(name, ())
    if len(values) != 1:
        raise MalformedSignature(name, "must be given exactly once")
    return values[0]


def _require_amz_headers_once(request: RawRequest) -> None:
    for name, values in request.headers.items():
        if name.startswith("x-amz-") and len(values) > 1:
            raise MalformedSignature(name, "is given twice")


def _payload_hash(request: RawRequest) -> str:
    values = request.headers.get(CONTENT_SHA256, ())
    if not values or not _WORD.fullmatch(values[0]):
        raise BadParameter(
            CONTENT_SHA256, "must be UNSIGNED-PAYLOAD, a STREAMING- word, or a SHA-256 in hex"
        )
    return values[0]
