"""The sealed audit record: one sealer chains what is committed; whoever has the key verifies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from transom.core.keyring import KeyRing, ServerKey
from transom.domain.errors import WrongState
from transom.records import audit
from transom.records.audit import Entry, Seal
from transom.records.database import Database

BATCH = 1000
LATE_COMMITS = 10_000
"""How far behind the newest id an entry may still be committed on PostgreSQL and be sealed at once;
the first pass of each process looks at everything."""

_PURPOSE = "audit-seal"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: links checked, entries not sealed yet, every fault, and the head.

    `head` is the newest seal; noted elsewhere with `checked`, its number, verify() takes it.
    """

    checked: int
    unsealed: int
    faults: tuple[str, ...]
    head: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether nothing was changed, removed or put between."""
        return not self.faults


class ChainCut(WrongState):
    """Links of the audit chain that were there are gone, or others stand in their place.

    An operator's matter: nothing is sealed any more until he has looked who wrote to the database.
    """

    code = "audit_chain_cut"

    def __init__(self, link: int) -> None:
        super().__init__("The audit chain", f"cut at or before link {link}", "whole")
        self.link = link


class Sealer:
    """Seals and verifies the audit trail of one database."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._searched_all = False
        self._head: Seal | None = None

    def seal(self) -> int:
        """Chain every committed entry that has no seal yet; returns how many.

        Two sealers at once are harmless: one waits for the other. The head of the chain goes to the
        log each time it has grown: kept elsewhere, it proves later that nothing was cut off.

        Raises:
            ChainCut: links that this sealer has seen are gone or others; it seals no more.
            Unavailable: nothing was sealed in this batch; the next call goes on.
        """
        sealed = 0
        while True:
            with self._database.transaction() as tx:
                last = audit.last_seal(tx)
                self._require_head(tx)
                after = 0
                if last is not None and self._searched_all:
                    after = max(0, last.audit_id - LATE_COMMITS)
                entries = audit.unsealed(tx, after, BATCH)
                links = self._chain(last, entries)
                audit.add_seals(tx, links)
            self._head = links[-1] if links else last
            sealed += len(entries)
            if len(entries) < BATCH:
                self._searched_all = True
                self._tell(sealed)
                return sealed

    def _require_head(self, tx: Connection) -> None:
        """Sealing anew over links that were cut off would make a forged record look sound."""
        head = self._head
        if head is not None and audit.seal_at(tx, head.sequence) != head:
            raise ChainCut(head.sequence)

    def _tell(self, sealed: int) -> None:
        if sealed and self._head is not None:
            facts = {"link": self._head.sequence, "seal": self._head.seal}
            _log.info("audit sealed", extra=facts)

    def _chain(self, last: Seal | None, entries: list[Entry]) -> list[Seal]:
        key = self._keys.current
        sequence, before = (last.sequence, last.seal) if last else (0, "")
        seals = []
        for entry in entries:
            sequence += 1
            before = _link(key, sequence, before, entry)
            seals.append(Seal(sequence, entry.id, key.id, before))
        return seals

    def verify(self, expected: Sequence[tuple[int, str]] = ()) -> Verdict:
        """Walk the whole chain.

        Args:
            expected: links noted earlier and elsewhere, as numbers and seals. The chain by itself
                cannot show that its newest links were cut off and made anew by the server.

        Raises:
            Unavailable
        """
        faults: list[str] = []
        sequence, before = 0, ""
        with self._database.reading() as tx:
            while links := audit.sealed_after(tx, sequence, BATCH):
                for link, entry in links:
                    faults += self._faults(link, entry, sequence, before)
                    sequence, before = link.sequence, link.seal
            unsealed = audit.count_unsealed(tx)
            for number, seal in expected:
                found = audit.seal_at(tx, number)
                if found is None or found.seal != seal:
                    faults.append(f"link {number} is not the one noted elsewhere")
        return Verdict(sequence, unsealed, tuple(faults), before)

    def _faults(self, link: Seal, entry: Entry | None, sequence: int, before: str) -> list[str]:
        if link.sequence != sequence + 1:
            return [f"links {sequence + 1} to {link.sequence - 1} are missing"]
        if entry is None:
            return [f"entry {link.audit_id}, sealed as link {link.sequence}, is missing"]
        key = self._keys.find(link.key_id)
        if key is None:
            return [
                f"link {link.sequence} was made with key {link.key_id}, which is not on the ring"
            ]
        if _link(key, link.sequence, before, entry) != link.seal:
            return [f"entry {entry.id}, sealed as link {link.sequence}, was changed"]
        return []


def _link(key: ServerKey, sequence: int, before: str, entry: Entry) -> str:
    return key.mac(_PURPOSE, f"{sequence}:{before}:".encode() + entry.canonical())
