"""The language of a request: what the reader wants, else English.

Templates and modules say their texts in English through `gettext`; the reader's language is known
to the task that serves the request. The catalogues stand in `locale/`; `scripts/translate` looks
after them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import GNUTranslations, NullTranslations
from importlib import resources

from transom.domain.errors import ExchangeError
from transom.domain.said import Said

_MAX_HEADER = 200
_MAX_WISHES = 10


@dataclass(frozen=True, slots=True)
class Language:
    """A language: how it is called in itself, which way it runs, how it writes numbers and times.

    `least_grouped` is the number of digits from which on they are grouped.
    """

    code: str
    name: str
    direction: str = "ltr"
    decimal: str = "."
    group: str = ","
    least_grouped: int = 4
    has_half_days: bool = True
    catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False)

    def gettext(self, text: str) -> str:
        """A text in this language."""
        # The catalogue has its own head under "".
        return self.catalogue.gettext(text) if text else ""

    def translated(self, text: str) -> str:
        """A sentence of the core in this language, with everything that stands in it."""
        if not isinstance(text, Said):
            return self.gettext(text)
        words = self.gettext(text.template)
        return (
            words % {name: self._value(each) for name, each in text.values.items()}
            if (text.values)
            else words
        )

    def _value(self, value: object) -> object:
        return self.translated(value) if isinstance(value, Said) else value


def _catalogue(code: str) -> NullTranslations:
    file = resources.files(__package__) / "locale" / code / "LC_MESSAGES" / "portal.mo"
    with file.open("rb") as stream:
        return GNUTranslations(stream)


ENGLISH = Language("en", "English")
LANGUAGES: dict[str, Language] = {
    "en": ENGLISH,
    "es": Language(
        "es",
        "Español",
        decimal=",",
        group=".",
        least_grouped=5,
        has_half_days=False,
        catalogue=_catalogue("es"),
    ),
}
"""Every language there is, by its code, in the order in which readers are offered them."""

_PRESENT: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def present() -> Language:
    """The language of the task that runs now."""
    return _PRESENT.get()


def settle(chosen: str, accepted: str = "") -> str:
    """Speak what was chosen, else what the browser accepts, else English; returns its code."""
    wanted = (chosen, *_wishes(accepted))
    found = next((LANGUAGES[code] for code in wanted if code in LANGUAGES), ENGLISH)
    _PRESENT.set(found)
    return found.code


def _wishes(accepted: str) -> Iterator[str]:
    """The languages of an Accept-Language header, the most wanted first."""
    weighed: list[tuple[float, int, str]] = []
    for each in accepted[:_MAX_HEADER].split(",")[:_MAX_WISHES]:
        tag, _, weight = each.partition(";")
        code = tag.strip().partition("-")[0].lower()
        weighed.append((-_weight(weight), len(weighed), code))
    return (code for weight, _, code in sorted(weighed) if weight < 0)


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if not name:
        return 1.0
    try:
        found = float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
    return found if 0 <= found <= 1 else 0.0


def in_language(code: str, text: str) -> str:
    """A sentence of the core for somebody who is not there: in English where `code` is none."""
    return LANGUAGES.get(code, ENGLISH).translated(text)


def translated(text: str) -> str:
    """A sentence of the core in the reader's language."""
    return present().translated(text)


def told_of(error: ExchangeError) -> str:
    """What an error says, in the reader's language."""
    return translated(error.said)


def gettext_plain(text: str) -> str:
    """A text in the reader's language, its %(name)s as they are: for templates."""
    return present().gettext(text)


def ngettext_plain(one: str, many: str, number: int) -> str:
    """A text about so many things, its %(name)s as they are: for templates."""
    return present().catalogue.ngettext(one, many, number)


def gettext(text: str, **values: object) -> str:
    """A text in the reader's language; `values` stand for its %(name)s."""
    found = present().gettext(text)
    return found % values if values else found


def ngettext(one: str, many: str, number: int, **values: object) -> str:
    """A text about so many things; `values` and %(num)d stand in it."""
    found = present().catalogue.ngettext(one, many, number)
    return found % {"num": number, **values}


def marked(text: str) -> str:
    """Mark a text of a table for translation; gettext() translates it where it is used."""
    return text
