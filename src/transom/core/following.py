"""A digest that follows the parts of an upload while others of them still arrive.

It is kept in memory: after a restart, or in another process, it begins anew, which costs time when
the upload is completed and nothing else.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from transom.ports import BlobStore

MAX_FOLLOWED = 256
"""More uploads than so many at once, and the one not looked at for longest begins anew."""

_PIECE_BYTES = 1 << 20


class Followers:
    """One follower for each upload in parts."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._lock = threading.Lock()
        self._followers: OrderedDict[str, Follower] = OrderedDict()

    def of(self, tracking_id: str) -> Follower:
        """The follower of an upload; a new one at the beginning where there is none."""
        with self._lock:
            found = self._followers.pop(tracking_id, None) or Follower(self._blobs)
            self._followers[tracking_id] = found
            if len(self._followers) > MAX_FOLLOWED:
                self._followers.popitem(last=False)
            return found

    def forget(self, tracking_id: str) -> None:
        """The upload has come to its end."""
        with self._lock:
            self._followers.pop(tracking_id, None)


class Follower:
    """SHA-256 of the parts of one upload, in order, as far as it has come.

    `busy` is held while it reads. What it has read it knows by name, so that a part which was sent
    anew is noticed.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self.busy = threading.Lock()
        self.count = 0
        self._blobs = blobs
        self._content = hashlib.sha256()
        self._names = hashlib.sha256()

    def take(self, keys: Iterable[str]) -> None:
        """Read on through these parts. Hold `busy`.

        Raises:
            NotFound: one was deleted meanwhile; the digest begins anew.
            Unavailable: the same.
        """
        try:
            for key in keys:
                self._read(key)
        except BaseException:
            self._begin_anew()
            raise

    def whole(self, keys: Sequence[str]) -> str:
        """The digest of exactly these parts, as 64 hexadecimal digits. Hold `busy`.

        Raises:
            NotFound, Unavailable: as take().
        """
        if self._names.digest() != _named(keys[: self.count]):
            self._begin_anew()
        self.take(keys[self.count :])
        return self._content.hexdigest()

    def _read(self, key: str) -> None:
        reader = self._blobs.open(key)
        try:
            while data := reader.read(_PIECE_BYTES):
                self._content.update(data)
        finally:
            reader.close()
        self._names.update(key.encode())
        self.count += 1

    def _begin_anew(self) -> None:
        self.count, self._content, self._names = 0, hashlib.sha256(), hashlib.sha256()


def _named(keys: Iterable[str]) -> bytes:
    """What stands for these keys in this order; all keys are equally long."""
    return hashlib.sha256("".join(keys).encode()).digest()
