"""Where temporary names have no meaning: for which accounts, and in which sub-spaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, tuple_

from transom.records.database import insert_new, rows
from transom.records.schema import unheld


@dataclass(frozen=True, slots=True)
class Exempt:
    """An account (by its principal's id), or a sub-space of an application."""

    principal_id: str = ""
    application: str = ""
    sub_space: str = ""


def any_of(tx: Connection, asked: Iterable[Exempt]) -> bool:
    """Whether the rule is off for one of these."""
    here = unheld.c
    values = [(each.principal_id, each.application, each.sub_space) for each in asked]
    query = select(here.principal_id).where(
        tuple_(here.principal_id, here.application, here.sub_space).in_(values)
    )
    return tx.execute(query.limit(1)).first() is not None


def switch_off(tx: Connection, exempt: Exempt) -> bool:
    """Take the rule's meaning away there; False when it had none."""
    return insert_new(tx, unheld, _values(exempt))


def switch_on(tx: Connection, exempt: Exempt) -> bool:
    """Give the rule its meaning back there; False when it had it."""
    change = delete(unheld)
    for name, value in _values(exempt).items():
        change = change.where(unheld.c[name] == value)
    return rows(tx, change) == 1


def exempt_sub_spaces(tx: Connection, application: str) -> set[str]:
    """The sub-spaces of an application in which the rule is off."""
    query = select(unheld.c.sub_space).where(unheld.c.application == application)
    return set(tx.execute(query).scalars())


def _values(exempt: Exempt) -> dict[str, str]:
    return {
        "principal_id": exempt.principal_id,
        "application": exempt.application,
        "sub_space": exempt.sub_space,
    }
