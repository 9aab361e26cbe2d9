"""The one table from error type to the status that an SFTP client gets.

Version 3 has few codes, so the text tells what to do; OpenSSH shows the code's name only, every
graphical client the text too.
"""

from __future__ import annotations

from transom.domain import errors
from transom.domain.errors import ExchangeError, NotSupported
from transom.frontends.sftp.wire import Status


class Refusal(NotSupported):
    """A verb that this door never offers, or not here; the text tells what to do instead."""

    code = "sftp_not_supported"

    def __init__(
        self, operation: str, instead: str, status: Status = Status.PERMISSION_DENIED
    ) -> None:
        super().__init__(operation, instead)
        self.status = status


class BadHandle(ExchangeError):
    """A handle that is not open, or of another kind than the request needs."""

    code = "bad_handle"

    def __init__(self) -> None:
        super().__init__("That handle is not open for this. Open the file or folder first.")


class TooManyHandles(ExchangeError):
    """One session holds as many open files and folders as it may."""

    code = "too_many_handles"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} files and folders are open, the limit. Close some first.")
        self.limit = limit


class Unverified(ExchangeError):
    """The account could not be looked up for too long; nothing is done for it meanwhile."""

    code = "unverified"

    def __init__(self) -> None:
        super().__init__("Your account cannot be checked at the moment. Try again in a minute.")


STATUS: dict[type[ExchangeError], Status] = {
    errors.SignInError: Status.PERMISSION_DENIED,
    errors.NotEntitled: Status.NO_SUCH_FILE,
    errors.NotFound: Status.NO_SUCH_FILE,
    errors.BadName: Status.FAILURE,
    errors.BadParameter: Status.FAILURE,
    errors.NotSupported: Status.OP_UNSUPPORTED,
    errors.TooLarge: Status.FAILURE,
    errors.TooMany: Status.FAILURE,
    errors.AlreadySubmitted: Status.FAILURE,
    errors.IncompleteUpload: Status.FAILURE,
    errors.DigestMismatch: Status.FAILURE,
    errors.WrongState: Status.FAILURE,
    errors.Unavailable: Status.FAILURE,
    BadHandle: Status.FAILURE,
    TooManyHandles: Status.FAILURE,
    Unverified: Status.FAILURE,
}
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


def status_of(error: ExchangeError) -> tuple[Status, str]:
    """Code and text for an error."""
    if isinstance(error, Refusal):
        return error.status, error.message
    code = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return code, error.message
