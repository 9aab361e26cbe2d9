"""A body framed as an HTML form, and the exact proof that it is one.

The guide's own Python sample sends `requests.put(url, files={...})`, which wraps the file in a
multipart/form-data envelope although the header says octet-stream. Only when everything in
decisions.md section 4 holds is the envelope taken off; anything less is kept as sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEADER_BYTES = 4096

_OPENING = re.compile(
    rb"--(?P<boundary>[0-9a-fA-F]{32})\r\n"
    rb"[Cc]ontent-[Dd]isposition: form-data"
    rb"(?P<parameters>(?:; (?:file)?name=\"[^\"\r\n]*\"){1,2})\r\n"
    rb"\r\n"
)
_PARAMETER = re.compile(rb"; ([a-z]+)=\"([^\"]*)\"")
_MEDIA_TYPES = frozenset({"application/octet-stream", "multipart/form-data"})


@dataclass(frozen=True, slots=True)
class Opening:
    """The start of a framed body: its length in bytes, and the boundary to look for."""

    length: int
    boundary: bytes

    @property
    def closing(self) -> bytes:
        """The exact last bytes of a framed body."""
        return b"\r\n--" + self.boundary + b"--\r\n"


def may_be_framed(content_type: str) -> bool:
    """Whether a Content-Type leaves the question open: octet-stream or form-data."""
    return content_type.partition(";")[0].strip().lower() in _MEDIA_TYPES


def read_opening(start: bytes, file_name: str) -> Opening | None:
    """The opening of a framed body that carries this file, or None when it is not one.

    Args:
        start: the first bytes of the body, at least up to the first blank line.
        file_name: the name in the URL; `name` or `filename` of the part must equal it, and neither
            may be there twice.
    """
    found = _OPENING.match(start)
    if found is None:
        return None
    if found["boundary"] in found["parameters"]:
        return None
    pairs = _PARAMETER.findall(found["parameters"])
    named = dict(pairs)
    if len(named) < len(pairs) or file_name.encode() not in named.values():
        return None
    return Opening(found.end(), found["boundary"])
