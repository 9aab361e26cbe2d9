"""`workers = N`: several processes behind the same ports, and what the death of one costs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
import requests
from journeys.servers import SECONDS_TO_START, SECONDS_TO_STOP, Server
from server.test_run import CONTENT, call, grant
from server.test_run_sftp import SftpSite

from transom.server.processes import Share, Supervisor

WORKERS = 2
MANY = 24
INBOUND = "/0001/app1/in"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SftpSite:
    return prepared(tmp_path_factory.mktemp("processes"))


@pytest.fixture
def own_site(tmp_path: Path) -> SftpSite:
    return prepared(tmp_path)


def prepared(directory: Path) -> SftpSite:
    found = SftpSite(directory, f"sqlite:///{directory}/transom.db")
    found.password = found.prepare()
    with found.config.open("a") as config:
        config.write(f"[exchange]\nworkers = {WORKERS}\n[limits]\nconnections_per_account = 100\n")
    return found


@pytest.fixture(scope="module")
def served(site: SftpSite) -> Iterator[Server]:
    with site.served() as server:
        eventually(lambda: listening(server) == WORKERS)
        yield server


def eventually(what: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def workers(server: Server) -> list[int]:
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def listening(server: Server) -> int:
    return server.text.count('"message": "listening"')


@asynccontextmanager
async def signed_in(site: SftpSite) -> AsyncIterator[asyncssh.SFTPClient]:
    connected = asyncssh.connect(
        "127.0.0.1", site.sftp_port, username="0001ftp01", password=site.password, known_hosts=None
    )
    async with connected as connection, connection.start_sftp_client() as sftp:
        yield sftp


async def finished(site: SftpSite, hurt: Callable[[], None]) -> list[bool]:
    """Open many uploads, do the harm, sign in once more, close them: which could be finished."""
    opened = asyncio.Queue[None]()
    harmed = asyncio.Event()

    async def upload(number: int) -> bool:
        try:
            path = f"{INBOUND}/{number}.bin"
            async with signed_in(site) as sftp:
                async with sftp.open(path, "wb") as file:
                    await file.write(CONTENT)
                    await opened.put(None)
                    await harmed.wait()
                await sftp.stat(path)  # this client's close() says nothing of a lost connection
        except (OSError, asyncssh.Error):
            return False
        return True

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        uploads = [group.create_task(upload(number)) for number in range(MANY)]
        for _ in uploads:
            await opened.get()
        hurt()
        async with signed_in(site) as sftp:  # at once, though one is missing
            assert await sftp.exists(INBOUND)
        harmed.set()
    return [each.result() for each in uploads]


def test_the_death_of_a_process_costs_its_own_sessions_and_sigterm_ends_all(
    own_site: SftpSite,
) -> None:
    with own_site.served() as server:
        eventually(lambda: listening(server) == WORKERS)
        first, second = workers(server)
        done = asyncio.run(finished(own_site, lambda: os.kill(first, signal.SIGKILL)))
        assert any(done)
        assert not all(done)
        eventually(lambda: listening(server) == WORKERS + 1)
        assert second in workers(server)
        assert first not in workers(server)
        tracked = call(own_site, grant(own_site, own_site.password), "GET", "tracking").json()
        assert sum(each["state"] == "received" for each in tracked) == sum(done)
        left = workers(server)
        assert server.terminate() < SECONDS_TO_STOP
        assert not any(Path(f"/proc/{pid}").exists() for pid in left)


@pytest.mark.usefixtures("served")
def test_what_the_processes_count_is_counted_together(site: SftpSite) -> None:
    for _ in range(MANY):
        assert requests.get(f"{site.rest}/health", verify=site.ca, timeout=10).ok
    told = requests.get(site.metrics, timeout=10).text
    counted = [
        float(line.split()[-1])
        for line in told.splitlines()
        if line.startswith('transom_http_requests_total{door="rest"')
    ]
    assert sum(counted) == MANY, told
    assert told.count("transom_build_info{") == 1


def test_they_all_end_with_the_one_that_started_them(own_site: SftpSite) -> None:
    with own_site.served() as server:
        eventually(lambda: listening(server) == WORKERS)
        children = workers(server)
        server.kill()
        eventually(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in children))


def test_a_process_that_refuses_to_start_ends_it_with_its_own_code() -> None:
    supervisor = Supervisor([sys.executable, "-c", "raise SystemExit(78)"], [{}, {}])
    assert supervisor.run() == 78


def test_only_the_first_keeps_house() -> None:
    assert [Share(number, {}).keeps_house for number in range(3)] == [True, False, False]


def test_a_server_that_nobody_started_so_has_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSOM_PROCESS", raising=False)
    assert Share.received() is None


@pytest.mark.usefixtures("served")
def test_a_taken_address_is_named_once_and_nothing_is_started(site: SftpSite) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "transom.server", "run", "--config", str(site.config)],
        capture_output=True,
        check=False,
        timeout=SECONDS_TO_START,
    )
    assert done.returncode == 1
    assert done.stderr.decode().count("Cannot listen at") == 1
