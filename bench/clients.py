"""What a firm's program does, for setting up: tokens, the first step of a transfer, and curl."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.seeding import APPLICATION, ORG, Login
from bench.servers import Server

IN, OUT = f"/files/{ORG}/{APPLICATION}/in", f"/files/{ORG}/{APPLICATION}/out"
_MEGA = 1e6


def basic(login: Login) -> str:
    """The header that a token is asked for with."""
    both = base64.b64encode(f"{login.user}:{login.secret}".encode()).decode()
    return f"Basic {both}"


def token(server: Server, login: Login) -> str:
    """A bearer token, as the value of a header."""
    answer = _ask(server, server.token_url, "POST", basic(login))
    return f"Bearer {answer['access_token']}"


def upload_url(server: Server, bearer: str, name: str) -> str:
    """Step 1 of an upload: where to put the bytes."""
    return str(_ask(server, f"{server.rest}{IN}/{name}", "PUT", bearer)["preSignedUrl"])


def download_url(server: Server, bearer: str, name: str) -> str:
    """Step 1 of a download: where to get the bytes."""
    return str(_ask(server, f"{server.rest}{OUT}/{name}", "GET", bearer)["preSignedUrl"])


def names(server: Server, bearer: str) -> list[str]:
    """What the outbound sub-space lists."""
    found = _ask(server, f"{server.rest}{OUT}", "GET", bearer)["children"]
    return [each["name"] for each in found]


def _ask(server: Server, url: str, method: str, authorization: str) -> dict[str, Any]:
    request = urllib.request.Request(url, method=method)
    request.add_header("Authorization", authorization)
    trust = ssl.create_default_context(cafile=server.authority) if server.authority else None
    with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@dataclass(frozen=True)
class Curled:
    """One transfer by curl: the answer's status and digest, and how it went."""

    status: int
    size: int
    seconds: float
    digest: str

    @property
    def speed(self) -> float:
        """In MB/s (10^6 bytes)."""
        return self.size / self.seconds / _MEGA


def curl_put(url: str, file: Path, authority: Path | None) -> Curled:
    """Upload a file."""
    return _curl("size_upload", url, authority, "--upload-file", file)


def curl_get(url: str, authority: Path | None, into: Path = Path("/dev/null")) -> Curled:
    """Download, to nowhere unless it is said where to."""
    return _curl("size_download", url, authority, "--output", into)


def _curl(size: str, url: str, authority: Path | None, *options: str | Path) -> Curled:
    trust = ["--cacert", authority] if authority else []
    told = f"%{{stderr}}%{{http_code}} %{{{size}}} %{{time_total}} %header{{repr-digest}}"
    command = ["curl", "-q", "-s", "--noproxy", "*", "--max-time", "120", "-w", told, *trust]
    done = subprocess.run(
        [*command, *options, url], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    words = [*done.stderr.decode().split(), ""]
    return Curled(int(words[0]), int(words[1]), float(words[2]), words[3])
