"""Held uploads: whole, kept, seen by nobody but their account, and submitted by a rename."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from transom.core.arrival import Arrival, audited
from transom.core.tools import Tools
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotFound, StorageFull, Unavailable
from transom.domain.holding import SUFFIXES, is_temporary
from transom.domain.names import FileName, Place
from transom.domain.permission import require
from transom.domain.space import SubSpace
from transom.domain.submission import State, Submission
from transom.ports import Sealed
from transom.records import audit, holding, listings, submissions
from transom.records.holding import Exempt

SENT_FOR = timedelta(hours=24)
"""So long the sender may ask for what it just sent, as clients do when they have closed a file."""

REPLACED = "a newer upload of the same name replaced it"

_HINT = "Check the spelling; what is not renamed within 24 hours is abandoned."


class HeldUploads:
    """Finds and renames held uploads. The part of Uploads that is about them."""

    def __init__(self, tools: Tools, temporary: Sequence[str] = SUFFIXES) -> None:
        self._tools = tools
        self._temporary = tuple(temporary)

    def holds(self, actor: Actor, place: Place, name: str) -> bool:
        """Whether an upload of this name is to be held: its name is temporary, and may be here.

        Raises:
            Unavailable
        """
        if not is_temporary(name, self._temporary):
            return False
        right = actor.rights.at(place)
        inbound = right.space.inbound_name if right else place.sub_space
        exempt = (Exempt(actor.principal_id), Exempt("", place.application, inbound))
        with self._tools.database.reading() as tx:
            return not holding.any_of(tx, exempt)

    def held(self, actor: Actor, place: Place) -> list[Submission]:
        """What this very actor holds at a place, by name.

        Raises:
            NotEntitled: the actor sees nothing there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        with self._tools.database.reading() as tx:
            return submissions.held(tx, actor.principal_id, place)

    def held_one(self, actor: Actor, place: Place, name: FileName) -> Submission | None:
        """What this very actor holds at a place under a name, or None.

        Raises:
            NotEntitled: the actor sees nothing there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        with self._tools.database.reading() as tx:
            return _held_as(tx, actor, place, name)

    def just_sent(self, actor: Actor, place: Place, name: FileName) -> Submission | None:
        """The newest file of this name that this very actor sent in the last 24 h, or None.

        Received or held: the record answers when the file itself has moved on already.

        Raises:
            NotEntitled: the actor sees nothing there, or there is no such place.
            Unavailable
        """
        require(actor, Action.LIST, place)
        since = self._tools.clock.now() - SENT_FOR
        with self._tools.database.reading() as tx:
            return submissions.newest_sent(tx, actor.principal_id, place, name, since)

    def rename_held(
        self, actor: Actor, place: Place, name: FileName, new_name: FileName
    ) -> Submission:
        """Give what this very actor holds its final name: it is received, all at once.

        Under another temporary name it stays held, and takes the place of one held so. Of two that
        rename the same at once one wins.

        Raises:
            NotEntitled: the actor may not upload there, or there is no such place.
            NotFound: the actor holds none of this name there.
            StorageFull, Unavailable: nothing happened, or, when the database failed at the very
                end, it cannot be told; tracking tells.
        """
        space = require(actor, Action.UPLOAD, place)
        found = self.held_one(actor, place, name)
        if found is None:
            raise _none_held(place, name)
        renaming = _Renaming(self._tools, actor, space, found, new_name)
        stays = is_temporary(new_name, self._temporary)
        try:
            with self._tools.database.transaction() as tx:
                submissions.hold_alone(tx, actor.principal_id)
                renamed = renaming.hold_on(tx) if stays else renaming.receive(tx)
        except StorageFull:
            raise
        except Unavailable:
            # The answer to COMMIT may be what was lost: the record tells whether it happened.
            after = self._after(found)
            if after is None or after.name != new_name or after.state is State.ABANDONED:
                raise
            renamed = after
        if renamed.is_received:
            self._tools.doorbell.ring(space.application)
        return renamed

    def _after(self, found: Submission) -> Submission | None:
        with self._tools.database.reading() as tx:
            return submissions.find(tx, found.tracking_id)


@dataclass(frozen=True, slots=True)
class _Renaming:
    """One rename of a held upload, written in the caller's transaction."""

    tools: Tools
    actor: Actor
    space: SubSpace
    found: Submission
    new_name: FileName

    def receive(self, tx: Connection) -> Submission:
        """The commit point of a held upload."""
        sealed, now = self._bytes(tx), self.tools.clock.now()
        renamed = self._renamed(tx, now)
        arrival = Arrival(self.tools, self.actor, self.space, renamed, sealed, now)
        received = arrival.receive(tx, held_as=self.found.name)
        assert received is not None  # noqa: S101 - the rename has locked it, and it was held
        return received

    def hold_on(self, tx: Connection) -> Submission:
        """Another temporary name."""
        if self.new_name == self.found.name:
            return self.found
        replace_held(tx, self.tools, self.actor, self.found.place, self.new_name)
        renamed = self._renamed(tx, self.tools.clock.now())
        facts = {"held_as": self.found.name}
        audit.add(tx, audited(self.tools, self.actor, "upload.renamed", renamed, **facts))
        return renamed

    def _bytes(self, tx: Connection) -> Sealed:
        key, found = submissions.blob_key_of(tx, self.found.tracking_id), self.found
        if key is None or found.size is None or found.sha256 is None:
            raise _none_held(found.place, found.name)  # forgotten meanwhile
        if listings.is_damaged(tx, key):
            raise Unavailable("file's content")
        return Sealed(key, found.size, found.sha256)

    def _renamed(self, tx: Connection, now: datetime) -> Submission:
        if not submissions.rename(tx, self.found.tracking_id, self.new_name, now):
            raise _none_held(self.found.place, self.found.name)
        return replace(self.found, name=self.new_name, updated_at=now)


def replace_held(tx: Connection, tools: Tools, actor: Actor, place: Place, name: FileName) -> None:
    """Abandon what an actor holds under a name that it gives to something newer."""
    older = submissions.held_to_replace(tx, actor.principal_id, place, name)
    if older is None:
        return
    now = tools.clock.now()
    submissions.mark_abandoned(tx, older.tracking_id, REPLACED, older.bytes_seen, now)
    audit.add(tx, audited(tools, actor, "upload.abandoned", older, reason=REPLACED))


def _held_as(tx: Connection, actor: Actor, place: Place, name: FileName) -> Submission | None:
    return next(iter(submissions.held(tx, actor.principal_id, place, name)), None)


def _none_held(place: Place, name: str) -> NotFound:
    return NotFound(f"A held upload {place}/{name}", _HINT)
