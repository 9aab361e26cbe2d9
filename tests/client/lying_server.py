"""An exchange on loopback that behaves like one, until it is told how to fail.

It is a real server with real sockets. `lie("put", lose_answer)` makes the next PUT of bytes fail in
that way; several lies are told one after the other, and after the last it behaves again.

Doors: well-known, token, listing, offer (step 1), tracking, put and get (step 2), api (the rest).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

FIRM, SECRET = "0001ftp01", "a secret of the firm"
TOKEN_PATH = "/fip/rest/ews/oauth2/access_token"
EXPIRED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has '
    "expired</Message><X-Amz-Expires>59</X-Amz-Expires><RequestId>r-1</RequestId></Error>"
)


@dataclass
class Seen:
    """A request as it came in. `whole` tells that its body had the length it was said to have."""

    door: str
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""
    whole: bool = False


@dataclass
class Submission:
    """What was asked for in one step 1, and what came in step 2."""

    id: str
    path: str
    bodies: list[bytes] = field(default_factory=list)
    state: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class Published:
    """A file to be fetched. `promised` is the content that step 1 speaks of."""

    content: bytes
    promised: bytes = b""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.promised or self.content).hexdigest()

    @property
    def etag(self) -> str:
        return f'"{self.sha256[:32]}-1"'


class Exchange(ThreadingHTTPServer):
    """The server, what it holds, what it saw, and what it will lie about."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *, finra: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        # Little room in the kernel: a sender notices early that nobody reads.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        self.server_bind()
        self.server_activate()
        self.finra = finra
        self.lies: dict[str, deque[Lie]] = defaultdict(deque)
        self.seen: list[Seen] = []
        self.submissions: dict[str, Submission] = {}
        self.keys: dict[str, str] = {}
        self.files: dict[str, Published] = {}
        self.tokens: list[str] = []
        self.good_tokens: set[str] = set()
        self.expires_in: object = 43200
        self.honours_ranges = True
        self.says_digest = not finra
        self.lock = threading.RLock()
        self.faults: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def lie(self, door: str, *lies: Lie) -> None:
        """What to do with the next requests at a door."""
        self.lies[door].extend(lies)

    def at(self, door: str) -> list[Seen]:
        """The requests that came to a door."""
        with self.lock:
            return [each for each in self.seen if each.door == door]

    @property
    def received(self) -> list[Submission]:
        """The submissions that have bytes."""
        return [each for each in self.submissions.values() if each.bodies]

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no fault; anything else fails the test."""
        import sys  # noqa: PLC0415 - the exception under way

        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError | ValueError):
            self.faults.append(error or RuntimeError())


Lie = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request. A lie gets the handler and does what it likes; `behave` is the truth."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Exchange
    timeout = 20

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing."""

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle_one_request()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.was = Seen(
            _door(self.command, parts.path),
            self.command,
            parts.path,
            parse_qs(parts.query),
            headers,
        )
        with self.server.lock:
            self.server.seen.append(self.was)
            lies = self.server.lies[self.was.door]
            lie = lies.popleft() if lies else None
        if lie is not None:
            lie(self)
        else:
            self.behave()

    do_PUT = do_POST = do_GET  # noqa: N815 - the base class's names

    def take_body(self, largest: int | None = None) -> None:
        """Read the body, or so many bytes of it."""
        length = int(self.was.headers.get("content-length", "0"))
        if self.was.headers.get("transfer-encoding") == "chunked":
            self.was.body, self.was.whole = self._chunks(), True
            return
        want = length if largest is None else min(largest, length)
        self.was.body = self.rfile.read(want) if want else b""
        self.was.whole = len(self.was.body) == length

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(
        self, status: int, body: bytes | str = b"", kind: str = "application/json", **headers: str
    ) -> None:
        """An answer, whole."""
        raw = body.encode() if isinstance(body, str) else body
        self.begin(status, len(raw), kind, headers)
        self.wfile.write(raw)

    def begin(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        """The head of an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def cut(self) -> None:
        """Break the connection off, so that the other side notices at once."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # The files that the base class made of it keep the socket open.
        self.connection.shutdown(socket.SHUT_RDWR)

    # --- the truth ---------------------------------------------------------------------------

    def behave(self) -> None:
        """Answer as an exchange does."""
        self.take_body()
        if self.was.door in {"listing", "offer", "tracking", "api"}:
            token = self.was.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self.server.good_tokens:
                unauthorized(self)
                return
        getattr(self, "_" + self.was.door.replace("-", "_"))()

    def _json(self, value: object, **headers: str) -> None:
        self.reply(200, json.dumps(value), **headers)

    def _well_known(self) -> None:
        if self.server.finra:
            self.reply(403, "<html>Forbidden</html>", "text/html")
            return
        self._json({"tokenUrl": self.server.url + TOKEN_PATH, "environment": "sandbox"})

    def _token(self) -> None:
        basic = "Basic " + base64.b64encode(f"{FIRM}:{SECRET}".encode()).decode()
        if self.was.headers.get("authorization") != basic:
            self.reply(400, '{"error_message": "Invalid Credentials", "error": "invalid_client"}')
            return
        with self.server.lock:
            token = f"*AAJ.{len(self.server.tokens) + 1}.*"
            self.server.tokens.append(token)
            self.server.good_tokens.add(token)
        self._json({"access_token": token, "expires_in": self.server.expires_in})

    def _api(self) -> None:
        self._json({"path": self.was.path, "body": self.was.body.decode()})

    def _listing(self) -> None:
        path = unquote(self.was.path).removeprefix("/files").strip("/")
        file = self.server.files.get(path)
        if file is None:
            self._json({"name": path.rpartition("/")[2] or "files", "type": "DIR", "children": []})
            return
        told: dict[str, Any] = {
            "preSignedUrl": f"{self.server.url}/signed/{path}?X-Amz-Signature=1"
        }
        if not self.server.finra:
            size = len(file.promised or file.content)
            told |= {"sha256": file.sha256, "metadata": {"contentLength": size}}
        self._json(told)

    def _offer(self) -> None:
        key = self.was.headers.get("idempotency-key", "")
        with self.server.lock:
            known = "" if self.server.finra else self.server.keys.get(key, "")
            made = Submission(known or str(uuid.uuid4()), unquote(self.was.path)[len("/files/") :])
            self.server.submissions.setdefault(made.id, made)
            self.server.keys[key] = made.id
        url = f"{self.server.url}/signed/{made.id}?X-Amz-Signature=1"
        self._json({"trackingId": made.id, "preSignedUrl": url})

    def _tracking(self) -> None:
        asked = self.was.query.get("id", [""])[0]
        with self.server.lock:
            found = [each for each in self.server.submissions.values() if asked in {"", each.id}]
        if asked and not found:
            self.reply(404, '{"error": "not_found", "error_message": "No such submission."}')
            return
        self._json([self._record(each) for each in reversed(found)])

    def _record(self, each: Submission) -> dict[str, Any]:
        place = each.path.rpartition("/")[0]
        record: dict[str, Any] = {
            "trackingId": each.id,
            "submissionTime": "2022-11-01T12:00:00.000-0500",
            "userName": FIRM,
            "fileName": each.name,
            "status": "Received by FINRA" if each.bodies else "Request Received",
            "downstreamStatus": None,
            "statusUpdatedTime": "2022-11-01T12:00:01.000-05:00",
            "fileSize": len(each.bodies[0]) if each.bodies else None,
            "uploadLocation": place,
            "application": place.split("/")[1],
            "applicationSpaceName": place.split("/")[2],
        }
        if not self.server.finra:
            body = each.bodies[0] if each.bodies else None
            record["state"] = each.state or ("requested" if body is None else "received")
            record["sha256"] = None if body is None else hashlib.sha256(body).hexdigest()
        return record

    def _put(self) -> None:
        each = self.server.submissions[self.was.path.rpartition("/")[2]]
        if not self.was.whole:
            self.cut()
            return
        if each.bodies and not self.server.finra:
            self.reply(
                409,
                f"<Error><Code>AlreadySubmitted</Code><TrackingId>{each.id}</TrackingId></Error>",
                "application/xml",
            )
            return
        each.bodies.append(self.was.body)
        self.reply(200, b"", **self.digest(self.was.body))

    def digest(self, content: bytes) -> dict[str, str]:
        """The header with the digest of some content, where this server tells it."""
        raw = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return {"Repr_Digest": f"sha-256=:{raw}:"} if self.server.says_digest else {}

    def _get(self) -> None:
        file = self.server.files[unquote(self.was.path).removeprefix("/signed/")]
        start = self.start_of(file)
        content = file.content[start:]
        headers = {"ETag": file.etag} | self.digest(file.promised or file.content)
        if start:
            last = len(file.content) - 1
            headers["Content_Range"] = f"bytes {start}-{last}/{len(file.content)}"
        self.reply(206 if start else 200, content, "application/octet-stream", **headers)

    def start_of(self, file: Published) -> int:
        """Where the part begins that was asked for."""
        asked = self.was.headers.get("range", "")
        other = self.was.headers.get("if-range", file.etag) != file.etag
        if not asked or other or not self.server.honours_ranges:
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))


def _door(method: str, path: str) -> str:
    if path.startswith("/signed/"):
        return "put" if method == "PUT" else "get"
    if path.startswith("/files"):
        return "offer" if method == "PUT" else "listing"
    doors = {"/.well-known/transom": "well-known", TOKEN_PATH: "token", "/tracking": "tracking"}
    return doors.get(path, "api")


@contextlib.contextmanager
def serving(*, finra: bool = False) -> Iterator[Exchange]:
    """A server inside the block; a fault in it fails the test."""
    exchange = Exchange(finra=finra)
    thread = threading.Thread(target=exchange.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield exchange
    finally:
        exchange.shutdown()
        exchange.server_close()
        thread.join(10)
    assert exchange.faults == []


# --- lies ----------------------------------------------------------------------------------------


def unauthorized(handler: Handler) -> None:
    """401, as FINRA's servers say it: without telling why. Ours tell."""
    if handler.server.finra:
        handler.reply(401)
    else:
        headers = {"WWW_Authenticate": 'Bearer error="invalid_token"'}
        handler.reply(401, '{"error": "invalid_token"}', **headers)


def answer(status: int, body: str = "", kind: str = "application/json", **headers: str) -> Lie:
    """This answer, after the body was read, and nothing is done."""

    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.reply(status, body, kind, **headers)

    return lie


def xml(status: int, code: str, message: str = "", **headers: str) -> Lie:
    """A refusal of the signed door."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return answer(status, body, "application/xml", **headers)


def cut_body(size: int) -> Lie:
    """Read so many bytes of the body, then break off."""

    def lie(handler: Handler) -> None:
        handler.take_body(size)
        handler.cut()

    return lie


def lose_all(handler: Handler) -> None:
    """Read the whole body, keep nothing of it, answer nothing."""
    handler.take_body()
    handler.cut()


def lose_answer(handler: Handler) -> None:
    """Do everything, and let nobody know."""
    wfile, handler.wfile = handler.wfile, _Nowhere()  # type: ignore[assignment]
    try:
        handler.behave()
    finally:
        handler.wfile = wfile
    handler.cut()


def after_doing(status: int, body: str = "", kind: str = "application/json") -> Lie:
    """Do everything, and answer something else."""

    def lie(handler: Handler) -> None:
        wfile, handler.wfile = handler.wfile, _Nowhere()  # type: ignore[assignment]
        try:
            handler.behave()
        finally:
            handler.wfile = wfile
        handler.reply(status, body, kind)

    return lie


def cut_answer(size: int) -> Lie:
    """Promise the whole answer, give so many bytes of its body, break off."""

    def lie(handler: Handler) -> None:
        handler.take_body()
        file = handler.server.files[unquote(handler.was.path).removeprefix("/signed/")]
        start = handler.start_of(file)
        content = file.content[start:]
        headers = {"ETag": file.etag} | handler.digest(file.promised or file.content)
        if start:
            last = len(file.content) - 1
            headers["Content_Range"] = f"bytes {start}-{last}/{len(file.content)}"
        handler.begin(206 if start else 200, len(content), "application/octet-stream", headers)
        handler.wfile.write(content[:size])
        handler.wfile.flush()
        handler.close_connection = True  # an orderly end, too early: what was written does arrive

    return lie


def behave(handler: Handler) -> None:
    """The truth, this time."""
    handler.behave()


class _Nowhere:
    """A file that takes everything."""

    closed = False

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
