"""Pre-signed URLs: a signature in the query, good for one kind of request and a while.

Our REST API makes them with presign(). The S3 door takes a request apart with read_presigned(),
finds the secret of the credential that it names, and asks verify_presigned().
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from transom.domain import signature
from transom.domain.signature import (
    ALGORITHM,
    CONTENT_SHA256,
    LARGEST_SKEW,
    LONGEST_LIFE,
    SERVICE,
    UNSIGNED_PAYLOAD,
    Claim,
    Credential,
    MalformedSignature,
    RawRequest,
    Shape,
    SignatureExpired,
    SignatureNotYetValid,
    amz_date,
    canonical_request,
    decoded_query,
    encoded,
    sign,
)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHAPES = {
    "X-Amz-Algorithm": Shape(re.compile(ALGORITHM), f"must be {ALGORITHM}"),
    "X-Amz-Credential": signature.CREDENTIAL,
    "X-Amz-Date": signature.DATE,
    "X-Amz-Expires": Shape(re.compile(r"[1-9][0-9]{0,5}"), "must be 1 to 604800 seconds"),
    "X-Amz-SignedHeaders": signature.SIGNED_HEADERS,
    "X-Amz-Signature": signature.SIGNATURE,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs URLs, for which door. `base_url` is scheme://host[:port], nothing after it."""

    access_key_id: str
    secret: str = field(repr=False)
    region: str
    base_url: str

    @property
    def origin(self) -> tuple[str, str]:
        """Scheme and host as every client will send it: lower case, no port that goes unsaid."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.lower()
        if parts.port == _DEFAULT_PORTS.get(parts.scheme):
            host = host.removesuffix(f":{parts.port}")
        return parts.scheme, host


@dataclass(frozen=True, slots=True)
class Presigned(Claim):
    """What a pre-signed request claims, well-formed and not yet verified."""

    expires_in: timedelta

    @property
    def expires_at(self) -> datetime:
        """The first instant, aware UTC, at which the request is good no more."""
        return self.signed_at + self.expires_in


def presign(
    signer: Signer,
    method: str,
    path: str,
    signed_at: datetime,
    expires_in: timedelta,
    query: Iterable[tuple[str, str]] = (),
) -> str:
    """A URL that lets whoever holds it make one kind of request until its time is over.

    Only the host header is signed, and no payload. `path` starts with "/" and is plain text, not
    percent-encoded, and so are the extra `query` pairs, each name once. `signed_at` is aware and
    cut to the second; `expires_in` is 1 s to 7 days, in whole seconds.

    Raises:
        ValueError: `expires_in` is out of range, or `path` does not start with "/".
        MalformedSignature: an extra pair has no name or a control character, or all is too long.
    """
    if not timedelta(seconds=1) <= expires_in <= LONGEST_LIFE:
        raise ValueError(expires_in)
    if not path.startswith("/"):  # it would become a part of the host
        raise ValueError(path)
    credential = Credential(signer.access_key_id, amz_date(signed_at)[:8], signer.region, SERVICE)
    scheme, host = signer.origin
    pairs = (*query, *_terms(credential, signed_at, expires_in))
    raw_query = "&".join(f"{name}={value}" for name, value in map(encoded, pairs))
    request = RawRequest(method, quote(path), raw_query, {"host": (host,)})
    canonical = canonical_request(request, ("host",), UNSIGNED_PAYLOAD)
    signed = sign(canonical, credential, signed_at, signer.secret)
    return f"{scheme}://{host}{request.path}?{raw_query}&X-Amz-Signature={signed}"


def read_presigned(request: RawRequest, region: str) -> Presigned:
    """What the query of a pre-signed request claims, for this region and service s3.

    Every X-Amz- parameter of the signature is there exactly once, spelled as AWS spells it.

    Raises:
        MalformedSignature: anything is missing, given twice in whatever case, out of its form, for
            another region or service, or dated on another day than its credential.
    """
    pairs = decoded_query(request.query)
    signature.require_each_name_once(pairs)
    values = dict(pairs)
    signature.require_shapes(values, _SHAPES)
    signed_headers = signature.read_signed_headers(values["X-Amz-SignedHeaders"])
    return Presigned(
        request=request,
        credential=signature.read_credential(
            values["X-Amz-Credential"], region, values["X-Amz-Date"]
        ),
        signed_at=signature.read_instant(values["X-Amz-Date"]),
        signed_headers=signed_headers,
        signature=values["X-Amz-Signature"],
        payload_hash=_payload_hash(request, signed_headers),
        extra=tuple(pair for pair in pairs if pair[0] not in _SHAPES),
        expires_in=_life(values["X-Amz-Expires"]),
    )


def verify_presigned(
    presigned: Presigned,
    secret: str,
    now: datetime,
    allowed_unsigned: frozenset[str] = frozenset(),
) -> None:
    """Return when the request is genuine and in time; only then does it speak for its credential.

    `now` is the world's time, aware UTC. The signature is compared first, in constant time: who
    cannot sign learns nothing about clocks and ends. Of the body, `payload_hash` alone is covered:
    whoever reads it must compare. `allowed_unsigned`
    names the `x-amz-` headers, in lower case, that may come unsigned (decisions.md 4).

    Raises:
        MalformedSignature: the path is not printable ASCII with whole percent escapes.
        SignatureMismatch: another request, another secret, or a signed header is absent.
        HeaderNotSigned: an `x-amz-` header is neither signed nor allowed.
        SignatureNotYetValid: signed more than 15 minutes after `now`.
        SignatureExpired: `now` is `expires_at` or later.
    """
    signature.require_genuine(presigned, secret)
    signature.require_amz_headers_signed(presigned, allowed_unsigned)

    require_unexpired(presigned, now)


def require_unexpired(presigned: Presigned, now: datetime) -> None:
    """Return while the request is good; raises SignatureNotYetValid or SignatureExpired."""
    if presigned.signed_at > now + LARGEST_SKEW:
        raise SignatureNotYetValid(presigned.signed_at)
    if now >= presigned.expires_at:
        raise SignatureExpired(presigned.expires_in, presigned.expires_at)


def _payload_hash(request: RawRequest, signed_headers: tuple[str, ...]) -> str:
    """Who signs a URL seldom knows the body; who does says so in a header that he signs."""
    stated = request.headers.get(CONTENT_SHA256, ())
    return stated[0] if CONTENT_SHA256 in signed_headers and len(stated) == 1 else UNSIGNED_PAYLOAD


def _life(text: str) -> timedelta:
    life = timedelta(seconds=int(text))
    if life > LONGEST_LIFE:
        raise MalformedSignature("X-Amz-Expires", _SHAPES["X-Amz-Expires"].why)
    return life


def _terms(
    credential: Credential, signed_at: datetime, expires_in: timedelta
) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", str(credential)),
        ("X-Amz-Date", amz_date(signed_at)),
        ("X-Amz-Expires", str(expires_in // timedelta(seconds=1))),
        ("X-Amz-SignedHeaders", "host"),
    )
