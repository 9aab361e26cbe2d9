"""What the operator's commands share: the settings option, and an exchange without listeners."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from transom.core.exchange import Exchange
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Actor
from transom.server import settings
from transom.server.assemble import Databases, build_exchange, connect
from transom.server.schema import require_schema
from transom.server.settings import Settings
from transom.server.system import SystemClock, SystemEntropy

Config = Annotated[Path, typer.Option("--config", help="The settings file.", metavar="FILE")]


def group(within: typer.Typer, name: str, about: str) -> typer.Typer:
    """A group of commands under a name. Plain text: a terminal may be a log or a screen reader."""
    made = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=about)
    within.add_typer(made, name=name)
    return made


def operator() -> Actor:
    """Who acts here, for the audit record: the exchange, told to by this user of the machine."""
    return replace(SYSTEM, source=f"uid {os.getuid()}")


@contextmanager
def open_databases(chosen: Settings) -> Iterator[Databases]:
    """The databases of these settings, closed afterwards."""
    databases = connect(chosen)
    try:
        yield databases
    finally:
        databases.dispose()


@contextmanager
def open_exchange(config: Path) -> Iterator[Exchange]:
    """The exchange of a settings file, without listeners.

    Raises:
        BadSettings: the file cannot be used.
        SchemaOutdated: the database has another schema.
    """
    chosen = settings.load(config)
    with open_databases(chosen) as databases:
        require_schema(databases)
        yield build_exchange(chosen, databases, SystemClock(), SystemEntropy())


def shown(url: object) -> str:
    """A database's address without its password: SQLAlchemy prints that as ***."""
    return str(url)


def driver_says(failure: Exception) -> str:
    """What the database's driver says, in its first line, or "": for operators, who can mend it."""
    cause = failure.__cause__
    lines = str(cause.orig).splitlines() if isinstance(cause, DBAPIError) else []
    return lines[0] if lines else ""
