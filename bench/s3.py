"""S3 by boto3, beside a Ceph object gateway: large files, small files, and a long listing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import requests
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from sqlalchemy import insert

from bench import processes, seeding, servers
from bench.nginx import CannotMeasure
from bench.report import Report, median
from bench.seeding import APPLICATION, ORG
from bench.setting import Setting
from transom.core.exchange import Exchange
from transom.domain.entitlement import Actor
from transom.domain.names import OrgId
from transom.records.schema import listings

LEAST = {"PutObject": 1.5, "in parts": 1.5, "GetObject": 1.0}
MOST_LISTING_MS = 50
KEYS = 1_000_000
BUCKET = "bucket-filex"
PLACE = f"{ORG}/{APPLICATION}"

_MIB = 1 << 20
_MEGA = 1e6
_SMALL_BYTES = 4096
_CONTENT = os.urandom(_SMALL_BYTES)
_THREADS = 4
_PARTS = TransferConfig(
    multipart_threshold=8 * _MIB, multipart_chunksize=8 * _MIB, max_concurrency=_THREADS
)
_CEPH = Path(__file__).parents[2] / "shared" / "tools" / "ceph-rgw-up.sh"
_METHOD = """\
boto3 with its defaults over http, in a process of its own beside the server, both sharing the
cores; turns alternate. Parts have 8 MiB, four at once. Ceph: Debian's radosgw 16.2 over one OSD in
memory, replica size 1, which neither hashes by SHA-256, archives nor tracks. Transom:
`transom-server run`, one process, SQLite, on the RAM disk; a part that came over http is hashed
twice, for itself, as it was signed, and for the whole. GetObject takes 0.3 s of the server's CPU
for each GiB: boto3, in one thread, is what limits it. MB are 10^6 bytes; the ratio is the median of
the rounds' ratios. Growth is of the server's peak memory over the round."""


@dataclass(frozen=True)
class _Store:
    """A server to talk to: where files are put and found, its client, and what forgets files."""

    name: str
    client: Any
    inbound: str
    outbound: str
    forget: Callable[[], None]
    pid: int = 0


def measure(setting: Setting) -> list[Report]:
    directory = setting.directory("s3")
    with ExitStack() as stack:
        theirs = stack.enter_context(_ceph(directory))
        ours = stack.enter_context(_transom(directory / "ours", setting))
        stores = (ours, theirs)
        return [_large(setting, stores), _small(setting, stores), _listing(setting, ours)]


# --- large files ---------------------------------------------------------------------------------


@dataclass
class _Rounds:
    speeds: list[float] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)


def _large(setting: Setting, stores: Sequence[_Store]) -> Report:
    file = setting.directory("s3-file") / "large.bin"
    _fill(file, setting.file_bytes)
    report = Report(
        f"S3, {setting.file_bytes / (1 << 30):g} GiB by boto3, beside Ceph RGW",
        _METHOD,
        ("", "Transom MB/s", "Ceph MB/s", "ratio", "Transom growth MB"),
    )
    for store in stores:  # what GetObject gets
        if store.pid == 0:
            store.client.upload_file(str(file), BUCKET, store.outbound, Config=_PARTS)
    jobs: dict[str, Callable[[_Store], None]] = {
        "PutObject": lambda store: _put(store, file),
        "in parts": lambda store: store.client.upload_file(
            str(file), BUCKET, store.inbound, Config=_PARTS
        ),
        "GetObject": _get,
    }
    for what, job in jobs.items():
        ratio = _pair(setting, stores, job, report, what)
        report.aim(f"{what}, of Ceph's speed", ratio, LEAST[what], "")
    return report


def _pair(
    setting: Setting,
    stores: Sequence[_Store],
    job: Callable[[_Store], None],
    report: Report,
    what: str,
) -> float:
    found = {store.name: _Rounds() for store in stores}
    for number in range(setting.rounds + 1):  # the first warms the RAM disk up
        for store in stores if number % 2 else reversed(stores):
            speed, growth = _timed(store, job, setting.file_bytes)
            if number:
                found[store.name].speeds.append(speed)
                found[store.name].growth.append(growth)
    ours, theirs = (found[store.name] for store in stores)
    ratio = median(a / b for a, b in zip(ours.speeds, theirs.speeds, strict=True))
    cells = (f"{median(each.speeds):,.0f}" for each in (ours, theirs))
    report.rows.append((what, *cells, f"{ratio:.2f}", f"{median(ours.growth):,.0f}"))
    for name, rounds in found.items():
        report.raw(f"{what}, {name} MB/s", rounds.speeds)
    return ratio


def _timed(store: _Store, job: Callable[[_Store], None], size: int) -> tuple[float, float]:
    """MB/s, and by how many MB the server's memory peaked above what it had before."""
    before = 0
    if store.pid:
        processes.forget_peak(store.pid)
        before = processes.resident_bytes(store.pid)
    store.forget()  # now, and not after the last job: see sftp_servers.Place.make_room
    began = time.monotonic()
    job(store)
    speed = size / (time.monotonic() - began) / _MEGA
    growth = (processes.peak_bytes(store.pid) - before) / _MEGA if store.pid else 0.0
    return speed, growth


def _put(store: _Store, file: Path) -> None:
    with file.open("rb") as body:
        store.client.put_object(Bucket=BUCKET, Key=store.inbound, Body=body)


def _get(store: _Store) -> None:
    body = store.client.get_object(Bucket=BUCKET, Key=store.outbound)["Body"]
    while body.read(_MIB):
        pass


def _fill(file: Path, size: int) -> None:
    with file.open("wb") as out:
        for _ in range(size // _MIB):
            out.write(os.urandom(_MIB))


# --- small files ---------------------------------------------------------------------------------


def _small(setting: Setting, stores: Sequence[_Store]) -> Report:
    report = Report(
        f"S3, files of {_SMALL_BYTES} bytes by boto3, beside Ceph RGW",
        f"As above; {_THREADS} threads of one client, one file after the other in each.",
        ("", "Transom /s", "Ceph /s", "ratio"),
    )
    for store in stores:
        if store.pid == 0:
            key = f"{store.outbound}-small"
            store.client.put_object(Bucket=BUCKET, Key=key, Body=_CONTENT)
    for what, call in (("put", _put_small), ("get", _get_small)):
        ours, theirs = _rates(setting, stores, call)
        ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
        report.rows.append((what, f"{median(ours):,.0f}", f"{median(theirs):,.0f}", f"{ratio:.2f}"))
        report.raw(f"{what}, Transom /s", ours)
        report.raw(f"{what}, Ceph /s", theirs)
    return report


def _put_small(store: _Store, number: str) -> None:
    key = f"{store.inbound}-{number}"
    store.client.put_object(Bucket=BUCKET, Key=key, Body=_CONTENT)


def _get_small(store: _Store, _number: str) -> None:
    store.client.get_object(Bucket=BUCKET, Key=f"{store.outbound}-small")["Body"].read()


def _rates(
    setting: Setting, stores: Sequence[_Store], call: Callable[[_Store, str], None]
) -> tuple[list[float], list[float]]:
    found: dict[str, list[float]] = {store.name: [] for store in stores}
    for number in range(setting.rounds):
        for store in stores if number % 2 else reversed(stores):
            found[store.name].append(_rate(setting, store, call, number))
    ours, theirs = (found[store.name] for store in stores)
    return ours, theirs


def _rate(
    setting: Setting, store: _Store, call: Callable[[_Store, str], None], number: int
) -> float:
    until = time.monotonic() + setting.seconds

    def work(thread: int) -> int:
        done = 0
        while time.monotonic() < until:
            call(store, f"{number}-{thread}-{done}")
            done += 1
        return done

    began = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as pool:
        total = sum(pool.map(work, range(_THREADS)))
    return total / (time.monotonic() - began)


# --- a long listing ------------------------------------------------------------------------------


def _listing(setting: Setting, ours: _Store) -> Report:
    report = Report(
        f"S3, a listing of 1,000 of {KEYS:,} keys",
        "As above, but by `requests` with a signed URL, from anywhere in the middle, one after the "
        "other: boto3 takes longer to read such an answer than it takes to make it.",
        ("", "median ms", "slowest ms"),
    )
    count, taken = 20 * setting.rounds, []
    with requests.Session() as session:
        for number in range(count):
            url = _listing_after(ours, number * (KEYS - 1001) // count)
            began = time.monotonic()
            answer = session.get(url, timeout=60)
            taken.append((time.monotonic() - began) * 1000)
            assert answer.text.count("<Key>") == 1000, answer.text[:400]
    report.rows.append(("SQLite", f"{median(taken):.1f}", f"{max(taken):.1f}"))
    report.limit("listing 1,000 keys", median(taken), MOST_LISTING_MS, " ms")
    return report


def _listing_after(ours: _Store, number: int) -> str:
    prefix = f"{PLACE}/out/"
    asked = {"Bucket": BUCKET, "Prefix": prefix, "StartAfter": f"{prefix}key-{number:07}"}
    url: str = ours.client.generate_presigned_url("list_objects_v2", Params=asked)
    return url


def _many_keys(exchange: Exchange) -> None:
    """A million listings of one blob: what is listed, not what is stored, is measured."""
    database = exchange.uploads._tools.database  # noqa: SLF001 - no use case lists a million at once
    with database.transaction() as tx:
        found = tx.execute(listings.select().limit(1)).mappings().one()
        for first in range(0, KEYS, 50_000):
            rows = [
                dict(found) | {"id": f"key-{number}", "name": f"key-{number:07}"}
                for number in range(first, first + 50_000)
            ]
            tx.execute(insert(listings), rows)


# --- the two stores ------------------------------------------------------------------------------


def _client(endpoint: str, **keys: str) -> Any:
    options = Config(
        signature_version="s3v4",
        max_pool_connections=2 * _THREADS,
        read_timeout=300,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=options, **keys
    )


@contextmanager
def _transom(directory: Path, setting: Setting) -> Iterator[_Store]:
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    with seeding.administering(config) as exchange:
        (login,) = seeding.seed(exchange, 1)
        blocks = (os.urandom(_MIB) for _ in range(setting.file_bytes // _MIB))
        seeding.publish(exchange, "large.bin", blocks)
        seeding.publish(exchange, "large.bin-small", [os.urandom(_SMALL_BYTES)])
        _many_keys(exchange)
        account = exchange.administration.account(login.user)
        actor: Actor = exchange.tokens.acting(account.id, "127.0.0.1")
        token = exchange.transfer_tokens.grant(actor, OrgId(ORG), APPLICATION)
    blobs = directory / "files" / "blobs"
    kept = set(blobs.glob("*/*"))

    def forget() -> None:
        for blob in set(blobs.glob("*/*")) - kept:
            shutil.rmtree(blob) if blob.is_dir() else blob.unlink()

    with servers.production(config) as server:
        client = _client(
            server.s3,
            aws_access_key_id=token.access_key_id,
            aws_secret_access_key=token.secret,
            aws_session_token=token.session_token,
        )
        inbound, outbound = f"{PLACE}/in/large.bin", f"{PLACE}/out/large.bin"
        yield _Store("Transom", client, inbound, outbound, forget, server.pid)


@contextmanager
def _ceph(directory: Path) -> Iterator[_Store]:
    if not _CEPH.exists() or shutil.which("radosgw") is None:
        raise CannotMeasure("Ceph's gateway is missing (Debian: radosgw, ceph-mon, ceph-osd)")
    port, state = processes.free_port(), directory / "ceph"
    settings = {
        "RGW_LAB_DIR": str(state),
        "RGW_PORT": str(port),
        "RGW_MON_PORT": str(processes.free_port()),
        "RGW_STORE": "memstore",
        "PATH": os.environ["PATH"],
    }

    def ceph(command: str) -> str:
        done = subprocess.run(
            ["bash", str(_CEPH), command], env=settings, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"Ceph did not start: {done.stderr[-400:]}")
        return done.stdout

    ceph("up")
    try:
        keys = {
            "aws_access_key_id": "LABMAINKEY0000000001",
            "aws_secret_access_key": "labmainsecretlabmainsecretlabmainsecret1",
        }
        client = _client(f"http://127.0.0.1:{port}", **keys)
        client.create_bucket(Bucket=BUCKET)

        def forget() -> None:
            client.delete_object(Bucket=BUCKET, Key="in/large.bin")

        yield _Store("Ceph", client, "in/large.bin", "out/large.bin", forget)
    finally:
        ceph("wipe")
