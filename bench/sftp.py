"""Large files over SFTP, beside OpenSSH's own server: put and get with the OpenSSH client."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import sftp_servers
from bench.report import Report, median
from bench.setting import Setting
from bench.sftp_servers import Place

_MEGA = 1e6
_GIB = 1 << 30
_SECONDS = 600
_SMALL = ("-B", "32768")
_METHOD = """\
The OpenSSH client (`sftp -b`), whole sessions with sign-in by an Ed25519 key,
aes128-gcm@openssh.com, turns alternating, everything on the RAM disk, both ends sharing the cores.
OpenSSH: its own `sshd` with `internal-sftp`, which neither hashes, archives nor tracks. Transom:
`transom-server run`, one process, and two for four sessions at once, which carry a quarter of the
bytes each; each put was hashed, fsynced, archived and tracked. SHA-256 alone takes 0.53 s of CPU
for each GiB here, and with both ends on two cores the speed of a put follows from the CPU time of
all. MB are 10^6 bytes; the ratio is the median of the rounds' ratios; CPU is the server's, user and
system, of all its processes."""


@dataclass(frozen=True)
class _Job:
    """What is measured: a verb with options of the client, and what it must reach of OpenSSH's."""

    what: str
    verb: str
    least: float
    options: Sequence[str] = ()
    sessions: int = 1
    most_cpu: float | None = None


_JOBS = (
    _Job("put", "put", 1.1, most_cpu=0.85),
    _Job("get", "get", 1.1),
    _Job("put, 32 KiB packets", "put", 0.9, _SMALL),
    _Job("get, 32 KiB packets", "get", 0.9, _SMALL),
    _Job("put, four sessions", "put", 1.0, sessions=4),
    _Job("get, four sessions", "get", 1.2, sessions=4),
)


@dataclass
class _Rounds:
    speeds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(setting: Setting) -> list[Report]:
    """Every job in turn."""
    sftp_servers.require()
    directory = setting.directory("sftp")
    report = Report(
        f"SFTP, {setting.file_bytes / _GIB:g} GiB, beside OpenSSH",
        _METHOD,
        ("", "Transom MB/s", "OpenSSH MB/s", "ratio", "Transom CPU s/GiB", "OpenSSH CPU s/GiB"),
    )
    key = sftp_servers.key(directory)
    for sessions in (1, 4):
        size = setting.file_bytes // sessions
        within = directory / f"{sessions}"
        within.mkdir()
        file = sftp_servers.filled(within, size)
        with ExitStack() as stack:
            workers = 1 if sessions == 1 else 2
            ours = stack.enter_context(sftp_servers.transom(within / "ours", key, file, workers))
            theirs = stack.enter_context(sftp_servers.openssh(within / "theirs", key, file))
            for job in (each for each in _JOBS if each.sessions == sessions):
                _compare(setting, (ours, theirs), job, file, report)
    return [report]


def _compare(
    setting: Setting, places: tuple[Place, Place], job: _Job, file: Path, report: Report
) -> None:
    found = (_Rounds(), _Rounds())
    size = file.stat().st_size * job.sessions
    for number in range(setting.rounds + 1):  # the first warms the RAM disk up
        for side in (0, 1) if number % 2 else (1, 0):
            before = places[side].cpu()
            places[side].make_room()
            with setting.watch(places[side].pid, f"{'Beside ' if side else ''}{job.what}"):
                taken = _seconds(places[side], job, file)
            spent = places[side].cpu() - before
            if number:
                found[side].speeds.append(size / taken / _MEGA)
                found[side].cpu.append(spent * _GIB / size)
    _tell(report, job, *found)


def _tell(report: Report, job: _Job, ours: _Rounds, theirs: _Rounds) -> None:
    ratio = median(a / b for a, b in zip(ours.speeds, theirs.speeds, strict=True))
    row = [f"{median(each.speeds):,.0f}" for each in (ours, theirs)] + [f"{ratio:.2f}"]
    report.rows.append((job.what, *row, *(f"{median(each.cpu):.2f}" for each in (ours, theirs))))
    report.aim(f"{job.what}, of OpenSSH's speed", ratio, job.least, "")
    if job.most_cpu is not None:
        cpu = median(a / b for a, b in zip(ours.cpu, theirs.cpu, strict=True))
        report.limit(f"{job.what}, CPU of OpenSSH's", cpu, job.most_cpu, "")
    for name, each in (("Transom", ours), ("OpenSSH", theirs)):
        report.raw(f"{job.what}, {name} MB/s", each.speeds)
        report.raw(f"{job.what}, {name} CPU s/GiB", each.cpu, 2)


def _seconds(place: Place, job: _Job, file: Path) -> float:
    """How long all sessions together take, from the first sign-in to the last end."""
    began = time.monotonic()
    clients = [_client(place, job, file, number) for number in range(job.sessions)]
    for each in clients:
        _, complaint = each.communicate(timeout=_SECONDS)
        assert each.returncode == 0, complaint
    return time.monotonic() - began


def _client(place: Place, job: _Job, file: Path, number: int) -> subprocess.Popen[str]:
    line = f"put {file} {place.inbound}/{number}.bin"
    if job.verb == "get":
        line = f"get {place.outbound} /dev/null"
    client = subprocess.Popen(
        [*place.command, *job.options, place.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    client.stdin.write(line)
    client.stdin.flush()
    return client
