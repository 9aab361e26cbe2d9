"""Guessing that stays below the lock-out rule, seen by how many names or sources it spreads over.

A pair of a name and an unknown source counts once an hour, for its name, its source, the network
around it and everywhere; what was tried before at a source, and typed wrong there again, does not.
Each count fades within a day. One that is full is an alert: an entry in the audit record, and at
most one an hour of each. Nobody is shut out by it: while guesses come from everywhere, sources that
are not known get fewer turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import Connection

from transom.core.passwords import name_key
from transom.domain.identity import network_key, source_key
from transom.records import audit, grants, identities
from transom.records.database import Database

ALERT = "sign_in.guessing"
PAIRS_A_DAY: Mapping[str, int] = MappingProxyType(
    {"name": 10, "source": 20, "network": 60, "everywhere": 300}
)
"""How many pairs of a name and an unknown source are taken for chance: per name, and so on."""

_DAY = timedelta(days=1).total_seconds()
_HOUR = timedelta(hours=1).total_seconds()
_EVERYWHERE = "guesses/everywhere/"
_TURNS: Mapping[str, tuple[Callable[[str], str], int]] = MappingProxyType(
    {"source": (source_key, 60), "network": (network_key, 240)}
)
"""How often a source that is not known may try in an hour, and the network around it."""

_FEW_TURNS = 5
"""How often such a source may try while guesses come from everywhere."""

_LATE = 10_000
"""So many entries later, one that was begun before has been committed."""


def note(tx: Connection, name: str, source: str, request_id: str, now: datetime) -> None:
    """Count a name that was tried, wrong, from a source that is not known."""
    found = audit.Entry(now, "", ALERT, "", source=source, request_id=request_id)
    key = name_key(name)
    if _is_full(tx, "name", key, now):
        owner = identities.principal_named(tx, name)
        whose = owner.id if owner else ""
        _alert(tx, "name", key, replace(found, principal_id=whose, object=name if owner else key))
    # What one of these has enough of counts no further: each fills the next by its part only.
    for of, where in (
        ("source", source_key(source)),
        ("network", network_key(source)),
        ("everywhere", ""),
    ):
        if _is_full(tx, of, where, now):
            _alert(tx, of, where, replace(found, object=where or of))
            return


def _is_full(tx: Connection, of: str, where: str, now: datetime) -> bool:
    limit = PAIRS_A_DAY[of]
    return bool(grants.take(tx, f"guesses/{of}/{where}", limit / _DAY, limit, now))


def _alert(tx: Connection, of: str, where: str, entry: audit.Entry) -> None:
    if not grants.take(tx, f"alerts/{of}/{where}", 1 / _HOUR, 1, entry.at):
        detail = audit.detail({"of": of, "more_than": PAIRS_A_DAY[of]})
        audit.add(tx, replace(entry, detail=detail))


def take_turn(tx: Connection, source: str, now: datetime) -> timedelta:
    """Let a source that is not known try once more; zero, or how long it must wait."""
    limit = PAIRS_A_DAY["everywhere"]
    if grants.is_empty(tx, _EVERYWHERE, limit / _DAY, limit, now):
        key = f"turns/few/{source_key(source)}"
        wait = grants.take(tx, key, _FEW_TURNS / _HOUR, _FEW_TURNS, now)
        if wait:
            return wait
    for of, (where, turns) in _TURNS.items():
        key = f"turns/{of}/{where(source)}"
        wait = grants.take(tx, key, turns / _HOUR, turns, now)
        if wait:
            return wait
    return timedelta(0)


class Alerts:
    """Alerts as they come in, for whoever watches; of the past only the audit record tells."""

    def __init__(self, identity: Database) -> None:
        self._identity = identity
        self._newest: int | None = None
        self._told: set[int] = set()

    def fresh(self) -> list[audit.Entry]:
        """The alerts since this was asked before; the first time, none."""
        with self._identity.reading() as tx:
            newest = audit.newest(tx)
            before = newest if self._newest is None else min(self._newest, newest)
            found = audit.of_action(tx, ALERT, before - _LATE)
        fresh = [each for each in found if self._newest is not None and each.id not in self._told]
        self._newest, self._told = newest, {each.id for each in found}
        return fresh
