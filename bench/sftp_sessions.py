"""Many SFTP sessions: how fast they come in, what they hold, how soon a CLOSE is answered."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import asyncssh

from bench import processes, sftp_servers
from bench.processes import resident_bytes
from bench.report import Report, median
from bench.setting import Setting
from bench.sftp_servers import Place

_MIB = 1 << 20
_AT_ONCE = 8
_IDLE = 1000
_CLOSES = 300
_CONTENT = bytes(1 << 16)
_METHOD = f"""\
Either server on one core, an asyncssh client on the other: sign-in by an Ed25519 key, curve25519,
aes128-gcm, the SFTP session opened and closed again, {_AT_ONCE} at once, turns alternating.
Idle: {_IDLE:,} sessions open in one process, its whole resident memory beside that before them.
CLOSE: after a put of 64 KiB in a session that stays, until the reply, which comes when the file is
durable, archived and tracked (SQLite, RAM disk)."""


def measure(setting: Setting) -> list[Report]:
    """Sign-ins beside OpenSSH's, then idle sessions and closings of ours."""
    sftp_servers.require()
    directory = setting.directory("sftp")
    report = Report("SFTP sessions", _METHOD, ("", "Transom", "OpenSSH"))
    key, file = sftp_servers.key(directory), sftp_servers.filled(directory, _MIB)
    with ExitStack() as stack:
        cores = processes.last_core()
        ours = stack.enter_context(sftp_servers.transom(directory / "ours", key, file, cores=cores))
        theirs = stack.enter_context(
            sftp_servers.openssh(directory / "theirs", key, file, cores=cores)
        )
        stack.enter_context(_leaving(cores))
        _sign_ins(setting, ours, theirs, report)
        before = resident_bytes(ours.pid)
        after = asyncio.run(_idle(ours))
        _tell_idle(report, before, after)
        _tell_closings(report, asyncio.run(_closings(ours)))
    return [report]


@contextmanager
def _leaving(cores: Sequence[int]) -> Iterator[None]:
    """Keep away from these cores, which are the servers'."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - set(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@cache
def _loaded(key: Path) -> asyncssh.SSHKey:
    """Read once: it is the server that is measured."""
    return asyncssh.read_private_key(key)


@asynccontextmanager
async def _connected(place: Place) -> AsyncIterator[asyncssh.SSHClientConnection]:
    connecting = asyncssh.connect(
        "127.0.0.1",
        place.port,
        username=place.user,
        client_keys=[_loaded(place.key)],
        known_hosts=None,
        config=None,
        agent_path=None,
        server_host_key_algs=["ssh-ed25519"],
        kex_algs=["curve25519-sha256"],
        encryption_algs=["aes128-gcm@openssh.com"],
        keepalive_interval=0,
    )
    async with connecting as connection:
        yield connection


# --- sign-ins ------------------------------------------------------------------------------------


@dataclass
class _Rounds:
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _sign_ins(setting: Setting, ours: Place, theirs: Place, report: Report) -> None:
    found = (_Rounds(), _Rounds())
    for number in range(setting.rounds + 1):
        for side in (0, 1) if number % 2 else (1, 0):
            place = (ours, theirs)[side]
            before = place.cpu()
            with setting.watch(place.pid, f"{'Beside ' if side else ''}sign-ins"):
                rate = asyncio.run(_rate(place, setting.seconds))
            if number:
                found[side].rates.append(rate)
                found[side].cpu.append(1000 * (place.cpu() - before) / (rate * setting.seconds))
    rates, cpu = [each.rates for each in found], [each.cpu for each in found]
    report.rows.append(("sign-ins per second", *(f"{median(each):,.0f}" for each in rates)))
    report.rows.append(
        ("server's CPU for one sign-in", *(f"{median(each):.1f} ms" for each in cpu))
    )
    ratio = median(a / b for a, b in zip(*rates, strict=True))
    report.aim("sign-ins, of OpenSSH's", ratio, 2.0, "")
    for name, each in zip(("Transom", "OpenSSH"), found, strict=True):
        report.raw(f"sign-ins per second, {name}", each.rates)
        report.raw(f"ms of CPU for one, {name}", each.cpu, 1)


async def _rate(place: Place, seconds: float) -> float:
    began = time.monotonic()

    async def repeat() -> int:
        count = 0
        while time.monotonic() < began + seconds:
            async with _connected(place) as connection, connection.start_sftp_client():
                count += 1
        return count

    counts = await asyncio.gather(*(repeat() for _ in range(_AT_ONCE)))
    return sum(counts) / (time.monotonic() - began)


# --- idle sessions -------------------------------------------------------------------------------


async def _idle(place: Place) -> int:
    """The server's memory while many sessions are open."""
    async with AsyncExitStack() as stack:
        for _ in range(_IDLE):
            connection = await stack.enter_async_context(_connected(place))
            await stack.enter_async_context(connection.start_sftp_client())
        return resident_bytes(place.pid)


def _tell_idle(report: Report, before: int, after: int) -> None:
    each = (after - before) / _IDLE / 1024
    report.rows.append((f"memory of {_IDLE:,} idle sessions", f"{after / _MIB:.0f} MiB in all", ""))
    report.rows.append(("memory of one more idle session", f"{each:.0f} KiB", ""))
    report.limit(f"memory with {_IDLE:,} idle sessions", after / _MIB, 150, " MiB")


# --- closings ------------------------------------------------------------------------------------


async def _closings(place: Place) -> list[float]:
    """Milliseconds from CLOSE to its reply."""
    found = []
    async with _connected(place) as connection, connection.start_sftp_client() as sftp:
        for number in range(_CLOSES):
            file = await sftp.open(f"{place.inbound}/close-{number}.bin", "wb")
            await file.write(_CONTENT)
            began = time.perf_counter()
            await file.close()
            found.append(1000 * (time.perf_counter() - began))
    return found


def _tell_closings(report: Report, found: list[float]) -> None:
    p99 = statistics.quantiles(found, n=100)[-1]
    report.rows.append(("CLOSE to reply, p50 / p99", f"{median(found):.1f} / {p99:.1f} ms", ""))
