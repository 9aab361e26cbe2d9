"""A load of requests on kept-alive connections, made by a process of its own.

`generate` and `wrk` run in the bench; the rest runs in the process: `python -m bench.load`, with a
job on standard input and the outcome on standard output, both JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench import nginx, processes

CONNECTIONS = 32
MOST = 200_000
_WARM_UP_SECONDS = 1.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_ROOT = Path(__file__).parent.parent
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class LoadFailed(Exception):
    """Some requests were not answered as they should be."""


@dataclass(frozen=True)
class Outcome:
    """Answers as wanted per second, and how long they took, in milliseconds."""

    rate: float
    p50: float
    p99: float
    answers: int
    """All of them, those of the warm-up too."""
    by: str


def generate(job: dict[str, Any], seconds: float) -> Outcome:
    """Run a job ("requests" or "submissions", see `_main`) for so long after a warm-up.

    Raises:
        LoadFailed
    """
    whole = {"connections": CONNECTIONS, "seconds": seconds, **job}
    command = [sys.executable, "-m", "bench.load"]
    if cores := processes.other_cores():
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    done = subprocess.run(
        command,
        input=json.dumps(whole),
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise LoadFailed(done.stderr)
    found = json.loads(done.stdout)
    if found["failures"]:
        raise LoadFailed(f"{found['rate']:.0f}/s were answered as wanted; {found['failures']}")
    return Outcome(*(found[name] for name in ("rate", "p50", "p99", "answers")), "our generator")


def gets(url: str, authorization: str, seconds: float) -> Outcome:
    """GETs of one URL: by wrk where it is installed, else by our generator."""
    if nginx.wrk():
        return _wrk(url, authorization, seconds)
    return generate(
        {"kind": "requests", "url": url, "requests": [request("GET", url, authorization)]}, seconds
    )


def _wrk(url: str, authorization: str, seconds: float) -> Outcome:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency"]
    if cores := processes.other_cores():
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    command += ["-H", f"Authorization: {authorization}", url]
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 60, check=True
    ).stdout
    if wrong := re.findall(r"Non-2xx.*|Socket errors.*", told):
        raise LoadFailed("; ".join(wrong))
    rate = float(re.findall(r"Requests/sec: +([0-9.]+)", told)[0])
    answers = int(re.findall(r"([0-9]+) requests in", told)[0])
    return Outcome(rate, _percentile(told, 50), _percentile(told, 99), answers, "wrk")


def _percentile(told: str, percent: int) -> float:
    number, unit = re.findall(rf"{percent}% +([0-9.]+)([a-z]+)", told)[0]
    return float(number) * _UNITS[unit]


def request(method: str, url: str, authorization: str, body: bytes = b"") -> str:
    """The bytes of a request, as text that JSON can carry (Latin-1)."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    if authorization:
        head += f"Authorization: {authorization}\r\n"
    if method != "GET":
        head += f"Content-Length: {len(body)}\r\n"
    return f"{head}\r\n" + body.decode("latin-1")


# --- in the process of its own -----------------------------------------------------------------


@dataclass
class _Tally:
    """What counts is what ends between the warm-up and the end."""

    begins: float
    ends: float
    taken: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answers: int = 0

    def goes_on(self) -> bool:
        return time.perf_counter() < self.ends and len(self.taken) < MOST

    def note(self, started: float, status: int) -> None:
        now = time.perf_counter()
        self.answers += 1
        if status != 200:
            self.failures[str(status)] += 1
        elif self.begins <= now < self.ends:
            self.taken.append(now - started)

    def outcome(self) -> dict[str, Any]:
        ordered = sorted(self.taken) or [0.0]
        seconds = min(self.ends, time.perf_counter()) - self.begins
        return {
            "rate": len(self.taken) / seconds,
            "p50": ordered[len(ordered) // 2] * 1000,
            "p99": ordered[int(len(ordered) * 0.99)] * 1000,
            "answers": self.answers,
            "failures": dict(self.failures),
        }


class _Connection:
    """A kept-alive connection, made anew when the server closed it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._at = (str(parts.hostname), int(parts.port or 80))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._at)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        return int(head[9:12]), body


async def _requests(job: dict[str, Any], number: int, tally: _Tally) -> None:
    every = [each.encode("latin-1") for each in job["requests"]]
    mine = cycle(every[number % len(every) :: job["connections"]])
    connection = _Connection(job["url"])
    while tally.goes_on():
        started = time.perf_counter()
        status, _ = await connection.ask(next(mine))
        tally.note(started, status)


async def _submissions(job: dict[str, Any], number: int, tally: _Tally) -> None:
    """Whole small submissions, one after the other: step 1 at one door, the bytes at the other."""
    rest, s3 = _Connection(job["rest"]), _Connection(job["s3"])
    body = job["body"].encode("latin-1")
    authorization = job["tokens"][number % len(job["tokens"])]
    count = 0
    while tally.goes_on():
        count += 1
        started = time.perf_counter()
        first = request("PUT", f"{job['folder']}/{number}-{count}.bin", authorization)
        status, answer = await rest.ask(first.encode("latin-1"))
        if status == 200:
            second = request("PUT", json.loads(answer)["preSignedUrl"], "", body)
            status, _ = await s3.ask(second.encode("latin-1"))
        tally.note(started, status)


_KINDS: dict[str, Callable[[dict[str, Any], int, _Tally], Awaitable[None]]] = {
    "requests": _requests,
    "submissions": _submissions,
}


async def _main(job: dict[str, Any]) -> dict[str, Any]:
    begins = time.perf_counter() + _WARM_UP_SECONDS
    tally = _Tally(begins, begins + job["seconds"])
    client = _KINDS[job["kind"]]
    await asyncio.gather(*(client(job, number, tally) for number in range(job["connections"])))
    return tally.outcome()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_main(json.load(sys.stdin)))))
