"""Organizations, principals, their secrets, and the rule that closes an account to guessing.

The rule is decisions.md section 5: failures count per name and source; five in an hour close that
pair, with growing waits; twenty from unknown sources in an hour close the name to unknown sources.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from transom.domain.entitlement import PrincipalKind
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
    """A firm, designating authority or service provider. The id is text: leading zeros matter."""

    id: str
    name: str
    kind: OrgKind
    active: bool = True


@dataclass(frozen=True, slots=True)
class Principal:
    """A doer of things. The name may change, the id never does.

    `epoch` goes up whenever every grant of the principal must die: it was stopped, or revoked, or
    its secret changed. `networks` are in CIDR notation, IPv4 or IPv6.
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

    def may_act(self, now: datetime) -> bool:
        """Whether the principal is active and has not come to its end date."""
        return self.active and (self.ends_at is None or now < self.ends_at)

    def allows(self, source: str) -> bool:
        """Whether a request may come from this address: any, when no network is listed."""
        return not self.networks or within(source, self.networks)


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
