"""Places in addresses: what a path means, and how places and files are linked to."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from transom.domain.entitlement import Actor
from transom.domain.errors import BadName
from transom.domain.names import (
    FileName,
    Place,
    parse_application,
    parse_file_name,
    parse_org,
    parse_sub_space,
)
from transom.frontends.portal.calls import Acting, Call
from transom.frontends.portal.errors import NoPage, NotSignedIn

_AS_THEY_ARE = ":@,&!='"


def acting_in(call: Call, org: str) -> Acting:
    """For whom the person acts on a page of this organization: for it, where it may.

    The page says so too, whatever was chosen before: nothing is sent for another than it shows.

    Raises:
        NoPage: it may not act for it, or there is no such organization.
    """
    acting = call.acting
    if acting is None:
        raise NotSignedIn
    found = next((each for each in acting.organizations if each.id == org), None)
    if found is None:
        raise NoPage
    call.acting = replace(acting, org=found)
    return call.acting


def application_of(call: Call) -> tuple[Actor, str, str]:
    """Who asks, and the organization and application that a path names.

    Raises:
        NoPage: there can be none.
    """
    org, name = call.parts[:2]
    actor = acting_in(call, org).actor
    try:
        return actor, parse_org(org), parse_application(name)
    except BadName:
        raise NoPage from None


def place_of(call: Call) -> tuple[Actor, Place]:
    """Who asks, and the place that a path names.

    Raises:
        NoPage: there can be none.
    """
    actor, org, application = application_of(call)
    try:
        return actor, Place(parse_org(org), application, parse_sub_space(call.parts[2]))
    except BadName:
        raise NoPage from None


def file_of(call: Call) -> tuple[Actor, Place, FileName]:
    """Who asks, and the place and name of the file that a path names.

    Raises:
        NoPage: there can be none.
    """
    actor, place = place_of(call)
    name = a_name(call.parts[3])
    if name is None:
        raise NoPage
    return actor, place, name


def a_name(text: str) -> FileName | None:
    """A file name, when some file may have it."""
    try:
        return parse_file_name(text)
    except BadName:
        return None


def address(*parts: str) -> str:
    """The path of these levels."""
    return "".join(f"/{quote(part, safe=_AS_THEY_ARE)}" for part in parts)


def page_of(place: Place, name: str = "") -> str:
    """Where a place is shown, or a file of it fetched."""
    levels = ["browse", place.org, place.application, place.sub_space]
    return address(*levels, *([name] if name else []))
