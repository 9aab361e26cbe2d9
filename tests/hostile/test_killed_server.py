"""kill -9 at every stage of an upload: after the restart it is there whole and once, or not at all.

Rows 1 to 4 of the faults that the exchange must survive. The demo is killed as a real process and
started again on the same data and ports, so that a signed URL means the same as before.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from journeys.servers import Demo, Firm, SlowPut, demo, once, put

CONTENT = secrets.token_bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Mortal:
    """A demo that can be killed and come back. Names of files are given out once."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._count = 0
        self.demo = self._start()

    def _start(self, *options: str) -> Demo:
        started = self._stack.enter_context(demo(self._directory, *options))
        _, _, after_card = started.text.partition('pick preSignedUrl)"\n')
        assert "\n{" not in after_card, "it complains"
        return started

    @property
    def firm(self) -> Firm:
        return self.demo.account()

    @property
    def data(self) -> Path:
        return self._directory / "data"

    def ask(self) -> tuple[str, str, str]:
        """Step 1 for a fresh name: the name, the tracking id and the signed URL."""
        self._count += 1
        name = f"file{self._count}.bin"
        asked = self.firm.request_upload(name)
        return name, asked["trackingId"], asked["preSignedUrl"]

    def kill_and_restart(self) -> None:
        """kill -9, and a clean start on the same data and ports."""
        ports = {
            "--http-port": self.demo.ready["rest"],
            "--s3-port": self.demo.ready["s3"]["endpoint"],
        }
        self.demo.kill()
        options = [part for name, url in ports.items() for part in (name, url.rpartition(":")[2])]
        self.demo = self._start(*options)

    def archived(self, name: str) -> list[str]:
        return [each for each in self.firm.names("in_arcv") if each.endswith(f"_{name}")]


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    with ExitStack() as stack:
        yield Mortal(tmp_path_factory.mktemp("mortal"), stack)


def test_after_the_signed_url_was_issued_it_still_works(mortal: Mortal) -> None:
    name, tracking_id, url = mortal.ask()

    mortal.kill_and_restart()

    assert_nothing_came(mortal, name, tracking_id)
    assert put(url, CONTENT).status_code == 200
    assert_received_once(mortal, name, tracking_id)


@pytest.mark.parametrize("percent", [pytest.param(25, marks=pytest.mark.drill), 50, 99])
def test_within_the_body_nothing_is_kept_and_the_url_can_be_used_again(
    mortal: Mortal, percent: int
) -> None:
    name, tracking_id, url = mortal.ask()
    sent = len(CONTENT) * percent // 100
    upload = begin(mortal, url, sent)

    mortal.kill_and_restart()

    assert upload.status() == 0
    assert_nothing_came(mortal, name, tracking_id)
    assert put(url, CONTENT).status_code == 200
    assert_received_once(mortal, name, tracking_id)


@pytest.mark.parametrize(
    "milliseconds",
    [0, 5, 20, *(pytest.param(each, marks=pytest.mark.drill) for each in (2, 10, 40))],
)
def test_between_the_last_byte_and_the_reply_it_is_whole_and_once_or_nothing(
    mortal: Mortal, milliseconds: float
) -> None:
    name, tracking_id, url = mortal.ask()
    upload = begin(mortal, url, len(CONTENT) - 1)
    upload.send(CONTENT[-1:])
    time.sleep(milliseconds / 1000)

    mortal.kill_and_restart()

    upload.close()
    came = mortal.firm.track(tracking_id)["status"] == "Received by FINRA"
    if came:
        assert_received_once(mortal, name, tracking_id)
    else:
        assert_nothing_came(mortal, name, tracking_id)
    assert put(url, CONTENT).status_code == (409 if came else 200)
    assert_received_once(mortal, name, tracking_id)


def test_right_after_the_reply_the_file_is_there_for_good(mortal: Mortal) -> None:
    name, tracking_id, url = mortal.ask()
    assert put(url, CONTENT).status_code == 200

    mortal.kill_and_restart()

    assert_received_once(mortal, name, tracking_id)
    refused = put(url, b"something else")
    assert refused.status_code == 409
    assert tracking_id in refused.text
    assert_received_once(mortal, name, tracking_id)


def test_the_audit_record_is_sound_after_it_all(mortal: Mortal, tmp_path: Path) -> None:
    name, tracking_id, url = mortal.ask()
    assert put(url, CONTENT).status_code == 200
    mortal.kill_and_restart()
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'[database]\nurl = "sqlite:///{mortal.data}/transom.db"\n'
        f'[blobs]\nroot = "{mortal.data}/files"\n[keys]\nfile = "{mortal.data}/keys"\n'
        '[rest]\nlisten = "127.0.0.1:0"\npublic_url = "http://127.0.0.1"\n'
        '[s3]\nlisten = "127.0.0.1:0"\npublic_url = "http://127.0.0.1"\n'
    )

    verified = once("audit", "verify", "--config", str(settings))

    assert verified.returncode == 0, verified.stdout
    assert ": sound, " in verified.stdout
    assert_received_once(mortal, name, tracking_id)


def assert_nothing_came(mortal: Mortal, name: str, tracking_id: str) -> None:
    record = mortal.firm.track(tracking_id)
    assert record["status"] == "Request Received"
    assert record["downstreamStatus"] is None
    assert record["arcvFileName"] is None
    assert mortal.archived(name) == []
    assert name not in mortal.firm.names("in")


def assert_received_once(mortal: Mortal, name: str, tracking_id: str) -> None:
    record = mortal.firm.track(tracking_id)
    assert record["status"] == "Received by FINRA"
    assert (record["fileSize"], record["sha256"]) == (len(CONTENT), SHA256)
    assert mortal.archived(name) == [record["arcvFileName"]]
    assert mortal.firm.fetch("in_arcv", record["arcvFileName"]) == CONTENT


def begin(mortal: Mortal, url: str, size: int) -> SlowPut:
    """Send so many bytes of the content, and return once the server has written nearly as many."""
    before = set((mortal.data / "files").rglob("*"))
    upload = SlowPut(url, len(CONTENT))
    upload.send(CONTENT[:size])
    until = time.monotonic() + 10
    while time.monotonic() < until:
        fresh = set((mortal.data / "files").rglob("*")) - before
        if any(each.stat().st_size >= max(1, size - 600_000) for each in fresh):
            return upload
        time.sleep(0.005)
    raise AssertionError("nothing arrives")
