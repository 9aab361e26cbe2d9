"""Bring a database's schema up or down, and say where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from transom.records.database import Database

_SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """Which schema a database has ("" for none) and which one this program wants."""

    present: str
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.present == self.wanted


def up(database: Database, to: str = "head") -> None:
    """Apply every migration up to a revision; repeating it changes nothing."""
    with database.transaction() as tx:
        command.upgrade(_config(tx), to)


def down(database: Database, to: str = "-1") -> None:
    """Take migrations back down to a revision: "-1" for one step, "base" for all."""
    with database.transaction() as tx:
        command.downgrade(_config(tx), to)


def status(database: Database) -> SchemaVersion:
    """Where the schema stands."""
    wanted = ScriptDirectory.from_config(_config(None)).get_current_head()
    with database.reading() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return SchemaVersion(present or "", wanted or "")


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
