"""Listings as S3 knows them: keys in order, rolled up into common prefixes where it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transom.core.browse import Browse
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotEntitled, NotSupported
from transom.domain.listing import Listing
from transom.domain.names import Place


@dataclass(frozen=True, slots=True)
class Asked:
    """What to list: keys that begin with `prefix` and follow `after`, at most limit entries."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """What there is: files, or branches above them; `last` is where to go on after, or ""."""

    files: Sequence[Listing] = ()
    branches: Sequence[str] = ()
    last: str = ""


def page(browse: Browse, actor: Actor, asked: Asked) -> Page:
    """One page, of what the actor may list and nothing else.

    Above the sub-spaces there are only branches with the delimiter `/`, and without it the files of
    all sub-spaces below.

    Raises:
        NotEntitled: nothing the actor may list is there.
        NotSupported: another delimiter than `/`.
        Unavailable
    """
    if asked.delimiter not in ("", "/"):
        raise NotSupported("Another delimiter than /", "Leave it out, or use /.")
    granted = [place for place in browse.places(actor) if _meet(_path(place), asked.prefix)]
    if not granted:
        raise NotEntitled(actor.name, Action.LIST, asked.prefix)
    if asked.prefix.startswith(_path(granted[0])):
        return _files(browse, actor, granted[0], asked)
    if asked.delimiter:
        return _branches(granted, asked)
    return _everything(browse, actor, granted, asked)


def key(listing: Listing) -> str:
    """The key of a file."""
    return f"{listing.place}/{listing.name}"


def _branches(granted: Sequence[Place], asked: Asked) -> Page:
    below = dict.fromkeys(_branch(_path(place), asked.prefix) for place in granted)
    # What is listed after a key within a branch is beyond the whole branch.
    rest = [each for each in below if each > asked.after and not asked.after.startswith(each)]
    shown = rest[: asked.limit]
    return Page((), shown, shown[-1] if shown and len(rest) > len(shown) else "")


def _branch(path: str, prefix: str) -> str:
    return path[: path.index("/", len(prefix)) + 1]


def _everything(browse: Browse, actor: Actor, granted: Sequence[Place], asked: Asked) -> Page:
    """The files of one place after the other: no path begins another, so that is their order."""
    shown: list[Listing] = []
    for place in granted:
        rest = replace(asked, prefix=_path(place), limit=asked.limit - len(shown))
        found = _files(browse, actor, place, rest)
        shown += found.files
        if found.last or len(shown) == asked.limit:
            return Page(shown, (), key(shown[-1]) if shown else "")
    return Page(shown)


def _files(browse: Browse, actor: Actor, place: Place, asked: Asked) -> Page:
    path = _path(place)
    begins = asked.prefix.removeprefix(path)
    if not asked.limit or not _may_begin_a_name(begins) or _is_beyond(asked.after, path):
        return Page()
    after = asked.after.removeprefix(path) if asked.after > path else ""
    found = browse.named(actor, place, begins, after, asked.limit + 1)
    shown = found[: asked.limit]
    return Page(shown, (), key(shown[-1]) if len(found) > len(shown) else "")


def _may_begin_a_name(text: str) -> bool:
    return text.isascii() and "/" not in text


def _is_beyond(after: str, path: str) -> bool:
    return after > path and not after.startswith(path)


def _path(place: Place) -> str:
    return f"{place}/"


def _meet(path: str, prefix: str) -> bool:
    return path.startswith(prefix) or prefix.startswith(path)
