"""Errors of the portal, and the one table from error type to the page that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from transom.domain import errors
from transom.domain.errors import ExchangeError


class NoPage(ExchangeError):
    """There is no page at this address, or none that this person may see."""

    code = "no_page"

    def __init__(self) -> None:
        super().__init__(
            "There is nothing at this address. Check it, or go on from the start page."
        )


class WrongPress(ExchangeError):
    """The page is there, but not for this method."""

    code = "page_method"

    def __init__(self, allowed: str) -> None:
        super().__init__("This address takes no such request. Go on from the start page.")
        self.allowed = allowed


class ForeignForm(ExchangeError):
    """A form that we did not give to this browser, or that was sent from another site's page."""

    code = "foreign_form"

    def __init__(self) -> None:
        super().__init__(
            "The form did not come from this page as it is now. Nothing was changed. "
            "Go back, load the page again, and send it once more."
        )


class NotSignedIn(ExchangeError):
    """The page needs a session that has come further."""

    code = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("Sign in to continue.")


@dataclass(frozen=True, slots=True)
class Told:
    """The status and the heading of an error's page; its text is the error's own."""

    status: int
    heading: str


_SIGN_IN = "Sign in to continue"
_NOTHING = "Nothing here under this address"
_REFUSED = "This was not taken"
_CHANGED = "This cannot be done now"

PAGES: Mapping[type[ExchangeError], Told] = MappingProxyType(
    {
        errors.SignInError: Told(401, _SIGN_IN),
        errors.LockedOut: Told(429, "Sign-in is paused for this user name"),
        errors.FactorPaused: Told(429, "This way of signing in is paused"),
        errors.InvitationEnded: Told(410, "This invitation no longer works"),
        NotSignedIn: Told(401, _SIGN_IN),
        ForeignForm: Told(403, "This form was not taken"),
        NoPage: Told(404, _NOTHING),
        WrongPress: Told(405, _NOTHING),
        errors.NotEntitled: Told(404, _NOTHING),
        errors.NotFound: Told(404, _NOTHING),
        errors.BadName: Told(400, _REFUSED),
        errors.BadParameter: Told(400, _REFUSED),
        errors.NotSupported: Told(403, "This is not offered here"),
        errors.TooLarge: Told(413, "This is too long"),
        errors.TooMany: Told(429, "Too many at once"),
        errors.AlreadySubmitted: Told(409, _CHANGED),
        errors.IncompleteUpload: Told(400, _REFUSED),
        errors.DigestMismatch: Told(400, _REFUSED),
        errors.WrongState: Told(409, _CHANGED),
        errors.Unavailable: Told(503, "We are busy"),
        errors.StorageFull: Told(507, "There is no room"),
    }
)
"""Looked up along the class's ancestry; a test walks the tree and fails on a leaf left out."""


def told(error: ExchangeError) -> Told:
    """How a page answers an error."""
    return next(PAGES[kind] for kind in type(error).__mro__ if kind in PAGES)
