"""Crypto policies: which algorithms a listener speaks, as explicit lists, best first.

Never a library's own lists, which are wider (decisions.md section 6). Strict key exchange is always
offered, compression never; no Diffie-Hellman group is below 2048 bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asyncssh import kex_dh
from cryptography.utils import CryptographyDeprecationWarning

_LEAST_BITS = 2048


@dataclass(frozen=True, slots=True)
class Policy:
    """What one listener offers: names as in RFC 4253, in the order of our preference.

    `signatures` are what a client's key may sign with, `host_keys` what ours do.
    """

    name: str
    key_exchanges: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    host_keys: tuple[str, ...]
    signatures: tuple[str, ...]


_SIGNATURES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_HOST_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")

# AES-GCM costs half of AES-CTR with its MAC; chacha20 costs more than either, and is what OpenSSH
# would take first: so it is not offered. The plain MACs are for libssh2 before 1.11.
CURRENT = Policy(
    name="current",
    key_exchanges=(
        "mlkem768x25519-sha256",
        "mlkem768nistp256-sha256",
        "mlkem1024nistp384-sha384",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group-exchange-sha256",
    ),
    ciphers=(
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    ),
    macs=(
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    ),
    host_keys=_HOST_KEYS,
    signatures=_SIGNATURES,
)

# Guide 3.1, for clients of that year that cannot be changed; its "hmac-sha256" is read as
# hmac-sha2-256. What the guide is silent about, host keys and signatures, is as in `current`.
GUIDE_2022 = Policy(
    name="guide-2022",
    key_exchanges=("diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha1"),
    ciphers=("aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "aes192-cbc", "aes256-cbc"),
    macs=("hmac-sha2-256", "hmac-sha256@ssh.com", "hmac-sha1", "hmac-sha1-96"),
    host_keys=_HOST_KEYS,
    signatures=_SIGNATURES,
)

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {policy.name: policy for policy in (CURRENT, GUIDE_2022)}
)


def prepare_group_exchange() -> None:
    """Take the 1024-bit group out of what group exchange may choose, and let it go on quietly.

    The library chooses that group for a client that prefers, or allows, no more; there is no
    option. May be called again.
    """
    large = tuple(each for each in kex_dh._dh_gex_groups if each[0] >= _LEAST_BITS)  # noqa: SLF001
    setattr(kex_dh, "_dh_gex_groups", large)  # noqa: B010 - private; a test counts the bits
    _, kex_dh._group1_g, kex_dh._group1_p = large[0]  # noqa: SLF001 - its last resort
    # Or standard error tells of each group exchange that it will go one day. So it will.
    warnings.filterwarnings(
        "ignore", "Diffie-Hellman", CryptographyDeprecationWarning, r"asyncssh\.crypto\.dh"
    )
