"""More SFTP clients, real or replayed, and what OpenSSH is refused beside SFTP.

WinSCP and FileZilla run on Windows or need a screen; what they send is replayed here, request for
request, as their sources have it (SftpFileSystem.cpp; psftp.c of fzsftp).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import stat
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
import unavailable
from frontends.sftp.driver import Raw, connected, session, text
from journeys.machines import Machine
from journeys.servers import Demo, demo

from transom.frontends.sftp.wire import Kind, Status

Transport = Any
"""Of paramiko, which need not be here."""

CONTENT = os.urandom(300_000)
IN, OUT = "/0001/app1/in", "/0001/app1/out"
SECONDS = 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def machine(served: Demo, tmp_path: Path) -> Machine:
    (tmp_path / "up.bin").write_bytes(CONTENT)
    return Machine(served, served.account(), tmp_path)


def assert_received(at: Machine, name: str, content: bytes = CONTENT, times: int = 1) -> None:
    records = at.firm.call("GET", f"tracking?fileName={name}").json()
    assert [each["status"] for each in records] == ["Received by FINRA"] * times
    assert {each["fileSize"] for each in records} == {len(content)}
    archived = [each for each in at.firm.names("in_arcv") if each.endswith(f"_{name}")]
    assert sorted(archived) == sorted(each["arcvFileName"] for each in records)
    assert at.firm.fetch("in_arcv", archived[-1]) == content


# --- paramiko ------------------------------------------------------------------------------------


@contextlib.contextmanager
def paramiko_transport(at: Machine) -> Iterator:
    try:
        import paramiko  # noqa: PLC0415 - a client that a machine may lack
    except ImportError:
        unavailable.missing("paramiko", "not among the installed packages")
    transport = paramiko.Transport(("127.0.0.1", int(at.port)))
    try:
        transport.connect(username=at.firm.user, password=at.firm.password)
        yield transport
    finally:
        transport.close()


@pytest.fixture
def transport(machine: Machine) -> Iterator:
    with paramiko_transport(machine) as found:
        yield found


def test_paramiko_puts_and_confirms_the_size_and_gets_with_prefetch(
    machine: Machine, transport: Transport
) -> None:
    client = transport.open_sftp_client()

    put = client.put(str(machine.home / "up.bin"), f"{IN}/paramiko.bin", confirm=True)
    putfo = client.putfo(io.BytesIO(CONTENT), f"{IN}/paramikofo.bin", file_size=len(CONTENT))
    client.get(f"{OUT}/file1.zip", str(machine.home / "down.zip"))

    assert put.st_size == putfo.st_size == len(CONTENT)
    assert (machine.home / "down.zip").stat().st_size == 7473
    for name in ("paramiko.bin", "paramikofo.bin"):
        assert_received(machine, name)


def test_paramiko_lists_with_sizes_and_reads_anywhere(
    machine: Machine, transport: Transport
) -> None:
    client = transport.open_sftp_client()

    found = {each.filename: each for each in client.listdir_attr(OUT)}
    whole = machine.firm.fetch("out", "file1.zip")
    with client.open(f"{OUT}/file1.zip") as file:
        pieces = [bytes(each) for each in file.readv([(7000, 400), (0, 10), (3000, 100)])]

    assert found["file1.zip"].st_size == 7473
    assert stat.S_ISREG(found["file1.zip"].st_mode or 0)
    assert pieces == [whole[7000:7400], whole[:10], whole[3000:3100]]


def test_paramiko_has_several_sessions_on_one_connection(
    machine: Machine, transport: Transport
) -> None:
    clients = [transport.open_sftp_client() for _ in range(3)]

    files = [
        client.open(f"{IN}/paramiko-several{number}.bin", "wb")
        for number, client in enumerate(clients)
    ]
    for file in files:
        file.set_pipelined()
        file.write(CONTENT)
    clients[0].close()  # its upload is abandoned, the others are not
    for file in files[1:]:
        file.close()

    assert_received(machine, "paramiko-several1.bin")
    assert_received(machine, "paramiko-several2.bin")
    until = time.monotonic() + SECONDS
    query = "tracking?fileName=paramiko-several0.bin"
    while machine.firm.call("GET", query).json()[0]["state"] != "abandoned":
        assert time.monotonic() < until
        time.sleep(0.02)


def test_paramiko_submits_by_posix_rename_and_is_refused_in_words(
    machine: Machine, transport: Transport
) -> None:
    client = transport.open_sftp_client()
    client.putfo(io.BytesIO(CONTENT), f"{IN}/renamed.bin.partial")

    client.posix_rename(f"{IN}/renamed.bin.partial", f"{IN}/renamed.bin")

    assert_received(machine, "renamed.bin")
    refused = (
        (lambda: client.mkdir(f"{IN}/sub"), "The folders are there already"),
        (lambda: client.truncate(f"{IN}/renamed.bin", 3), "Setting the size of a file"),
        (lambda: client.remove(f"{IN}/renamed.bin"), "Files leave by themselves"),
        (lambda: client.posix_rename(f"{IN}/renamed.bin", f"{IN}/x.bin"), "under a temporary name"),
        (lambda: client.open(f"{IN}/renamed.bin", "ab"), "Send the whole file again"),
    )
    for verb, told in refused:
        with pytest.raises(OSError, match=told):
            verb()
    assert_received(machine, "renamed.bin")


# --- sshfs ---------------------------------------------------------------------------------------


def can_mount() -> bool:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return False
    return True


@pytest.fixture
def mounted(machine: Machine) -> Iterator[Path]:
    """The exchange as a file system."""
    if shutil.which("sshfs") is None:
        unavailable.missing("sshfs", "no such program; scripts/setup names its package")
    if not can_mount():
        unavailable.missing("sshfs", "/dev/fuse cannot be opened")
    point = machine.home / "mnt"
    point.mkdir()
    options = f"port={machine.port},password_stdin,UserKnownHostsFile={machine.known_hosts}"
    asked = ["sshfs", f"{machine.firm.user}@127.0.0.1:/", str(point), "-o", options]
    done = machine.run(*asked, given=machine.firm.password + "\n")
    assert done.returncode == 0, done.stderr
    try:
        yield point
    finally:
        subprocess.run(["fusermount3", "-u", "-z", str(point)], check=True, timeout=SECONDS)


def test_sshfs_copies_in_and_out_and_is_refused_new_folders(
    machine: Machine, mounted: Path
) -> None:
    place = mounted / "0001" / "app1"

    with (place / "in" / "sshfs.bin").open("wb") as file:
        file.write(CONTENT)
    found = {each.name: each.stat().st_size for each in (place / "out").iterdir()}
    fetched = (place / "out" / "file1.zip").read_bytes()

    assert_received(machine, "sshfs.bin")
    assert found["file1.zip"] == len(fetched) == 7473
    assert fetched == machine.firm.fetch("out", "file1.zip")
    with pytest.raises(OSError, match="sub"):
        (place / "in" / "sub").mkdir()
    with pytest.raises(OSError, match=r"file1\.zip"):
        (place / "out" / "file1.zip").unlink()


# --- WinSCP and FileZilla, replayed --------------------------------------------------------------

WRITE_CREAT, WITH_TRUNC, WITH_TRUNC_EXCL = 0x0A, 0x1A, 0x3A
TIMES = struct.pack(">III", 0x08, 1_700_000_000, 1_700_000_000)
TIMES_AND_MODE = struct.pack(">IIII", 0x0C, 0o644, 1_700_000_000, 1_700_000_000)


def login(at: Machine) -> tuple[SimpleNamespace, SimpleNamespace]:
    account = SimpleNamespace(name=at.firm.user, secret=at.firm.password)
    return SimpleNamespace(port=int(at.port)), account


@contextlib.asynccontextmanager
async def raw_session(at: Machine) -> AsyncIterator[Raw]:
    async with connected(*login(at)) as connection:
        yield await session(connection)


def replay(at: Machine, story: Callable[[Raw], Awaitable[None]]) -> None:
    async def main() -> None:
        async with raw_session(at) as one:
            await story(one)

    asyncio.run(main())


async def answers(one: Raw, sent: list[int]) -> list[tuple[Status, str]]:
    """The statuses of requests under way, which come in their order."""
    found = []
    for request in sent:
        reply = await one.receive()
        assert reply.request == request
        found.append(reply.status)
    return found


async def lists(one: Raw, folder: str, ahead: int) -> list[bytes]:
    """A folder read with so many READDIRs under way, as clients do; what NAME packets held."""
    handle = (await one.ask(Kind.OPENDIR, text(folder))).handle
    for _ in range(ahead):
        one.send(Kind.READDIR, text(handle))
    pages, waiting = [], ahead
    while waiting:
        reply = await one.receive()
        waiting -= 1
        if reply.kind is Kind.NAME:
            pages.append(reply.rest)
            one.send(Kind.READDIR, text(handle))
            waiting += 1
        else:
            assert reply.status[0] is Status.EOF
    assert (await one.close(handle))[0] is Status.OK
    return pages


def writes(one: Raw, handle: bytes, size: int) -> list[int]:
    return [
        one.write_request(handle, at, CONTENT[at : at + size])
        for at in range(0, len(CONTENT), size)
    ]


async def winscp_enters(one: Raw) -> None:
    assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME
    assert (await one.ask(Kind.REALPATH, text(IN))).kind is Kind.NAME
    assert (await one.ask(Kind.LSTAT, text(IN))).kind is Kind.ATTRS
    await lists(one, IN, 1)


async def winscp_by_filepart(one: Raw, name: str) -> None:
    """A transfer that WinSCP could resume: the default above 100 KB."""
    path, partial = text(f"{IN}/{name}"), text(f"{IN}/{name}.filepart")
    await winscp_enters(one)
    assert (await one.status(Kind.LSTAT, path))[0] is Status.NO_SUCH_FILE
    assert (await one.status(Kind.LSTAT, partial))[0] is Status.NO_SUCH_FILE
    size = struct.pack(">IQ", 0x01, len(CONTENT))
    opened = await one.ask(Kind.OPEN, partial, struct.pack(">I", WRITE_CREAT), size)
    sent = writes(one, opened.handle, 32_768)
    sent.append(one.send(Kind.CLOSE, text(opened.handle)))  # before the writes are answered
    done = await answers(one, sent)
    assert {status for status, _ in done} == {Status.OK}
    assert done[-1][1].startswith("held until renamed")
    assert (await one.status(Kind.RENAME, partial, path))[0] is Status.OK
    assert (await one.status(Kind.SETSTAT, path, TIMES))[0] is Status.OK
    assert (await one.ask(Kind.LSTAT, path)).kind is Kind.ATTRS
    await lists(one, IN, 1)


async def winscp_small(one: Raw, name: str) -> None:
    """A transfer below 100 KB: under its name, with times set before CLOSE is answered."""
    path = text(f"{IN}/{name}")
    await winscp_enters(one)
    opened = await one.ask(
        Kind.OPEN, path, struct.pack(">I", WITH_TRUNC_EXCL), struct.pack(">IQ", 1, len(CONTENT))
    )
    sent = writes(one, opened.handle, 32_768)
    sent.append(one.send(Kind.CLOSE, text(opened.handle)))
    sent.append(one.send(Kind.SETSTAT, path, TIMES_AND_MODE))
    assert {status for status, _ in await answers(one, sent)} == {Status.OK}


async def filezilla(one: Raw, name: str) -> None:
    """fzsftp with "preserve timestamps" on: up to a window of writes ahead, times after CLOSE."""
    path = text(f"{IN}/{name}")
    for folder in (".", IN):
        assert (await one.ask(Kind.REALPATH, text(folder))).kind is Kind.NAME
    await lists(one, IN, 4)
    assert (await one.ask(Kind.REALPATH, path)).kind is Kind.NAME
    mode = struct.pack(">II", 0x04, 0o100644)
    opened = await one.ask(Kind.OPEN, path, struct.pack(">I", WITH_TRUNC), mode)
    sent = writes(one, opened.handle, 16_384)
    assert {status for status, _ in await answers(one, sent)} == {Status.OK}
    status, told = await one.close(opened.handle)
    assert status is Status.OK
    assert told.startswith("received")
    assert (await one.ask(Kind.REALPATH, path)).kind is Kind.NAME
    assert (await one.status(Kind.SETSTAT, path, TIMES))[0] is Status.OK
    assert (await one.ask(Kind.STAT, path)).kind is Kind.ATTRS
    await lists(one, IN, 4)


@pytest.mark.parametrize(
    "client", [winscp_by_filepart, winscp_small, filezilla], ids=lambda each: each.__name__
)
def test_what_graphical_clients_send_submits_the_file_once(
    machine: Machine, client: Callable[[Raw, str], Awaitable[None]]
) -> None:
    name = f"{client.__name__}.bin"

    replay(machine, lambda one: client(one, name))

    assert_received(machine, name)


def test_winscp_replaces_what_it_sent_before_by_deleting_it_first(machine: Machine) -> None:
    """The name is there already, so it is deleted before the temporary one is given to the new.

    Nothing is deleted: both are submissions of their own.
    """
    path, partial = text(f"{IN}/daily.bin"), text(f"{IN}/daily.bin.filepart")

    async def again(one: Raw) -> None:
        assert (await one.ask(Kind.LSTAT, path)).kind is Kind.ATTRS
        status, told = await one.status(Kind.REMOVE, path)
        assert status is Status.PERMISSION_DENIED
        assert "Deleting" in told
        opened = await one.ask(Kind.OPEN, partial, struct.pack(">II", WRITE_CREAT, 0))
        sent = writes(one, opened.handle, 32_768)
        sent.append(one.send(Kind.CLOSE, text(opened.handle)))
        sent.append(one.send(Kind.REMOVE, path))
        sent.append(one.send(Kind.RENAME, partial, path))
        done = await answers(one, sent)
        assert {status for status, _ in done} == {Status.OK}
        assert "Nothing is deleted" in done[-2][1]

    replay(machine, lambda one: winscp_by_filepart(one, "daily.bin"))
    replay(machine, again)

    assert_received(machine, "daily.bin", times=2)


def test_filezilla_is_told_that_it_cannot_resume(machine: Machine) -> None:
    async def story(one: Raw) -> None:
        path = text(f"{IN}/reput.bin")
        status, told = await one.status(Kind.OPEN, path, struct.pack(">II", 0x02, 0))
        assert status is Status.OP_UNSUPPORTED
        assert "Send the whole file again" in told

    replay(machine, story)


# --- beside SFTP ---------------------------------------------------------------------------------


def ssh(at: Machine, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An OpenSSH program, told how to sign in; HOST stands for the server."""
    chosen = {
        "BatchMode": "no",
        "UserKnownHostsFile": str(at.known_hosts),
        "StrictHostKeyChecking": "yes",
        "PreferredAuthentications": "password",
        "User": at.firm.user,
        "Port": at.port,
    }
    options = [part for name, value in chosen.items() for part in ("-o", f"{name}={value}")]
    asked = {"SSH_ASKPASS": str(at.askpass), "SSH_ASKPASS_REQUIRE": "force"}
    return at.run(program, *options, *arguments, **asked)


@pytest.mark.parametrize(
    ("program", "arguments", "told"),
    [
        ("ssh", ["-T", "127.0.0.1"], "shell request failed"),
        ("ssh", ["-tt", "127.0.0.1"], "PTY allocation request failed|shell request failed"),
        ("ssh", ["127.0.0.1", "ls", "/"], "exec request failed"),
        ("ssh", ["-s", "127.0.0.1", "netconf"], "subsystem request failed"),
        ("scp", ["-O", "up.bin", "127.0.0.1:/0001/app1/in/scp.bin"], "exec request failed"),
        ("sftp", ["-s", "/usr/lib/openssh/sftp-server", "127.0.0.1"], "exec request failed"),
        ("sftp", ["-s", "other", "127.0.0.1"], "subsystem request failed"),
        ("ssh", ["-W", "127.0.0.1:22", "127.0.0.1"], "stdio forwarding failed"),
        (
            "ssh",
            ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "127.0.0.1"],
            "remote port forwarding failed",
        ),
        (
            "ssh",
            ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "./s:127.0.0.1:22", "127.0.0.1"],
            "remote port forwarding failed",
        ),
    ],
    ids=lambda each: " ".join(each)[:40] if isinstance(each, list) else None,
)
def test_openssh_is_refused_everything_beside_sftp(
    machine: Machine, program: str, arguments: list[str], told: str
) -> None:
    done = ssh(machine, program, *arguments)

    assert done.returncode != 0
    assert any(each in done.stderr for each in told.split("|")), done.stderr
    assert machine.firm.call("GET", "tracking?fileName=scp.bin").json() == []


def test_agent_x11_and_environment_have_no_effect_and_the_transfer_goes_on(
    machine: Machine,
) -> None:
    (machine.home / "batch").write_text("put up.bin 0001/app1/in/beside.bin\n")
    options = ("ForwardAgent=yes", "ForwardX11=yes", "SendEnv=LANG", "SetEnv=A=b")
    chosen = [part for each in options for part in ("-o", each)]

    done = ssh(machine, "sftp", "-A", *chosen, "-b", "batch", "127.0.0.1")

    assert done.returncode == 0, done.stderr
    assert_received(machine, "beside.bin")


def test_each_refusal_leaves_the_connection_usable(machine: Machine) -> None:
    async def story() -> None:
        async with connected(*login(machine)) as connection:
            opened = connection.create_process
            for asked in (
                {"command": "id"},
                {},
                {"subsystem": "other"},
                {"subsystem": "sftp", "term_type": "xterm"},
            ):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await opened(**asked)
            for forwarding in (
                lambda: connection.open_connection("127.0.0.1", 22),
                lambda: connection.open_unix_connection("/run/docker.sock"),
                lambda: connection.start_server(lambda *_: None, "127.0.0.1", 0),
                lambda: connection.start_unix_server(lambda *_: None, str(machine.home / "s")),
                connection.open_tun,
            ):
                with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ChannelListenError)):
                    await forwarding()
            one = await session(connection)
            assert not await asked_for(one, b"env", text("LANG"), text("C"))
            assert not await asked_for(one, b"auth-agent-req@openssh.com")
            x11 = (b"\0", text("MIT-MAGIC-COOKIE-1"), text("0" * 32), bytes(4))
            assert not await asked_for(one, b"x11-req", *x11)
            assert not await asked_for(one, b"subsystem", text("sftp"))
            assert not await asked_for(one, b"exec", text("id"))
            assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    asyncio.run(story())
    assert not (machine.home / "s").exists()


async def asked_for(one: Raw, request: bytes, *parts: bytes) -> bool:
    """Whether the server said yes to a channel request."""
    return await one.channel._make_request(request, *parts)


def test_nothing_listens_for_an_agent_or_forwarding(served: Demo) -> None:
    """The only sockets of the server are its doors."""
    pid, doors = served.process.pid, {"rest", "s3", "sftp", "portal"}
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(str(each.readlink()))
    listening = [
        line.split()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes
    ]
    ports = {int(each[1].rpartition(":")[2], 16) for each in listening}

    assert len(ports) == len(doors)
    assert int(served.ready["sftp"]["port"]) in ports
