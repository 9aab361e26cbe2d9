"""Workers as programs of their own: signals, exit codes, and the ten lines of the guide."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from connector.gateway_server import SECRET, USER, GatewayServer
from connector.workers import until

ROOT = Path(__file__).parents[2]
SLOW = """
import sys, time
from pathlib import Path
from transom.client.presets import Server
from transom.connector import Pace, Worker, accepted

worker = Worker(Server(*sys.argv[1:3]), "r4530-app", "secret", pace=Pace(wait_seconds=30))

@worker.on("r4530/in")
def take(job):
    print("began", flush=True)
    while not Path(sys.argv[3]).exists():
        time.sleep(0.01)
    return accepted()

worker.run()
print("ended", flush=True)
"""


@contextmanager
def program(*command: object) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_jobs_in_hand_finish(
    server: GatewayServer, tmp_path: Path, number: signal.Signals
) -> None:
    server.offer()
    go = tmp_path / "go"
    with program("-c", SLOW, server.server.rest_url, server.server.token_url, go) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.send_signal(number)
        go.touch()
        assert process.wait(10) == 0
        assert process.stdout.read() == "ended\n"
    assert server.outcomes() == ["ACCEPTED"]


def test_a_second_signal_ends_it_at_once(server: GatewayServer, tmp_path: Path) -> None:
    server.offer()
    never = tmp_path / "never"
    with program("-c", SLOW, server.server.rest_url, server.server.token_url, never) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # the job in hand may go on
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) != 0
    assert server.outcomes() == [""]


def secret_file(tmp_path: Path, secret: str = SECRET) -> Path:
    path = tmp_path / "app.secret"
    path.write_text(f"{secret}\n")
    return path


def test_the_ten_lines_of_the_guide_are_a_whole_application(
    server: GatewayServer, tmp_path: Path
) -> None:
    server.applications.add("app1")
    server.offer("app1/in", b"a\nb\n", name="x.csv")
    script = ROOT / "examples" / "ten_lines.py"
    with program(script, server.url, USER, secret_file(tmp_path)) as process:
        until(lambda: server.outcomes() == ["ACCEPTED"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert server.published == {"0001/app1/out/receipt_x.csv.txt": b"2 lines, thanks\n"}


def test_the_rule_4530_processor_is_a_program(server: GatewayServer, tmp_path: Path) -> None:
    sample = ROOT / "examples" / "r4530" / "4530_2026Q4.xml"
    server.offer(content=sample.read_bytes(), name=sample.name)
    options = ("--url", server.url, "--user", USER, "--password-file", secret_file(tmp_path))
    with program("-m", "transom.processors.rule_4530", *options) as process:
        until(lambda: server.outcomes() == ["PARTIALLY_REJECTED"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert "PARTIALLY_REJECTED" in process.stderr.read()
    assert list(server.published) == ["0001/r4530/out/feedback_4530_2026Q4.xml"]
