"""What surrounds every HTTP request: an id, a log line, metrics, safe headers, and the last resort.

Front ends answer what they know; a fault that reaches this place is a defect, logged once with the
request's id and answered with that id and nothing more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from transom.frontends import context
from transom.frontends.context import redact_query
from transom.ports import Entropy

_log = logging.getLogger("transom.access")

REQUESTS = Counter(
    "transom_http_requests_total", "Requests answered, by door and status.", ["door", "status"]
)
SECONDS = Histogram(
    "transom_http_request_seconds",
    "Time from the request's head to the end of the answer, by door and method.",
    ["door", "method"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600),
)
RECEIVED_BYTES = Counter("transom_received_bytes_total", "Body bytes taken in, by door.", ["door"])
SENT_BYTES = Counter("transom_sent_bytes_total", "Body bytes given out, by door.", ["door"])

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"})
_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_TLS_HEADERS = ((b"strict-transport-security", b"max-age=63072000; includeSubDomains"),)


@dataclass(frozen=True, slots=True)
class Door:
    """How one listener's requests are known: its name in logs and metrics, and its hosts.

    `hosts` are the only values of Host (without port) that are served, in lower case; an empty set
    serves all; what stands in `any_host` is served under every name, for probes by address.
    `request_id_header` carries the id in answers. `wrong_host` and `defect` make the
    answers for those two cases, from the request id. What stands below `secret_below` in a path is
    a secret, and no log shows it.
    """

    name: str
    hosts: frozenset[str]
    request_id_header: bytes
    wrong_host: Callable[[str], Response]
    defect: Callable[[str], Response]
    any_host: frozenset[str] = frozenset()
    secret_below: str = ""

    def shown(self, path: str) -> str:
        """A path as logs may show it."""
        below = self.secret_below
        return f"{below}***" if below and path.startswith(below) else path


class Shell:
    """ASGI middleware around one door's application."""

    def __init__(self, app: ASGIApp, door: Door, entropy: Entropy) -> None:
        self._app = app
        self._door = door
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = _Request(self._door, scope, receive, send, self._entropy.uuid())
        scope["request_id"] = request.id
        told = context.request_id.set(request.id), context.tracking_id.set("")
        try:
            await self._serve(scope, request)
        finally:
            request.finish()
            context.request_id.reset(told[0])
            context.tracking_id.reset(told[1])

    async def _serve(self, scope: Scope, request: _Request) -> None:
        door = self._door
        known = not door.hosts or scope["path"] in door.any_host or _host(scope) in door.hosts
        if not known:
            await door.wrong_host(request.id)(scope, request.receive, request.send)
            return
        try:
            await self._app(scope, request.receive, request.send)
        except Exception:
            _log.exception("defect", extra={"door": door.name})
            if request.status:
                raise  # the answer has begun: only cutting the connection is honest now
            await door.defect(request.id)(scope, request.receive, request.send)


class _Request:
    """One request's id, and what is counted about it."""

    def __init__(
        self, door: Door, scope: Scope, receive: Receive, send: Send, request_id: str
    ) -> None:
        self.id = request_id
        self.status = 0
        self._door = door
        self._scope = scope
        self._receive = receive
        self._send = send
        self._taken = 0
        self._given = 0
        self._started = time.perf_counter()

    async def receive(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (self._door.request_id_header, self.id.encode())
            safe = _SAFE_HEADERS + (_TLS_HEADERS if self._scope["scheme"] == "https" else ())
            given = [*message.get("headers", ())]
            names = {name.lower() for name, _ in given}  # a front end may know better
            message["headers"] = [*given, own, *(each for each in safe if each[0] not in names)]
        else:
            self._given += len(message.get("body", b""))
        await self._send(message)

    def finish(self) -> None:
        seconds = time.perf_counter() - self._started
        door, method = self._door.name, self._scope["method"]
        REQUESTS.labels(door, str(self.status or 499)).inc()
        SECONDS.labels(door, method if method in _METHODS else "other").observe(seconds)
        RECEIVED_BYTES.labels(door).inc(self._taken)
        SENT_BYTES.labels(door).inc(self._given)
        if _log.isEnabledFor(logging.INFO):
            _log.info("request", extra=self._facts(door, method, seconds))

    def _facts(self, door: str, method: str, seconds: float) -> Mapping[str, object]:
        client = self._scope.get("client")
        return {
            "door": door,
            "method": method,
            "path": self._door.shown(self._scope["raw_path"].decode("latin-1")),
            "query": redact_query(self._scope["query_string"].decode("latin-1")),
            "status": self.status or 499,  # 499: the client went away before an answer
            "source": client[0] if client else "",
            "bytes_in": self._taken,
            "bytes_out": self._given,
            "milliseconds": round(seconds * 1000, 1),
        }


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            text = str(value.decode("latin-1")).lower()
            return text.partition("]")[0].lstrip("[") if text[:1] == "[" else text.partition(":")[0]
    return ""
