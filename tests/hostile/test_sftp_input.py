"""Bad input at the SFTP door: an error or a close, no growth, and no other session's trouble."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncssh
import pytest
from asyncssh import kex_dh
from asyncssh.packet import UInt32
from frontends.sftp.driver import Door, Raw, connected, door, raw, session, text
from sqlalchemy import func, select
from world import Account, World, made

from transom.core.grants import Tokens
from transom.core.retention import SYSTEM
from transom.domain.errors import Unavailable
from transom.frontends.sftp import server
from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.handles import MAX_HANDLES
from transom.frontends.sftp.penalties import Prices
from transom.frontends.sftp.wire import Kind, Status
from transom.records.schema import submissions
from transom.server.host_keys import HostKeyDirectory

IN, OUT = "/0001/app1/in", "/0001/app1/out"
SECONDS = 10
MIB = 1 << 20
FREE = Prices(forgiven=1e9)
"""Nobody is ever made to wait: here one address plays all the bad ones."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = HostKeyDirectory(tmp_path_factory.mktemp("ssh"))
    directory.ensure()
    return directory.root


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[World]:
    """One exchange for all bad input: whatever it is sent, it goes on."""
    directory = tmp_path_factory.mktemp("shared")
    shutil.copy(sqlite_template, directory / "transom.db")
    with made(directory / "world", f"sqlite:///{directory}/transom.db") as world:
        yield world


@pytest.fixture(scope="module")
def at(shared: World, keys: Path) -> Iterator[Door]:
    with door(shared, keys, Terms(prices=FREE)) as found:
        yield found


@pytest.fixture
def account(shared: World) -> Account:
    return shared.account()


def with_session(at: Door, account: Account, story: Callable[[Raw], Awaitable[None]]) -> None:
    async def main() -> None:
        async with raw(at, account) as one:
            await story(one)

    asyncio.run(main())


def count_submissions(world: World) -> int:
    with world.database.reading() as tx:
        return tx.scalar(select(func.count()).select_from(submissions)) or 0


async def works(one: Raw) -> None:
    assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME


# --- before SSH ----------------------------------------------------------------------------------

BANNER = b"SSH-2.0-tester\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
        b"SSH-1.5-old\r\n",
        b"\xff" * 100_000,
        os.urandom(MIB),
        BANNER + struct.pack(">I", 0xFFFFFFFF) + bytes(64),
        BANNER + struct.pack(">I", 0) + bytes(64),
        BANNER + struct.pack(">I", 35_001) + bytes(40_000),
        BANNER + os.urandom(MIB),
        BANNER + struct.pack(">IB", 12, 10) + b"\x14" + bytes(10),
    ],
    ids=[
        *("HTTP", "SSH 1", "no line", "random", "endless packet", "empty packet"),
        *("long packet", "random packets", "short key exchange"),
    ],
)
def test_what_is_not_ssh_ends_its_connection_and_no_other(
    at: Door, account: Account, sent: bytes
) -> None:
    async def story(one: Raw) -> None:
        with socket.create_connection(("127.0.0.1", at.port), timeout=SECONDS) as bad:
            await asyncio.to_thread(send_and_wait_for_the_end, bad, sent)
        await works(one)

    with_session(at, account, story)


def send_and_wait_for_the_end(client: socket.socket, sent: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        client.sendall(sent)
        while client.recv(1 << 16):
            pass


def test_a_login_works_while_hundreds_of_handshakes_are_left_half_done(
    shared: World, keys: Path, account: Account
) -> None:
    terms = Terms(Timing(grace_seconds=60), FREE, unproven=200)

    async def story(at: Door) -> None:
        began = time.monotonic()
        async with raw(at, account) as one:
            await works(one)
        assert time.monotonic() - began < SECONDS

    with door(shared, keys, terms) as at, contextlib.ExitStack() as stack:
        for number in range(220):
            held = socket.create_connection(("127.0.0.1", at.port), timeout=SECONDS)
            stack.enter_context(held)
            with contextlib.suppress(ConnectionError):
                held.sendall(BANNER[: 1 + number % len(BANNER)])
        asyncio.run(story(at))


def test_who_sends_much_before_signing_in_is_cut(at: Door) -> None:
    async def story() -> None:
        connection = asyncssh.connect(
            *("127.0.0.1", at.port),
            username="x" * 30_000,
            password="y" * 300_000,
            known_hosts=None,
            config=None,
            client_keys=None,
        )
        with pytest.raises((asyncssh.Error, OSError)):
            await connection

    asyncio.run(story())


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("is_old", [False, True], ids=["min, preferred, max", "preferred"])
def test_a_small_group_is_never_agreed_on_even_when_asked_for(
    at: Door, account: Account, monkeypatch: pytest.MonkeyPatch, *, is_old: bool
) -> None:
    bits, begin = set[int](), kex_dh._KexDHGex._init_group

    def note(self: kex_dh._KexDHGex, g: int, p: int) -> None:
        bits.add(p.bit_length())
        begin(self, g, p)

    def ask(self: kex_dh._KexDHGex) -> None:
        sizes = UInt32(1024) if is_old else UInt32(1024) * 3
        self._gex_data = sizes
        self.send_packet(kex_dh.MSG_KEX_DH_GEX_REQUEST_OLD if is_old else self._request_type, sizes)

    monkeypatch.setattr(kex_dh._KexDHGex, "_init_group", note)
    monkeypatch.setattr(kex_dh._KexDHGex, "_send_request", ask)

    async def story() -> None:
        kex = ["diffie-hellman-group-exchange-sha256"]
        async with connected(at, account, kex_algs=kex) as connection:
            await works(await session(connection))

    asyncio.run(story())

    assert bits == {2048}


# --- before the first request --------------------------------------------------------------------


@contextlib.asynccontextmanager
async def unbegun(at: Door, account: Account) -> AsyncIterator[Raw]:
    """A session that has not said INIT."""
    async with connected(at, account) as connection:
        from frontends.sftp.driver import _Channel  # noqa: PLC0415

        channel, made = await connection.create_session(_Channel, subsystem="sftp", encoding=None)
        yield Raw(connection, channel, made)


@pytest.mark.parametrize(
    "packet",
    [
        struct.pack(">BI", Kind.INIT, 2),
        struct.pack(">BI", Kind.INIT, 0),
        bytes((Kind.INIT,)),
        struct.pack(">BII", Kind.REALPATH, 1, 0),
        struct.pack(">BI", Kind.VERSION, 3),
        struct.pack(">BIIIQI", Kind.WRITE, 1, 4, 1, 0, 0),
    ],
    ids=["version 2", "version 0", "no version", "a request", "VERSION", "WRITE"],
)
def test_a_session_that_does_not_begin_with_init_is_ended(
    at: Door, account: Account, packet: bytes
) -> None:
    async def story() -> None:
        async with unbegun(at, account) as one:
            one.write(packet)
            await one.ended()

    asyncio.run(story())


@pytest.mark.parametrize("version", [3, 4, 6, 0xFFFFFFFF])
def test_a_newer_client_is_answered_with_version_3(
    at: Door, account: Account, version: int
) -> None:
    async def story() -> None:
        async with unbegun(at, account) as one:
            one.write(struct.pack(">BI", Kind.INIT, version) + text("more") + text("1"))
            reply = await one.receive()
            assert (reply.kind, reply.request) == (Kind.VERSION, 3)
            await works(one)

    asyncio.run(story())


@pytest.mark.parametrize("kind", [Kind.INIT, Kind.VERSION, Kind.STATUS, Kind.DATA, Kind.ATTRS, 255])
def test_what_is_no_request_is_refused_and_the_session_goes_on(
    at: Door, account: Account, kind: int
) -> None:
    async def story(one: Raw) -> None:
        assert (await one.status(kind, bytes(40)))[0] is Status.OP_UNSUPPORTED
        await works(one)

    with_session(at, account, story)


# --- handles -------------------------------------------------------------------------------------


def test_of_two_thousand_handles_most_are_refused_until_some_are_closed(
    at: Door, account: Account
) -> None:
    async def story(one: Raw) -> None:
        asked = [one.send(Kind.OPENDIR, text(OUT)) for _ in range(2000)]
        replies = [await one.receive() for _ in asked]
        handles = [each.handle for each in replies if each.kind is Kind.HANDLE]
        refused = [each.status for each in replies if each.kind is Kind.STATUS]
        assert len(handles) == len(set(handles)) == MAX_HANDLES
        assert {status for status, _ in refused} == {Status.FAILURE}
        assert "the limit. Close some first." in refused[0][1]
        assert (await one.open(f"{IN}/one-more.bin", 0x1A)).status[0] is Status.FAILURE
        assert (await one.close(handles[0]))[0] is Status.OK
        assert (await one.open(f"{IN}/one-more.bin", 0x1A)).handle not in handles

    with_session(at, account, story)


def test_handles_that_are_closed_foreign_or_of_another_kind_are_refused(
    shared: World, at: Door, account: Account
) -> None:
    shared.processor().publish("0001/app1/out/result.txt", b"result")

    async def story() -> None:
        async with connected(at, account) as connection:
            one, other = await session(connection), await session(connection)
            await one.ask(Kind.OPENDIR, text(OUT))
            upload = await one.create(f"{IN}/mine.bin")
            folder = (await one.ask(Kind.OPENDIR, text(OUT))).handle
            down = (await one.open(f"{OUT}/result.txt", 1)).handle
            bad = (
                (other.put, upload, 0, b"foreign"),
                (other.close, upload),
                (other.put, down, 0, b"foreign"),
                (one.put, folder, 0, b"a folder"),
                (one.put, down, 0, b"a download"),
                (one.put, b"", 0, b"no name"),
                (one.put, upload + b"\0", 0, b"a name too long"),
                (one.put, bytes(4000), 0, b"a name far too long"),
                (one.status, Kind.READ, text(upload), struct.pack(">QI", 0, 10)),
                (one.status, Kind.READDIR, text(upload)),
                (one.status, Kind.READDIR, text(down)),
                (one.status, Kind.FSTAT, text(b"????")),
                (one.status, Kind.FSETSTAT, text(down), bytes(4)),
                (one.status, Kind.EXTENDED, text("fsync@openssh.com"), text(down)),
            )
            for ask, *asked in bad:
                status, told = await ask(*asked)
                assert status in {Status.FAILURE, Status.PERMISSION_DENIED}, (ask, asked, told)
            assert (await one.put(upload, 0, b"content"))[0] is Status.OK
            assert (await one.close(upload))[0] is Status.OK
            for again in (one.close(upload), one.put(upload, 7, b"late")):
                assert (await again)[0] is Status.FAILURE

    asyncio.run(story())

    (name,) = (each for each in account.names("0001/app1/in_arcv") if each.endswith("_mine.bin"))
    assert account.fetch(f"0001/app1/in_arcv/{name}") == b"content"


def test_reads_past_the_end_backwards_and_huge_give_what_is_there(
    shared: World, at: Door, account: Account
) -> None:
    content = os.urandom(3 * MIB)
    shared.processor().publish("0001/app1/out/result.bin", content)

    async def story(one: Raw) -> None:
        handle = (await one.open(f"{OUT}/result.bin", 1)).handle
        for offset in (len(content), len(content) + 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1):
            assert (await one.read(handle, offset, 4096)).status[0] is Status.EOF
        assert (await one.read(handle, 0, 0)).status[0] is Status.EOF
        for offset, length in ((2 * MIB, 99), (0, 0xFFFFFFFF), (MIB, 10), (len(content) - 1, 50)):
            reply = await one.read(handle, offset, length)
            assert reply.kind is Kind.DATA
            assert reply.rest[4:] == content[offset : offset + min(length, MIB)]

    with_session(at, account, story)

    started = shared.audited("download.started")
    assert [each.object for each in started].count("0001/app1/out/result.bin") == 1


def test_a_write_beyond_any_file_spoils_its_upload_and_nothing_else(
    shared: World, at: Door, account: Account
) -> None:
    async def story(one: Raw) -> None:
        spoiled = await one.create(f"{IN}/spoiled.bin")
        assert (await one.put(spoiled, (1 << 64) - 1, b"x"))[0] is Status.FAILURE
        assert (await one.put(spoiled, 0, b"x"))[0] is Status.FAILURE
        assert (await one.close(spoiled))[0] is Status.FAILURE
        good = await one.create(f"{IN}/good.bin")
        assert (await one.put(good, 0, b""))[0] is Status.OK
        assert (await one.close(good))[0] is Status.OK

    with_session(at, account, story)

    assert {"good.bin", "spoiled.bin"} & set(account.names("0001/app1/in")) == {"good.bin"}
    with shared.database.reading() as tx:
        states = dict(list(tx.execute(select(submissions.c.name, submissions.c.state))))
    assert (states["spoiled.bin"], states["good.bin"]) == ("abandoned", "received")


@pytest.mark.parametrize(
    "packet",
    [
        bytes((Kind.WRITE,)) + bytes(10),
        struct.pack(">BIIIQI", Kind.WRITE, 9, 4, 1, 0, 100) + bytes(10),
        bytes((Kind.READ,)) + bytes(10),
    ],
    ids=["a WRITE of no length", "a WRITE of fewer bytes than told", "a READ of no offset"],
)
def test_a_read_or_write_that_is_cut_short_ends_the_session_and_submits_nothing(
    at: Door, account: Account, packet: bytes
) -> None:
    async def story(one: Raw) -> None:
        await one.create(f"{IN}/short.bin")
        one.write(packet)
        one.send(Kind.CLOSE, text(struct.pack(">I", 1)))
        await one.ended()

    with_session(at, account, story)

    assert "short.bin" not in account.names("0001/app1/in")


# --- names ---------------------------------------------------------------------------------------

BAD_NAMES = {
    "control": "a\nb.txt",
    "escape": "a\x1b[2J.txt",
    "nul": "a\0b.txt",
    "delete": "a\x7f.txt",
    "not UTF-8": b"a\xff.txt",
    "hash": "a#b.txt",
    "space": "a b.txt",
    "right to left": "a\u202etxt.exe",
    "full width dots": "\uff0e\uff0e",
    "backslash": "..\\..\\etc",
    "overlong": "a" * 300,
    "longer than any text": "a" * 5000,
    "percent": "%2e%2e",
    "trailing dot": "a.",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_breaks_the_rule_begins_no_upload(
    shared: World, at: Door, account: Account, name: str
) -> None:
    bad = BAD_NAMES[name]
    path = f"{IN}/".encode() + (bad if isinstance(bad, bytes) else bad.encode())

    async def story(one: Raw) -> None:
        flags = struct.pack(">II", 0x1A, 0)
        status, told = await one.status(Kind.OPEN, text(path), flags)
        assert status in {Status.FAILURE, Status.BAD_MESSAGE}
        assert told.isprintable()
        for kind in (Kind.STAT, Kind.OPENDIR, Kind.REMOVE):
            status, _ = await one.status(kind, text(path))
            assert status in {Status.NO_SUCH_FILE, Status.PERMISSION_DENIED, Status.BAD_MESSAGE}
        await works(one)

    before = count_submissions(shared)
    with_session(at, account, story)

    assert count_submissions(shared) == before


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "../../../../etc/passwd", "/0001/app1/in/../../../../etc/passwd"),
        *("/0001/../0002/app1/in/x", "/0001/app1/in/sub/x", "//etc//passwd", "/proc/self/environ"),
        *("/0001/app1/in_arcv/x", "/0001/app1/x", "/x", "/", "", "~/x", "C:/x"),
    ],
)
def test_no_path_leads_out_of_what_the_account_sees(
    shared: World, at: Door, account: Account, path: str
) -> None:
    async def story(one: Raw) -> None:
        for flags in (0x1A, 0x01):
            status, _ = (await one.open(path, flags)).status
            assert status in {Status.NO_SUCH_FILE, Status.PERMISSION_DENIED, Status.FAILURE}
        await works(one)

    before = count_submissions(shared)
    with_session(at, account, story)

    assert count_submissions(shared) == before


# --- a client that asks and does not read --------------------------------------------------------


def stops_taking_data(one: Raw) -> None:
    one.channel.pause_reading()


def stops_reading_its_line(one: Raw) -> None:
    one.connection._transport.pause_reading()


@pytest.mark.parametrize(
    ("stops", "window"),
    [(stops_taking_data, 2 * MIB), (stops_reading_its_line, 1 << 30)],
    ids=["its window is full", "its line is full"],
)
def test_who_asks_for_a_gibibyte_and_reads_nothing_makes_the_server_keep_little(
    shared: World, at: Door, account: Account, stops: Callable[[Raw], None], window: int
) -> None:
    shared.processor().publish("0001/app1/out/asked.bin", bytes(MIB))

    async def story() -> None:
        async with connected(at, account) as connection, raw(at, account) as other:
            one = await session(connection, window)
            handle = (await one.open(f"{OUT}/asked.bin", 1)).handle
            stops(one)
            for _ in range(1024):
                one.send(Kind.READ, text(handle), struct.pack(">QI", 0, MIB))
            history = [0]
            async with asyncio.timeout(SECONDS):
                while not history[-1] or history[-1] != history[-2]:  # until it grows no more
                    await asyncio.sleep(0.1)
                    history.append(max(buffered(each.connection) for each in at.door._inside))
            assert 0 < max(history) < 8 * MIB
            await works(other)

    asyncio.run(story())


def buffered(connection: asyncssh.SSHServerConnection) -> int:
    """Bytes that the server keeps for a client."""
    transport = connection._transport
    channels = list(connection._channels.values())
    kept = sum(sum(len(data) for data, _ in each._send_buf) for each in channels)
    return kept + (transport.get_write_buffer_size() if transport else 0)


# --- who may no longer, and who cannot be asked about --------------------------------------------

SOON = Timing(check_seconds=0.05)


def test_without_the_database_requests_are_refused_after_a_while_and_taken_when_it_is_back(
    shared: World, keys: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting = Tokens.acting
    is_down = []

    def answer(*asked: object, **options: object):  # noqa: ANN202
        if is_down:
            raise Unavailable("database")
        return acting(*asked, **options)

    monkeypatch.setattr(Tokens, "acting", answer)
    monkeypatch.setattr(server, "_TRUSTED_SECONDS", 0.3)

    async def story(at: Door) -> None:
        async with raw(at, account) as one:
            await works(one)
            handle = await one.create(f"{IN}/meanwhile.bin")
            is_down.append(True)
            assert (await one.ask(Kind.STAT, text(IN))).kind is Kind.ATTRS  # for a while
            await until(one, Kind.STATUS)
            status, told = await one.status(Kind.OPEN, text(f"{IN}/x"), struct.pack(">II", 26, 0))
            assert status is Status.FAILURE
            assert "cannot be checked at the moment" in told
            assert (await one.put(handle, 0, b"content"))[0] is Status.OK
            assert (await one.close(handle))[0] is Status.FAILURE  # who may not, submits not
            is_down.clear()
            await until(one, Kind.ATTRS)
            assert (await one.open(f"{IN}/after.bin", 0x1A)).handle

    with door(shared, keys, Terms(SOON)) as at:
        asyncio.run(story(at))

    assert "meanwhile.bin" not in account.names("0001/app1/in")


async def until(one: Raw, kind: Kind, folder: str = IN) -> None:
    """Look at a folder until the answer is of this kind."""
    end = time.monotonic() + SECONDS
    while (await one.ask(Kind.STAT, text(folder))).kind is not kind:
        assert time.monotonic() < end


def test_a_session_ends_soon_after_its_account_is_disabled(
    shared: World, keys: Path, account: Account
) -> None:
    async def story(at: Door) -> None:
        async with raw(at, account) as one:
            await works(one)
            shared.exchange.administration.set_account_active(SYSTEM, account.name, active=False)
            await one.ended()
        with pytest.raises(asyncssh.PermissionDenied):
            async with raw(at, account):
                pass

    with door(shared, keys, Terms(SOON)) as at:
        asyncio.run(story(at))


def test_a_session_ends_soon_after_its_key_is_withdrawn(
    shared: World, keys: Path, account: Account
) -> None:
    from transom.domain.identity import PublicKey  # noqa: PLC0415

    key = asyncssh.generate_private_key("ssh-ed25519")
    public = PublicKey.parse(key.export_public_key().decode())
    admin = shared.exchange.administration
    admin.add_key(SYSTEM, account.name, public, "laptop", None)

    async def story(at: Door) -> None:
        async with raw(at, account, client_keys=[key], password="not this") as one:
            await works(one)
            admin.end_key(SYSTEM, account.name, public.fingerprint)
            await one.ended()

    with door(shared, keys, Terms(SOON)) as at:
        asyncio.run(story(at))


def test_an_entitlement_that_is_withdrawn_is_gone_from_a_living_session(
    shared: World, keys: Path, account: Account
) -> None:
    other = shared.entitle(account, "0001", "app2", "both")

    async def story(at: Door) -> None:
        async with raw(at, account) as one:
            assert (await one.ask(Kind.STAT, text("/0001/app2/in"))).kind is Kind.ATTRS
            handle = await one.create("/0001/app2/in/withdrawn.bin")
            shared.exchange.administration.end_entitlement(SYSTEM, other)
            await until(one, Kind.STATUS, "/0001/app2/in")
            status, _ = (await one.open("/0001/app2/in/next.bin", 0x1A)).status
            assert status is Status.NO_SUCH_FILE
            # What was begun with the right to it may end.
            assert (await one.close(handle))[0] is Status.OK
            assert (await one.ask(Kind.STAT, text(IN))).kind is Kind.ATTRS

    with door(shared, keys, Terms(SOON)) as at:
        asyncio.run(story(at))
