"""What an answer costs, counted rather than timed: password hashes and statements.

with counted(world) as work:
    ...
assert work.hashes == 1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from sqlalchemy import Connection, event
from world import World


@dataclass
class Work:
    """So many hashes were computed; these statements were executed, values aside."""

    hashes: int = 0
    statements: list[str] = field(default_factory=list)


class _Counting(PasswordHasher):
    def __init__(self, work: Work) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self._work = work

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self._work.hashes += 1
        return super().verify(hash, password)


@contextmanager
def counted(world: World) -> Iterator[Work]:
    """Count what is done meanwhile, but for the courier's looks into the outbox."""
    work, passwords = Work(), world.exchange.sign_in._passwords

    def note(_c: Connection, _cursor: object, statement: str, *_: object) -> None:
        if "outbox" not in statement:
            work.statements.append(statement)

    before, passwords._argon2 = passwords._argon2, _Counting(work)
    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        yield work
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)
        passwords._argon2 = before
