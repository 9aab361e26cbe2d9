"""The words of mails, text messages and calls: short, without secrets but those they carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from transom.core.people.rules import Rules
from transom.domain.messages import Mail, TextMessage, VoiceCall
from transom.domain.people import Person
from transom.domain.said import Said, said

Translate = Callable[[str, str], str]
"""A sentence in the language of a code; in English where there is none of that code."""

_MONTHS = (
    *(said("Jan"), said("Feb"), said("Mar"), said("Apr"), said("May"), said("Jun")),
    *(said("Jul"), said("Aug"), said("Sep"), said("Oct"), said("Nov"), said("Dec")),
)


def _in_english(_code: str, text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes to people, in the operator's name and time zone and in one language."""

    rules: Rules
    zone: ZoneInfo
    translate: Translate = _in_english
    language: str = ""

    def in_language(self, code: str) -> Letters:
        """The same in another language."""
        return replace(self, language=code)

    def invitation(
        self, person: Person, link: str, ends_at: datetime, by: str, mail_id: str
    ) -> Mail:
        """The invitation, with its link."""
        title = self.rules.title
        return self._mail(
            person,
            mail_id,
            said("Set up your access to %(title)s", title=title),
            [
                said(
                    "%(by)s has invited you to %(title)s, as %(role)s of %(org_name)s (%(org)s). "
                    "Your user name is %(email)s.",
                    by=by,
                    title=title,
                    role=person.role.words,
                    org_name=person.org_name,
                    org=person.org,
                    email=person.email,
                ),
                said(
                    "Open this link and choose Start. It works once, until %(moment)s.",
                    moment=self._moment(ends_at),
                ),
                f"{self.rules.url}/invitation/{link}",
                said(
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
            said("%(title)s: %(what)s", title=self.rules.title, what=what),
            [
                said("%(what)s.", what=what),
                said(
                    "When: %(moment)s. From: %(source)s.",
                    moment=self._moment(at),
                    source=source or said("the operator"),
                ),
                said(
                    "If this was you, all is well. If not, sign in, end the other sessions "
                    "and change your password, and tell your administrator."
                ),
                f"{self.rules.url}/account",
            ],
        )

    def code(self, number: str, code: str) -> TextMessage:
        """A code by text message. The last line lets browsers fill it in on our page only."""
        words = said(
            "%(code)s is your %(title)s code. Nobody from us will ask you for it.",
            code=code,
            title=self.rules.title,
        )
        return TextMessage(number, f"{self._told(words)}\n\n@{self.rules.host} #{code}")

    def spoken_code(self, number: str, code: str) -> VoiceCall:
        """A code by voice call, digit by digit."""
        digits = ", ".join(code)
        words = said("Your %(title)s code is: %(digits)s.", title=self.rules.title, digits=digits)
        return VoiceCall(number, self._told(words), self.language)

    def number_removed(self, number: str) -> TextMessage:
        """What the old number is told when it stops being a factor."""
        words = said(
            "This number no longer signs you in to %(title)s. If that was not you, act now.",
            title=self.rules.title,
        )
        return TextMessage(number, self._told(words))

    def _moment(self, at: datetime) -> Said:
        local = at.astimezone(self.zone)
        return said(
            "%(month)s %(day)d, %(year)d, %(time)s",
            month=_MONTHS[local.month - 1],
            day=local.day,
            year=local.year,
            time=f"{local:%H:%M %Z}",
        )

    def _told(self, text: str) -> str:
        return self.translate(self.language, text)

    def _mail(self, person: Person, mail_id: str, subject: str, body: Sequence[str]) -> Mail:
        hello = said("Hello %(name)s,", name=person.name)
        title, paragraphs = self._told(subject), [self._told(each) for each in (hello, *body)]
        text = "\n\n".join(paragraphs) + "\n"
        html = "\n".join(f'<p dir="auto">{self._html(each)}</p>' for each in paragraphs)
        page = (
            f'<!doctype html><html lang="{self.language or "en"}"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title></head><body>\n{html}\n</body></html>\n"
        )
        return Mail(person.email, title, text, page, mail_id)

    def _html(self, paragraph: str) -> str:
        shown = escape(paragraph)
        if paragraph.startswith(f"{self.rules.url}/"):
            return f'<a href="{shown}">{shown}</a>'
        return shown
