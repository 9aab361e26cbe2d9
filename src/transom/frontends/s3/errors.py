"""The one table from error type to S3's codes; the form of the document is FAQ 27's."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from transom.core import assembly, multipart, sealed_grants, transfer_tokens
from transom.domain import authorization, errors, signature
from transom.domain.errors import AlreadySubmitted, ExchangeError, NotEntitled, TooMany
from transom.domain.signature import MalformedSignature, SignatureExpired, SignatureRefused
from transom.frontends.errors import BodyBrokeOff, PreconditionFailed, RangeNotSatisfiable
from transom.frontends.s3 import chunks, payload, wire
from transom.frontends.s3.documents import MalformedXml

METHODS: Final = ("GET", "HEAD", "PUT", "POST", "DELETE")


class MethodNotAllowed(ExchangeError):
    """A method that this resource does not have."""

    code = "method_not_allowed"

    def __init__(self) -> None:
        super().__init__("The specified method is not allowed against this resource.")


class MissingLength(ExchangeError):
    """A PUT that does not say how long it is."""

    code = "missing_content_length"

    def __init__(self) -> None:
        super().__init__("You must provide the Content-Length header.")


class Forbidden(ExchangeError):
    """An operation of S3 that nobody is granted here: delete, copy, access lists, tags."""

    code = "forbidden"

    def __init__(self, operation: str) -> None:
        super().__init__(f"Access Denied: {operation} is granted to nobody on this exchange.")


class NoSuchBucket(ExchangeError):
    """Another bucket than the one there is."""

    code = "no_such_bucket"

    def __init__(self) -> None:
        super().__init__("The specified bucket does not exist.")


class BucketIsThere(ExchangeError):
    """Somebody would make the one bucket."""

    code = "bucket_is_there"

    def __init__(self) -> None:
        super().__init__("Your previous request to create the named bucket succeeded.")


class NoCorsRules(ExchangeError):
    """Somebody asks for rules for browsers, and there are none."""

    code = "no_cors_rules"

    def __init__(self) -> None:
        super().__init__("The CORS configuration does not exist.")


class NoSuchPart(ExchangeError):
    """Another part of a file than its one."""

    code = "no_such_part"

    def __init__(self) -> None:
        super().__init__("The requested partnumber is not satisfiable: files have one part here.")


class NoSuchVersion(ExchangeError):
    """Another version of a file than the one there is."""

    code = "no_such_version"

    def __init__(self) -> None:
        super().__init__("Invalid version id specified: files have no versions here.")


class KeyTooLong(ExchangeError):
    """A key of more than 1,024 bytes."""

    code = "key_too_long"

    def __init__(self) -> None:
        super().__init__("Your key is too long.")


ANSWERS: dict[type[ExchangeError], tuple[int, str]] = {
    errors.SignInError: (403, "AccessDenied"),
    signature.MalformedSignature: (400, "AuthorizationQueryParametersError"),
    signature.SignatureMismatch: (403, "SignatureDoesNotMatch"),
    signature.SignatureNotYetValid: (403, "RequestTimeTooSkewed"),
    authorization.MalformedAuthorization: (400, "AuthorizationHeaderMalformed"),
    authorization.SignatureUnsupported: (400, "InvalidRequest"),
    authorization.ClockSkewed: (403, "RequestTimeTooSkewed"),
    transfer_tokens.AccessKeyUnknown: (403, "InvalidAccessKeyId"),
    transfer_tokens.TokenExpired: (400, "ExpiredToken"),
    sealed_grants.TokenAltered: (400, "InvalidToken"),
    errors.NotEntitled: (403, "AccessDenied"),
    errors.NotFound: (404, "NoSuchKey"),
    errors.BadName: (400, "InvalidURI"),
    errors.BadParameter: (400, "InvalidArgument"),
    errors.NotSupported: (501, "NotImplemented"),
    errors.TooLarge: (400, "EntityTooLarge"),
    errors.TooMany: (503, "SlowDown"),
    errors.AlreadySubmitted: (409, "AlreadySubmitted"),
    errors.IncompleteUpload: (400, "IncompleteBody"),
    errors.DigestMismatch: (400, "BadDigest"),
    errors.WrongState: (409, "InvalidRequest"),
    errors.Unavailable: (503, "ServiceUnavailable"),
    errors.StorageFull: (507, "InsufficientStorage"),
    multipart.NoSuchUpload: (404, "NoSuchUpload"),
    assembly.BadPart: (400, "InvalidPart"),
    assembly.PartsOutOfOrder: (400, "InvalidPartOrder"),
    assembly.PartTooSmall: (400, "EntityTooSmall"),
    errors.PayloadMismatch: (400, "XAmzContentSHA256Mismatch"),
    payload.DecodedLengthMissing: (411, "MissingContentLength"),
    payload.InvalidDigest: (400, "InvalidDigest"),
    chunks.ContentIncomplete: (400, "IncompleteBody"),
    chunks.ChunkTooSmall: (403, "InvalidChunkSizeError"),
    chunks.TrailerMalformed: (400, "MalformedTrailerError"),
    MalformedXml: (400, "MalformedXML"),
    MethodNotAllowed: (405, "MethodNotAllowed"),
    MissingLength: (411, "MissingContentLength"),
    Forbidden: (403, "AccessDenied"),
    NoSuchBucket: (404, "NoSuchBucket"),
    BucketIsThere: (409, "BucketAlreadyOwnedByYou"),
    NoCorsRules: (404, "NoSuchCORSConfiguration"),
    NoSuchPart: (416, "InvalidPartNumber"),
    NoSuchVersion: (400, "InvalidArgument"),
    KeyTooLong: (400, "KeyTooLongError"),
    RangeNotSatisfiable: (416, "InvalidRange"),
    PreconditionFailed: (412, "PreconditionFailed"),
    BodyBrokeOff: (400, "IncompleteBody"),
}
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


def told(error: ExchangeError) -> tuple[int, str, str]:
    """Status, code and message of an error."""
    kind = next(kind for kind in type(error).__mro__ if kind in ANSWERS)
    return *ANSWERS[kind], _message(error)


def answer(error: ExchangeError, request_id: str, server_time: str, resource: str = "") -> Response:
    """Status, headers and XML body for an error; `resource` is the path it is about."""
    status, code, message = told(error)
    facts = _facts(error, server_time) or ({"Resource": resource} if resource else {})
    body = wire.error(code, message, request_id, facts)
    return Response(body, status, _headers(error), "application/xml")


def document(error: ExchangeError, request_id: str, *, head: bool = True) -> bytes:
    """The body alone, for an answer whose status is out already."""
    _, code, message = told(error)
    return wire.error(code, message, request_id, head=head)


def defect(request_id: str) -> Response:
    """The answer to a fault of ours."""
    message = "We encountered an internal error. Tell support the request id."
    return Response(
        wire.error("InternalError", message, request_id), 500, media_type="application/xml"
    )


def wrong_host(request_id: str) -> Response:
    """The answer to a request for a host that is not ours."""
    message = "This server is not the host that the request names."
    body = wire.error("InvalidRequest", message, request_id)
    return Response(body, 421, media_type="application/xml")


def _message(error: ExchangeError) -> str:
    match error:
        case SignatureExpired():  # as FAQ 27 shows it
            return "Request has expired"
        case SignatureRefused():  # speaks of the request only, never of an account
            return error.message
        case errors.SignInError() | NotEntitled():
            return "Access Denied"
        case _:
            return error.message


def _facts(error: ExchangeError, server_time: str) -> dict[str, str]:
    """The elements beside the message."""
    match error:
        case SignatureExpired():
            return {
                "X-Amz-Expires": str(round(error.expires_in.total_seconds())),
                "Expires": wire.zulu(error.expired_at),
                "ServerTime": server_time,
            }
        case AlreadySubmitted():
            return {"TrackingId": error.tracking_id}
        case MalformedSignature() if error.region:  # clients sign for this one, and come again
            return {"Region": error.region}
        case authorization.ClockSkewed():
            return {"RequestTime": wire.zulu(error.signed_at), "ServerTime": server_time}
        case _:
            return {}


def _headers(error: ExchangeError) -> dict[str, str]:
    match error:
        case TooMany():
            return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
        case errors.Unavailable():
            return {"Retry-After": "2"}
        case MethodNotAllowed():
            return {"Allow": ", ".join(METHODS)}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
        case _:
            return {}
