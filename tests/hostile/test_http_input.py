"""What hostile clients send to the HTTP doors: the documented status, a clear reason, no trace."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
import requests
from raw_http import answers_to, connect, count, read_to_end
from world import Account, Caller, Processor, Served, World, access_log, made, xml

from transom.server.logs import JsonLines

REST = "/files/0001/app1/in"
LEGAL = "azAZ09:!@,&-='._"
LONGEST = "n" * 237


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("hostile")
    with made(directory / "world", f"sqlite:///{directory / 'transom.db'}") as world:
        yield world


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with world.serving() as served:
        yield served


@pytest.fixture(scope="module")
def account(world: World) -> Account:
    return world.account("0001", "both", "app1")


@pytest.fixture(scope="module")
def caller(served: Served, account: Account) -> Caller:
    return served.caller(account)


@pytest.fixture(scope="module")
def application(world: World) -> Processor:
    return world.processor("app1")


def port_of(url: str) -> int:
    found = urlsplit(url).port
    assert found
    return found


def said(caller: Caller, method: str, target: str, *headers: str) -> tuple[int, Any]:
    """Status and JSON of the answer to a target sent as it stands, with a good token."""
    lines = (
        f"{method} {target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {caller.token}",
        "Connection: close",
        *headers,
    )
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")
    answer = answers_to(port_of(caller.served.rest), request)
    assert count(answer) == 1
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def traces(world: World) -> tuple[Any, ...]:
    """All that an upload could leave behind: submissions, listings, blobs and staging files."""
    with world.database.reading() as tx:
        rows = [
            tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for table in ("submissions", "listings", "blobs", "leases")
        ]
    files = world.program.settings.blobs.root.rglob("*")
    return rows, sorted(path for path in files if path.is_file())


@contextmanager
def without_a_trace(world: World) -> Iterator[None]:
    before = traces(world)
    yield
    assert traces(world) == before


# --- names (faults 41 to 50) ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(LEGAL, LONGEST, "-rf", "=cmd", "@sum", "a..b", ".hidden", "a'&=,b", "CON", "NUL.txt"),
        *("Case.txt", "case.txt", "0", "_", "--", "20190322190521330_file1.zip"),
    ],
)
def test_a_legal_name_goes_there_and_back_unchanged(caller: Caller, name: str) -> None:
    tracking_id = caller.upload(f"0001/app1/in/{quote(name)}", name.encode())

    record = caller.tracked(tracking_id)
    assert record["fileName"] == name
    assert re.fullmatch(rf"\d{{17}}_{re.escape(name)}", record["arcvFileName"])
    offer = caller.listing(f"0001/app1/in_arcv/{quote(record['arcvFileName'])}")
    answer = requests.get(offer["preSignedUrl"], timeout=20)
    assert answer.content == name.encode()
    assert record["arcvFileName"] in answer.headers["Content-Disposition"]
    for path in ("/files/0001/app1/in", f"/tracking?id={tracking_id}"):
        root = xml(caller.get(path, headers={"Accept": "application/xml"}))
        assert name in [each.text for each in root.iter()]


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "name",
    [
        *("a%23b", "%23", "a%20b", "a+b", "a%2Bb", "%2541", "a;b", "a%3Bb", "a%22b", "a%5Bb%5D"),
        *("a(b)", "a%7Bb%7D", "a*b", "a%3Fb", "a%7Cb", "a%3Cb%3E", "a%60b", "a$b", "a%5Eb", "~a"),
        *("%C3%A9", "e%CC%81", "%E2%80%AEcod.exe", "a%E2%80%8Bb", "%EF%BC%8E%EF%BC%8E"),
        *("%F0%9F%98%80", "%EF%BB%BFa", "%D9%A3", "%C2%AD", "%EF%BF%BE", "%F4%8F%BF%BF"),
        *(".", "..", "...", "a.", "a.%20", "%20a", "%2E", "%2e%2e", "a%00b", "%00", "a%0Db"),
        *("a%0Ab", "a%1Bb", "a%7Fb", "a%09b", "%C2%85", "%E2%80%A8", "a%zz", "a%", "a%4", "%u0041"),
        *("%2F", "..%2F..%2Fetc%2Fpasswd", "%2e%2e%2fa", "%252e%252e%252fa", "..%5Ca", "a%5Cb"),
        *("..%255ca", "%2Fetc%2Fpasswd", "C%3A%5Ca", "..;", "..%3B", "a%2Fb", "in%2Fa"),
        *("%C0%AE%C0%AE", "%C0%AF", "%E0%80%AE", "%FF", "%ED%A0%80", "%C3"),
        *("n" * 256, "%6E" * 256),
    ],
)
def test_an_illegal_name_is_refused_with_its_reason(
    world: World, caller: Caller, method: str, name: str
) -> None:
    with without_a_trace(world):
        status, error = said(
            caller, method, f"{REST if method == 'PUT' else REST[:-2] + 'out'}/{name}"
        )

    assert status == 400
    assert error["error"] in {"bad_name", "bad_parameter"}
    assert len(error["error_message"]) > 20
    assert error["error_message"].isprintable()


def test_a_name_to_upload_has_at_most_237_bytes(world: World, caller: Caller) -> None:
    with without_a_trace(world):
        status, error = said(caller, "PUT", f"{REST}/{LONGEST}n")

    assert (status, error["error"]) == (400, "bad_name")
    assert "238" in error["error_message"]
    assert "237" in error["error_message"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/files/../../etc/passwd", 400),
        ("/files/0001/../0002/app1/in/a", 403),
        ("/files/0001/app1/in/../../app2/in/a", 403),
        ("/files/0001/app1/in/..", 400),
        ("/files/./0001/app1/in/a", 403),
        ("/files//0001/app1/in", 400),
        ("/files/0001//app1/in", 400),
        ("/files/0001/app1/in//", 400),
        ("/files%2F0001", 403),
        ("/files/0001%2Fapp1", 400),
        ("/%66iles/0001%00", 400),
        ("/files/..;/0001", 400),
        ("/../files/0001", 403),
        ("//evil.example/files", 403),
        ("/files\\0001", 403),
        ("/.git/config", 403),
        ("/files/0001/app1/in_arcv/..%2F..%2Fin", 400),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_path_leaves_its_level(
    world: World, caller: Caller, method: str, target: str, status: int
) -> None:
    with without_a_trace(world):
        found, error = said(caller, method, target)

    # PUT at a level is 403 before its name is looked at.
    assert found == status or (method == "PUT" and found == 403), error
    assert "passwd" not in error["error_message"]


@pytest.mark.parametrize("target", ["/files/%FF", "/%FF", "/tracking?id=%FF", "/tracking?%FF=a"])
def test_escapes_that_are_not_utf_8_are_refused(caller: Caller, target: str) -> None:
    status, error = said(caller, "GET", target)

    assert (status, error["error"]) == (400, "bad_parameter")


def test_names_that_differ_in_case_are_two_files(caller: Caller, application: Processor) -> None:
    application.publish("0001/app1/out/Twin.txt", b"upper")
    application.publish("0001/app1/out/twin.txt", b"lower")

    for name, content in (("Twin.txt", b"upper"), ("twin.txt", b"lower")):
        url = caller.listing(f"0001/app1/out/{name}")["preSignedUrl"]
        assert requests.get(url, timeout=20).content == content


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        ("Content-Length: 1000", b"half of it"),
        ("Content-Length: 1000", b""),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\nhel"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n5"),
    ],
)
@pytest.mark.parametrize("ending", ["close", "half-close"])
def test_a_body_that_breaks_off_was_never_there(
    world: World, caller: Caller, announced: str, sent: bytes, ending: str
) -> None:
    offer = caller.request_upload("0001/app1/in/cut.bin")
    parts = urlsplit(offer["preSignedUrl"])
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{announced}\r\n\r\n"

    with without_a_trace(world), access_log() as lines:
        with connect(port_of(offer["preSignedUrl"])) as client:
            client.sendall(head.encode() + sent)
            if ending == "half-close":
                client.shutdown(socket.SHUT_WR)
                read_to_end(client)
        lines.get(timeout=20)

    record = caller.tracked(offer["trackingId"])
    assert (record["status"], record["arcvFileName"]) == ("Request Received", None)


@pytest.mark.parametrize(
    "sent",
    [
        b"xyz\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloworld\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
    ],
)
def test_chunks_that_are_none_are_refused(world: World, caller: Caller, sent: bytes) -> None:
    offer = caller.request_upload("0001/app1/in/garbage.bin")
    parts = urlsplit(offer["preSignedUrl"])
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"

    with without_a_trace(world), access_log() as lines:
        whole = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + sent
        answer = answers_to(port_of(offer["preSignedUrl"]), whole)
        lines.get(timeout=20)

    assert count(answer) == 1
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert caller.tracked(offer["trackingId"])["status"] == "Request Received"


@pytest.mark.parametrize("body", [b"{not json", b"\xff\xfe", b"<?xml version='1.0'?><!DOCTYPE"])
def test_the_body_of_a_first_step_is_not_read(caller: Caller, body: bytes) -> None:
    answer = caller.ask("PUT", f"{REST}/first-step.bin", data=body)

    assert answer.status_code == 200


def test_a_refused_request_does_not_swallow_the_next(caller: Caller) -> None:
    with connect(port_of(caller.served.rest)) as client:
        token = f"Authorization: Bearer {caller.token}\r\n"
        head = (
            f"PUT /files/0001 HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}Content-Length: 300000\r\n\r\n"
        )
        after = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode() + b"GET /x HTTP/1.1\r\n" * 17647 + b"." + after.encode())
        answer = read_to_end(client)

    assert count(answer) == 2
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(b'{"status":"UP"}')


# --- addresses, hosts and headers ----------------------------------------------------------------


@pytest.mark.parametrize("door", ["rest", "s3"])
def test_a_100_kb_address_is_too_long(served: Served, door: str) -> None:
    target = b"/files/" + b"a" * 100_000
    answer = answers_to(
        port_of(getattr(served, door)), b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 414 ")


OTHERS = ["evil.example", "127.0.0.1.evil.example", "127.0.0.2:80", "[::1]", "127.0.0.1."]


@pytest.mark.parametrize(
    ("door", "host"),
    [
        *product(("rest", "s3"), OTHERS),
        ("rest", "localhost"),  # at the S3 door of a demo it is the domain of the bucket
        ("s3", "localhost.evil.example"),
    ],
)
def test_a_host_that_is_not_ours_is_not_served(served: Served, door: str, host: str) -> None:
    request = f"GET /files HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    answer = answers_to(port_of(getattr(served, door)), request)

    assert answer.startswith(b"HTTP/1.1 421 ")
    assert host.encode() not in answer


def test_who_names_no_host_is_not_served(served: Served) -> None:
    answer = answers_to(port_of(served.rest), b"GET /files HTTP/1.0\r\nAccept: */*\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("path", ["health", "ready"])
def test_a_probe_by_address_is_answered_under_any_name(served: Served, path: str) -> None:
    request = f"GET /{path} HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n".encode()

    assert answers_to(port_of(served.rest), request).startswith(b"HTTP/1.1 200 ")


def test_no_header_of_a_client_gets_into_a_link_or_the_record(
    world: World, caller: Caller, account: Account
) -> None:
    lies = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "10.9.8.7",
        "Forwarded": "for=10.9.8.7;host=evil.example",
        "X-Original-URL": "/files/0002",
        "X-Rewrite-URL": "/files/0002",
        "X-HTTP-Method-Override": "DELETE",
        "X-Real-IP": "10.9.8.7",
        "filex-InternalReference": "ignored",
    }
    answer = caller.ask("PUT", f"{REST}/lies.bin", headers=lies)

    assert answer.status_code == 200
    assert "evil" not in answer.text
    found = world.exchange.tracking.one(account.actor, answer.json()["trackingId"])
    assert found.client.source == "127.0.0.1"


def test_the_software_of_a_client_is_kept_without_control_characters(
    world: World, caller: Caller, account: Account
) -> None:
    status, offer = said(
        caller, "PUT", f"{REST}/agent.bin", "User-Agent: a\x85b\tc\x9b31m" + "d" * 900
    )

    assert status == 200
    found = world.exchange.tracking.one(account.actor, offer["trackingId"])
    assert found.client.software == ("abc31m" + "d" * 900)[:200]


@pytest.mark.parametrize("header", ["X: a\x00b", "X: a\x01b", "X y: a", "X\x00: a", ": a", "X : a"])
def test_a_malformed_header_is_refused(world: World, caller: Caller, header: str) -> None:
    with without_a_trace(world):
        status, error = said(caller, "PUT", f"{REST}/header.bin", header)

    assert (status, error["error"]) == (400, "bad_request")


# --- foreign and missing -------------------------------------------------------------------------


def _answer(caller: Caller, method: str, path: str, accept: str) -> tuple[int, dict[str, str], str]:
    """Everything that a client can see, but for the request's own id and time."""
    answer = caller.ask(method, path, headers={"Accept": accept})
    headers = dict(answer.headers)
    request_id = headers.pop("x-request-id")
    del headers["date"]
    return answer.status_code, headers, answer.text.replace(request_id, "")


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
@pytest.mark.parametrize(
    ("method", "foreign", "missing"),
    [
        ("GET", "/files/0002", "/files/7777"),
        ("GET", "/files/0002/app1", "/files/7777/app1"),
        ("GET", "/files/0001/app2", "/files/0001/app9"),
        ("GET", "/files/0002/app1/out", "/files/0002/app1/nowhere"),
        ("GET", "/files/0002/app1/out/theirs.txt", "/files/0002/app1/out/nothing.txt"),
        ("GET", "/files/0002/app1/out/theirs.txt", "/files/7777/app1/out/theirs.txt"),
        ("GET", "/files/0002/app1/in/theirs.txt", "/files/0001/app1/nowhere/theirs.txt"),
        ("GET", "/files/0001/app1/in/a.txt", "/files/0001/app1/nowhere/a.txt"),
        ("PUT", "/files/0002/app1/in/a.txt", "/files/7777/app1/in/a.txt"),
        ("PUT", "/files/0001/app1/out/a.txt", "/files/0001/app1/nowhere/a.txt"),
        ("GET", "/files/1", "/files/7777"),
        ("GET", "/files/00001", "/files/7777"),
    ],
)
def test_foreign_and_missing_are_one_answer(
    world: World, caller: Caller, method: str, foreign: str, missing: str, accept: str
) -> None:
    world.processor("app1").publish("0002/app1/out/theirs.txt", b"theirs")

    with without_a_trace(world):
        theirs, nothing = (_answer(caller, method, path, accept) for path in (foreign, missing))

    assert theirs == nothing
    assert theirs[0] == 401


def test_a_foreign_tracking_id_is_like_one_that_never_was(
    world: World, served: Served, caller: Caller
) -> None:
    theirs = served.caller(world.account("0002")).upload("0002/app1/in/theirs.txt")
    unknown = str(uuid4())

    foreign, missing = (
        _answer(caller, "GET", f"/tracking?id={each}", "application/json")[2].replace(each, "")
        for each in (theirs, unknown)
    )

    assert foreign == missing
    assert theirs not in caller.get("/tracking").text


def test_an_escaped_organization_is_the_same_organization(caller: Caller) -> None:
    assert caller.get("/files/%30001").json() == caller.get("/files/0001").json()


# --- logs ----------------------------------------------------------------------------------------


@contextmanager
def operators_log() -> Iterator[io.StringIO]:
    """What the operator would read."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.mark.parametrize("name", ["access_token", "token", "Access_Token", "%61ccess_token"])
def test_a_token_in_the_query_is_refused_and_never_logged(caller: Caller, name: str) -> None:
    with operators_log() as log, access_log() as lines:
        for path in ("/files/0001", "/tracking"):
            answer = requests.get(f"{caller.served.rest}{path}?{name}={caller.token}", timeout=20)
            assert answer.status_code == 401
            assert caller.token not in answer.text
            lines.get(timeout=20)

    assert "/files/0001" in log.getvalue()
    assert caller.token not in log.getvalue()


def test_a_token_in_a_form_is_not_read(caller: Caller) -> None:
    form = {"access_token": caller.token}
    answer = requests.get(f"{caller.served.rest}/files/0001", data=form, timeout=20)

    assert answer.status_code == 401


def test_no_secret_of_a_whole_transfer_is_logged(world: World, served: Served) -> None:
    account = world.account()
    with operators_log() as log, access_log() as lines:
        caller = served.caller(account)
        up = caller.request_upload("0001/app1/in/logged.bin")["preSignedUrl"]
        requests.put(up, b"the content itself", timeout=20)
        secret = {"client_id": account.name, "client_secret": account.secret}
        requests.post(f"{served.rest}/fip/rest/ews/oauth2/access_token", params=secret, timeout=20)
        for _ in range(4):
            lines.get(timeout=20)

    written = log.getvalue()
    assert "logged.bin" in written
    signature = up.partition("X-Amz-Signature=")[2]
    for kept_quiet in (account.secret, caller.token, signature, "the content itself"):
        assert kept_quiet not in written


@pytest.mark.parametrize(
    "target",
    [
        '/files/a%0D%0A{"level":"error"}',
        "/files/a%1B[31mred",
        "/tracking?a=%0D%0Ab",
        "/files/\x85\x9b",
    ],
)
def test_nothing_that_a_client_sends_makes_a_line_of_its_own(caller: Caller, target: str) -> None:
    lines = (
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: \x1b]0;title\x07",
        f"Authorization: Bearer {caller.token}",
        "Connection: close",
    )
    with operators_log() as log:
        request = "\r\n".join([*lines, "", ""]).encode("latin-1")
        answer = answers_to(port_of(caller.served.rest), request)
        assert answer.startswith(b"HTTP/1.1 400 ")
        requests.get(f"{caller.served.rest}/health", timeout=20)

    for line in log.getvalue().splitlines():
        assert line.isprintable()
        assert json.loads(line)["logger"]
