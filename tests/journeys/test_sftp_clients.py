"""Real SFTP clients against the demo: each puts, gets, lists, and is refused once in its way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from journeys.machines import Machine
from journeys.servers import Demo, Firm, demo

CONTENT = os.urandom(300_000)
SECONDS = 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def machine(served: Demo, tmp_path: Path) -> Machine:
    (tmp_path / "up.bin").write_bytes(CONTENT)
    return Machine(served, served.account(), tmp_path)


def openssh(at: Machine) -> list[subprocess.CompletedProcess[str]]:
    return [
        at.openssh("put up.bin 0001/app1/in/openssh.bin\n"),
        at.openssh("get 0001/app1/out/file1.zip down.zip\n"),
        at.openssh("ls -l 0001/app1/out\n"),
        at.openssh("mkdir 0001/app1/in/sub\n"),
    ]


def lftp(at: Machine) -> list[subprocess.CompletedProcess[str]]:
    return [
        at.lftp("put up.bin -o 0001/app1/in/lftp.bin"),
        at.lftp("get 0001/app1/out/file1.zip -o down.zip"),
        at.lftp("cls -l 0001/app1/out/"),
        at.lftp("rm 0001/app1/out/file1.zip"),
    ]


def rclone(at: Machine) -> list[subprocess.CompletedProcess[str]]:
    return [
        at.rclone("copyto", "up.bin", "x:/0001/app1/in/rclone.bin"),
        at.rclone("copyto", "x:/0001/app1/out/file1.zip", "down.zip"),
        at.rclone("ls", "x:/0001/app1/out"),
        at.rclone("deletefile", "x:/0001/app1/out/file1.zip"),
    ]


def curl(at: Machine) -> list[subprocess.CompletedProcess[str]]:
    base = f"sftp://127.0.0.1:{at.port}/0001/app1"
    return [
        at.curl("-T", "up.bin", f"{base}/in/curl.bin"),
        at.curl("-o", "down.zip", f"{base}/out/file1.zip"),
        at.curl(f"{base}/out/"),
        at.curl("-Q", "rm /0001/app1/out/file1.zip", f"{base}/out/"),
    ]


def psftp(at: Machine) -> list[subprocess.CompletedProcess[str]]:
    return [
        at.psftp("put up.bin 0001/app1/in/psftp.bin\n"),
        at.psftp("get 0001/app1/out/file1.zip down.zip\n"),
        at.psftp("ls 0001/app1/out\n"),
        at.psftp("mkdir 0001/app1/in/sub\n"),
    ]


CLIENTS = (openssh, lftp, rclone, curl, psftp)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.__name__)
def test_a_client_puts_gets_and_lists_and_is_refused_what_the_guide_refuses(
    machine: Machine, client: Callable[[Machine], list[subprocess.CompletedProcess[str]]]
) -> None:
    put, get, ls, refused = client(machine)

    for each in (put, get, ls):
        assert each.returncode == 0, each.stderr
    assert (machine.home / "down.zip").stat().st_size == 7473
    assert "file2.pdf" in ls.stdout
    assert refused.returncode != 0, refused.stdout
    name = f"{client.__name__}.bin"
    (record,) = machine.firm.call("GET", f"tracking?fileName={name}").json()
    assert record["accessMethod"] == "sftp"
    assert machine.firm.wait_for(record["trackingId"])["fileSize"] == len(CONTENT)
    archived = [each for each in machine.firm.names("in_arcv") if each.endswith(name)]
    assert machine.firm.fetch("in_arcv", archived[0]) == CONTENT


def test_a_password_that_is_wrong_is_refused(machine: Machine) -> None:
    machine.firm = Firm(machine.demo, machine.firm.user, "wrong", machine.firm.org)

    done = machine.openssh("ls\n")

    assert done.returncode != 0
    assert "Permission denied" in done.stderr


def test_times_are_kept_by_nobody_and_put_p_goes_through(machine: Machine) -> None:
    done = machine.openssh("put -p up.bin 0001/app1/in/preserved.bin\n")

    assert done.returncode == 0, done.stderr
    (record,) = machine.firm.call("GET", "tracking?fileName=preserved.bin").json()
    assert record["fileSize"] == len(CONTENT)


def test_a_client_that_is_killed_in_the_middle_of_an_upload_submits_nothing(
    machine: Machine,
) -> None:
    (machine.home / "large.bin").write_bytes(bytes(8 << 20))
    (machine.home / "batch").write_text("put large.bin 0001/app1/in/killed.bin\n")
    options = ["BatchMode=no", f"UserKnownHostsFile={machine.known_hosts}"]
    chosen = [part for each in options for part in ("-o", each)]
    command = ["sftp", *chosen, "-l", "4096", "-P", machine.port, "-b", "batch"]
    asked = {"SSH_ASKPASS": str(machine.askpass), "SSH_ASKPASS_REQUIRE": "force"}
    process = subprocess.Popen(
        [*command, f"{machine.firm.user}@127.0.0.1"],
        cwd=machine.home,
        env={"PATH": os.environ["PATH"], "HOME": str(machine.home)} | asked,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    record = _once(lambda: machine.firm.call("GET", "tracking?fileName=killed.bin").json())[0]
    os.killpg(process.pid, 9)
    process.wait(SECONDS)

    _once(lambda: machine.firm.track(record["trackingId"])["state"] == "abandoned")
    assert not [each for each in machine.firm.names("in_arcv") if "killed" in each]


def _once(found: Callable[[], object]):  # noqa: ANN202
    import time  # noqa: PLC0415

    until = time.monotonic() + 20
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value
