"""Names: organizations, applications, sub-spaces, files, and the places they make up.

Front ends turn raw text into these values once; past the door nobody checks a name again. The
character sets are the union of the guide's two lists (section 5.4.5 and FAQ 5); see
docs/decisions/0007-file-names.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType, Self

from transom.domain.errors import BadName
from transom.domain.said import said

OrgId = NewType("OrgId", str)
FileName = NewType("FileName", str)

ARCHIVE_SUFFIX = "_arcv"
ARCHIVE_SUFFIX_ALIAS = "_arvcv"  # the closing note of guide section 9 spells it so
ARCHIVE_PREFIX_BYTES = 18  # yyyymmddhh24missSSS and an underscore

STORED_NAME_BYTES = 255
UPLOAD_NAME_BYTES = STORED_NAME_BYTES - ARCHIVE_PREFIX_BYTES

_ORG = re.compile(r"[0-9]{1,20}")
_APPLICATION = re.compile(r"[A-Za-z0-9]{1,64}")
_SUB_SPACE = re.compile(rf"[A-Za-z0-9_]{{1,59}}(?:{ARCHIVE_SUFFIX})?")  # an archive's has 64
_FILE_CHARACTER = re.compile(r"[A-Za-z0-9:!@,&\-='_.]")
_ALLOWED = said("Use letters, digits and : ! @ , & - = ' _ .")
_SHOWN_IN_ERRORS = 60


def parse_org(text: str) -> OrgId:
    """Read an organization id such as "0001": digits, and leading zeros matter.

    Raises:
        BadName: anything else.
    """
    if not _ORG.fullmatch(text):
        raise BadName(text, "An organization id is 1 to 20 digits, like 0001.")
    return OrgId(text)


def parse_application(text: str) -> str:
    """Read an application's short name such as "crd": letters and digits, case-sensitive.

    Raises:
        BadName: anything else.
    """
    if not _APPLICATION.fullmatch(text):
        raise BadName(text, "An application name is 1 to 64 letters and digits, like crd.")
    return text


def parse_sub_space(text: str) -> str:
    """Read a sub-space name such as "in" or "finra_in"; the archive alias becomes "_arcv".

    Raises:
        BadName: anything else.
    """
    name = text
    if text.endswith(ARCHIVE_SUFFIX_ALIAS):
        name = text.removesuffix(ARCHIVE_SUFFIX_ALIAS) + ARCHIVE_SUFFIX
    if not _SUB_SPACE.fullmatch(name):
        raise BadName(text, "A sub-space name is 1 to 59 letters, digits and _, like finra_in.")
    return name


def parse_file_name(text: str) -> FileName:
    """Read the name of a file that exists or may exist; at most 255 bytes.

    Raises:
        BadName: says which character offends and proposes a name that would do.
    """
    return _file_name(text, STORED_NAME_BYTES)


def parse_upload_name(text: str) -> FileName:
    """Read the name of a file to be submitted; at most 237 bytes, so that its archive name fits.

    Raises:
        BadName: says which character offends and proposes a name that would do.
    """
    return _file_name(text, UPLOAD_NAME_BYTES)


def _file_name(text: str, limit: int) -> FileName:
    for character in text:
        if not _FILE_CHARACTER.fullmatch(character):
            raise BadName(
                text,
                said(
                    '"%(character)s" is not allowed in file names. %(allowed)s',
                    character=_visible(character),
                    allowed=_ALLOWED,
                ),
                character=_visible(character),
                suggestion=_suggestion(text),
            )
    if not text:
        raise BadName(text, said("The file name is empty. Give the file a name."))
    if text.endswith("."):
        raise BadName(
            text,
            said("A file name cannot end in a dot. Leave it out."),
            character=".",
            suggestion=_suggestion(text),
        )
    if len(text) > limit:
        raise BadName(
            text,
            said(
                "The file name is %(length)d bytes long, the limit is %(limit)d. "
                "Shorten it by %(excess)d.",
                length=len(text),
                limit=limit,
                excess=len(text) - limit,
            ),
        )
    return FileName(text)


def _visible(character: str) -> str:
    """The character as a person can tell it from its look-alikes: beyond ASCII with its number."""
    number = f"U+{ord(character):04X}"
    if not character.isprintable():
        return number
    return character if character.isascii() else f"{character} ({number})"


def _suggestion(text: str) -> str:
    kept = "".join(c for c in text if _FILE_CHARACTER.fullmatch(c)).rstrip(".")
    return kept if 0 < len(kept) <= _SHOWN_IN_ERRORS else ""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An organization's sub-space of an application: where a file is, without its name."""

    org: OrgId
    application: str
    sub_space: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "0001/crd/in"; slashes before and after it do not matter.

        Raises:
            BadName: it is not exactly three legal parts.
        """
        match text.strip("/").split("/"):
            case [org, application, sub_space]:
                return cls(
                    parse_org(org), parse_application(application), parse_sub_space(sub_space)
                )
            case _:
                raise BadName(text, "A place is organization/application/sub-space.")

    def __str__(self) -> str:
        return f"{self.org}/{self.application}/{self.sub_space}"
