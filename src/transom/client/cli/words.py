"""How sizes, times, digests and other people's text are written for people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from transom.client.cli.exits import WrongUse

_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_KILO: Final = 1000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_DAYS_FROM: Final = 3 * _DAY
_DURATION: Final = re.compile(r"([0-9]{1,6})\s*(s|m|h|d|w)?")
_UNITS: Final = {"": 1, "s": 1, "m": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"])")
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional too), surrogate, private, unassigned; line separators."""


def visible(text: str, *, ascii_only: bool = False) -> str:
    r"""Text from elsewhere, on one line, with everything that a terminal could obey written out.

    An escape becomes \x1b, a new line \n, a right-to-left override \u202e.
    """
    return "".join(
        _escaped(each)
        if unicodedata.category(each) in _UNSAFE or (ascii_only and not each.isascii())
        else each
        for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def width(text: str) -> int:
    """The columns that visible text takes in a terminal."""
    return sum(
        0
        if unicodedata.category(each) in {"Mn", "Me"}
        else 2
        if unicodedata.east_asian_width(each) in {"W", "F"}
        else 1
        for each in text
    )


def shortened(text: str, columns: int, dots: str = "...") -> str:
    """The text in at most so many columns, with dots in its middle when it does not fit."""
    if width(text) <= columns:
        return text
    room = max(columns - width(dots), 2)
    head, tail = room - room // 2, room // 2
    return f"{text[:head]}{dots}{text[-tail:]}"


def size(count: int) -> str:
    """Bytes in three significant digits, decimal: 2.31 MB."""
    if count < _KILO:
        return f"{count} B"
    amount = float(count)
    for unit in _SIZES:
        digits = f"{amount:.3g}"
        if float(digits) < _KILO:
            whole, _, fraction = digits.partition(".")
            padded = f"{whole}.{fraction:0<{3 - len(whole)}}" if len(whole) < len("999") else whole
            return f"{padded} {unit}"
        amount /= _KILO
    return f"{count} B"


def duration(seconds: float) -> str:
    """A time span as tables write it: 9s, 3m53s, 26h, 12d."""
    whole = max(round(seconds), 0)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return _two(whole // _MINUTE, "m", whole % _MINUTE, "s")
    if whole < 10 * _HOUR:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "m")
    return f"{whole // _HOUR}h" if whole < _DAYS_FROM else f"{whole // _DAY}d"


def _two(first: int, unit: str, second: int, lesser: str) -> str:
    return f"{first}{unit}{second}{lesser}" if second else f"{first}{unit}"


def seconds_of(text: str, option: str) -> float:
    """Read 90, 90s, 30m, 2h, 7d or 2w.

    Raises:
        WrongUse: it is something else.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise WrongUse(f'"{text}" is no time for {option}. Write it like 90s, 30m, 2h or 7d.')
    return float(int(found[1]) * _UNITS[found[2] or ""])


def since(text: str, now: datetime) -> datetime:
    """Read a date (local midnight), an instant, or how long ago: 2026-11-01, 7d.

    Raises:
        WrongUse: it is none of these.
    """
    if _DURATION.fullmatch(text.strip()) and not text.strip().isdigit():
        return now - timedelta(seconds=seconds_of(text, "--since"))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        rule = "Write a date like 2026-11-01, an instant, or how long ago, like 7d."
        raise WrongUse(f'"{text}" is no time for --since. {rule}') from None
    return found.astimezone() if found.tzinfo is None else found


def digest(sha256: str) -> str:
    """A digest for people: its first and last 8 digits."""
    return f"{sha256[:8]}...{sha256[-8:]}"


def instant(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond, for machines."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def zone_of(at: datetime, zone: tzinfo | None) -> str:
    """The abbreviation of the zone at an instant; its offset where there is only a long name."""
    local = at.astimezone(zone)
    name = local.tzname() or ""
    return name if re.fullmatch(r"[A-Z]{2,5}", name) else f"UTC{local:%z}"


def moment(at: datetime, zone: tzinfo | None) -> str:
    """One instant with its zone: 2026-11-20 14:36 CST."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} {zone_of(at, zone)}"


def moments(
    instants: Sequence[datetime | None], zone: tzinfo | None
) -> tuple[str, tuple[str, ...]]:
    """A column of instants: what to add to its head, and its cells; None is an empty cell.

    The zone stands in the head; when summer time ends in between, in each cell.
    """
    zones = {zone_of(each, zone) for each in instants if each is not None}
    if len(zones) > 1:
        return "", tuple("" if each is None else moment(each, zone) for each in instants)
    cells = ("" if each is None else f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in instants)
    return "".join(f" ({name})" for name in zones), tuple(cells)


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Each tracking id by its first 8 where that is unique among them, else whole."""
    every = list(ids)
    firsts = [each[:8] for each in every]
    return {
        each: each[:8] if firsts.count(each[:8]) == 1 else each for each in dict.fromkeys(every)
    }


def sentences(message: str) -> tuple[str, str]:
    """What happened, and the rest: why, and what to do."""
    first, *rest = _SENTENCE_END.split(message.strip(), maxsplit=1)
    return first, "".join(rest)


def count(number: int, noun: str) -> str:
    """1 file, 2 files, 1,243 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
