"""The one table from a server's answer to an error, for each of its doors.

What a server says is shown to people: it is cut to a length and freed of control characters first.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Self

import httpx2

from transom.client import errors
from transom.client.addresses import host_of
from transom.client.errors import ClientError

LARGEST_JSON_BYTES = 64 << 20
LARGEST_LISTING_BYTES = 256 << 20
"""A folder, or all of tracking, of a server that has no pages."""

_LARGEST_REFUSAL_BYTES = 64 << 10
_LONGEST_TEXT = 500
_LONGEST_CODE = 64
_ID_HEADERS = ("x-request-id", "x-amz-request-id", "x-amzn-requestid")
_AUTHORIZE = re.compile(r'\berror="?([A-Za-z_]+)"?')
_ELEMENT = r"<{name}>([^<]*)</{name}>"
_DIGEST = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]+):")

REST_CODES: dict[str, type[ClientError]] = {
    "invalid_token": errors.NotSignedIn,
    "insufficient_scope": errors.NotEntitled,
    "not_found": errors.NotThere,
    "no_such_resource": errors.NotThere,
    "not_supported": errors.RefusedByRule,
    "too_many": errors.Busy,
    "incomplete_upload": errors.NotComplete,
    "digest_mismatch": errors.NotComplete,
    "unavailable": errors.Busy,
    "storage_full": errors.Busy,
}
"""By the code in the body, where the status alone would say less."""

S3_CODES: dict[str, tuple[type[ClientError], str]] = {
    "AccessDenied": (errors.NotEntitled, "insufficient_scope"),
    "SignatureDoesNotMatch": (errors.ServerFault, "signature_mismatch"),
    "AuthorizationQueryParametersError": (errors.ServerFault, "signature_malformed"),
    "RequestTimeTooSkewed": (errors.ServerFault, "signature_not_yet_valid"),
    "NoSuchKey": (errors.NotThere, "not_found"),
    "NotImplemented": (errors.RefusedByRule, "not_supported"),
    "InvalidURI": (errors.RefusedByRule, "bad_name"),
    "InvalidArgument": (errors.RefusedByRule, "bad_parameter"),
    "EntityTooLarge": (errors.RefusedByRule, "too_large"),
    "SlowDown": (errors.Busy, "too_many"),
    "AlreadySubmitted": (errors.RefusedByRule, "already_submitted"),
    "IncompleteBody": (errors.Unreachable, "incomplete_body"),
    "RequestTimeout": (errors.Unreachable, "incomplete_body"),
    "BadDigest": (errors.NotComplete, "digest_mismatch"),
    "ServiceUnavailable": (errors.Busy, "unavailable"),
    "InsufficientStorage": (errors.Busy, "storage_full"),
    "InternalError": (errors.ServerFault, "internal"),
}
"""By the code of S3's XML: the error, and the code that the REST API has for the same."""

STATUSES: dict[int, type[ClientError]] = {
    401: errors.NotEntitled,  # the guide's: a missing right
    403: errors.NotThere,  # the guide's: no such resource
    404: errors.NotThere,
    405: errors.ServerFault,
    408: errors.Unreachable,
    421: errors.ServerFault,
    429: errors.Busy,
    501: errors.RefusedByRule,
    502: errors.Unreachable,
    503: errors.Busy,
    504: errors.Unreachable,
    507: errors.Busy,
}
"""By the status, where the body says nothing; the other 4xx are RefusedByRule, 5xx ServerFault."""

_TEXTS: dict[type[ClientError], str] = {
    errors.NotEntitled: "You are not entitled to this, or there is no such place. Check the "
    "spelling, or ask your administrator which places you have.",
    errors.NotThere: "There is nothing there that you can see. Check the spelling, or ask your "
    "administrator which places you have.",
}

TOKEN_OVER = 'The access token is no longer good. Run "transom login" or ask for a new token.'  # noqa: S105
_LINK_OVER = (
    "This link has expired. Links work for 60 seconds. Get a new one; a download that has started "
    "goes on."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read whole."""

    host: str
    status: int
    headers: httpx2.Headers
    body: bytes

    @classmethod
    def read(cls, response: httpx2.Response, largest_bytes: int = LARGEST_JSON_BYTES) -> Self:
        """Read a body; raises ServerFault when it is larger than that."""
        host, parts, size = host_of(str(response.url)), [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > largest_bytes:
                raise errors.ServerFault(f"The answer of {host} is larger than it can be.")
            parts.append(part)
        return cls(host, response.status_code, response.headers, b"".join(parts))

    @property
    def is_success(self) -> bool:
        """Whether it is an answer to what was asked for."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of statuses

    def json(self) -> Any:
        """The parsed body, None for 204; raises ServerFault when it is not JSON."""
        if self.status == HTTPStatus.NO_CONTENT:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = clean(self.headers.get("content-type", ""), _LONGEST_CODE) or "no type"
            raise errors.ServerFault(
                f"{self.host} answered {self.status} with {kind} where JSON is expected. Is this "
                "the address of the API?",
                code="not_json",
                request_id=self.request_id,
            ) from None

    @property
    def request_id(self) -> str:
        """The server's id of the request, by header; "" when it tells none."""
        found = (self.headers.get(name, "") for name in _ID_HEADERS)
        return clean(next(filter(None, found), ""), _LONGEST_CODE)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the body of a refusal says; what it leaves out is ""."""

    code: str = ""
    text: str = ""
    request_id: str = ""
    tracking_id: str = ""


def refused(response: httpx2.Response) -> Answer:
    """Read the body of a refusal, as much of it as can be of use."""
    part = b""
    for more in response.iter_bytes():
        part += more[: _LARGEST_REFUSAL_BYTES - len(part)]
        if len(part) >= _LARGEST_REFUSAL_BYTES:
            break
    return Answer(host_of(str(response.url)), response.status_code, response.headers, part)


def refusal(answer: Answer) -> ClientError:
    """The error that an answer of the REST API stands for."""
    if moved := _moved(answer):
        return moved
    said = _said_in_json(answer)
    kind = REST_CODES.get(said.code) or _by_status(answer.status)
    return _error(kind, answer, said)


def signed_refusal(answer: Answer) -> ClientError:
    """The error that an answer of the pre-signed door stands for, by its XML."""
    if moved := _moved(answer):
        return moved
    said = _said_in_xml(answer)
    if said.code == "AccessDenied" and "expired" in said.text:
        return errors.LinkExpired(_LINK_OVER, request_id=said.request_id or answer.request_id)
    default = errors.NotEntitled if answer.status == HTTPStatus.FORBIDDEN else None
    kind, code = S3_CODES.get(said.code, (default or _by_status(answer.status), said.code))
    told = _Said(code, said.text, said.request_id, said.tracking_id)
    return _error(kind, answer, told)


def token_refusal(answer: Answer) -> ClientError:
    """The error that an answer of the token service stands for: it says 400 for a wrong secret."""
    if moved := _moved(answer):
        return moved
    said = _said_in_json(answer)
    wrong = said.text == "Invalid Credentials" or answer.status == HTTPStatus.UNAUTHORIZED
    if wrong:
        text = "User name or password is not right. Check both and try again."
        return errors.NotSignedIn(text, request_id=said.request_id or answer.request_id)
    if answer.status == HTTPStatus.BAD_REQUEST and said.text:
        return _error(errors.NotSignedIn, answer, said)
    kind = _by_status(answer.status)
    return _error(
        kind if issubclass(kind, errors.Unreachable) else errors.ServerFault, answer, said
    )


def scope_error(headers: httpx2.Headers) -> str:
    """The `error` that WWW-Authenticate names; "" where it names none, as FINRA's may."""
    found = _AUTHORIZE.search(headers.get("www-authenticate", ""))
    return found[1] if found else ""


def told_sha256(headers: httpx2.Headers) -> str:
    """The SHA-256 in Repr-Digest (RFC 9530) as 64 hexadecimal digits, "" where there is none."""
    found = _DIGEST.search(headers.get("repr-digest", ""))
    if found is None:
        return ""
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == 32 else ""  # noqa: PLR2004 - of SHA-256


def clean(value: object, longest: int = _LONGEST_TEXT) -> str:
    """A server's text on one line, without what moves a terminal's cursor; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in value[: longest * 2])
    return shown.strip()[:longest]


def _error(kind: type[ClientError], answer: Answer, said: _Said) -> ClientError:
    request_id = said.request_id or answer.request_id
    error = kind(
        said.text or _text(kind, answer, request_id),
        code=said.code,
        request_id=request_id,
        tracking_id=said.tracking_id,
    )
    if isinstance(error, errors.Busy):
        error.retry_after = _retry_after(answer.headers)
    elif isinstance(error, errors.Unreachable) and not said.text:
        error.host = answer.host
    return error


def _text(kind: type[ClientError], answer: Answer, request_id: str) -> str:
    if kind in _TEXTS:
        return _TEXTS[kind]
    if issubclass(kind, errors.Unreachable):
        return f"{answer.host} answered {answer.status}."
    tell = f" Tell support this id: {request_id}." if request_id else ""
    return f"{answer.host} answered {answer.status}, and does not say why.{tell}"


def _by_status(status: int) -> type[ClientError]:
    if status in STATUSES:
        return STATUSES[status]
    return errors.RefusedByRule if 400 <= status < 500 else errors.ServerFault  # noqa: PLR2004


def _moved(answer: Answer) -> ClientError | None:
    if not 300 <= answer.status < 400:  # noqa: PLR2004 - the class of statuses
        return None
    # Its query may be signed: only the host is named.
    where = clean(host_of(answer.headers.get("location", "")), _LONGEST_CODE)
    return errors.ServerFault(
        f"{answer.host} answered {answer.status} and sends us to {where}. Redirects are never "
        "followed. Check the address.",
        code="redirect",
        request_id=answer.request_id,
    )


def _said_in_json(answer: Answer) -> _Said:
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return _Said()
    if not isinstance(body, dict):
        return _Said()
    return _Said(
        clean(body.get("error"), _LONGEST_CODE),
        clean(body.get("error_message")),
        clean(body.get("requestId"), _LONGEST_CODE),
    )


def _said_in_xml(answer: Answer) -> _Said:
    # No parser: entities and nesting of a document that a server made up cannot do anything here.
    text = answer.body.decode("utf-8", "replace")
    if "<Error>" not in text:
        return _Said()

    def element(name: str, longest: int = _LONGEST_CODE) -> str:
        found = re.search(_ELEMENT.format(name=name), text)
        return clean(html.unescape(found[1]), longest) if found else ""

    return _Said(
        element("Code"),
        element("Message", _LONGEST_TEXT),
        element("RequestId"),
        element("TrackingId"),
    )


def _retry_after(headers: httpx2.Headers) -> float:
    """How many seconds to wait; 0 where nothing that can be read is said."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
