"""The SFTP door out of settings, and its place among the listeners."""

from __future__ import annotations

import logging
import socket
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from transom.frontends.sftp.attributes import Listed
from transom.frontends.sftp.door import SftpDoor, Terms, Timing
from transom.frontends.sftp.files import Manners, Surroundings
from transom.frontends.sftp.policies import POLICIES
from transom.server.host_keys import HostKeyDirectory
from transom.server.listeners import BACKLOG
from transom.server.system import SystemClock, SystemEntropy

if TYPE_CHECKING:
    from transom.core.exchange import Exchange
    from transom.frontends.workers import Workers
    from transom.ports import Clock
    from transom.server.settings import Settings


class SftpListener:
    """A door at its bound socket."""

    def __init__(self, bound: socket.socket, door: SftpDoor) -> None:
        self.socket = bound
        self.door = door

    async def start(self) -> None:
        """Accept."""
        await self.door.start(self.socket, BACKLOG)

    async def stop(self, drain_seconds: float) -> None:
        """Accept no more; what is under way has so long, then it is cut."""
        await self.door.drain(drain_seconds)
        self.socket.close()

    def let_go(self) -> None:
        """Close everything at once. May be called twice, and at any time."""
        self.door.let_go()
        self.socket.close()


def host_keys_of(settings: Settings) -> HostKeyDirectory:
    """The directory of the host keys.

    Raises:
        ValueError: the settings name none.
    """
    root = settings.sftp.host_key_directory
    if root is None:
        raise ValueError("sftp.host_key_directory is not set")
    return HostKeyDirectory(root)


def sftp_door(
    settings: Settings,
    exchange: Exchange,
    workers: Workers,
    *,
    clock: Clock | None = None,
    terms: Terms | None = None,
) -> SftpDoor:
    """The door of these settings; its host keys are made when there are none.

    Raises:
        BadHostKeys: they are there, and cannot be used.
        OSError: they cannot be made.
    """
    chosen = settings.sftp
    keys = host_keys_of(settings)
    keys.ensure()
    keys.every()
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells each step of each connection
    ignores = chosen.ignore_attributes and not chosen.strict
    around = Surroundings(
        exchange,
        workers,
        Manners(chosen.suffixes, ignores),
        partial(_listed, ZoneInfo(settings.exchange.time_zone), clock or SystemClock()),
    )
    timing = Timing(idle_seconds=chosen.idle_seconds)
    wanted = terms or Terms(timing, connections=settings.limits.connections)
    return SftpDoor(around, SystemEntropy(), POLICIES[chosen.policy], keys, wanted)


def _listed(zone: ZoneInfo, clock: Clock, owner: str, group: str) -> Listed:
    return Listed(zone, clock.now(), owner, group)
