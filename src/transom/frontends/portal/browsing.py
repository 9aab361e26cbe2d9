"""Organizations, applications, sub-spaces and files, as the person may see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from transom.core.browse import Asked, Contents, Files
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotFound
from transom.domain.listing import Listing
from transom.domain.names import UPLOAD_NAME_BYTES, FileName, Place
from transom.domain.space import Direction, Emptied
from transom.domain.submission import Submission
from transom.frontends.portal import commands
from transom.frontends.portal.arriving import MOST_BYTES
from transom.frontends.portal.calls import Call
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import ngettext
from transom.frontends.portal.places import (
    a_name,
    acting_in,
    address,
    application_of,
    page_of,
    place_of,
)
from transom.frontends.portal.route import FULL, Route

SIZES = (50, 100, 200)
SOON = timedelta(days=3)
"""What ends within this time is marked."""

_KEY_BYTES = 16


async def show_own(call: Call) -> Response:
    """The applications of the organization that the person acts for."""
    org = call.acting.org if call.acting else None
    if org is None:
        return call.page("browse_nothing.html")
    return await _organization(call, org.id)


async def show_organization(call: Call) -> Response:
    """The applications of an organization."""
    return await _organization(call, call.parts[0])


async def _organization(call: Call, org: str) -> Response:
    acting = acting_in(call, org)
    found = await call.run(call.exchange.browse.applications, acting.actor, org)
    rows = [(each, _can_in_words(*(f.actions for f in each.folders))) for each in found]
    return call.page("browse.html", rows=rows, address=address)


async def show_application(call: Call) -> Response:
    """The folders of an application, and what is in them."""
    actor, org, name = application_of(call)
    found = await call.run(call.exchange.browse.overview, actor, org, name)
    rows = [(each, _can_in_words(each.actions), kept(each)) for each in found.folders]
    return call.page(
        "browse_application.html", application=found, rows=rows, now=call.now, **_frame(org, name)
    )


async def show_place(call: Call, status: int = 200) -> Response:
    """The files at a place, or one of them; and where files may be sent, the form for it."""
    actor, place = place_of(call)
    name = a_name(call.query.get("file", "")) if "file" in call.query else None
    if name is not None:
        return await _file(call, actor, place, name)
    browse = call.exchange.browse
    contents = await call.run(browse.contents, actor, place)
    asked = _asked(call)
    files = Files((), has_before=False, has_after=False)
    if asked is not None:
        files = await call.run(browse.page, actor, place, asked)
    facts = {
        "contents": contents,
        "kept": kept(contents),
        "files": files,
        "prefix": call.query.get("name", ""),
        "size": asked.limit if asked else SIZES[0],
        "sizes": SIZES,
        "pages": _pages(place, asked, files),
        "here": page_of(place),
        "now": call.now,
        "soon": call.now + SOON,
        **_frame(place.org, place.application, place.sub_space),
    }
    facts |= _upload(call, place) if Action.UPLOAD in contents.actions else _no_upload(call, place)
    return call.page("browse_place.html", status, **facts)


async def _file(call: Call, actor: Actor, place: Place, name: FileName) -> Response:
    listing = await call.run(call.exchange.browse.file, actor, place, name)
    contents = await call.run(call.exchange.browse.contents, actor, place)
    submission = await _submission(call, actor, listing)
    doors = call.around.site.doors
    may_fetch = Action.DOWNLOAD in contents.actions
    ready = commands.to_download(doors, place, name) if may_fetch else []
    return call.page(
        "browse_file.html",
        listing=listing,
        contents=contents,
        submission=submission,
        commands=ready,
        fetch=page_of(place, name) if may_fetch else "",
        now=call.now,
        **_frame(place.org, place.application, place.sub_space, leads_on=True),
    )


async def _submission(call: Call, actor: Actor, listing: Listing) -> Submission | None:
    """The submission that a file is, or answers, where the person may follow it."""
    if not listing.tracking_id:
        return None
    try:
        return await call.run(call.exchange.tracking.one, actor, listing.tracking_id)
    except NotFound:
        return None


def _frame(
    org: str, application: str, space: str = "", *, leads_on: bool = False
) -> Mapping[str, Any]:
    """What every page below an organization needs; a page that `leads_on` is below the last."""
    levels = [each for each in (org, application, space) if each]
    crumbs = [(each, address("browse", *levels[: at + 1])) for at, each in enumerate(levels)]
    return {
        "crumbs": crumbs,
        "place_path": "/".join(levels),
        "address": address,
        "leads_on": leads_on,
    }


def _upload(call: Call, place: Place) -> Mapping[str, Any]:
    most = call.exchange.uploads.most_bytes(MOST_BYTES)
    facts = {
        "action": address("upload", place.org, place.application, place.sub_space),
        "key": call.around.entropy.secret(_KEY_BYTES).hex(),
        "most": most,
        "longest": UPLOAD_NAME_BYTES,
    }
    return {"upload": facts, "commands": commands.to_upload(call.around.site.doors, place)}


def _no_upload(call: Call, place: Place) -> Mapping[str, Any]:
    return {"upload": None, "commands": commands.to_list(call.around.site.doors, place)}


def _asked(call: Call) -> Asked | None:
    """Which files the query asks for; None where no file can have such a name."""
    query = call.query
    prefix = query.get("name", "")
    if prefix and a_name(f"{prefix}x") is None:
        return None
    size = next((each for each in SIZES if query.get("size") == str(each)), SIZES[0])
    after, before = (a_name(query.get(each, "")) or "" for each in ("after", "before"))
    return Asked(size, prefix, after, before)


def _pages(place: Place, asked: Asked | None, files: Files) -> Mapping[str, str]:
    """Where the pages before and after this one are, "" where there are none."""
    if asked is None or not files.found:
        return {"before": "", "after": ""}
    kept_too = {"name": asked.prefix} if asked.prefix else {}
    if asked.limit != SIZES[0]:
        kept_too["size"] = str(asked.limit)
    before = {"before": files.found[0].name} | kept_too
    after = {"after": files.found[-1].name} | kept_too
    return {
        "before": f"{page_of(place)}?{urlencode(before)}" if files.has_before else "",
        "after": f"{page_of(place)}?{urlencode(after)}" if files.has_after else "",
    }


def kept(contents: Contents) -> str:
    """How long files stay in a folder, in words."""
    space = contents.space
    if space.retention_days is not None:
        return ngettext("%(num)d day", "%(num)d days", space.retention_days)
    if space.direction is Direction.INBOUND and space.emptied is Emptied.LEASED:
        return _("until the application takes it")
    if space.direction is Direction.INBOUND:
        return _("handed over at once")
    return _("no set time")


def _can_in_words(*actions: frozenset[Action]) -> str:
    """What somebody can do, of uploading and downloading."""
    can = frozenset[Action]().union(*actions)
    if {Action.UPLOAD, Action.DOWNLOAD} <= can:
        return _("upload and download")
    if Action.UPLOAD in can:
        return _("upload")
    return _("download") if Action.DOWNLOAD in can else _("look")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/browse", show_own, FULL),
    Route("GET", "/browse/{}", show_organization, FULL),
    Route("GET", "/browse/{}/{}", show_application, FULL),
    Route("GET", "/browse/{}/{}/{}", show_place, FULL),
)
