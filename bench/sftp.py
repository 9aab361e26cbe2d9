"""1 GiB over SFTP, beside OpenSSH's own server: put and get with the OpenSSH client."""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes, seeding, servers
from bench.nginx import CannotMeasure
from bench.processes import cpu_seconds, free_port
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG
from bench.setting import Setting
from transom.core.retention import SYSTEM
from transom.domain.identity import PublicKey

LEAST = {"put": 1.1, "get": 1.1}
LEAST_SMALL = 0.9
MOST_CPU = 0.85
SSHD = Path("/usr/sbin/sshd")
_NAME = "large.bin"
_MIB = 1 << 20
_MEGA = 1e6
_SMALL = ("-B", "32768")
_METHOD = """\
The OpenSSH client (`sftp -b`), whole sessions with sign-in by an Ed25519 key,
aes128-gcm@openssh.com, turns alternating, everything on the RAM disk, both ends sharing the cores.
OpenSSH: its own `sshd` with `internal-sftp`, which neither hashes, archives nor tracks. Transom:
`transom-server run`, one process; each put was hashed, fsynced, archived and tracked. MB are 10^6
bytes; the ratio is the median of the rounds' ratios; CPU is the server's, user and system, of all
its processes."""


@dataclass
class _Rounds:
    speeds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """A server to talk to, as the client's arguments; `folder` is where it puts, `file` it gets."""

    options: tuple[str, ...]
    address: str
    inbound: str
    outbound: str
    cpu: Callable[[], float]


def measure(setting: Setting) -> list[Report]:
    if not SSHD.exists():
        raise CannotMeasure("OpenSSH's server is missing (Debian: openssh-server)")
    directory = setting.directory("sftp")
    file = directory / _NAME
    _fill(file, setting.file_bytes)
    report = Report(
        f"SFTP, {setting.file_bytes / (1 << 30):g} GiB, beside OpenSSH",
        _METHOD,
        ("", "Transom MB/s", "OpenSSH MB/s", "ratio", "Transom CPU s/GiB", "OpenSSH CPU s/GiB"),
    )
    with ExitStack() as stack:
        key = _key(directory)
        ours = stack.enter_context(_transom(directory / "ours", key, file))
        theirs = stack.enter_context(_openssh(directory / "theirs", key, file))
        for verb in ("put", "get"):
            for extra, what in (((), verb), (_SMALL, f"{verb}, 32 KiB packets")):
                ratio, cpu = _pair(setting, (ours, theirs), (verb, extra), report, what)
                least = LEAST_SMALL if extra else LEAST[verb]
                report.aim(f"{what}, of OpenSSH's speed", ratio, least, "")
                if what == "put":
                    report.limit("put, CPU of OpenSSH's", cpu, MOST_CPU, "")
    return [report]


def _pair(
    setting: Setting,
    places: tuple[_Place, _Place],
    job: tuple[str, tuple[str, ...]],
    report: Report,
    what: str,
) -> tuple[float, float]:
    found = (_Rounds(), _Rounds())
    for number in range(setting.rounds + 1):  # the first warms the RAM disk up
        for side in (0, 1) if number % 2 else (1, 0):
            before = places[side].cpu()
            speed = _transfer(places[side], *job, setting.file_bytes)
            if number:
                found[side].speeds.append(speed)
                spent = places[side].cpu() - before
                found[side].cpu.append(spent * (1 << 30) / setting.file_bytes)
    ours, theirs = found
    ratio = median(a / b for a, b in zip(ours.speeds, theirs.speeds, strict=True))
    cpu = median(a / b for a, b in zip(ours.cpu, theirs.cpu, strict=True))
    report.rows.append(
        (
            what,
            f"{median(ours.speeds):,.0f}",
            f"{median(theirs.speeds):,.0f}",
            f"{ratio:.2f}",
            f"{median(ours.cpu):.2f}",
            f"{median(theirs.cpu):.2f}",
        )
    )
    report.raw(f"{what}, Transom MB/s", ours.speeds)
    report.raw(f"{what}, OpenSSH MB/s", theirs.speeds)
    return ratio, cpu


def _transfer(place: _Place, verb: str, extra: tuple[str, ...], size: int) -> float:
    """MB/s of a whole session with one transfer."""
    line = f"put {place.inbound}" if verb == "put" else f"get {place.outbound} /dev/null"
    command = ["sftp", "-q", "-b", "-", *extra, *place.options, place.address]
    began = time.monotonic()
    done = subprocess.run(
        command, input=line.encode(), capture_output=True, check=False, timeout=300
    )
    taken = time.monotonic() - began
    assert done.returncode == 0, done.stderr.decode()
    return size / taken / _MEGA


# --- the two servers -----------------------------------------------------------------------------


@contextmanager
def _transom(directory: Path, key: Path, file: Path) -> Iterator[_Place]:
    port = free_port()
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    text = config.read_text()
    config.write_text(
        f'{text}\n[sftp]\nlisten = "127.0.0.1:{port}"\nhost_key_directory = "{directory}/host"\n'
    )
    algorithm, blob, *_ = key.with_suffix(".pub").read_text().split()
    with seeding.administering(config) as exchange:
        (login,) = seeding.seed(exchange, 1)
        public = PublicKey(algorithm, base64.b64decode(blob))
        exchange.administration.add_key(SYSTEM, login.user, public, "bench", None)
        with file.open("rb") as content:
            seeding.publish(exchange, _NAME, iter(lambda: content.read(_MIB), b""))
    blobs = directory / "files" / "blobs"
    kept = set(blobs.glob("*/*"))
    with servers.production(config) as server:

        def cpu() -> float:
            for each in set(blobs.glob("*/*")) - kept:
                each.unlink()  # makes room again
            return cpu_seconds(server.pid)

        _await_port(port)
        yield _Place(
            _options(port, key),
            f"{login.user}@127.0.0.1",
            f"{file} /{ORG}/{APPLICATION}/in/{_NAME}",
            f"/{ORG}/{APPLICATION}/out/{_NAME}",
            cpu,
        )


@contextmanager
def _openssh(directory: Path, key: Path, file: Path) -> Iterator[_Place]:
    directory.mkdir()
    port, me = free_port(), pwd.getpwuid(os.getuid()).pw_name
    host = directory / "host"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    config = directory / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\nUsePAM no\n"
        f"StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"AuthorizedKeysFile {key.with_suffix('.pub')}\nSubsystem sftp internal-sftp\n"
    )
    target = directory / "put.bin"
    with processes.running([SSHD, "-D", "-e", "-f", config], directory / "log") as process:
        _await_port(port)
        yield _Place(
            _options(port, key),
            f"{me}@127.0.0.1",
            f"{file} {target}",
            str(file),
            lambda: _with_children(process.pid),
        )


def _with_children(pid: int) -> float:
    """CPU seconds of a process and of its children, once these have ended."""
    until = time.monotonic() + servers.SECONDS_TO_START
    while processes.children(pid) and time.monotonic() < until:
        time.sleep(0.01)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _options(port: int, key: Path) -> tuple[str, ...]:
    options = {
        "Port": port,
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "Ciphers": "aes128-gcm@openssh.com",
        "ControlPath": "none",
    }
    said = (part for name, value in options.items() for part in ("-o", f"{name}={value}"))
    return ("-F", "/dev/null", *said)


def _key(directory: Path) -> Path:
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    return key


def _await_port(port: int) -> None:
    import socket  # noqa: PLC0415

    until = time.monotonic() + servers.SECONDS_TO_START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _fill(file: Path, size: int) -> str:
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(size // _MIB):
            block = os.urandom(_MIB)
            digest.update(block)
            out.write(block)
    return digest.hexdigest()
