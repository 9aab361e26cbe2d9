"""Several ASGI applications on several listeners, in one process and one event loop.

uvicorn carries the requests, `connections` guards each connection. Here: sockets, readiness, the
signals that end it all in time, and whose word counts for where a request comes from.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import signal
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from transom.server.connections import KEEP_ALIVE_SECONDS, ConnectionLimits, StrictHttp

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Address = IPv4Address | IPv6Address
    Networks = Sequence[IPv4Network | IPv6Network]

BACKLOG: Final = 2048
_UNWIND_SECONDS: Final = 1.0
_TICKS_PER_SWEEP: Final = 5  # uvicorn ticks ten times a second
_CLOSE: Final = (b"connection", b"close")


@dataclass(frozen=True, slots=True)
class Listener:
    """An application at a bound socket. X-Forwarded-For counts only from trusted_proxies."""

    socket: socket.socket
    app: ASGIApp
    tls: ssl.SSLContext | None = None
    trusted_proxies: Networks = ()
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)


class OtherListener(Protocol):
    """A listener of another protocol than HTTP, in the same event loop."""

    async def start(self) -> None:
        """Accept."""

    async def stop(self, drain_seconds: float) -> None:
        """Accept no more; what is under way has so long, then it is cut."""

    def let_go(self) -> None:
        """Close everything at once. May be called twice, and at any time."""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket at this address, not listening yet; port 0 takes a free one: see getsockname().

    An IPv6 address serves IPv6 only. A shared one may be bound several times, and connections are
    spread evenly over those that listen.

    Raises:
        OSError: the name is unknown, or the address is not ours, in use or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run main to its end in a fresh event loop: uvloop's, where it is installed."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main)


async def serve(
    listeners: Sequence[Listener],
    *,
    on_ready: Callable[[], None],
    on_stop: Callable[[], None] = lambda: None,
    drain_seconds: int = 8,
    stop: asyncio.Event | None = None,
    others: Sequence[OtherListener] = (),
) -> None:
    """Serve until SIGTERM, SIGINT or stop; on_ready is called once, when all listeners accept.

    Then on_stop is called once, in the event loop. No more is accepted, running requests have
    drain_seconds to finish, and what still runs is cancelled and cut: it returns within two seconds
    after that. Signals count in the main thread.

    Raises:
        ExceptionGroup: a listener could not start, or broke; the others were ended too.
    """
    ending = stop or asyncio.Event()
    servers = [_Server(listener, drain_seconds) for listener in listeners]
    with _signals(ending), contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.let_go)
        for other in others:
            stack.callback(other.let_go)
        async with asyncio.TaskGroup() as group:
            for server in servers:
                group.create_task(server.serve(sockets=[server.listener.socket]))
            for server in servers:
                await server.ready.wait()
            for other in others:
                await other.start()
            on_ready()
            await ending.wait()
            on_stop()
            for server in servers:
                server.should_exit = True
            for other in others:
                group.create_task(other.stop(drain_seconds))


@contextlib.contextmanager
def _signals(ending: asyncio.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class _Server(uvicorn.Server):
    """uvicorn's server for one listener, without its signal handling and with a sweep."""

    def __init__(self, listener: Listener, drain_seconds: int) -> None:
        tls = listener.tls
        super().__init__(
            uvicorn.Config(
                _Edge(listener.app, listener.trusted_proxies),
                http=StrictHttp,
                ws="none",
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                workers=1,  # this one and forwarded_allow_ips: or else it reads the environment
                proxy_headers=False,
                forwarded_allow_ips="",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=drain_seconds,
                reset_contextvars=True,  # or a pipelined request inherits its forerunner's ids
                ssl_context_factory=None if tls is None else lambda *_: tls,
            )
        )
        self.listener = listener
        self.servers = []
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: `serve` has them, once for all listeners."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept. uvicorn's own cannot limit the time of a TLS handshake."""
        limits = self.listener.limits
        factory = functools.partial(StrictHttp, self.config, self.server_state, {}, limits=limits)
        encrypted = self.config.ssl is not None  # or else the loop refuses to know the time limits
        self.servers = [
            await asyncio.get_running_loop().create_server(
                factory,
                sock=sock,
                ssl=self.config.ssl,
                backlog=BACKLOG,
                ssl_handshake_timeout=limits.header_seconds if encrypted else None,
                # It also has to flush the last bytes of an answer.
                ssl_shutdown_timeout=limits.idle_seconds if encrypted else None,
            )
            for sock in sockets or []
        ]
        self.started = True
        self.ready.set()

    async def on_tick(self, counter: int) -> bool:
        """Cut late connections twice a second, on top of what uvicorn does at every tick."""
        if counter % _TICKS_PER_SWEEP == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, StrictHttp):
                    connection.cut_if_late(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, cancel, and cut what is left; uvicorn neither waits for the cancelled nor cuts."""
        await super().shutdown(sockets)
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=_UNWIND_SECONDS)
        self.let_go()

    def let_go(self) -> None:
        """Close the socket and every connection at once. May be called twice, and at any time."""
        for server in self.servers:
            server.close()
        self.listener.socket.close()
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


class _Edge:
    """What the application is told of its surroundings, and what it need not know."""

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["client"] = self._client(scope)
        if any(name == b"expect" for name, _ in scope["headers"]):
            receive, send = _closing_unless_read(receive, send)
        await self._app(scope, receive, send)

    def _client(self, scope: Scope) -> tuple[str, int] | None:
        """The right-most address that is no trusted proxy; the connection's own unless trusted."""
        nearest: tuple[str, int] | None = scope["client"]
        if not (self._trusted and nearest and self._is_trusted(_address(nearest[0]))):
            return nearest
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for text in reversed(b",".join(values).decode("latin-1").split(",")):
            address = _address(text.strip())
            if address is None:
                break  # nobody vouches for what stands left of garbage
            nearest = (str(address), 0)
            if not self._is_trusted(address):
                break
        return nearest

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _closing_unless_read(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Close after an answer that came before the body was asked for by "100 Continue".

    Such a client may never send its body, and the next request would be taken for it.
    """
    asked = False

    async def asking() -> Message:
        nonlocal asked
        asked = True
        return await receive()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and not asked:
            headers = list(message.get("headers", ()))
            if _CLOSE not in headers:
                message = {**message, "headers": [*headers, _CLOSE]}
        await send(message)

    return asking, sending
