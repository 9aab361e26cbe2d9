"""Every way the exchange can say no, as one tree.

ExchangeError
    SignInError          BadCredentials, GrantInvalid
    NotEntitled          account, action, place
    NotFound             what
    Refused              BadName, BadParameter, NotSupported, TooLarge, TooMany, AlreadySubmitted
    IncompleteUpload     tracking id, first missing offset
    DigestMismatch       algorithm
        PayloadMismatch  what was signed differs
    WrongState           what, is, wanted
    Unavailable          dependency; the caller may retry
        StorageFull      nothing was kept; space must be made first

Each leaf has a stable `code` for machines, data fields, and a default English sentence. Front ends
translate by type, in one table each; nobody matches on text. No error carries a secret.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import ClassVar


class ExchangeError(Exception):
    """The root. Catch a leaf that you can answer; let the rest pass."""

    code: ClassVar[str] = "internal"

    @property
    def message(self) -> str:
        """What happened, why, and what to do, in one to three sentences for a person."""
        return str(self)


class SignInError(ExchangeError):
    """No actor came out of what the caller presented."""

    code = "sign_in_failed"


class BadCredentials(SignInError):
    """The name and secret do not fit, or must not be used: from outside nobody can tell which."""

    code = "bad_credentials"

    def __init__(self) -> None:
        super().__init__("User name or password is not right. Check both and try again.")


class GrantInvalid(SignInError):
    """A token, signed URL or transfer token is unknown, altered, expired or withdrawn."""

    code = "invalid_token"

    def __init__(self, why: str = "expired or withdrawn") -> None:
        super().__init__("The access token is no longer good. Ask the token service for a new one.")
        self.why = why


class NotEntitled(ExchangeError):
    """The actor may not do this here, or there is no such place: the answer is one and the same."""

    code = "insufficient_scope"

    def __init__(self, account: str, action: str, place: str) -> None:
        super().__init__(
            "There is nothing there that you can see, or do this with. "
            "Check the spelling, or ask your administrator which places you have."
        )
        self.account = account
        self.action = action
        self.place = place


class NotFound(ExchangeError):
    """A file or submission that is not there, in a place the actor may see."""

    code = "not_found"

    def __init__(
        self, what: str, hint: str = "Check the spelling; files end with their retention."
    ) -> None:
        super().__init__(f"{what} is not there. {hint}")
        self.what = what


class Refused(ExchangeError):
    """A rule of the exchange says no; the same request will be refused again."""

    code = "refused"


class BadName(Refused):
    """An organization, application, sub-space or file name breaks the naming rule.

    `character` is the first offending character in a form that can be shown, `suggestion` a name
    that would do; each is "" where there is none.
    """

    code = "bad_name"

    def __init__(self, name: str, why: str, *, character: str = "", suggestion: str = "") -> None:
        super().__init__(why if not suggestion else f"{why} For example {suggestion}.")
        self.name = name
        self.why = why
        self.character = character
        self.suggestion = suggestion


class BadParameter(Refused):
    """A parameter, header or body of the request cannot be read."""

    code = "bad_parameter"

    def __init__(self, parameter: str, why: str) -> None:
        super().__init__(f"{parameter}: {why.removesuffix('.')}. Correct it and try again.")
        self.parameter = parameter
        self.why = why


class NotSupported(Refused):
    """An operation that this exchange does not offer, on purpose."""

    code = "not_supported"

    def __init__(self, operation: str, instead: str) -> None:
        super().__init__(f"{operation} is not offered here. {instead}")
        self.operation = operation


class TooLarge(Refused):
    """More bytes than the limit."""

    code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The file is larger than {limit} bytes, the limit here. "
            "Split it, or use another way in."
        )
        self.limit = limit


class TooMany(Refused):
    """More requests, or connections, than the limit. The caller may come again after `retry_after`.

    `seconds` is the same for a Retry-After header: whole, rounded up, at least 1. `limit` and
    `whose` are told where there is a number to tell.
    """

    code = "too_many"

    def __init__(
        self, what: str, retry_after: timedelta, *, limit: int | None = None, whose: str = ""
    ) -> None:
        self.seconds = max(1, math.ceil(retry_after.total_seconds()))
        if limit is None:
            super().__init__(f"Too many {what}. Try again in {self.seconds} s.")
        else:
            super().__init__(f"Too many {what}: the limit of {whose} is {limit}.")
        self.what = what
        self.retry_after = retry_after
        self.limit = limit
        self.whose = whose


class AlreadySubmitted(Refused):
    """The upload that this grant was for is complete. What was received is not altered."""

    code = "already_submitted"

    def __init__(self, tracking_id: str) -> None:
        super().__init__(
            f"This upload was received already, with tracking id {tracking_id}. "
            "To submit another file, ask for a new upload."
        )
        self.tracking_id = tracking_id


class IncompleteUpload(ExchangeError):
    """Bytes are missing. Nothing was submitted."""

    code = "incomplete_upload"

    def __init__(self, tracking_id: str, missing_from: int) -> None:
        super().__init__(
            f"The upload is not complete: bytes are missing from offset {missing_from}. "
            "Nothing was submitted. Send it again."
        )
        self.tracking_id = tracking_id
        self.missing_from = missing_from


class DigestMismatch(ExchangeError):
    """The bytes that arrived do not have the digest that was stated. Nothing was submitted."""

    code = "digest_mismatch"

    def __init__(self, algorithm: str) -> None:
        super().__init__(
            f"The file that arrived is not the one you sent ({algorithm} differs). "
            "Nothing was submitted. Send it again."
        )
        self.algorithm = algorithm


class PayloadMismatch(DigestMismatch):
    """The bytes that arrived are not those whose SHA-256 was signed with the request."""

    code = "payload_mismatch"

    def __init__(self) -> None:
        super().__init__("sha256")
        self.args = ("The file that arrived is not the one you signed. Send it again.",)


class WrongState(ExchangeError):
    """A move that is not legal from where the thing stands now."""

    code = "wrong_state"

    def __init__(self, what: str, found: str, wanted: str) -> None:
        super().__init__(
            f"{what} is {found}; this needs it {wanted}. "
            "Nothing was changed. Look where it stands before you try again."
        )
        self.what = what
        self.found = found
        self.wanted = wanted


class Unavailable(ExchangeError):
    """Something we depend on did not answer. Nothing happened; the caller may try again."""

    code = "unavailable"

    def __init__(self, dependency: str) -> None:
        super().__init__(f"The {dependency} does not answer. Nothing was done. Try again.")
        self.dependency = dependency


class StorageFull(Unavailable):
    """No room is left for new files. Nothing was kept; downloads go on."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("storage")
        self.args = (
            "There is no room for new files at the moment. Nothing was kept. Try again later.",
        )
