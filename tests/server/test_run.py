"""`transom-server run`, the production form, as a process: with TLS, with nothing of the demo."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import re
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import postgres
import pytest
import requests
from journeys.servers import PROGRAM, SECONDS_TO_START, Server, demo, once, running
from typer.testing import CliRunner

from transom.server import cli
from transom.server.listeners import bind
from transom.server.tls import demo_authority

OWN = """
[app1]
title = "One"
[app1.in]
direction = "inbound"
[app1.out]
direction = "outbound"
retention_days = 30
"""
CONTENT = secrets.token_bytes(100_000)


@functools.cache
def _authority() -> Path:
    """Certificates, made once: they take their time."""
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory)
    demo_authority(directory, datetime.now(UTC))
    return directory


@dataclass
class Site:
    """A directory with settings, certificates, keys and a migrated database."""

    directory: Path
    database_url: str
    identity_url: str = ""
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(4)])

    @property
    def config(self) -> Path:
        return self.directory / "transom.toml"

    @property
    def rest(self) -> str:
        return f"https://localhost:{self.ports[0]}"

    @property
    def token_url(self) -> str:
        return f"https://localhost:{self.ports[1]}/fip/rest/ews/oauth2/access_token"

    @property
    def s3(self) -> str:
        return f"https://localhost:{self.ports[2]}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports[3]}/metrics"

    @property
    def ca(self) -> str:
        return str(self.directory / "tls" / "demo-ca.pem")

    def write(self) -> None:
        shutil.copytree(_authority(), self.directory / "tls")
        certificates = demo_authority(self.directory / "tls", datetime.now(UTC))  # as it is there
        keys = self.directory / "keys"
        keys.touch(mode=0o600)
        keys.write_text(f"2026-11:{secrets.token_hex(32)}\n")
        identity = f'identity_url = "{self.identity_url}"' if self.identity_url else ""
        text = (
            f'[database]\nurl = "{self.database_url}"\n{identity}\n'
            f'[blobs]\nroot = "{self.directory}/files"\n'
            f'[keys]\nfile = "{keys}"\n'
            f'[metrics]\nlisten = "127.0.0.1:{self.ports[3]}"\n'
        )
        for number, name in enumerate(("rest", "token", "s3")):
            text += (
                f'[{name}]\nlisten = "127.0.0.1:{self.ports[number]}"\n'
                f'public_url = "https://localhost:{self.ports[number]}"\n'
                f"[{name}.tls]\n"
                f'certificate_file = "{certificates.certificate}"\n'
                f'key_file = "{certificates.key}"\n'
                f'ecdsa_certificate_file = "{certificates.ecdsa_certificate}"\n'
                f'ecdsa_key_file = "{certificates.ecdsa_key}"\n'
                'policy = "guide-2022"\n'
            )
        self.config.write_text(text)

    def command(self, *words: str) -> str:
        """A command of the operator that must succeed; what it prints."""
        done = CliRunner().invoke(cli.app, [*words, "--config", str(self.config)])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def prepare(self) -> str:
        """Schema, application, organization and account; returns the account's password."""
        self.write()
        own = self.directory / "own.toml"
        own.write_text(OWN)
        self.command("migrate", "up")
        self.command("catalogue", "load", str(own))
        self.command("admin", "org", "add", "0001", "Northgate")
        password = self.command("admin", "account", "add", "0001ftp01", "--org", "0001")
        self.command("admin", "entitlement", "add", "0001ftp01", "0001/app1", "both")
        return password

    @contextmanager
    def served(self) -> Iterator[Server]:
        command = [PROGRAM, "run", "--config", str(self.config)]
        with running(command, self.directory / "log") as server:
            until = time.monotonic() + SECONDS_TO_START
            while '"message": "listening"' not in server.text:
                assert server.process.poll() is None, server.text
                assert time.monotonic() < until, server.text
                time.sleep(0.02)
            yield server


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Site:
    return Site(tmp_path, database_url)


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Site:
    return Site(tmp_path, f"sqlite:///{tmp_path}/transom.db")


def test_a_file_there_and_back_over_tls_and_the_log_tells_it_without_secrets(site: Site) -> None:
    password = site.prepare()

    with site.served() as server:
        told = journey(site, password)
        figures = requests.get(site.metrics, timeout=20).text
        server.terminate()

    lines = [json.loads(line) for line in server.text.splitlines()]
    assert {"ts", "level", "message", "request_id", "tracking_id"} <= set.intersection(
        *(set(line) for line in lines)
    )
    assert [line["message"] for line in lines if line["level"] in {"warning", "error"}] == []
    assert (lines[-1]["message"], lines[-1]["level"]) == ("stopped", "info")
    (put,) = (line for line in lines if line.get("method") == "PUT" and line["door"] == "s3")
    assert put["request_id"] == told["request_id"]
    assert put["tracking_id"] == told["tracking_id"]
    assert (put["status"], put["bytes_in"]) == (200, len(CONTENT))
    for secret in (password, told["token"], *told["signatures"], key_of(site)):
        assert secret not in server.text
        assert secret not in figures
    for figure in (
        'transom_http_requests_total{door="s3",status="200"} 2.0',
        'transom_http_requests_total{door="token",status="200"} 1.0',
        f'transom_received_bytes_total{{door="s3"}} {float(len(CONTENT))}',
        'transom_job_last_success_seconds{job="seal"}',
        "transom_build_info{",
        "process_resident_memory_bytes",
    ):
        assert figure in figures
    assert ": sound, " in site.command("audit", "verify")


def test_accounts_may_live_in_a_database_of_their_own(tmp_path: Path) -> None:
    site = Site(tmp_path, f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db")
    password = site.prepare()

    with site.served() as server:
        journey(site, password)
        server.terminate()

    assert count(tmp_path / "a.db", "principals") == 0
    assert count(tmp_path / "b.db", "principals") == 1
    assert count(tmp_path / "a.db", "submissions") == 1
    assert count(tmp_path / "b.db", "submissions") == 0
    assert site.command("audit", "verify").count(": sound, ") == 2


def test_two_postgresql_databases_serve_as_one_exchange(postgres_url: str, tmp_path: Path) -> None:
    with (
        postgres.fresh_database(postgres_url) as exchange,
        postgres.fresh_database(postgres_url) as identity,
    ):
        site = Site(tmp_path, exchange, identity)
        password = site.prepare()
        with site.served() as server:
            journey(site, password)
            server.terminate()


# --- what it refuses -----------------------------------------------------------------------------


def test_it_refuses_a_schema_that_is_not_its_own(site: Site) -> None:
    site.write()

    ended = once("run", "--config", str(site.config))

    assert ended.returncode == 1
    assert re.fullmatch(
        r"Error: The database has schema none, this program wants \w+\."
        r" Run: transom-server migrate up --config FILE\n",
        ended.stderr,
    )


@pytest.mark.parametrize("door", ["rest", "token", "s3", "metrics"])
def test_it_refuses_to_be_reached_from_elsewhere_without_tls(sqlite_site: Site, door: str) -> None:
    sqlite_site.write()
    text = sqlite_site.config.read_text()
    text = re.sub(rf"\[{door}\.tls\].*?(?=\n\[|\Z)", "", text, flags=re.DOTALL)
    number = ("rest", "token", "s3", "metrics").index(door)
    port = sqlite_site.ports[number]
    sqlite_site.config.write_text(text.replace(f"127.0.0.1:{port}", f"0.0.0.0:{port}"))

    ended = once("run", "--config", str(sqlite_site.config))

    assert ended.returncode == 78
    assert f"{door}.listen: can be reached from other machines" in ended.stderr


def test_an_address_that_is_taken_is_named(sqlite_site: Site) -> None:
    sqlite_site.write()
    sqlite_site.command("migrate", "up")
    with socket.create_server(("127.0.0.1", sqlite_site.ports[2])):
        ended = once("run", "--config", str(sqlite_site.config))

    assert ended.returncode == 1
    assert f"Cannot listen at 127.0.0.1:{sqlite_site.ports[2]}: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_doors_at_addresses_that_overlap_are_one_line(sqlite_site: Site) -> None:
    sqlite_site.write()
    sqlite_site.command("migrate", "up")
    text = sqlite_site.config.read_text()
    rest, s3 = sqlite_site.ports[0], sqlite_site.ports[2]
    text = text.replace(f"127.0.0.1:{s3}", f"0.0.0.0:{rest}")  # unlike in text, alike in fact
    sqlite_site.config.write_text(text)

    ended = once("run", "--config", str(sqlite_site.config))

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("Error: Cannot listen")
    assert "Traceback" not in ended.stderr


# --- nothing of the demo -------------------------------------------------------------------------


def test_the_doors_are_those_of_the_demo_and_it_has_no_other(sqlite_site: Site) -> None:
    sqlite_site.prepare()
    paths = ["", "demo", "sandbox", "accounts", "design", "clock", "metrics", "docs", "files/"]

    with sqlite_site.served(), demo(sqlite_site.directory / "demo") as other:
        own = sqlite_site.rest
        described = requests.get(f"{own}/openapi.json", verify=sqlite_site.ca, timeout=20).json()
        theirs = requests.get(f"{other.ready['rest']}/openapi.json", timeout=20).json()
        answers = [
            requests.get(f"{own}/{each}", verify=sqlite_site.ca, timeout=20).status_code
            for each in paths
        ]
        answers_there = [
            requests.get(f"{other.ready['rest']}/{each}", timeout=20).status_code for each in paths
        ]

    described.pop("servers")
    theirs.pop("servers")
    assert described == theirs
    assert answers == answers_there
    assert set(answers) <= {401, 403}


def test_it_has_no_option_but_its_settings_and_makes_no_account(sqlite_site: Site) -> None:
    options = set(re.findall(r"--[a-z-]+", once("run", "--help").stdout))
    sqlite_site.write()
    sqlite_site.command("migrate", "up")

    with sqlite_site.served() as server:
        server.terminate()

    assert options == {"--config", "--help"}
    for table in ("organizations", "principals", "applications", "submissions", "listings"):
        assert count(sqlite_site.directory / "transom.db", table) == 0


def test_it_does_not_even_load_the_demo() -> None:
    look = "import sys, transom.server.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True)

    found = {name for name in loaded.stdout.decode().split() if name.startswith("transom.server")}

    assert not found & {f"transom.server.{name}" for name in ("sandbox", "card", "demo_files")}
    assert "transom.frontends.portal.inbox" not in loaded.stdout.decode().split()


# --- the end -------------------------------------------------------------------------------------


def test_it_ends_within_ten_seconds_even_when_the_database_stands_still(sqlite_site: Site) -> None:
    password = sqlite_site.prepare()
    with sqlite_site.served() as server:
        token = grant(sqlite_site, password)
        records = sqlite3.connect(sqlite_site.directory / "transom.db", isolation_level=None)
        with closing(records):
            records.execute("BEGIN IMMEDIATE")
            asking = threading.Thread(target=ask_in_vain, args=(sqlite_site, token))
            asking.start()
            time.sleep(0.3)
            began = time.monotonic()
            server.process.terminate()
            code = server.process.wait(15)
            seconds = time.monotonic() - began
        asking.join()

    assert seconds < 10
    assert code in {0, 1}


def journey(site: Site, password: str) -> dict[str, Any]:
    """A token, an upload, tracking, and the file back from the archive."""
    token = grant(site, password)
    asked = call(site, token, "PUT", "files/0001/app1/in/a.zip").json()
    put = requests.put(asked["preSignedUrl"], data=CONTENT, verify=site.ca, timeout=20)
    assert put.status_code == 200
    (record,) = call(site, token, "GET", f"tracking?id={asked['trackingId']}").json()
    assert record["status"] == "Received by FINRA"
    assert record["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    archived = f"files/0001/app1/in_arcv/{record['arcvFileName']}"
    offered = call(site, token, "GET", archived).json()
    got = requests.get(offered["preSignedUrl"], verify=site.ca, timeout=20)
    assert got.content == CONTENT
    urls = (asked["preSignedUrl"], offered["preSignedUrl"])
    assert all(url.startswith(site.s3) for url in urls)
    # The token service has a listener of its own; the other has none.
    elsewhere = site.rest + urlsplit(site.token_url).path
    assert requests.post(elsewhere, verify=site.ca, timeout=20).status_code == 403
    return {
        "token": token,
        "request_id": put.headers["x-amz-request-id"],
        "tracking_id": asked["trackingId"],
        "signatures": [parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] for url in urls],
    }


def grant(site: Site, password: str) -> str:
    granted = requests.post(
        site.token_url,
        params={"grant_type": "client_credentials"},
        auth=("0001ftp01", password),
        verify=site.ca,
        timeout=20,
    )
    assert granted.status_code == 200, granted.text
    return str(granted.json()["access_token"])


def call(site: Site, token: str, method: str, path: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(
        method, f"{site.rest}/{path}", headers=headers, verify=site.ca, timeout=20
    )
    assert answer.status_code == 200, answer.text
    return answer


def ask_in_vain(site: Site, token: str) -> None:
    with contextlib.suppress(requests.ConnectionError, AssertionError):
        call(site, token, "PUT", "files/0001/app1/in/a.zip")


def key_of(site: Site) -> str:
    return (site.directory / "keys").read_text().strip().partition(":")[2]


def count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as records:
        (found,) = records.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found)


def free_port() -> int:
    with bind("127.0.0.1", 0) as found:
        return int(found.getsockname()[1])
