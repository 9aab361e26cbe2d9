"""What administrators do with people: invite, list, lock, reset, end; all audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transom.domain.entitlement import Actor
from transom.domain.people import Invitation, Person, Role


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person as asked for: e-mail address (the user name), name, organization, role."""

    email: str
    name: str
    org: str
    role: Role


@dataclass(frozen=True, slots=True)
class ReadyPerson:
    """A person of the demo: enrolled with known credentials."""

    new: NewPerson
    password: str
    totp_secret: str
    phone: str = ""


class PeopleAdministration:
    """Changes who there is."""

    def invite(self, actor: Actor, new: NewPerson) -> Invitation:
        """Add a person and mail the invitation."""
        raise NotImplementedError

    def have_ready(self, actor: Actor, ready: ReadyPerson) -> Person:
        """For the demo only: a person with this password and TOTP secret (base 32), enrolled."""
        raise NotImplementedError

    def find(self, email: str) -> Person:
        """The person of this user name. Raises NotFound."""
        raise NotImplementedError

    def invitations(self, org: str = "") -> Sequence[Invitation]:
        """Every person's latest invitation (of one organization, or all), by e-mail."""
        raise NotImplementedError
