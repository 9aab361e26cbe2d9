"""Two SFTP servers side by side: ours as in production, and OpenSSH's own."""

from __future__ import annotations

import base64
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import processes, seeding, servers
from bench.nginx import CannotMeasure
from bench.processes import cpu_seconds, free_port
from bench.seeding import APPLICATION, ORG
from transom.core.retention import SYSTEM
from transom.domain.identity import PublicKey

SSHD = Path("/usr/sbin/sshd")
NAME = "large.bin"
_MIB = 1 << 20


@dataclass(frozen=True)
class Place:
    """A server to talk to: `inbound` is the folder to put into, `outbound` the file to get."""

    port: int
    user: str
    key: Path
    inbound: str
    outbound: str
    pid: int
    cpu: Callable[[], float]
    """CPU seconds of the server so far, once nobody is connected."""
    make_room: Callable[[], None] = lambda: None
    """Forget what was put. To be called right before the next put: memory that lies free for two
    seconds goes back to a virtual machine's host, and whoever takes it then pays for fetching it.
    OpenSSH's put truncates its file itself, at that moment."""

    @property
    def command(self) -> list[str]:
        """OpenSSH's client in batch mode, ready for its batch."""
        options = {
            "Port": self.port,
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "Ciphers": "aes128-gcm@openssh.com",
            "ControlPath": "none",
        }
        said = (part for name, value in options.items() for part in ("-o", f"{name}={value}"))
        return ["sftp", "-q", "-b", "-", "-F", "/dev/null", *said]

    @property
    def address(self) -> str:
        return f"{self.user}@127.0.0.1"


def require() -> None:
    """Return quietly when the peer is here. Raises CannotMeasure."""
    if not SSHD.exists():
        raise CannotMeasure("OpenSSH's server is missing (Debian: openssh-server)")


def key(directory: Path) -> Path:
    """A fresh key of the client."""
    made = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made], check=True)
    return made


def filled(directory: Path, size: int) -> Path:
    """A file of so many random bytes."""
    file = directory / NAME
    with file.open("wb") as out:
        for _ in range(size // _MIB):
            out.write(os.urandom(_MIB))
    return file


@contextmanager
def transom(
    directory: Path, client_key: Path, file: Path, workers: int = 1, cores: Sequence[int] = ()
) -> Iterator[Place]:
    """Ours, with the file published."""
    port = free_port()
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    with config.open("a") as settings:
        settings.write(
            f'[sftp]\nlisten = "127.0.0.1:{port}"\nhost_key_directory = "{directory}/host"\n'
            f"[exchange]\nworkers = {workers}\n"
            "[limits]\nconnections_per_account = 2000\nconnections_per_org = 2000\n"
        )
    algorithm, blob, *_ = client_key.with_suffix(".pub").read_text().split()
    with seeding.administering(config) as exchange:
        (login,) = seeding.seed(exchange, 1)
        public = PublicKey(algorithm, base64.b64decode(blob))
        exchange.administration.add_key(SYSTEM, login.user, public, "bench", None)
        with file.open("rb") as content:
            seeding.publish(exchange, NAME, iter(lambda: content.read(_MIB), b""))
    blobs = directory / "files" / "blobs"
    kept = set(blobs.glob("*/*"))
    with servers.production(config, cores) as server:

        def make_room() -> None:
            for each in set(blobs.glob("*/*")) - kept:
                each.unlink()

        _await(port)
        space = f"/{ORG}/{APPLICATION}"
        inbound, outbound = f"{space}/in", f"{space}/out/{NAME}"
        pid = server.pid
        cpu = partial(cpu_seconds, pid)
        yield Place(port, login.user, client_key, inbound, outbound, pid, cpu, make_room)


@contextmanager
def openssh(
    directory: Path, client_key: Path, file: Path, cores: Sequence[int] = ()
) -> Iterator[Place]:
    """OpenSSH's, as whoever runs the bench."""
    directory.mkdir()
    port, me = free_port(), pwd.getpwuid(os.getuid()).pw_name
    host, inbound = directory / "host", directory / "in"
    inbound.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    config = directory / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\nUsePAM no\n"
        f"StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        f"MaxStartups 1000\nAuthorizedKeysFile {client_key.with_suffix('.pub')}\n"
        "Subsystem sftp internal-sftp\n"
    )
    command = [SSHD, "-D", "-e", "-f", config]
    with processes.running(command, directory / "log", cores) as process:
        _await(port)
        pid = process.pid
        yield Place(port, me, client_key, str(inbound), str(file), pid, partial(_once_alone, pid))


def _once_alone(pid: int) -> float:
    """CPU seconds of a process and of its children, once these have ended."""
    until = time.monotonic() + servers.SECONDS_TO_START
    while processes.children(pid) and time.monotonic() < until:
        time.sleep(0.01)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _await(port: int) -> None:
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
