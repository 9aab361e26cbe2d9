"""A served SFTP door, and a raw client that does what real ones do not."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from world import Account, World

from transom.frontends.sftp.door import SftpDoor, Terms
from transom.frontends.sftp.wire import Kind, Status
from transom.server.listeners import bind, run, serve
from transom.server.sections import Listen, SftpSettings
from transom.server.sftp import SftpListener, sftp_door

SECONDS = 10


@dataclass(frozen=True)
class Door:
    """Where a world takes SFTP."""

    port: int
    door: SftpDoor
    loop: asyncio.AbstractEventLoop


@contextmanager
def door(world: World, keys: Path, terms: Terms | None = None, **chosen: object) -> Iterator[Door]:
    """The SFTP door of a world, served in a thread."""
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    sftp = SftpSettings(
        listen=Listen("127.0.0.1", port),
        host_key_directory=keys,
        **chosen,  # type: ignore[arg-type]
    )
    settings = world.program.settings.model_copy(update={"sftp": sftp})
    program = world.program
    made = sftp_door(settings, program.exchange, program.workers, clock=world.clock, terms=terms)
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def on_ready() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()

    main = serve(
        [], on_ready=on_ready, stop=stop, drain_seconds=1, others=[SftpListener(bound, made)]
    )
    thread = threading.Thread(target=run, args=(main,), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield Door(port, made, loops[0])
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive()


@dataclass
class Reply:
    """One packet of the server's."""

    kind: Kind
    request: int
    rest: bytes

    @property
    def status(self) -> tuple[Status, str]:
        assert self.kind is Kind.STATUS, self
        code, size = struct.unpack_from(">II", self.rest)
        return Status(code), self.rest[8 : 8 + size].decode()

    @property
    def handle(self) -> bytes:
        assert self.kind is Kind.HANDLE, (self, self.rest)
        return self.rest[4:]


class _Channel(asyncssh.SSHClientSession[bytes]):
    def __init__(self) -> None:
        self.data = asyncio.StreamReader()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:  # noqa: ARG002
        self.data.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.data.feed_eof()


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(raw)) + raw


@dataclass
class Raw:
    """One SFTP session, packet by packet."""

    connection: asyncssh.SSHClientConnection
    channel: asyncssh.SSHClientChannel[bytes]
    session: _Channel
    offered: bytes = b""
    _last: int = field(default=0)

    def send(self, kind: int, *parts: bytes) -> int:
        self._last += 1
        self.write(bytes((kind,)) + struct.pack(">I", self._last) + b"".join(parts))
        return self._last

    def write(self, packet: bytes) -> None:
        self.channel.write(struct.pack(">I", len(packet)) + packet)

    async def receive(self) -> Reply:
        async with asyncio.timeout(SECONDS):
            (size,) = struct.unpack(">I", await self.session.data.readexactly(4))
            packet = await self.session.data.readexactly(size)
        return Reply(Kind(packet[0]), *struct.unpack_from(">I", packet, 1), packet[5:])

    async def ask(self, kind: int, *parts: bytes) -> Reply:
        request = self.send(kind, *parts)
        reply = await self.receive()
        assert reply.request == request
        return reply

    async def status(self, kind: int, *parts: bytes) -> tuple[Status, str]:
        return (await self.ask(kind, *parts)).status

    async def extended(self, name: str, *parts: bytes) -> Reply:
        return await self.ask(Kind.EXTENDED, text(name), *parts)

    async def open(self, path: str, flags: int) -> Reply:
        return await self.ask(Kind.OPEN, text(path), struct.pack(">II", flags, 0))

    async def create(self, path: str) -> bytes:
        return (await self.open(path, 0x1A)).handle

    def write_request(self, handle: bytes, offset: int, data: bytes) -> int:
        return self.send(Kind.WRITE, text(handle), struct.pack(">Q", offset), text(data))

    async def put(self, handle: bytes, offset: int, data: bytes) -> tuple[Status, str]:
        self.write_request(handle, offset, data)
        return (await self.receive()).status

    async def read(self, handle: bytes, offset: int, length: int) -> Reply:
        return await self.ask(Kind.READ, text(handle), struct.pack(">QI", offset, length))

    async def close(self, handle: bytes) -> tuple[Status, str]:
        return await self.status(Kind.CLOSE, text(handle))

    async def ended(self) -> None:
        """Return once the server has closed the channel."""
        async with asyncio.timeout(SECONDS):
            await self.session.data.read()
            while not self.session.data.at_eof():
                await self.session.data.read()


@asynccontextmanager
async def connected(  # noqa: ANN201
    at: Door, account: Account, password: str = "", **options: object
):
    """An SSH connection of this account."""
    connection = await asyncssh.connect(
        "127.0.0.1",
        at.port,
        username=account.name,
        password=password or account.secret,
        known_hosts=None,
        config=None,
        client_keys=options.pop("client_keys", None),
        **options,  # type: ignore[arg-type]
    )
    try:
        yield connection
    finally:
        connection.abort()
        await connection.wait_closed()


@asynccontextmanager
async def raw(at: Door, account: Account, **options: object):  # noqa: ANN201
    """A session that has said INIT."""
    async with connected(at, account, **options) as connection:
        yield await session(connection)


async def session(connection: asyncssh.SSHClientConnection, window: int = 2 << 20) -> Raw:
    channel, made = await connection.create_session(
        _Channel, subsystem="sftp", encoding=None, window=window
    )
    found = Raw(connection, channel, made)
    found.write(bytes((Kind.INIT,)) + struct.pack(">I", 3))
    version = await found.receive()
    assert version.kind is Kind.VERSION
    found.offered = version.rest
    return found
