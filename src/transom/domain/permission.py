"""The only decision about permission. Every use case asks here, on its first line.

Outside an actor's rights there is nothing: a place that exists and one that does not are refused
with the same error.
"""

from __future__ import annotations

from dataclasses import replace

from transom.domain.entitlement import Action, Actor, Right
from transom.domain.errors import NotEntitled
from transom.domain.names import Place
from transom.domain.space import Direction, SubSpace


def require(actor: Actor, action: Action, place: Place) -> SubSpace:
    """The sub-space at this place, when the actor may do this there.

    Raises:
        NotEntitled: not entitled to the action there, or no such place.
    """
    right = actor.rights.at(place)
    if right is None or action not in right.actions:
        raise NotEntitled(actor.name, action, str(place))
    return right.space


def allows(actor: Actor, action: Action, place: Place) -> bool:
    """Whether the actor may do this at this place."""
    right = actor.rights.at(place)
    return right is not None and action in right.actions


def require_process(actor: Actor, application: str) -> None:
    """Return quietly when the actor speaks for this application.

    Raises:
        NotEntitled: it does not, or there is no such application.
    """
    if application not in actor.rights.processes:
        raise NotEntitled(actor.name, Action.PROCESS, application)


def visible(actor: Actor, org: str, application: str) -> dict[str, Right]:
    """What the actor sees in an organization's application, by sub-space; empty when nothing."""
    return dict(actor.rights.places.get((org, application), {}))


def visible_applications(actor: Actor, org: str) -> list[str]:
    """The applications in which the actor sees anything for this organization, by name."""
    return sorted(app for (of, app), spaces in actor.rights.places.items() if of == org and spaces)


def visible_orgs(actor: Actor) -> list[str]:
    """The organizations for which the actor may act, by id."""
    return sorted({org for (org, _), spaces in actor.rights.places.items() if spaces})


def listable(actor: Actor) -> list[Place]:
    """The places whose files the actor may list."""
    return [place for place, right in actor.rights.all() if Action.LIST in right.actions]


def trackable(actor: Actor) -> frozenset[Place]:
    """The inbound places whose submissions the actor may follow, by whomever they were made.

    Those where it holds any entitlement: to submit there, or to fetch from the archive beside it.
    """
    return frozenset(
        replace(place, sub_space=right.space.inbound_name)
        for place, right in actor.rights.all()
        if right.space.direction is not Direction.OUTBOUND
    )


def may_list(actor: Actor, place: Place) -> bool:
    """Whether a place is among those that are listable()."""
    right = actor.rights.at(place)
    return right is not None and Action.LIST in right.actions


def may_track(actor: Actor, place: Place) -> bool:
    """Whether a place is among those that are trackable()."""
    return any(
        right.space.inbound_name == place.sub_space
        for right in visible(actor, place.org, place.application).values()
        if right.space.direction is not Direction.OUTBOUND
    )
