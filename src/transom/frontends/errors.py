"""Errors of front ends, and the one table from error type to the answer of an API.

The REST API and the gateway share it (decisions.md section 1); the other doors have their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import Response

from transom.domain import errors
from transom.domain.errors import ExchangeError, NotEntitled, SignInError, TooMany
from transom.domain.said import said
from transom.frontends.encoding import Json, Media, encode


class NoResource(ExchangeError):
    """The path is no resource of the API, or a level where nothing can be put."""

    code = "no_such_resource"

    def __init__(self) -> None:
        super().__init__("There is no such resource. openapi.json of this API lists what there is.")


class WrongMethod(ExchangeError):
    """The resource is there, but not for this method."""

    code = "method_not_allowed"

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"Use {' or '.join(allowed)} here.")
        self.allowed = allowed


class WrongHost(ExchangeError):
    """The request names a host that is not ours."""

    code = "wrong_host"

    def __init__(self) -> None:
        super().__init__("This server is not the host that the request names. Check the address.")


class RangeNotSatisfiable(ExchangeError):
    """A range that begins after the end."""

    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__("The requested range is not satisfiable.")
        self.size = size


class PreconditionFailed(ExchangeError):
    """The file is not the one that If-Match or If-Unmodified-Since names."""

    code = "precondition_failed"

    def __init__(self) -> None:
        super().__init__("At least one of the preconditions you specified did not hold.")


class BodyBrokeOff(ExchangeError):
    """The client went away, or sent too slowly, before the whole body had come."""

    code = "incomplete_body"

    def __init__(self, why: str) -> None:
        super().__init__(said("%(why)s Nothing was submitted. Send it again.", why=why))


STATUS: dict[type[ExchangeError], int] = {
    errors.SignInError: 401,
    errors.NotEntitled: 401,
    NoResource: 403,
    errors.NotFound: 404,
    WrongMethod: 405,
    WrongHost: 421,
    errors.BadName: 400,
    errors.BadParameter: 400,
    errors.NotSupported: 403,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.AlreadySubmitted: 409,
    errors.IncompleteUpload: 400,
    errors.DigestMismatch: 400,
    errors.WrongState: 409,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    RangeNotSatisfiable: 416,
    PreconditionFailed: 412,
    BodyBrokeOff: 400,
}
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


@dataclass(frozen=True, slots=True)
class Support:
    """Whom to ask for help; what is empty is left out."""

    phone: str = ""
    url: str = ""
    mail: str = ""

    def fields(self) -> dict[str, str]:
        """What there is, by name."""
        named = {"phone": self.phone, "url": self.url, "mail": self.mail}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Answerer:
    """Makes the answer to an error."""

    support: Support = field(default_factory=Support)

    def answer(self, error: ExchangeError, media: Media, request_id: str) -> Response:
        """Status, headers and body for an error, in the media type that was asked for."""
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        body = self._body(error.code, error.message, request_id)
        content, media_type = encode(body, media, "error")
        return Response(content, status, _headers(error), media_type)

    def defect(self, request_id: str) -> Response:
        """The answer to a fault of ours: its id, whom to tell, and nothing more."""
        message = (
            "Something broke on our side. Nothing was half done. "
            f"Tell support this id: {request_id}."
        )
        content, media_type = encode(
            self._body(ExchangeError.code, message, request_id), Media.JSON, "error"
        )
        return Response(content, 500, media_type=media_type)

    def _body(self, code: str, message: str, request_id: str) -> Json:
        body: Json = {"error": code, "error_message": message, "requestId": request_id}
        support = self.support.fields()
        return body | {"support": support} if support else body


def _headers(error: ExchangeError) -> dict[str, str]:
    match error:
        case NotEntitled() | SignInError():
            why = "insufficient_scope" if isinstance(error, NotEntitled) else "invalid_token"
            return {"WWW-Authenticate": f'Bearer error="{why}"'}
        case WrongMethod():
            return {"Allow": ", ".join(error.allowed)}
        case TooMany():
            return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
        case errors.Unavailable():
            return {"Retry-After": "2"}
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
        case _:
            return {}
