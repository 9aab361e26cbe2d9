"""Sentences of the core: in English, and of what they are made, so that a front end can translate.

A sentence is a plain text to everybody who does not ask for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self


class Said(str):
    """An English text that knows its `template`, and the `values` of the template's %(name)s.

    A value may be a Said itself: the name of a state within a sentence, say.
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object]) -> Self:
        """Put the values in their places."""
        made = super().__new__(cls, template % values if values else template)
        made.template = template
        made.values = MappingProxyType(dict(values))
        return made


def said(template: str, **values: object) -> Said:
    """A sentence for people. `scripts/translate` finds it by this function's name."""
    return Said(template, values)
