"""A small exchange for the connector's tests: the gateway's contract over real HTTP, and faults.

It keeps leases, fencing numbers and idempotency keys as docs/reference/gateway.md says. Two things
differ: what is released is offered again at once (`releases` has what was asked for), and claims
look for themselves every few milliseconds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from transom.client.presets import Server

USER, SECRET = "r4530-app", "secret"
_TOKEN_PATH = "/fip/rest/ews/oauth2/access_token"
_ROOT = "/api/v1/handoff/"


@dataclass
class Submission:
    """One of the server's submissions. `state` is waiting, leased, acknowledged or answered."""

    tracking_id: str
    org: str
    application: str
    sub_space: str
    name: str
    content: bytes
    state: str = "waiting"
    number: int = 0
    ends: float = 0.0
    reported: Any = None
    sha256: str = ""

    @property
    def is_running(self) -> bool:
        return time.monotonic() < self.ends


@dataclass(frozen=True)
class Fault:
    """What happens to a call instead: see the functions below."""

    status: int = 0
    code: str = ""
    does_it: bool = False
    after_bytes: int = -1
    answer: Any = None


def busy() -> Fault:
    """503, and nothing happens."""
    return Fault(503, "unavailable")


def refused(status: int, code: str) -> Fault:
    return Fault(status, code)


def lost() -> Fault:
    """It happens, and the answer is lost."""
    return Fault(does_it=True)


def cut(after_bytes: int) -> Fault:
    """Content breaks off."""
    return Fault(after_bytes=after_bytes)


def says(answer: Any) -> Fault:
    """200 with something else."""
    return Fault(200, answer=answer)


@dataclass
class GatewayServer:
    """The server's state; `script` makes the next calls of a kind go wrong."""

    port: int = 0
    submissions: dict[str, Submission] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[tuple[str, Any]] = field(default_factory=list)
    releases: list[tuple[str, int]] = field(default_factory=list)
    published: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    user: tuple[str, str] = (USER, SECRET)
    applications: set[str] = field(default_factory=lambda: {"r4530", "shorts"})
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def server(self) -> Server:
        return Server(self.url, self.url + _TOKEN_PATH)

    def offer(self, place: str = "r4530/in", content: bytes = b"content", **facts: str) -> str:
        """Have a submission wait; returns its tracking id."""
        with self.lock:
            number = len(self.submissions) + 1
            application, _, sub_space = place.partition("/")
            made = Submission(
                f"00000000-0000-4000-8000-{number:012}",
                facts.get("org", "0001"),
                application,
                sub_space,
                facts.get("name", f"file{number}.xml"),
                content,
                sha256=facts.get("sha256", hashlib.sha256(content).hexdigest()),
            )
            self.submissions[made.tracking_id] = made
            return made.tracking_id

    def script(self, call: str, *faults: Fault) -> None:
        """Have the next calls of a kind go wrong, one after the other."""
        with self.lock:
            self.faults[call] += faults

    def named(self, call: str) -> list[Any]:
        """The bodies of all calls of one kind so far."""
        with self.lock:
            return [body for name, body in self.calls if name == call]

    def outcomes(self) -> list[str]:
        """How each submission was answered, "" where it was not."""
        with self.lock:
            return [(each.reported or {}).get("outcome", "") for each in self.submissions.values()]

    def expire(self, tracking_id: str) -> None:
        """Have a lease run out now."""
        self.submissions[tracking_id].ends = 0.0

    # --- what calls do ---------------------------------------------------------------------------

    def claim(self, application: str, body: Any, key: str) -> Any:
        known = self.keys.get(f"claim {key}", [])
        held = [self.submissions[one] for one, number in known if self._is_still(one, number)]
        held = held or self._leased(application, body)
        self.keys[f"claim {key}"] = [(each.tracking_id, each.number) for each in held]
        return {"leases": [_lease(each) for each in held]}

    def _is_still(self, tracking_id: str, number: int) -> bool:
        found = self.submissions[tracking_id]
        return found.number == number and found.state in {"leased", "acknowledged"}

    def _leased(self, application: str, body: Any) -> list[Submission]:
        until = time.monotonic() + body["waitSeconds"]
        while True:
            with self.lock:
                found = list(self._waiting(application, body))[: body["limit"]]
                for each in found:
                    each.number += 1
                    each.state = "acknowledged" if body["owed"] else "leased"
                    each.ends = time.monotonic() + body["leaseSeconds"]
            if found or time.monotonic() >= until:
                return found
            time.sleep(0.005)

    def _waiting(self, application: str, body: Any) -> Iterator[Submission]:
        for each in self.submissions.values():
            if each.application != application or each.sub_space not in body["subSpaces"]:
                continue
            over = not each.is_running
            if body["owed"]:
                if each.state == "acknowledged" and over:
                    yield each
            elif each.state == "waiting" or (each.state == "leased" and over):
                yield each

    def verb(self, tracking_id: str, verb: str, body: Any) -> Any:
        with self.lock:
            found = self.submissions[tracking_id]
            if found.number != body["lease"]:
                return None
            if verb == "report":
                return self._report(found, body)
            if found.state not in {"leased", "acknowledged"}:
                return None
            if verb == "heartbeat":
                found.ends = time.monotonic() + body["leaseSeconds"]
            elif verb == "acknowledge":
                found.state = "acknowledged"
            elif verb == "release":
                if found.state != "leased":
                    return None
                self.releases.append((tracking_id, body["afterSeconds"]))
                found.state = "waiting"
            return {"trackingId": tracking_id, "lease": found.number}

    def _report(self, found: Submission, body: Any) -> Any:
        if found.state == "answered":
            same = (found.reported["outcome"], found.reported["findings"])
            return {} if same == (body["outcome"], body["findings"]) else None
        if found.state == "leased" and not body["acknowledge"]:
            return None
        found.state, found.reported = "answered", body
        return {"state": "answered"}

    def publish(self, path: str, query: dict[str, list[str]], content: bytes, key: str) -> Any:
        application, _, sub_space, name = path.split("/")
        with self.lock:
            what = (path, sorted(query["org"]), content)
            if self.keys.setdefault(f"publish {key}", what) != what:
                return None
            files = []
            for org in query["org"]:
                self.published[f"{org}/{application}/{sub_space}/{name}"] = content
                digest = hashlib.sha256(content).hexdigest()
                told = {"org": org, "application": application, "subSpace": sub_space}
                files.append(told | {"fileName": name, "size": len(content), "sha256": digest})
            return {"files": files}


def _lease(each: Submission) -> Any:
    return {
        "trackingId": each.tracking_id,
        "lease": each.number,
        "acknowledged": each.state == "acknowledged",
        "org": each.org,
        "application": each.application,
        "subSpace": each.sub_space,
        "fileName": each.name,
        "size": len(each.content),
        "sha256": each.sha256,
        "submissionTime": "2026-11-20T15:32:07.418-05:00",
        "userName": "0001ftp01",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    @property
    def state(self) -> GatewayServer:
        return self.server.state  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        match = re.fullmatch(f"{_ROOT}submissions/([^/]+)/content", self.path)
        if match is None:
            self._answer(404, {"error": "not_found", "error_message": "no"})
            return
        fault = self._begin("content", self.headers.get("Range", ""))
        found = self.state.submissions[match[1]].content
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if fault is not None and fault.status:
            self._refuse(fault)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(found) - start))
        self.end_headers()
        until = None if fault is None else start + fault.after_bytes
        self.wfile.write(found[start:until])
        if fault is not None:
            self.close_connection = True

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == _TOKEN_PATH:
            self._token()
            return
        body = json.loads(raw)
        parts = path.removeprefix(_ROOT).split("/")
        call = parts[-1]
        fault = self._begin(call, body)
        if fault is not None and not fault.does_it:
            self._refuse(fault)
            return
        if call == "claim":
            if parts[0] not in self.state.applications:
                self._refuse(Fault(401, "insufficient_scope"))
                return
            answer = self.state.claim(parts[0], body, self.headers["Idempotency-Key"])
        else:
            answer = self.state.verb(parts[1], call, body)
        self._end(answer, fault)

    def do_PUT(self) -> None:
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        query = parse_qs(url.query)
        key = self.headers["Idempotency-Key"]
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert self.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        fault = self._begin("publish", {"query": query, "key": key, "content": content})
        if fault is not None and not fault.does_it:
            self._refuse(fault)
            return
        path = unquote(url.path.removeprefix(_ROOT))
        self._end(self.state.publish(path, query, content, key), fault)

    def _begin(self, call: str, body: Any) -> Fault | None:
        with self.state.lock:
            self.state.calls.append((call, body))
            waiting = self.state.faults[call]
            return waiting.popleft() if waiting else None

    def _token(self) -> None:
        user, _, secret = (
            base64.b64decode(self.headers["Authorization"][6:]).decode().partition(":")
        )
        fault = self._begin("token", user)
        if fault is not None:
            self._refuse(fault)
        elif (user, secret) == self.state.user:
            self._answer(200, {"access_token": "token", "expires_in": 43200})
        else:
            text = "Invalid Credentials"
            self._answer(400, {"error": "invalid_client", "error_message": text})

    def _refuse(self, fault: Fault) -> None:
        if fault.answer is not None:
            self._answer(200, fault.answer)
            return
        self._answer(fault.status, {"error": fault.code, "error_message": f"scripted {fault.code}"})

    def _end(self, answer: Any, fault: Fault | None) -> None:
        if fault is not None:
            self.close_connection = True
        elif answer is None:
            self._answer(409, {"error": "wrong_state", "error_message": "The lease is over."})
        else:
            self._answer(200, answer)

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if isinstance(body, dict) and body.get("error") == "insufficient_scope":
            self.send_header("WWW-Authenticate", 'Bearer error="insufficient_scope"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    state: GatewayServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that is gone hangs up in the middle of an answer."""


@contextmanager
def gateway(port: int = 0, state: GatewayServer | None = None) -> Iterator[GatewayServer]:
    """A running gateway."""
    server = _Quiet(("127.0.0.1", port), _Handler)
    server.state = state or GatewayServer()
    server.state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
