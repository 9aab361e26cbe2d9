"""Who may do what: levels and entitlements as granted, and the actor they add up to.

The guide names three levels (section 4): read/download only, submit only, submit and download.
*Submit* lists and uploads on inbound sub-spaces; *download* lists and downloads on outbound ones
and archives; nobody reads file content from an inbound sub-space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from transom.domain.names import OrgId, Place
from transom.domain.space import OPEN_SET, Application, Catalogue, Direction, OrgKind, SubSpace


class Action(StrEnum):
    """What an actor wants to do at a place."""

    LIST = "list"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    PROCESS = "process"
    ADMINISTER = "administer"


class Level(StrEnum):
    """What an entitlement allows; the first three are the guide's."""

    SUBMIT = "submit"
    DOWNLOAD = "download"
    BOTH = "both"
    PROCESS = "process"  # an application's own account: claim, acknowledge, report, publish


class PrincipalKind(StrEnum):
    """What a principal is. Everything that a record names as its doer is a principal."""

    ACCOUNT = "account"
    PERSON = "person"
    APPLICATION = "application"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One principal's level in an application of an organization, or in one of its sub-spaces.

    `sub_space` is "" for the whole application. An inbound name covers its archive too. `org` is ""
    only at level PROCESS, which is for every organization.
    """

    principal_id: str
    org: str
    application: str
    sub_space: str
    level: Level

    def covers(self, space: SubSpace) -> bool:
        """Whether this entitlement speaks of that sub-space of its application."""
        return self.sub_space in ("", space.name, space.inbound_name)

    def actions(self, space: SubSpace) -> frozenset[Action]:
        """What this level allows in a sub-space of that direction."""
        return _ALLOWED.get((self.level, space.direction), frozenset())


_SUBMIT = frozenset({Action.LIST, Action.UPLOAD})
_FETCH = frozenset({Action.LIST, Action.DOWNLOAD})
_ALLOWED: Mapping[tuple[Level, Direction], frozenset[Action]] = MappingProxyType(
    {
        (Level.SUBMIT, Direction.INBOUND): _SUBMIT,
        (Level.DOWNLOAD, Direction.OUTBOUND): _FETCH,
        (Level.DOWNLOAD, Direction.ARCHIVE): _FETCH,
        (Level.BOTH, Direction.INBOUND): _SUBMIT,
        (Level.BOTH, Direction.OUTBOUND): _FETCH,
        (Level.BOTH, Direction.ARCHIVE): _FETCH,
    }
)


@dataclass(frozen=True, slots=True)
class Right:
    """What an actor may do in one sub-space of one organization."""

    space: SubSpace
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True)
class Rights:
    """Everything a principal may do: by organization and application, then by sub-space."""

    places: Mapping[tuple[str, str], Mapping[str, Right]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    processes: frozenset[str] = frozenset()

    def at(self, place: Place) -> Right | None:
        """The right at a place, or None: not entitled there, or no such place."""
        return self.places.get((place.org, place.application), {}).get(place.sub_space)

    def within(self, others: Iterable[Rights]) -> Rights:
        """These rights, as far as the others in all hold them too."""
        bounds: dict[Place, frozenset[Action]] = {}
        for other in others:
            for place, right in other.all():
                bounds[place] = bounds.get(place, frozenset()) | right.actions
        cut: dict[tuple[str, str], dict[str, Right]] = {}
        for place, right in self.all():
            actions = right.actions & bounds.get(place, frozenset())
            if actions:
                spaces = cut.setdefault((place.org, place.application), {})
                spaces[place.sub_space] = Right(right.space, actions)
        return Rights(MappingProxyType(cut))

    def all(self) -> Iterator[tuple[Place, Right]]:
        """Every place with the right there, ordered by organization, application, sub-space."""
        for (org, application), spaces in sorted(self.places.items()):
            for name, right in sorted(spaces.items()):
                yield Place(OrgId(org), application, name), right


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is acting right now, already authenticated.

    Made only by sign-in and by redeeming a grant. `source` is the network address the request came
    from ("" inside the exchange), `request_id` the id under which the request is logged. `epoch`
    is the principal's, `org_epoch` its organization's (0 but where `Tokens.acting` made the actor),
    `unwrap_forms` its wish about form-framed bodies.
    """

    principal_id: str
    name: str
    kind: PrincipalKind
    home_org: str
    rights: Rights
    source: str = ""
    request_id: str = ""
    unwrap_forms: bool = True
    epoch: int = 0
    org_epoch: int = 0

    def cut_to(self, action: Action, place: Place) -> Actor:
        """The same actor with nothing but one action at one place: what a grant leaves."""
        right = self.rights.at(place)
        if right is None or action not in right.actions:
            return replace(self, rights=Rights())
        only = {place.sub_space: Right(right.space, frozenset({action}))}
        return replace(self, rights=Rights({(place.org, place.application): only}))

    def cut_to_spaces(
        self, org: str, application: str, granted: Mapping[str, frozenset[Action]]
    ) -> Actor:
        """The same actor with at most these actions in these sub-spaces of one application."""
        held = self.rights.places.get((org, application), {})
        cut = {
            name: Right(held[name].space, held[name].actions & actions)
            for name, actions in granted.items()
            if name in held and held[name].actions & actions
        }
        return replace(self, rights=Rights({(org, application): cut} if cut else {}))


def lacking(
    asked: Entitlement, held: Iterable[Entitlement], application: Application
) -> Mapping[str, frozenset[Action]]:
    """What an entitlement would allow that none of those held allows, by sub-space.

    Args:
        asked: in this application, whole or in a sub-space that its catalogue names.
        held: of whomever; those of other places count for nothing.
        application: with its archives in place.
    """
    place = (asked.org, asked.application)
    here = [each for each in held if (each.org, each.application) == place]
    found = {}
    for name, space in sorted(application.sub_spaces.items()):
        there = [each.actions(space) for each in here if each.covers(space)]
        actions = asked.actions(space) if asked.covers(space) else frozenset()
        if actions - frozenset().union(*there):
            found[name] = actions - frozenset().union(*there)
    return found


def rights_of(
    entitlements: Iterable[Entitlement],
    catalogue: Catalogue,
    kinds: Mapping[str, OrgKind],
    opened: Mapping[tuple[str, str], Iterable[str]],
) -> Rights:
    """Add entitlements up over a catalogue.

    Args:
        entitlements: of one principal.
        catalogue: with its archives in place.
        kinds: of the organizations named in the entitlements; one that is missing grants nothing.
        opened: names of the sub-spaces opened so far in open sets, by organization and application.
    """
    places: dict[tuple[str, str], dict[str, Right]] = {}
    processes: set[str] = set()
    for each in entitlements:
        application = catalogue.applications.get(each.application)
        if application is None:
            continue
        if each.level is Level.PROCESS:
            processes.add(each.application)
        elif (kind := kinds.get(each.org)) is not None:
            held = places.setdefault((each.org, each.application), {})
            names = opened.get((each.org, each.application), ())
            _add(held, each, _spaces(application, names), kind)
    return Rights(MappingProxyType(places), frozenset(processes))


def _spaces(application: Application, opened: Iterable[str]) -> Iterator[SubSpace]:
    yield from (space for name, space in application.sub_spaces.items() if name != OPEN_SET)
    for name in opened:
        space = application.opened(name)
        if space is not None:
            yield space


def _add(
    held: dict[str, Right], entitlement: Entitlement, spaces: Iterable[SubSpace], kind: OrgKind
) -> None:
    for space in spaces:
        actions = entitlement.actions(space) if entitlement.covers(space) else frozenset()
        if actions and kind in space.may_submit:
            before = held.get(space.name)
            held[space.name] = Right(space, actions | (before.actions if before else frozenset()))
