"""What each verb answers, what is refused in words, and that none is answered by accident."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest
from asyncssh import sftp as library
from frontends.sftp import driver
from frontends.sftp.driver import Door, Raw, connected, door, raw, text
from world import Account, World

from transom.frontends.sftp import errors
from transom.frontends.sftp.files import EXTENSIONS, VERBS
from transom.frontends.sftp.handles import MAX_HANDLES
from transom.frontends.sftp.wire import Kind, Status

IN = "/0001/app1/in"


def with_session(at: Door, account: Account, story: Callable[[Raw], Awaitable[None]]) -> None:
    async def main() -> None:
        async with raw(at, account) as session:
            await story(session)

    asyncio.run(main())


def with_library(
    at: Door, account: Account, story: Callable[[asyncssh.SFTPClient], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with (
            connected(at, account) as connection,
            connection.start_sftp_client() as client,
        ):
            await story(client)

    asyncio.run(main())


def test_every_verb_that_the_library_knows_has_an_answer_of_ours() -> None:
    taken_elsewhere = {Kind.READ, Kind.WRITE}  # session.py
    beyond_version_3 = {library.FXP_LINK, library.FXP_BLOCK, library.FXP_UNBLOCK}
    ours = set(VERBS) | taken_elsewhere | beyond_version_3 | set(EXTENSIONS)

    known = set()
    for each in library.SFTPServerHandler._packet_handlers:
        known.add(each.decode() if isinstance(each, bytes) else each)

    assert known <= ours, known - ours


def test_every_method_of_the_librarys_server_is_one_that_we_have_answered() -> None:
    """A new one in a newer library is a new verb, or a new way to reach the disk: look at it."""
    answered = {
        *("chmod", "chown", "close", "copy_data", "exit", "format_longname", "format_group"),
        *("format_user", "fsetstat", "fstat", "fstatvfs", "fsync", "link", "listdir", "lstat"),
        *("lsetstat", "map_path", "mkdir", "open", "open56", "posix_rename", "read", "readlink"),
        *("realpath", "remove", "rename", "reverse_map_path", "rmdir", "scandir", "setstat"),
        *("stat", "statvfs", "symlink", "write", "lock", "unlock", "convert_attrs", "ranges"),
        *("channel", "connection", "env", "logger", "request_ranges", "limits"),
    }

    found = {name for name in vars(asyncssh.SFTPServer) if not name.startswith("_")}

    assert found <= answered, found - answered


def test_root_shows_organizations_then_applications_sub_spaces_and_files(
    at: Door, account: Account, shared: World
) -> None:
    shared.processor("app1").publish("0001/app1/out/shown.txt", b"result")

    async def story(client: asyncssh.SFTPClient) -> None:
        assert await client.listdir("/") == ["0001"]
        assert await client.listdir("/0001") == ["app1"]
        assert sorted(await client.listdir("/0001/app1")) == ["in", "in_arcv", "out"]
        found = {each.filename: each for each in await client.readdir("/0001/app1/out")}
        shown = found["shown.txt"]
        assert shown.attrs.size == 6
        assert shown.longname.startswith("-r--r--r--")
        assert await client.listdir("/0001/app1/in_arcv") is not None

    with_library(at, account, story)


@pytest.mark.parametrize("path", ["/0002", "/0001/app2", "/0001/app1/else", "/etc", "/../etc/x"])
def test_what_the_account_is_not_entitled_to_is_not_there(
    at: Door, account: Account, path: str
) -> None:
    async def story(session: Raw) -> None:
        for kind in (Kind.STAT, Kind.LSTAT, Kind.OPENDIR):
            status, _ = await session.status(kind, text(path))
            assert status is Status.NO_SUCH_FILE

    with_session(at, account, story)


def test_a_file_goes_in_is_tracked_and_comes_back_from_the_archive(
    at: Door, account: Account, shared: World
) -> None:
    content = bytes(range(256)) * 4000

    async def story(session: Raw) -> None:
        handle = await session.create(f"{IN}/whole.bin")
        assert await session.put(handle, 0, content) == (Status.OK, "")
        status, told = await session.close(handle)
        assert status is Status.OK
        assert told.startswith("received, tracking id ")

    with_session(at, account, story)

    (name,) = [each for each in account.names("0001/app1/in_arcv") if "whole.bin" in each]
    assert account.fetch(f"0001/app1/in_arcv/{name}") == content

    async def back(client: asyncssh.SFTPClient) -> None:
        async with client.open(f"/0001/app1/in_arcv/{name}", "rb") as file:
            assert await file.read() == content
            await file.seek(1000)
            assert await file.read(100) == content[1000:1100]
            await file.seek(0)
            assert await file.read(10) == content[:10]

    with_library(at, account, back)
    (audited,) = shared.audited("upload.received")[-1:]
    assert audited.object.endswith("whole.bin")


def test_writes_may_come_in_any_order_and_a_hole_at_close_is_an_error(
    at: Door, account: Account
) -> None:
    async def story(session: Raw) -> None:
        handle = await session.create(f"{IN}/order.txt")
        await session.put(handle, 3, b"def")
        await session.put(handle, 0, b"abc")
        assert (await session.close(handle))[0] is Status.OK
        holed = await session.create(f"{IN}/holed.txt")
        await session.put(holed, 3, b"def")
        status, told = await session.close(holed)
        assert status is Status.FAILURE
        assert "bytes are missing from offset 0" in told

    with_session(at, account, story)

    assert "order.txt" in account.names("0001/app1/in")
    assert "holed.txt" not in account.names("0001/app1/in")


@pytest.mark.parametrize("flags", [0x02, 0x06, 0x0E, 0x03], ids=["w", "append", "a+c", "rw"])
def test_appending_and_resuming_are_refused_in_words(
    at: Door, account: Account, flags: int
) -> None:
    async def story(session: Raw) -> None:
        status, told = (await session.open(f"{IN}/resumed.txt", flags)).status
        assert status is Status.OP_UNSUPPORTED
        assert "Send the whole file again" in told

    with_session(at, account, story)


def test_exclusive_creation_fails_while_the_name_is_there(at: Door, account: Account) -> None:
    account.submit("0001/app1/in/taken.txt")

    async def story(session: Raw) -> None:
        assert (await session.open(f"{IN}/taken.txt", 0x2A)).status[0] is Status.FAILURE
        assert (await session.open(f"{IN}/free.txt", 0x2A)).handle
        again = await session.create(f"{IN}/taken.txt")
        assert (await session.close(again))[0] is Status.OK

    with_session(at, account, story)


PATHS = text(f"{IN}/x.txt")
TWO_PATHS = PATHS + text(f"{IN}/y.txt")
NO_ATTRS = struct.pack(">I", 0)
REFUSED = {
    "mkdir": (Kind.MKDIR, text(f"{IN}/sub") + NO_ATTRS, Status.PERMISSION_DENIED),
    "rmdir": (Kind.RMDIR, text(IN), Status.PERMISSION_DENIED),
    "remove": (Kind.REMOVE, PATHS, Status.PERMISSION_DENIED),
    "rename": (Kind.RENAME, TWO_PATHS, Status.PERMISSION_DENIED),
    "readlink": (Kind.READLINK, PATHS, Status.OP_UNSUPPORTED),
    "symlink": (Kind.SYMLINK, TWO_PATHS, Status.OP_UNSUPPORTED),
    "setstat": (Kind.SETSTAT, PATHS + NO_ATTRS, Status.PERMISSION_DENIED),
    "unknown": (99, b"", Status.OP_UNSUPPORTED),
    **{
        name: (Kind.EXTENDED, text(name) + TWO_PATHS, Status.OP_UNSUPPORTED)
        for name in ("statvfs@openssh.com", "hardlink@openssh.com", "copy-data", "what@ever")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_in_words_and_the_session_goes_on(
    at: Door, account: Account, name: str
) -> None:
    kind, body, wanted = REFUSED[name]

    async def story(session: Raw) -> None:
        status, told = await session.status(kind, body)
        assert status is wanted
        assert "not offered here" in told
        assert (await session.ask(Kind.REALPATH, text("."))).kind is Kind.NAME

    with_session(at, account, story)


def test_what_is_refused_is_not_advertised(at: Door, account: Account) -> None:
    async def story(session: Raw) -> None:
        names = ("limits@openssh.com", "fsync@openssh.com", "posix-rename@openssh.com")
        assert session.offered == b"".join(text(name) + text("1") for name in names)

    with_session(at, account, story)


def test_replies_leave_in_the_order_of_the_requests(at: Door, account: Account) -> None:
    async def story(session: Raw) -> None:
        handle = await session.create(f"{IN}/pipelined.txt")
        sent = []
        for at_ in range(50):
            sent.append(session.write_request(handle, at_ * 4, b"data"))
            sent.append(session.send(Kind.STAT, text(IN)))
        sent.append(session.send(Kind.CLOSE, text(handle)))
        assert [(await session.receive()).request for _ in sent] == sent

    with_session(at, account, story)


def test_attributes_of_an_open_or_just_closed_upload_are_answered_without_harm(
    at: Door, account: Account
) -> None:
    times = struct.pack(">III", 0x08, 1, 1)
    size = struct.pack(">IQ", 0x01, 99)

    async def story(session: Raw) -> None:
        handle = await session.create(f"{IN}/kept.txt")
        await session.put(handle, 0, b"content")
        assert (await session.status(Kind.FSETSTAT, text(handle), times))[0] is Status.OK
        assert (await session.status(Kind.FSETSTAT, text(handle), size))[0] is not Status.OK
        assert (await session.ask(Kind.FSTAT, text(handle))).kind is Kind.ATTRS
        assert (await session.close(handle))[0] is Status.OK
        path = text(f"{IN}/kept.txt")
        assert (await session.status(Kind.SETSTAT, path, times))[0] is Status.OK
        assert (await session.ask(Kind.STAT, path)).kind is Kind.ATTRS

    with_session(at, account, story)

    (name,) = [each for each in account.names("0001/app1/in_arcv") if each.endswith("kept.txt")]
    assert account.fetch(f"0001/app1/in_arcv/{name}") == b"content"


@pytest.mark.parametrize("posix", [False, True])
def test_an_upload_under_a_temporary_name_is_held_until_another_session_renames_it(
    at: Door, account: Account, shared: World, *, posix: bool
) -> None:
    name = f"renamed{posix}.bin"
    other = shared.account("0001", "both", "app1")

    async def send(session: Raw) -> None:
        handle = await session.create(f"{IN}/{name}.filepart")
        await session.put(handle, 0, b"content")
        status, told = await session.close(handle)
        assert status is Status.OK
        assert told.startswith("held until renamed")

    async def see(client: asyncssh.SFTPClient) -> None:
        assert f"{name}.filepart" in await client.listdir(IN)

    async def see_nothing(client: asyncssh.SFTPClient) -> None:
        assert f"{name}.filepart" not in await client.listdir(IN)

    async def rename(session: Raw) -> None:
        old, new = text(f"{IN}/{name}.filepart"), text(f"{IN}/{name}")
        if posix:
            status, _ = (await session.extended("posix-rename@openssh.com", old, new)).status
        else:
            status, _ = await session.status(Kind.RENAME, old, new)
        assert status is Status.OK

    with_session(at, account, send)
    with_library(at, account, see)
    with_library(at, other, see_nothing)
    with_session(at, account, rename)

    assert name in account.names("0001/app1/in")


def test_reading_where_files_only_come_in_is_refused_and_writing_where_they_go_out(
    at: Door, account: Account
) -> None:
    account.submit("0001/app1/in/mine.txt")

    async def story(session: Raw) -> None:
        status, told = (await session.open(f"{IN}/mine.txt", 0x01)).status
        assert status is Status.PERMISSION_DENIED
        assert "archive" in told
        status, told = (await session.open("/0001/app1/out/mine.txt", 0x1A)).status
        assert status is Status.PERMISSION_DENIED
        status, told = (await session.open("/0001/mine.txt", 0x1A)).status
        assert status is not Status.OK

    with_session(at, account, story)


@pytest.mark.parametrize("name", ["a b", "a#b", "a;b", "a\nb", "x" * 300, "sub/file"])
def test_a_bad_name_is_refused(at: Door, account: Account, name: str) -> None:
    async def story(session: Raw) -> None:
        status, told = (await session.open(f"{IN}/{name}", 0x1A)).status
        assert status is not Status.OK
        assert told

    with_session(at, account, story)


def test_open_handles_are_capped(at: Door, account: Account) -> None:
    async def story(session: Raw) -> None:
        for _ in range(MAX_HANDLES):
            assert (await session.ask(Kind.OPENDIR, text("/"))).handle
        status, told = (await session.open(f"{IN}/more.txt", 0x1A)).status
        assert status is Status.FAILURE
        assert str(MAX_HANDLES) in told

    with_session(at, account, story)


def test_a_handle_that_is_closed_or_of_another_kind_is_refused(at: Door, account: Account) -> None:
    async def story(session: Raw) -> None:
        folder = (await session.ask(Kind.OPENDIR, text("/"))).handle
        assert (await session.put(folder, 0, b"x"))[0] is Status.FAILURE
        assert (await session.read(folder, 0, 10)).status[0] is Status.FAILURE
        assert (await session.close(folder))[0] is Status.OK
        assert (await session.close(folder))[0] is Status.FAILURE
        assert (await session.status(Kind.READDIR, text(folder)))[0] is Status.FAILURE
        assert (await session.put(b"else", 0, b"x"))[0] is Status.FAILURE

    with_session(at, account, story)


def test_every_error_has_a_status() -> None:
    from architecture.test_error_tables import ONLY_CAUGHT, every_error  # noqa: PLC0415
    from architecture.test_error_tables import door as door_of  # noqa: PLC0415

    for kind in every_error():
        if door_of(kind) in ("", "sftp") and kind not in ONLY_CAUGHT:
            assert any(each in errors.STATUS for each in kind.__mro__), kind


def test_strictly_attributes_and_renames_are_refused_and_suffixes_mean_nothing(
    sqlite_world: World, host_keys: Path
) -> None:
    account = sqlite_world.account()

    async def story(session: Raw) -> None:
        handle = await session.create(f"{IN}/strict.filepart")
        assert (await session.status(Kind.FSETSTAT, text(handle), NO_ATTRS))[0] is not Status.OK
        status, told = await session.close(handle)
        assert (status, told.partition(",")[0]) == (Status.OK, "received")
        two = text(f"{IN}/strict.filepart") + text(f"{IN}/strict.bin")
        assert (await session.status(Kind.RENAME, two))[0] is Status.PERMISSION_DENIED
        assert b"posix-rename" not in session.offered

    with door(sqlite_world, host_keys, strict=True) as at:
        with_session(at, account, story)


def test_a_client_that_does_not_read_is_waited_for_and_gets_all_of_it_in_the_end(
    at: Door, account: Account, shared: World
) -> None:
    content = bytes(range(256)) * 4096
    shared.processor("app1").publish("0001/app1/out/slow.bin", content)

    async def story() -> None:
        async with connected(at, account) as connection:
            session = await driver.session(connection, window=256 << 20)
            handle = (await session.open("/0001/app1/out/slow.bin", 0x01)).handle
            transport = connection._transport
            transport.pause_reading()
            body = text(handle) + struct.pack(">QI", 0, len(content))
            sent = [session.send(Kind.READ, body) for _ in range(60)]
            await asyncio.sleep(0)
            transport.resume_reading()
            for request in sent:
                reply = await session.receive()
                assert reply.request == request
                assert reply.rest[4:] == content

    asyncio.run(story())
