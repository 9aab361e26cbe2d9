"""Signed requests: AWS Signature Version 4, as S3 reads it. Pure: no clock, no I/O.

Our REST API signs URLs with presign(). The S3 door takes a request apart with read_presigned(),
finds the secret of the credential that it names, and asks verify_presigned(). Until that returns,
nothing in the request has been said by anybody: no identity exists, whatever the query claims.

Sources: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference, for the
canonical request, the signing key and the query parameters; RFC 3986 sections 2.1 and 2.3, for
percent escapes and unreserved characters. Where AWS is lenient (a parameter given twice, a bare
"+", an odd date) this module refuses, because two readers could understand two different requests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self, TypeAlias
from urllib.parse import quote, unquote_to_bytes, urlsplit

from transom.domain.errors import GrantInvalid

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

LONGEST_LIFE = timedelta(days=7)
LARGEST_SKEW = timedelta(minutes=15)
MAX_QUERY_CHARACTERS = 8192

# Names in lower case; values as text decoded with UTF-8 and "surrogateescape", one per header line.
# Lists and tuples only, so that the type checker catches a bare string.
Headers: TypeAlias = Mapping[str, list[str] | tuple[str, ...]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ESCAPED_ASCII = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CREDENTIAL = re.compile(
    r"([!-.0-~]{1,128})/([0-9]{8})/([A-Za-z0-9_-]{1,63})/([A-Za-z0-9_-]{1,63})/" + TERMINATOR
)
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9a-z-]+"
_SHAPES = {
    "X-Amz-Algorithm": (re.compile(ALGORITHM), f"must be {ALGORITHM}"),
    "X-Amz-Credential": (
        _CREDENTIAL,
        f"must be <access key id>/<yyyymmdd>/<region>/<service>/{TERMINATOR}",
    ),
    "X-Amz-Date": (re.compile(r"[0-9]{8}T[0-9]{6}Z"), "must be a UTC instant, yyyymmddThhmmssZ"),
    "X-Amz-Expires": (re.compile(r"[1-9][0-9]{0,5}"), "must be 1 to 604800 seconds"),
    "X-Amz-SignedHeaders": (
        re.compile(rf"{_HEADER_NAME}(?:;{_HEADER_NAME})*"),
        "must be header names in lower case with ; between them",
    ),
    "X-Amz-Signature": (re.compile(r"[0-9a-f]{64}"), "must be 64 hex digits in lower case"),
}


class SignatureRefused(GrantInvalid):
    """A signed request is not to be trusted. Catch a leaf where the difference is answered."""

    code = "signature_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.args = (message,)  # the parent's sentence speaks of access tokens


class MalformedSignature(SignatureRefused):
    """The path, or a parameter of the signature, cannot be read in exactly one way."""

    code = "signature_malformed"

    def __init__(self, parameter: str, why: str) -> None:
        super().__init__(f"The signed request cannot be read: {parameter} {why}. Sign it anew.")
        self.parameter = parameter
        self.why = why


class SignatureMismatch(SignatureRefused):
    """The request is not the one that was signed, or it was signed with another secret."""

    code = "signature_mismatch"

    def __init__(self) -> None:
        super().__init__(
            "The signature does not fit this request. Use the URL unchanged, and check the secret."
        )


class HeaderNotSigned(SignatureRefused):
    """An `x-amz-` header came along that the signature does not cover."""

    code = "header_not_signed"

    def __init__(self, header: str) -> None:
        super().__init__(f"The header {header} is not signed. Sign it, or leave it out.")
        self.header = header


class SignatureNotYetValid(SignatureRefused):
    """The signature is genuine but dated more than 15 minutes ahead of us."""

    code = "signature_not_yet_valid"

    def __init__(self, signed_at: datetime) -> None:
        super().__init__(
            f"The request is signed for {signed_at:%Y-%m-%dT%H:%M:%SZ}, which is still to come. "
            "Set the clock of the machine that signs."
        )
        self.signed_at = signed_at


class SignatureExpired(SignatureRefused):
    """The signature is genuine, but its time is over."""

    code = "signature_expired"

    def __init__(self, expires_in: timedelta, expired_at: datetime) -> None:
        super().__init__(
            f"The signed URL was good for {expires_in // timedelta(seconds=1)} s, "
            f"until {expired_at:%Y-%m-%dT%H:%M:%SZ}. Ask for a new one."
        )
        self.expires_in = expires_in
        self.expired_at = expired_at


@dataclass(frozen=True, slots=True)
class Credential:
    """Whose secret signed, and the day (yyyymmdd, UTC), region and service it signed for."""

    access_key_id: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "AKIA.../20130524/us-east-1/s3/aws4_request".

        Raises:
            MalformedSignature: not exactly these five parts.
        """
        parts = _CREDENTIAL.fullmatch(text)
        if parts is None:
            raise MalformedSignature("X-Amz-Credential", _SHAPES["X-Amz-Credential"][1])
        return cls(*parts.groups())

    @property
    def scope(self) -> str:
        """What the signing key is good for: "20130524/us-east-1/s3/aws4_request"."""
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"

    def __str__(self) -> str:
        return f"{self.access_key_id}/{self.scope}"


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came over the wire.

    `path` and `query` are still percent-encoded, the query without its "?". S3 reads a path by
    decoding all of it once: whoever acts on the request must do the same, so that "%2F" is a slash.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Headers = field(repr=False)


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
class Presigned:
    """What a pre-signed request claims, well-formed and not yet verified.

    `extra` is the rest of the query in its order, decoded, each name once whatever its case. Take
    parameters from here: reading the query a second time may find what was not signed.
    """

    request: RawRequest
    credential: Credential
    signed_at: datetime
    expires_in: timedelta
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    extra: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def expires_at(self) -> datetime:
        """The first instant, aware UTC, at which the request is good no more."""
        return self.signed_at + self.expires_in


@lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The 32 bytes that sign one day's requests (yyyymmdd) to one region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_request(request: RawRequest, signed_headers: Iterable[str], payload_hash: str) -> str:
    """The text that a signature covers: verb, path, query, signed headers, payload hash.

    The path is decoded once and encoded again the S3 way, "//" and ".." as they are. The query is
    sorted by encoded name, then value, without X-Amz-Signature. Signed headers keep the order
    given; one that is absent counts as empty, so check first where the difference matters.

    Raises:
        MalformedSignature: the path or query is not printable ASCII with whole percent escapes, or
            the query breaks the rules of decoded_query().
    """
    names = tuple(signed_headers)
    lines = [f"{name}:{_canonical_value(request.headers.get(name, ()))}" for name in names]
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            canonical_query(request.query),
            *lines,
            "",
            ";".join(names),
            payload_hash,
        )
    )


def canonical_query(raw_query: str) -> str:
    """The query as it is signed: decoded once, encoded again, sorted, without X-Amz-Signature.

    Raises:
        MalformedSignature: see decoded_query().
    """
    kept = (pair for pair in decoded_query(raw_query) if pair[0] != "X-Amz-Signature")
    return "&".join(f"{name}={value}" for name, value in sorted(map(_encoded, kept)))


def decoded_query(raw_query: str) -> tuple[tuple[str, str], ...]:
    """Names and values, percent-decoded once, in their order; "uploads" alone has the value "".

    Raises:
        MalformedSignature: longer than 8192 characters, a broken percent escape, a bare "+" (half
            the world reads it as a space), control characters, an empty name, or not UTF-8.
    """
    if len(raw_query) > MAX_QUERY_CHARACTERS:
        raise MalformedSignature("query", f"is longer than {MAX_QUERY_CHARACTERS} characters")
    _require_escaped_ascii("query", raw_query)
    if "+" in raw_query:
        raise MalformedSignature("query", 'has a bare "+": write %2B, or %20 for a space')
    if not raw_query:
        return ()
    return tuple(_decoded_pair(part) for part in raw_query.split("&"))


def sign(canonical: str, credential: Credential, signed_at: datetime, secret: str) -> str:
    """The signature of a canonical request: 64 hex digits. `signed_at` is UTC, to the second."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    text = "\n".join((ALGORITHM, _amz_date(signed_at), credential.scope, digest))
    key = signing_key(secret, credential.date, credential.region, credential.service)
    return hmac.digest(key, text.encode(), "sha256").hex()


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
    credential = Credential(signer.access_key_id, _amz_date(signed_at)[:8], signer.region, SERVICE)
    scheme, host = signer.origin
    pairs = (*query, *_terms(credential, signed_at, expires_in))
    raw_query = "&".join(f"{name}={value}" for name, value in map(_encoded, pairs))
    request = RawRequest(method, quote(path), raw_query, {"host": (host,)})
    canonical = canonical_request(request, ("host",), UNSIGNED_PAYLOAD)
    signature = sign(canonical, credential, signed_at, signer.secret)
    return f"{scheme}://{host}{request.path}?{raw_query}&X-Amz-Signature={signature}"


def read_presigned(request: RawRequest, region: str) -> Presigned:
    """What the query of a pre-signed request claims, for this region and service s3.

    Every X-Amz- parameter of the signature is there exactly once, spelled as AWS spells it.

    Raises:
        MalformedSignature: anything is missing, given twice in whatever case, out of its form, for
            another region or service, or dated on another day than its credential.
    """
    pairs = decoded_query(request.query)
    values = _shaped(pairs)
    credential = Credential.parse(values["X-Amz-Credential"])
    if (credential.region, credential.service) != (region, SERVICE):
        raise MalformedSignature("X-Amz-Credential", f"must be for {region}/{SERVICE}")
    if credential.date != values["X-Amz-Date"][:8]:
        raise MalformedSignature("X-Amz-Credential", "must have the day of X-Amz-Date")
    return Presigned(
        request=request,
        credential=credential,
        signed_at=_instant(values["X-Amz-Date"]),
        expires_in=_life(values["X-Amz-Expires"]),
        signed_headers=_signed_headers(values["X-Amz-SignedHeaders"]),
        signature=values["X-Amz-Signature"],
        extra=tuple(pair for pair in pairs if pair[0] not in _SHAPES),
    )


def verify_presigned(
    presigned: Presigned,
    secret: str,
    now: datetime,
    allowed_unsigned: frozenset[str] = frozenset(),
) -> None:
    """Return when the request is genuine and in time; only then does it speak for its credential.

    `now` is the world's time, aware UTC. The signature is compared first, in constant time: who
    cannot sign learns nothing about clocks and ends. The body is not covered. `allowed_unsigned`
    names the `x-amz-` headers, in lower case, that may come unsigned (decisions.md 4).

    Raises:
        MalformedSignature: the path is not printable ASCII with whole percent escapes.
        SignatureMismatch: another request, another secret, or a signed header is absent.
        HeaderNotSigned: an `x-amz-` header is neither signed nor allowed.
        SignatureNotYetValid: signed more than 15 minutes after `now`.
        SignatureExpired: `now` is `expires_at` or later.
    """
    _require_genuine(presigned, secret)
    _require_amz_headers_signed(presigned, allowed_unsigned)

    if presigned.signed_at > now + LARGEST_SKEW:
        raise SignatureNotYetValid(presigned.signed_at)
    if now >= presigned.expires_at:
        raise SignatureExpired(presigned.expires_in, presigned.expires_at)


def _require_genuine(presigned: Presigned, secret: str) -> None:
    request = presigned.request
    canonical = canonical_request(request, presigned.signed_headers, UNSIGNED_PAYLOAD)
    expected = sign(canonical, presigned.credential, presigned.signed_at, secret)
    complete = all(request.headers.get(name) for name in presigned.signed_headers)
    if not hmac.compare_digest(expected, presigned.signature) or not complete:
        raise SignatureMismatch


def _require_amz_headers_signed(presigned: Presigned, allowed: frozenset[str]) -> None:
    # A name in upper case breaks the promise of Headers; lower() makes that a refusal, not a hole.
    for name in sorted(presigned.request.headers):
        covered = name in presigned.signed_headers or name in allowed
        if name.lower().startswith("x-amz-") and not covered:
            raise HeaderNotSigned(name)


def _shaped(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    named = dict(pairs)
    if len({name.lower() for name in named}) != len(pairs):
        raise MalformedSignature("query", "names a parameter twice")
    for parameter, (shape, why) in _SHAPES.items():
        if parameter not in named:
            raise MalformedSignature(parameter, "is missing")
        if not shape.fullmatch(named[parameter]):
            raise MalformedSignature(parameter, why)
    return named


def _instant(text: str) -> datetime:
    try:
        signed_at = datetime.strptime(text, "%Y%m%dT%H%M%S%z")
        _ = signed_at + LONGEST_LIFE  # an end after the year 9999 cannot be reckoned with
    except (ValueError, OverflowError) as failure:
        raise MalformedSignature("X-Amz-Date", "is not an instant") from failure
    return signed_at


def _life(text: str) -> timedelta:
    life = timedelta(seconds=int(text))
    if life > LONGEST_LIFE:
        raise MalformedSignature("X-Amz-Expires", _SHAPES["X-Amz-Expires"][1])
    return life


def _signed_headers(text: str) -> tuple[str, ...]:
    names = text.split(";")
    if names != sorted(set(names)):
        raise MalformedSignature("X-Amz-SignedHeaders", "must be sorted, each name once")
    if "host" not in names:
        raise MalformedSignature("X-Amz-SignedHeaders", "must contain host")
    return tuple(names)


def _terms(
    credential: Credential, signed_at: datetime, expires_in: timedelta
) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", str(credential)),
        ("X-Amz-Date", _amz_date(signed_at)),
        ("X-Amz-Expires", str(expires_in // timedelta(seconds=1))),
        ("X-Amz-SignedHeaders", "host"),
    )


def _amz_date(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _canonical_path(raw_path: str) -> str:
    _require_escaped_ascii("path", raw_path)
    return quote(unquote_to_bytes(raw_path))


def _canonical_value(values: Iterable[str]) -> str:
    # Not str.split(): that also takes away white space beyond ASCII, which would then go unsigned.
    return ",".join(re.sub(r"[ \t]+", " ", value).strip(" ") for value in values)


def _encoded(pair: tuple[str, str]) -> tuple[str, str]:
    name, value = pair
    return quote(name, safe=""), quote(value, safe="")


def _decoded_pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    if not name:
        raise MalformedSignature("query", "has a parameter without a name")
    return _decoded(name), _decoded(value)


def _decoded(escaped: str) -> str:
    try:
        text = unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError as failure:
        raise MalformedSignature("query", "is not UTF-8") from failure
    if _CONTROL.search(text):
        raise MalformedSignature("query", "has a control character")
    return text


def _require_escaped_ascii(parameter: str, raw: str) -> None:
    if not _ESCAPED_ASCII.fullmatch(raw):
        raise MalformedSignature(parameter, "must be printable ASCII with whole percent escapes")
