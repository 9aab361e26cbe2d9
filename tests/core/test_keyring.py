"""The server's own keys: what is made under one is recognized for as long as it is on the ring."""

import pytest

from transom.core.keyring import KeyRing, ServerKey

FIRST, SECOND = ServerKey("first", b"1" * 32), ServerKey("second", b"2" * 32)


def test_the_first_key_makes_new_things_and_all_are_found() -> None:
    ring = KeyRing([SECOND, FIRST])

    assert ring.current is SECOND
    assert ring.find("first") is FIRST
    assert ring.find("third") is None
    assert ring.find_access_key(FIRST.access_key_id) is FIRST
    assert ring.find_access_key("TRSM") is None


def test_a_ring_needs_a_key() -> None:
    with pytest.raises(ValueError, match="at least one"):
        KeyRing([])


def test_keys_and_purposes_reveal_nothing_of_one_another() -> None:
    derived = {key.derive(purpose) for key in (FIRST, SECOND) for purpose in ("a", "b")}

    assert len(derived) == 4
    assert len({FIRST.mac("a", b"m"), FIRST.mac("b", b"m"), SECOND.mac("a", b"m")}) == 3


def test_an_access_key_looks_like_one_and_tells_nothing_of_the_secret() -> None:
    assert FIRST.access_key_id.startswith("TRSM")
    assert len(FIRST.access_key_id) == 20
    assert FIRST.access_key_id.isalnum()
    assert FIRST.access_key_id.isupper()
    assert ServerKey("first", b"other" * 8).access_key_id == FIRST.access_key_id
    assert len(FIRST.url_secret) == 40


def test_a_key_is_not_printed() -> None:
    assert "1111" not in repr(FIRST)
    assert "1111" not in str(FIRST)
