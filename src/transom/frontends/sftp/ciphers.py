"""AES-GCM packets (RFC 5647) with fewer copies than the library makes.

The library builds a cipher anew for every packet and copies it four times on its way. Its table of
ciphers is open: install() puts this class where its own stands. Keys, nonces and what is authentic
are as in the RFC; the tests hold both against each other.
"""

from __future__ import annotations

from functools import cache

from asyncssh.encryption import Encryption, register_encryption_alg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NAMES = {b"aes128-gcm@openssh.com": "aes128-gcm", b"aes256-gcm@openssh.com": "aes256-gcm"}
_TAG_BYTES = 16
_COUNTERS = 1 << 64


class GcmPackets(Encryption):
    """One direction of a connection, under one key."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._cipher = AESGCM(key)
        self._fixed = iv[:4]
        self._counter = int.from_bytes(iv[4:])

    @classmethod
    def new(
        cls,
        cipher_name: str,  # noqa: ARG003 - the key's length tells
        key: bytes,
        iv: bytes,
        mac_alg: bytes = b"",  # noqa: ARG003 - it authenticates by itself
        mac_key: bytes = b"",  # noqa: ARG003
        etm: bool = False,  # noqa: ARG003, FBT001, FBT002 - as the library calls it
    ) -> GcmPackets:
        """As the library makes one."""
        return cls(key, iv)

    @classmethod
    def needs_mac(cls) -> bool:
        """No."""
        return False

    @classmethod
    def get_mac_params(cls, mac_alg: bytes) -> tuple[int, int, bool]:  # noqa: ARG003
        """Bytes of a key for the MAC, bytes of the tag, and that the length stays readable."""
        return 0, _TAG_BYTES, True

    def encrypt_packet(self, seq: int, header: bytes, packet: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002
        """What to send: the length as it is, then the packet and its tag."""
        return header + self._cipher.encrypt(self._nonce(), packet, header), b""

    def decrypt_header(self, seq: int, first_block: bytes, header_len: int) -> tuple[bytes, bytes]:  # noqa: ARG002
        """The block as it is, and the length."""
        return first_block, first_block[:header_len]

    def decrypt_packet(
        self,
        seq: int,  # noqa: ARG002
        first: bytes,
        rest: bytes,
        header_len: int,
        mac: bytes,
    ) -> bytes | None:
        """What was sent, or None when somebody has changed it."""
        sent = b"".join((memoryview(first)[header_len:], rest, mac))
        try:
            return self._cipher.decrypt(self._nonce(), sent, first[:header_len])
        except InvalidTag:
            return None

    def _nonce(self) -> bytes:
        """The next one: no two packets under one key share it."""
        counter, self._counter = self._counter, (self._counter + 1) % _COUNTERS
        return self._fixed + counter.to_bytes(8)


@cache
def install() -> None:
    """Let the library use this class from now on, in the whole process. May be called twice."""
    for name, cipher in _NAMES.items():
        register_encryption_alg(name, GcmPackets, cipher, default=False)
