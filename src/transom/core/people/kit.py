"""What the services for people work with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from transom.core.lock_out import Caller
from transom.core.passwords import Passwords
from transom.core.people.letters import Letters
from transom.core.people.post import Post
from transom.core.people.rules import Rules
from transom.core.people.vault import Vault
from transom.domain.people import Person, Visit
from transom.ports import Clock, Entropy
from transom.records import audit
from transom.records.database import Database
from transom.records.people import PersonRow


@dataclass(frozen=True, slots=True)
class Kit:
    """Handed to every service for people."""

    identity: Database
    passwords: Passwords
    clock: Clock
    entropy: Entropy
    vault: Vault
    post: Post
    letters: Letters
    rules: Rules

    def note(
        self, tx: Connection, person: Person, visit: Visit, action: str, **facts: object
    ) -> None:
        """Write in the audit trail what a person did."""
        audit.add(
            tx,
            audit.Entry(
                at=self.clock.now(),
                principal_id=person.id,
                action=action,
                object=person.email,
                source=visit.source,
                request_id=visit.request_id,
                detail=audit.detail(facts),
            ),
        )

    def note_guess(self, tx: Connection, row: PersonRow | None, caller: Caller) -> None:
        """Write down a wrong password; of unknown names too, so that both take the same time."""
        audit.add(
            tx,
            audit.Entry(
                at=self.clock.now(),
                principal_id=row.person.id if row else "",
                action="person.password_wrong",
                object=row.person.email if row else caller.name_key,
                source=caller.source,
                request_id=caller.request_id,
            ),
        )

    def letters_to(self, person: Person, visit: Visit) -> Letters:
        """Letters in the language that this person chose, else in that of its visit."""
        return self.letters.in_language(person.language or visit.language)

    def tell(self, tx: Connection, person: Person, visit: Visit, what: str) -> None:
        """Let the person be told by mail of something that matters."""
        letter = self.letters_to(person, visit).notice(
            person, self.entropy.uuid(), what, self.clock.now(), visit.source
        )
        self.post.add(tx, letter)
