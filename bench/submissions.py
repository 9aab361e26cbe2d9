"""Complete small submissions: step 1, 1 KiB, fsynced, tracked and archived."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import clients, load, rates, seeding, servers
from bench.rates import Subject
from bench.report import Report
from bench.seeding import APPLICATION, ORG
from bench.setting import Setting
from transom.domain.names import ARCHIVE_SUFFIX, Place

LEAST = {"SQLite": 250, "PostgreSQL": 150}
SIZE = 1024
_RAM = "SQLite, RAM disk"
_METHOD = f"""\
`transom-server run` with default settings, one process, not pinned. 32 clients, each with an
account, a token and two kept-alive connections, submit files of {SIZE} bytes one after the other:
PUT at the REST door, then PUT of the bytes to the pre-signed URL. When that is answered the file is
fsynced, listed, archived and tracked; afterwards the archive was counted. Everything lies on the
disk; once more on the RAM disk, where fsync is free, to tell the disk's part. PostgreSQL is durable
(its own defaults) and runs on the same cores."""


def measure(setting: Setting) -> list[Report]:
    directory, fast = setting.directory("submissions", durable=True), setting.directory("ram")
    with ExitStack() as stack:
        urls = stack.enter_context(servers.databases(directory))
        subjects = {name: _subject(stack, directory / name, url) for name, url in urls.items()}
        subjects[_RAM] = _subject(stack, fast / "data", f"sqlite:///{fast}/transom.db")
        found = rates.measure(setting, subjects, "submissions")
        for name, subject in subjects.items():
            _check(subject.server.config, sum(each.outcome.answers for each in found[name]))
    report = Report("Complete small submissions, 32 clients", _METHOD, rates.HEAD)
    rates.fill(report, found)
    for name in [each for each in LEAST if each in found]:
        report.aim(f"submissions, {name}", rates.rate(found[name]), LEAST[name], "/s")
    return [report]


def _subject(stack: ExitStack, directory: Path, database_url: str) -> Subject:
    config = servers.configure(directory, database_url)
    with seeding.administering(config) as exchange:
        logins = seeding.seed(exchange, load.CONNECTIONS)
    server = stack.enter_context(servers.production(config))
    job = {
        "kind": "submissions",
        "rest": server.rest,
        "s3": server.s3,
        "folder": server.rest + clients.IN,
        "tokens": [clients.token(server, each) for each in logins],
        "body": os.urandom(SIZE).decode("latin-1"),
    }
    return Subject(server, partial(load.generate, job))


def _check(config: Path, answered: int) -> None:
    """As many files are in the archive as were answered 200."""
    archive = Place.parse(f"{ORG}/{APPLICATION}/in{ARCHIVE_SUFFIX}")
    with seeding.administering(config) as exchange:
        account = exchange.administration.account(f"{ORG}bench000")
        actor = exchange.tokens.acting(account.id, "")
        kept = sum(len(page) for page in exchange.browse.files(actor, archive))
    assert kept == answered, f"{answered} were answered, {kept} are in the archive"
