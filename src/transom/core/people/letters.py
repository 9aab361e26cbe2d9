"""The words of mails, text messages and calls: short, without secrets but those they carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from transom.core.people.rules import Rules
from transom.domain.messages import Mail, TextMessage, VoiceCall
from transom.domain.people import Person


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes to people, in the operator's name and time zone."""

    rules: Rules
    zone: ZoneInfo

    def invitation(
        self, person: Person, link: str, ends_at: datetime, by: str, mail_id: str
    ) -> Mail:
        """The invitation, with its link."""
        title = self.rules.title
        return self._mail(
            person,
            mail_id,
            f"Set up your access to {title}",
            [
                (
                    f"{by} has invited you to {title}, as {person.role.words} of "
                    f"{person.org_name} ({person.org}). Your user name is {person.email}."
                ),
                f"Open this link and choose Start. It works once, until {self._told(ends_at)}.",
                f"{self.rules.url}/invitation/{link}",
                (
                    "You will choose a password and set up a second factor: have your phone or "
                    "security key at hand. If you did not expect this mail, do nothing."
                ),
            ],
        )

    def notice(self, person: Person, mail_id: str, what: str, at: datetime, source: str) -> Mail:
        """A change, or a sign-in on a new device: what happened, when and from where."""
        return self._mail(
            person,
            mail_id,
            f"{self.rules.title}: {what}",
            [
                f"{what}.",
                f"When: {self._told(at)}. From: {source or 'the operator'}.",
                (
                    "If this was you, all is well. If not, sign in, end the other sessions "
                    "and change your password, and tell your administrator."
                ),
                f"{self.rules.url}/account",
            ],
        )

    def code(self, number: str, code: str) -> TextMessage:
        """A code by text message. The last line lets browsers fill it in on our page only."""
        words = f"{code} is your {self.rules.title} code. Nobody from us will ask you for it."
        return TextMessage(number, f"{words}\n\n@{self.rules.host} #{code}")

    def spoken_code(self, number: str, code: str) -> VoiceCall:
        """A code by voice call, digit by digit."""
        digits = ", ".join(code)
        return VoiceCall(number, f"Your {self.rules.title} code is: {digits}.")

    def number_removed(self, number: str) -> TextMessage:
        """What the old number is told when it stops being a factor."""
        words = "This number no longer signs you in to"
        return TextMessage(number, f"{words} {self.rules.title}. If that was not you, act now.")

    def _told(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{local:%B} {local.day}, {local:%Y}, {local:%H:%M %Z}"

    def _mail(self, person: Person, mail_id: str, subject: str, body: Sequence[str]) -> Mail:
        paragraphs = [f"Hello {person.name},", *body]
        text = "\n\n".join(paragraphs) + "\n"
        html = "\n".join(f"<p>{self._html(each)}</p>" for each in paragraphs)
        page = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(subject)}</title></head><body>\n{html}\n</body></html>\n"
        )
        return Mail(person.email, subject, text, page, mail_id)

    def _html(self, paragraph: str) -> str:
        shown = escape(paragraph)
        if paragraph.startswith(f"{self.rules.url}/"):
            return f'<a href="{shown}">{shown}</a>'
        return shown
