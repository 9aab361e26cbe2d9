"""A second program on the data of a world, whose disk or database fails when told to.

Nothing is faked: the calls on which durability hangs are the real ones, until one is not made
because the machine has stopped, or answers that there is no room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from world import World

from transom.blobs.disk import DiskBlobs, DiskCalls, DiskStaged
from transom.core.bodies import Bodies
from transom.core.doorbell import Doorbell
from transom.core.downloads import Downloads
from transom.core.handoff import HandOff
from transom.core.multipart import Multiparts
from transom.core.publishing import Publishing
from transom.core.retention import Retention
from transom.core.tools import Tools
from transom.core.uploads import Uploads
from transom.domain.errors import Unavailable
from transom.records.database import Database
from transom.server.system import SystemEntropy

CALLS = ("pwrite", "pread", "fdatasync", "fsync", "link", "unlink", "rename")


class MachineStops(BaseException):
    """Nothing after this happens: no handler, no clean-up."""


@dataclass
class Steps:
    """Counts a program's steps towards what must last; the machine stops before the n-th."""

    stops_before: int = 0
    taken: int = 0

    def step(self, *_: object) -> None:
        self.taken += 1
        if 0 < self.stops_before <= self.taken:  # and nothing after it is done either
            raise MachineStops


class StoppingDatabase(Database):
    """Every statement and every commit is a step."""

    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url, pool_size=2)
        self._steps = steps
        event.listen(self.engine, "before_cursor_execute", steps.step)
        event.listen(self.engine, "commit", steps.step)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with super().transaction() as tx:
            yield tx
        self._steps.step()  # it is committed, and nobody has heard of it


class TroubledDatabase(Database):
    """Its commits happen, and the answer to the next `lost` ones is lost; or it is `gone`.

    With `failing` every transaction fails so.
    """

    lost = 0
    gone = False
    failing: Unavailable | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        if self.gone:
            raise Unavailable("database")
        if self.failing is not None:
            raise self.failing
        with super().transaction() as tx:
            yield tx
        if self.lost:
            self.lost -= 1
            raise Unavailable("database")


@dataclass
class Program:
    """One process on the data of a world, with services of its own."""

    tools: Tools
    identity: Database
    opened: dict[int, int] = field(default_factory=dict)

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.tools)

    @property
    def bodies(self) -> Bodies:
        return Bodies(self.uploads, unwrap_forms=True)

    @property
    def multiparts(self) -> Multiparts:
        return Multiparts(self.tools, self.uploads)

    @property
    def downloads(self) -> Downloads:
        return Downloads(self.tools)

    @property
    def handoff(self) -> HandOff:
        return HandOff(self.tools)

    @property
    def publishing(self) -> Publishing:
        return Publishing(self.tools, self.identity)

    @property
    def retention(self) -> Retention:
        return Retention(self.tools, self.identity)

    def ends(self) -> None:
        """What the kernel does for a dead process: its files and connections are closed."""
        for descriptor, inode in self.opened.items():
            with suppress(OSError):
                if os.fstat(descriptor).st_ino == inode:
                    os.close(descriptor)
        self.tools.database.dispose()


def url_of(world: World) -> str:
    return world.database.engine.url.render_as_string(hide_password=False)


def root_of(world: World) -> Path:
    return world.program.settings.blobs.root


def over(world: World, *, database: Database | None = None, **calls: Callable[..., Any]) -> Program:
    """A program over the world's data with these calls to the disk, and this database."""
    blobs = DiskBlobs(root_of(world), SystemEntropy(), DiskCalls(**calls))
    chosen = database or Database(url_of(world), pool_size=4)
    tools = replace(world.tools, database=chosen, blobs=blobs, doorbell=Doorbell())
    return Program(tools, chosen)


def stopping(world: World, steps: Steps) -> Program:
    """A program whose machine stops before a step."""
    opened: dict[int, int] = {}

    def stepping(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **named: Any) -> Any:
            if name in ("pwrite", "fsync", "fdatasync"):
                opened[args[0]] = os.fstat(args[0]).st_ino
            steps.step()
            return real(*args, **named)

        return call

    calls = DiskCalls(**{name: stepping(name) for name in CALLS})
    program = over(world, database=StoppingDatabase(url_of(world), steps))
    program.tools = replace(program.tools, blobs=TracedBlobs(world, calls, opened))
    program.opened = opened
    return program


class TracedBlobs(DiskBlobs):
    """Notes every file that is being received: it is locked for as long as it is open."""

    def __init__(self, world: World, calls: DiskCalls, opened: dict[int, int]) -> None:
        super().__init__(root_of(world), SystemEntropy(), calls)
        self._opened = opened

    def stage(self) -> DiskStaged:
        staged = super().stage()
        descriptor = staged._descriptor
        assert descriptor is not None
        self._opened[descriptor] = os.fstat(descriptor).st_ino
        return staged


def stopped_everywhere(world: World, story: Callable[[Program, int], None]) -> Iterator[int]:
    """Let the machine stop before the first step of a story, the second, ... until it goes through.

    Yields the number of the try after each, for the test to look at what is left.
    """
    for number in count(1):
        program, ended = stopping(world, Steps(number)), False
        try:
            story(program, number)
            ended = True
        except MachineStops:
            pass
        finally:
            program.ends()
        yield number
        if ended:
            return


class FailingCalls:
    """Calls to the disk that fail with an error number for as long as they are told to."""

    def __init__(self, *names: str, number: int = errno.ENOSPC) -> None:
        self.failing = True
        self._number = number
        self.calls = {name: self._faulty(getattr(os, name)) for name in names}

    def _faulty(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if self.failing:
                raise OSError(self._number, "planned")
            return real(*args, **named)

        return call


def files_in(world: World, kind: str) -> dict[str, Path]:
    """The files below blobs or staging, by key."""
    return {path.name: path for path in (root_of(world) / kind).rglob("*") if path.is_file()}


def date_files(world: World) -> None:
    """Date every file on the disk now, as the world's clock has it: the disk knows another one."""
    at = world.clock.wall().timestamp()
    for path in (*files_in(world, "blobs").values(), *files_in(world, "staging").values()):
        os.utime(path, (at, at))
