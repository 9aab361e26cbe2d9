"""What seldom happens: limits reached, the core failing, defects of ours, odd questions."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncssh
import pytest
from frontends.sftp.driver import Door, Raw, connected, door, raw, session, text
from sqlalchemy import select
from world import Account, World, access_log

from transom.blobs.disk import DiskReader
from transom.core.browse import Browse
from transom.core.retention import SYSTEM
from transom.core.sessions import Sessions
from transom.core.sign_in import SignIn
from transom.core.uploads import Upload
from transom.domain.errors import Unavailable
from transom.domain.identity import PublicKey
from transom.frontends.sftp import handles, penalties
from transom.frontends.sftp.attributes import Listed, file
from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.penalties import Penalties, Prices
from transom.frontends.sftp.wire import Kind, Status
from transom.records.schema import submissions

IN = "/0001/app1/in"
SECONDS = 10
TIMES = struct.pack(">III", 0x08, 1, 1)
FREE = Terms(prices=Prices(forgiven=1e9))


def with_session(at: Door, account: Account, story: Callable[[Raw], Awaitable[None]]) -> None:
    async def main() -> None:
        async with raw(at, account) as one:
            await story(one)

    asyncio.run(main())


def unavailable_core(*_asked: object, **_options: object) -> None:
    raise Unavailable("database")


def defect(*_asked: object, **_options: object) -> None:
    raise RuntimeError("a defect")


# --- odd questions -------------------------------------------------------------------------------


def test_what_is_open_is_described_by_handle_and_by_path(at: Door, account: Account) -> None:
    async def story(one: Raw) -> None:
        folder = (await one.ask(Kind.OPENDIR, text(IN))).handle
        assert (await one.ask(Kind.FSTAT, text(folder))).kind is Kind.ATTRS
        path = text(f"{IN}/described.bin")
        handle = await one.create(f"{IN}/described.bin")
        await one.put(handle, 0, b"12345")
        for found in (await one.ask(Kind.STAT, path), await one.ask(Kind.FSTAT, text(handle))):
            assert struct.unpack_from(">IQ", found.rest)[1] == 5
        assert (await one.status(Kind.SETSTAT, path, TIMES))[0] is Status.OK
        assert (await one.status(Kind.SETSTAT, text(IN), TIMES))[0] is Status.PERMISSION_DENIED
        assert (await one.extended("fsync@openssh.com", text(handle))).status[0] is Status.OK
        assert (await one.close(handle))[0] is Status.OK

    with_session(at, account, story)


def test_a_file_that_somebody_else_sent_is_shown_and_cannot_be_changed(
    at: Door, account: Account, shared: World
) -> None:
    shared.account("0001", "both", "app1").submit("0001/app1/in/theirs.bin", b"1234567")

    async def story(one: Raw) -> None:
        path = text(f"{IN}/theirs.bin")
        found = await one.ask(Kind.STAT, path)
        assert struct.unpack_from(">IQ", found.rest)[1] == 7
        assert (await one.status(Kind.SETSTAT, path, TIMES))[0] is Status.PERMISSION_DENIED

    with_session(at, account, story)


def test_opening_for_nothing_and_moving_elsewhere_are_refused(at: Door, account: Account) -> None:
    account.hold("0001/app1/in/moved.bin.filepart")

    async def story(one: Raw) -> None:
        assert (await one.open(f"{IN}/x.bin", 0)).status[0] is Status.PERMISSION_DENIED
        held = text(f"{IN}/moved.bin.filepart")
        for new in ("/0001/app1/out/moved.bin", "/0001/app1/in", "/moved.bin"):
            status, told = await one.status(Kind.RENAME, held, text(new))
            assert (status, "stays in its sub-space" in told) == (Status.PERMISSION_DENIED, True)
        exclusive = await one.open(f"{IN}/moved.bin.filepart", 0x2A)
        assert exclusive.status[0] is Status.FAILURE

    with_session(at, account, story)


@pytest.mark.parametrize("strict", [False, True], ids=["kind", "strict"])
def test_deleting_what_a_held_upload_is_to_replace_is_answered_with_a_yes_that_deletes_nothing(
    sqlite_world: World, host_keys: Path, *, strict: bool
) -> None:
    account = sqlite_world.account()
    account.submit("0001/app1/in/daily.bin", b"yesterday")
    account.hold("0001/app1/in/daily.bin.filepart", b"today")
    other = sqlite_world.account()

    async def story(one: Raw) -> None:
        status, told = await one.status(Kind.REMOVE, text(f"{IN}/daily.bin"))
        assert status is (Status.PERMISSION_DENIED if strict else Status.OK)
        assert strict or "Nothing is deleted" in told
        for path in (f"{IN}/daily.bin.filepart", f"{IN}/else.bin", IN, "/"):
            assert (await one.status(Kind.REMOVE, text(path)))[0] is Status.PERMISSION_DENIED

    async def refused(one: Raw) -> None:
        status, _ = await one.status(Kind.REMOVE, text(f"{IN}/daily.bin"))
        assert status is Status.PERMISSION_DENIED

    with door(sqlite_world, host_keys, strict=strict) as at:
        with_session(at, account, story)
        with_session(at, other, refused)

    assert account.fetch(f"0001/app1/in_arcv/{account.names('0001/app1/in_arcv')[0]}") == (
        b"yesterday"
    )


def test_a_file_of_last_year_is_listed_with_its_year() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    lister = Listed(ZoneInfo("America/New_York"), now)

    recent, old = (
        lister.entry("a.txt", file(5, now - timedelta(days=days))).long_name for days in (30, 300)
    )

    assert " Oct 22 08:00 a.txt" in recent
    assert " Jan 25  2026 a.txt" in old


# --- bytes ---------------------------------------------------------------------------------------


def test_a_long_upload_is_pushed_to_the_disk_while_it_comes(
    at: Door, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, pushed = Upload.flush, list[int]()

    def note(self: Upload) -> None:
        pushed.append(self.size)
        flush(self)

    monkeypatch.setattr(handles, "FLUSH_EVERY", 10_000)
    monkeypatch.setattr(Upload, "flush", note)

    async def story(one: Raw) -> None:
        handle = await one.create(f"{IN}/pushed.bin")
        for number in range(10):
            assert (await one.put(handle, number * 4000, bytes(4000)))[0] is Status.OK
        assert (await one.close(handle))[0] is Status.OK

    with_session(at, account, story)

    assert pushed
    assert "pushed.bin" in account.names("0001/app1/in")


def test_a_store_that_gives_little_at_a_time_is_asked_again(
    at: Door, account: Account, shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 100
    shared.processor().publish("0001/app1/out/little.bin", content)
    read_at = DiskReader.read_at
    monkeypatch.setattr(
        DiskReader, "read_at", lambda self, offset, limit: read_at(self, offset, min(limit, 999))
    )

    async def story(one: Raw) -> None:
        handle = (await one.open("/0001/app1/out/little.bin", 1)).handle
        reply = await one.read(handle, 10, 20_000)
        assert reply.rest[4:] == content[10:20_010]

    with_session(at, account, story)


def test_an_upload_whose_end_cannot_be_noted_is_let_go_of_all_the_same(
    sqlite_world: World, host_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_world.account()
    monkeypatch.setattr(Upload, "abort", unavailable_core)

    async def story(one: Raw) -> None:
        await one.create(f"{IN}/unnoted.bin")

    with access_log() as lines:
        with door(sqlite_world, host_keys) as at:
            with_session(at, account, story)
        said = [lines.get() for _ in range(lines.qsize())]

    (line,) = [each for each in said if each.message == "upload abandoned"]
    assert "database" in line.not_noted


# --- the core fails, or we do --------------------------------------------------------------------


def test_a_defect_is_answered_with_an_id_and_the_session_goes_on(
    at: Door, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(one: Raw) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(Browse, "sub_space", defect)
            status, told = await one.status(Kind.STAT, text(IN))
        assert status is Status.FAILURE
        assert "Tell support this id: " in told
        assert "a defect" not in told
        assert (await one.ask(Kind.STAT, text(IN))).kind is Kind.ATTRS

    with caplog.at_level(logging.ERROR, "transom.access"):
        with_session(at, account, story)

    assert [each.message for each in caplog.records] == ["defect"]


@pytest.mark.parametrize(
    ("failing", "told"),
    [(unavailable_core, "database"), (defect, "Tell support this id")],
    ids=["unavailable", "defect"],
)
def test_a_session_that_cannot_be_counted_is_not_served(
    sqlite_world: World,
    host_keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: Callable[..., None],
    told: str,
) -> None:
    account = sqlite_world.account()
    monkeypatch.setattr(Sessions, "open", failing)

    async def story(at: Door) -> None:
        async with connected(at, account) as connection:
            with pytest.raises(asyncssh.Error):
                await session(connection)

    with door(sqlite_world, host_keys) as at, caplog.at_level(logging.DEBUG, "asyncssh"):
        asyncio.run(story(at))

    heard = [each.message for each in caplog.records if "Received disconnect" in each.message]
    assert any(told in each for each in heard), heard


def test_rights_that_cannot_be_read_at_the_start_end_the_session_and_free_its_place(
    sqlite_world: World, host_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transom.core.grants import Tokens  # noqa: PLC0415

    account = sqlite_world.account()

    async def story(at: Door) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(Tokens, "acting", unavailable_core)
            for _ in range(12):  # of whom 10 may be there at once
                async with connected(at, account) as connection:
                    with pytest.raises(asyncssh.Error):
                        await session(connection)
        async with raw(at, account) as one:
            assert (await one.ask(Kind.STAT, text(IN))).kind is Kind.ATTRS

    with door(sqlite_world, host_keys, FREE) as at:
        asyncio.run(story(at))


def test_looking_after_sessions_goes_on_after_a_failure_and_after_a_defect(
    sqlite_world: World, host_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_world.account()
    renew, left = Sessions.renew, [unavailable_core, defect]

    def answer(self: Sessions, ids: list[str]) -> None:
        if left:
            left.pop()()
        renew(self, ids)

    monkeypatch.setattr(Sessions, "renew", answer)
    terms = Terms(Timing(check_seconds=0.02, alive_seconds=0.02))

    async def story(at: Door) -> None:
        async with raw(at, account) as one:
            await one.create(f"{IN}/long.bin")
            sqlite_world.clock.pass_time(timedelta(minutes=11))
            until = time.monotonic() + SECONDS
            while left or alive_at(sqlite_world) is None:
                assert time.monotonic() < until
                await asyncio.sleep(0.02)
            assert (await one.ask(Kind.STAT, text(IN))).kind is Kind.ATTRS

    with door(sqlite_world, host_keys, terms) as at:
        asyncio.run(story(at))


def alive_at(world: World) -> datetime | None:
    with world.database.reading() as tx:
        return tx.scalar(select(submissions.c.alive_at))


# --- who knocks too often ------------------------------------------------------------------------


class Guessing(asyncssh.SSHClient):
    """Tries one password after the other, perhaps each for another name."""

    def __init__(self, *, names: bool) -> None:
        self._names, self._count = names, 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def password_auth_requested(self) -> str:
        self._count += 1
        if self._names:
            self._connection._username = f"other{self._count}"
        return f"guess{self._count}"


@pytest.mark.parametrize("names", [False, True], ids=["one name", "many names"])
def test_guessing_on_one_connection_comes_to_an_end(
    sqlite_world: World, host_keys: Path, *, names: bool
) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        guessing = asyncssh.connect(
            *("127.0.0.1", at.port),
            username=account.name,
            client_factory=lambda: Guessing(names=names),
            known_hosts=None,
            config=None,
            client_keys=None,
        )
        with pytest.raises(asyncssh.DisconnectError, match="Too many attempts"):
            await guessing

    with door(sqlite_world, host_keys, FREE) as at:
        asyncio.run(story(at))


def test_a_signature_over_sha_1_opens_nothing(
    at: Door, account: Account, shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    public = PublicKey.parse(key.export_public_key().decode())
    shared.exchange.administration.add_key(SYSTEM, account.name, public, "old", None)

    async def enters(**options: object) -> None:
        only = {"client_keys": [key], "preferred_auth": ["publickey"], "password": "not this"}
        async with connected(at, account, **only, **options):
            pass

    asyncio.run(enters())
    sign = type(key).sign
    monkeypatch.setattr(type(key), "sign", lambda self, data, _: sign(self, data, b"ssh-rsa"))
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(enters())


def test_a_key_is_no_key_while_the_database_is_away(
    sqlite_world: World, host_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_world.account()
    key = asyncssh.generate_private_key("ssh-ed25519")
    monkeypatch.setattr(SignIn, "offers_key", unavailable_core)

    async def story(at: Door) -> None:
        only = {"client_keys": [key], "preferred_auth": ["publickey"], "password": "not this"}
        with pytest.raises(asyncssh.PermissionDenied):
            await connected(at, account, **only).__aenter__()

    with door(sqlite_world, host_keys, FREE) as at:
        asyncio.run(story(at))


def test_sessions_on_one_connection_are_capped_and_a_closed_one_makes_room(
    at: Door, account: Account
) -> None:
    async def story() -> None:
        async with connected(at, account) as connection:
            open_ = [await session(connection) for _ in range(4)]
            with pytest.raises(asyncssh.ChannelOpenError, match="the limit"):
                await session(connection)
            open_[0].channel.close()
            await open_[0].channel.wait_closed()
            until = time.monotonic() + SECONDS
            while True:
                try:
                    one = await session(connection)
                except asyncssh.ChannelOpenError:
                    assert time.monotonic() < until
                else:
                    break
            assert (await one.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    asyncio.run(story())


def test_a_full_door_says_so_in_a_line_before_its_version(
    sqlite_world: World, host_keys: Path
) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        async with raw(at, account):
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            assert await reader.read() == b"Too many connections. Try again later.\r\n"
            writer.close()

    with door(sqlite_world, host_keys, Terms(connections=1)) as at:
        asyncio.run(story(at))


def test_of_too_many_penalties_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalties, "_MAX_SOURCES", 2)
    kept = Penalties(Prices(forgiven=1))

    for source in ("a", "b", "c"):
        kept.add(source, 10, now=0)

    assert [kept.refuses(source, 1) for source in ("a", "b", "c")] == [False, True, True]
