"""Transactions: writers queue, failures of the world are told apart from defects of ours."""

import socket
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from world import World

from transom.domain.errors import StorageFull, Unavailable
from transom.records import migrate
from transom.records.database import Database, insert_new, upsert
from transom.records.schema import versions


def version_of(database: Database, key: str) -> int | None:
    with database.reading() as tx:
        query = versions.select().where(versions.c.key == key)
        row = tx.execute(query).one_or_none()
    return None if row is None else row.version


def test_a_transaction_that_ends_in_an_exception_leaves_nothing(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.database.transaction() as tx:
        insert_new(tx, versions, {"key": "k", "version": 1})
        _ = 1 / 0

    assert version_of(world.database, "k") is None


def test_insert_new_says_whether_the_row_went_in(world: World) -> None:
    with world.database.transaction() as tx:
        first = insert_new(tx, versions, {"key": "k", "version": 1})
        second = insert_new(tx, versions, {"key": "k", "version": 2})

    assert (first, second) == (True, False)
    assert version_of(world.database, "k") == 1


def test_upsert_gives_the_row_its_new_values(world: World) -> None:
    with world.database.transaction() as tx:
        upsert(tx, versions, {"key": "k", "version": 1})
        upsert(tx, versions, {"key": "k", "version": 2})

    assert version_of(world.database, "k") == 2


def test_writers_wait_for_one_another_and_lose_no_change(world: World) -> None:
    with world.database.transaction() as tx:
        insert_new(tx, versions, {"key": "k", "version": 0})

    def add_ten() -> None:
        for _ in range(10):
            with world.database.transaction() as tx:
                change = versions.update().where(versions.c.key == "k")
                tx.execute(change.values(version=versions.c.version + 1))

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert version_of(world.database, "k") == 40


def test_a_lost_postgres_connection_is_unavailable_once_and_then_replaced(
    fresh_postgres_database: str,
) -> None:
    database = Database(fresh_postgres_database, pool_size=1)
    migrate.up(database)

    with pytest.raises(Unavailable), database.transaction() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other = Database(fresh_postgres_database)
        with other.reading() as killer:
            killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        other.dispose()
        insert_new(tx, versions, {"key": "k", "version": 1})

    assert version_of(database, "k") is None
    database.dispose()


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'no such directory' / 'transom.db'}")

    with pytest.raises(Unavailable), database.reading():
        pass


def test_a_full_database_says_so_and_goes_on_when_there_is_room(sqlite_world: World) -> None:
    database = sqlite_world.database

    with database.transaction() as tx:
        size = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {size}")
    with pytest.raises(StorageFull), database.transaction() as tx:
        for number in range(2000):
            insert_new(tx, versions, {"key": f"key {number}", "version": 1})
    with database.transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    with database.transaction() as tx:
        insert_new(tx, versions, {"key": "room", "version": 1})

    assert version_of(database, "room") == 1
    assert version_of(database, "key 1") is None


def test_a_mistake_of_ours_is_not_taken_for_a_fault_of_the_world(sqlite_world: World) -> None:
    with pytest.raises(OperationalError), sqlite_world.database.reading() as tx:
        tx.execute(text("SELECT * FROM no_such_table"))
    with pytest.raises(IntegrityError), sqlite_world.database.transaction() as tx:
        tx.execute(versions.insert().values(key="k", version=1))
        tx.execute(versions.insert().values(key="k", version=1))


def test_values_never_get_into_the_text_of_an_error(sqlite_world: World) -> None:
    with pytest.raises(IntegrityError) as caught, sqlite_world.database.transaction() as tx:
        tx.execute(versions.insert().values(key="a secret", version=1))
        tx.execute(versions.insert().values(key="a secret", version=1))

    assert "a secret" not in str(caught.value)


def test_sqlite_is_kept_with_a_log_and_full_synchronization(sqlite_world: World) -> None:
    with sqlite_world.database.reading() as tx:
        mode = tx.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        synchronous = tx.exec_driver_sql("PRAGMA synchronous").scalar_one()

    assert (mode, synchronous) == ("wal", 2)
    assert sqlite3.sqlite_version_info >= (3, 35)


def test_a_postgres_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        database = Database(f"postgresql+psycopg://transom@127.0.0.1:{port}/transom")

        with pytest.raises(Unavailable), database.transaction():
            pass

    database.dispose()


def test_a_refused_postgres_statement_of_ours_is_no_fault_of_the_world(
    postgres_world: World,
) -> None:
    with pytest.raises(ProgrammingError), postgres_world.database.reading() as tx:
        tx.execute(text("SELECT * FROM no_such_table"))
