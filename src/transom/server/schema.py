"""That databases have the schema of this program, before anything uses them."""

from __future__ import annotations

from transom.records import revision
from transom.server.assemble import Databases
from transom.server.failures import SchemaOutdated


def require_schema(databases: Databases) -> None:
    """Return quietly when every database has the schema of this program.

    Raises:
        SchemaOutdated: says which one is there, and what to run.
    """
    for database in databases.each():
        found = revision.status(database)
        if not found.is_current:
            is_behind = found.present < found.wanted  # revisions are numbered
            raise SchemaOutdated(
                f"The database has schema {found.present or 'none'}, "
                f"this program wants {found.wanted}. "
                + (
                    "Run: transom-server migrate up --config FILE"
                    if is_behind
                    else "It belongs to a later program: run that one."
                )
            )
