"""Start and stop the listeners and what runs beside them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Protocol

from prometheus_client import REGISTRY, Gauge, make_asgi_app

from transom import __version__
from transom.server import tls
from transom.server.assemble import connect
from transom.server.caretaker import Caretaker
from transom.server.connections import ConnectionLimits
from transom.server.courier import Courier
from transom.server.failures import CannotListen
from transom.server.listeners import BACKLOG, Listener, bind, serve
from transom.server.listeners import run as run_loop
from transom.server.processes import Share, Supervisor, shared_metrics
from transom.server.program import Assembled
from transom.server.schema import require_schema
from transom.server.sections import Listen, TlsSettings
from transom.server.settings import Settings
from transom.server.sftp import SftpListener, host_keys_of, sftp_door

DRAIN_SECONDS = 5
"""For requests under way; cutting what is left may take two more (see `serve`)."""
JOIN_SECONDS = 1.0
"""For what runs beside, in all."""
LAST_SECONDS = 2.0
"""For everything after the drain; then the process ends, so that no stop takes 10 s."""

BUILD = Gauge(
    "transom_build_info", "Which program this is; always 1.", ["version"], multiprocess_mode="max"
)

_DAY_SECONDS = 86_400
_WORTH_TELLING = timedelta(minutes=1)

_log = logging.getLogger(__name__)


def addresses_of(settings: Settings) -> list[Listen]:
    """Every address that the settings name, in their order."""
    wanted = (
        settings.rest.listen,
        settings.s3.listen,
        settings.token.listen,
        settings.portal.listen,
        settings.metrics.listen,
        settings.sftp.listen,
    )
    return [each for each in wanted if each is not None]


def listeners_of(program: Assembled, share: Share | None = None) -> list[Listener]:
    """Bind what the settings name, in their order; or take what was bound for several processes.

    Raises:
        CannotListen: an address is not ours, in use or not allowed.
    """
    settings = program.settings
    bound = _binding(share)
    limits = limits_of(settings)
    rest, s3 = settings.rest, settings.s3
    found = [
        Listener(bound(rest.listen), program.rest, _tls(rest.tls), rest.behind_proxy, limits),
        Listener(bound(s3.listen), program.s3, _tls(s3.tls), s3.behind_proxy, limits),
    ]
    if settings.token.listen is not None:
        own, tls_of_its_own = bound(settings.token.listen), _tls(settings.token.tls)
        found.append(Listener(own, program.token, tls_of_its_own, rest.behind_proxy, limits))
    if settings.portal.listen is not None and program.portal is not None:
        own, portal = bound(settings.portal.listen), settings.portal
        tls_of_its_own = _tls(portal.tls)
        found.append(Listener(own, program.portal, tls_of_its_own, portal.behind_proxy, limits))
    if settings.metrics.listen is not None:
        metrics = make_asgi_app(shared_metrics() or REGISTRY)
        found.append(Listener(bound(settings.metrics.listen), metrics, limits=limits))
    return found


def sftp_of(program: Assembled, share: Share | None = None) -> list[SftpListener]:
    """The SFTP listener, bound or taken over, when the settings name one.

    Raises:
        CannotListen: its address is not ours, in use or not allowed.
        BadHostKeys, OSError: its host keys cannot be used, or made.
    """
    settings = program.settings
    if settings.sftp.listen is None:
        return []
    door = sftp_door(settings, program.exchange, program.workers)
    return [SftpListener(_binding(share)(settings.sftp.listen), door)]


def _binding(share: Share | None) -> Callable[[Listen], socket.socket]:
    return bound if share is None else share.bound


def limits_of(settings: Settings) -> ConnectionLimits:
    """What one listener's connections may do."""
    limits = settings.limits
    return ConnectionLimits(limits.header_seconds, limits.idle_seconds, limits.connections)


class Beside(Protocol):
    """Something that runs in threads of its own beside the listeners."""

    def start(self) -> None:
        """Begin."""

    def ask_to_stop(self) -> None:
        """Begin nothing new."""

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long."""


def serve_until_stopped(
    program: Assembled,
    listeners: Sequence[Listener],
    on_ready: Callable[[], None],
    others: Sequence[Beside] = (),
    other_listeners: Sequence[SftpListener] = (),
    *,
    keeps_house: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain, and let go of everything; never over 10 s.

    The caretaker and the courier run beside, unless another process keeps house; the others do.

    Raises:
        CannotListen: two programs, or two listeners, wanted one address at the same moment.
        OSError: on_ready raised it.
    """
    courier = Courier(program.exchange.people.post)
    kept: tuple[Beside, ...] = (Caretaker(program.exchange), courier) if keeps_house else ()
    beside = (*kept, *others)

    def ready() -> None:
        for each in beside:
            each.start()
        on_ready()

    def stopping() -> None:
        for each in others:  # they talk to the listeners that are about to close
            each.ask_to_stop()
        program.drain()

    logging.getLogger("uvicorn.error").addFilter(_is_news)
    try:
        if keeps_house:
            _recall(program)
        _listen([each.socket for each in listeners] + [each.socket for each in other_listeners])
        main = serve(
            listeners,
            on_ready=ready,
            on_stop=stopping,
            drain_seconds=DRAIN_SECONDS,
            others=other_listeners,
        )
        run_loop(main)
    except ExceptionGroup as group:
        raise (_first_os_error(group) or group) from None
    finally:
        with _no_longer_than(LAST_SECONDS):
            _stop(beside)
            program.close()


def _recall(program: Assembled) -> None:
    held_back = program.exchange.retention.recall()
    if held_back > _WORTH_TELLING:
        # Either nothing ran here for days, or the clock is wrong: deleting late is the safe error.
        facts = {"days": round(held_back.total_seconds() / _DAY_SECONDS, 1)}
        _log.warning("retention is held back until the next start; check the clock", extra=facts)


def _listen(sockets: Sequence[socket.socket]) -> None:
    # The loop would do it, but uvloop only logs when it fails, and says that all went well.
    for each in sockets:
        try:
            each.listen(BACKLOG)
        except OSError as failure:
            address = format_address(each)
            raise CannotListen(f"Cannot listen at {address}: {failure.strerror}.") from failure


def _first_os_error(group: ExceptionGroup[Exception]) -> OSError | None:
    for each in group.exceptions:
        found = _first_os_error(each) if isinstance(each, ExceptionGroup) else each
        if isinstance(found, OSError):
            return found
    return None


def _is_news(record: logging.LogRecord) -> bool:
    # uvicorn says how many requests it cancels at the end of the drain, and then each one again, as
    # a fault with its traceback.
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _stop(beside: Sequence[Beside]) -> None:
    for each in beside:
        each.ask_to_stop()
    until = time.monotonic() + JOIN_SECONDS
    for each in beside:
        each.join(max(0.0, until - time.monotonic()))


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """End the process when the block takes longer: a database or disk does not answer.

    Nothing is lost by it: whatever is half done has no trace, as after a crash.
    """

    def end() -> None:
        _log.error("stopped hard", extra={"why": "a database or disk does not answer"})
        os._exit(1)

    guard = threading.Timer(seconds, end)
    guard.daemon = True
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def run(program: Assembled, share: Share | None = None) -> None:
    """The production form: refuse an outdated schema, then serve; alone, or as one of several.

    Raises:
        SchemaOutdated, CannotListen: nothing was served.
        Unavailable: a database does not answer.
    """
    try:
        require_schema(program.databases)
        listeners, sftp = listeners_of(program, share), sftp_of(program, share)
    except Exception:
        program.close()
        raise
    sockets = [each.socket for each in listeners] + [each.socket for each in sftp]
    addresses = [format_address(each) for each in sockets]
    BUILD.labels(__version__).set(1)
    facts = {"addresses": ", ".join(addresses), "version": __version__, "pid": os.getpid()}
    if share is not None:
        facts["worker"] = share.number
    tell = partial(_log.info, "listening", extra=facts)
    keeps_house = share is None or share.keeps_house
    serve_until_stopped(program, listeners, tell, other_listeners=sftp, keeps_house=keeps_house)
    _log.info("stopped")


def supervise(settings: Settings, command: Sequence[str]) -> int:
    """Run as many processes as the settings say, each by this command; returns the exit code.

    Raises:
        SchemaOutdated, CannotListen: nothing was served.
        BadHostKeys, OSError: the SFTP host keys cannot be used, or made.
        Unavailable: a database does not answer.
    """
    databases = connect(settings)
    try:
        require_schema(databases)
    finally:
        databases.dispose()
    if settings.sftp.listen is not None:
        host_keys_of(settings).ensure()  # once, before several want to
    addresses = addresses_of(settings)
    for each in addresses:
        bound(each).close()  # says when somebody else is there; sharing would not
    shares = [
        {str(each): bound(each, shared=True) for each in addresses}
        for _ in range(settings.exchange.workers)
    ]
    sockets = [each for share in shares for each in share.values()]
    try:
        _listen(sockets)
        return Supervisor(command, shares).run()
    finally:
        for bound_one in sockets:
            bound_one.close()


def format_address(listening: socket.socket) -> str:
    """Where a socket listens, as in the settings: 127.0.0.1:8443 or [::]:443."""
    return str(Listen(*listening.getsockname()[:2]))


def bound(listen: Listen, *, shared: bool = False) -> socket.socket:
    """A socket at this address; a shared one is one of several (see `bind`).

    Raises:
        CannotListen: says where and why.
    """
    try:
        return bind(listen.host, listen.port, shared=shared)
    except OSError as failure:
        raise CannotListen(f"Cannot listen at {listen}: {failure.strerror}.") from failure


def _tls(settings: TlsSettings | None) -> ssl.SSLContext | None:
    return None if settings is None else tls.server_context(settings)
