"""Errors of the portal, and the one table from error type to the page that answers it.

Each page has three parts: what happened, why, and what to do. Their texts are ours, not the core's,
so that they can be said in the reader's language; the core's values stand in them by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from markupsafe import Markup

from transom.domain import errors
from transom.domain.errors import ExchangeError
from transom.frontends.errors import BodyBrokeOff
from transom.frontends.portal import words
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked


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


class NotYours(ExchangeError):
    """Something that the person may not do at a place that it can see; who could change that."""

    code = "not_yours"

    def __init__(self, place: str, why: str, administrators: Sequence[str]) -> None:
        super().__init__(why)
        self.place = place
        self.why = why
        self.administrators = tuple(administrators)


class WrongWay(ExchangeError):
    """Files go the other way at this place; where they go this way, when the person sees that."""

    code = "wrong_way"

    def __init__(self, place: str, why: str, other: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why
        self.other = other


class Way(StrEnum):
    """A way on from an error's page."""

    HOME = "home"
    SEARCH = "search"
    AGAIN = "again"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True)
class Told:
    """An error's page: its status, what happened, why, what to do, and the ways on, best first.

    `traced` tells that support needs the request's id.
    """

    status: int
    heading: str
    why: str
    todo: str
    ways: tuple[Way, ...] = (Way.HOME,)
    traced: bool = False


_NOTHING = Told(
    404,
    marked("Nothing here under this address"),
    marked(
        "It may have ended, since files are kept for a time only, or you may not be entitled to it."
    ),
    marked("Check the address, or go on from here."),
    (Way.HOME, Way.SEARCH),
)
_SIGN_IN = Told(
    401,
    marked("Sign in to continue"),
    marked("This page is for people who are signed in."),
    marked("Sign in and go on."),
    (Way.SIGN_IN,),
)

PAGES: Mapping[type[ExchangeError], Told] = MappingProxyType(
    {
        errors.SignInError: _SIGN_IN,
        NotSignedIn: _SIGN_IN,
        errors.LockedOut: Told(
            429,
            marked("Sign-in is paused for this user name"),
            marked("Too many wrong tries came from your network."),
            marked(
                "Try again after %(until)s, or use a device that you signed in on before. "
                "Your administrator can unlock it."
            ),
            (Way.SIGN_IN,),
        ),
        errors.FactorPaused: Told(
            429,
            marked("This way of signing in is paused"),
            marked("Too many wrong codes were entered."),
            marked("It works again from %(until)s. Use another way until then."),
            (Way.AGAIN,),
        ),
        errors.InvitationEnded: Told(
            410,
            marked("This invitation no longer works"),
            marked("It was used, a newer one has taken its place, or it is too old."),
            marked(
                "Ask whoever invited you to send a new one; "
                "the newest link is the only one that works."
            ),
        ),
        ForeignForm: Told(
            403,
            marked("This form was not taken"),
            marked("It did not come from this page as it is now. Nothing was changed."),
            marked("Go back, load the page again, and send it once more."),
            (Way.AGAIN, Way.HOME),
        ),
        NoPage: _NOTHING,
        errors.NotEntitled: _NOTHING,
        errors.NotFound: _NOTHING,
        NotYours: Told(
            403,
            marked("This is not yours to change"),
            marked("%(why)s"),
            marked("Ask %(administrators)s."),
            (Way.HOME,),
        ),
        WrongWay: Told(
            403,
            marked("Files go the other way there"),
            marked("%(why)s"),
            marked("Go to %(other)s instead."),
            (Way.HOME,),
        ),
        WrongPress: Told(
            405,
            marked("This address takes no such request"),
            marked("It belongs to a button, and was opened by itself."),
            marked("Go back to the page with that button, or begin anew."),
        ),
        errors.BadName: Told(
            400,
            marked("This name cannot be used"),
            marked("%(why)s"),
            marked("Choose another name and try again."),
        ),
        errors.BadParameter: Told(
            400,
            marked("This could not be read"),
            marked("%(parameter)s: %(why)s."),
            marked("Correct it and try again."),
        ),
        errors.NotSupported: Told(
            403,
            marked("This is not offered here"),
            marked("%(operation)s is left out on purpose."),
            marked("Use another way, or ask support."),
        ),
        errors.TooLarge: Told(
            413,
            marked("This is too large"),
            marked("The limit here is %(limit)s. Nothing was kept."),
            marked("Split it, or use another way in."),
        ),
        errors.TooMany: Told(
            429,
            marked("Too many at once"),
            marked("There were too many %(what)s in a short time."),
            marked("Try again in %(wait)s."),
            (Way.AGAIN, Way.HOME),
        ),
        errors.AlreadySubmitted: Told(
            409,
            marked("This was received already"),
            marked("It has the tracking id %(tracking_id)s, and stays as it is."),
            marked("To submit another file, begin a new upload."),
            (Way.HOME, Way.SEARCH),
        ),
        errors.IncompleteUpload: Told(
            400,
            marked("The upload was not complete"),
            marked("Bytes are missing from offset %(missing_from)s. Nothing was submitted."),
            marked("Send the file again."),
        ),
        errors.DigestMismatch: Told(
            400,
            marked("This is not the file that you sent"),
            marked("Something else arrived (%(algorithm)s differs). Nothing was submitted."),
            marked("Send the file again."),
        ),
        errors.WrongState: Told(
            409,
            marked("This cannot be done now"),
            marked("%(what)s is %(found)s, and this needs it %(wanted)s. Nothing was changed."),
            marked("Look where it stands before you try again."),
            (Way.HOME, Way.SEARCH),
        ),
        errors.Unavailable: Told(
            503,
            marked("We are busy"),
            marked("A part of the exchange does not answer. Nothing was half done."),
            marked("Try again in a moment."),
            (Way.AGAIN, Way.HOME),
            traced=True,
        ),
        errors.StorageFull: Told(
            507,
            marked("There is no room"),
            marked(
                "There is no room for new files at the moment. Nothing was kept; downloads go on."
            ),
            marked("Try again later."),
            (Way.AGAIN, Way.HOME),
            traced=True,
        ),
        BodyBrokeOff: Told(
            400,
            marked("The upload was not complete"),
            marked("The connection broke off. Nothing was submitted."),
            marked("Send the file again."),
        ),
    }
)
"""Looked up along the class's ancestry; a test walks the tree and reads every page."""


def told(error: ExchangeError) -> Told:
    """How a page answers an error."""
    return next(PAGES[kind] for kind in type(error).__mro__ if kind in PAGES)


def sentences(error: ExchangeError, zone: str) -> tuple[str, Markup, Markup]:
    """What happened, why, and what to do, in the reader's language and zone."""
    page, values = told(error), _values(error, zone)
    why, todo = (Markup.escape(_(each)) % values for each in (page.why, page.todo))
    return _(page.heading), why, todo


def _values(error: ExchangeError, zone: str) -> dict[str, str]:
    """The error's own values, as prose has them."""
    found = {name: _shown(name, value, zone) for name, value in vars(error).items()}
    if isinstance(error, errors.TooMany):
        found["wait"] = words.duration(error.seconds)
    if isinstance(error, errors.BadParameter):
        found["why"] = error.why.removesuffix(".")
    return found | {"message": error.message}


def _shown(name: str, value: object, zone: str) -> str:
    match value:
        case datetime():
            return words.moment(value, zone)
        case tuple():
            return _either([str(each) for each in value])
        case int() if name == "limit":
            return words.size(value)
        case _:
            return str(value)


def _either(names: Sequence[str]) -> Markup:
    """These names as a choice: Tom Okafor or Priya Raman."""
    if not names:
        return Markup.escape(_("your administrator"))
    *others, last = [Markup("<bdi>%s</bdi>") % each for each in names]
    if not others:
        return last
    values = {"others": Markup(", ").join(others), "last": last}
    return Markup.escape(_("%(others)s or %(last)s")) % values
