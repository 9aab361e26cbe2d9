"""Pages for refusals. Of places that the person can see more is told than no; of others nothing."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response

from transom.domain.entitlement import Action, Actor, Right
from transom.domain.errors import BadName, ExchangeError, NotEntitled
from transom.domain.names import Place
from transom.domain.people import Assurance
from transom.domain.space import Direction
from transom.frontends.portal.calls import Call
from transom.frontends.portal.errors import (
    NotYours,
    Told,
    Way,
    WrongPress,
    WrongWay,
    sentences,
    told,
)
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked

_NAMED = 3


async def at_place(call: Call, error: NotEntitled) -> ExchangeError:
    """The error to answer with: the same one where the person can see nothing."""
    place, right = _seen(call, error.place)
    if place is None or right is None or call.acting is None:
        return error
    against = _is_against(Action(error.action), right)
    other = _other(call.acting.actor, place, Action(error.action))
    if against and other:
        return WrongWay(error.place, _direction(place, right), other)
    return NotYours(error.place, _may_not(place, error.action), await _administrators(call))


def _seen(call: Call, text: str) -> tuple[Place | None, Right | None]:
    """The place of that path, and what the person may do there; None when it cannot see it."""
    try:
        place = Place.parse(text)
    except BadName:
        return None, None
    return place, call.acting.actor.rights.at(place) if call.acting else None


def _is_against(action: Action, right: Right) -> bool:
    """Whether nobody does that there."""
    inbound = right.space.direction is Direction.INBOUND
    return inbound != (action is Action.UPLOAD)


def _other(actor: Actor, place: Place, action: Action) -> str:
    """The first place of the same application where the actor may do that; "" when none."""
    rights = actor.rights.places.get((place.org, place.application), {})
    found = sorted(name for name, right in rights.items() if action in right.actions)
    return f"{place.org}/{place.application}/{found[0]}" if found else ""


def _direction(place: Place, right: Right) -> str:
    if right.space.direction is Direction.INBOUND:
        return _(
            "%(place)s is for uploads: its application takes the files from there.", place=place
        )
    return _("%(place)s is for files to get, so nothing can be uploaded there.", place=place)


def _may_not(place: Place, action: str) -> str:
    if action == Action.UPLOAD:
        return _("You can see %(place)s but not upload to it.", place=place)
    return _("You can see %(place)s but not get files from it.", place=place)


async def _administrators(call: Call) -> list[str]:
    """Who of the person's own firm may change what it may do."""
    people = await call.run(call.people.administration.people, call.session.person.org)
    able = (each for each in people if each.role.is_administrator and each.may_act(call.now))
    return [each.name for each in able][:_NAMED]


# --- pages ---------------------------------------------------------------------------------------

_PAGES = (
    ("/home", marked("Home")),
    ("/browse", marked("Files")),
    ("/upload", marked("Files")),
    ("/submissions", marked("Submissions")),
    ("/account", marked("Account and security")),
)


def going_to(path: str) -> str:
    """How a page is called that somebody wanted to see; "" for one without a name."""
    levels = path.split("/")
    found = (name for start, name in _PAGES if levels[:2] == start.split("/"))
    return _(next(found, "")) if path else ""


async def page(call: Call, error: ExchangeError, again: str) -> Response:
    """The page of an error. It needs no script and no database.

    `again` is where the same may be tried once more; "" where it may not.
    """
    if isinstance(error, NotEntitled):
        error = await at_place(call, error)
    found = told(error)
    heading, why, todo = sentences(error, call.zone)
    response = call.page(
        "error.html",
        found.status,
        heading=heading,
        why=why,
        todo=todo,
        ways=list(_ways(call, found, again)),
        request_id=call.visit.request_id if found.traced else "",
    )
    if isinstance(error, WrongPress):
        response.headers["Allow"] = error.allowed
    retry = getattr(error, "seconds", None)
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response


def _ways(call: Call, found: Told, again: str) -> Iterator[tuple[Way, str]]:
    """The ways on that are open to this reader, and where they lead."""
    is_full = call.found is not None and call.found.assurance is Assurance.FULL
    for way in found.ways:
        if way is Way.HOME:
            yield way, "/home" if is_full else "/"
        elif way is Way.SIGN_IN:
            yield way, "/sign-in"
        elif way is Way.SEARCH and call.acting is not None and call.acting.org is not None:
            yield way, "/submissions"
        elif way is Way.AGAIN and again:
            yield way, again
