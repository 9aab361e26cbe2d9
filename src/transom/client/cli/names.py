"""The naming rule for files to be submitted, checked before anything is sent.

It is the server's rule (docs/reference/names.md), restated: the client stands alone. A test holds
the two together.
"""

from __future__ import annotations

import re
from typing import Final

from transom.client.errors import RefusedByRule

LIMIT_BYTES: Final = 237
_CHARACTER: Final = re.compile(r"[A-Za-z0-9:!@,&\-='_.]")
_ALLOWED: Final = "Use letters, digits and : ! @ , & - = ' _ ."
_LONGEST_SUGGESTION: Final = 60


class BadName(RefusedByRule):
    """A file name breaks the rule. `suggestion` is a name that would do, "" when there is none."""

    default_code = "bad_name"

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(f"{message} For example {suggestion}" if suggestion else message)
        self.suggestion = suggestion


def check(name: str) -> None:
    """Let a name pass that may be submitted: 1 to 237 bytes of the allowed characters.

    Raises:
        BadName: says which character offends and proposes a name.
    """
    for character in name:
        if not _CHARACTER.fullmatch(character):
            raise BadName(
                f'"{_told(character)}" is not allowed in file names. {_ALLOWED}', suggestion(name)
            )
    if not name:
        raise BadName("The file name is empty. Give the file a name.")
    if name.endswith("."):
        raise BadName("A file name cannot end in a dot. Leave it out.", suggestion(name))
    if len(name) > LIMIT_BYTES:
        raise BadName(
            f"The file name is {len(name)} bytes long, the limit is {LIMIT_BYTES}. "
            f"Shorten it by {len(name) - LIMIT_BYTES}."
        )


def suggestion(name: str) -> str:
    """The name without what offends; "" when that leaves nothing, or nothing one could read."""
    kept = "".join(each for each in name if _CHARACTER.fullmatch(each)).rstrip(".")
    return kept if 0 < len(kept) <= _LONGEST_SUGGESTION else ""


def _told(character: str) -> str:
    """The character as a person can tell it from its look-alikes."""
    number = f"U+{ord(character):04X}"
    if not character.isprintable():
        return number
    return character if character.isascii() else f"{character} ({number})"
