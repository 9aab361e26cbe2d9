"""Several listeners in one loop: how they begin, whom they believe, how they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from raw_http import Door, answers_to, connect, count, read_to_end, read_until, serving

from transom.server.connections import ConnectionLimits
from transom.server.listeners import Listener, bind, serve
from transom.server.settings import TlsSettings
from transom.server.tls import demo_authority, server_context

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the client's address and the scheme, once the body is there."""
    while scope["path"] == "/stuck" or (await receive()).get("more_body"):
        if scope["path"] == "/stuck":
            await asyncio.Event().wait()
    body = f"{scope['client'][0]} {scope['scheme']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_free_port_is_known_before_anything_is_served() -> None:
    with bind("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        connect(bound.getsockname()[1])


def test_an_address_in_use_is_an_error() -> None:
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", bound.getsockname()[1])


def test_all_listeners_are_served_and_readiness_is_told_once() -> None:
    told: list[bool] = []

    async def main() -> None:
        listeners = [Listener(bind("127.0.0.1", 0), app) for _ in range(3)]
        ports = [listener.socket.getsockname()[1] for listener in listeners]
        stop = asyncio.Event()

        def ready() -> None:
            for port in ports:
                connect(port).close()
            told.append(True)
            stop.set()

        await serve(listeners, on_ready=ready, stop=stop)

    asyncio.run(main())

    assert told == [True]


def test_a_listener_that_cannot_start_ends_the_others() -> None:
    async def main() -> None:
        closed = bind("127.0.0.1", 0)
        closed.close()
        listeners = [Listener(bind("127.0.0.1", 0), app), Listener(closed, app)]
        await serve(listeners, on_ready=lambda: pytest.fail("not ready"))

    with pytest.raises(ExceptionGroup):
        asyncio.run(main())


PROXIES = (ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("2001:db8::/32"))
BELIEVED = {
    "one address": (b"X-Forwarded-For: 192.0.2.7\r\n", b"192.0.2.7"),
    "the right-most that is no proxy": (b"X-Forwarded-For: 192.0.2.9, 192.0.2.7\r\n", b"192.0.2.7"),
    "proxies are passed over": (b"X-Forwarded-For: 192.0.2.7, 10.1.2.3\r\n", b"192.0.2.7"),
    "several headers are one list": (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.1.2.3\r\n",
        b"192.0.2.7",
    ),
    "IPv6": (b"X-Forwarded-For: 2001:db9::1, 2001:db8::1\r\n", b"2001:db9::1"),
    "IPv4 inside IPv6": (b"X-Forwarded-For: 192.0.2.7, ::ffff:10.1.2.3\r\n", b"192.0.2.7"),
    "garbage, and nothing left of it": (
        b"X-Forwarded-For: 192.0.2.7, x, 10.1.2.3\r\n",
        b"10.1.2.3",
    ),
    "only garbage": (b"X-Forwarded-For: <script>\r\n", b"127.0.0.1"),
    "nothing": (b"X-Forwarded-For: \r\n", b"127.0.0.1"),
    "only proxies": (b"X-Forwarded-For: 10.1.2.3, 10.1.2.4\r\n", b"10.1.2.3"),
    "neither scheme nor host": (
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=192.0.2.7\r\n",
        b"127.0.0.1",
    ),
}


@pytest.mark.parametrize(("headers", "client"), BELIEVED.values(), ids=BELIEVED)
def test_a_trusted_proxy_is_believed_about_the_address_only(headers: bytes, client: bytes) -> None:
    with serving([Listener(bind("127.0.0.1", 0), app, trusted_proxies=PROXIES)]) as door:
        answer = answers_to(door.port, GET + headers + b"\r\n")

    assert client + b" http\r\n" in answer


@pytest.mark.parametrize("trusted", [(), (ip_network("10.1.0.0/16"),)])
def test_nobody_else_is_believed(trusted: Any) -> None:
    with serving([Listener(bind("127.0.0.1", 0), app, trusted_proxies=trusted)]) as door:
        answer = answers_to(door.port, GET + b"X-Forwarded-For: 10.1.2.3, 192.0.2.7\r\n\r\n")

    assert b"127.0.0.1 http\r\n" in answer


def test_the_server_says_the_date_and_not_what_it_is() -> None:
    with serving([Listener(bind("127.0.0.1", 0), app)]) as door:
        answer = answers_to(door.port, GET + b"\r\n").lower()

    assert b"\r\ndate: " in answer
    assert b"server:" not in answer


def half_sent(door: Door) -> socket.socket:
    client = connect(door.port)
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n")
    client.sendall(b"Expect: 100-continue\r\n\r\n")
    return client


def wait_until_refused(door: Door) -> None:
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            connect(door.port).close()


def test_at_the_end_a_running_request_finishes_and_no_other_begins() -> None:
    with (
        serving([Listener(bind("127.0.0.1", 0), app)], drain_seconds=8) as door,
        half_sent(door) as client,
        connect(door.port) as idle,
    ):
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        door.stop()
        wait_until_refused(door)
        client.sendall(b"hi")
        answer = read_to_end(client)
        unasked = read_to_end(idle)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert unasked == b""


def test_at_the_end_what_does_not_finish_is_cut_in_time() -> None:
    # The block itself fails when the server takes three seconds longer than it may drain.
    with (
        serving([Listener(bind("127.0.0.1", 0), app)], drain_seconds=1) as door,
        connect(door.port) as client,
        half_sent(door) as silent,
    ):
        client.sendall(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        assert silent.recv(65536).startswith(b"HTTP/1.1 100 ")
        door.stop()
        answers = read_to_end(client), read_to_end(silent)

    assert all(count(answer) <= 1 for answer in answers)
    assert not any(b"200" in answer for answer in answers)


SERVER = """
import asyncio
from transom.server.listeners import Listener, bind, run, serve
async def app(scope, receive, send): await asyncio.Event().wait()
bound = bind("127.0.0.1", 0)
ready = lambda: print(bound.getsockname()[1], flush=True)
run(serve([Listener(bound, app)], on_ready=ready, drain_seconds=1))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        with connect(int(process.stdout.readline())) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            process.send_signal(number)
            last, _ = process.communicate(timeout=10)

    assert (last, process.returncode) == (b"ended\n", 0)


def test_limits_have_safe_defaults() -> None:
    assert ConnectionLimits() == ConnectionLimits(30, 60, 2000)


def limited(connections: int) -> contextlib.AbstractContextManager[Door]:
    limits = ConnectionLimits(connections=connections)
    return serving([Listener(bind("127.0.0.1", 0), app, limits=limits)])


def test_beyond_the_limit_of_connections_the_answer_is_503_and_come_again() -> None:
    with limited(3) as door, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(door.port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert count(read_until(client, b"0\r\n\r\n")) == 1
        beyond = answers_to(door.port, GET + b"\r\n")
        client.close()
        after = served_within(door, tries=100)

    assert beyond.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5\r\n" in beyond
    assert count(beyond) == 1
    assert after.startswith(b"HTTP/1.1 200 ")


def served_within(door: Door, tries: int) -> bytes:
    """The first answer that is not 503: closing takes the server a moment."""
    answers = (answers_to(door.port, GET + b"\r\n") for _ in range(tries))
    return next(answer for answer in answers if not answer.startswith(b"HTTP/1.1 503 "))


def test_far_beyond_the_limit_connections_are_dropped_without_an_answer() -> None:
    with limited(1) as door, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(door.port)) for _ in range(3)]
        answers = [read_to_end(client) for client in clients[1:]]

    assert answers[0].startswith(b"HTTP/1.1 503 ")
    assert answers[1] == b""


def test_a_client_that_leaves_half_way_is_told_to_the_application() -> None:
    lost = threading.Event()

    async def waiting(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        lost.set()

    with serving([Listener(bind("127.0.0.1", 0), waiting)]) as door:
        with half_sent(door) as client:
            client.recv(65536)
            client.sendall(b"h")

        assert lost.wait(5)


def test_a_large_answer_over_tls_arrives_whole_before_the_connection_ends(tmp_path: Path) -> None:
    async def large(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(20_000_000)})

    files = demo_authority(tmp_path, datetime.now(UTC))
    tls = server_context(TlsSettings(certificate_file=files.certificate, key_file=files.key))
    client_side = ssl.create_default_context(cafile=files.authority)
    with (
        serving([Listener(bind("127.0.0.1", 0), large, tls)]) as door,
        connect(door.port) as plain,
        client_side.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(GET + b"\r\n")
        answer = read_to_end(client)

    assert answer.endswith(bytes(20_000_000) + b"\r\n0\r\n\r\n")


def test_an_idle_tls_client_does_not_delay_the_end(tmp_path: Path) -> None:
    files = demo_authority(tmp_path, datetime.now(UTC))
    tls = server_context(TlsSettings(certificate_file=files.certificate, key_file=files.key))
    client_side = ssl.create_default_context(cafile=files.authority)
    with (
        serving([Listener(bind("127.0.0.1", 0), app, tls)], drain_seconds=30) as door,
        connect(door.port) as plain,
        client_side.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.settimeout(5)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert count(read_until(client, b"0\r\n\r\n")) == 1
        door.stop()
        raw = socket.socket(fileno=os.dup(client.fileno()))
        with raw:
            raw.settimeout(5)
            while raw.recv(65536):  # never a TLS good-bye from us
                pass
