"""Listings of 20 files, with the token checked each time."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import clients, load, rates, seeding, servers
from bench.rates import Subject
from bench.report import Report
from bench.setting import Setting

LEAST, AIM, MOST_P99_MS = 1200, 3000, 50
FILES = 20
_METHOD = """\
`transom-server run` with default settings, one process, not pinned. 32 kept-alive connections GET
the same sub-space of 20 files. For each answer the token, its account and organization, the
account's rights and the files are looked up. PostgreSQL runs on the same cores."""


def measure(setting: Setting) -> list[Report]:
    directory = setting.directory("listing")
    with ExitStack() as stack:
        urls = stack.enter_context(servers.databases(directory))
        subjects = {name: _subject(stack, directory / name, url) for name, url in urls.items()}
        found = rates.measure(setting, subjects, "listing")
    report = Report(f"Listing of {FILES} files with token check", _METHOD, rates.HEAD)
    rates.fill(report, found)
    for name, rounds in found.items():
        report.aim(f"listings, {name}", rates.rate(rounds), LEAST, "/s", f", aim {AIM:,}")
        report.limit(f"listings, {name}, p99", rates.p99(rounds), MOST_P99_MS, " ms")
    return [report]


def _subject(stack: ExitStack, directory: Path, database_url: str) -> Subject:
    config = servers.configure(directory, database_url)
    with seeding.administering(config) as exchange:
        login = seeding.seed(exchange, 1)[0]
        for number in range(FILES):
            seeding.publish(exchange, f"result-{number:02}.csv", [b"one,two\n"])
    server = stack.enter_context(servers.production(config))
    bearer = clients.token(server, login)
    assert len(clients.names(server, bearer)) == FILES
    return Subject(server, partial(load.gets, f"{server.rest}{clients.OUT}", bearer))
