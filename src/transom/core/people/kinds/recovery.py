"""Recovery codes: ten, made at enrolment, each good once."""

from __future__ import annotations

import base64

from sqlalchemy import Connection

from transom.core.people.kit import Kit
from transom.domain.errors import FactorRejected
from transom.domain.people import RECOVERY_CODES
from transom.records import people

FACTOR_ID = "recovery"
_PURPOSE = "recovery-code"
_BYTES = 10  # 80 bits: no guess hits, so a keyed hash will do
_GROUP = 4
_LENGTH = 16


class RecoveryCodes:
    """Makes and uses up a person's recovery codes."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def make(self, tx: Connection, principal_id: str) -> tuple[str, ...]:
        """Fresh codes, in place of those before; kept as keyed hashes only."""
        texts = [
            base64.b32encode(self._kit.entropy.secret(_BYTES)).decode().lower()
            for _ in range(RECOVERY_CODES)
        ]
        digests = [self._digests(principal_id, each)[0] for each in texts]
        people.set_codes(tx, principal_id, digests, self._kit.vault.key_id)
        people.set_facts(tx, principal_id, codes_at=self._kit.clock.now())
        return tuple(
            "-".join(text[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for text in texts
        )

    def verify(self, tx: Connection, principal_id: str, answer: str) -> None:
        """Use a code up.

        Raises:
            FactorRejected
        """
        code = "".join(each for each in answer.lower() if each.isalnum())
        digests = self._digests(principal_id, code)
        if people.use_code(tx, principal_id, digests, self._kit.clock.now()):
            return
        raise FactorRejected("used" if people.has_used_code(tx, principal_id, digests) else "wrong")

    def _digests(self, principal_id: str, code: str) -> list[str]:
        return self._kit.vault.digests(_PURPOSE, f"{principal_id}:{code}")
