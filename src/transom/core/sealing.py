"""The sealed audit record: one sealer chains what is committed; whoever has the key verifies."""

from __future__ import annotations

from dataclasses import dataclass

from transom.core.keyring import KeyRing, ServerKey
from transom.records import audit
from transom.records.audit import Entry, Seal
from transom.records.database import Database

BATCH = 1000
LATE_COMMITS = 10_000
"""How far behind the newest id an entry may still be committed on PostgreSQL and be sealed at once;
the first pass of each process looks at everything."""

_PURPOSE = "audit-seal"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: links checked, entries not sealed yet, and every fault in words."""

    checked: int
    unsealed: int
    faults: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was changed, removed or put between."""
        return not self.faults


class Sealer:
    """Seals and verifies the audit trail of one database."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._searched_all = False

    def seal(self) -> int:
        """Chain every committed entry that has no seal yet; returns how many.

        Two sealers at once are harmless: one waits for the other or gives up its batch.

        Raises:
            Unavailable: nothing was sealed in this batch; the next call goes on.
        """
        sealed = 0
        while True:
            with self._database.transaction() as tx:
                last = audit.last_seal(tx)
                after = 0
                if last is not None and self._searched_all:
                    after = max(0, last.audit_id - LATE_COMMITS)
                entries = audit.unsealed(tx, after, BATCH)
                if entries:
                    audit.add_seals(tx, self._chain(last, entries))
            sealed += len(entries)
            if len(entries) < BATCH:
                self._searched_all = True
                return sealed

    def _chain(self, last: Seal | None, entries: list[Entry]) -> list[Seal]:
        key = self._keys.current
        sequence, before = (last.sequence, last.seal) if last else (0, "")
        seals = []
        for entry in entries:
            sequence += 1
            before = _link(key, sequence, before, entry)
            seals.append(Seal(sequence, entry.id, key.id, before))
        return seals

    def verify(self) -> Verdict:
        """Walk the whole chain.

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
        return Verdict(sequence, unsealed, tuple(faults))

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
