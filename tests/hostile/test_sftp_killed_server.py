"""kill -9 of the server, and of its clients, in the middle of SFTP: whole and once, or not at all.

Rows 5, 6, 9 and 29 of the faults that the exchange must survive. Many uploads, each at another
stage, die with one server, which then starts again on the same data.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest
from frontends.sftp.driver import Door, Raw, connected, door, raw, session, text
from journeys.machines import Machine
from journeys.servers import Demo, Firm, demo, once
from sqlalchemy import select
from world import CHEAP, MovableClock, World

from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.wire import Kind, Status
from transom.records.schema import submissions
from transom.server.host_keys import HostKeyDirectory
from transom.server.program import assemble
from transom.server.settings import load
from transom.server.system import SystemEntropy

IN = "/0001/app1/in"
CONTENT = secrets.token_bytes(2_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PIECE = 65_536
SECONDS = 20
BEFORE_THE_CLOSE = (0, 25, 50, 99, 100)
"""How much of the content, in percent, had come when the server died."""


class Mortal:
    """A demo that can be killed and come back."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.demo = self._start()

    def _start(self) -> Demo:
        return self._stack.enter_context(demo(self._directory))

    @property
    def firm(self) -> Firm:
        return self.demo.account()

    @property
    def staged(self) -> set[str]:
        """The files of bytes being received, or left by a server that died."""
        staging = self._directory / "data" / "files" / "staging"
        return {each.name for each in staging.iterdir()}

    def come_back(self) -> None:
        self.demo = self._start()

    def connected(self):  # noqa: ANN201
        """An SSH connection of the firm."""
        at = SimpleNamespace(port=self.demo.ready["sftp"]["port"])
        return connected(at, SimpleNamespace(name=self.firm.user, secret=self.firm.password))

    def record(self, name: str) -> dict:
        (found,) = self.firm.call("GET", f"tracking?fileName={name}").json()
        return found

    def archived(self, name: str) -> list[str]:
        return [each for each in self.firm.names("in_arcv") if each.endswith(f"_{name}")]

    def rows(self, name: str) -> list[str]:
        """The states of the submissions of a name, as the database has them."""
        with self.tomorrow() as program, program.databases.exchange.reading() as tx:
            return list(tx.scalars(select(submissions.c.state).where(submissions.c.name == name)))

    def settings(self) -> Path:
        """A file of settings for the same data."""
        data = self._directory / "data"
        file = self._directory / "settings.toml"
        file.write_text(
            f'[database]\nurl = "sqlite:///{data}/transom.db"\n'
            f'[blobs]\nroot = "{data}/files"\n[keys]\nfile = "{data}/keys"\n'
            '[rest]\nlisten = "127.0.0.1:0"\npublic_url = "http://127.0.0.1"\n'
            '[s3]\nlisten = "127.0.0.1:0"\npublic_url = "http://127.0.0.1"\n'
        )
        return file

    @contextmanager
    def tomorrow(self) -> Iterator:
        """The exchange on the same data, without doors, as it is 25 hours from now."""
        clock = MovableClock(datetime.now(UTC) + timedelta(hours=25))
        program = assemble(load(self.settings()), clock, SystemEntropy(), CHEAP)
        try:
            yield program
        finally:
            program.close()


@pytest.fixture(scope="module")
def only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with ExitStack() as stack:
        yield Mortal(tmp_path_factory.mktemp("mortal"), stack)


@pytest.fixture
def mortal(only: Mortal) -> Mortal:
    """The one, alive."""
    if only.demo.process.poll() is not None:
        only.come_back()
    return only


async def send(one: Raw, name: str, percent: int) -> bytes:
    """Open a file and send so much of the content; returns once the server has confirmed it."""
    handle = await one.create(f"{IN}/{name}")
    end = len(CONTENT) * percent // 100
    for at in range(0, end, PIECE):
        status, _ = await one.put(handle, at, CONTENT[at : min(at + PIECE, end)])
        assert status is Status.OK
    return handle


def test_a_server_killed_before_close_has_received_nothing_and_takes_the_name_again(
    mortal: Mortal, tmp_path: Path
) -> None:
    names = {percent: f"killed{percent}.bin" for percent in BEFORE_THE_CLOSE}
    before = mortal.staged

    async def until_the_kill() -> None:
        async with mortal.connected() as connection:
            one = await session(connection)
            for percent, name in names.items():
                await send(one, name, percent)
            with openssh_upload(mortal, tmp_path, "killedreal.bin"):
                mortal.demo.kill()

    asyncio.run(until_the_kill())

    assert len(mortal.staged - before) == len(names) + 1
    for name in (*names.values(), "killedreal.bin"):
        assert mortal.rows(name) == ["requested"]
    with mortal.tomorrow() as program:
        program.exchange.retention.sweep()
        assert mortal.staged == set()
    mortal.come_back()
    for name in names.values():
        assert mortal.record(name)["state"] == "abandoned"
        assert mortal.archived(name) == []
        assert name not in mortal.firm.names("in")
    asyncio.run(send_again(mortal, names[50]))
    assert_received_once(mortal, names[50])


async def send_again(mortal: Mortal, name: str) -> None:
    async with mortal.connected() as connection:
        one = await session(connection)
        status, told = await one.close(await send(one, name, 100))
        assert status is Status.OK, told


@pytest.mark.parametrize("milliseconds", [0, 4, 16])
def test_a_server_killed_while_it_answers_close_has_the_file_whole_and_once_or_not_at_all(
    mortal: Mortal, milliseconds: float
) -> None:
    names = [f"closing{milliseconds}-{number}.bin" for number in range(3)]
    answered = list[str]()

    async def until_the_kill() -> None:
        async with mortal.connected() as connection:
            one = await session(connection)
            closes = {}
            for handle, name in [(await send(one, name, 100), name) for name in names]:
                closes[one.send(Kind.CLOSE, text(handle))] = name
            await asyncio.sleep(milliseconds / 1000)  # the moment is what is tried
            mortal.demo.kill()
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    reply = await one.receive()
                    assert reply.status[0] is Status.OK
                    answered.append(closes[reply.request])

    asyncio.run(until_the_kill())
    mortal.come_back()

    for name in names:
        came = mortal.record(name)["status"] == "Received by FINRA"
        assert came or name not in answered
        if not came:
            assert mortal.archived(name) == []
            asyncio.run(send_again(mortal, name))
            assert len(mortal.archived(name)) == 1
        else:
            assert_received_once(mortal, name)


def test_what_is_held_outlives_the_server_and_its_rename_submits_it(mortal: Mortal) -> None:
    async def hold() -> None:
        async with mortal.connected() as connection:
            one = await session(connection)
            status, told = await one.close(await send(one, "held.bin.filepart", 100))
            assert status is Status.OK
            assert told.startswith("held until renamed")
            mortal.demo.kill()

    async def rename() -> None:
        async with mortal.connected() as connection:
            one = await session(connection)
            both = text(f"{IN}/held.bin.filepart") + text(f"{IN}/held.bin")
            status, told = await one.status(Kind.RENAME, both)
            assert status is Status.OK, told

    asyncio.run(hold())
    mortal.come_back()
    assert mortal.archived("held.bin") == []
    asyncio.run(rename())

    assert_received_once(mortal, "held.bin")


def test_the_audit_record_is_sound_after_it_all(mortal: Mortal) -> None:
    verified = once("audit", "verify", "--config", str(mortal.settings()))

    assert verified.returncode == 0, verified.stdout


def assert_received_once(mortal: Mortal, name: str) -> None:
    found = mortal.firm.call("GET", f"tracking?fileName={name}").json()
    received = [each for each in found if each["status"] == "Received by FINRA"]
    (record,) = received
    assert (record["fileSize"], record["sha256"]) == (len(CONTENT), SHA256)
    assert mortal.archived(name) == [record["arcvFileName"]]
    assert mortal.firm.fetch("in_arcv", record["arcvFileName"]) == CONTENT


@contextmanager
def openssh_upload(mortal: Mortal, home: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """The real client, in the middle of a slow upload."""
    machine = Machine(mortal.demo, mortal.firm, home)
    (home / "large.bin").write_bytes(bytes(8 << 20))
    (home / "batch").write_text(f"put large.bin 0001/app1/in/{name}\n")
    options = ["-o", "BatchMode=no", "-o", f"UserKnownHostsFile={machine.known_hosts}"]
    command = ["sftp", *options, "-l", "4096", "-P", machine.port, "-b", "batch"]
    asked = {"SSH_ASKPASS": str(machine.askpass), "SSH_ASKPASS_REQUIRE": "force"}
    process = subprocess.Popen(
        [*command, f"{mortal.firm.user}@127.0.0.1"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)} | asked,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: mortal.firm.call("GET", f"tracking?fileName={name}").json())
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.wait(SECONDS)


def wait_until(found: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)


# --- clients that die, seen by their firm's tracking ---------------------------------------------


async def resets(one: Raw) -> None:
    one.connection.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0
    one.connection.abort()
    await one.connection.wait_closed()


async def ends_its_input(one: Raw) -> None:
    one.channel.write_eof()
    await one.ended()


async def says_goodbye(one: Raw) -> None:
    one.connection.disconnect(asyncssh.DISC_BY_APPLICATION, "bye")
    await one.connection.wait_closed()


ENDINGS = (resets, ends_its_input, says_goodbye)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda each: each.__name__)
def test_all_bytes_without_a_close_are_told_as_abandoned_to_their_sender(
    mortal: Mortal, ending: Callable[[Raw], Awaitable[None]]
) -> None:
    name, before = f"{ending.__name__}.bin", mortal.staged

    async def story() -> None:
        async with mortal.connected() as connection:
            one = await session(connection)
            await send(one, name, 100)
            await ending(one)

    asyncio.run(story())

    wait_until(lambda: mortal.record(name)["state"] == "abandoned")
    assert mortal.record(name)["downstreamStatus"] is None
    assert mortal.archived(name) == []
    wait_until(lambda: mortal.staged <= before)


def test_a_killed_client_is_told_as_abandoned_to_its_firm(mortal: Mortal, tmp_path: Path) -> None:
    with openssh_upload(mortal, tmp_path, "client.bin"):
        assert mortal.record("client.bin")["status"] == "Request Received"

    wait_until(lambda: mortal.record("client.bin")["state"] == "abandoned")
    assert mortal.archived("client.bin") == []


# --- half-open peers -----------------------------------------------------------------------------


class Wire:
    """A line between client and server that can go dead without either being told."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._tasks = set[asyncio.Task[None]]()
        self._writers = list[asyncio.StreamWriter]()
        self.is_dead = False

    @asynccontextmanager
    async def served(self):  # noqa: ANN201
        """Its port, while it is there."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [back, forth]
        self.closed = asyncio.create_task(self._copy(far, back))
        self._tasks |= {self.closed, asyncio.create_task(self._copy(near, forth))}

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """Until the source ends; what arrives on a dead line is lost."""
        try:
            while data := await source.read(1 << 16):
                if not self.is_dead:
                    to.write(data)
        except ConnectionError:
            pass  # cut: that is an end too


def test_a_peer_that_went_dead_is_dropped_after_missed_keep_alives(
    sqlite_world: World, tmp_path: Path
) -> None:
    account = sqlite_world.account()
    keys = HostKeyDirectory(tmp_path / "ssh")
    keys.ensure()
    timing = Timing(keep_alive_seconds=0.2, keep_alives=2)

    async def story(at: Door) -> None:
        wire = Wire(at.port)
        async with wire.served() as port, raw(SimpleNamespace(port=port), account) as one:
            handle = await one.create(f"{IN}/half-open.bin")
            await one.put(handle, 0, b"content")
            await asyncio.sleep(0.7)  # longer than a dead peer is given: this one answers
            assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME
            wire.is_dead = True
            async with asyncio.timeout(SECONDS):
                await wire.closed

    with door(sqlite_world, tmp_path / "ssh", Terms(timing)) as at:
        asyncio.run(story(at))

    with sqlite_world.database.reading() as tx:
        assert list(tx.scalars(select(submissions.c.state))) == ["abandoned"]
    assert account.names("0001/app1/in") == []
