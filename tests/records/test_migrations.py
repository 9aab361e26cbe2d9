"""The schema goes up and down on both databases, and the migrations are the tables."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from transom.records import migrate
from transom.records.database import Database
from transom.records.schema import metadata


def test_after_every_migration_the_database_has_the_tables_of_the_program(
    database_url: str,
) -> None:
    database = Database(database_url)
    migrate.up(database)

    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    database.dispose()

    assert differences == []


def test_going_down_to_the_base_leaves_nothing_behind(database_url: str) -> None:
    database = Database(database_url)
    migrate.up(database)
    migrate.down(database, "base")

    with database.reading() as connection:
        left = inspect(connection).get_table_names()
    database.dispose()

    assert left in ([], ["alembic_version"])


def test_the_status_tells_what_is_there_and_what_is_wanted(database_url: str) -> None:
    database = Database(database_url)

    before = migrate.status(database)
    migrate.up(database)
    migrate.up(database)  # repeating changes nothing
    after = migrate.status(database)
    migrate.down(database)
    below = migrate.status(database)
    database.dispose()

    assert (before.present, before.is_current) == ("", False)
    assert (after.present, after.is_current) == (after.wanted, True)
    assert not below.is_current
