"""What can be exchanged where: applications, their sub-spaces, and how long files stay.

The catalogue of guide section 9 is data (core/catalogue.toml) read into these values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from transom.domain.names import ARCHIVE_SUFFIX

OPEN_SET = "*"
"""The name of a template: sub-spaces that the application names as it publishes (ADDS)."""


class Direction(StrEnum):
    """Who puts files there: a firm, an application, or the exchange itself."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    ARCHIVE = "archive"


class OrgKind(StrEnum):
    """What an organization is; some sub-spaces are for some kinds only (guide section 9, CRD)."""

    FIRM = "firm"
    DESIGNATING_AUTHORITY = "designating_authority"
    SERVICE_PROVIDER = "service_provider"


class Emptied(StrEnum):
    """When a received file leaves its inbound sub-space."""

    LEASED = "leased"  # as soon as the application has acknowledged it
    AT_COMMIT = "at_commit"  # at once: it shows only in the archive and waits in the queue


@dataclass(frozen=True, slots=True)
class SubSpace:
    """A folder of an application. `retention_days` is None where files are moved at once."""

    application: str
    name: str
    direction: Direction
    retention_days: int | None = None
    emptied: Emptied = Emptied.LEASED
    archived: bool = False
    may_submit: frozenset[OrgKind] = frozenset(OrgKind)
    gate: str = ""

    @property
    def inbound_name(self) -> str:
        """The inbound sub-space that this one belongs to: itself, but for an archive."""
        if self.direction is Direction.ARCHIVE:
            return self.name.removesuffix(ARCHIVE_SUFFIX)
        return self.name

    def archive(self, days: int) -> SubSpace:
        """The archive beside this inbound sub-space, which keeps files for so many days."""
        return SubSpace(
            self.application,
            self.name + ARCHIVE_SUFFIX,
            Direction.ARCHIVE,
            retention_days=days,
            may_submit=self.may_submit,
        )


@dataclass(frozen=True, slots=True)
class Application:
    """One of the operator's applications, with its sub-spaces by name."""

    name: str
    title: str
    sub_spaces: Mapping[str, SubSpace] = field(default_factory=lambda: MappingProxyType({}))

    def with_archives(self, days: int) -> Application:
        """The same application with an archive beside every archived inbound sub-space."""
        archives = [
            space.archive(days)
            for space in self.sub_spaces.values()
            if space.archived and space.direction is Direction.INBOUND
        ]
        both = {**self.sub_spaces, **{space.name: space for space in archives}}
        return replace(self, sub_spaces=MappingProxyType(both))

    def opened(self, name: str) -> SubSpace | None:
        """The sub-space of an open set under this name, or None when the set is not open."""
        template = self.sub_spaces.get(OPEN_SET)
        return None if template is None else replace(template, name=name)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every application by its short name."""

    applications: Mapping[str, Application]

    @classmethod
    def of(cls, applications: Iterable[Application]) -> Self:
        """A catalogue of these applications."""
        return cls(MappingProxyType({each.name: each for each in applications}))
