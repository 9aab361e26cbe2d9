"""Hand-off over the gateway: how soon after its commit a submission is claimed, and how many."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import clients, seeding, servers
from bench.report import Report, median
from bench.seeding import APPLICATION
from bench.servers import Server
from bench.setting import Setting

P50_MS, P99_MS, LEAST = 20, 100, 150
SIZE = 1024
_EVERY = 0.02
_HANDS = 4
_GATEWAY = "/api/v1/handoff"
_METHOD = f"""\
`transom-server run` with default settings, one process, on the disk, beside a firm and an
application that run on the same cores.

*Commit to claim*: the application has one claim waiting (`waitSeconds` 30) and asks again at once;
the firm submits {SIZE} bytes about every {1000 * _EVERY:.0f} ms. The time runs from the instant of
the commit, as the submission bears it (taken just before the transaction), to the arrival of the
claim's answer at the application.

*Hand-offs*: what waits is claimed twenty at a time by {_HANDS} connections of one account; each
file is read, and answered with one finding."""


@dataclass
class _Latencies:
    milliseconds: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(setting: Setting) -> list[Report]:
    directory = setting.directory("handoff", durable=True)
    report = Report(
        "Hand-off to one application",
        _METHOD,
        ("on", "commit to claim p50 ms", "p99 ms", "hand-offs per second"),
    )
    with ExitStack() as stack:
        for name, url in stack.enter_context(servers.databases(directory)).items():
            _measure(setting, stack, directory / name, (name, url), report)
    return [report]


def _measure(
    setting: Setting, stack: ExitStack, directory: Path, on: tuple[str, str], report: Report
) -> None:
    name, url = on
    config = servers.configure(directory, url)
    with seeding.administering(config) as exchange:
        (firm,) = seeding.seed(exchange, 1)
        application = seeding.application_login(exchange)
    server = stack.enter_context(servers.production(config))
    to_firm = clients.token(server, firm)
    to_application = clients.token(server, application)
    with setting.watch(server.pid, f"hand-off {name}"):
        rounds = [_latency(setting, server, to_firm, to_application) for _ in range(setting.rounds)]
        rates = [_rate(setting, server, to_firm, to_application) for _ in range(setting.rounds)]
    p50, p99 = (median(each.quantile(share) for each in rounds) for share in (0.5, 0.99))
    rate = median(rates)
    report.rows.append((name, f"{p50:.1f}", f"{p99:.1f}", f"{rate:,.0f}"))
    report.raw(f"{name}, p50 ms", (each.quantile(0.5) for each in rounds), 1)
    report.raw(f"{name}, p99 ms", (each.quantile(0.99) for each in rounds), 1)
    report.raw(f"{name}, hand-offs per second", rates)
    report.limit(f"commit to claim, p50, {name}", p50, P50_MS, " ms")
    report.limit(f"commit to claim, p99, {name}", p99, P99_MS, " ms")
    report.aim(f"hand-offs, {name}", rate, LEAST, "/s")


# --- the two sides -------------------------------------------------------------------------------


class _Line:
    """One kept-alive connection with a token."""

    def __init__(self, address: str, bearer: str = "") -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        self._headers = {"Authorization": bearer} if bearer else {}

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return content

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.ask("POST", _GATEWAY + path, json.dumps(body).encode())
        )
        return found


class _Firm:
    def __init__(self, server: Server, bearer: str) -> None:
        self._rest, self._s3 = _Line(server.rest, bearer), _Line(server.s3)

    def submit(self, number: int) -> None:
        offer = json.loads(self._rest.ask("PUT", f"{clients.IN}/{number}.bin"))
        parts = urlsplit(offer["preSignedUrl"])
        self._s3.ask("PUT", f"{parts.path}?{parts.query}", b"x" * SIZE)


def _answer(line: _Line, lease: dict[str, Any]) -> None:
    finding = {"record": "1", "field": "id", "code": "B-1", "text": "Nothing is wrong with it."}
    body = {"lease": lease["lease"], "acknowledge": True, "outcome": "ACCEPTED"}
    line.post(f"/submissions/{lease['trackingId']}/report", body | {"findings": [finding]})


def _latency(setting: Setting, server: Server, firm: str, application: str) -> _Latencies:
    """What an application sees that has a claim waiting all the time."""
    found, stop = _Latencies(), threading.Event()

    def wait() -> None:
        line, answering = _Line(server.rest, application), _Line(server.rest, application)
        while not stop.is_set():
            leases = line.post(f"/{APPLICATION}/claim", {"limit": 20, "waitSeconds": 1})["leases"]
            arrived = time.time()
            for lease in leases:
                committed = datetime.fromisoformat(lease["submissionTime"]).timestamp()
                found.milliseconds.append(1000 * (arrived - committed))
                _answer(answering, lease)

    waiting = threading.Thread(target=wait)
    waiting.start()
    submitter, ends = _Firm(server, firm), time.monotonic() + setting.seconds
    number = 0
    while time.monotonic() < ends:
        submitter.submit(number)
        number += 1
        time.sleep(_EVERY)
    stop.set()
    waiting.join()
    return found


def _rate(setting: Setting, server: Server, firm: str, application: str) -> float:
    """Hand-offs per second of what already waits."""
    prepared = round(setting.seconds * 2 * LEAST)
    with ThreadPoolExecutor(_HANDS) as pool:
        each = prepared // _HANDS
        list(pool.map(lambda _: _submit_many(server, firm, each), range(_HANDS)))
        began = time.monotonic()
        done = sum(pool.map(lambda _: _hand_off(server, application), range(_HANDS)))
        taken = time.monotonic() - began
    assert done == each * _HANDS, f"{done} were handed off, {each * _HANDS} were submitted"
    return done / taken


def _submit_many(server: Server, bearer: str, count: int) -> None:
    firm = _Firm(server, bearer)
    for number in range(count):
        firm.submit(number)


def _hand_off(server: Server, bearer: str) -> int:
    line, done = _Line(server.rest, bearer), 0
    while leases := line.post(f"/{APPLICATION}/claim", {"limit": 20})["leases"]:
        for lease in leases:
            content = line.ask("GET", f"{_GATEWAY}/submissions/{lease['trackingId']}/content")
            assert len(content) == SIZE
            _answer(line, lease)
            done += 1
    return done
