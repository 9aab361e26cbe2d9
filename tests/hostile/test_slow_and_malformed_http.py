"""What a listener does with clients that are slow, greedy or ambiguous: faults 26, 28, 37, 38."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from raw_http import answers_to, connect, count, read_to_end, read_until, serving

from transom.server.connections import HEAD_LINES, URL_BYTES, ConnectionLimits
from transom.server.listeners import Listener, bind
from transom.server.settings import TlsSettings
from transom.server.tls import demo_authority, server_context

GOOD = b"GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENT = ConnectionLimits(header_seconds=30, idle_seconds=30)
HASTY = ConnectionLimits(header_seconds=0.5, idle_seconds=0.5)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path and the size of the body; /early answers before the body."""
    size = 0
    while scope["path"] != "/early":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    bodies = {"/big": bytes(50_000_000), "/names": b" ".join(n for n, _ in scope["headers"])}
    body = bodies.get(scope["path"], b"%b %d" % (scope["path"].encode(), size))
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def listening(limits: ConnectionLimits, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    with serving([Listener(bind("127.0.0.1", 0), app, tls, limits=limits)]) as door:
        yield door.port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(PATIENT) as number:
        yield number


@pytest.fixture(scope="module")
def hasty_port() -> Iterator[int]:
    with listening(HASTY) as number:
        yield number


@pytest.fixture(scope="module")
def hasty_tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory: Path = tmp_path_factory.mktemp("certificates")
    files = demo_authority(directory, datetime.now(UTC))
    tls = TlsSettings(certificate_file=files.certificate, key_file=files.key)
    with listening(HASTY, server_context(tls)) as number:
        yield number


REFUSED_FRAMING = {
    "length and chunked": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a plus sign": POST + b"Content-Length: +5\r\n\r\nhello",
    "a minus sign": POST + b"Content-Length: -5\r\n\r\nhello",
    "an empty length": POST + b"Content-Length:\r\n\r\nhello",
    "a length in hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "an underscore in a length": POST + b"Content-Length: 1_0\r\n\r\nhello",
    "a huge length": POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "an underscore for the dash of length": POST + b"Content_Length: 5\r\n\r\n",
    "an underscore for the dash of encoding": POST + b"Transfer_Encoding: chunked\r\n\r\n",
    "an underscore in a trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX_Late: 1\r\n\r\n",
    "an underscore in a name": GET + b"X_Y: 1\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "gzip, then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, then gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "a bare LF after a header": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "a bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "a bare CR": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\n\r\n",
    "NUL in a value": GET + b"X: a\x00b\r\n\r\n",
    "ESC in a value": GET + b"X: a\x1b[0m\r\n\r\n",
    "a header without a colon": GET + b"Xb\r\n\r\n",
    "a header without a name": GET + b": b\r\n\r\n",
    "0x in a chunk size": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a sign in a chunk size": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "an underscore in a chunk size": CHUNKED + b"5_\r\nhello\r\n0\r\n\r\n",
    "a space after a chunk size": CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "a huge chunk size": CHUNKED + b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "LF in a chunk extension": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "LF in a quoted chunk extension": CHUNKED + b'5;a="x\ny"\r\nhello\r\n0\r\n\r\n',
    "LF after a chunk size": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "LF after chunk data": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "more data than the chunk": CHUNKED + b"5\r\nhelloo\r\n0\r\n\r\n",
    "LF after the last chunk": CHUNKED + b"5\r\nhello\r\n0\r\n\n",
    "a length in the trailer": CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/2 without negotiation": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "a whole URL as target": b"GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target beyond ASCII": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a proxy request": b"CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a body and an upgrade": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "garbage": bytes(range(256)) * 4,
}


@pytest.mark.parametrize("request_bytes", REFUSED_FRAMING.values(), ids=REFUSED_FRAMING)
def test_ambiguous_framing_gets_one_400_and_nothing_after_it(
    port: int, request_bytes: bytes
) -> None:
    answers = answers_to(port, request_bytes, GOOD)

    assert answers.startswith(b"HTTP/1.1 400 ")
    assert count(answers) == 1
    assert b'"error": "bad_request"' in answers


SERVED = {
    "a length": (POST + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"/ 5"),
    "chunks": (
        POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"/ 5",
    ),
    "CHUNKED in capitals": (
        POST + b"Connection: close\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"/ 5",
    ),
    "a chunk extension": (
        POST
        + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        b"/ 5",
    ),
    "HTTP/1.0 without a host": (b"GET /old HTTP/1.0\r\n\r\n", b"/old 0"),
    "an IPv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:8443\r\nConnection: close\r\n\r\n", b"/ 0"),
    "an upgrade that we do not know": (
        GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GOOD,
        b"/ 0",
    ),
}


@pytest.mark.parametrize(("request_bytes", "body"), SERVED.values(), ids=SERVED)
def test_what_is_unambiguous_is_served(port: int, request_bytes: bytes, body: bytes) -> None:
    answers = answers_to(port, request_bytes)

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.endswith(b"\r\n\r\n" + body)
    assert count(answers) == 1


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    answers = answers_to(port, GET + b"\r\n" + POST + b"Content-Length: 2\r\n\r\nhi" + GOOD)

    assert count(answers) == 3
    assert answers.index(b"/ 0") < answers.index(b"/ 2") < answers.index(b"/second 0")


def test_a_refused_request_behind_a_good_one_takes_no_answer_away(port: int) -> None:
    answers = answers_to(port, GET + b"\r\n" + GET + b"X_Y: 1\r\n\r\n" + GOOD)

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert count(answers) == 1


def test_a_body_refused_behind_a_good_request_takes_no_answer_of_its_own(port: int) -> None:
    answers = answers_to(port, GET + b"\r\n" + CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n" + GOOD)

    assert b" 400 " not in answers
    assert count(answers) <= 1


def test_a_body_that_breaks_after_the_answer_gets_no_second_one(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        first = read_until(client, b"/early 0")
        client.sendall(b"0x5\r\nhello\r\n0\r\n\r\n" + GOOD)
        rest = read_to_end(client)

    assert count(first) == 1
    assert rest == b""


def test_a_refusal_before_100_continue_closes_because_the_body_may_never_come(port: int) -> None:
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    answers = answers_to(port, head)

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in answers


def test_a_trailer_is_not_added_to_the_headers(port: int) -> None:
    head = b"POST /names HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailer = b"5\r\nhello\r\n0\r\nAuthorization: late\r\n\r\n"

    with connect(port) as client:
        client.sendall(head)
        client.sendall(trailer)
        assert read_until(client, b"\r\n\r\nhost transfer-encoding")


def test_too_many_pipelined_requests_end_with_the_answers_that_were_due(port: int) -> None:
    answers = answers_to(port, (GET + b"\r\n") * 100)

    assert 1 <= count(answers) <= 17
    assert b" 400 " not in answers


def test_a_tls_hello_on_a_plain_port_is_refused_and_others_are_served(port: int) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            incoming, outgoing, server_hostname="a"
        ).do_handshake()

    assert answers_to(port, outgoing.read()).startswith(b"HTTP/1.1 400 ")
    assert b"/second 0" in answers_to(port, GOOD)


def test_plain_http_on_a_tls_port_is_closed(hasty_tls_port: int) -> None:
    assert b"HTTP" not in answers_to(hasty_tls_port, GOOD)


TOO_LARGE = {
    "a URI of 100 kB": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
    "a URI one byte too long": (
        b"GET /" + b"a" * URL_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"414",
    ),
    "a header of 200 kB": (GET + b"X: " + b"a" * 200_000 + b"\r\n\r\n", b"431"),
    "a header name of 200 kB": (GET + b"a" * 200_000 + b": 1\r\n\r\n", b"431"),
    "a header of 10 MB without an end": (GET + b"X: " + b"a" * 10_000_000, b"431"),
    "5,000 headers": (GET + b"X: 1\r\n" * 5000 + b"\r\n", b"431"),
    "one header too many": (GET + b"X: 1\r\n" * HEAD_LINES + b"\r\n", b"431"),
    "70 kB in 70 headers": (GET + (b"X: " + b"a" * 1000 + b"\r\n") * 70 + b"\r\n", b"431"),
    "5,000 trailers": (CHUNKED + b"0\r\n" + b"X: 1\r\n" * 5000 + b"\r\n", b"431"),
    "a chunk extension of 10 MB": (CHUNKED + b"5;a=" + b"b" * 10_000_000, b"431"),
}


@pytest.mark.parametrize(("request_bytes", "status"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_beyond_the_limits_is_refused_once(
    port: int, request_bytes: bytes, status: bytes
) -> None:
    answers = answers_to(port, request_bytes, GOOD)

    assert answers.startswith(b"HTTP/1.1 " + status + b" ")
    assert count(answers) == 1


def test_a_head_at_the_limits_is_served(port: int) -> None:
    url = b"/" + b"a" * (URL_BYTES - 1)
    lines = b"X: " + b"a" * 600 + b"\r\n"
    head = (
        b"GET " + url + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + lines * (HEAD_LINES - 2)
    )

    assert answers_to(port, head + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_head_may_come_byte_by_byte(port: int) -> None:
    assert b"/second 0" in answers_to(port, *(GOOD[i : i + 1] for i in range(len(GOOD))))


SLOW = {
    "nothing at all": b"",
    "half a request line": b"GET /so",
    "line ends only": b"\r\n\r\n\r\n",
    "half the headers": GET + b"X: ",
    "half a body": POST + b"Content-Length: 10\r\n\r\nhello",
    "half a chunk": CHUNKED + b"a\r\nhello",
    "nothing after an answer to half a request": b"POST /early HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 10\r\n\r\nhello",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_who_stops_in_the_middle_is_cut(hasty_port: int, sent: bytes) -> None:
    with connect(hasty_port) as client:
        client.sendall(sent)
        answers = read_to_end(client)

    assert count(answers) == (1 if b"early" in sent else 0)


def test_headers_that_trickle_are_cut_although_they_never_pause(hasty_port: int) -> None:
    with connect(hasty_port) as client:
        client.settimeout(0.1)
        client.sendall(GET)
        answers = trickle(client, b"X: 1\r\n")

    assert count(answers) == 0


def trickle(client: socket.socket, packet: bytes) -> bytes:
    """Send the packet again and again, ten times a second, until the server closes."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(80):
            client.sendall(packet)
            with contextlib.suppress(TimeoutError):
                return client.recv(65536)
        pytest.fail("never cut")
    return b""


def test_the_second_head_on_a_connection_has_the_same_time(hasty_port: int) -> None:
    with connect(hasty_port) as client:
        client.sendall(GET + b"\r\n")
        assert count(read_until(client, b"/ 0")) == 1
        client.sendall(b"GET /so")
        rest = read_to_end(client)

    assert rest == b""


def test_a_reader_that_stands_still_is_cut(hasty_port: int) -> None:
    with connect(hasty_port) as client, connect(hasty_port) as witness:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        witness.sendall(b"GET /so")  # cut after the same time, so that nobody has to sleep
        read_to_end(witness)
        witness_again = answers_to(hasty_port, b"GET /so")
        received = read_to_end(client)

    assert witness_again == b""
    assert len(received) < 50_000_000


def test_a_reader_that_is_slow_but_moves_gets_everything(hasty_port: int) -> None:
    received = 0
    pause, _ = pair = socket.socketpair()
    pause.settimeout(0.25)
    with connect(hasty_port) as client, pair[0], pair[1]:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(8):  # four times as long as standing still is allowed
            received += len(client.recv(4_000_000, socket.MSG_WAITALL))
            with contextlib.suppress(TimeoutError):
                pause.recv(1)
        received += len(read_to_end(client))

    assert received > 50_000_000


@pytest.mark.parametrize("shakes_hands", [False, True])
def test_a_slow_client_of_a_tls_listener_is_cut(hasty_tls_port: int, shakes_hands: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(hasty_tls_port))
        if shakes_hands:
            client = stack.enter_context(context.wrap_socket(client))
            client.sendall(b"GET /so")

        assert read_to_end(client) == b""


def test_another_client_is_served_while_300_are_slow(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(port)).sendall(GET + b"X: ")
        with connect(port) as client:
            client.settimeout(2)
            client.sendall(GOOD)
            answers = read_to_end(client)

    assert answers.endswith(b"/second 0")
