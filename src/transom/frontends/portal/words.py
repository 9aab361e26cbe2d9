"""Values as pages write them: moments, sizes, digests and names (design guide, 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from markupsafe import Markup

from transom.domain.submission import AccessMethod, State
from transom.frontends.portal.language import gettext, marked, ngettext, present

EASTERN = ZoneInfo("America/New_York")
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000
_NAME_CHARACTERS = 44
_DIGEST_ENDS = 8
_MONTHS = (
    *(marked("Jan"), marked("Feb"), marked("Mar"), marked("Apr"), marked("May"), marked("Jun")),
    *(marked("Jul"), marked("Aug"), marked("Sep"), marked("Oct"), marked("Nov"), marked("Dec")),
)


def moment(at: datetime, zone: str) -> Markup:
    """An instant in someone's zone, as prose has it: Nov 20, 2026, 2:36 PM CST."""
    local = at.astimezone(ZoneInfo(zone))
    words = gettext(
        "%(month)s %(day)d, %(year)d, %(time)s",
        month=gettext(_MONTHS[local.month - 1]),
        day=local.day,
        year=local.year,
        time=clock(at, zone),
    )
    return _time(at, words)


def clock(at: datetime, zone: str) -> str:
    """The time of day of an instant in someone's zone, where the day is clear: 2:45 PM CST."""
    local = at.astimezone(ZoneInfo(zone))
    if present().has_half_days:
        return f"{local.hour % 12 or 12}:{local:%M %p %Z}"
    return f"{local:%H:%M %Z}"


def exact(at: datetime, zone: str) -> Markup:
    """An instant to the second, as a record has it: 2026-11-20 14:36:01 CST."""
    return _time(at, f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}")


def machine(at: datetime | None, zone: str) -> str:
    """An instant in someone's zone for programs, with its offset; "" for none."""
    return "" if at is None else at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def stamp(at: datetime, zone: str, now: datetime | None = None) -> Markup:
    """An instant as tables have it, the zone in their head: 2026-11-20 14:36.

    With `now`, at which the head was written, the zone is told where the clocks were changed since.
    """
    form = "%Y-%m-%d %H:%M"
    if now is not None and zone_name(at, zone) != zone_name(now, zone):
        form += " %Z"
    return _time(at, f"{at.astimezone(ZoneInfo(zone)):{form}}")


def eastern(at: datetime) -> Markup:
    """An instant in US Eastern, to the second: 2026-11-20 15:36:01 EST."""
    return _time(at, f"{at.astimezone(EASTERN):%Y-%m-%d %H:%M:%S %Z}")


def _time(at: datetime, words: str) -> Markup:
    instant = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}">{}</time>').format(instant, words)


def zone_name(at: datetime, zone: str) -> str:
    """How a zone is abbreviated at that instant: CST."""
    return f"{at.astimezone(ZoneInfo(zone)):%Z}"


def size(count: int | None) -> str:
    """So many bytes, decimal, with three significant digits: 2.31 MB; "" when not known."""
    if count is None:
        return ""
    amount, unit = float(count), 0
    while unit + 1 < len(_UNITS) and round(amount, 3 - _digits(amount)) >= _STEP:
        amount, unit = amount / _STEP, unit + 1
    if unit == 0:
        return ngettext("%(num)d byte", "%(num)d bytes", count)
    places = max(0, 3 - _digits(amount))
    if round(amount, places) >= 10 ** _digits(amount):
        places = max(0, places - 1)
    return f"{amount:.{places}f} {_UNITS[unit]}".replace(".", present().decimal)


def _digits(amount: float) -> int:
    return len(str(int(amount)))


def count(number: int) -> str:
    """A count: 1,243."""
    spoken = present()
    if len(str(abs(number))) < spoken.least_grouped:
        return str(number)
    return f"{number:,}".replace(",", spoken.group)


def duration(seconds: float) -> str:
    """How long: 9 s, 3 min 53 s, 26 h, 12 days."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 1:
        return f"{whole} s"
    if hours < 1:
        return f"{minutes} min {whole % 60} s" if whole % 60 else f"{minutes} min"
    if hours < 48:  # noqa: PLR2004 - two days
        return f"{hours} h"
    return ngettext("%(num)d day", "%(num)d days", days)


_STATES: Mapping[State, str] = MappingProxyType(
    {
        State.REQUESTED: marked("Requested"),
        State.HELD: marked("Held until renamed"),
        State.RECEIVED: marked("Received"),
        State.ACCEPTED: marked("Accepted"),
        State.PARTIALLY_REJECTED: marked("Partially rejected"),
        State.REJECTED: marked("Rejected"),
        State.ABANDONED: marked("Abandoned"),
    }
)
_DOORS: Mapping[AccessMethod, str] = MappingProxyType(
    {
        AccessMethod.PORTAL: marked("portal"),
        AccessMethod.SFTP: "SFTP",
        AccessMethod.REST: "REST",
        AccessMethod.S3: "S3",
    }
)


def state(value: str) -> str:
    """What a state is called, everywhere."""
    return gettext(_STATES[State(value)])


def door(value: str) -> str:
    """What a door is called, everywhere."""
    return gettext(_DOORS[AccessMethod(value)])


def clipped(text: str, limit: int = 500) -> str:
    """A text that somebody else wrote, as far as there is room for it; all of one blank."""
    whole = " ".join(text.split())
    return whole if len(whole) <= limit else f"{whole[: limit - 3]}..."


def short_digest(digest: str) -> str:
    """First and last digits of a digest: 9f2c41d0...77ab03e6."""
    return f"{digest[:_DIGEST_ENDS]}...{digest[-_DIGEST_ENDS:]}" if digest else ""


def short_name(name: str) -> str:
    """A file name that fits a table, with its extension: 4530_2026Q4_nor...gate.xml."""
    if len(name) <= _NAME_CHARACTERS:
        return name
    tail = 14
    return f"{name[: _NAME_CHARACTERS - tail - 3]}...{name[-tail:]}"
