"""The sealed audit record: every committed entry is chained, and nothing can be changed unseen."""

import threading

import pytest
from sqlalchemy import delete, insert, update
from world import World

from transom.core.keyring import KeyRing, ServerKey
from transom.core.sealing import Sealer
from transom.records.schema import audit, audit_seals


def sealer(world: World, *keys: bytes) -> Sealer:
    ring = KeyRing([ServerKey(f"key{n}", value) for n, value in enumerate(keys or (b"k" * 32,))])
    return Sealer(world.database, ring)


def sealed(world: World) -> Sealer:
    """A world with some history, sealed."""
    world.account().submit("0001/app1/in/filing.zip")
    chain = sealer(world)
    chain.seal()
    return chain


def test_every_entry_gets_its_seal_and_the_chain_verifies(world: World) -> None:
    chain = sealed(world)

    verdict = chain.verify()

    assert verdict.is_sound
    assert verdict.checked > 5
    assert verdict.unsealed == 0


def test_sealing_again_seals_only_what_is_new(world: World) -> None:
    chain = sealed(world)

    nothing = chain.seal()
    world.account().submit("0001/app1/in/more.zip")
    waiting = chain.verify().unsealed
    more = chain.seal()

    assert nothing == 0
    assert more == waiting > 0
    assert chain.verify().is_sound


def test_a_sealer_in_another_process_takes_the_chain_up(world: World) -> None:
    sealed(world)
    world.account()

    other = sealer(world)
    assert other.seal() > 0

    assert other.verify().is_sound


@pytest.mark.parametrize("column", ["principal_id", "action", "object", "source", "detail"])
def test_a_changed_entry_is_found(world: World, column: str) -> None:
    chain = sealed(world)
    with world.database.transaction() as tx:
        tx.execute(update(audit).where(audit.c.id == 3).values({column: "forged"}))

    assert chain.verify().faults == ("entry 3, sealed as link 3, was changed",)


def test_a_removed_entry_is_found(world: World) -> None:
    chain = sealed(world)
    with world.database.transaction() as tx:
        tx.execute(delete(audit).where(audit.c.id == 3))

    assert chain.verify().faults == ("entry 3, sealed as link 3, is missing",)


def test_a_removed_link_is_found_with_all_that_hangs_on_it(world: World) -> None:
    chain = sealed(world)
    with world.database.transaction() as tx:
        tx.execute(delete(audit_seals).where(audit_seals.c.sequence == 3))

    assert chain.verify().faults == ("links 3 to 3 are missing",)


def test_an_entry_put_between_without_the_key_is_found(world: World) -> None:
    chain = sealed(world)
    with world.database.transaction() as tx:
        row = tx.execute(audit.select().limit(1)).one()._asdict()
        last = tx.execute(audit_seals.select().order_by(audit_seals.c.sequence.desc())).first()
        tx.execute(insert(audit).values(row | {"id": 10_000}))
        forged = {"sequence": last.sequence + 1, "audit_id": 10_000, "key_id": "key0"}
        tx.execute(insert(audit_seals).values(forged | {"seal": "0" * 64}))

    assert chain.verify().faults == (
        f"entry 10000, sealed as link {last.sequence + 1}, was changed",
    )


def test_a_new_key_seals_on_and_the_old_one_still_verifies(world: World) -> None:
    sealed(world)
    world.account()
    old, new = ServerKey("key0", b"k" * 32), ServerKey("next", b"n" * 32)

    rotated = Sealer(world.database, KeyRing([new, old]))
    rotated.seal()

    assert rotated.verify().is_sound
    missing = Sealer(world.database, KeyRing([new])).verify()
    assert "key key0, which is not on the ring" in missing.faults[0]


def test_two_sealers_at_once_leave_one_sound_chain(world: World) -> None:
    for number in range(30):
        world.account().submit(f"0001/app1/in/{number}.zip")
    chains = [sealer(world) for _ in range(4)]

    threads = [threading.Thread(target=chain.seal) for chain in chains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    verdict = chains[0].verify()
    assert verdict.is_sound
    assert verdict.unsealed == 0
