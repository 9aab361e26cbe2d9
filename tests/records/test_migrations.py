"""The schema goes up and down on both databases, and the migrations are the tables."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from transom.records import identities, migrate, revision, submissions
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

    before = revision.status(database)
    migrate.up(database)
    migrate.up(database)  # repeating changes nothing
    after = revision.status(database)
    migrate.down(database)
    below = revision.status(database)
    database.dispose()

    assert (before.present, before.is_current) == ("", False)
    assert (after.present, after.is_current) == (after.wanted, True)
    assert not below.is_current


def test_the_schema_that_is_wanted_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))

    assert scripts.get_current_head() == revision.WANTED


def test_going_up_and_down_again_keeps_every_submission_and_organization(
    database_url: str,
) -> None:
    database = Database(database_url)
    migrate.up(database, "0002")
    with database.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO organizations (id, name, kind, active, created_at)"
                " VALUES ('0001', 'Northgate', 'firm', true, 0)"
            )
        )
        tx.execute(
            text(
                "INSERT INTO submissions (tracking_id, principal_id, user_name, home_org, org,"
                " application, sub_space, name, method, source, software, request_id, state,"
                " reason, gate, bytes_seen, requested_at, submitted_at, updated_at)"
                " VALUES ('t1', 'p1', '0001ftp01', '0001', '0001', 'app1', 'in', 'a.zip', 'rest',"
                " '', '', '', 'requested', '', '', 0, 0, 0, 0)"
            )
        )

    migrate.up(database)
    with database.reading() as connection:
        found = submissions.find(connection, "t1")
        row = identities.organization(connection, "0001")
    migrate.down(database, "0002")
    with database.reading() as connection:
        left = connection.execute(text("SELECT name FROM submissions")).scalar_one()
    database.dispose()

    assert found is not None
    assert (found.name, found.state) == ("a.zip", "requested")
    assert row is not None
    assert row.organization.networks == ()
    assert left == "a.zip"
