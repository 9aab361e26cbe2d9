"""Token grants with generated secrets, on one core."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import clients, load, processes, rates, seeding, servers
from bench.rates import Subject
from bench.report import Report
from bench.setting import Setting

LEAST = 300
ACCOUNTS = 128  # each may have 30 a second
_METHOD = """\
`transom-server run` with default settings on SQLite, pinned to one core; the load comes from the
other: 32 kept-alive connections ask for tokens for 128 accounts in turn, with their generated
secrets. Each grant is a commit with fsync, which is free on a RAM disk; a disk stands beside it."""


def measure(setting: Setting) -> list[Report]:
    with ExitStack() as stack:
        subjects = {
            "SQLite, RAM disk": _subject(stack, setting.directory("tokens")),
            "SQLite, disk": _subject(stack, setting.directory("tokens", durable=True)),
        }
        found = rates.measure(setting, subjects, "tokens")
    report = Report("Token grants on one core", _METHOD, rates.HEAD)
    rates.fill(report, found)
    for name, rounds in found.items():
        report.aim(f"token grants, {name}", rates.rate(rounds), LEAST, "/s")
    return [report]


def _subject(stack: ExitStack, directory: Path) -> Subject:
    config = servers.configure(directory, f"sqlite:///{directory}/transom.db")
    with seeding.administering(config) as exchange:
        logins = seeding.seed(exchange, ACCOUNTS)
    server = stack.enter_context(servers.production(config, processes.last_core()))
    requests = [load.request("POST", server.token_url, clients.basic(each)) for each in logins]
    job = {"kind": "requests", "url": server.rest, "requests": requests}
    return Subject(server, partial(load.generate, job))
