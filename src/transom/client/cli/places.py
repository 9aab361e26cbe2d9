"""Places as people type them: org/application/sub-space[/file], the org left out if it is known."""

from __future__ import annotations

import re
from typing import Final

from transom.client.cli.exits import WrongUse

_ORG: Final = re.compile(r"[0-9]{1,20}")
_LEVEL: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_APPLICATION_LEVELS: Final = 2
_FOLDER_LEVELS: Final = 3


def whole(text: str, org: str = "") -> str:
    """The path from the organization down, without slashes at its ends.

    A first level that is all digits is an organization; before any other one `org` is put, when
    there is one.
    """
    path = text.strip("/")
    first = path.partition("/")[0]
    if not org or _ORG.fullmatch(first):
        return path
    return f"{org}/{path}" if path else org


def level(text: str, org: str = "") -> str:
    """A level to look at: the root, an organization, an application or a sub-space.

    Raises:
        WrongUse: it is something else.
    """
    path = whole(text, org)
    parts = path.split("/") if path else []
    if len(parts) > _FOLDER_LEVELS or not _legal(parts):
        raise _not_a_place(text, "a place is org/application/sub-space, from the left")
    return path


def application(text: str, org: str = "") -> str:
    """An organization's application.

    Raises:
        WrongUse: it is not org/application.
    """
    path = whole(text, org)
    parts = path.split("/")
    if len(parts) != _APPLICATION_LEVELS or not _legal(parts):
        raise _not_a_place(text, "an application is org/application, like 0001/r4530")
    return path


def sub_space(text: str, org: str = "") -> str:
    """A place that files are in or go to.

    Raises:
        WrongUse: it is not org/application/sub-space.
    """
    path = whole(text, org)
    parts = path.split("/")
    if len(parts) != _FOLDER_LEVELS or not _legal(parts):
        raise _not_a_place(text, "a place is org/application/sub-space, like 0001/r4530/in")
    return path


def file(text: str, org: str = "") -> tuple[str, str]:
    """A file's place and name.

    Raises:
        WrongUse: it is not org/application/sub-space/file.
    """
    place, _, name = whole(text, org).rpartition("/")
    parts = place.split("/")
    if len(parts) != _FOLDER_LEVELS or not _legal(parts) or text.endswith("/"):
        raise _not_a_place(text, "a file is org/application/sub-space/name")
    return place, name


def short(path: str, org: str) -> str:
    """The path as its owner types it: without the organization that the profile names."""
    return path.removeprefix(f"{org}/") if org else path


def _legal(parts: list[str]) -> bool:
    return all(map(_LEVEL.fullmatch, parts)) and (not parts or bool(_ORG.fullmatch(parts[0])))


def _not_a_place(text: str, rule: str) -> WrongUse:
    error = WrongUse(f'"{text}" is no place here. {rule[0].upper()}{rule[1:]}.')
    error.add_note("transom help places")
    return error
