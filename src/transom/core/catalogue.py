"""Read a catalogue from TOML: the one of guide section 9, or an operator's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transom.domain.errors import BadName, BadParameter
from transom.domain.names import (
    ARCHIVE_SUFFIX,
    ARCHIVE_SUFFIX_ALIAS,
    parse_application,
    parse_sub_space,
)
from transom.domain.space import OPEN_SET, Application, Direction, Emptied, OrgKind, SubSpace

GUIDE = Path(__file__).with_name("catalogue.toml")
"""The applications of the guide, ready to load."""

_DAYS = "a number of days from 1, or left out"
_FORMS: Mapping[str, tuple[type, str]] = {
    "direction": (str, "inbound or outbound, as a text"),
    "retention_days": (int, _DAYS),
    "emptied": (str, "leased or at_commit, as a text"),
    "archived": (bool, "true or false"),
    "may_submit": (list, "a list of kinds of organization"),
    "gate": (str, "a text"),
}
_KEYS = frozenset(_FORMS)


def read(path: Path) -> list[Application]:
    """Every application in a catalogue file; catalogue.toml beside this module explains the form.

    Raises:
        BadParameter: says which application, sub-space and key, and what was expected.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise BadParameter(path.name, str(failure)) from failure
    return [application(name, table) for name, table in content.items()]


def application(name: str, table: object) -> Application:
    """One application, from its title and its sub-spaces as a catalogue file has them.

    Raises:
        BadParameter: as read().
    """
    if not isinstance(table, Mapping) or not isinstance(table.get("title"), str):
        raise BadParameter(name, "an application is a table with a title")
    try:
        parse_application(name)
        spaces = {
            space: _sub_space(name, space, keys)
            for space, keys in table.items()
            if space != "title"
        }
    except BadName as bad:
        where = name if bad.name == name else f"{name}.{bad.name}"
        raise BadParameter(where, bad.why) from bad
    return Application(name, table["title"], spaces)


def _sub_space(application: str, name: str, keys: object) -> SubSpace:
    where = f"{application}.{name}"
    if name != OPEN_SET:
        parse_sub_space(name)
    if not isinstance(keys, Mapping):
        raise BadParameter(where, "a sub-space is a table")
    if unknown := sorted(set(keys) - _KEYS):
        raise BadParameter(
            f"{where}.{unknown[0]}", f"unknown; known are {', '.join(sorted(_KEYS))}"
        )
    for key, (kind, form) in _FORMS.items():
        if key in keys and type(keys[key]) is not kind:
            raise BadParameter(f"{where}.{key}", form)
    return _checked(where, application, name, keys)


def _checked(where: str, application: str, name: str, keys: Mapping[str, Any]) -> SubSpace:
    try:
        direction = Direction(keys["direction"])
        space = SubSpace(
            application=application,
            name=name,
            direction=direction,
            retention_days=keys.get("retention_days"),
            emptied=Emptied(keys.get("emptied", Emptied.LEASED)),
            archived=keys.get("archived", direction is Direction.INBOUND),
            may_submit=frozenset(OrgKind(kind) for kind in keys.get("may_submit", OrgKind)),
            gate=keys.get("gate", ""),
        )
    except KeyError as missing:
        raise BadParameter(where, f"{missing} is missing") from missing
    except ValueError as wrong:
        raise BadParameter(where, str(wrong)) from wrong
    if direction is Direction.ARCHIVE or name.endswith((ARCHIVE_SUFFIX, ARCHIVE_SUFFIX_ALIAS)):
        raise BadParameter(where, "archives are made by themselves, beside inbound sub-spaces")
    if space.archived and (direction is not Direction.INBOUND or name == OPEN_SET):
        raise BadParameter(f"{where}.archived", "only inbound sub-spaces have archives")
    if direction is Direction.INBOUND and space.retention_days is not None:
        raise BadParameter(
            f"{where}.retention_days", "inbound files are moved at once; leave it out"
        )
    days = space.retention_days
    if days is not None and days < 1:
        raise BadParameter(f"{where}.retention_days", _DAYS)
    return space
