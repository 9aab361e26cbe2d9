"""Each exit code is reached, and an error leaves nothing on standard output."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from cli.shell import Shell
from cli.stub_server import ID, Answer, Stub, record, serving

from transom.client.cli import exits


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Stub()) as found:
        yield found


@pytest.fixture
def firm(shell: Shell, stub: Stub) -> Shell:
    shell.sign_in(stub.url, "0001ftp01", "secret")
    shell.write("a.csv")
    return shell


def _accepted(stub: Stub) -> None:
    stub.tracking = lambda: (200, [record("accepted")])


def _not_there(stub: Stub) -> None:
    stub.listing = (404, {"error": "not_found", "error_message": "Nothing there."})


def _not_signed_in(stub: Stub) -> None:
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    stub.listing = (
        401,
        {"error": "invalid_token", "error_message": "x", "requestId": "r"},
        challenge,
    )


def _not_entitled(stub: Stub) -> None:
    challenge = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
    stub.listing = (401, {"error": "insufficient_scope", "error_message": "No."}, challenge)


def _broken(stub: Stub) -> None:
    stub.listing = (500, {"error": "internal", "error_message": "Broken.", "requestId": "r-9"})


def _busy(stub: Stub) -> None:
    stub.listing = (
        503,
        {"error": "unavailable", "error_message": "Later."},
        {"Retry-After": "600"},
    )


def _too_large(stub: Stub) -> None:
    stub.offer = lambda: (413, {"error": "too_large", "error_message": "Too large."})


def _differs(stub: Stub) -> None:
    wrong = b"<Error><Code>BadDigest</Code><Message>Differs.</Message></Error>"
    stub.body = lambda _content: (400, wrong)


def _unanswered(stub: Stub) -> None:
    stub.body = lambda _content: None
    stub.tracking = lambda: (500, {"error": "internal"})


def _state(name: str):  # noqa: ANN202
    def prepare(stub: Stub) -> None:
        stub.tracking = lambda: (200, [record(name, fileSize=None)])

    return prepare


def _one_of_two(stub: Stub) -> None:
    offers = iter([(413, {"error": "too_large", "error_message": "Too large."})])
    offered = (200, {"trackingId": ID, "preSignedUrl": f"{stub.url}/bytes/1"})
    stub.offer = lambda: next(offers, offered)


_PUT = ("put", "a.csv", "app1/in")
_LS = ("ls", "app1/in")


@pytest.mark.parametrize(
    ("code", "prepare", "arguments"),
    [
        (0, _accepted, (*_PUT, "--wait")),
        (1, _broken, _LS),
        (2, _accepted, ("put", "a.csv")),
        (3, _not_there, _LS),
        (4, _not_signed_in, _LS),
        (5, _not_entitled, _LS),
        (6, _too_large, _PUT),
        (7, _differs, _PUT),
        (8, _busy, _LS),
        (9, _state("received"), (*_PUT, "--wait", "--wait-limit", "0s")),
        (10, _state("rejected"), (*_PUT, "--wait")),
        (11, _state("partially_rejected"), (*_PUT, "--wait")),
        (12, _state("abandoned"), ("track", ID, "--watch")),
        (13, _one_of_two, ("put", "a.csv", "b.csv", "app1/in", "--parallel", "1")),
        (14, _unanswered, _PUT),
    ],
)
def test_each_code_is_reached(firm: Shell, stub: Stub, code: int, prepare, arguments) -> None:  # noqa: ANN001
    firm.write("b.csv")
    prepare(stub)
    ended = firm(*arguments)
    assert ended.code == code, ended.err
    if 0 < code < 9 or code == 14:
        assert ended.out == ""
        assert "Error: " in ended.err
        told = firm(*arguments, "--json")
        assert told.error["exitCode"] == code


def test_every_code_of_the_list_is_tested() -> None:
    here = {*range(15), exits.STOPPED}  # 130: test_transfers.py, Ctrl-C
    assert here == set(exits.MEANINGS)


def test_the_request_id_comes_last(firm: Shell, stub: Stub) -> None:
    _broken(stub)
    assert firm("ls").err.splitlines()[-1] == "  Request id: r-9"
    assert firm("ls", "--json").error["requestId"] == "r-9"


def test_what_may_have_been_received_names_the_command_that_tells(firm: Shell, stub: Stub) -> None:
    _unanswered(stub)
    told = firm(*_PUT, "--json").error
    assert told["trackingId"] == ID
    assert told["try"] == [f"transom track {ID}"]


def test_names_and_findings_from_a_server_are_never_obeyed(firm: Shell, stub: Stub) -> None:
    bad = "\x1b[2J[bold]x\x07\u202e\x9b.csv"
    finding = {"record": bad, "field": "f\n", "code": "c", "text": "\x1b]0;title\x07"}
    stub.tracking = lambda: (200, [record("rejected", fileName=bad, findings=[finding])])
    stub.listing = (200, {"name": "out", "children": [{"name": bad, "type": "FILE"}]})
    for arguments in (("ls", "app1/out"), ("track",), ("track", ID), (*_PUT, "--wait")):
        for colour in ("never", "always"):
            said = firm(*arguments, "--color", colour)
            plain = said.out
            for code in ("\x1b[0m", "\x1b[31m", "\x1b[34m"):
                plain = plain.replace(code, "")
            assert all(each.isprintable() or each == "\n" for each in plain), plain
            assert "[bold]x" in plain or "put" in arguments
    assert "\x9b" not in firm("ls", "app1/out", "--json").out


def test_an_unknown_state_and_environment_are_shown_as_they_are(firm: Shell, stub: Stub) -> None:
    stub.tracking = lambda: (200, [record("paused")])
    assert firm("track", ID).code == 0
    firm("profile", "set", "ct", "environment", "customer test")
    firm("profile", "set", "ct", "url", stub.url)
    firm.monkeypatch.delenv("TRANSOM_URL")
    assert "Environment: customer test\n" in firm(*_PUT).err


def test_a_dry_run_at_a_place_without_any_upload(firm: Shell, stub: Stub) -> None:
    stub.listing = (200, {"name": "out", "children": []})
    assert "administrator" in firm("put", "-n", "a.csv", "app1/in").err


def test_several_failures_are_told_each(firm: Shell, stub: Stub) -> None:
    firm.write("b.csv")
    _too_large(stub)
    lines = firm("put", "a.csv", "b.csv", "app1/in", "--json-lines").out.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["failed", "failed"]
    both = firm("put", "a.csv", "b.csv", "app1/in", "--json")
    assert both.code == 6
    assert [each["error"]["code"] for each in both.document] == ["too_large"] * 2


def test_retries_are_told(firm: Shell, stub: Stub) -> None:
    later = (503, {"error": "unavailable", "error_message": "Later."}, {"Retry-After": "0"})
    answers = iter([later])
    usual = stub.answer

    def answer(method: str, path: str, content: Callable[[], bytes]) -> Answer:
        found = next(answers, None) if path.startswith("/files/") else None
        return found or usual(method, path, content)

    stub.answer = answer  # type: ignore[method-assign]
    ended = firm("ls", "app1/in")
    assert ended.code == 0
    assert "(try 2 of 5, in 1s)" in ended.err


def test_ctrl_c_breaks_off_what_is_being_sent_and_tells_what_was_received(
    firm: Shell, stub: Stub
) -> None:
    firm.write("big.csv", b"x" * 40_000_000)
    hold, begun = threading.Event(), threading.Event()
    usual = stub.answer

    def answer(method: str, path: str, content: Callable[[], bytes]) -> Answer:
        if path.startswith("/bytes") and stub.bodies:
            begun.set()
            hold.wait(20)  # unread: the client cannot send on
            return None
        return usual(method, path, content)

    stub.answer = answer  # type: ignore[method-assign]
    process = firm.start("put", "a.csv", "big.csv", "app1/in", "--parallel", "1")
    try:
        assert begun.wait(20)
        process.send_signal(signal.SIGINT)
        hold.set()
        _, err = process.communicate(timeout=30)
    finally:
        hold.set()
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Stopped: 1 file received, 1 not. What was received stays submitted." in err
