"""Mail by SMTP, as text and HTML."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Literal

import aiosmtplib

from transom.domain.errors import Unavailable
from transom.domain.messages import Mail, Message
from transom.ports import Undeliverable

_SECONDS = 20
_PERMANENT = 500


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed in, and from whom it comes."""

    host: str
    port: int
    sender: str
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class SmtpMessenger:
    """Sends mails; one connection each."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    def can_call(self) -> bool:
        """Mail only."""
        return False

    def send(self, message: Message) -> None:
        """As ports.Messenger has it."""
        if not isinstance(message, Mail):
            raise Undeliverable("no gateway for text messages and calls is set")
        try:
            letter = written(message, self._server.sender)
        except ValueError as failure:  # a line break in a header line
            raise Undeliverable("its address or subject cannot stand in a mail") from failure
        try:
            asyncio.run(self._send(letter))
        except aiosmtplib.SMTPRecipientsRefused as refused:
            worst = max(refused.recipients, key=lambda each: each.code)
            raise _told(worst.code, worst.message) from refused
        except aiosmtplib.SMTPResponseException as refused:
            raise _told(refused.code, refused.message) from refused
        except (aiosmtplib.SMTPException, OSError) as failure:
            raise Unavailable("mail server") from failure

    async def _send(self, letter: EmailMessage) -> None:
        server = self._server
        await aiosmtplib.send(
            letter,
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            timeout=_SECONDS,
        )


def written(mail: Mail, sender: str) -> EmailMessage:
    """A mail as it is sent: header lines, text, and the same as HTML."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{mail.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _told(code: int, said: str) -> Undeliverable | Unavailable:
    """A refusal for good, or for now: those of 4xx pass."""
    if code < _PERMANENT:
        return Unavailable("mail server")
    line = " ".join(said.split())[:200]
    return Undeliverable(f"{code} {line}")
