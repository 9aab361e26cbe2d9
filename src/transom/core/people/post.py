"""Messages to people: written in the transaction of what they tell of, sent right afterwards.

A message that cannot be sent now is tried again with growing waits, until it would be of no use.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from transom.core.people.vault import Broken, Vault
from transom.domain.errors import Unavailable
from transom.domain.messages import Mail, Message, TextMessage, VoiceCall
from transom.ports import Clock, Entropy, Messenger, Undeliverable
from transom.records import outbox, people
from transom.records.database import Database
from transom.records.outbox import Waiting

_PURPOSE = "outbox"
_KINDS = {"Mail": Mail, "TextMessage": TextMessage, "VoiceCall": VoiceCall}
_MAIL_LIFE = timedelta(hours=24)
_CODE_LIFE = timedelta(minutes=5)
_CLAIMED_FOR = timedelta(minutes=1)
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 300, 900))
_AT_ONCE = 20

_log = logging.getLogger(__name__)


class Post:
    """Takes messages in a transaction and hands them to a messenger."""

    def __init__(
        self, identity: Database, messenger: Messenger, vault: Vault, clock: Clock, entropy: Entropy
    ) -> None:
        self._identity = identity
        self._messenger = messenger
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self.rung = threading.Event()
        """Set whenever something may wait; whoever delivers clears it."""

    @property
    def can_call(self) -> bool:
        """Whether codes can go by phone."""
        return self._messenger.can_call()

    def add(self, tx: Connection, message: Message, invitation_id: str = "") -> None:
        """Let a message be sent once this transaction is committed; ring() then."""
        now = self._clock.now()
        life = _MAIL_LIFE if isinstance(message, Mail) else _CODE_LIFE
        kind = type(message).__name__
        waiting = Waiting(
            self._entropy.uuid(),
            kind,
            self._vault.seal(_PURPOSE, asdict(message)),
            invitation_id,
            now,
            now,
            now + life,
        )
        outbox.add(tx, waiting)

    def ring(self) -> None:
        """Say that something was committed."""
        self.rung.set()

    def deliver(self) -> int:
        """Send what is due; returns how many messages went.

        Raises:
            Unavailable: the database does not answer.
        """
        self.rung.clear()
        with self._identity.reading() as tx:
            due = outbox.due(tx, self._clock.now(), _AT_ONCE)
        return sum(self._deliver(each) for each in due)

    def _deliver(self, waiting: Waiting) -> bool:
        now = self._clock.now()
        with self._identity.transaction() as tx:
            if not outbox.claim(tx, waiting, now + _CLAIMED_FOR):
                return False
        try:
            self._messenger.send(self._opened(waiting))
        except (Undeliverable, Broken) as failure:
            self._give_up(waiting, str(failure) or "it cannot be read any more")
            return False
        except Unavailable as failure:
            self._put_off(waiting, now, failure.message)
            return False
        with self._identity.transaction() as tx:
            outbox.done(tx, waiting.id)
        return True

    def _opened(self, waiting: Waiting) -> Message:
        facts: dict[str, Any] = self._vault.open(_PURPOSE, waiting.sealed)
        message: Message = _KINDS[waiting.kind](**facts)
        return message

    def _put_off(self, waiting: Waiting, now: datetime, why: str) -> None:
        next_at = now + _WAITS[min(waiting.tries, len(_WAITS) - 1)]
        if next_at >= waiting.ends_at:
            self._give_up(waiting, "it could not be sent in time")
            return
        _log.warning("message put off", extra={"kind": waiting.kind, "why": why})
        with self._identity.transaction() as tx:
            outbox.put_off(tx, waiting.id, next_at)

    def _give_up(self, waiting: Waiting, why: str) -> None:
        _log.warning("message not sent", extra={"kind": waiting.kind, "why": why})
        with self._identity.transaction() as tx:
            outbox.done(tx, waiting.id)
            if waiting.invitation_id:
                people.note_bounce(tx, waiting.invitation_id, why)
