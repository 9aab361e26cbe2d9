"""What an actor sees: organizations, applications, sub-spaces, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from transom.core.tools import Tools
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotEntitled, NotFound
from transom.domain.listing import Listing
from transom.domain.names import FileName, OrgId, Place
from transom.domain.permission import (
    listable,
    require,
    visible,
    visible_applications,
    visible_orgs,
)
from transom.domain.space import SubSpace
from transom.records import listings, spaces

PAGE = 1000
COUNTED = 1000
"""Files of a folder are counted up to here; there are more, is all that is told beyond."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A level above files: its name, whether this actor may upload there, and what is below."""

    name: str
    writable: bool = False
    children: tuple[Folder, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """A folder for people: what it is, what this actor may do there, and what is in it.

    `count` is of files, or COUNTED when there are at least so many; `newest` is when the last came.
    """

    space: SubSpace
    actions: frozenset[Action]
    count: int = 0
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """An application for people: its name and title, and the folders that this actor sees."""

    name: str
    title: str
    folders: tuple[Contents, ...] = ()

    def may(self, action: Action) -> bool:
        """Whether the actor may do this in any of the folders."""
        return any(action in each.actions for each in self.folders)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which files of a place: names that begin so, after one or before one, at most so many."""

    limit: int
    prefix: str = ""
    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """A page of files by name, and whether others come before and after them."""

    found: tuple[Listing, ...]
    has_before: bool
    has_after: bool


class Browse:
    """Answers listings, level by level."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def root(self, actor: Actor) -> Folder:
        """The organizations the actor may act for."""
        return Folder("", children=tuple(Folder(org) for org in visible_orgs(actor)))

    def organization(self, actor: Actor, org: str) -> Folder:
        """The applications in which the actor sees anything for an organization.

        Raises:
            NotEntitled: none, or there is no such organization.
        """
        names = visible_applications(actor, org)
        if not names:
            raise NotEntitled(actor.name, Action.LIST, org)
        return Folder(org, children=tuple(Folder(name) for name in names))

    def application(self, actor: Actor, org: str, application: str) -> Folder:
        """The sub-spaces of an application that the actor sees.

        Raises:
            NotEntitled: none, or there is no such application.
        """
        rights = visible(actor, org, application)
        if not rights:
            raise NotEntitled(actor.name, Action.LIST, f"{org}/{application}")
        return Folder(
            application,
            children=tuple(
                Folder(name, Action.UPLOAD in right.actions)
                for name, right in sorted(rights.items())
            ),
        )

    def sub_space(self, actor: Actor, place: Place) -> Folder:
        """A sub-space itself, without its files.

        Raises:
            NotEntitled: the actor may not list there, or there is no such place.
        """
        require(actor, Action.LIST, place)
        right = visible(actor, place.org, place.application)[place.sub_space]
        return Folder(place.sub_space, Action.UPLOAD in right.actions)

    def files(self, actor: Actor, place: Place) -> Iterator[list[Listing]]:
        """The files at a place, by name, in pages of at most 1,000; the newest where names repeat.

        Each page is read when it is asked for, so that a million files need no memory.

        Raises:
            NotEntitled: at once, when the actor may not list there.
            Unavailable
        """
        require(actor, Action.LIST, place)
        return self._pages(place)

    def places(self, actor: Actor) -> list[Place]:
        """Every place that the actor may list, in the order of the paths of the files there."""
        return sorted(listable(actor), key="{}/".format)

    def named(
        self, actor: Actor, place: Place, prefix: str, after: str, limit: int
    ) -> list[Listing]:
        """The files at a place whose names begin so and follow `after`, by name, at most limit.

        Raises:
            NotEntitled: the actor may not list there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        return self._run(listings.page, place, prefix, after, limit)

    def _run(
        self, read: _Read, place: Place, prefix: str, beyond: str, limit: int
    ) -> list[Listing]:
        """Files in the order of `read`, beyond a name, at most limit; each name once."""
        found: list[Listing] = []
        while len(found) < limit:
            want = min(limit - len(found), PAGE)
            with self._tools.database.reading() as tx:
                rows = read(tx, place, beyond, want, self._tools.clock.now(), prefix)
            found += _newest(rows)
            if len(rows) < want:
                break
            beyond = rows[-1].name
        return found

    def page(self, actor: Actor, place: Place, asked: Asked) -> Files:
        """A page of the files at a place, by name.

        Raises:
            NotEntitled: the actor may not list there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        most = asked.limit + 1  # one more tells that there are more
        if asked.before:
            back = self._run(listings.page_before, place, asked.prefix, asked.before, most)
            shown = back[: asked.limit][::-1]
            return Files(tuple(shown), has_before=len(back) == most, has_after=True)
        found = self._run(listings.page, place, asked.prefix, asked.after, most)
        shown = found[: asked.limit]
        return Files(tuple(shown), has_before=bool(asked.after), has_after=len(found) == most)

    def applications(self, actor: Actor, org: str) -> list[Overview]:
        """The applications in which the actor sees anything for an organization, with titles.

        Raises:
            NotEntitled: none, or there is no such organization.
            Unavailable
        """
        names = [each.name for each in self.organization(actor, org).children]
        titles = self._titles(names)
        return [
            Overview(name, titles.get(name, name), self._folders(actor, org, name))
            for name in names
        ]

    def overview(self, actor: Actor, org: str, application: str) -> Overview:
        """An application with what is in each folder that the actor sees.

        Raises:
            NotEntitled: none, or there is no such application.
            Unavailable
        """
        self.application(actor, org, application)
        title = self._titles([application]).get(application, application)
        with self._tools.database.reading() as tx:
            now = self._tools.clock.now()
            folders = []
            for each in self._folders(actor, org, application):
                place = Place(OrgId(org), application, each.space.name)
                count, newest = listings.about(tx, place, now, COUNTED)
                folders.append(Contents(each.space, each.actions, count, newest))
        return Overview(application, title, tuple(folders))

    def contents(self, actor: Actor, place: Place) -> Contents:
        """One folder, and what is in it.

        Raises:
            NotEntitled: the actor may not list there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        right = visible(actor, place.org, place.application)[place.sub_space]
        with self._tools.database.reading() as tx:
            count, newest = listings.about(tx, place, self._tools.clock.now(), COUNTED)
        return Contents(right.space, right.actions, count, newest)

    def _titles(self, names: list[str]) -> dict[str, str]:
        with self._tools.database.reading() as tx:
            return spaces.titles(tx, names)

    def _folders(self, actor: Actor, org: str, application: str) -> tuple[Contents, ...]:
        rights = visible(actor, org, application)
        return tuple(Contents(right.space, right.actions) for _, right in sorted(rights.items()))

    def file(self, actor: Actor, place: Place, name: FileName) -> Listing:
        """The newest file of this name at a place, as files() shows it.

        Raises:
            NotEntitled: the actor may not list there, or there is no such place.
            NotFound: no such file, or it has ended.
            Unavailable
        """
        require(actor, Action.LIST, place)
        with self._tools.database.reading() as tx:
            found = listings.newest(tx, place, name, self._tools.clock.now())
        if found is None:
            raise NotFound(f"{place}/{name}")
        return found

    def _pages(self, place: Place) -> Iterator[list[Listing]]:
        after = ""
        while True:
            with self._tools.database.reading() as tx:
                found = listings.page(tx, place, after, PAGE, self._tools.clock.now())
            yield _newest(found)
            if len(found) < PAGE:
                return
            after = found[-1].name


_Read = Callable[[Connection, Place, str, int, datetime, str], list[Listing]]


def _newest(found: list[Listing]) -> list[Listing]:
    """One listing for each name: the first, since the newest comes first."""
    return list({each.name: each for each in reversed(found)}.values())[::-1]
