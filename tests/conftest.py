"""What holds for every test: drills apart, reasons listed, one PostgreSQL per test process."""

import os
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
import unavailable
from world import World, made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the drills out of an ordinary run. They are not skipped: nobody expects them here."""
    if os.environ.get("TRANSOM_DRILL") == "1":
        return
    drills = [item for item in items if item.get_closest_marker("drill")]
    items[:] = [item for item in items if not item.get_closest_marker("drill")]
    if drills:
        config.hook.pytest_deselected(items=drills)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what this machine could not run, each reason once."""
    reasons = unavailable.reasons(terminalreporter.stats.get("skipped", []))
    if not reasons:
        return
    terminalreporter.section("not run on this machine")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count:4} x {reason}")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of this test process's own PostgreSQL, fast and not durable."""
    with postgres.cluster() as cluster:
        yield cluster.url


@pytest.fixture
def fresh_postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database that only this test uses."""
    with postgres.fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once of each kind: what uses it holds on both."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'transom.db'}"
        return
    with postgres.fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An exchange on each kind of database; see world.py."""
    with made(tmp_path / "world", database_url) as world:
        yield world


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[World]:
    """An exchange on SQLite, for what the database has no part in."""
    with made(tmp_path / "world", f"sqlite:///{tmp_path / 'transom.db'}") as world:
        yield world
