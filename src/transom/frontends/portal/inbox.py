"""The demo's inbox: every mail, text message and call that it sent. `run` has no such page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from starlette.responses import Response

from transom.domain.messages import Mail, Message, SentMessage, TextMessage
from transom.frontends.portal.calls import Call
from transom.frontends.portal.route import ANYBODY, Route

PATH = "/sandbox/inbox"
_LINK = re.compile(r"https?://[^\s<>\"]+")
_KINDS = ("mail", "text", "call")


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, as the page shows it. `link` is the first of ours in it, as a path."""

    number: int
    at: datetime
    kind: str
    to: str
    subject: str
    text: str
    link: str


class Sent(Protocol):
    """What was sent."""

    def messages(self) -> Sequence[SentMessage]:
        """All that is still kept, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class InboxPage:
    """The page, over what was sent."""

    sent: Sent

    def route(self) -> Route:
        """What the demo adds to the pages of the portal."""
        return Route("GET", PATH, self.show, ANYBODY)

    async def show(self, call: Call) -> Response:
        """All messages, the newest first; `kind` leaves only those of one kind."""
        entries = [_entry(each, call) for each in self.sent.messages()]
        wanted = call.query.get("kind", "")
        counts = {kind: sum(1 for each in entries if each.kind == kind) for kind in _KINDS}
        if wanted in _KINDS:
            entries = [each for each in entries if each.kind == wanted]
        return call.page("inbox.html", entries=entries, kind=wanted, counts=counts)


def _entry(sent: SentMessage, call: Call) -> Entry:
    kind, subject, text = _words(sent.message)
    ours = (
        found.removeprefix(call.around.site.public_url)
        for found in _LINK.findall(text)
        if found.startswith(f"{call.around.site.public_url}/")
    )
    return Entry(sent.number, sent.at, kind, sent.message.to, subject, text, next(ours, ""))


def _words(message: Message) -> tuple[str, str, str]:
    if isinstance(message, Mail):
        return "mail", message.subject, message.text
    if isinstance(message, TextMessage):
        return "text", "", message.text
    return "call", "", message.words
