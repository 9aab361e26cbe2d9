"""1 GiB through the pre-signed door, beside nginx: PUT and GET, plain and over TLS."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import clients, nginx, processes, seeding, servers
from bench.clients import Curled
from bench.nginx import Nginx
from bench.report import Report, median
from bench.servers import Server
from bench.setting import GIB, Setting

LEAST = {"PUT": 0.35, "GET": 0.95}
MOST_GROWTH_MIB = 64
_NAME = "large.bin"
_MIB = 1 << 20
_METHOD = """\
Both ends share the cores. One curl process for each transfer, with the same options for both
servers, whose turns alternate. nginx: one worker, DAV PUT and static GET on the same file system,
tuned until it was fastest here (bench/nginx.py); it neither hashes nor fsyncs. Transom:
`transom-server demo`, one process; each PUT was hashed, fsynced, archived, tracked, and answered
with 200 and the right digest, and what was kept was hashed again afterwards. MB are 10^6 bytes. The
ratio is the median of the rounds' ratios. CPU is the server's, user and system. Memory is the most
in use during a transfer, less what was before it. A round that counts for memory only comes first:
it warms the pages of the RAM disk up."""


@dataclass(frozen=True)
class File:
    """The file that goes back and forth."""

    path: Path
    size: int
    sha256: bytes

    @property
    def digest(self) -> str:
        return f"sha-256=:{base64.b64encode(self.sha256).decode()}:"


@dataclass(frozen=True)
class One:
    """One transfer: MB/s, CPU seconds per GiB, growth of memory in MiB."""

    speed: float
    cpu: float
    growth: float


@dataclass
class Pair:
    """The rounds of one kind of transfer, for both servers, the warm-up's first."""

    all_ours: list[One] = field(default_factory=list)
    all_nginx: list[One] = field(default_factory=list)

    @property
    def ours(self) -> list[One]:
        return self.all_ours[1:]

    @property
    def nginx(self) -> list[One]:
        return self.all_nginx[1:]

    @property
    def ratio(self) -> float:
        return median(a.speed / b.speed for a, b in zip(self.ours, self.nginx, strict=True))

    @property
    def growth(self) -> float:
        """Our server's, and the warm-up counts: what grows once has grown."""
        return max(each.growth for each in self.all_ours)


class Transom:
    """Transfers with our server."""

    def __init__(self, server: Server, file: File, data: Path) -> None:
        self.pid = server.pid
        self._server, self._file = server, file
        self._blobs = data / "files" / "blobs"
        with seeding.administering(server.config) as exchange:
            login = seeding.seed(exchange, 1)[0]
            with file.path.open("rb") as content:
                seeding.publish(exchange, _NAME, iter(lambda: content.read(_MIB), b""))
        self._bearer = clients.token(server, login)
        self._own = self._kept()
        self._check_download(data)

    def url(self, verb: str) -> str:
        step = clients.upload_url if verb == "PUT" else clients.download_url
        return step(self._server, self._bearer, _NAME)

    def transfer(self, verb: str, url: str) -> Curled:
        if verb == "GET":
            return clients.curl_get(url, self._server.authority)
        return clients.curl_put(url, self._file.path, self._server.authority)

    def check(self, verb: str, done: Curled) -> None:
        """The whole file, with its digest, is where it should be; and makes room again."""
        assert (done.status, done.size) == (200, self._file.size), f"{verb}: {done}"
        assert done.digest == self._file.digest, f"{verb}: {done}"
        if verb == "PUT":
            (kept,) = self._kept() - self._own
            assert _sha256(kept) == self._file.sha256
            kept.unlink()

    def _kept(self) -> set[Path]:
        return set(self._blobs.glob("*/*"))

    def _check_download(self, data: Path) -> None:
        got = data / "got"
        clients.curl_get(self.url("GET"), self._server.authority, got)
        assert _sha256(got) == self._file.sha256
        got.unlink()


class Beside:
    """The same transfers with nginx."""

    def __init__(self, server: Nginx, base: str, file: File, authority: Path | None) -> None:
        self.pid = server.pid
        self._www, self._base, self._file, self._authority = server.www, base, file, authority

    def url(self, verb: str) -> str:
        return f"{self._base}/{'put.bin' if verb == 'PUT' else _NAME}"

    def transfer(self, verb: str, url: str) -> Curled:
        if verb == "GET":
            return clients.curl_get(url, self._authority)
        return clients.curl_put(url, self._file.path, self._authority)

    def check(self, verb: str, done: Curled) -> None:
        assert done.status == (201 if verb == "PUT" else 200), f"nginx {verb}: {done}"
        assert done.size == self._file.size, f"nginx {verb}: {done}"
        if verb == "PUT":
            kept = self._www / "put.bin"
            assert kept.stat().st_size == self._file.size
            kept.unlink()


def measure(setting: Setting) -> list[Report]:
    nginx.require()
    with _servers(setting) as both:
        pairs = {(verb, way): Pair() for way in both for verb in ("PUT", "GET")}
        for number in range(1 + setting.rounds):
            for (verb, way), pair in pairs.items():
                _round(setting, both[way], pair, verb, number)
        return [_report(setting, pairs)]


@contextmanager
def _servers(setting: Setting) -> Iterator[dict[str, tuple[Transom, Beside]]]:
    home = setting.directory("transfer")
    plain, tls, web = (home / name for name in ("plain", "tls", "nginx"))
    for each in (plain, tls, web):
        each.mkdir()
    file = _file(home / _NAME, setting.file_bytes)
    with servers.demo(plain, tls=False) as open_, servers.demo(tls, tls=True) as sealed:
        pair = tls / "data" / "tls" / "demo-rsa"
        with nginx.serving(web, pair.with_suffix(".pem"), pair.with_suffix(".key")) as beside:
            os.link(file.path, beside.www / _NAME)
            yield {
                "plain": (
                    Transom(open_, file, plain / "data"),
                    Beside(beside, beside.plain, file, None),
                ),
                "TLS": (
                    Transom(sealed, file, tls / "data"),
                    Beside(beside, beside.tls, file, sealed.authority),
                ),
            }


def _file(path: Path, size: int) -> File:
    """Bytes that do not repeat within a block, and differ from block to block."""
    block = os.urandom(_MIB)
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for number in range(size // _MIB):
            piece = number.to_bytes(8) + block[8:]
            out.write(piece)
            digest.update(piece)
    return File(path, size, digest.digest())


def _round(
    setting: Setting, both: tuple[Transom, Beside], pair: Pair, verb: str, number: int
) -> None:
    turns = [(both[0], pair.all_ours), (both[1], pair.all_nginx)]
    for server, results in turns if number % 2 == 0 else reversed(turns):
        with setting.watch(server.pid, f"{type(server).__name__} {verb}"):
            results.append(_one(server, verb))


def _one(server: Transom | Beside, verb: str) -> One:
    url = server.url(verb)  # step 1 is not part of the transfer
    processes.forget_peak(server.pid)
    resident, cpu = processes.resident_bytes(server.pid), processes.cpu_seconds(server.pid)
    done = server.transfer(verb, url)
    taken = processes.cpu_seconds(server.pid) - cpu
    growth = processes.peak_bytes(server.pid) - resident
    server.check(verb, done)
    return One(done.speed, taken * GIB / done.size, growth / _MIB)


def _sha256(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _report(setting: Setting, pairs: dict[tuple[str, str], Pair]) -> Report:
    head = ("transfer", "Transom MB/s", "nginx MB/s", "ratio", "Transom CPU s/GiB")
    size = f"{setting.file_bytes / GIB:g} GiB"
    report = Report(
        f"{size} through the pre-signed door, beside nginx",
        f"{_METHOD} {setting.rounds} rounds.",
        (*head, "nginx CPU s/GiB", "memory growth MiB"),
    )
    for (verb, way), pair in pairs.items():
        report.rows.append(_row(f"{verb}, {way}", pair))
        report.raw(f"{verb}, {way}, Transom MB/s", (each.speed for each in pair.ours))
        report.raw(f"{verb}, {way}, nginx MB/s", (each.speed for each in pair.nginx))
        if way == "plain":
            report.aim(f"{verb} beside nginx", pair.ratio, LEAST[verb], " x")
    most = max(pair.growth for pair in pairs.values())
    report.limit("memory growth in any transfer", most, MOST_GROWTH_MIB, " MiB")
    return report


def _row(name: str, pair: Pair) -> tuple[str, ...]:
    return (
        name,
        f"{median(each.speed for each in pair.ours):,.0f}",
        f"{median(each.speed for each in pair.nginx):,.0f}",
        f"{pair.ratio:.2f}",
        f"{median(each.cpu for each in pair.ours):.2f}",
        f"{median(each.cpu for each in pair.nginx):.2f}",
        f"{pair.growth:.1f}",
    )
