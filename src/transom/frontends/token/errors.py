"""The one table from error type to the token service's answer (guide 5.2, RFC 6749)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from transom.domain import errors
from transom.domain.errors import ExchangeError, SignInError, TooMany


class Fault(Exception):
    """A documented refusal of the request itself: RFC 6749's error, the guide's text, a status."""

    def __init__(
        self, error: str, message: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


ANSWERS: dict[type[ExchangeError], tuple[int, str]] = {
    errors.SignInError: (400, "invalid_client"),
    errors.NotEntitled: (400, "unauthorized_client"),
    errors.NotFound: (400, "invalid_request"),
    errors.Refused: (400, "invalid_request"),
    errors.TooMany: (429, "slow_down"),
    errors.IncompleteUpload: (400, "invalid_request"),
    errors.DigestMismatch: (400, "invalid_request"),
    errors.WrongState: (400, "invalid_request"),
    errors.Unavailable: (503, "temporarily_unavailable"),
}
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


def answer(error: ExchangeError, request_id: str) -> Response:
    """Status, headers and JSON body for an error of the core."""
    kind = next(kind for kind in type(error).__mro__ if kind in ANSWERS)
    status, code = ANSWERS[kind]
    # One text for every way a sign-in fails: from outside nobody can tell which.
    message = "Invalid Credentials" if isinstance(error, SignInError) else error.message
    return refusal(Fault(code, message, status, _headers(error)), request_id)


def refusal(fault: Fault, request_id: str) -> Response:
    """Status, headers and JSON body for a refusal."""
    body = {"error_message": fault.message, "error": fault.error, "requestId": request_id}
    return JSONResponse(body, fault.status, fault.headers)


def _headers(error: ExchangeError) -> dict[str, str]:
    match error:
        case TooMany():
            return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
        case errors.Unavailable():
            return {"Retry-After": "2"}
        case _:
            return {}
