"""What ends a command without a defect: said in one line, with what to do."""

from __future__ import annotations


class Failure(Exception):
    """Its text is the line on standard error; the exit code is 1."""


class SchemaOutdated(Failure):
    """The database's schema is not the one this program wants."""


class CannotListen(Failure):
    """An address is not this machine's, in use, or not allowed."""


class BadHostKeys(Failure):
    """The host keys cannot be used; says what to do."""


class UnknownApplication(Failure):
    """The demo has no such application."""


class DemoBusy(Failure):
    """Another demo runs on the same data."""
