"""Bring a database's schema up or down. Where it stands, revision.py tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from transom.records.database import Database
from transom.records.revision import NoSuchRevision

_SCRIPTS = Path(__file__).parent / "migrations"


def up(database: Database, to: str = "head") -> None:
    """Apply every migration up to a revision; repeating it changes nothing.

    Raises:
        NoSuchRevision: and nothing was changed.
    """
    with database.transaction() as tx, _explained():
        command.upgrade(_config(tx), to)


def down(database: Database, to: str = "-1") -> None:
    """Take migrations back down to a revision: "-1" for one step, "base" for all.

    Raises:
        NoSuchRevision: and nothing was changed.
    """
    with database.transaction() as tx, _explained():
        command.downgrade(_config(tx), to)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except CommandError as failure:
        raise NoSuchRevision(f"The schema stays as it is: {failure}.") from failure


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
