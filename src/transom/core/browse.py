"""What an actor sees: organizations, applications, sub-spaces, files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transom.core.tools import Tools
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotEntitled, NotFound
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.permission import (
    listable,
    require,
    visible,
    visible_applications,
    visible_orgs,
)
from transom.records import listings

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Folder:
    """A level above files: its name, whether this actor may upload there, and what is below."""

    name: str
    writable: bool = False
    children: tuple[Folder, ...] = ()


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
        found: list[Listing] = []
        while len(found) < limit:
            want = min(limit - len(found), PAGE)
            with self._tools.database.reading() as tx:
                now = self._tools.clock.now()
                rows = listings.page(tx, place, after, want, now, prefix)
            found += _newest(rows)
            if len(rows) < want:
                break
            after = rows[-1].name
        return found

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


def _newest(found: list[Listing]) -> list[Listing]:
    """One listing for each name: the first, since the newest comes first."""
    return list({each.name: each for each in reversed(found)}.values())[::-1]
