"""AES-GCM packets of ours, held against the library's own."""

from __future__ import annotations

import pytest
from asyncssh.encryption import GCMEncryption
from hypothesis import given
from hypothesis import strategies as st

from transom.frontends.sftp.ciphers import GcmPackets

KEYS = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)
NONCES = st.binary(min_size=12, max_size=12)
PACKETS = st.lists(st.binary(min_size=16, max_size=400), min_size=1, max_size=4)
LAST_COUNTER = b"\0\0\0\1" + b"\xff" * 8


def pair(key: bytes, nonce: bytes) -> tuple[GcmPackets, GCMEncryption]:
    name = f"aes{len(key) * 8}-gcm"
    theirs = GCMEncryption.new(name, key, nonce)
    assert isinstance(theirs, GCMEncryption)
    return GcmPackets.new(name, key, nonce), theirs


@given(KEYS, NONCES | st.just(LAST_COUNTER), PACKETS)
def test_what_we_send_is_byte_for_byte_what_the_library_would(
    key: bytes, nonce: bytes, packets: list[bytes]
) -> None:
    ours, theirs = pair(key, nonce)
    for seq, packet in enumerate(packets):
        header = len(packet).to_bytes(4)
        assert b"".join(ours.encrypt_packet(seq, header, packet)) == b"".join(
            theirs.encrypt_packet(seq, header, packet)
        )


@given(KEYS, NONCES | st.just(LAST_COUNTER), PACKETS)
def test_what_the_library_sends_is_read(key: bytes, nonce: bytes, packets: list[bytes]) -> None:
    ours, theirs = pair(key, nonce)
    for seq, packet in enumerate(packets):
        header = len(packet).to_bytes(4)
        body, tag = theirs.encrypt_packet(seq, header, packet)
        first, length = ours.decrypt_header(seq, body[:16], 4)
        assert length == header
        assert ours.decrypt_packet(seq, first, body[16:], 4, tag) == packet


@pytest.mark.parametrize("changed", [0, 3, 4, 20, -1])
def test_a_packet_that_somebody_changed_is_none(changed: int) -> None:
    ours, theirs = pair(bytes(16), bytes(12))
    body, tag = theirs.encrypt_packet(0, (32).to_bytes(4), bytes(32))
    sent = bytearray(body + tag)
    sent[changed] ^= 1
    assert (
        ours.decrypt_packet(0, bytes(sent[:16]), bytes(sent[16:-16]), 4, bytes(sent[-16:])) is None
    )
