"""Passwords: the form of what was sent decides the check, and the queue for it is bounded."""

from __future__ import annotations

import threading

import pytest
from argon2 import PasswordHasher

from transom.core.keyring import KeyRing, ServerKey
from transom.core.passwords import Argon2Cost, Passwords, name_key
from transom.domain.errors import Unavailable
from transom.domain.identity import SecretKind, format_secret
from transom.records.identities import StoredSecret

OLD, NEW = ServerKey("old", b"o" * 32), ServerKey("new", b"n" * 32)
GENERATED = format_secret(b"g" * 32)
CHEAP = Argon2Cost(memory_kib=8, passes=1)


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(KeyRing([NEW, OLD]), CHEAP)


class Counting(PasswordHasher):
    """Counts its computations."""

    count = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
        self.count += 1
        return super().verify(hash, password)


@pytest.fixture
def hasher(passwords: Passwords) -> Counting:
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    passwords._argon2 = hasher
    return hasher


def test_a_generated_secret_is_kept_as_a_hash_under_the_present_key(passwords: Passwords) -> None:
    stored = passwords.store("id", GENERATED)

    assert (stored.kind, stored.key_id) == (SecretKind.GENERATED, "new")
    assert GENERATED not in stored.digest
    assert passwords.fits(GENERATED, [stored])


def test_a_chosen_secret_is_kept_as_argon2id(passwords: Passwords) -> None:
    stored = passwords.store("id", "correct horse")

    assert (stored.kind, stored.key_id) == (SecretKind.CHOSEN, "")
    assert stored.digest.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert passwords.fits("correct horse", [stored])
    assert not passwords.fits("correct horse ", [stored])


def test_by_default_argon2id_takes_19_mib_and_two_passes() -> None:
    assert Argon2Cost() == Argon2Cost(19 * 1024, 2, running=2, waiting=16)


def test_a_secret_kept_under_an_older_key_still_fits_until_the_key_leaves_the_ring() -> None:
    stored = Passwords(KeyRing([OLD]), CHEAP).store("id", GENERATED)

    assert Passwords(KeyRing([NEW, OLD]), CHEAP).fits(GENERATED, [stored])
    assert not Passwords(KeyRing([NEW]), CHEAP).fits(GENERATED, [stored])


def test_of_several_secrets_under_an_older_key_the_one_that_was_used_is_renewed() -> None:
    old = Passwords(KeyRing([OLD]), CHEAP)
    both = Passwords(KeyRing([NEW, OLD]), CHEAP)
    another = format_secret(b"a" * 32)
    stored = [old.store("1", another), old.store("2", GENERATED), old.store("3", "chosen")]

    renewed = both.renewed(GENERATED, stored)

    assert renewed == both.store("2", GENERATED)
    assert both.renewed("chosen", stored) is None
    assert old.renewed(GENERATED, stored) is None


def test_any_of_several_secrets_fits(passwords: Passwords) -> None:
    stored = [passwords.store(str(number), text) for number, text in enumerate(("a", "b"))]
    stored.append(passwords.store("3", GENERATED))

    assert passwords.fits("a", stored)
    assert passwords.fits("b", stored)
    assert passwords.fits(GENERATED, stored)
    assert not passwords.fits("c", stored)
    assert not passwords.fits(format_secret(b"h" * 32), stored)


def test_an_unreadable_hash_fits_nothing(passwords: Passwords) -> None:
    damaged = StoredSecret("id", SecretKind.CHOSEN, "", "$argon2id$damaged")

    assert not passwords.fits("anything", [damaged])


@pytest.mark.parametrize("kept", ["nothing", "generated", "chosen"])
def test_the_form_of_what_is_sent_decides_the_work_whatever_is_kept(
    passwords: Passwords, hasher: Counting, kept: str
) -> None:
    secrets = {"nothing": (), "generated": (GENERATED,), "chosen": ("correct horse",)}[kept]
    stored = [passwords.store("id", each) for each in secrets]

    passwords.fits("a guess", stored)
    assert hasher.count == 1
    passwords.fits(format_secret(b"h" * 32), stored)
    assert hasher.count == 1


def test_the_secret_of_nobody_opens_no_account(passwords: Passwords) -> None:
    assert not passwords.fits("nobody's secret", ())
    assert not passwords.fits(GENERATED, ())


def test_beyond_a_bounded_queue_checks_are_refused_and_the_queue_drains() -> None:
    passwords = Passwords(KeyRing([NEW]), Argon2Cost(8, 1, running=1, waiting=1))
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Counting):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002
            inside.set()
            assert go_on.wait(20)
            return super().verify(hash, password)

    passwords._argon2 = Slow(time_cost=1, memory_cost=8, parallelism=1)
    threads = [threading.Thread(target=passwords.fits, args=("guess", ())) for _ in range(2)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    while passwords._admitted._value:  # type: ignore[attr-defined]
        threads[1].join(0.01)

    with pytest.raises(Unavailable):
        passwords.fits("guess", ())
    with pytest.raises(Unavailable):
        passwords.store("id", "chosen")
    assert not passwords.fits(GENERATED, ())  # which needs no queue
    go_on.set()
    for thread in threads:
        thread.join(20)

    assert not passwords.fits("guess", ())


def test_a_name_is_counted_under_its_hash() -> None:
    assert name_key("0001ftp01") == name_key("0001ftp01") != name_key("0001FTP01")
    assert len(name_key("x" * 10_000)) == 64
