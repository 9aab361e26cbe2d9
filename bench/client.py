"""The firm's command beside curl, beside the server's own rate, and how soon it says something."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import clients, load, seeding, servers
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG, Login
from bench.servers import Server
from bench.setting import Setting

COMMAND = Path(sys.executable).with_name("transom")
LEAST_BESIDE_CURL, LEAST_OF_RATE, FIRST_OUTPUT_MS = 0.9, 0.8, 100
FILES, SMALL_BYTES, PARALLEL = 1000, 1024, 8
_NAME = "large.bin"
_VERIFIED = "GET, and sha256sum after curl"
_MIB = 1 << 20
_MEGA = 1e6
_BESIDE_CURL = """\
One file, whole commands: `transom put` and `transom get` as processes of their own, with sign-in,
both steps, and the digest verified; curl as three processes (token, step 1, step 2) that verify
nothing, downloading to a file as well. The same `transom-server run`, everything on the RAM disk,
both ends sharing the cores, turns alternating. MB are 10^6 bytes; the ratio is the median of the
rounds' ratios."""
_MANY = f"""\
`transom put` of {FILES:,} files of {SMALL_BYTES} bytes with `--parallel {PARALLEL}`, the whole
command, beside what the bench *submissions* drives the same server to in the same round with 32
connections. SQLite, on the disk."""
_FIRST = """\
From the start of the process to the first byte on standard output or standard error."""


@dataclass
class _Rounds:
    ours: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(a / b for a, b in zip(self.ours, self.beside, strict=True))

    def row(self, what: str) -> tuple[str, ...]:
        return (
            what,
            f"{median(self.ours):,.0f}",
            f"{median(self.beside):,.0f}",
            f"{self.ratio:.2f}",
        )


def measure(setting: Setting) -> list[Report]:
    return [_beside_curl(setting), *_small(setting)]


class _Firm:
    """A firm's machine with the command, and with curl."""

    def __init__(self, server: Server, login: Login, home: Path) -> None:
        self.server, self.login = server, login
        home.mkdir(exist_ok=True)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TRANSOM_URL": server.rest,
            "TRANSOM_USER": login.user,
            "TRANSOM_PASSWORD": login.secret,
            "NO_PROXY": "127.0.0.1",
        }

    def command(self, *arguments: str | Path) -> float:
        """Seconds that the whole command took."""
        began = time.monotonic()
        done = subprocess.run(
            [COMMAND, *arguments], env=self._env, capture_output=True, check=False, timeout=600
        )
        taken = time.monotonic() - began
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return taken

    def first_output(self, *arguments: str | Path) -> float:
        """Milliseconds to the first byte that it says."""
        began = time.monotonic()
        with subprocess.Popen(
            [COMMAND, *arguments],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read(1)
            taken = time.monotonic() - began
            process.stdout.read()
        return 1000 * taken

    def curl(self, verb: str, file: Path) -> float:
        """Seconds that curl takes for the same, in three processes."""
        began = time.monotonic()
        bearer = f"Bearer {self._curl_json('-X', 'POST', '-u', self._user, self.server.token_url)}"
        path = f"{clients.IN if verb == 'PUT' else clients.OUT}/{_NAME}"
        step = ("-X", verb, "-H", f"Authorization: {bearer}", self.server.rest + path)
        url = self._curl_json(*step)
        curled = clients.curl_put(url, file, None) if verb == "PUT" else None
        done = curled or clients.curl_get(url, None, file)
        assert done.status == 200, done
        return time.monotonic() - began

    def curl_verified(self, file: Path) -> float:
        """Seconds that curl and sha256sum take for a verified download."""
        taken = self.curl("GET", file)
        began = time.monotonic()
        subprocess.run(["sha256sum", file], capture_output=True, check=True, timeout=60)
        return taken + time.monotonic() - began

    @property
    def _user(self) -> str:
        return f"{self.login.user}:{self.login.secret}"

    def _curl_json(self, *arguments: str) -> str:
        """What one of the two interesting members of a JSON answer holds."""
        command = ["curl", "-q", "-s", "--noproxy", "*", *arguments]
        said = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
        member = '"preSignedUrl":"' if "preSignedUrl" in said else '"access_token":"'
        return said.partition(member)[2].partition('"')[0]


# --- one large file ------------------------------------------------------------------------------


def _beside_curl(setting: Setting) -> Report:
    directory = setting.directory("client")
    file, got = directory / _NAME, directory / "got.bin"
    sha256 = _fill(file, setting.file_bytes)
    report = Report(
        f"The command beside curl, {setting.file_bytes / (1 << 30):g} GiB",
        _BESIDE_CURL,
        ("", "transom MB/s", "curl MB/s", "ratio"),
    )
    with ExitStack() as stack:
        firm = _firm(stack, directory / "server", f"sqlite:///{directory}/transom.db", file)
        blobs = directory / "server" / "files" / "blobs"
        kept = set(blobs.glob("*/*"))
        get = partial(firm.command, "get", f"{ORG}/{APPLICATION}/out/{_NAME}", "-o", got)
        turns: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
            "PUT": (
                partial(firm.command, "put", file, f"{ORG}/{APPLICATION}/in"),
                partial(firm.curl, "PUT", file),
            ),
            "GET": (get, partial(firm.curl, "GET", got)),
            _VERIFIED: (get, partial(firm.curl_verified, got)),
        }
        for verb, (ours, theirs) in turns.items():
            rounds = _Rounds()
            for number in range(setting.rounds + 1):  # the first warms the RAM disk up
                for mine in (True, False) if number % 2 else (False, True):
                    speed = setting.file_bytes / (ours if mine else theirs)() / _MEGA
                    if number:
                        (rounds.ours if mine else rounds.beside).append(speed)
                    if verb != "PUT":
                        assert _sha256(got) == sha256
                        got.unlink()
                    for each in set(blobs.glob("*/*")) - kept:
                        each.unlink()
            report.rows.append(rounds.row(verb))
            report.raw(f"{verb}, transom MB/s", rounds.ours)
            report.raw(f"{verb}, curl MB/s", rounds.beside)
            if verb != _VERIFIED:
                report.aim(f"{verb}, of curl's speed", rounds.ratio, LEAST_BESIDE_CURL, "")
    return report


def _firm(stack: ExitStack, directory: Path, url: str, published: Path | None = None) -> _Firm:
    config = servers.configure(directory, url)
    with seeding.administering(config) as exchange:
        (login,) = seeding.seed(exchange, 1)
        if published is not None:
            with published.open("rb") as content:
                seeding.publish(exchange, _NAME, iter(lambda: content.read(_MIB), b""))
    server = stack.enter_context(servers.production(config))
    return _Firm(server, login, directory / "home")


def _fill(file: Path, size: int) -> str:
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(size // _MIB):
            block = os.urandom(_MIB)
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


# --- many small ones, and the first word ---------------------------------------------------------


def _small(setting: Setting) -> list[Report]:
    directory = setting.directory("client-small", durable=True)
    (directory / "files").mkdir()
    files = [directory / "files" / f"{number:04}.bin" for number in range(FILES)]
    for each in files:
        each.write_bytes(os.urandom(SMALL_BYTES))
    with ExitStack() as stack:
        config = servers.configure(directory / "server", f"sqlite:///{directory}/transom.db")
        with seeding.administering(config) as exchange:
            logins = seeding.seed(exchange, load.CONNECTIONS)
        server = stack.enter_context(servers.production(config))
        firm = _Firm(server, logins[0], directory / "home")
        return [_many(setting, firm, logins, files), _first(setting, firm, files[0])]


def _many(setting: Setting, firm: _Firm, logins: list[Login], files: list[Path]) -> Report:
    job = {
        "kind": "submissions",
        "rest": firm.server.rest,
        "s3": firm.server.s3,
        "folder": firm.server.rest + clients.IN,
        "tokens": [clients.token(firm.server, each) for each in logins],
        "body": os.urandom(SMALL_BYTES).decode("latin-1"),
    }
    rounds = _Rounds()
    for _ in range(setting.rounds):
        place = f"{ORG}/{APPLICATION}/in"
        taken = firm.command("put", *files, place, "--parallel", str(PARALLEL))
        rounds.ours.append(FILES / taken)
        rounds.beside.append(load.generate(job, setting.seconds).rate)
    report = Report(
        f"{FILES:,} small files by the command", _MANY, ("", "transom /s", "server /s", "ratio")
    )
    report.rows.append(rounds.row("PUT"))
    report.raw("transom, files per second", rounds.ours)
    report.raw("server, submissions per second", rounds.beside)
    report.aim("small files, of the server's own rate", rounds.ratio, LEAST_OF_RATE, "")
    return report


def _first(setting: Setting, firm: _Firm, file: Path) -> Report:
    report = Report("The first word of the command", _FIRST, ("command", "milliseconds"))
    place = f"{ORG}/{APPLICATION}/in"
    for name, arguments in {
        "transom version": ("version",),
        "transom --help": ("--help",),
        "transom put FILE PLACE": ("put", file, place),
    }.items():
        found = [firm.first_output(*arguments) for _ in range(setting.rounds)]
        report.rows.append((name, f"{median(found):.0f}"))
        report.raw(f"{name}, ms", found)
        report.limit(f"first output, {name}", median(found), FIRST_OUTPUT_MS, " ms")
    return report
