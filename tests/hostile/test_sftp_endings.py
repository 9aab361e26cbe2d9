"""Only the client's own CLOSE on a living session submits a file; all else abandons it."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from frontends.sftp.driver import Door, Raw, connected, door, raw, text
from sqlalchemy import select
from world import Account, World

from transom.core.retention import SYSTEM
from transom.frontends.sftp.door import Terms, Timing
from transom.frontends.sftp.wire import Kind, Status
from transom.records.schema import submissions
from transom.server.host_keys import HostKeyDirectory

IN = "/0001/app1/in"
SECONDS = 10


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = HostKeyDirectory(tmp_path_factory.mktemp("ssh"))
    directory.ensure()
    return directory.root


@pytest.fixture
def at(sqlite_world: World, keys: Path) -> Iterator[Door]:
    with door(sqlite_world, keys) as found:
        yield found


def states(world: World, name: str) -> list[str]:
    with world.database.reading() as tx:
        query = select(submissions.c.state).where(submissions.c.name == name)
        return list(tx.scalars(query))


def wait_for(world: World, name: str, wanted: list[str]) -> None:
    until = time.monotonic() + SECONDS
    while (found := states(world, name)) != wanted:
        assert time.monotonic() < until, found
        time.sleep(0.02)


async def exits(session: Raw) -> None:
    session.connection.close()
    await session.connection.wait_closed()


async def resets(session: Raw) -> None:
    session.connection.abort()
    await session.connection.wait_closed()


async def ends_input(session: Raw) -> None:
    session.channel.write_eof()
    await session.ended()


async def closes_the_channel(session: Raw) -> None:
    session.channel.close()
    await session.channel.wait_closed()


async def cuts_the_line(session: Raw) -> None:
    session.connection.get_extra_info("socket").shutdown(2)
    await session.connection.wait_closed()


async def sends_garbage(session: Raw) -> None:
    session.channel.write(b"\xff" * 100)
    await session.ended()


async def breaks_off_within_close(session: Raw) -> None:
    session.channel.write(struct.pack(">IB", 13, Kind.CLOSE) + b"\0\0")
    await exits(session)


ENDINGS = (
    *(exits, resets, ends_input, closes_the_channel, cuts_the_line),
    *(sends_garbage, breaks_off_within_close),
)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda each: each.__name__)
def test_an_upload_whose_session_ends_before_close_never_reaches_the_application(
    sqlite_world: World, at: Door, ending: Callable[[Raw], Awaitable[None]]
) -> None:
    account = sqlite_world.account()
    application = sqlite_world.processor()

    async def story() -> None:
        async with raw(at, account) as session:
            handle = await session.create(f"{IN}/torn.bin")
            assert (await session.put(handle, 0, b"all of it, but no CLOSE"))[0] is Status.OK
            await ending(session)

    asyncio.run(story())

    wait_for(sqlite_world, "torn.bin", ["abandoned"])
    assert account.names("0001/app1/in") == []
    assert account.names("0001/app1/in_arcv") == []
    assert application.claim() == ()


def test_our_own_stop_abandons_what_is_not_closed_in_time(sqlite_world: World, keys: Path) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        async with raw(at, account) as session:
            handle = await session.create(f"{IN}/stopped.bin")
            await session.put(handle, 0, b"content")

            async def stop() -> None:
                await at.door.drain(0.1)

            asyncio.run_coroutine_threadsafe(stop(), at.loop)
            await session.ended()

    with door(sqlite_world, keys) as at:
        asyncio.run(story(at))

    wait_for(sqlite_world, "stopped.bin", ["abandoned"])


def test_an_idle_session_is_ended_with_a_text(sqlite_world: World, keys: Path) -> None:
    account = sqlite_world.account()
    terms = Terms(Timing(idle_seconds=0.2, check_seconds=0.05))

    async def story(at: Door) -> None:
        async with raw(at, account) as session:
            handle = await session.create(f"{IN}/idle.bin")
            await session.put(handle, 0, b"content")
            await session.ended()

    with door(sqlite_world, keys, terms) as at:
        asyncio.run(story(at))

    wait_for(sqlite_world, "idle.bin", ["abandoned"])


def change_the_secret(account: Account) -> None:
    account.world.exchange.administration.rotate_secret(SYSTEM, account.name)


def stop_the_firm_and_start_it_again(account: Account) -> None:
    """Within one look: only the organization's epoch tells."""
    administration = account.world.exchange.administration
    administration.set_organization_active(SYSTEM, "0001", active=False)
    administration.set_organization_active(SYSTEM, "0001", active=True)


@pytest.mark.parametrize("withdraw", [change_the_secret, stop_the_firm_and_start_it_again])
def test_a_stopped_account_loses_its_session_within_the_next_look(
    sqlite_world: World, keys: Path, withdraw: Callable[[Account], object]
) -> None:
    account = sqlite_world.account()

    async def story(at: Door) -> None:
        async with raw(at, account) as session:
            handle = await session.create(f"{IN}/stopped.bin")
            await session.put(handle, 0, b"content")
            withdraw(account)
            await session.ended()

    with door(sqlite_world, keys, Terms(Timing(check_seconds=0.05))) as at:
        asyncio.run(story(at))

    wait_for(sqlite_world, "stopped.bin", ["abandoned"])


@pytest.mark.parametrize(
    "packet",
    [struct.pack(">I", 0xFFFFFFFF), struct.pack(">I", 0), struct.pack(">IB", 100 << 20, 6)],
    ids=["endless", "empty", "100 MB"],
)
def test_a_packet_of_absurd_length_ends_that_session_and_no_other(
    sqlite_world: World, at: Door, packet: bytes
) -> None:
    account = sqlite_world.account()

    async def story() -> None:
        async with raw(at, account) as good, raw(at, account) as bad:
            bad.channel.write(packet)
            await bad.ended()
            assert (await good.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    asyncio.run(story())


def test_a_request_that_is_cut_short_is_answered_and_the_session_goes_on(
    sqlite_world: World, at: Door
) -> None:
    account = sqlite_world.account()

    async def story() -> None:
        async with raw(at, account) as session:
            for kind in (Kind.OPEN, Kind.CLOSE, Kind.STAT, Kind.SETSTAT, Kind.RENAME):
                status, _ = await session.status(kind, b"\0\0\0\x09x")
                assert status is Status.BAD_MESSAGE
            assert (await session.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    asyncio.run(story())


def test_shell_commands_forwarding_and_environment_are_refused(
    sqlite_world: World, at: Door
) -> None:
    import asyncssh  # noqa: PLC0415

    account = sqlite_world.account()

    async def story() -> None:
        async with connected(at, account) as connection:
            for asked in ({"command": "scp -t ."}, {"subsystem": "other"}, {}):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.create_process(**asked)
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", at.port)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.start_server(lambda *_: None, "127.0.0.1", 0)

    asyncio.run(story())
