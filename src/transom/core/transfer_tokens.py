"""S3 transfer tokens: temporary keys for one application, carried by whoever was given them.

Nothing is stored. The secret key is derived from the access key id, and what the keys permit is
sealed in the session token: any node that has the server's keys can verify a request by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from transom.domain.entitlement import Action, Actor
from transom.domain.names import OrgId, Place


@dataclass(frozen=True, slots=True)
class Session:
    """What a verified transfer token permits: an account's work in one application.

    `actor` has the rights that were sealed in, cut by those the account has now; nothing in other
    organizations or applications. `name` is "user@uuid", for the record. After `expires_at` (the
    world's time) the token is refused.
    """

    name: str
    actor: Actor
    org: OrgId
    application: str
    expires_at: datetime

    @property
    def read_places(self) -> tuple[Place, ...]:
        """Where files may be fetched, and listed, in order."""
        return self._places(Action.DOWNLOAD)

    @property
    def write_places(self) -> tuple[Place, ...]:
        """Where files may be submitted, and listed, in order."""
        return self._places(Action.UPLOAD)

    def _places(self, action: Action) -> tuple[Place, ...]:
        return tuple(place for place, right in self.actor.rights.all() if action in right.actions)
