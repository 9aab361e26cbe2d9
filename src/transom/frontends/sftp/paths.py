"""Paths: what an SFTP client calls organizations, applications, sub-spaces and files.

There is no disk behind them. A path is taken apart by its slashes, "." and ".." are resolved in the
text, and each part is parsed as the name that its level has; nothing else can come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transom.domain.errors import BadName, NotFound
from transom.domain.names import (
    FileName,
    Place,
    parse_application,
    parse_file_name,
    parse_org,
    parse_sub_space,
    parse_upload_name,
)

_LEVELS = ("organization", "application", "sub-space", "file")
_FILE_LEVEL = len(_LEVELS)


@dataclass(frozen=True, slots=True)
class Path:
    """A path, resolved: its parts from the root, not parsed yet."""

    parts: tuple[str, ...]

    @classmethod
    def read(cls, raw: bytes) -> Path:
        """Read a path; one that does not begin with a slash counts from the root too.

        Raises:
            BadName: it is no UTF-8, or holds a control character.
        """
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise BadName("", "The path is not UTF-8. Set the client to UTF-8.") from None
        if not text.isprintable():
            raise BadName(text, "The path holds a control character. Take it out.")
        parts: list[str] = []
        for part in text.split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return cls(tuple(parts))

    def __str__(self) -> str:
        return "/" + "/".join(self.parts)

    @property
    def name(self) -> str:
        """Its last part; "" of the root."""
        return self.parts[-1] if self.parts else ""

    @property
    def is_file(self) -> bool:
        """Whether it is where files are: below a sub-space."""
        return len(self.parts) == _FILE_LEVEL

    def organization(self) -> str:
        """Its organization. Raises NotFound: there is none of such a name."""
        return self._parsed(parse_org, 0)

    def application(self) -> str:
        """Its application. Raises NotFound: there is none of such a name."""
        return self._parsed(parse_application, 1)

    def place(self) -> Place:
        """The sub-space that it is, or that its file is in.

        Raises:
            NotFound: a part could not be the name of what is there.
        """
        parts = (self.organization(), self.application(), self._parsed(parse_sub_space, 2))
        return Place.parse("/".join(parts))

    def file_name(self) -> FileName:
        """The name of a file that may exist. Raises NotFound: no file has such a name."""
        return FileName(self._parsed(parse_file_name, 3))

    def upload_name(self) -> FileName:
        """The name of a file to be submitted. Raises BadName: it breaks the rule, with a hint."""
        return parse_upload_name(self.name)

    def _parsed(self, parse: Callable[[str], str], level: int) -> str:
        try:
            return parse(self.parts[level])
        except (BadName, IndexError):
            raise NotFound(str(self), "Check the spelling, and which folders you have.") from None
