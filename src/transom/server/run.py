"""Start and stop the listeners and what runs beside them."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable

from prometheus_client import make_asgi_app

from transom.records import migrate
from transom.server import tls
from transom.server.assemble import Assembled, Databases
from transom.server.caretaker import Caretaker
from transom.server.connections import ConnectionLimits
from transom.server.listeners import Listener, bind, serve
from transom.server.listeners import run as run_loop
from transom.server.sections import Listen, TlsSettings
from transom.server.settings import Settings

DRAIN_SECONDS = 5

_log = logging.getLogger(__name__)


class SchemaOutdated(Exception):
    """The database's schema is not the one this program wants."""


def require_schema(databases: Databases) -> None:
    """Return quietly when every database has the schema of this program.

    Raises:
        SchemaOutdated: says which one is there, and what to run.
    """
    for database in databases.each():
        found = migrate.status(database)
        if not found.is_current:
            present = found.present or "none"
            raise SchemaOutdated(
                f"The database has schema {present}, this program wants {found.wanted}. "
                "Run: transom-server migrate up --config FILE"
            )


def listeners_of(program: Assembled) -> list[Listener]:
    """Bind what the settings name, in their order.

    Raises:
        OSError: an address is not ours, in use or not allowed.
    """
    settings = program.settings
    limits = limits_of(settings)
    rest, s3 = settings.rest, settings.s3
    found = [
        Listener(_bound(rest.listen), program.rest, _tls(rest.tls), rest.behind_proxy, limits),
        Listener(_bound(s3.listen), program.s3, _tls(s3.tls), s3.behind_proxy, limits),
    ]
    if settings.token.listen is not None:
        token = settings.token
        bound = _bound(settings.token.listen)
        found.append(Listener(bound, program.token, _tls(token.tls), rest.behind_proxy, limits))
    if settings.metrics.listen is not None:
        found.append(Listener(_bound(settings.metrics.listen), make_asgi_app(), limits=limits))
    return found


def limits_of(settings: Settings) -> ConnectionLimits:
    """What one listener's connections may do."""
    limits = settings.limits
    return ConnectionLimits(limits.header_seconds, limits.idle_seconds, limits.connections)


def serve_until_stopped(
    program: Assembled,
    listeners: list[Listener],
    on_ready: Callable[[], None],
    before_close: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT; drain, call before_close, and let go of everything."""
    caretaker = Caretaker(program.exchange)

    def ready() -> None:
        caretaker.start()
        on_ready()

    try:
        run_loop(serve(listeners, on_ready=ready, drain_seconds=DRAIN_SECONDS))
    finally:
        before_close()
        caretaker.stop()
        program.close()


def run(program: Assembled) -> None:
    """The production form: refuse an outdated schema, then serve.

    Raises:
        SchemaOutdated, OSError: before anything listens.
    """
    require_schema(program.databases)
    listeners = listeners_of(program)
    addresses = [listener.socket.getsockname()[:2] for listener in listeners]
    serve_until_stopped(
        program, listeners, lambda: _log.info("listening", extra={"addresses": addresses})
    )
    _log.info("stopped")


def _bound(listen: Listen) -> socket.socket:
    return bind(listen.host, listen.port)


def _tls(settings: TlsSettings | None) -> ssl.SSLContext | None:
    return None if settings is None else tls.server_context(settings)
