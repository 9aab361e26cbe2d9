"""What holds for every test: drills apart, reasons listed, one PostgreSQL per test process."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
import unavailable
from world import World, made

from transom.records import migrate
from transom.records.database import Database

LONG = frozenset({"architecture", "journeys", "server", "hostile"})
"""Where files have few and long tests: at the end they would keep one process busy alone."""


@pytest.hookimpl(trylast=True)  # after the order was made random
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long ones, and take the drills out of an ordinary run.

    Drills are not skipped: nobody expects them here.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONG)
    if os.environ.get("TRANSOM_DRILL") == "1":
        return
    drills = [item for item in items if item.get_closest_marker("drill")]
    items[:] = [item for item in items if not item.get_closest_marker("drill")]
    if drills:
        config.hook.pytest_deselected(items=drills)


def pytest_configure(config: pytest.Config) -> None:
    """Work in memory where there is such a place: hundreds of worlds are made and thrown away."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    is_worker = hasattr(config, "workerinput")
    if config.option.basetemp is None and not is_worker and os.access(memory, os.W_OK):
        config.option.basetemp = memory / f"transom-tests-{os.getpid()}"
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


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


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the present schema, to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "transom.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_common(postgres_url: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with the present schema, emptied after each test.

    To copy one for each test took four times as long as most tests.
    """
    with postgres.fresh_database(postgres_url) as url:
        _migrate(url)
        yield url


def _migrate(url: str) -> None:
    database = Database(url)
    migrate.up(database)
    database.dispose()


@pytest.fixture
def sqlite_world(tmp_path: Path, sqlite_template: Path) -> Iterator[World]:
    """An exchange on SQLite, for what the database has no part in."""
    path = tmp_path / "transom.db"
    shutil.copy(sqlite_template, path)
    with made(tmp_path / "world", f"sqlite:///{path}") as world:
        yield world


@pytest.fixture
def questionless(tmp_path: Path, sqlite_template: Path) -> Iterator[World]:
    """An exchange whose people answer no questions, and whose devices may be remembered."""
    path = tmp_path / "questionless.db"
    shutil.copy(sqlite_template, path)
    chosen = {"questions": False, "remember_hours": 12}
    with made(tmp_path / "questionless", f"sqlite:///{path}", people=chosen) as world:
        yield world


@pytest.fixture
def postgres_world(tmp_path: Path, postgres_common: str) -> Iterator[World]:
    """An exchange on PostgreSQL."""
    with postgres.emptied(postgres_common), made(tmp_path / "world", postgres_common) as world:
        yield world


@pytest.fixture(params=["sqlite_world", "postgres_world"])
def world(request: pytest.FixtureRequest) -> World:
    """An exchange, once on each kind of database; see world.py."""
    found: World = request.getfixturevalue(request.param)
    return found
