"""What an upload in parts is completed with: the parts as named, checked, and joined into one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from transom.core.checksums import Algorithm, combined, composite
from transom.core.following import Followers
from transom.core.tools import Tools
from transom.domain.errors import BadParameter
from transom.domain.parts import MIN_PART_BYTES, Multipart, Part
from transom.domain.submission import Submission
from transom.ports import Sealed, Staged


class BadPart(BadParameter):
    """A part that is named is not there, or is not the one that is named."""

    code = "bad_part"

    def __init__(self, number: int) -> None:
        super().__init__(f"part {number}", "it was not received as it is named here")


class PartsOutOfOrder(BadParameter):
    """The parts are not named in ascending order."""

    code = "parts_out_of_order"

    def __init__(self) -> None:
        super().__init__("parts", "name them in ascending order, each once")


class PartTooSmall(BadParameter):
    """A part other than the last has less than 5 MiB."""

    code = "part_too_small"

    def __init__(self, number: int, size: int) -> None:
        super().__init__(
            f"part {number}", f"it has {size} bytes, and all but the last need {MIN_PART_BYTES}"
        )


@dataclass(frozen=True, slots=True)
class Named:
    """A part as its uploader names it at the end: number, SHA-256, and what else it stated."""

    number: int
    sha256_start: str
    digests: Mapping[Algorithm, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the client states of the file as a whole; what it leaves out is not compared."""

    size: int | None = None
    digests: Mapping[Algorithm, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completed:
    """A submission that came in parts, and the digest that stands for it, where there is one."""

    submission: Submission
    algorithm: Algorithm | None = None
    digest: bytes = b""
    full_object: bool = False
    parts: int = 0


class Joined(Staged):
    """Parts that are there, as bytes to be sealed in one piece."""

    def __init__(
        self, tools: Tools, followers: Followers, upload_id: str, chosen: Sequence[Part]
    ) -> None:
        self._tools = tools
        self._followers = followers
        self._upload_id = upload_id
        self._keys = [part.blob_key for part in chosen]
        self._size = sum(part.size for part in chosen)

    @property
    def size(self) -> int:
        """Bytes of all parts together."""
        return self._size

    def write(self, offset: int, data: bytes | memoryview) -> None:  # noqa: ARG002 - a port's names
        """Not possible any more."""
        raise ValueError("parts are written one by one")

    def first_gap(self) -> int | None:
        """Parts have no gaps between them."""
        return None

    def flush(self) -> None:
        """Every part is on the disk."""

    def seal_as(self, key: str) -> Sealed:
        """Join them under a key; they stay until they are deleted one by one.

        Raises:
            NotFound: one of them was deleted meanwhile.
            StorageFull, Unavailable: as Staged.
        """
        follower = self._followers.of(self._upload_id)
        with follower.busy:
            sha256 = follower.whole(self._keys)
        self._tools.blobs.join(key, self._keys)
        return Sealed(key, self._size, sha256)

    def discard(self) -> None:
        """The parts stay: the client may complete once more."""


def chosen_of(named: Sequence[Named], there: Mapping[int, Part]) -> list[Part]:
    """The parts that are named, when they are there as named.

    Raises:
        BadPart, PartsOutOfOrder, PartTooSmall
    """
    numbers = [each.number for each in named]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise PartsOutOfOrder
    chosen = [_as_named(each, there.get(each.number)) for each in named]
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise PartTooSmall(part.number, part.size)
    return chosen


def _as_named(named: Named, part: Part | None) -> Part:
    if part is None or not named.sha256_start or not part.sha256.startswith(named.sha256_start):
        raise BadPart(named.number)
    kept = {Algorithm(part.checksum): part.digest} if part.checksum else {}
    if any(kept.get(algorithm, digest) != digest for algorithm, digest in named.digests.items()):
        raise BadPart(named.number)
    return part


def name_of(named: Sequence[Named]) -> str:
    """What stands for these parts: two lists have the same name only when they are the same."""
    text = ",".join(f"{each.number}:{each.sha256_start}" for each in named)
    return hashlib.sha256(text.encode()).hexdigest()


def known_whole(algorithm: Algorithm, chosen: Sequence[Part]) -> bytes | None:
    """The digest of the whole, where those of its parts are enough to tell."""
    if any(part.checksum != algorithm for part in chosen):
        return None
    return combined(algorithm, ((part.digest, part.size) for part in chosen))


def described(received: Submission, agreed: Multipart, chosen: Sequence[Part]) -> Completed:
    """The answer: with a digest when every part was sent with one of the algorithm agreed on."""
    count, checksum = len(chosen), agreed.checksum
    if not checksum or any(part.checksum != checksum for part in chosen):
        return Completed(received, parts=count)
    algorithm = Algorithm(checksum)
    if agreed.full_object:
        digest = known_whole(algorithm, chosen) or b""
    else:
        digest = composite(algorithm, (part.digest for part in chosen))
    return Completed(received, algorithm, digest, agreed.full_object, count)
