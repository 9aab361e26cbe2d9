"""put --watch: what appears is sent once, whatever stops the watcher and whenever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.shell import Shell, until
from cli.watch_driver import Exchange, watch

from transom.client.cli.exits import WrongUse
from transom.client.cli.journal import DIRECTORY, RECEIVED, Entry, Journal
from transom.client.cli.watch import Order, Watch
from transom.client.errors import (
    ClientError,
    NotComplete,
    NotEntitled,
    NotSignedIn,
    Uncertain,
    Unreachable,
)

DRIVER = str(Path(__file__).with_name("watch_driver.py"))
STEPS = [
    "before begun",
    "after begun",
    "asking",
    "asked",
    "before requested",
    "after requested",
    "noted",
    "received",
    "before received",
    "after received",
    "before remove",
    "after remove",
]


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    path = tmp_path / "outbox"
    path.mkdir()
    return path


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path / "exchange.json", lambda _step: None)


def _drive(outbox: Path, exchange: Exchange, kill_at: str = "never", turns: int = 4) -> int:
    command = [sys.executable, DRIVER, str(outbox), str(exchange.file), kill_at, str(turns)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode in {0, -9}, done.stderr
    return done.returncode


def _received(exchange: Exchange) -> list[str]:
    return [each["name"] for each in exchange.records.values() if each["state"] == "received"]


def _names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir()) if path.exists() else []


@pytest.mark.parametrize("step", STEPS)
def test_a_watcher_killed_at_any_step_sends_each_file_exactly_once(
    outbox: Path, exchange: Exchange, step: str
) -> None:
    (outbox / "a.csv").write_text("a")
    (outbox / "b.csv").write_text("b")
    assert _drive(outbox, exchange, f"{step}:1") == -9
    assert _drive(outbox, exchange) == 0
    assert sorted(_received(exchange)) == ["a.csv", "b.csv"]
    assert _names(outbox / "sent") == ["a.csv", "b.csv"]
    assert _names(outbox) == [DIRECTORY, "sent"]
    assert _names(outbox / DIRECTORY) == ["lock"]


def _turns(watching: Watch, count: int = 3) -> None:
    for _ in range(count):
        watching.turn()
        for pause in watching._pauses.values():
            pause.until = 0.0


def test_a_file_is_sent_only_once_it_has_been_still(outbox: Path, exchange: Exchange) -> None:
    now = [100.0]
    watching = watch(outbox, exchange)
    watching.clock = lambda: now[0]
    watching.order = Order(outbox, watching.place, 5.0, 0)
    (outbox / "a.csv").write_text("a")
    watching.turn()
    now[0] += 4
    (outbox / "a.csv").write_text("more")
    watching.turn()
    now[0] += 4
    watching.turn()
    assert _received(exchange) == []
    now[0] += 1
    watching.turn()
    assert _received(exchange) == ["a.csv"]


@pytest.mark.parametrize(
    "name", [".hidden", "a.part", "a.PARTIAL", "a.filepart", "a.tmp", "directory", "link"]
)
def test_what_is_unfinished_or_no_file_is_left_alone(
    outbox: Path, exchange: Exchange, name: str
) -> None:
    match name:
        case "directory":
            (outbox / name).mkdir()
        case "link":
            (outbox / name).symlink_to(__file__)
        case _:
            (outbox / name).write_text("x")
    _turns(watch(outbox, exchange))
    assert exchange.records == {}
    assert name in _names(outbox)


def test_the_same_name_later_is_a_new_submission(outbox: Path, exchange: Exchange) -> None:
    watching = watch(outbox, exchange)
    for content in ("one", "two", "three"):
        (outbox / "a.csv").write_text(content)
        _turns(watching)
    assert _received(exchange) == ["a.csv"] * 3
    assert _names(outbox / "sent") == ["a.csv", "a.csv.00000001", "a.csv.00000002"]


def test_a_refused_file_goes_to_failed_with_the_reason(outbox: Path, exchange: Exchange) -> None:
    exchange.failures = [NotEntitled("You may not. Ask.", request_id="r-1")]
    (outbox / "a.csv").write_text("a")
    (outbox / "draft#2.xml").write_text("a")
    _turns(watch(outbox, exchange))
    assert _names(outbox / "failed") == [
        "a.csv",
        "a.csv.error.txt",
        "draft#2.xml",
        "draft#2.xml.error.txt",
    ]
    reason = (outbox / "failed" / "a.csv.error.txt").read_text()
    assert reason == "You may not. Ask.\ncode: insufficient_scope\nrequest id: r-1\n"
    assert len(exchange.records) == 1
    (outbox / "draft#2.xml").write_text("again")
    _turns(watch(outbox, exchange))
    assert "draft#2.xml.1" in _names(outbox / "failed")


@pytest.mark.parametrize("failure", [Unreachable("No answer."), NotComplete("Cut off.")])
def test_what_may_pass_is_tried_again(
    outbox: Path, exchange: Exchange, failure: ClientError
) -> None:
    exchange.failures = [failure]
    (outbox / "a.csv").write_text("a")
    watching = watch(outbox, exchange)
    watching.turn()
    assert _names(outbox / "failed") == []
    assert not watching._may_try("a.csv")
    _turns(watching)
    assert _received(exchange) == ["a.csv"]


def test_a_digest_that_differs_is_for_people_to_look_at(outbox: Path, exchange: Exchange) -> None:
    exchange.failures = [NotComplete("It differs.", code="digest_mismatch")]
    (outbox / "a.csv").write_text("a")
    _turns(watch(outbox, exchange))
    assert _names(outbox / "failed") == ["a.csv", "a.csv.error.txt"]
    assert len(exchange.records) == 1


def test_a_refused_sign_in_ends_the_watch_and_leaves_the_file(
    outbox: Path, exchange: Exchange
) -> None:
    exchange.failures = [NotSignedIn("Wrong.")]
    (outbox / "a.csv").write_text("a")
    with pytest.raises(NotSignedIn):
        _turns(watch(outbox, exchange))
    assert _names(outbox / DIRECTORY) == []
    assert "a.csv" in _names(outbox)


def test_an_uncertain_upload_is_asked_for_and_never_sent_again(
    outbox: Path, exchange: Exchange
) -> None:
    exchange.failures = [Uncertain("All of it went out.")]
    (outbox / "a.csv").write_text("a")
    watching = watch(outbox, exchange)
    _turns(watching, 6)
    assert len(exchange.records) == 1
    assert "a.csv" in _names(outbox)
    exchange.note("00000000-id", state="accepted")
    _turns(watching)
    assert _names(outbox / "sent") == ["a.csv"]
    assert len(exchange.records) == 1


def test_an_uncertain_upload_that_was_abandoned_is_sent_again(
    outbox: Path, exchange: Exchange
) -> None:
    exchange.failures = [Uncertain("All of it went out.")]
    (outbox / "a.csv").write_text("a")
    watching = watch(outbox, exchange)
    _turns(watching)
    exchange.note("00000000-id", state="abandoned")
    _turns(watching)
    assert _received(exchange) == ["a.csv"]


def test_a_cut_upload_is_not_sent_again_before_its_time(outbox: Path, exchange: Exchange) -> None:
    now = [0.0]
    (outbox / "a.csv").write_text("a")
    assert _drive(outbox, exchange, "noted:1") == -9
    watching = watch(outbox, exchange, resend=60.0)
    watching.clock = lambda: now[0]
    for now[0] in (0.0, 30.0, 59.0):
        watching.turn()
    assert len(exchange.records) == 1
    for now[0] in (66.0, 67.0, 68.0):
        watching.turn()
    assert _received(exchange) == ["a.csv"]


def test_another_file_of_the_same_name_is_not_taken_for_the_one_that_was_sent(
    outbox: Path, exchange: Exchange
) -> None:
    (outbox / "a.csv").write_text("a")
    assert _drive(outbox, exchange, "received:1") == -9
    (outbox / "a.csv").write_text("another")
    assert _drive(outbox, exchange) == 0
    assert _received(exchange) == ["a.csv", "a.csv"]
    assert (outbox / "sent" / "a.csv").read_text() == "another"


def test_a_file_that_is_taken_away_is_forgotten(outbox: Path, exchange: Exchange) -> None:
    path = outbox / "a.csv"
    path.write_text("a")
    watching = watch(outbox, exchange)
    exchange.reached = lambda step: path.unlink() if step == "noted" else None
    _turns(watching, 4)
    assert _received(exchange) == []
    assert _names(outbox / DIRECTORY) == []


def test_a_journal_that_cannot_be_read_stops_the_watcher(outbox: Path, exchange: Exchange) -> None:
    journal = Journal(outbox)
    (outbox / DIRECTORY / "broken.upload").write_text("{")
    with pytest.raises(WrongUse, match="look with `transom track`"):
        watch(outbox, exchange, journal=journal).turn()


def test_a_received_entry_without_its_file_is_forgotten(outbox: Path, exchange: Exchange) -> None:
    journal = Journal(outbox)
    journal.write(Entry("gone.csv", 1, 1, "0001/app1/in", RECEIVED, "id"))
    watch(outbox, exchange, journal=journal).turn()
    assert journal.entries() == []


def test_one_watcher_at_a_time(outbox: Path) -> None:
    with (
        Journal(outbox).locked(),
        pytest.raises(WrongUse, match="being watched already"),
        Journal(outbox).locked(),
    ):
        pass
    with Journal(outbox).locked():
        pass


# --- with the SDK and a real exchange -------------------------------------------------------------


def test_a_directory_is_watched_until_ctrl_c(firm: Shell) -> None:
    outbox = firm.home / "outbox"
    outbox.mkdir()
    (outbox / "w1.csv").write_text("one")
    process = firm.start("put", "--watch", "outbox", "app1/in", "--settle", "0s")
    try:
        until(lambda: _names(outbox / "sent") == ["w1.csv"] or process.poll() is not None)
        (outbox / "w2.csv").write_text("two")
        until(lambda: _names(outbox / "sent") == ["w1.csv", "w2.csv"] or process.poll() is not None)
        process.send_signal(2)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Stopped watching." in err
    assert [line.split()[1] for line in out.splitlines()] == ["w1.csv", "w2.csv"]
    assert len(firm("track", "--file", "w2.csv", "--json").document) == 1


def test_a_watch_that_may_not_upload_ends_at_once(firm: Shell) -> None:
    os.mkdir(firm.home / "outbox")  # noqa: PTH102
    ended = firm("put", "--watch", "outbox", "app1/out")
    assert (ended.code, ended.out) == (5, "")
