"""Downloads: open a listing for reading, whole or by range."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from transom.core.tools import Tools
from transom.domain.entitlement import Action, Actor
from transom.domain.errors import NotFound, StorageFull, Unavailable
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.permission import require
from transom.ports import BlobReader
from transom.records import audit, listings
from transom.records.audit import Entry

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """A file being read: what is listed, and the bytes. Close the reader when done."""

    listing: Listing
    reader: BlobReader


class Downloads:
    """Finds files and opens them."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def find(self, actor: Actor, place: Place, name: FileName) -> Listing:
        """The newest file of this name at a place.

        Raises:
            NotEntitled: the actor may not download there, or there is no such place.
            NotFound: no such file, or it has ended.
            Unavailable
        """
        require(actor, Action.DOWNLOAD, place)
        with self._tools.database.reading() as tx:
            found = listings.newest(tx, place, name, self._tools.clock.now())
        if found is None:
            raise NotFound(f"{place}/{name}")
        return found

    def listed(self, actor: Actor, place: Place, listing_id: str) -> Listing:
        """One listing by its id, as a grant names it.

        Raises:
            NotEntitled, NotFound, Unavailable: as find().
        """
        require(actor, Action.DOWNLOAD, place)
        with self._tools.database.reading() as tx:
            found = listings.live(tx, listing_id, self._tools.clock.now())
        if found is None or found.place != place:
            raise NotFound(str(place))
        return found

    def open(
        self, actor: Actor, listing: Listing, start: int = 0, length: int | None = None
    ) -> Download:
        """Open a listing that find() or listed() gave, from start (bytes), for length bytes.

        What is open goes on to its end, even when the listing ends meanwhile.

        Raises:
            NotEntitled: the actor may not download there.
            Unavailable: the bytes are damaged or cannot be read; they are not served.
        """
        require(actor, Action.DOWNLOAD, listing.place)
        what = f"{listing.place}/{listing.name}"
        with self._tools.database.reading() as tx:
            if listings.is_damaged(tx, listing.blob_key):
                raise Unavailable("file's content")
        entry = self._tools.entry(
            actor, "download.started", what, listing.tracking_id, start=start, length=length
        )
        self._note(entry, listing)
        try:
            reader = self._tools.blobs.open(listing.blob_key, start, length)
        except NotFound as gone:
            raise Unavailable("file's content") from gone
        return Download(listing, reader)

    def _note(self, entry: Entry, listing: Listing) -> None:
        """Audit a download. A full disk must not stop downloads: the log then keeps the entry."""
        try:
            with self._tools.database.transaction() as tx:
                audit.add(tx, entry)
                if listing.fetched_at is None:
                    listings.note_fetched(tx, listing.id, entry.at)
        except StorageFull:
            _log.error("audit entry not written: no room", extra={"entry": str(entry)})
