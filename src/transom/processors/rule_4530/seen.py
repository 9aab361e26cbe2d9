"""The ids that a file has used so far, in 8 bytes each."""

from __future__ import annotations

import hashlib
from array import array

_FIRST_SLOTS = 1 << 10


class Seen:
    """Remembers texts by 64 bits of their hash, in an open-addressed table.

    A million texts take 16 MiB, five million 64, and half as much again while the table grows;
    Python's own set of the numbers would take four times that.
    Two different texts among two million are taken for the same with a chance of one in nine
    million.
    """

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * _FIRST_SLOTS
        self._count = 0

    def add(self, text: str) -> bool:
        """Remember a text; whether it is new."""
        mark = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) or 1
        slot = self._slot_of(mark)
        if self._slots[slot]:
            return False
        self._slots[slot] = mark
        self._count += 1
        if 4 * self._count > 3 * len(self._slots):
            self._grow()
        return True

    def _slot_of(self, mark: int) -> int:
        """Where a mark is, or would be."""
        slots = self._slots
        last = len(slots) - 1
        slot = mark & last
        while slots[slot] not in {0, mark}:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        before = self._slots
        self._slots = array("Q", [0]) * (2 * len(before))
        for mark in before:
            if mark:
                self._slots[self._slot_of(mark)] = mark
