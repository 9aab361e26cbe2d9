"""The engine, its two kinds of transaction, and the few differences between the databases.

SQLite keeps its promises here: write-ahead log with full synchronization, and BEGIN IMMEDIATE for
every writing transaction, so that two writers queue instead of failing half-way. PostgreSQL runs at
READ COMMITTED; every move that must happen once is a conditional update.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Insert,
    Table,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from transom.domain.errors import StorageFull, Unavailable

_BUSY_SECONDS = 15
_POOL_WAIT_SECONDS = 30
_WRITING = "transom_writing"


class Database:
    """One database, SQLite or PostgreSQL, by its SQLAlchemy URL."""

    def __init__(self, url: str | URL, *, pool_size: int = 8) -> None:
        address = make_url(url)
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            in_memory = address.database in (None, "", ":memory:")
            self.engine = _sqlite_engine(address, in_memory=in_memory, pool_size=pool_size)
        else:
            self.engine = create_engine(
                address,
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_timeout=_POOL_WAIT_SECONDS,
                pool_pre_ping=True,
                hide_parameters=True,
            )
        self._reader = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._writer = self.engine.execution_options(**{_WRITING: True})

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A writing transaction: commits at the end of the block, rolls back on any exception.

        Raises:
            StorageFull: the database has no room; nothing was written.
            Unavailable: the database did not answer. If that was at the commit itself, whether it
                happened is unknown; look before doing it again.
        """
        with _translated(), self._writer.begin() as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries, each seeing what is committed when it runs.

        Writes through it are a defect.

        Raises:
            Unavailable: the database did not answer.
        """
        with _translated(), self._reader.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def rows(tx: Connection, statement: Executable, values: Any = None) -> int:
    """Execute a change and return how many rows it touched."""
    result = tx.execute(statement, values)
    assert isinstance(result, CursorResult)  # noqa: S101 - changes always have a cursor
    return int(result.rowcount)


def insert_new(tx: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with its key is there; say whether it went in."""
    return rows(tx, _insert_new(tx.dialect.name, table), values) == 1


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    # An INSERT's rowcount is thrown away unless it is asked for; inline() leaves RETURNING out.
    statement = _insert(dialect, table).on_conflict_do_nothing().inline()
    return statement.execution_options(preserve_rowcount=True)


def upsert(tx: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row, or give the row with its primary key these values."""
    keys = [column.name for column in table.primary_key]
    changes = {name: value for name, value in values.items() if name not in keys}
    tx.execute(
        _insert(tx.dialect.name, table)
        .values(**values)
        .on_conflict_do_update(index_elements=keys, set_=changes)
    )


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _sqlite_engine(url: URL, *, in_memory: bool, pool_size: int) -> Engine:
    options: dict[str, Any] = (
        {"poolclass": StaticPool}
        if in_memory
        else {
            "pool_size": pool_size,
            "max_overflow": pool_size,
            "pool_timeout": _POOL_WAIT_SECONDS,
        }
    )
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
        hide_parameters=True,  # values never get into messages and logs
        **options,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not open transactions by itself: it would begin them DEFERRED.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Readers run statement by statement, as they do on PostgreSQL.
        if connection.get_execution_options().get(_WRITING, False):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as failure:
        raise Unavailable("database") from failure
    except DBAPIError as failure:
        if _is_full(failure):
            raise StorageFull from failure
        if failure.connection_invalidated or _is_operational(failure):
            raise Unavailable("database") from failure
        raise


_SQLITE_OUTSIDE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def _is_operational(failure: DBAPIError) -> bool:
    """Whether the world failed, not our SQL: SQLite calls a missing table operational too."""
    code = getattr(failure.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_OUTSIDE
    return any(kind.__name__ == "OperationalError" for kind in type(failure.orig).__mro__)


def _is_full(failure: DBAPIError) -> bool:
    code = getattr(failure.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(failure.orig, "sqlstate", None) == "53100"
