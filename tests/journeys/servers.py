"""The demo as a real process, and what a firm's machine says to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

PROGRAM = str(Path(sys.executable).with_name("transom-server"))
SECONDS_TO_START = 30
SECONDS_TO_STOP = 10


@dataclass
class Server:
    """A running process; `said` is what it wrote, standard output and standard error."""

    process: subprocess.Popen[bytes]
    said: Path

    @property
    def text(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def terminate(self) -> float:
        """Send SIGTERM and wait for the end with exit code 0; returns the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        assert self.process.wait(SECONDS_TO_STOP) == 0, self.text
        return time.monotonic() - began

    def kill(self) -> None:
        """As if the machine had lost it: kill -9."""
        self.process.kill()
        assert self.process.wait(SECONDS_TO_STOP) == -signal.SIGKILL

    def end(self) -> None:
        """However it stands, it does not outlive its test."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class Demo(Server):
    """A demo that is ready, and what its ready file says."""

    ready: dict[str, Any]

    @property
    def ca(self) -> str | bool:
        """What `verify` of requests takes."""
        return self.ready["ca"] or True

    def account(self, access: str = "both", org: str = "0001") -> Firm:
        """The account of a firm with this access; never the one meant to be locked out."""
        for each in self.ready["accounts"]:
            if (each["access"], each["org"], each["lockout"]) == (access, org, False):
                return Firm(self, each["user"], each["password"], org)
        raise AssertionError(f"no account {access} in {org}")


@dataclass
class Firm:
    """An account and its machine."""

    demo: Demo
    user: str
    password: str
    org: str
    _token: str = ""

    def grant(self, password: str = "") -> requests.Response:
        """Ask for a token, with its own password or this one."""
        return requests.post(
            self.demo.ready["token_url"],
            params={"grant_type": "client_credentials"},
            auth=(self.user, password or self.password),
            verify=self.demo.ca,
            timeout=20,
        )

    @property
    def token(self) -> str:
        if not self._token:
            self._token = self.grant().json()["access_token"]
        return self._token

    def call(self, method: str, path: str) -> requests.Response:
        """A request to the REST API, such as GET files/0001."""
        return requests.request(
            method,
            f"{self.demo.ready['rest']}/{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            verify=self.demo.ca,
            timeout=20,
        )

    def request_upload(self, name: str, application: str = "app1") -> dict[str, str]:
        """Step 1 of an upload: tracking id and signed URL."""
        answer = self.call("PUT", f"files/{self.org}/{application}/in/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(self, name: str, content: bytes) -> str:
        """A whole upload; returns its tracking id."""
        asked = self.request_upload(name)
        answer = put(asked["preSignedUrl"], content, self.demo.ca)
        assert answer.status_code == 200, answer.text
        return asked["trackingId"]

    def track(self, tracking_id: str) -> dict[str, Any]:
        """Where a submission stands."""
        (record,) = self.call("GET", f"tracking?id={tracking_id}").json()
        return record

    def wait_for(self, tracking_id: str, downstream: str = "ACCEPTED") -> dict[str, Any]:
        """Where it stands once its application has answered."""
        until = time.monotonic() + 15
        while (record := self.track(tracking_id))["downstreamStatus"] != downstream:
            assert time.monotonic() < until, record
            time.sleep(0.05)
        return record

    def names(self, sub_space: str, application: str = "app1") -> list[str]:
        """What a folder lists."""
        answer = self.call("GET", f"files/{self.org}/{application}/{sub_space}")
        assert answer.status_code == 200, answer.text
        return [child["name"] for child in answer.json()["children"]]

    def fetch(self, sub_space: str, name: str) -> bytes:
        """Both steps of a download."""
        asked = self.call("GET", f"files/{self.org}/app1/{sub_space}/{name}")
        assert asked.status_code == 200, asked.text
        answer = requests.get(asked.json()["preSignedUrl"], verify=self.demo.ca, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.content


def put(url: str, content: bytes, ca: str | bool = True) -> requests.Response:
    """Step 2 of an upload, as curl -T does it."""
    return requests.put(url, data=content, verify=ca, timeout=20)


class SlowPut:
    """Step 2 of an upload, at a pace of the test's choosing."""

    def __init__(self, url: str, length: int) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        self._connection.putrequest("PUT", f"{parts.path}?{parts.query}")
        self._connection.putheader("Content-Length", str(length))
        self._connection.endheaders()

    def send(self, data: bytes) -> None:
        self._connection.send(data)

    def status(self) -> int:
        """The server's answer; 0 when it was cut instead."""
        try:
            return self._connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            self.close()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def running(command: list[str], said: Path, **changes: str) -> Iterator[Server]:
    """A process of the server; ended with the block."""
    with said.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=os.environ | changes
        )
    server = Server(process, said)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def demo(directory: Path, *options: str) -> Iterator[Demo]:
    """A ready demo on free ports, with its data in a directory that may have been used before."""
    directory.mkdir(exist_ok=True)
    file = directory / "ready.json"
    ports = ("--http-port", "0", "--s3-port", "0")
    command = [PROGRAM, "demo", "--data", str(directory / "data"), "--ready-file", str(file)]
    with running([*command, *ports, *options], directory / "said") as server:
        ready = when_ready(server, file)
        found = Demo(server.process, server.said, ready)
        yield found


def when_ready(server: Server, file: Path, *, under_make: bool = False) -> dict[str, Any]:
    """What the ready file holds, once this server, or the one that make started, has written it."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        assert server.process.poll() is None, server.text
        if file.exists():
            ready: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if (
                under_make or ready["pid"] == server.process.pid
            ):  # not one that a killed server left
                return ready
        time.sleep(0.01)
    raise AssertionError(server.text)


def once(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """transom-server with these arguments, to its end."""
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | changes,
    )


def on_a_firms_machine(
    command: list[str], directory: Path, extra: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """A command as a firm runs it, knowing nothing of ours but what it is told; it must succeed."""
    known = {"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=directory, env=known | extra, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done
