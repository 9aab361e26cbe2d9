"""What clients see of files and folders: sizes, times, modes, and the lines of `ls -l`.

Owners are shown by name only: the organization, and the application as the group. Modes tell what
this account may do; there is nothing to be set.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from transom.frontends.sftp.wire import Attributes, Name

_FOLDER, _INBOX = stat.S_IFDIR | 0o555, stat.S_IFDIR | 0o755
_READABLE, _SENT = stat.S_IFREG | 0o444, stat.S_IFREG | 0o200
_RECENT = timedelta(days=182)


def folder(at: datetime, *, writable: bool = False) -> Attributes:
    """A level above files; writable ones take uploads."""
    return Attributes(0, _INBOX if writable else _FOLDER, _seconds(at))


def file(size: int, at: datetime) -> Attributes:
    """A file that can be read."""
    return Attributes(size, _READABLE, _seconds(at))


def sent(size: int, at: datetime) -> Attributes:
    """A file on its way in, or received: nobody reads it there."""
    return Attributes(size, _SENT, _seconds(at))


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


@dataclass(frozen=True, slots=True)
class Listed:
    """Makes the entries of one folder, whose files belong to `owner` and `group`."""

    zone: ZoneInfo
    now: datetime
    owner: str = "transom"
    group: str = "transom"

    def entry(self, name: str, found: Attributes) -> Name:
        """One entry, its times in the exchange's zone as `ls -l` writes them."""
        mode, size = stat.filemode(found.mode), found.size
        line = f"{mode}    1 {self.owner:<8} {self.group:<8} {size:>12} {self._time(found)} {name}"
        return Name(name, line, found)

    def _time(self, found: Attributes) -> str:
        at = datetime.fromtimestamp(found.modified, self.zone)
        month = _MONTHS[at.month - 1]  # never by the machine's language
        if abs(self.now - at) < _RECENT:
            return f"{month} {at.day:>2} {at:%H:%M}"
        return f"{month} {at.day:>2}  {at:%Y}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
