"""The sealed audit record: every committed entry is chained, and nothing can be changed unseen."""

import logging
import threading

import pytest
from sqlalchemy import delete, insert, select, update
from world import World

from transom.core.keyring import KeyRing, ServerKey
from transom.core.sealing import ChainCut, Sealer
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


def test_a_chain_is_sealed_and_walked_in_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.core.sealing.BATCH", 3)

    chain = sealed(world)
    verdict = chain.verify()

    assert verdict.is_sound
    assert (verdict.checked, verdict.unsealed) == (len(world.audited()), 0)


def test_links_of_a_key_that_is_not_on_the_ring_cannot_be_vouched_for(world: World) -> None:
    sealed(world)

    verdict = Sealer(world.database, KeyRing([ServerKey("other", b"o" * 32)])).verify()

    assert not verdict.is_sound
    assert "key0, which is not on the ring" in verdict.faults[0]


def test_links_cut_off_at_the_end_are_noticed_by_the_running_sealer(world: World) -> None:
    chain = sealed(world)
    newest = chain.verify().checked
    with world.database.transaction() as tx:
        tx.execute(delete(audit_seals).where(audit_seals.c.sequence == newest))

    for _ in range(2):  # and it never seals again
        with pytest.raises(ChainCut) as told:
            chain.seal()

    assert told.value.link == newest


def test_links_cut_off_at_the_end_are_found_with_a_head_that_was_noted_elsewhere(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "transom.core.sealing"):
        chain = sealed(world)
    noted = [(record.link, record.seal) for record in caplog.records]  # type: ignore[attr-defined]
    before = chain.verify(noted)
    with world.database.transaction() as tx:  # the last entry and its link go without a trace
        newest = tx.execute(select(audit_seals).order_by(audit_seals.c.sequence.desc())).first()
        assert newest is not None
        tx.execute(delete(audit_seals).where(audit_seals.c.sequence == newest.sequence))
        tx.execute(delete(audit).where(audit.c.id == newest.audit_id))

    assert noted == [(before.checked, before.head)]
    assert before.is_sound
    assert chain.verify().is_sound  # by itself the chain cannot tell
    assert chain.verify(noted).faults == (f"link {before.checked} is not the one noted elsewhere",)


def test_links_cut_off_while_a_sealer_runs_are_never_sealed_anew(world: World) -> None:
    chain = sealed(world)
    with world.database.transaction() as tx:
        tx.execute(delete(audit_seals).where(audit_seals.c.sequence > 3))
        tx.execute(update(audit).where(audit.c.id == 5).values(action="forged"))

    with pytest.raises(ChainCut):
        chain.seal()

    assert chain.verify().unsealed > 0


def test_a_head_noted_elsewhere_shows_that_the_chain_was_made_anew(world: World) -> None:
    noted = sealed(world).verify()
    with world.database.transaction() as tx:
        tx.execute(delete(audit_seals).where(audit_seals.c.sequence > 3))
        tx.execute(update(audit).where(audit.c.id == 5).values(action="forged"))
    fresh = sealer(world)  # the next start of the server, which remembers nothing
    fresh.seal()

    assert fresh.verify().is_sound  # the chain by itself cannot tell
    found = fresh.verify([(noted.checked, noted.head)])
    assert found.faults == (f"link {noted.checked} is not the one noted elsewhere",)


def test_a_head_that_stands_where_it_was_noted_is_no_fault(world: World) -> None:
    chain = sealed(world)
    noted = chain.verify()
    world.account()
    chain.seal()

    assert chain.verify([(noted.checked, noted.head)]).is_sound
