"""Text inside XML: the document stays well-formed whatever a name or a header holds."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"
_REFERENCES = {"\r": "&#13;"}  # written as itself, a reader would take it for a line feed


def text(value: str) -> str:
    """What stands for value between two tags.

    Characters that XML 1.0 cannot hold (controls, surrogates) become U+FFFD.
    """
    return escape(_ILLEGAL.sub(_REPLACEMENT, value), _REFERENCES)
