"""Long drills of the SFTP door: the largest file, the longest listing, the most connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest
import unavailable
from frontends.sftp.driver import Door, connected, door, raw, session, text
from journeys.servers import Demo, demo
from sqlalchemy import insert
from world import START, Account, World

from transom.blobs.disk import DiskBlobs, DiskCalls
from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.files import NAMES_PER_REPLY
from transom.frontends.sftp.penalties import Prices
from transom.frontends.sftp.wire import Kind, Status
from transom.records.schema import blobs, listings
from transom.server.host_keys import HostKeyDirectory
from transom.server.system import SystemEntropy

pytestmark = pytest.mark.drill

MILLION = 1_000_000
LARGEST = 60 * 10**9
MOST_GROWTH_MIB = 64
SESSIONS, PER_ACCOUNT, PER_ORG = 1_000, 10, 100
HALF_OPEN = 2_000
PATIENT = Terms(Timing(grace_seconds=300), Prices(forgiven=1e9))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = HostKeyDirectory(tmp_path / "ssh")
    directory.ensure()
    return directory.root


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as the system allows this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * HALF_OPEN:
        unavailable.missing("open files", f"the drill needs {3 * HALF_OPEN}, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16 * HALF_OPEN), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def enlarge(descriptor: int, data: memoryview, offset: int) -> int:
    """In place of pwrite, for zeros: the file has them, and no disk needs to."""
    if offset + len(data) > os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, offset + len(data))
    return len(data)


def test_the_largest_file_goes_through_in_flat_memory_and_over_several_key_exchanges(
    sqlite_world: World, keys: Path, tmp_path: Path
) -> None:
    account = sqlite_world.account()
    sparse = DiskBlobs(tmp_path / "sparse", SystemEntropy(), DiskCalls(pwrite=enlarge))
    object.__setattr__(sqlite_world.tools, "blobs", sparse)
    source = tmp_path / "largest.bin"
    with source.open("wb") as file:
        file.truncate(LARGEST)

    with door(sqlite_world, keys) as at:
        before = peak_mib()
        done = put(at, account, source, RekeyLimit="4G")
        growth = peak_mib() - before

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("debug1: SSH2_MSG_KEXINIT received") >= LARGEST // (5 << 30)
    assert growth < MOST_GROWTH_MIB
    (entry,) = sqlite_world.audited("upload.received")
    assert f'"size":{LARGEST}' in entry.detail.replace(" ", "")
    (name,) = account.names("0001/app1/in")
    assert name == "largest.bin"


def put(
    at: Door, account: Account, source: Path, **options: str
) -> subprocess.CompletedProcess[str]:
    """OpenSSH's sftp, to its end; what it notes of key exchanges is in its standard error."""
    home = source.parent
    askpass = home / "askpass"
    askpass.write_text(f"#!/bin/sh\necho {account.secret}\n")
    askpass.chmod(0o700)
    (home / "batch").write_text(f"put {source.name} 0001/app1/in/{source.name}\n")
    chosen = {
        "BatchMode": "no",
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "PreferredAuthentications": "password",
        "Ciphers": "aes128-gcm@openssh.com",
        "LogLevel": "DEBUG1",
    } | options
    told = [part for name, value in chosen.items() for part in ("-o", f"{name}={value}")]
    return subprocess.run(
        ["sftp", *told, "-P", str(at.port), "-b", "batch", f"{account.name}@127.0.0.1"],
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


def test_ten_clients_that_ask_for_a_gibibyte_each_and_read_nothing_cost_the_server_little(
    tmp_path: Path,
) -> None:
    async def story(running: Demo, path: str) -> None:
        firm, at = running.account(), SimpleNamespace(port=running.ready["sftp"]["port"])
        account = SimpleNamespace(name=firm.user, secret=firm.password)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(9):
                connection = await stack.enter_async_context(connected(at, account))
                one = await session(connection, window=1 << 30)
                handle = (await one.open(path, 1)).handle
                connection._transport.pause_reading()
                for _ in range(1024):
                    one.send(Kind.READ, text(handle), struct.pack(">QI", 0, 1 << 20))
            async with raw(at, account) as one:
                for _ in range(100):  # served among all that was asked before
                    assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    with demo(tmp_path / "demo") as running:
        firm = running.account()
        firm.upload("large.bin", bytes(4 << 20))
        (name,) = [each for each in firm.names("in_arcv") if each.endswith("large.bin")]
        before = peak_mib_of(running.ready["pid"])
        asyncio.run(story(running, f"/0001/app1/in_arcv/{name}"))
        growth = peak_mib_of(running.ready["pid"]) - before

    assert 1 < growth < MOST_GROWTH_MIB  # something was kept for them, and not much


def peak_mib_of(pid: int) -> float:
    """The most memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


def test_a_million_files_are_listed_in_batches_and_bounded_memory(
    sqlite_world: World, keys: Path
) -> None:
    account = sqlite_world.account()
    with sqlite_world.database.transaction() as tx:
        blob = {"key": "0" * 32, "size": 1, "sha256": "0" * 64, "format": 1}
        tx.execute(insert(blobs), [blob | {"created_at": START, "verified_at": START}])
        for first in range(0, MILLION, 10_000):
            tx.execute(insert(listings), [listed(first + each) for each in range(10_000)])

    async def story(at: Door) -> tuple[int, int, float]:
        async with raw(at, account) as one:
            handle = (await one.ask(Kind.OPENDIR, text("/0001/app1/out"))).handle
            before, count, longest = peak_mib(), 0, 0
            while (reply := await one.ask(Kind.READDIR, text(handle))).kind is Kind.NAME:
                (names,) = struct.unpack_from(">I", reply.rest)
                assert 0 < names <= NAMES_PER_REPLY
                count, longest = count + names, max(longest, len(reply.rest))
            assert reply.status[0] is Status.EOF
            return count, longest, peak_mib() - before

    with door(sqlite_world, keys) as at:
        count, longest, growth = asyncio.run(story(at))

    assert count == MILLION
    assert longest < 32_768
    assert growth < MOST_GROWTH_MIB


def listed(number: int) -> dict[str, object]:
    """A row of a file in /0001/app1/out."""
    return {
        "id": f"{number:036}",
        "direction": "outbound",
        "org": "0001",
        "application": "app1",
        "sub_space": "out",
        "name": f"{number:07}.txt",
        "blob_key": "0" * 32,
        "size": 1,
        "sha256": "0" * 64,
        "tracking_id": "",
        "listed_at": START,
        "ends_at": START + timedelta(days=30),
    }


@pytest.mark.usefixtures("many_files")
def test_a_thousand_idle_sessions_stay_and_another_one_gets_in_quickly(
    sqlite_world: World, keys: Path
) -> None:
    orgs = [f"{1001 + number}" for number in range(SESSIONS // PER_ORG)]
    for org in orgs:
        sqlite_world.organization(org)
    accounts = [sqlite_world.account(org) for org in orgs for _ in range(PER_ORG // PER_ACCOUNT)]
    last = sqlite_world.account()

    async def story(at: Door) -> None:
        async with contextlib.AsyncExitStack() as stack:
            idle = []
            for account in accounts * PER_ACCOUNT:
                connection = await stack.enter_async_context(connected(at, account))
                idle.append(await session(connection))
            with pytest.raises((asyncssh.Error, OSError)):
                async with raw(at, accounts[0]):
                    pass
            began = time.monotonic()
            async with raw(at, last) as one:
                assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME
            assert time.monotonic() - began < 2
            assert len(at.door._inside) >= SESSIONS
            for one in idle:
                assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    with door(sqlite_world, keys, PATIENT) as at:
        asyncio.run(story(at))
        wait_until_gone(at)


def wait_until_gone(at: Door) -> None:
    until = time.monotonic() + 30
    while at.door._inside or at.door._unproven:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.usefixtures("many_files")
def test_a_login_works_beside_two_thousand_half_open_connections(
    sqlite_world: World, keys: Path
) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        began = time.monotonic()
        async with raw(at, account) as one:
            assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME
        assert time.monotonic() - began < 10

    with door(sqlite_world, keys, PATIENT) as at, contextlib.ExitStack() as stack:
        before = peak_mib()
        for number in range(HALF_OPEN):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", at.port), timeout=10))
            with contextlib.suppress(ConnectionError):
                held.sendall(b"SSH-2.0-half"[: number % 13])
            if number % 500 == 499:
                asyncio.run(story(at))
        assert len(at.door._unproven) <= PATIENT.unproven
        assert peak_mib() - before < 2 * MOST_GROWTH_MIB
        stack.close()
        wait_until_gone(at)
