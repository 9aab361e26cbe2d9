"""Publishing: a result file goes out, to one organization or many, all at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from transom.core.checksums import Algorithm, Checksums
from transom.core.tools import Tools, is_tracking_id
from transom.domain import archive
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter, NotFound, TooLarge, WrongState
from transom.domain.listing import Listing
from transom.domain.names import FileName, OrgId, Place
from transom.domain.permission import require_process
from transom.domain.space import Direction, SubSpace
from transom.ports import Sealed
from transom.records import audit, identities, listings, spaces, submissions
from transom.records.database import Database
from transom.records.submissions import Remembered

MAX_ORGS = 500


@dataclass(frozen=True, slots=True)
class Result:
    """A file to be published: where, to whom, and what it answers.

    `about` is the tracking id of the submission that it answers, or "". With a key the same result
    may be published again, and is there once. `sha256`, 32 bytes, is verified when stated.
    """

    application: str
    sub_space: str
    name: FileName
    orgs: tuple[OrgId, ...]
    about: str = ""
    key: str = ""
    sha256: bytes | None = None


class Publishing:
    """What an application's account may bring out."""

    def __init__(self, tools: Tools, identity: Database) -> None:
        self._tools = tools
        self._identity = identity

    def begin(self, actor: Actor, result: Result) -> Publication:
        """Begin to publish a file into an outbound sub-space.

        In an open set the sub-space is opened by the first file.

        Raises:
            NotEntitled: the actor does not speak for this application.
            NotFound: no such organization, outbound sub-space, or submission to answer.
            BadParameter: no organization, too many, or none of them sent what is answered.
            StorageFull, Unavailable
        """
        require_process(actor, result.application)
        if not 1 <= len(result.orgs) <= MAX_ORGS:
            raise BadParameter("org", f"from 1 to {MAX_ORGS} organizations")
        self._require_orgs(result)
        return Publication(self._tools, actor, result, self._target(actor, result))

    def _target(self, actor: Actor, result: Result) -> _Target:
        with self._tools.database.reading() as tx:
            application = spaces.catalogue(tx).applications.get(result.application)
            answered = _answered(tx, actor, result) if result.about else ""
        named = application.sub_spaces.get(result.sub_space) if application else None
        space = named or (application.opened(result.sub_space) if application else None)
        if space is None or space.direction is not Direction.OUTBOUND:
            raise NotFound(f"Outbound sub-space {result.application}/{result.sub_space}")
        return _Target(space, answered, opens=named is None)

    def _require_orgs(self, result: Result) -> None:
        with self._identity.reading() as tx:
            known = identities.kinds(tx, list(result.orgs))
        for org in result.orgs:
            if org not in known:
                raise NotFound(f"Organization {org}")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a result goes, and which organization's submission it answers ("" for none)."""

    space: SubSpace
    answered: str
    opens: bool


def _answered(tx: Connection, actor: Actor, result: Result) -> OrgId:
    """The organization whose submission a result answers."""
    about = result.about
    found = submissions.find(tx, about) if is_tracking_id(about) else None
    if found is None or found.place.application not in actor.rights.processes:
        raise NotFound(f"Submission {about[:64]}")
    if found.place.application != result.application or found.place.org not in result.orgs:
        raise BadParameter("about", "it is of another application, or of none of these org")
    return found.place.org


class Publication:
    """One result file on its way out. It ends in commit() or it never happened.

    Use it as a context manager: leaving the block without commit() throws the bytes away.
    """

    def __init__(self, tools: Tools, actor: Actor, result: Result, target: _Target) -> None:
        self._tools = tools
        self._actor = actor
        self._result = result
        self._target = target
        self._stated = Checksums({Algorithm.SHA256: result.sha256} if result.sha256 else {})
        self._staged = tools.blobs.stage()

    @property
    def size(self) -> int:
        """How many bytes it took."""
        return self._staged.size

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: the file would exceed the exchange's limit.
            StorageFull, Unavailable: nothing will be published.
        """
        limit = self._tools.keeping.max_file_bytes
        if limit is not None and self.size + len(data) > limit:
            raise TooLarge(limit)
        self._stated.update(data)
        self._staged.write(self._staged.size, data)

    def flush(self) -> None:
        """Push what was taken towards the disk. Promises nothing."""
        self._staged.flush()

    def commit(self) -> list[Listing]:
        """List the file for every organization, all at once; one listing for each.

        Raises:
            DigestMismatch: the bytes are not those that were stated; nothing was published.
            WrongState: the key was used for something else; nothing was published.
            StorageFull, Unavailable: nothing was published, or, when the database failed at the
                very end, it cannot be told; with a key it may be repeated.
        """
        self._stated.verify()
        sealed = self._staged.seal_as(self._tools.entropy.blob_key())
        own = self._tools.entropy.uuid()
        with self._tools.database.transaction() as tx:
            publication = self._first(tx, sealed, own)
            wanted = self._listings(sealed, publication)
            if publication == own:
                self._write_records(tx, sealed, wanted)
            else:
                found = listings.with_ids(tx, [each.id for each in wanted])
        if publication == own:
            return wanted
        self._tools.blobs.delete(sealed.key)  # the bytes of the first are listed, not these
        return [found.get(each.id, each) for each in wanted]

    def _first(self, tx: Connection, sealed: Sealed, own: str) -> str:
        """The id of the first publication under the key: this one's own, or an earlier one's."""
        result, tools = self._result, self._tools
        if not result.key:
            return own
        orgs = ",".join(sorted(result.orgs))
        path = f"{result.application}/{result.sub_space}/{result.name}"
        request = f"PUBLISH {path} {orgs} {result.about} {sealed.sha256}"
        mine = Remembered(request, own, tools.clock.wall())
        principal = self._actor.principal_id
        if submissions.remember(tx, principal, result.key, mine):
            return own
        first = submissions.remembered(tx, principal, result.key)
        if first is None or first.request != request:
            raise WrongState("This Idempotency-Key", "used for another file", "new")
        return first.tracking_id

    def _listings(self, sealed: Sealed, publication: str) -> list[Listing]:
        result, keeping, now = self._result, self._tools.keeping, self._tools.clock.now()
        days = self._target.space.retention_days
        return [
            Listing(
                id=str(uuid.uuid5(uuid.UUID(publication), org)),
                direction=Direction.OUTBOUND,
                place=Place(org, result.application, result.sub_space),
                name=result.name,
                blob_key=sealed.key,
                size=sealed.size,
                sha256=sealed.sha256,
                tracking_id=result.about if org == self._target.answered else "",
                listed_at=now,
                ends_at=None if days is None else archive.ends_after(now, days, keeping.zone),
            )
            for org in dict.fromkeys(result.orgs)
        ]

    def _write_records(self, tx: Connection, sealed: Sealed, wanted: Sequence[Listing]) -> None:
        """The commit point, one transaction."""
        now = wanted[0].listed_at
        listings.add_blob(tx, sealed, now)
        facts = {"sha256": sealed.sha256, "size": sealed.size}
        for listing in wanted:
            place = listing.place
            if self._target.opens:
                spaces.open_space(tx, place.org, place.application, place.sub_space, now)
            listings.add(tx, listing)
            what = f"{place}/{listing.name}"
            entry = self._tools.entry(
                self._actor, "handoff.published", what, listing.tracking_id, **facts
            )
            audit.add(tx, entry)

    def close(self) -> None:
        """Throw away what was not committed. May be called twice."""
        self._staged.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
