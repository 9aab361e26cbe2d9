"""What a log line holds, and what it never holds: fault 121."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from transom.frontends.context import redact_query, request_id, tracking_id
from transom.server import logs

SECRET = "s3cr3tv4lu3"
log = logging.getLogger("transom.test")


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error, with the log configured onto it."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, levels = root.handlers[:], (root.level, uvicorn.level)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    uvicorn.setLevel(levels[1])


def line(out: io.StringIO) -> str:
    """The one line that was written."""
    assert out.getvalue().count("\n") == 1
    return out.getvalue()


def event(out: io.StringIO) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(line(out))
    return parsed


def test_an_event_is_one_line_that_names_its_request(out: io.StringIO) -> None:
    tokens = request_id.set("r-1"), tracking_id.set("t-1")
    log.info("received %d bytes", 7, extra={"place": "0001/crd/in", "size": 7})
    request_id.reset(tokens[0])
    tracking_id.reset(tokens[1])

    found = event(out)

    assert found.pop("ts").endswith("+00:00")
    assert found == {
        "level": "info",
        "logger": "transom.test",
        "message": "received 7 bytes",
        "request_id": "r-1",
        "tracking_id": "t-1",
        "place": "0001/crd/in",
        "size": 7,
    }


def test_events_below_the_level_are_not_written(out: io.StringIO) -> None:
    log.debug("no")
    logging.getLogger("uvicorn.error").info("no")

    assert out.getvalue() == ""


def test_configuring_twice_writes_once(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure("warning")
    log.warning("once")

    assert event(out)["message"] == "once"


@pytest.mark.parametrize(
    "hostile", ["a\r\nb", "\x1b[31mred", "\x00", "\x7f\x9b", "\u2028", "\u202e"]
)
def test_no_character_of_a_value_can_end_or_colour_the_line(out: io.StringIO, hostile: str) -> None:
    log.info("name %s", hostile, extra={"file_name": hostile})
    written = line(out)

    assert written.rstrip("\n").replace("\x7f", "").isprintable()
    assert written.isascii()
    assert json.loads(written)["file_name"] == hostile


@pytest.mark.parametrize("character", ["a", "\n", "\x00", "ä", "\U0001f600", '"', "\\"])
def test_no_field_is_longer_than_four_kilobytes(out: io.StringIO, character: str) -> None:
    log.info(character * 1_000_000, extra={"file_name": character * 1_000_000})
    found = event(out)

    assert len(json.dumps(found["message"])) <= logs.FIELD_BYTES + 2
    assert len(json.dumps(found["file_name"])) <= logs.FIELD_BYTES + 2
    assert found["message"].endswith("...(cut)")


def test_an_exception_keeps_its_end(out: io.StringIO) -> None:
    try:
        int("x" * 100)
    except ValueError:
        log.exception("broken")

    assert event(out)["exception"].endswith("x" * 100 + "'")


QUERIES = {
    f"X-Amz-Signature={SECRET}": "X-Amz-Signature=***",
    f"x-amz-security-token={SECRET}&a=1": "x-amz-security-token=***&a=1",
    f"a=1&X-Transom-Grant={SECRET}%2F=": "a=1&X-Transom-Grant=***",
    f"token={SECRET}": "token=***",
    f"access_token={SECRET};more": "access_token=***",
    f"PASSWORD={SECRET}&secret={SECRET}": "PASSWORD=***&secret=***",
    f"%74oken={SECRET}": "%74oken=***",
    f"/path?token={SECRET}#x": "/path?token=***",
    f"GET https://h/p?a=1&token={SECRET} failed": "GET https://h/p?a=1&token=*** failed",
    "tokens=1&limit=5": "tokens=1&limit=5",
    "a&b=&=c": "a&b=&=c",
    "": "",
}


@pytest.mark.parametrize(("raw", "redacted"), QUERIES.items())
def test_secret_values_of_a_query_are_replaced(raw: str, redacted: str) -> None:
    assert redact_query(raw) == redacted


def test_a_megabyte_is_redacted_in_no_time() -> None:
    assert redact_query("a" * 1_000_000) == "a" * 1_000_000


SLIPS = [
    f"Authorization: Basic {SECRET}",
    f"authorization=Bearer {SECRET}",
    f"{{'Authorization': 'Basic {SECRET}'}}",
    f"sent Bearer {SECRET}",
    f"AWS4-HMAC-SHA256 Credential=a/b, Signature={SECRET}",
    f"https://h/0001/crd/in?X-Amz-Signature={SECRET}",
]


@pytest.mark.parametrize("slip", SLIPS)
def test_credentials_in_a_text_are_replaced(out: io.StringIO, slip: str) -> None:
    log.info(slip, extra={"detail": slip})

    assert SECRET not in line(out)


@pytest.mark.parametrize("name", ["authorization", "Authorization", "password", "token", "cookie"])
def test_a_field_with_a_secret_name_is_replaced(out: io.StringIO, name: str) -> None:
    log.info("x", extra={name: SECRET})

    assert event(out)[name] == "***"


def test_an_extra_cannot_pass_itself_off_as_the_level(out: io.StringIO) -> None:
    log.info("x", extra={"level": "critical", "request_id": "forged"})
    found = event(out)

    assert (found["level"], found["request_id"]) == ("info", "")


def test_anything_can_be_a_field(out: io.StringIO) -> None:
    log.info("x", extra={"a": None, "b": True, "c": 1.5, "d": ["e"], "f": sys})
    found = event(out)

    assert (found["a"], found["b"], found["c"], found["d"]) == (None, True, 1.5, "['e']")


def test_a_message_whose_arguments_do_not_fit_is_still_written() -> None:
    record = logging.makeLogRecord({"msg": "%d of %d", "args": ("one",)})

    assert json.loads(logs.JsonLines().format(record))["message"] == "%d of %d"
