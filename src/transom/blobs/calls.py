"""The calls on which durability hangs, and what their failures mean to the exchange."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from transom.domain.errors import StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class DiskCalls:
    """The calls on which durability hangs. A test puts a failing or a dying one in their place."""

    pwrite: Callable[[int, memoryview, int], int] = os.pwrite
    pread: Callable[[int, int, int], bytes] = os.pread
    fdatasync: Callable[[int], None] = os.fdatasync
    fsync: Callable[[int], None] = os.fsync
    link: Callable[..., None] = os.link
    unlink: Callable[..., None] = os.unlink
    rename: Callable[..., None] = os.rename


REAL_CALLS: Final = DiskCalls()


def refusal(failure: BaseException) -> Unavailable:
    """What a failure of the disk means to whoever asked."""
    full = isinstance(failure, OSError) and failure.errno in FULL
    return StorageFull() if full else Unavailable("storage")


@contextmanager
def translated() -> Iterator[None]:
    """Failures of the disk come out of this block as the exchange's own."""
    try:
        yield
    except OSError as failure:
        raise refusal(failure) from failure


@contextmanager
def directory(name: str | Path, parent: int | None = None) -> Iterator[int]:
    """A directory's descriptor, for the block; never through a symbolic link."""
    descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
