"""What the exchange says to people: a mail, a text message, a voice call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with the same content as text and as HTML. `id` is unique, for its Message-ID."""

    to: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    id: str = ""


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message to a number in the form +15551230142."""

    to: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VoiceCall:
    """A call to a number in the form +15551230142, and the words that are spoken.

    `language` is the code of theirs; "" is English.
    """

    to: str
    words: str = field(repr=False)
    language: str = ""


Message = Mail | TextMessage | VoiceCall


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that the demo sent to its inbox, the newest with the highest number."""

    number: int
    at: datetime
    message: Message
