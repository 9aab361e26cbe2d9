"""`transom-server demo`, as a process: what it promises to whoever starts, uses and stops it."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from journeys.servers import (
    SECONDS_TO_STOP,
    Demo,
    SlowPut,
    demo,
    on_a_firms_machine,
    once,
    running,
    when_ready,
)

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


# --- the ready file ------------------------------------------------------------------------------


def test_the_ready_file_says_where_everything_is_and_who_may_enter(served: Demo) -> None:
    ready = served.ready

    assert set(ready) == {
        *("rest", "token_url", "s3", "sftp", "portal", "pid", "ca", "accounts", "people")
    }
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["rest"])
    assert ready["token_url"] == ready["rest"] + "/fip/rest/ews/oauth2/access_token"
    assert set(ready["s3"]) == {"endpoint", "region", "bucket"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["s3"]["endpoint"])
    assert ready["pid"] == served.process.pid
    assert ready["ca"] is None
    for account in ready["accounts"]:
        assert set(account) == {"user", "password", "org", "access", "lockout"}


def test_there_is_an_account_of_each_access_and_one_to_be_locked_out(served: Demo) -> None:
    accounts = served.ready["accounts"]
    usable = [(each["org"], each["access"]) for each in accounts if not each["lockout"]]

    assert {("0001", "both"), ("0001", "download"), ("0001", "submit")} <= set(usable)
    assert [access for org, access in usable if org == "0002"] == ["both"]
    assert sum(each["lockout"] for each in accounts) == 1


def test_the_ready_file_is_its_owners_alone_and_goes_with_the_demo(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"

    with demo(tmp_path) as served:
        mode = stat.S_IMODE(file.stat().st_mode)
        served.terminate()

    assert mode == 0o600
    assert not file.exists()


def test_a_ready_file_that_a_killed_demo_left_is_gone_before_anything_listens(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ready.json"
    file.write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = once(
            *("demo", "--data", str(tmp_path / "data"), "--ready-file", str(file)),
            *("--http-port", port, "--s3-port", "0"),
        )

    assert ended.returncode == 1
    assert not file.exists()


# --- the accounts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "org", "submits", "downloads"),
    [
        ("both", "0001", 200, 200),
        ("download", "0001", 401, 200),
        ("submit", "0001", 200, 401),
        ("both", "0002", 200, 200),
    ],
)
def test_each_account_may_do_what_its_access_says_and_nothing_else(
    served: Demo, access: str, org: str, submits: int, downloads: int
) -> None:
    firm = served.account(access, org)
    other = "0002" if org == "0001" else "0001"

    for application in ("app1", "app2"):
        at = f"files/{org}/{application}"
        assert firm.call("PUT", f"{at}/in/a.zip").status_code == submits
        assert firm.call("GET", f"{at}/in").status_code == submits
        assert firm.call("GET", f"{at}/out").status_code == downloads
        assert firm.call("GET", f"{at}/in_arcv").status_code == downloads
        assert firm.call("PUT", f"{at}/out/a.zip").status_code == 401
        assert firm.call("PUT", f"files/{other}/{application}/in/a.zip").status_code == 401
        assert firm.call("GET", f"files/{other}/{application}/out").status_code == 401
    if org == "0001":
        assert firm.call("GET", "files/0001/app1/out/file1.zip").status_code == downloads


def test_the_account_meant_for_it_can_be_locked_out_and_no_other_is(served: Demo) -> None:
    victim = served.account()
    chosen = next(each for each in served.ready["accounts"] if each["lockout"])
    locked = type(victim)(served, chosen["user"], chosen["password"], chosen["org"])
    assert locked.grant().status_code == 200

    wrong = [locked.grant("wrong-" + str(n)) for n in range(6)]
    right = locked.grant()

    assert right.status_code == wrong[0].status_code == 400
    assert right.json()["error_message"] == wrong[0].json()["error_message"]
    assert victim.grant().status_code == 200


# --- the card ------------------------------------------------------------------------------------


def test_the_card_shows_every_account_and_fits_100_columns(served: Demo) -> None:
    card = served.text

    assert max(map(len, card.splitlines())) <= 100
    for account in served.ready["accounts"]:
        row = next(line for line in card.splitlines() if line.split()[:1] == [account["user"]])
        assert account["password"] in row
        assert ("*" in row) == account["lockout"]
    assert str(served.said.parent / "data") in card


@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["plain", "tls"])
def test_the_cards_commands_run_as_they_are_printed(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    # A directory that needs quoting, as many have.
    with demo(tmp_path / "it's a demo", *options) as served:
        _, _, commands = served.text.partition("answer.\n")
        firm = tmp_path / "firm"
        firm.mkdir()

        done = on_a_firms_machine(["bash", "-euc", commands], firm, {})

    said = done.stdout.decode()
    assert not done.stderr
    assert '"downstreamStatus": "ACCEPTED"' in said
    assert "file1.zip" in said
    assert said.count("hello.csv") > 1
    assert "app1 accepted hello.csv" in said.splitlines()


# --- the end -------------------------------------------------------------------------------------


def test_sigterm_lets_a_running_upload_finish(tmp_path: Path) -> None:
    with demo(tmp_path) as served:
        firm = served.account()
        asked = firm.request_upload("slow.bin")
        upload = SlowPut(asked["preSignedUrl"], 200_000)
        upload.send(b"a" * 100_000)
        served.process.terminate()
        refuses(served)
        upload.send(b"b" * 100_000)

        assert upload.status() == 200
        assert served.process.wait(SECONDS_TO_STOP) == 0

    with demo(tmp_path) as served:
        record = served.account().wait_for(asked["trackingId"])
        assert record["fileSize"] == 200_000


def test_sigterm_ends_it_within_ten_seconds_whoever_stands_still(tmp_path: Path) -> None:
    with demo(tmp_path) as served:
        firm = served.account()
        stuck = SlowPut(firm.request_upload("stuck.bin")["preSignedUrl"], 200_000)
        stuck.send(b"a" * 100_000)
        address = ("127.0.0.1", int(served.ready["rest"].rpartition(":")[2]))
        with requests.Session() as idle, socket.create_connection(address):
            idle.get(served.ready["rest"] + "/health", timeout=20)

            seconds = served.terminate()

        stuck.close()
    assert seconds < 10
    assert "Traceback" not in served.text


# --- and again -----------------------------------------------------------------------------------


def test_a_second_start_finds_accounts_files_and_submissions(tmp_path: Path) -> None:
    with demo(tmp_path) as served:
        firm, accounts = served.account(), served.ready["accounts"]
        token, tracking_id = firm.token, firm.upload("kept.zip", b"kept")
        record = firm.wait_for(tracking_id)
        served.terminate()

    with demo(tmp_path) as again:
        assert again.ready["accounts"] == accounts
        firm = again.account()
        firm._token = token  # also what was granted before
        address = record.pop("_links")
        found = firm.track(tracking_id)
        assert found.pop("_links") != address  # the port is another one
        assert found == record
        assert firm.fetch("in_arcv", record["arcvFileName"]) == b"kept"
        assert sorted(firm.names("out"))[-2:] == ["file1.zip", "file2.pdf"]


def test_a_start_that_was_killed_while_it_made_its_world_is_made_good(tmp_path: Path) -> None:
    with demo(tmp_path) as served:
        served.kill()
    (tmp_path / "data" / "accounts.json").unlink()  # written last

    with demo(tmp_path) as served:
        firm = served.account()
        assert firm.names("out") == ["file1.zip", "file2.pdf"]
        assert firm.wait_for(firm.upload("a.zip", b"a"))["downstreamStatus"] == "ACCEPTED"


def test_a_second_demo_on_the_same_data_is_refused_in_one_line(served: Demo) -> None:
    data = str(served.said.parent / "data")

    ended = once("demo", "--data", data, "--http-port", "0", "--s3-port", "0")

    assert ended.returncode == 1
    assert re.fullmatch(r"Error: Another demo runs on .*--data DIR\n", ended.stderr)
    assert not ended.stdout


@pytest.mark.parametrize("option", ["--http-port", "--s3-port"])
def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        other = "--s3-port" if option == "--http-port" else "--http-port"

        ended = once("demo", "--data", str(tmp_path), option, port, other, "0")

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "in use" in ended.stderr


def test_make_demo_puts_the_server_in_its_own_place(tmp_path: Path) -> None:
    if not (CHECKOUT / ".venv" / "transom-setup").exists() or not sys.prefix.endswith(".venv"):
        pytest.skip("the tests run in an environment that scripts/setup did not make")
    file = tmp_path / "ready.json"
    options = f"--data {tmp_path / 'data'} --http-port 0 --s3-port 0 --ready-file {file}"
    command = ["make", "-C", str(CHECKOUT), "demo", f"ARGS={options}"]

    with running(command, tmp_path / "said") as server:
        ready = when_ready(server, file, under_make=True)
        assert requests.get(ready["rest"] + "/health", timeout=20).status_code == 200
        os.kill(ready["pid"], 15)

        assert server.process.wait(SECONDS_TO_STOP) == 0


def refuses(served: Demo) -> None:
    """Return once the demo takes no new connections."""
    address = ("127.0.0.1", int(served.ready["s3"]["endpoint"].rpartition(":")[2]))
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("still accepts")
