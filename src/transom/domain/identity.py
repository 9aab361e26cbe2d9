"""Organizations, principals, secrets and keys, and the rule that closes an account to guessing.

The rule is decisions.md section 5: failures count per name and source; five in an hour close that
pair, with growing waits; twenty from unknown sources in an hour close the name to unknown sources.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Self

from transom.domain.entitlement import PrincipalKind
from transom.domain.errors import BadParameter
from transom.domain.space import OrgKind

SECRET_PREFIX = "trs_"  # noqa: S105 - a public mark of our generated secrets, not a secret
SECRET_BYTES = 32

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_DIGITS = 43  # 256 bits in base 62
_CHECK_DIGITS = 6  # CRC-32 in base 62
_GENERATED = re.compile(
    f"{SECRET_PREFIX}([{_DIGITS}]{{{_BODY_DIGITS}}})([{_DIGITS}]{{{_CHECK_DIGITS}}})"
)


@dataclass(frozen=True, slots=True)
class Organization:
    """A firm, designating authority or service provider. The id is text: leading zeros matter.

    `networks` are in CIDR notation: from where its accounts may come, beside their own networks.
    """

    id: str
    name: str
    kind: OrgKind
    active: bool = True
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """A doer of things. The name may change, the id never does.

    `epoch` goes up whenever every grant of the principal must die: it was stopped, or revoked, or
    its secret changed. `networks` are in CIDR notation, IPv4 or IPv6; `org_networks` are those of
    its home organization.
    """

    id: str
    kind: PrincipalKind
    name: str
    home_org: str
    active: bool = True
    ends_at: datetime | None = None
    networks: tuple[str, ...] = ()
    unwrap_forms: bool = True
    epoch: int = 0
    org_networks: tuple[str, ...] = ()

    def may_act(self, now: datetime) -> bool:
        """Whether the principal is active and has not come to its end date."""
        return self.active and (self.ends_at is None or now < self.ends_at)

    def allows(self, source: str) -> bool:
        """Whether a request may come from this address: both lists must allow it.

        A list without a network allows any.
        """
        lists = (self.networks, self.org_networks)
        return all(within(source, listed) for listed in lists if listed)

    def lists(self, source: str) -> bool:
        """Whether this address is allowed because it is listed, and not because nothing is."""
        return bool(self.networks or self.org_networks) and self.allows(source)


class SecretKind(StrEnum):
    """How a secret is checked: a keyed hash for generated ones, argon2id for chosen ones."""

    GENERATED = "generated"
    CHOSEN = "chosen"


def format_secret(raw: bytes) -> str:
    """A generated secret: "trs_", 43 base-62 digits of SECRET_BYTES random ones, 6 of checksum."""
    body = _base62(int.from_bytes(raw), _BODY_DIGITS)
    return SECRET_PREFIX + body + _check_digits(body)


def is_generated(secret: str) -> bool:
    """Whether a text has the form of a generated secret, checksum included.

    Says nothing about whose it is: it decides only which check runs (decisions.md section 5).
    """
    found = _GENERATED.fullmatch(secret)
    return found is not None and found[2] == _check_digits(found[1])


def _check_digits(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_DIGITS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


def within(source: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of these networks (CIDR); an unreadable address does not."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ipaddress.ip_network(each) for each in networks)


def source_key(source: str) -> str:
    """What counts as one source when failures are counted: an IPv4 address, or an IPv6 /64."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def network_key(source: str) -> str:
    """The network around a source that one attacker may well have whole: an IPv4 /24, an IPv6 /48.

    What is no address is a network of its own.
    """
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    address = getattr(address, "ipv4_mapped", None) or address
    bits = 24 if isinstance(address, ipaddress.IPv4Address) else 48
    return str(ipaddress.ip_network((address, bits), strict=False))


# --- public keys ---------------------------------------------------------------------------------

RSA_BITS = range(2048, 16385)

_ED25519_BYTES = 32
_POINTS = MappingProxyType({"nistp256": 65, "nistp384": 97, "nistp521": 133})  # uncompressed
_UNCOMPRESSED = 4
_LENGTH_BYTES = 4
_KEY_FORM = "write it as one line: algorithm, key in base 64, comment"
_SHOWN_ALGORITHM = 64
_OLD_FORM = "-----BEGIN"
_PUTTY_FORM = "---- BEGIN"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An SSH public key: the name of its algorithm, such as "ssh-ed25519", and its blob (RFC 4253).

    Made of what a client offers it may be anything; check() tells, and parse() has checked.
    """

    algorithm: str
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line of a .pub file: algorithm, key in base 64, and perhaps a comment.

        Raises:
            BadParameter: it is no such line, or not a key that may be used here.
        """
        line = line.strip()
        if line.startswith(_OLD_FORM):
            raise _bad_key("this is a private key; keep it to yourself, and give its .pub file")
        if line.startswith(_PUTTY_FORM):
            raise _bad_key("write it in the form of OpenSSH; ssh-keygen -i -f FILE converts it")
        if len(line.splitlines()) != 1:
            raise _bad_key("give one key, on one line")
        algorithm, *rest = line.split(None, 2)
        if algorithm not in _SHAPES:
            raise _bad_algorithm(algorithm)
        try:
            blob = base64.b64decode("".join(rest[:1]), validate=True)
        except (binascii.Error, ValueError) as wrong:
            raise _bad_key(_KEY_FORM) from wrong
        key = cls(algorithm, blob)
        key.check()
        return key

    @property
    def fingerprint(self) -> str:
        """The digest of the blob as ssh-keygen -l prints it: "SHA256:" and base 64."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest())
        return f"SHA256:{digest.rstrip(b'=').decode()}"

    def check(self) -> None:
        """Return quietly when an account may sign in with a key like this.

        Raises:
            BadParameter: another algorithm (certificates included), too weak, or malformed.
        """
        if self.algorithm not in _SHAPES:
            raise _bad_algorithm(self.algorithm)
        name, *parts = _strings(self.blob)
        if name != self.algorithm.encode():
            raise _bad_key("its first word and the key itself name different algorithms")
        _SHAPES[self.algorithm](parts)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A public key of an account, as the register keeps it. `last_used_at` is exact to the hour."""

    key: PublicKey
    label: str
    created_at: datetime
    ends_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens its account at this moment."""
        return self.ends_at is None or now < self.ends_at


def _bad_key(why: str) -> BadParameter:
    return BadParameter("key", why)


def _bad_algorithm(algorithm: str) -> BadParameter:
    shown = algorithm if algorithm.isprintable() and len(algorithm) <= _SHOWN_ALGORITHM else ""
    what = f"{shown} is not taken here" if shown else _KEY_FORM
    return _bad_key(f"{what}; keys may be {', '.join(_SHAPES)}")


def _strings(blob: bytes) -> list[bytes]:
    """The length-prefixed strings that a blob consists of; at least one."""
    found = []
    while blob:
        length = int.from_bytes(blob[:_LENGTH_BYTES])
        end = _LENGTH_BYTES + length
        if len(blob) < end:
            raise _bad_key("it is cut off, or is no key at all")
        found.append(blob[_LENGTH_BYTES:end])
        blob = blob[end:]
    return found or [b""]


def _require(sound: bool) -> None:  # noqa: FBT001 - an assertion, not an option
    if not sound:
        raise _bad_key("it is not well-formed; copy it again")


def _check_ed25519(parts: Sequence[bytes]) -> None:
    _require([len(each) for each in parts] == [_ED25519_BYTES])


def _check_ecdsa(curve: str, parts: Sequence[bytes]) -> None:
    _require(len(parts) == 2 and parts[0] == curve.encode())  # noqa: PLR2004 - curve and point
    point = parts[1]
    _require(len(point) == _POINTS[curve] and point[0] == _UNCOMPRESSED)


def _check_rsa(parts: Sequence[bytes]) -> None:
    _require(len(parts) == 2)  # noqa: PLR2004 - exponent and modulus
    exponent, modulus = (int.from_bytes(each, signed=True) for each in parts)
    _require(exponent > 1 and exponent % 2 == 1 and modulus > 0 and modulus % 2 == 1)
    if modulus.bit_length() not in RSA_BITS:
        raise _bad_key(
            f"an RSA key has {RSA_BITS.start} to {RSA_BITS.stop - 1} bits here, this one has "
            f"{modulus.bit_length()}"
        )


def _check_sk(check: Callable[[Sequence[bytes]], None], parts: Sequence[bytes]) -> None:
    """A security key's: the plain key, then the application that it is bound to."""
    _require(len(parts) > 1 and bool(parts[-1]))
    check(parts[:-1])


_SHAPES: Mapping[str, Callable[[Sequence[bytes]], None]] = MappingProxyType(
    {
        "ssh-ed25519": _check_ed25519,
        "ecdsa-sha2-nistp256": partial(_check_ecdsa, "nistp256"),
        "ecdsa-sha2-nistp384": partial(_check_ecdsa, "nistp384"),
        "ecdsa-sha2-nistp521": partial(_check_ecdsa, "nistp521"),
        "ssh-rsa": _check_rsa,
        "sk-ssh-ed25519@openssh.com": partial(_check_sk, _check_ed25519),
        "sk-ecdsa-sha2-nistp256@openssh.com": partial(_check_sk, partial(_check_ecdsa, "nistp256")),
    }
)
"""How the parts of a blob must look behind the name, by algorithm. What is not here is refused."""


# --- the lock-out rule ---------------------------------------------------------------------------

FAILURE_WINDOW = timedelta(hours=1)
FAILURES_PER_SOURCE = 5
FAILURES_FROM_UNKNOWN = 20
KNOWN_FOR = timedelta(days=30)
FRESH_FOR = timedelta(hours=1)
CLOSED_TO_UNKNOWN_FOR = timedelta(hours=1)
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
CLOSINGS_FORGOTTEN_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a name and a source stand with the lock-out rule, read before a secret is checked.

    `failures` and `unknown_failures` count the last hour, `closings` the times this pair was closed
    in the last day. `known` is a success in the last 30 days, or a network on the allow-list;
    `fresh` a success so recent that it need not be noted again.
    """

    known: bool = False
    fresh: bool = False
    failures: int = 0
    unknown_failures: int = 0
    closings: int = 0
    closed_until: datetime | None = None
    unknown_closed_until: datetime | None = None

    def is_closed(self, now: datetime) -> bool:
        """Whether even the right secret is refused now."""
        if self.closed_until is not None and now < self.closed_until:
            return True
        unknown = self.unknown_closed_until
        return not self.known and unknown is not None and now < unknown

    def wait_after_failure(self) -> timedelta | None:
        """How long one more failure closes this pair, or None when it does not yet."""
        if self.failures + 1 < FAILURES_PER_SOURCE:
            return None
        return WAITS[min(self.closings, len(WAITS) - 1)]

    def closes_to_unknown(self) -> bool:
        """Whether one more failure from an unknown source closes the name to unknown sources."""
        return not self.known and self.unknown_failures + 1 >= FAILURES_FROM_UNKNOWN
