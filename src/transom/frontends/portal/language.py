"""The language of a request: what the reader wants, else English.

Templates and modules say their texts in English through `gettext`; the reader's language is known
to the task that serves the request.
"""

from __future__ import annotations

from contextvars import ContextVar
from gettext import NullTranslations

ENGLISH = NullTranslations()
PRESENT: ContextVar[NullTranslations] = ContextVar("language", default=ENGLISH)


def gettext_plain(text: str) -> str:
    """A text in the reader's language, its %(name)s as they are: for templates."""
    return PRESENT.get().gettext(text)


def ngettext_plain(one: str, many: str, number: int) -> str:
    """A text about so many things, its %(name)s as they are: for templates."""
    return PRESENT.get().ngettext(one, many, number)


def gettext(text: str, **values: object) -> str:
    """A text in the reader's language; `values` stand for its %(name)s."""
    found = PRESENT.get().gettext(text)
    return found % values if values else found


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """A text about so many things; `values` and %(num)d stand in it."""
    found = PRESENT.get().ngettext(one, many, number)
    return found % {"num": number, **values}


def marked(text: str) -> str:
    """Mark a text of a table for translation; gettext() translates it where it is used."""
    return text
