"""Uploads in parts without a protocol around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from world import Account, place_and_name

from transom.core.assembly import Completed, Expected, Named
from transom.core.multipart import Agreed, Multiparts, Target
from transom.domain.parts import Part
from transom.domain.submission import AccessMethod, Client

S3 = Client(AccessMethod.S3)


class Program(Protocol):
    """What has uploads in parts: an exchange, or a program beside it."""

    @property
    def multiparts(self) -> Multiparts: ...


@dataclass
class InParts:
    """One upload of an account; each act may be done by a program of its own."""

    firm: Account
    target: Target
    sent: dict[int, Part] = field(default_factory=dict)

    @classmethod
    def begun(cls, program: Program, firm: Account, path: str) -> InParts:
        place, name = place_and_name(path)
        submission = program.multiparts.begin(firm.actor, place, name, S3, Agreed())
        return cls(firm, Target(submission.tracking_id, place, name))

    def send(self, program: Program, number: int, content: bytes) -> Part:
        incoming = program.multiparts.receive(self.firm.actor, self.target, number)
        try:
            incoming.feed(content)
            self.sent[number] = incoming.commit({})
        finally:
            incoming.close()
        return self.sent[number]

    @property
    def named(self) -> Sequence[Named]:
        return [Named(number, self.sent[number].sha256) for number in sorted(self.sent)]

    def complete(self, program: Program) -> Completed:
        return program.multiparts.complete(self.firm.actor, self.target, self.named, Expected())
