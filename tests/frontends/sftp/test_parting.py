"""The last words of a connection reach a client that was still sending."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from transom.frontends.sftp import parting
from transom.frontends.sftp.parting import Line

GONE = re.compile("reset|Broken pipe")
WORDS = b"Too many connections."
Client = socket.socket
Ask = Callable[..., Awaitable[bytes]]


class _Speaker(asyncio.Protocol):
    """Reads nothing, says its words when told to, and ends."""

    def __init__(self, partings: set[asyncio.Transport]) -> None:
        self.partings = partings
        self.lost = asyncio.Event()
        self.arrived = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        stream.pause_reading()
        self.line = Line(stream, self.partings)
        self.arrived.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost.set()


def parted(client_does: Callable[[Client, Ask], Awaitable[None]], *, in_words: bool = True) -> None:
    """A connection that has ended in words, and what its client does then."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        speaker = _Speaker(set())
        server = await loop.create_server(lambda: speaker, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        client.sendall(b"one more request that nobody reads")
        await speaker.arrived.wait()
        speaker.line.write(WORDS)
        if in_words:
            speaker.line.part()
        speaker.line.abort()
        with contextlib.closing(client), contextlib.closing(server):
            await client_does(client, asyncio.to_thread)
        await asyncio.wait_for(speaker.lost.wait(), 5)
        assert not speaker.partings

    asyncio.run(story())


async def sends_on(client: Client, ask: Ask) -> None:
    """As a client does that has not read yet: two more requests, then all that was answered."""
    for _ in range(2):
        await ask(client.sendall, b"x" * 1000)
        await asyncio.sleep(0.05)
    assert await ask(client.recv, 1000) == WORDS
    assert await ask(client.recv, 1000) == b""


def test_last_words_reach_a_client_that_goes_on_sending() -> None:
    parted(sends_on)


def test_without_the_moment_they_would_be_lost() -> None:
    with pytest.raises(OSError, match=GONE):
        parted(sends_on, in_words=False)


def test_a_client_that_never_closes_is_closed_after_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parting, "MOMENT_SECONDS", 0.05)

    async def waits(client: Client, ask: Ask) -> None:
        assert await ask(client.recv, 1000) == WORDS
        client.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            while await ask(client.recv, 1000):
                pass

    parted(waits)


def test_a_client_that_floods_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parting, "MOMENT_SECONDS", 60)

    async def floods(client: Client, ask: Ask) -> None:
        client.settimeout(5)
        with pytest.raises(OSError, match=GONE):
            for _ in range(10_000):
                await ask(client.sendall, b"x" * 65_536)

    parted(floods)
