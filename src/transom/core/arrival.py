"""The commit point: bytes that are whole become a received submission, all at once.

An upload comes here when it is closed, a held one when it is renamed. See
docs/explained/architecture.md for the crash rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from transom.core.tools import Tools
from transom.domain import archive
from transom.domain.entitlement import Actor
from transom.domain.listing import Listing
from transom.domain.names import ARCHIVE_SUFFIX
from transom.domain.space import Direction, Emptied, SubSpace
from transom.domain.submission import Framing, State, Submission
from transom.ports import Sealed
from transom.records import audit, leases, listings, submissions
from transom.records.audit import Entry
from transom.records.submissions import Receipt


@dataclass(frozen=True, slots=True)
class Arrival:
    """Sealed bytes at their place: by whom, of which submission, when.

    `framing` tells what was taken off around the file.
    """

    tools: Tools
    actor: Actor
    space: SubSpace
    submission: Submission
    sealed: Sealed
    at: datetime
    framing: Framing | None = None

    def receive(self, tx: Connection, **facts: object) -> Submission | None:
        """Record, in the caller's transaction, everything that receiving means, but the blob.

        Returns:
            The submission, now received; None when it waits for no bytes any more: roll back.
        """
        submission, sealed = self.submission, self.sealed
        name = self._list(tx)
        receipt = Receipt(sealed.key, sealed.size, sealed.sha256, self.framing, name, self.at)
        if not submissions.mark_received(tx, submission.tracking_id, receipt):
            return None
        if not self.space.gate:
            leases.offer(tx, submission.tracking_id, submission.place, self.at)
        facts |= {"sha256": sealed.sha256, "size": sealed.size}
        if self.framing is not None:
            facts |= {"raw_sha256": self.framing.raw_sha256, "raw_size": self.framing.raw_size}
        entry = audited(self.tools, self.actor, "upload.received", submission, **facts)
        audit.add(tx, entry)
        return replace(
            submission,
            state=State.RECEIVED,
            submitted_at=self.at,
            updated_at=self.at,
            size=sealed.size,
            sha256=sealed.sha256,
            framing=self.framing,
            archive_name=name,
        )

    def _list(self, tx: Connection) -> str | None:
        """Show the file where this sub-space shows what it received; returns its archive name."""
        submission, keeping = self.submission, self.tools.keeping
        inbound = Listing(
            id=self.tools.entropy.uuid(),
            direction=Direction.INBOUND,
            place=submission.place,
            name=submission.name,
            blob_key=self.sealed.key,
            size=self.sealed.size,
            sha256=self.sealed.sha256,
            tracking_id=submission.tracking_id,
            listed_at=self.at,
        )
        if self.space.emptied is Emptied.LEASED:
            listings.add(tx, inbound)
        if not self.space.archived:
            return None
        archived = replace(
            inbound,
            id=self.tools.entropy.uuid(),
            direction=Direction.ARCHIVE,
            place=replace(submission.place, sub_space=self.space.name + ARCHIVE_SUFFIX),
            ends_at=archive.ends_after(self.at, keeping.archive_days, keeping.zone),
        )
        names = archive.archive_names(submission.name, self.at, keeping.zone)
        return listings.add_to_archive(tx, archived, names)


def audited(tools: Tools, actor: Actor, action: str, of: Submission, **facts: object) -> Entry:
    """An audit entry about a submission."""
    facts |= {"home_org": of.home_org, "method": of.client.method}
    return tools.entry(actor, action, f"{of.place}/{of.name}", of.tracking_id, **facts)
