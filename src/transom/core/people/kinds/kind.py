"""What every kind of factor can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from transom.domain.people import FactorKind, Person, Visit
from transom.records.factors import FactorRow

Data = Mapping[str, str]
"""What a challenge or set-up keeps, sealed, until its answer comes."""


@dataclass(frozen=True, slots=True)
class Question:
    """A challenge or set-up that was made: what to keep, and what to show.

    `shown` are fields of domain.people's Challenge or Setup. `number` is where a code went.
    """

    data: Data
    shown: Mapping[str, str] = field(default_factory=dict)
    number: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A factor that was proven at its set-up: what to keep of it."""

    secret: Mapping[str, str]
    counter: int = 0
    hint: str = ""
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits for an answer: its id, what was kept of it, and when it was sent."""

    id: str
    data: Data
    sent_at: datetime


class Kind(Protocol):
    """A kind of factor. Verify raises; a quiet return is the only yes."""

    kind: FactorKind
    needs_asking: bool
    """Whether an answer is only good for a challenge that was made before."""

    def begin(self, tx: Connection, new_id: str, person: Person, given: Given) -> Question:
        """Begin to set one up.

        Raises:
            BadParameter, TooMany
        """
        ...

    def confirm(self, asked: Asked, answer: str) -> Bound:
        """Prove the new one.

        Raises:
            FactorRejected
        """
        ...

    def challenge(self, tx: Connection, new_id: str, factor: FactorRow, visit: Visit) -> Question:
        """Ask for it now.

        Raises:
            TooMany
        """
        ...

    def verify(self, tx: Connection, factor: FactorRow, asked: Asked | None, answer: str) -> None:
        """Return quietly when this answer proves the factor, once and never again.

        Raises:
            FactorRejected
        """
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What a set-up is begun with: from where, the number, and what is bound already."""

    visit: Visit
    phone: str = ""
    bound: Sequence[FactorRow] = ()
