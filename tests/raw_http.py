"""A listener in a thread, and a client that says exactly what it is told, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from transom.server.listeners import Listener, run, serve


@dataclass(frozen=True)
class Door:
    """Where the first listener is, and how to make the server end."""

    port: int
    stop: Callable[[], object]


@contextlib.contextmanager
def serving(listeners: Sequence[Listener], drain_seconds: int = 1) -> Iterator[Door]:
    """Served inside the block; ended, and within its time, after it."""
    ready = threading.Event()
    doors: list[Door] = []

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        port = listeners[0].socket.getsockname()[1]
        doors.append(Door(port, lambda: loop.call_soon_threadsafe(stop.set)))
        await serve(listeners, on_ready=ready.set, drain_seconds=drain_seconds, stop=stop)

    thread = threading.Thread(target=lambda: run(main()))
    thread.start()
    try:
        assert ready.wait(10)
        yield doors[0]
    finally:
        with contextlib.suppress(RuntimeError):  # the test stopped it, and the loop is gone
            doors[0].stop()
        thread.join(drain_seconds + 3)
    assert not thread.is_alive()


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=10)


def read_to_end(client: socket.socket) -> bytes:
    """What the server says until it closes."""
    parts: list[bytes] = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def read_until(client: socket.socket, end: bytes) -> bytes:
    """What the server says up to this end; it may keep the connection."""
    received = b""
    while not received.endswith(end):
        part = client.recv(65536)
        assert part, received
        received += part
    return received


def answers_to(port: int, *packets: bytes) -> bytes:
    """Everything the server says to these packets until it closes."""
    with connect(port) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for packet in packets:
                client.sendall(packet)
        return read_to_end(client)


def count(answers: bytes) -> int:
    return len(re.findall(rb"HTTP/1\.1 [0-9]{3} ", answers))
