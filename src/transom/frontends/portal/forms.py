"""Reading forms: bounded, each field once, no control characters; problems beside the field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.types import Receive, Scope

from transom.domain.errors import BadParameter, TooLarge
from transom.domain.said import said
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import translated
from transom.frontends.requests import header, small_body

_MAX_BODY = 64 * 1024
_MAX_FIELDS = 60
_MEDIA_TYPE = "application/x-www-form-urlencoded"

Raw = Mapping[str, Sequence[str]]


async def read(scope: Scope, receive: Receive) -> Raw:
    """The fields of a form, as they were sent.

    Raises:
        BadParameter: it is no form, or cannot be read.
        TooLarge: it is longer than any form of ours.
    """
    if header(scope, "content-type").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise BadParameter("form", said("send it as the page does"))
    declared = header(scope, "content-length")
    if declared.isdigit() and int(declared) > _MAX_BODY:
        raise TooLarge(_MAX_BODY)
    body = await small_body(receive, _MAX_BODY)
    try:
        return parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as wrong:  # not ASCII, not UTF-8 once decoded, too many fields
        raise BadParameter("form", said("it cannot be read")) from wrong


@dataclass(slots=True)
class Answers:
    """The fields of one form, checked one by one; what is wrong is kept by field.

    `ask` is the sentence that stands beside a field where nothing was entered or chosen.
    `values` are for the form shown again; secrets are never among them.
    """

    raw: Raw = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, ask: str, limit: int, *, optional: bool = False) -> str:
        """A line of text without blanks around it; "" when something is wrong with it."""
        value = self._one(name, ask, limit, optional=optional).strip()
        self.values[name] = value
        if not value and not optional and name not in self.problems:
            self.problem(name, ask)
        return value

    def secret(self, name: str, ask: str, limit: int) -> str:
        """A password or code, exactly as typed; never shown again."""
        return self._one(name, ask, limit, optional=False)

    def code(self, name: str, ask: str, limit: int) -> str:
        """A code that people type with blanks and dashes; "" when something is wrong with it."""
        typed = self._one(name, ask, limit, optional=False)
        code = "".join(each for each in typed if each not in " -\u00a0")
        if typed and not code:
            self.problem(name, ask)
        return code

    def chosen(self, name: str, ask: str, options: Iterable[str]) -> str:
        """One of these options; "" when it is none."""
        value = self._one(name, ask, _MAX_BODY, optional=True)
        if value not in options:
            self.problem(name, ask)
            return ""
        self.values[name] = value
        return value

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        ticked = self.raw.get(name, ()) == ["yes"]
        self.values[name] = "yes" if ticked else ""
        return ticked

    def problem(self, name: str, sentence: str) -> None:
        """Note what is wrong with a field; the first thing counts."""
        self.problems.setdefault(name, sentence)

    @property
    def fine(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self.problems

    def _one(self, name: str, ask: str, limit: int, *, optional: bool) -> str:
        found = self.raw.get(name, ())
        value = found[0] if found else ""
        if len(found) > 1:
            self.problem(name, _("This was sent twice. Enter it once."))
        elif not value and not optional:
            self.problem(name, ask)
        elif len(value) > limit:
            told = _("This is %(length)d characters long, the limit is %(limit)d.")
            self.problem(name, told % {"length": len(value), "limit": limit})
        elif not _is_writable(value):
            self.problem(name, _("This holds characters that cannot be typed. Type it by hand."))
        else:
            return value
        return ""


def _is_writable(value: str) -> bool:
    # Cc: controls, NUL and line feeds among them; Cs: lone surrogates; Cf that turns the reading
    # direction around would let a name pose as another in what administrators read.
    return not any(
        unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} or each in _TURNERS for each in value
    )


_TURNERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def sentence(why: str) -> str:
    """The reason of a refusal, as it stands beside a field."""
    words = translated(why)
    return f"{words[:1].upper()}{words[1:].removesuffix('.')}."
