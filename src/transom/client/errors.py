"""Every way a transfer can fail, seen from the firm's side.

ClientError
    Unreachable        no answer; nothing was submitted
        Busy           the server said so (429, 503); `retry_after` seconds
    NotSignedIn        the token service refused, or a token is no longer good
    NotEntitled        signed in, and not entitled to this
    NotThere           no such place, file or submission, or a foreign one
    RefusedByRule      a name, size, direction, state or limit
    NotComplete        cut off, digest differs, file changed while sent; nothing was submitted
        LinkExpired        a signed URL's minute was over, each time
        LocalStorageFull   no room on this machine; what was fetched so far is kept for resuming
    Uncertain          all bytes went out and no answer came; ask tracking before sending again
    ServerFault        the server broke (500), or answers what no such server would
"""

from __future__ import annotations

from typing import ClassVar


class ClientError(Exception):
    """The root. `message` is for people: what happened, why, what to do.

    `code` is stable, for machines: the server's own where it gave one. `request_id` is the server's
    id of the request, "" when it gave none. `exit_code` is what the command line ends with.
    `tracking_id` names the submission that this is about, "" when there is none.
    """

    default_code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, code: str = "", request_id: str = "", tracking_id: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.request_id = request_id
        self.tracking_id = tracking_id


class Unreachable(ClientError):
    """No answer from the server, or from one that it sent us to.

    `host` is the one that did not answer, or answered for one that did not. `connected` is False
    where not even a connection came about, so that nothing was sent.
    `may_pass` is False where waiting does not help: a certificate that nobody trusts.
    """

    default_code = "unreachable"
    exit_code = 8
    host: str = ""
    connected: bool = True
    may_pass: bool = True


class Busy(Unreachable):
    """The server asks to come again after `retry_after` seconds."""

    default_code = "busy"
    retry_after: float = 0.0


class NotSignedIn(ClientError):
    """User name or secret are not right, sign-in is paused, or no secret is known."""

    default_code = "sign_in_failed"
    exit_code = 4


class NotEntitled(ClientError):
    """Signed in, but not entitled to this; a place that does not exist answers the same."""

    default_code = "insufficient_scope"
    exit_code = 5


class NotThere(ClientError):
    """There is nothing of this name that the account can see."""

    default_code = "not_found"
    exit_code = 3


class RefusedByRule(ClientError):
    """A rule of the exchange says no; the same request will be refused again."""

    default_code = "refused"
    exit_code = 6


class NotComplete(ClientError):
    """Not all of it went over, or not unchanged. Nothing was submitted, nothing half is left."""

    default_code = "not_complete"
    exit_code = 7


class LinkExpired(NotComplete):
    """A signed URL was used after its minute; a new one is asked for, so this is seldom seen."""

    default_code = "link_expired"


class LocalStorageFull(NotComplete):
    """No room on this machine."""

    default_code = "local_storage_full"


class Uncertain(ClientError):
    """Every byte went out and no answer came: it may have been received. Ask tracking first."""

    default_code = "uncertain"
    exit_code = 14


class ServerFault(ClientError):
    """The server broke, or is not the server it should be."""

    default_code = "server_fault"
    exit_code = 1
