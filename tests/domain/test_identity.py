"""Principals, the secrets we generate, where requests may come from, and the lock-out rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.entitlement import PrincipalKind
from transom.domain.identity import (
    FAILURES_FROM_UNKNOWN,
    FAILURES_PER_SOURCE,
    SECRET_BYTES,
    Organization,
    Principal,
    Standing,
    format_secret,
    is_generated,
    source_key,
    within,
)
from transom.domain.space import OrgKind

NOW = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RANDOM = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
ZERO = "trs_" + 43 * "0"


def principal(
    *, active: bool = True, ends_at: datetime | None = None, networks: tuple[str, ...] = ()
) -> Principal:
    kind = PrincipalKind.ACCOUNT
    return Principal(
        "p1", kind, "0001ftp01", "0001", active=active, ends_at=ends_at, networks=networks
    )


# --- who may act ---------------------------------------------------------------------------------


def test_organizations_with_the_same_number_are_told_apart_by_their_zeros() -> None:
    ids = ("1", "0001", "00001")

    assert len({Organization(each, "A firm", OrgKind.FIRM) for each in ids}) == 3


@pytest.mark.parametrize(
    ("active", "ends_at", "may_act"),
    [
        (True, None, True),
        (True, NOW + timedelta(microseconds=1), True),
        (True, NOW, False),
        (True, NOW - MINUTE, False),
        (False, None, False),
        (False, NOW + MINUTE, False),
    ],
)
def test_a_principal_acts_while_it_is_active_and_before_its_end(
    *, active: bool, ends_at: datetime | None, may_act: bool
) -> None:
    assert principal(active=active, ends_at=ends_at).may_act(NOW) is may_act


# --- generated secrets ---------------------------------------------------------------------------


@given(RANDOM)
def test_a_generated_secret_is_a_prefix_and_49_letters_and_digits(raw: bytes) -> None:
    secret = format_secret(raw)

    prefix, body = secret[:4], secret[4:]
    assert prefix == "trs_"
    assert len(body) == 49
    assert body.isascii()
    assert body.isalnum()


@given(RANDOM)
def test_a_generated_secret_is_recognised(raw: bytes) -> None:
    assert is_generated(format_secret(raw))


@given(RANDOM, RANDOM)
def test_no_bit_is_lost_on_the_way_into_a_secret(one: bytes, other: bytes) -> None:
    assert (format_secret(one) == format_secret(other)) == (one == other)


@pytest.mark.parametrize("raw", [bytes(32), b"\xff" * 32, b"\0" * 31 + b"\1"])
def test_the_least_and_the_greatest_numbers_have_the_same_form(raw: bytes) -> None:
    assert len(format_secret(raw)) == 53
    assert is_generated(format_secret(raw))


@given(RANDOM, st.integers(0, 52), st.sampled_from("0aZ_-~ \n\0\xe9\u0661"))
def test_a_secret_with_one_other_character_is_not_recognised(
    raw: bytes, position: int, character: str
) -> None:
    secret = format_secret(raw)
    altered = secret[:position] + character + secret[position + 1 :]

    assert is_generated(altered) is (altered == secret)


@given(RANDOM, st.integers(0, 52))
def test_a_secret_cut_short_or_followed_by_more_is_not_recognised(raw: bytes, kept: int) -> None:
    secret = format_secret(raw)

    assert not is_generated(secret[:kept])
    assert not is_generated(secret + secret[kept:] + "\n")


@given(st.text() | st.from_regex(r"trs_[0-9A-Za-z]{49}", fullmatch=True))
def test_what_people_choose_is_not_taken_for_a_generated_secret(chosen: str) -> None:
    assert not is_generated(chosen)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "trs_",
        ZERO,
        "TRS_" + format_secret(bytes(32))[4:],
        "trs_" + 43 * "~" + "4H0BXQ",  # the right checksum of what are no digits
        "trs_" + 43 * "\udc80" + "000000",
        format_secret(bytes(32)) + "\n",
        " " + format_secret(bytes(32)),
    ],
)
def test_nothing_else_is_taken_for_a_generated_secret(secret: str) -> None:
    assert not is_generated(secret)


# --- networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "networks", "inside"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24"], False),
        ("192.0.2.7", ["198.51.100.0/24", "192.0.2.7/32"], True),
        ("192.0.2.7", ["192.0.2.7"], True),
        ("192.0.2.7", [], False),
        ("192.0.2.7", ["2001:db8::/32"], False),
        ("2001:db8::7", ["2001:db8::/32"], True),
        ("2001:DB8:0:0::7", ["2001:db8::7/128"], True),
        ("2001:db9::7", ["2001:db8::/32"], False),
        ("2001:db8::7", ["0.0.0.0/0"], False),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),  # IPv4 that reached an IPv6 socket
        ("::ffff:192.0.3.7", ["192.0.2.0/24"], False),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("", ["0.0.0.0/0", "::/0"], False),
        ("unix", ["0.0.0.0/0", "::/0"], False),
        ("192.0.2.07", ["0.0.0.0/0"], False),  # octal or not: two readers would differ
        ("192.0.2.7 ", ["0.0.0.0/0"], False),
    ],
)
def test_an_address_lies_within_networks_or_does_not(
    source: str, networks: list[str], *, inside: bool
) -> None:
    assert within(source, networks) is inside


@pytest.mark.parametrize(
    ("source", "networks", "allowed"),
    [
        ("192.0.2.7", (), True),
        ("", (), True),
        ("192.0.2.7", ("192.0.2.0/24",), True),
        ("192.0.3.7", ("192.0.2.0/24",), False),
        ("", ("192.0.2.0/24",), False),
    ],
)
def test_a_principal_without_networks_is_allowed_from_anywhere(
    source: str, networks: tuple[str, ...], *, allowed: bool
) -> None:
    assert principal(networks=networks).allows(source) is allowed


@pytest.mark.parametrize(
    ("source", "own", "of_org", "allowed", "listed"),
    [
        ("192.0.2.7", (), (), True, False),
        ("192.0.2.7", ("192.0.2.0/24",), (), True, True),
        ("192.0.2.7", (), ("192.0.2.0/24",), True, True),
        ("192.0.2.7", ("192.0.2.0/24",), ("192.0.0.0/16",), True, True),
        ("192.0.2.7", ("192.0.2.0/24",), ("198.51.100.0/24",), False, False),
        ("192.0.2.7", ("198.51.100.0/24",), ("192.0.2.0/24",), False, False),
        ("", (), ("0.0.0.0/0",), False, False),
    ],
)
def test_the_account_s_networks_and_the_organization_s_must_both_allow(
    source: str, own: tuple[str, ...], of_org: tuple[str, ...], *, allowed: bool, listed: bool
) -> None:
    found = replace(principal(networks=own), org_networks=of_org)

    assert (found.allows(source), found.lists(source)) == (allowed, listed)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2:FFFF::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network_of_64_bits(source: str, key: str) -> None:
    assert source_key(source) == key


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_nobody_gets_a_second_count_by_moving_inside_a_64_bit_network(
    network: int, host: int, other: int
) -> None:
    here, there = (str(IPv6Address(network << 64 | part)) for part in (host, other))

    assert source_key(here) == source_key(there)


# --- the lock-out rule ---------------------------------------------------------------------------


@pytest.mark.parametrize("before", range(4))
def test_up_to_four_failures_in_an_hour_close_nothing(before: int) -> None:
    assert Standing(failures=before).wait_after_failure() is None


@pytest.mark.parametrize(
    ("closings", "minutes"), [(0, 1), (1, 5), (2, 15), (3, 60), (4, 60), (40, 60)]
)
def test_the_fifth_closes_name_and_source_for_longer_each_time(closings: int, minutes: int) -> None:
    standing = Standing(failures=4, closings=closings)

    assert standing.wait_after_failure() == minutes * MINUTE


def test_every_failure_after_the_fifth_closes_again() -> None:
    assert Standing(failures=17, closings=2).wait_after_failure() == 15 * MINUTE


def test_a_known_source_is_closed_for_its_own_failures_all_the_same() -> None:
    assert Standing(known=True, failures=4).wait_after_failure() == MINUTE


@pytest.mark.parametrize(
    ("failures", "known", "closes"),
    [
        (0, False, False),
        (18, False, False),
        (19, False, True),
        (300, False, True),
        (19, True, False),
        (300, True, False),
    ],
)
def test_twenty_failures_from_unknown_sources_close_the_name_to_unknown_sources(
    failures: int, *, known: bool, closes: bool
) -> None:
    assert Standing(known=known, unknown_failures=failures).closes_to_unknown() is closes


def test_the_numbers_are_those_that_were_decided() -> None:
    assert (FAILURES_PER_SOURCE, FAILURES_FROM_UNKNOWN) == (5, 20)


@pytest.mark.parametrize(
    ("standing", "closed"),
    [
        (Standing(), False),
        (Standing(failures=4, unknown_failures=19), False),
        (Standing(closed_until=NOW + MINUTE), True),
        (Standing(closed_until=NOW), False),  # the wait is over at its end
        (Standing(closed_until=NOW - MINUTE), False),
        (Standing(known=True, closed_until=NOW + MINUTE), True),
        (Standing(unknown_closed_until=NOW + MINUTE), True),
        (Standing(unknown_closed_until=NOW), False),
        (Standing(known=True, unknown_closed_until=NOW + MINUTE), False),
        (Standing(closed_until=NOW - MINUTE, unknown_closed_until=NOW + MINUTE), True),
        (Standing(known=True, closed_until=NOW - MINUTE, unknown_closed_until=NOW + MINUTE), False),
    ],
)
def test_a_closed_pair_or_a_closed_name_refuses_but_known_sources_only_for_the_pair(
    standing: Standing, *, closed: bool
) -> None:
    assert standing.is_closed(NOW) is closed


def test_five_guesses_at_a_time_take_longer_and_longer() -> None:
    now, waits = NOW, []
    for closings in range(5):
        standing = Standing(failures=4, closings=closings)
        wait = standing.wait_after_failure()
        assert wait is not None
        assert Standing(closed_until=now + wait).is_closed(now)
        waits.append(wait // MINUTE)
        now += wait

    assert waits == [1, 5, 15, 60, 60]
