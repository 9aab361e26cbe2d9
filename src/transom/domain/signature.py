"""Signed requests: AWS Signature Version 4, as S3 reads it. Pure: no clock, no I/O.

What both forms share: a signature in the query (domain/presigned.py) and one in the Authorization
header (domain/authorization.py). Each reads a request into a Claim; until its verification returns,
nothing in the request has been said by anybody: no identity exists, whatever the request claims.

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
from typing import NamedTuple, Self, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from transom.domain.errors import GrantInvalid

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
CONTENT_SHA256 = "x-amz-content-sha256"

LONGEST_LIFE = timedelta(days=7)
LARGEST_SKEW = timedelta(minutes=15)
MAX_QUERY_CHARACTERS = 8192

# Names in lower case; values as text decoded with UTF-8 and "surrogateescape", one per header line.
# Lists and tuples only, so that the type checker catches a bare string.
Headers: TypeAlias = Mapping[str, list[str] | tuple[str, ...]]


class Shape(NamedTuple):
    """What a parameter looks like, and how that is said to whoever sent something else."""

    pattern: re.Pattern[str]
    why: str


_ESCAPED_ASCII = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPACES = re.compile(r"[ \t]+")
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9a-z-]+"

CREDENTIAL = Shape(
    re.compile(
        r"([!-.0-~]{1,128})/([0-9]{8})/([A-Za-z0-9_-]{1,63})/([A-Za-z0-9_-]{1,63})/" + TERMINATOR
    ),
    f"must be <access key id>/<yyyymmdd>/<region>/<service>/{TERMINATOR}",
)
DATE = Shape(re.compile(r"[0-9]{8}T[0-9]{6}Z"), "must be a UTC instant, yyyymmddThhmmssZ")
SIGNED_HEADERS = Shape(
    re.compile(rf"{_HEADER_NAME}(?:;{_HEADER_NAME})*"),
    "must be header names in lower case with ; between them",
)
SIGNATURE = Shape(re.compile(r"[0-9a-f]{64}"), "must be 64 hex digits in lower case")


class SignatureRefused(GrantInvalid):
    """A signed request is not to be trusted. Catch a leaf where the difference is answered."""

    code = "signature_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.args = (message,)  # the parent's sentence speaks of access tokens


class MalformedSignature(SignatureRefused):
    """The path, or a parameter of the signature, cannot be read in exactly one way.

    `region` is the one to sign for, when that is what is wrong, else "".
    """

    code = "signature_malformed"

    def __init__(self, parameter: str, why: str, region: str = "") -> None:
        super().__init__(f"The signed request cannot be read: {parameter} {why}. Sign it anew.")
        self.parameter = parameter
        self.why = why
        self.region = region


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
        parts = CREDENTIAL.pattern.fullmatch(text)
        if parts is None:
            raise MalformedSignature("X-Amz-Credential", CREDENTIAL.why)
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
class Claim:
    """What a signed request claims, well-formed and not yet verified.

    `payload_hash` stands for the body in what was signed: its SHA-256, or a word in capitals.
    `extra` is the query in its order, decoded, without the signature's own parameters, each name
    once whatever its case. Take parameters from here: reading the query a second time may find what
    was not signed.
    """

    request: RawRequest
    credential: Credential
    signed_at: datetime
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    payload_hash: str
    extra: tuple[tuple[str, str], ...] = field(repr=False)


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
    return "&".join(f"{name}={value}" for name, value in sorted(map(encoded, kept)))


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
    text = "\n".join((ALGORITHM, amz_date(signed_at), credential.scope, digest))
    key = signing_key(secret, credential.date, credential.region, credential.service)
    return hmac.digest(key, text.encode(), "sha256").hex()


def amz_date(instant: datetime) -> str:
    """An instant as signatures write it, UTC to the second: 20130524T000000Z."""
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def require_genuine(claim: Claim, secret: str) -> None:
    """Return when this request, with these headers, was signed with this secret.

    Raises:
        MalformedSignature: the path is not printable ASCII with whole percent escapes.
        SignatureMismatch: another request, another secret, or a signed header is absent.
    """
    request = claim.request
    canonical = canonical_request(request, claim.signed_headers, claim.payload_hash)
    expected = sign(canonical, claim.credential, claim.signed_at, secret)
    complete = all(request.headers.get(name) for name in claim.signed_headers)
    if not hmac.compare_digest(expected, claim.signature) or not complete:
        raise SignatureMismatch


def require_amz_headers_signed(claim: Claim, allowed: frozenset[str] = frozenset()) -> None:
    """Return when every `x-amz-` header is covered by the signature, or allowed to come without.

    Raises:
        HeaderNotSigned: names the first that is not.
    """
    # A name in upper case breaks the promise of Headers; lower() makes that a refusal, not a hole.
    for name in sorted(claim.request.headers):
        covered = name in claim.signed_headers or name in allowed
        if name.lower().startswith("x-amz-") and not covered:
            raise HeaderNotSigned(name)


# --- Reading what a signature says of itself -----------------------------------------------------


def require_shapes(values: Mapping[str, str], shapes: Mapping[str, Shape]) -> None:
    """Return when every parameter is there and in its form; raises MalformedSignature."""
    for parameter, shape in shapes.items():
        if parameter not in values:
            raise MalformedSignature(parameter, "is missing")
        if not shape.pattern.fullmatch(values[parameter]):
            raise MalformedSignature(parameter, shape.why)


def require_each_name_once(pairs: tuple[tuple[str, str], ...]) -> None:
    """Return when no two parameters have one name, in whatever case; raises MalformedSignature."""
    if len({name.lower() for name, _ in pairs}) != len(pairs):
        raise MalformedSignature("query", "names a parameter twice")


def read_credential(text: str, region: str, date: str) -> Credential:
    """The credential, when it is for this region, service s3 and the day of this X-Amz-Date.

    Raises:
        MalformedSignature: it is for others, or not five parts.
    """
    credential = Credential.parse(text)
    if (credential.region, credential.service) != (region, SERVICE):
        raise MalformedSignature("X-Amz-Credential", f"must be for {region}/{SERVICE}", region)
    if credential.date != date[:8]:
        raise MalformedSignature("X-Amz-Credential", "must have the day of X-Amz-Date")
    return credential


def read_instant(text: str) -> datetime:
    """An X-Amz-Date, aware UTC; raises MalformedSignature when there is no such instant."""
    try:
        signed_at = datetime.strptime(text, "%Y%m%dT%H%M%S%z")
        _ = signed_at + LONGEST_LIFE  # an end after the year 9999 cannot be reckoned with
    except (ValueError, OverflowError) as failure:
        raise MalformedSignature("X-Amz-Date", "is not an instant") from failure
    return signed_at


def read_signed_headers(text: str) -> tuple[str, ...]:
    """Sorted names with host among them; raises MalformedSignature for anything else."""
    names = text.split(";")
    if names != sorted(set(names)):
        raise MalformedSignature("X-Amz-SignedHeaders", "must be sorted, each name once")
    if "host" not in names:
        raise MalformedSignature("X-Amz-SignedHeaders", "must contain host")
    return tuple(names)


def _canonical_path(raw_path: str) -> str:
    _require_escaped_ascii("path", raw_path)
    return quote(unquote_to_bytes(raw_path))


def _canonical_value(values: Iterable[str]) -> str:
    # Not str.split(): that also takes away white space beyond ASCII, which would then go unsigned.
    return ",".join(_SPACES.sub(" ", value).strip(" ") for value in values)


def encoded(pair: tuple[str, str]) -> tuple[str, str]:
    """A name and value of a query, percent-encoded as they are signed."""
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
