"""How soon the demo answers, and an operator's command."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bench import processes, seeding, servers
from bench.report import Report, median
from bench.setting import Setting

DEMO_SECONDS = 2.0
COMMAND_SECONDS = 1.0
_DEADLINE = 60.0
_METHOD = """\
Whole processes, from their start. *Demo, first* makes its world on an empty directory and is ready
when its ready file is there; *demo, again* finds it. *Command* is `transom-server admin org list`
on a database that has one organization."""


def measure(setting: Setting) -> list[Report]:
    """Seconds until the demo is ready, the first time and again, and of an operator's command."""
    report = Report("Starting", _METHOD, ["what", "median, seconds"])
    first: list[float] = []
    again: list[float] = []
    command: list[float] = []
    place = setting.directory("start")
    config = servers.configure(place, f"sqlite:///{place}/transom.db")
    with seeding.administering(config) as exchange:
        seeding.seed(exchange, 1)
    for number in range(setting.rounds):
        directory = setting.directory(f"start-{number}")
        first.append(_ready(directory))
        again.append(_ready(directory))
        command.append(_command(config))
    steps = (
        ("demo, first", first, DEMO_SECONDS),
        ("demo, again", again, DEMO_SECONDS),
        ("command", command, COMMAND_SECONDS),
    )
    for name, taken, most in steps:
        report.rows.append([name, f"{median(taken):.2f}"])
        report.raw(name, taken, 2)
        report.limit(f"{name}, median", median(taken), most, " s")
    return [report]


def _ready(directory: Path) -> float:
    ready = directory / "ready.json"
    options = ["--data", directory / "data", "--http-port", "0", "--s3-port", "0"]
    command = [servers.COMMAND, "demo", *options, "--ready-file", ready]
    began = time.perf_counter()
    with processes.running(command, directory / "log"):
        while not ready.exists():
            if time.perf_counter() - began > _DEADLINE:
                raise TimeoutError("the demo is not ready")
            time.sleep(0.005)
        return time.perf_counter() - began


def _command(config: Path) -> float:
    command = [servers.COMMAND, "admin", "org", "list", "--config", config]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
