"""Which schema a database has, and which one this program wants."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import inspect, text

from transom.records.database import Database

WANTED = "0006"
"""The newest migration. A test compares it with the migrations themselves: to look there needs
Alembic, which takes longer to load than most commands take in all."""

_TABLE = "alembic_version"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """Which schema a database has ("" for none) and which one this program wants."""

    present: str
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.present == self.wanted


class NoSuchRevision(Exception):
    """The schema cannot be brought there; says why."""


def status(database: Database) -> SchemaVersion:
    """Where the schema stands.

    Raises:
        Unavailable
    """
    with database.reading() as connection:
        there = inspect(connection).has_table(_TABLE)
        query = text(f"SELECT version_num FROM {_TABLE}")  # noqa: S608 - our own constant
        present = connection.execute(query).scalar_one_or_none() if there else None
    return SchemaVersion(present or "", WANTED)
