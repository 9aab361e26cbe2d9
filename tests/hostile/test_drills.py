"""Long drills: what takes minutes or gigabytes. `make drill` runs them, `make test` does not."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import unavailable
from sqlalchemy import insert
from world import START, World

from transom.records.schema import blobs, listings

pytestmark = pytest.mark.drill

MIB = 1 << 20
MILLION = 1_000_000


@contextmanager
def demo(directory: Path) -> Iterator[dict]:
    ready = directory / "ready.json"
    options = ["--data", directory / "data", "--http-port", "0", "--s3-port", "0"]
    server = Path(sys.executable).with_name("transom-server")
    process = subprocess.Popen(
        [server, "demo", *options, "--ready-file", ready],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while "Transom demo" not in process.stdout.readline():
            assert process.poll() is None
        while not ready.exists():
            process.stdout.readline()
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.communicate(timeout=15)


def peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


def test_the_largest_single_put_goes_through_in_flat_memory(tmp_path: Path) -> None:
    if os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 6 << 30:
        unavailable.missing("room", "the drill of the largest PUT needs 6 GiB")
    with demo(tmp_path) as ready:
        both = ready["accounts"][0]
        basic = (both["user"], both["password"])
        form = {"grant_type": "client_credentials"}
        token = requests.post(ready["token_url"], auth=basic, data=form, timeout=10).json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        path = f"{ready['rest']}/files/0001/app1/in/largest.bin"
        before = peak_mib(ready["pid"])

        offer = requests.put(path, headers=bearer, timeout=10).json()
        block = bytes(MIB)
        sent = requests.put(
            offer["preSignedUrl"], data=(block for _ in range(5 * 1024)), timeout=600
        )
        growth = peak_mib(ready["pid"]) - before

        assert sent.status_code == 200
        tracked = requests.get(
            f"{ready['rest']}/tracking?id={offer['trackingId']}", headers=bearer, timeout=10
        ).json()
        assert tracked[0]["fileSize"] == 5 << 30
        assert growth < 64


def test_a_million_files_in_one_sub_space_are_listed_in_bounded_memory(
    sqlite_world: World,
) -> None:
    firm = sqlite_world.account()
    rows = [
        {
            "id": f"{number:036}",
            "direction": "outbound",
            "org": "0001",
            "application": "app1",
            "sub_space": "out",
            "name": f"{number:07}.txt",
            "blob_key": "0" * 32,
            "size": 1,
            "sha256": "0" * 64,
            "tracking_id": "",
            "listed_at": START,
            "ends_at": START + timedelta(days=30),
        }
        for number in range(MILLION)
    ]
    blob = {"key": "0" * 32, "size": 1, "sha256": "0" * 64, "format": 1}
    with sqlite_world.database.transaction() as tx:
        tx.execute(insert(blobs), [blob | {"created_at": START, "verified_at": START}])
        tx.execute(insert(listings), rows)
    del rows

    with sqlite_world.serving() as served:
        form = {"grant_type": "client_credentials"}
        token = requests.post(
            f"{served.rest}/fip/rest/ews/oauth2/access_token",
            auth=(firm.name, firm.secret),
            data=form,
            timeout=10,
        ).json()["access_token"]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = requests.get(
            f"{served.rest}/files/0001/app1/out",
            headers={"Authorization": f"Bearer {token}"},
            stream=True,
            timeout=600,
        )
        links = size = 0
        tail = b""
        for piece in answer.iter_content(MIB):
            links += (tail + piece).count(b'"href"') - tail.count(b'"href"')
            size += len(piece)
            tail = piece[-6:]
        growth_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    assert links == MILLION + 2  # self and parent
    assert size > 100 * MILLION
    assert growth_mib < 64
