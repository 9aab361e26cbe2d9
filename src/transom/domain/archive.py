"""The archive's names, and when things end. The only module that knows of a local time zone.

A day is a calendar day in the operator's zone (US Eastern by default), so a day may have 23 or 25
hours. Guide section 9 gives the name's form; FAQ 4 the thirty days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def archive_name(name: str, received_at: datetime, zone: ZoneInfo) -> str:
    """The archive's file name: local time to the millisecond, underscore, original name."""
    local = received_at.astimezone(zone)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}_{name}"


def archive_names(name: str, received_at: datetime, zone: ZoneInfo) -> Iterator[str]:
    """Names to try in order: the true one, then one millisecond further each time.

    Two uploads of one name may meet in one millisecond, or in the hour that comes twice a year.
    """
    at = received_at
    while True:
        yield archive_name(name, at, zone)
        at += timedelta(milliseconds=1)


def ends_after(start: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The instant at which something kept for so many calendar days ends.

    What starts on local day D stays through day D + days: it ends as day D + days + 1 begins.
    """
    day = start.astimezone(zone).date() + timedelta(days=days + 1)
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def starts_before(now: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The earliest start of anything kept for so many days that has not ended at `now`."""
    day = now.astimezone(zone).date() - timedelta(days=days)
    return datetime.combine(day, time.min, zone).astimezone(UTC)
