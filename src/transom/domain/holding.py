"""Which uploads are held: those that a client sends under a temporary name and renames when done.

WinSCP, FileZilla, rclone and lftp do so. A held upload is whole and kept, but nobody's yet: the
rename is what submits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

SUFFIXES: Final = (".filepart", ".partial")
"""What WinSCP and rclone put behind a name until the file is whole."""

HOLD_LIFE = timedelta(hours=24)
"""What is not renamed for so long is abandoned."""


def is_temporary(name: str, suffixes: Sequence[str] = SUFFIXES) -> bool:
    """Whether a name ends in one of these suffixes. An empty suffix makes no name temporary."""
    return any(suffix and name.endswith(suffix) for suffix in suffixes)
