"""Exit codes, and how several ends become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from transom.client.errors import ClientError

DONE: Final = 0
FAULT: Final = 1
WRONG_USE: Final = 2
NO_ANSWER_YET: Final = 9
REJECTED: Final = 10
PARTIALLY_REJECTED: Final = 11
ABANDONED: Final = 12
MIXED: Final = 13
STOPPED: Final = 130

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        DONE: "done; with --wait: accepted",
        FAULT: "unexpected fault: the server's, or a bug; the id is for support",
        WRONG_USE: "wrong use: option, argument, or a question without a terminal",
        3: "not found, or not yours (told apart nowhere)",
        4: "sign-in needed, refused, locked or expired",
        5: "signed in, but not entitled",
        6: "refused by a rule: name, size, direction, state, limit",
        7: "not complete: cut off, digest differs, file changed; nothing submitted",
        8: "server or network not reachable, or busy; nothing submitted; safe to run again",
        NO_ANSWER_YET: "wait limit reached: received, not yet answered",
        REJECTED: "rejected",
        PARTIALLY_REJECTED: "partially rejected",
        ABANDONED: "abandoned",
        MIXED: "several files with different ends; see each line",
        14: "not known whether it was received: no answer after all bytes;"
        " ask `transom track ID` before sending again",
        STOPPED: "stopped by Ctrl-C",
    }
)
"""What each code means. They never change meaning; new ones are added at the end."""

_BY_STATE: Mapping[str, int] = MappingProxyType(
    {
        "accepted": DONE,
        "rejected": REJECTED,
        "partially_rejected": PARTIALLY_REJECTED,
        "abandoned": ABANDONED,
    }
)


class WrongUse(ClientError):
    """An option or argument that cannot be used, or a question that nobody is there to answer.

    Notes (`add_note`) on this or any other error are commands to try.
    """

    default_code = "wrong_use"
    exit_code = WRONG_USE


def of_state(state: str) -> int:
    """The code for a submission that was waited for and stands so."""
    return _BY_STATE.get(state, NO_ANSWER_YET)


def of_all(codes: Iterable[int]) -> int:
    """The one code of several files: theirs when it is the same, else 13. None at all: 0."""
    different = set(codes)
    return different.pop() if len(different) == 1 else MIXED if different else DONE
