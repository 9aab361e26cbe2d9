"""What a watcher has under way, on disk: the memory that survives a kill.

One small file per upload in DIR/.transom-watch/, written whole, and on disk before the step that it
announces is taken:

    begun       nothing was asked of the server yet, or no tracking id came: no byte was sent
    requested   the tracking id is known; bytes may have been sent
    uncertain   every byte was sent and no answer came
    received    the server has it; the file is to be moved
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from transom.client.cli.exits import WrongUse

DIRECTORY: Final = ".transom-watch"
BEGUN, REQUESTED, UNCERTAIN, RECEIVED = "begun", "requested", "uncertain", "received"
_SUFFIX: Final = ".upload"


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload: which file (as it was), where to, and how far it came."""

    name: str
    size: int
    mtime_ns: int
    place: str
    step: str = BEGUN
    tracking_id: str = ""
    sha256: str = ""

    def is_of(self, path: Path) -> bool:
        """Whether the file is there, as it was when the upload began."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


class Journal:
    """The entries of one watched directory."""

    def __init__(self, watched: Path) -> None:
        self._directory = watched / DIRECTORY
        self._directory.mkdir(exist_ok=True)

    def entries(self) -> list[Entry]:
        """Everything that is under way.

        Raises:
            WrongUse: a file cannot be read; what it was about must not be guessed.
        """
        return [_read(path) for path in sorted(self._directory.glob(f"*{_SUFFIX}"))]

    def write(self, entry: Entry) -> None:
        """Note an entry in place of the one of the same name; on disk when this returns."""
        path = self._path(entry.name)
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as out:
            json.dump(asdict(entry), out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        _sync(self._directory)

    def remove(self, entry: Entry) -> None:
        """Forget an entry: nothing of it is left to do."""
        self._path(entry.name).unlink(missing_ok=True)
        _sync(self._directory)

    def _path(self, name: str) -> Path:
        # A digest, as the name itself may be as long as a name can be.
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:40]}{_SUFFIX}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only watcher of the directory; the system lets go when the process ends.

        SQLite is the one portable lock in the standard library that a killed process cannot leave
        behind. It does not hold between machines on every network file system.

        Raises:
            WrongUse: another process watches it.
        """
        lock = sqlite3.connect(self._directory / "lock", timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as taken:
            lock.close()
            where = self._directory.parent
            raise WrongUse(
                f"{where} is being watched already. End the other one, or watch another directory."
            ) from taken
        try:
            yield
        finally:
            lock.close()


def _read(path: Path) -> Entry:
    try:
        return Entry(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as broken:
        raise WrongUse(
            f"{path} cannot be read. It tells about an upload under way: look with `transom track`"
            " whether that file was received, then remove it."
        ) from broken


def _sync(directory: Path) -> None:
    """See that a directory's entries are on disk, where a directory can be opened."""
    if os.name != "posix":
        return
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
