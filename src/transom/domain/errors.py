"""Every way the exchange can say no, as one tree.

ExchangeError
    SignInError          BadCredentials, GrantInvalid, LockedOut, FactorRejected, FactorPaused,
                         SessionEnded, ProofNeeded, InvitationEnded
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
from datetime import datetime, timedelta
from typing import ClassVar

from transom.domain.said import said


class ExchangeError(Exception):
    """The root. Catch a leaf that you can answer; let the rest pass."""

    code: ClassVar[str] = "internal"

    @property
    def message(self) -> str:
        """What happened, why, and what to do, in one to three sentences for a person."""
        return str(self)

    @property
    def said(self) -> str:
        """The same, knowing of what it is made where it is more than one plain sentence."""
        return self.args[0] if self.args else ""


class SignInError(ExchangeError):
    """No actor came out of what the caller presented."""

    code = "sign_in_failed"


class BadCredentials(SignInError):
    """The name and secret do not fit, or must not be used: from outside nobody can tell which."""

    code = "bad_credentials"

    def __init__(self) -> None:
        super().__init__(said("User name or password is not right. Check both and try again."))


class GrantInvalid(SignInError):
    """A token, signed URL or transfer token is unknown, altered, expired or withdrawn."""

    code = "invalid_token"

    def __init__(self, why: str = "expired or withdrawn") -> None:
        super().__init__("The access token is no longer good. Ask the token service for a new one.")
        self.why = why


class LockedOut(SignInError):
    """Sign-in is paused for this user name from there, whether or not there is such a name."""

    code = "locked_out"

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "Sign-in is paused for this user name. "
            "Try again later, or ask your administrator to unlock it."
        )
        self.until = until


class FactorRejected(SignInError):
    """The answer to a challenge does not do. `why` is "wrong", "used" or "expired"."""

    code = "factor_rejected"

    def __init__(self, why: str = "wrong") -> None:
        super().__init__(_REJECTED[why])
        self.why = why


_REJECTED = {
    "wrong": said("That code is not right. Wait for the next code and enter it."),
    "used": said("That code was used already. Wait up to 30 seconds for the next one."),
    "expired": said("That code has expired. Ask for a new one."),
}


class FactorPaused(SignInError):
    """This factor takes no answers for a while, after too many wrong ones."""

    code = "factor_paused"

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "This way of signing in is paused after too many wrong codes. Use another way."
        )
        self.until = until


class SessionEnded(SignInError):
    """There is no such session of a person (any more), or it has not come far enough for this.

    `why` is "idle", "old", "ended" or "unknown"; `at` is when it ended by itself.
    """

    code = "session_ended"

    def __init__(self, why: str = "unknown", at: datetime | None = None) -> None:
        super().__init__("You are signed out. Sign in and go on.")
        self.why = why
        self.at = at


class ProofNeeded(SignInError):
    """A change needs a fresh proof of a factor first."""

    code = "proof_needed"

    def __init__(self) -> None:
        super().__init__(
            "The last proof is too old for a change. Confirm that it is you, and try again."
        )


class InvitationEnded(SignInError):
    """An invitation that is used, replaced, too old or unknown: nobody can tell which."""

    code = "invitation_ended"

    def __init__(self) -> None:
        super().__init__(
            "This invitation no longer works. Ask whoever invited you to send a new one; "
            "the newest link is the only one that works."
        )


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
        self, what: str, hint: str = said("Check the spelling; files end with their retention.")
    ) -> None:
        super().__init__(said("%(what)s is not there. %(hint)s", what=what, hint=hint))
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
        example = said("%(why)s For example %(suggestion)s.", why=why, suggestion=suggestion)
        super().__init__(example if suggestion else why)
        self.name = name
        self.why = why
        self.character = character
        self.suggestion = suggestion


class BadParameter(Refused):
    """A parameter, header or body of the request cannot be read."""

    code = "bad_parameter"

    def __init__(self, parameter: str, why: str) -> None:
        super().__init__(
            said(
                "%(parameter)s: %(why)s. Correct it and try again.",
                parameter=parameter,
                why=why.removesuffix(".") if why.endswith(".") else why,
            )
        )
        self.parameter = parameter
        self.why = why


class NotSupported(Refused):
    """An operation that this exchange does not offer, on purpose."""

    code = "not_supported"

    def __init__(self, operation: str, instead: str) -> None:
        super().__init__(
            said("%(what)s is not offered here. %(instead)s", what=operation, instead=instead)
        )
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
            told = said(
                "Too many %(what)s. Try again in %(seconds)d s.", what=what, seconds=self.seconds
            )
        else:
            told = said(
                "Too many %(what)s: the limit of %(whose)s is %(limit)d.",
                what=what,
                whose=whose,
                limit=limit,
            )
        super().__init__(told)
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
            said(
                "%(what)s is %(found)s; this needs it %(wanted)s. "
                "Nothing was changed. Look where it stands before you try again.",
                what=what,
                found=found,
                wanted=wanted,
            )
        )
        self.what = what
        self.found = found
        self.wanted = wanted


class Unavailable(ExchangeError):
    """Something we depend on did not answer. Nothing happened; the caller may try again."""

    code = "unavailable"

    def __init__(self, dependency: str) -> None:
        super().__init__(
            said("The %(what)s does not answer. Nothing was done. Try again.", what=dependency)
        )
        self.dependency = dependency


class StorageFull(Unavailable):
    """No room is left for new files. Nothing was kept; downloads go on."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("storage")
        self.args = (
            "There is no room for new files at the moment. Nothing was kept. Try again later.",
        )
