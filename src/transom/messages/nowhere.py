"""The messenger of an exchange without a mail server: nothing can be sent."""

from __future__ import annotations

from transom.domain.messages import Message
from transom.ports import Undeliverable


class Nowhere:
    """Refuses every message."""

    def can_call(self) -> bool:
        """It takes nothing."""
        return False

    def send(self, message: Message) -> None:  # noqa: ARG002 - the port's
        """Raises Undeliverable."""
        raise Undeliverable("no mail server is set")
