"""ls, put, get and track against a real exchange."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cli.shell import Shell, until
from world import Processor, Served, World

from transom.core.handoff import Answer
from transom.domain.submission import Finding, State

_BAD = Finding("NGS-1", "zip", "R-114", 'Must be 5 digits. Found "6060".')


@pytest.fixture
def processor(shared: World, firm: Shell) -> Processor:  # noqa: ARG001 - it makes the accounts
    return shared.processor("app1")


@contextmanager
def answering(processor: Processor, verdict: Callable[[str], State]) -> Iterator[None]:
    """An application that answers what comes, in a thread, by the file's name."""
    stop, failures = threading.Event(), []
    handoff = processor.account.world.exchange.handoff

    def work() -> None:
        while not stop.wait(0.02):
            for lease in processor.claim():
                about = lease.submission
                state = verdict(about.name)
                found = () if state is State.ACCEPTED else (_BAD,)
                processor.publish(
                    f"0001/app1/out/answer_{about.name}", b"answer", about.tracking_id
                )
                handoff.acknowledge(processor.actor, about.tracking_id, lease.fence)
                answer = Answer(state, found)
                handoff.report(processor.actor, about.tracking_id, lease.fence, answer)

    def guarded() -> None:
        try:
            work()
        except Exception as failure:  # noqa: BLE001 - told below
            failures.append(failure)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failures == []


def _state(name: str) -> State:
    return next((each for each in State if name.startswith(each)), State.ACCEPTED)


def test_a_file_goes_there_is_answered_and_the_answer_comes_back(
    firm: Shell, processor: Processor
) -> None:
    firm.write("accepted_1.csv", b"a,b\n")
    with answering(processor, _state):
        put = firm.process("put", "accepted_1.csv", "app1/in", "--wait", "--wait-limit", "20s")
    assert put.code == 0, put.err
    received, accepted = put.out.splitlines()
    assert received.startswith("\u2192 accepted_1.csv   received   ")
    assert "   4 B   sha256 " in received
    assert accepted.startswith("\u2713 accepted_1.csv   accepted             after ")
    assert "Waiting for APP1, at most 20s." in put.err
    assert "Next:" not in put.err
    get = firm.process("get", "app1/out/answer_accepted_1.csv")
    assert get.out == (
        "\u2713 answer_accepted_1.csv   6 B   sha256 verified   ./answer_accepted_1.csv\n"
    )
    assert (firm.home / "answer_accepted_1.csv").read_bytes() == b"answer"


@pytest.mark.parametrize(("name", "code"), [("rejected_1", 10), ("partially_rejected_1", 11)])
def test_a_rejection_ends_with_its_code_and_shows_the_findings(
    firm: Shell, processor: Processor, name: str, code: int
) -> None:
    firm.write(name)
    with answering(processor, _state):
        put = firm("put", name, "app1/in", "-w", "--wait-limit", "20s")
    assert put.code == code
    assert "   1 finding\n" in put.out
    assert put.out.endswith('    NGS-1   zip   R-114   Must be 5 digits. Found "6060".\n')


def test_files_with_different_ends_give_13_and_one_document(
    firm: Shell, processor: Processor
) -> None:
    for name in ("accepted_2", "rejected_2"):
        firm.write(name)
    with answering(processor, _state):
        put = firm(
            "put", "accepted_2", "rejected_2", "app1/in", "-w", "--wait-limit", "20s", "--json"
        )
    assert put.code == 13
    assert [(each["fileName"], each["state"]) for each in put.document] == [
        ("accepted_2", "accepted"),
        ("rejected_2", "rejected"),
    ]
    assert put.document[1]["findings"][0]["code"] == "R-114"
    assert put.document[0]["resultFiles"] == ["0001/app1/out/answer_accepted_2"]


def test_events_come_as_lines_of_json(firm: Shell, processor: Processor) -> None:
    firm.write("accepted_3")
    with answering(processor, _state):
        put = firm("put", "accepted_3", "app1/in", "-w", "--wait-limit", "20s", "--json-lines")
    events = [json.loads(line) for line in put.out.splitlines()]
    assert [each["event"] for each in events] == ["received", "accepted"]
    assert len({each["trackingId"] for each in events}) == 1


def test_a_wait_that_is_over_ends_with_9_and_the_submission_stays(firm: Shell) -> None:
    firm.write("slow.csv")
    put = firm("put", "slow.csv", "app1/in", "--wait", "--wait-limit", "0s")
    assert put.code == 9
    assert firm("track", "--file", "slow.csv", "--json").document[0]["state"] == "received"


def test_ctrl_c_stops_the_waiting_and_not_the_submission(firm: Shell) -> None:
    firm.write("waiting.csv")
    process = firm.start("put", "waiting.csv", "app1/in", "--wait")
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        assert "received" in line
        for line in process.stderr:  # type: ignore[union-attr]
            if line.startswith("Waiting for"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Stopped waiting. The submissions go on." in err
    assert firm("track", "--file", "waiting.csv", "--json").document[0]["state"] == "received"


def test_standard_input_is_sent_under_the_name_given(firm: Shell) -> None:
    put = firm.process("put", "-", "app1/in", "--as", "piped.csv", "--json", typed=b"from a pipe")
    assert put.document[0]["fileName"] == "piped.csv"
    assert put.document[0]["fileSize"] == 11


def test_a_bad_name_is_refused_before_anything_is_sent(firm: Shell) -> None:
    firm.write("draft#2.xml")
    firm.write("good_before.xml")
    put = firm("put", "good_before.xml", "draft#2.xml", "app1/in")
    assert (put.code, put.out) == (6, "")
    assert put.err == (
        'Error: "#" is not allowed in file names.\n'
        "  Use letters, digits and : ! @ , & - = ' _ . For example draft2.xml\n"
        "  Try: transom put draft#2.xml app1/in --as draft2.xml\n"
    )
    told = firm("put", "draft#2.xml", "app1/in", "--json").error
    assert told["code"] == "bad_name"
    assert told["try"] == ["transom put draft#2.xml app1/in --as draft2.xml"]
    assert told["exitCode"] == 6
    assert firm("track", "--file", "good_before.xml", "--json").document == []


def test_a_dry_run_checks_and_sends_nothing(firm: Shell) -> None:
    firm.write("dry.csv")
    dry = firm("put", "-n", "dry.csv", "app1/in")
    assert (dry.code, dry.out) == (0, "\u00b7 dry.csv   7 B   could be sent\n")
    assert dry.err == "Nothing was sent.\n"
    assert firm("put", "-n", "dry.csv", "app1/in", "--json").document[0]["sent"] is False
    assert '"event":"checked"' in firm("put", "-n", "dry.csv", "app1/in", "--json-lines").out
    assert firm("put", "-n", "dry.csv", "app1/nowhere").code in {3, 5}
    wrong = firm("put", "-n", "dry.csv", "app1/out")
    assert wrong.code == 5
    assert "Uploads of this application go to app1/in." in wrong.err
    assert firm("track", "--file", "dry.csv", "--json").document == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a.csv",),
        ("missing.csv", "app1/in"),
        (".", "app1/in", "--as", "x"),
        ("a.csv", "sub/a.csv", "app1/in"),
        ("a.csv", "b.csv", "app1/in", "--as", "x"),
        ("-", "app1/in"),
        ("a.csv", "app1"),
        ("a.csv", "app1/in", "--parallel", "0"),
        ("a.csv", "app1/in", "--parallel", "x"),
        ("a.csv", "app1/in", "-w", "--wait-limit", "soon"),
        ("app1/in", "--watch", "missing"),
        ("app1/in", "--watch", ".", "--wait"),
        ("a.csv", "app1/in", "--watch", "."),
    ],
)
def test_wrong_use_of_put_sends_nothing(firm: Shell, arguments: tuple[str, ...]) -> None:
    for name in ("a.csv", "b.csv", "sub/a.csv"):
        firm.write(name)
    ended = firm("put", *arguments)
    assert (ended.code, ended.out) == (2, ""), ended.err


def test_some_files_of_several_may_fail(firm: Shell) -> None:
    (firm.home / "gone.csv").symlink_to(firm.write("there.csv"))
    got = firm("get", "app1/out/none_1", "app1/out/none_2")
    assert (got.code, got.out) == (3, "")
    assert got.err.count("Error: ") == 2
    document = firm("get", "app1/out/none_1", "app1/out/none_2", "--json").document
    assert [each["error"]["exitCode"] for each in document] == [3, 3]


def test_an_account_that_may_only_fetch_is_not_entitled_to_send(
    shell: Shell, shared: World, served: Served
) -> None:
    account = shared.account("0001", "download", "app1")
    shell.sign_in(served.rest, account.name, account.secret)
    shell.write("a.csv")
    assert shell("put", "a.csv", "app1/in").code == 5


# --- ls ------------------------------------------------------------------------------------------


def test_places_are_listed_level_by_level(firm: Shell, processor: Processor) -> None:
    processor.publish("0001/app1/out/listed.txt", b"x" * 18_422)
    assert firm("ls").out == "APPLICATION\napp1\n"
    head, *rows = firm("ls", "app1").out.splitlines()
    assert head.startswith("FOLDER    YOU CAN    FILES   NEWEST (UTC)")
    assert [row.split()[:2] for row in rows] == [
        ["in", "upload"],
        ["in_arcv", "download"],
        ["out", "download"],
    ]
    files = firm("ls", "app1/out")
    assert "listed.txt" in files.out
    assert "18.4 kB   2026-11-20 " in files.out
    (found,) = [
        each for each in firm("ls", "app1/out", "--json").document if each["name"] == "listed.txt"
    ]
    assert found["type"] == "FILE"
    assert found["contentLength"] == 18_422
    assert found["place"] == "0001/app1/out"
    assert found["writable"] is False
    assert found["lastModified"].endswith("Z")
    assert '"name":"listed.txt"' in firm("ls", "0001/app1/out", "--json-lines").out


def test_an_empty_place_is_said_to_be(firm: Shell, shared: World, served: Served) -> None:
    account = shared.account("0002", "both", "app2")
    firm.sign_in(served.rest, account.name, account.secret, "")
    ended = firm("ls", "0002/app2/out")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "There is nothing in 0002/app2/out.\n"
    assert firm("ls").out == "ORGANIZATION\n0002\n"


# --- get -----------------------------------------------------------------------------------------


def test_a_file_goes_where_it_is_told_to(firm: Shell, processor: Processor) -> None:
    for name in ("r1.txt", "r2.txt"):
        processor.publish(f"0001/app1/out/{name}", name.encode())
    assert firm("get", "app1/out/r1.txt", "-o", "other.txt").code == 0
    assert (firm.home / "other.txt").read_bytes() == b"r1.txt"
    both = firm("get", "app1/out/r1.txt", "app1/out/r2.txt", "-o", "answers/", "--json")
    assert [each["path"] for each in both.document] == ["answers/r1.txt", "answers/r2.txt"]
    assert both.document[0]["verified"] is True
    assert (firm.home / "answers" / "r2.txt").read_bytes() == b"r2.txt"
    assert '"event":"fetched"' in firm("get", "app1/out/r1.txt", "--json-lines").out


def test_standard_output_gets_the_file_alone(firm: Shell, processor: Processor) -> None:
    processor.publish("0001/app1/out/r3.txt", b"the bytes")
    ended = firm.process("get", "app1/out/r3.txt", "-o", "-")
    assert ended.out == "the bytes"
    assert "sha256 verified   -" in ended.err


def test_newer_skips_what_is_here(firm: Shell, processor: Processor, shared: World) -> None:
    processor.publish("0001/app1/out/r4.txt", b"one")
    assert firm("get", "app1/out/r4.txt", "--newer").code == 0
    path = firm.home / "r4.txt"
    later = (shared.clock.now() + timedelta(days=1)).timestamp()
    os.utime(path, (later, later))
    again = firm("get", "app1/out/r4.txt", "--newer")
    assert again.out == "\u00b7 r4.txt   is here already\n"
    assert '"current"' in firm("get", "app1/out/r4.txt", "--newer", "--json-lines").out
    assert firm("get", "app1/out/r4.txt", "--newer", "--json").document == []
    path.write_bytes(b"other size")
    assert "verified" in firm("get", "app1/out/r4.txt", "--newer").out


@pytest.mark.parametrize(
    "arguments", [(), ("app1/out",), ("app1/out/a", "app1/out/b", "-o", "one.txt")]
)
def test_wrong_use_of_get_fetches_nothing(firm: Shell, arguments: tuple[str, ...]) -> None:
    assert firm("get", *arguments).code == 2


def test_a_target_that_cannot_be_written_is_wrong_use(firm: Shell, processor: Processor) -> None:
    processor.publish("0001/app1/out/r5.txt")
    firm.write("file")
    ended = firm("get", "app1/out/r5.txt", "-o", "file/below")
    assert (ended.code, ended.out) == (2, "")


# --- track ---------------------------------------------------------------------------------------


def _sent(firm: Shell, name: str) -> str:
    firm.write(name)
    put = firm("put", name, "app1/in", "--json")
    return str(put.document[0]["trackingId"])


def test_submissions_are_listed_newest_first_with_filters(
    firm: Shell, processor: Processor
) -> None:
    with answering(processor, _state):
        for name, code in (("rejected_t", 10), ("partially_rejected_t", 11), ("accepted_t", 0)):
            firm.write(name)
            assert firm("put", name, "app1/in", "-w", "--wait-limit", "20s").code == code
    table = firm("track", "--state", "rejected,partial", "--since", "3650d").out.splitlines()
    assert table[0].startswith("STATE")
    assert "SINCE (UTC)" in table[0]
    rows = [line for line in table[1:] if "_t " in line]
    assert sorted(line.split()[0] for line in rows) == ["\u25d0", "\u2717"]
    assert all(line.endswith("       1") for line in rows)
    found = firm("track", "--application", "app1", "--file", "accepted_t", "--json").document
    assert [each["state"] for each in found] == ["accepted"]
    assert len(firm("track", "--limit", "2", "--json").document) == 2
    assert "--limit shows more" in firm("track", "--limit", "1").err
    assert firm("track", "--file", "none").err == "No such submissions in 90 days.\n"
    assert len(firm("track", "--limit", "1", "--json-lines").out.splitlines()) == 1


def test_one_submission_is_shown_whole_by_a_short_id(firm: Shell, processor: Processor) -> None:
    firm.write("rejected_w")
    with answering(processor, _state):
        firm("put", "rejected_w", "app1/in", "-w", "--wait-limit", "20s")
    (found,) = firm("track", "--file", "rejected_w", "--json").document
    shown = firm("track", found["trackingId"][:8])
    assert shown.code == 0
    assert shown.out.startswith("\u2717 rejected   rejected_w\n")
    assert f"  Tracking id  {found['trackingId']}\n" in shown.out
    assert "  Answer       app1/out/answer_rejected_w\n" in shown.out
    assert "R-114" in shown.out
    whole = firm("track", found["trackingId"], "--json").document
    assert whole[0]["findings"] == [
        {"record": "NGS-1", "field": "zip", "code": "R-114", "text": _BAD.text}
    ]
    assert "_links" not in whole[0]


def test_an_id_that_begins_none_or_several(firm: Shell) -> None:
    _sent(firm, "id.csv")
    ended = firm("track", "00000000-no")
    assert (ended.code, ended.out) == (3, "")
    assert firm("track", "abc").code == 2
    assert firm("track", "a!bcd").code == 2


def test_following_ends_with_the_answer(firm: Shell, processor: Processor) -> None:
    tracking_id = _sent(firm, "accepted_f")
    with answering(processor, _state):
        ended = firm("track", tracking_id, "--watch")
    assert ended.code == 0
    assert "accepted_f   accepted" in ended.out
    again = firm("track", tracking_id, "--watch", "--json-lines")
    assert json.loads(again.out)["event"] == "accepted"
    assert firm("track", tracking_id, "--watch", "--json").document[0]["state"] == "accepted"


@pytest.mark.parametrize(
    "arguments",
    [("--state", "lost"), ("--since", "ever"), ("--limit", "x"), ("7c1e0b52", "--state", "held")],
)
def test_wrong_use_of_track(firm: Shell, arguments: tuple[str, ...]) -> None:
    assert firm("track", *arguments).code == 2


def test_what_is_written_to_a_reader_that_has_left_does_not_stop_an_upload(
    firm: Shell,
) -> None:
    firm.write("unread.csv")
    process = firm.start("put", "unread.csv", "app1/in")
    process.stdout.close()  # type: ignore[union-attr]
    try:
        until(lambda: process.poll() is not None)
        assert process.returncode == 0, process.stderr.read()  # type: ignore[union-attr]
    finally:
        process.kill()
        process.stderr.close()  # type: ignore[union-attr]
    assert len(firm("track", "--file", "unread.csv", "--json").document) == 1
