"""One HTTP/1.1 connection, guarded: what uvicorn and its parser lack.

Deadlines for request heads and for transfers that stand still, limits on heads and on the number of
connections, and refusal of every request whose framing two parties could read differently. After a
refusal nothing more is heard, and there is never a second answer.
"""

from __future__ import annotations

import enum
import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

URL_BYTES: Final = 16 * 1024
HEAD_BYTES: Final = 64 * 1024
HEAD_LINES: Final = 100
PIPELINED: Final = 16
KEEP_ALIVE_SECONDS: Final = 75
# After a refusal the rest of what the client sends is read and dropped for a moment: closing on
# unread bytes resets the connection, and the client would never see why.
LINGER_SECONDS: Final = 1.0
_HOST: Final = re.compile(rb"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """header_seconds for a request head, idle_seconds without progress, connections at once."""

    header_seconds: float = 30.0
    idle_seconds: float = 60.0
    connections: int = 2000


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    code: str
    message: str
    headers: bytes = b""

    def answer(self, defaults: list[tuple[bytes, bytes]]) -> bytes:
        fields = {"error": self.code, "error_message": self.message, "requestId": ""}
        body = json.dumps(fields).encode()
        return b"".join(
            (
                STATUS_LINE[self.status],
                *(b"%b: %b\r\n" % pair for pair in defaults),
                b"content-type: application/json\r\nconnection: close\r\n",
                self.headers,
                b"content-length: %d\r\n\r\n" % len(body),
                body,
            )
        )


class _Refused(Exception):
    """Raised into the parser, which stops there. Fresh each time: a kept one gathers tracebacks."""

    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def _bad(message: str) -> _Refused:
    return _Refused(_Refusal(400, "bad_request", message))


_MALFORMED: Final = _Refusal(400, "bad_request", "This is not a well-formed HTTP/1.1 request.")
_URL_TOO_LONG: Final = _Refusal(414, "uri_too_long", f"The URL is longer than {URL_BYTES} bytes.")
_HEAD_TOO_LARGE: Final = _Refusal(
    431, "headers_too_large", f"More than {HEAD_LINES} headers, or more than {HEAD_BYTES} bytes."
)
_BUSY: Final = _Refusal(
    503, "unavailable", "Too many connections. Try again in 5 s.", b"retry-after: 5\r\n"
)


class _Phase(enum.Enum):
    HEAD = enum.auto()
    BODY = enum.auto()
    IDLE = enum.auto()


class StrictHttp(HttpToolsProtocol):
    """One connection. What the parser lets through but should not is refused; see _check_head."""

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **names: Any) -> None:
        super().__init__(*arguments, **names)
        self.limits = limits
        self.phase = _Phase.HEAD
        self.since = self.loop.time()  # when the present wait began; seconds of the loop's clock
        self.moved_at = self.since  # when the client last took bytes, or had none to take
        self.unsent_bytes = 0
        self.deaf = False  # whatever still arrives is dropped
        self.lingering = False  # a refusal was written
        self.parsed = False  # the parser told something of what it was fed last
        self.untold_bytes = 0  # fed in a row without the parser telling anything
        self.head_bytes = 0
        self.head_lines = 0

    # What the transport says.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or say 503 beyond the limit, or nothing beyond twice the limit."""
        super().connection_made(transport)
        over = len(self.connections) - self.limits.connections
        if over > self.limits.connections:
            transport.abort()
        elif over > 0:
            self._refuse(_BUSY)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; nothing after a refusal."""
        if self.deaf:
            return
        self._unset_keepalive_if_required()
        self.parsed = False
        try:
            self.parser.feed_data(data)
            self._count_untold(len(data))
        except httptools.HttpParserUpgrade:
            self._finish_running()  # we never upgrade: the answer is plain HTTP, and the last one
        except httptools.HttpParserError as failure:
            why = failure.__context__
            self._refuse(why.refusal if isinstance(why, _Refused) else _MALFORMED)
        except _Refused as why:
            self._refuse(why.refusal)

    # What the parser says.

    def on_message_begin(self) -> None:
        """A request begins. The first one's time runs since the connection was made."""
        super().on_message_begin()
        if self.phase is _Phase.IDLE:
            self.since = self.loop.time()
        self.phase = _Phase.HEAD
        self.parsed = True
        self.head_bytes = self.head_lines = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        super().on_url(url)
        self.parsed = True
        if len(self.url) > URL_BYTES:
            raise _Refused(_URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; after a chunked body a trailer, which is counted and dropped."""
        self.parsed = True
        self.head_lines += 1
        self.head_bytes += len(name) + len(value) + len(b": \r\n")
        if self.head_lines > HEAD_LINES or self.head_bytes > HEAD_BYTES:
            raise _Refused(_HEAD_TOO_LARGE)
        if b"_" in name:
            raise _bad("A header name must not contain an underscore.")
        if self.phase is _Phase.HEAD:  # uvicorn would add trailers to a request already handed out
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Judge the head, then hand out the request."""
        self._check_head()
        super().on_headers_complete()
        self.phase = _Phase.BODY
        self.since = self.loop.time()

    def on_body(self, body: bytes) -> None:
        """A piece of the body. Once the answer is out, more body is no progress."""
        self.parsed = True
        if self.cycle.response_complete:
            return
        self.since = self.loop.time()
        if self.cycle.body:
            super().on_body(body)
            return
        # uvicorn gathers pieces in a bytearray and copies that once more to hand it out. A piece
        # that comes alone, as those of a big upload do, is handed out as it is. Reading goes on
        # meanwhile: stopping and starting it for each piece costs some percent. A second piece that
        # finds the first still there stops it.
        self.cycle.body = body  # type: ignore[assignment]
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.phase = _Phase.IDLE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out."""
        self.since = self.loop.time()
        super().on_response_complete()

    def _check_head(self) -> None:
        version, method = self.parser.get_http_version(), self.parser.get_method()
        hosts = [value for name, value in self.headers if name == b"host"]
        if version not in {"1.0", "1.1"}:
            raise _bad("The HTTP version must be 1.0 or 1.1.")
        if b"#" in self.url or not (self.url.startswith(b"/") or self.url == b"*"):
            raise _bad("The request target must be a path that begins with / and has no fragment.")
        if len(hosts) > 1 or not (hosts or version == "1.0"):
            raise _bad("There must be exactly one Host header.")
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise _bad("The Host header is not a host name with an optional port.")
        self._check_framing(version, method)

    def _check_framing(self, version: str, method: bytes) -> None:
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        lengths = [value for name, value in self.headers if name == b"content-length"]
        if codings and (version == "1.0" or codings != [b"chunked"]):
            raise _bad("The only transfer coding here is chunked, in HTTP/1.1.")
        if method == b"CONNECT":
            raise _bad("This is no proxy.")
        # The parser loses the body of such a request.
        if self.parser.should_upgrade() and (codings or any(int(one) for one in lengths)):
            raise _bad("A request with a body must not ask for an upgrade of the protocol.")
        if len(self.pipeline) >= PIPELINED:
            raise _bad("Too many requests before the first answer.")

    def _count_untold(self, fed: int) -> None:
        # An endless header or chunk extension grows inside the parser, which tells it when whole.
        self.untold_bytes = 0 if self.parsed else self.untold_bytes + fed
        if self.untold_bytes > HEAD_BYTES:
            raise _Refused(_HEAD_TOO_LARGE)

    # How a connection ends.

    @property
    def _busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer with the refusal, unless an answer is out, on its way, or due before it."""
        _log.info(
            "request refused",
            extra={"why": refusal.message, "client": self.client and self.client[0]},
        )
        if self.phase is not _Phase.BODY and self._busy:
            self._finish_running()
        elif self.phase is _Phase.BODY and (self.pipeline or self.cycle.response_started):
            self._close()
        else:
            self._answer(refusal)

    def _answer(self, refusal: _Refusal) -> None:
        if self._busy:  # its body was refused: what the application says no longer counts
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.deaf = self.lingering = True
        self.since = self.loop.time()
        self.flow.resume_reading()
        self.transport.write(refusal.answer(self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _finish_running(self) -> None:
        """Give the answers that are due, then close; hear nothing more."""
        self.deaf = True
        self.cycle.keep_alive = False

    def _close(self) -> None:
        self.deaf = True
        self.transport.close()

    def shutdown(self) -> None:
        """Close when idle, or after the running request; wait for no idle client's good-bye."""
        super().shutdown()
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self.loop.call_later(LINGER_SECONDS / 2, self.transport.abort)

    def cut_if_late(self, now: float) -> None:
        """End the connection if it waits for longer than it may; now is the loop's time."""
        if self._stuck(now):
            self.transport.abort()
        elif (patience := self._patience()) is None:
            self.since = now
        elif now - self.since > patience:
            self._close()

    def _stuck(self, now: float) -> bool:
        """True when there is something to take, or a good-bye to say, and nothing moves."""
        unsent = self.transport.get_write_buffer_size()
        waiting = self.flow.write_paused or self.transport.is_closing()
        if not waiting or unsent < self.unsent_bytes:
            self.moved_at = now
        self.unsent_bytes = unsent
        return now - self.moved_at > self.limits.idle_seconds

    def _patience(self) -> float | None:
        """How many seconds the client has; None when it is not the one that is waited for."""
        if self.lingering:
            return LINGER_SECONDS
        if self.deaf or self.flow.read_paused or self.transport.is_closing():
            return None
        if self.phase is _Phase.BODY:
            return self._body_patience()
        if self._busy:
            return None
        return self.limits.header_seconds if self.phase is _Phase.HEAD else KEEP_ALIVE_SECONDS

    def _body_patience(self) -> float | None:
        if self.cycle.response_complete:
            return self.limits.header_seconds
        return None if self.cycle.waiting_for_100_continue else self.limits.idle_seconds
