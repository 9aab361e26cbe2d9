"""Digests that a sender states and we verify: Content-MD5 and the x-amz-checksum family.

SHA-256 of what we keep is computed elsewhere, always; these run only when the sender asks.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from awscrt import checksums as crt

from transom.domain.errors import BadParameter, DigestMismatch


class Algorithm(StrEnum):
    """What a digest is called in errors and on the wire."""

    MD5 = "md5"
    CRC32 = "crc32"
    CRC32C = "crc32c"
    CRC64NVME = "crc64nvme"
    SHA1 = "sha1"
    SHA256 = "sha256"


class _Running(Protocol):
    def update(self, data: bytes) -> object: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check that runs along; its digest is big-endian."""

    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step = step
        self._width = width
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width)


_START: Mapping[Algorithm, Callable[[], _Running]] = {
    Algorithm.MD5: lambda: hashlib.md5(usedforsecurity=False),
    Algorithm.SHA1: lambda: hashlib.sha1(usedforsecurity=False),
    Algorithm.SHA256: hashlib.sha256,
    Algorithm.CRC32: lambda: _Crc(zlib.crc32, 4),
    Algorithm.CRC32C: lambda: _Crc(crt.crc32c, 4),
    Algorithm.CRC64NVME: lambda: _Crc(crt.crc64nvme, 8),
}


_COMBINE: Mapping[Algorithm, Callable[[int, int, int], int]] = {
    Algorithm.CRC32: crt.combine_crc32,
    Algorithm.CRC32C: crt.combine_crc32c,
    Algorithm.CRC64NVME: crt.combine_crc64nvme,
}


def composite(algorithm: Algorithm, digests: Iterable[bytes]) -> bytes:
    """The digest of digests: what stands for a file of parts that were digested one by one."""
    running = _START[algorithm]()
    running.update(b"".join(digests))
    return running.digest()


def combined(algorithm: Algorithm, parts: Iterable[tuple[bytes, int]]) -> bytes | None:
    """The digest of a whole from the digest and size of each part; None where none follows."""
    if algorithm not in _COMBINE:
        return None
    whole, width = 0, len(_START[algorithm]().digest())
    for digest, size in parts:
        whole = _COMBINE[algorithm](whole, int.from_bytes(digest), size)
    return whole.to_bytes(width)


SIZES: Mapping[Algorithm, int] = {
    algorithm: len(start().digest()) for algorithm, start in _START.items()
}
"""How long a digest is, in bytes."""


class Checksums:
    """Follows a body as it arrives and compares at the end.

    `awaited` names a digest that is stated only behind the body, by expect().
    """

    def __init__(
        self, expected: Mapping[Algorithm, bytes], awaited: Algorithm | None = None
    ) -> None:
        self._expected: dict[Algorithm, bytes] = {}
        algorithms = [*expected] if awaited is None else [*expected, awaited]
        self._running = {algorithm: _START[algorithm]() for algorithm in algorithms}
        for algorithm, digest in expected.items():
            self.expect(algorithm, digest)

    def expect(self, algorithm: Algorithm, digest: bytes) -> None:
        """State a digest of those that are followed.

        Raises:
            BadParameter: it has the wrong length.
        """
        if len(digest) != SIZES[algorithm]:
            raise BadParameter(algorithm, "the digest has the wrong length")
        self._expected[algorithm] = digest

    def update(self, data: bytes) -> None:
        """Take the next bytes, in order."""
        for running in self._running.values():
            running.update(data)

    def verify(self) -> None:
        """Compare.

        Raises:
            DigestMismatch: names the first algorithm that differs, or was awaited in vain.
        """
        for algorithm, running in self._running.items():
            expected = self._expected.get(algorithm, b"")
            if not hmac.compare_digest(running.digest(), expected):
                raise DigestMismatch(algorithm)
