"""A small server that answers as a test wants: for faults that the real one does not have."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ID = "7c1e0b52-9a44-4c1d-8f0e-61b7d20c93aa"
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | None
"""Status, body (JSON unless bytes), headers. None: the connection is closed without an answer."""


def record(state: str = "requested", **more: Any) -> dict[str, Any]:
    """A tracking record."""
    arrived = state not in {"requested", "abandoned"}
    return {
        "trackingId": ID,
        "submissionTime": "2026-11-20T15:32:07.418-05:00",
        "userName": "0001ftp01",
        "fileName": "a.csv",
        "status": "Received by FINRA" if arrived else "Request Received",
        "downstreamStatus": None,
        "statusUpdateTime": "2026-11-20T15:36:01.330-05:00",
        "fileSize": 7 if arrived else None,
        "uploadLocation": "0001/app1/in",
        "applicationName": "app1",
        "applicationSpaceName": "in",
        "state": state,
    } | more


@dataclass
class Stub:
    """Each answer may be replaced. `offers` and `bodies` count what came."""

    url: str = ""
    listing: Answer = (
        200,
        {"name": "in", "type": "DIR", "metadata": {"writable": True}, "children": []},
    )
    tracking: Callable[[], Answer] = lambda: (200, [record()])
    body: Callable[[bytes], Answer] = lambda _content: (200, {})
    offer: Callable[[], Answer] | None = None
    offers: int = 0
    bodies: list[bytes] = field(default_factory=list)
    about: dict[str, Any] | None = None
    transfer_token: Answer = 404, {}
    ids: list[str] = field(default_factory=lambda: [ID])

    def answer(  # noqa: C901, PLR0911 - a table of resources
        self, method: str, path: str, content: Callable[[], bytes]
    ) -> Answer:
        if path.startswith("/.well-known/") and self.about is not None:
            return 200, self.about
        if path.startswith("/S3TransferTokens/"):
            return self.transfer_token
        if "access_token" in path:
            return 200, {"access_token": "token", "expires_in": 43200}
        if path.startswith("/tracking"):
            return self.tracking()
        if path.startswith("/bytes"):
            whole = content()
            self.bodies.append(whole)
            return self.body(whole)
        if method == "PUT" and path.startswith("/files/"):
            self.offers += 1
            if self.offer is not None:
                return self.offer()
            tracking_id = self.ids[min(self.offers, len(self.ids)) - 1]
            return 200, {
                "trackingId": tracking_id,
                "preSignedUrl": f"{self.url}/bytes/{tracking_id}",
            }
        if re.match(r"/files(/|$)", path):
            return self.listing
        return 404, {"error": "not_found", "error_message": "Nothing."}


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """The stub behind a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = stub.answer(self.command, self.path, lambda: self.rfile.read(length))
            self.close_connection = True
            if answer is None:
                return
            status, body, *more = answer
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
            headers["Connection"] = "close"  # said, so that the next request is not sent in vain
            for name, value in (headers | (more[0] if more else {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """A client that was killed is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
