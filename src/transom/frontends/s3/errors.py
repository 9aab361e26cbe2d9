"""The one table from error type to S3's codes; the form of the document is FAQ 27's."""

from __future__ import annotations

from starlette.responses import Response

from transom.domain import errors, signature
from transom.domain.errors import AlreadySubmitted, ExchangeError, TooMany
from transom.domain.signature import SignatureExpired, SignatureRefused
from transom.frontends.errors import BodyBrokeOff, PreconditionFailed, RangeNotSatisfiable
from transom.frontends.s3 import wire


class MethodNotAllowed(ExchangeError):
    """Anything but GET, HEAD and PUT."""

    code = "method_not_allowed"

    def __init__(self) -> None:
        super().__init__("Use GET, HEAD or PUT, as the URL was signed for.")


class MissingLength(ExchangeError):
    """A PUT that does not say how long it is."""

    code = "missing_content_length"

    def __init__(self) -> None:
        super().__init__("You must provide the Content-Length header.")


ANSWERS: dict[type[ExchangeError], tuple[int, str]] = {
    errors.SignInError: (403, "AccessDenied"),
    signature.MalformedSignature: (400, "AuthorizationQueryParametersError"),
    signature.SignatureMismatch: (403, "SignatureDoesNotMatch"),
    signature.SignatureNotYetValid: (403, "RequestTimeTooSkewed"),
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
    MethodNotAllowed: (405, "MethodNotAllowed"),
    MissingLength: (411, "MissingContentLength"),
    RangeNotSatisfiable: (416, "InvalidRange"),
    PreconditionFailed: (412, "PreconditionFailed"),
    BodyBrokeOff: (400, "IncompleteBody"),
}
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


def answer(error: ExchangeError, request_id: str, server_time: str) -> Response:
    """Status, headers and XML body for an error."""
    kind = next(kind for kind in type(error).__mro__ if kind in ANSWERS)
    status, code = ANSWERS[kind]
    message, extra = _said(error, server_time)
    body = wire.error(code, message, request_id, extra)
    return Response(body, status, _headers(error), "application/xml")


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


def _said(error: ExchangeError, server_time: str) -> tuple[str, dict[str, str]]:
    """The message and the elements beside it."""
    match error:
        case SignatureExpired():  # as FAQ 27 shows it
            return "Request has expired", {
                "X-Amz-Expires": str(round(error.expires_in.total_seconds())),
                "Expires": wire.zulu(error.expired_at),
                "ServerTime": server_time,
            }
        case AlreadySubmitted():
            return error.message, {"TrackingId": error.tracking_id}
        case SignatureRefused():  # speaks of the request only, never of an account
            return error.message, {}
        case errors.SignInError() | errors.NotEntitled():
            return "Access Denied", {}
        case _:
            return error.message, {}


def _headers(error: ExchangeError) -> dict[str, str]:
    match error:
        case TooMany():
            return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
        case errors.Unavailable():
            return {"Retry-After": "2"}
        case MethodNotAllowed():
            return {"Allow": "GET, HEAD, PUT"}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
        case _:
            return {}
