"""Scrubbing: bytes that changed at rest are found, told, and never served again."""

from datetime import timedelta
from pathlib import Path

import pytest
from world import World

from transom.domain.errors import Unavailable
from transom.records import audit

EVERYTHING = 1 << 40


def blob_files(world: World) -> list[Path]:
    return [path for path in (world.directory / "files" / "blobs").rglob("*") if path.is_file()]


def test_what_was_read_within_a_week_is_left_alone(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")

    assert world.exchange.scrub.run(EVERYTHING) == (0, 0)


def test_a_sound_blob_is_read_once_a_week(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")
    world.clock.pass_time(timedelta(days=8))

    assert world.exchange.scrub.run(EVERYTHING) == (1, 0)
    assert world.exchange.scrub.run(EVERYTHING) == (0, 0)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_blob_is_found_and_never_served(world: World, damage: str) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/filing.zip", b"precious content")
    (path,) = blob_files(world)
    match damage:
        case "flipped":
            path.write_bytes(b"Precious content")
        case "cut":
            path.write_bytes(b"precious")
        case "gone":
            path.unlink()
    world.clock.pass_time(timedelta(days=8))

    found = world.exchange.scrub.run(EVERYTHING)

    assert found == (0, 1)
    with pytest.raises(Unavailable):
        firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}")
    with pytest.raises(Unavailable):
        world.exchange.handoff.content(world.processor().actor, sent.tracking_id)
    with world.database.reading() as tx:
        assert tx.execute(audit.audit.select().where(audit.audit.c.action == "blob.damaged")).all()
    assert world.exchange.scrub.run(EVERYTHING) == (0, 0)


def test_a_run_stops_when_its_budget_is_used_up(world: World) -> None:
    firm = world.account()
    for number in range(3):
        firm.submit(f"0001/app1/in/{number}.zip", bytes([number]) * 100)
    world.clock.pass_time(timedelta(days=8))

    assert world.exchange.scrub.run(100_000) == (2, 0)  # a small blob counts as 64 KiB
    assert world.exchange.scrub.run(100_000) == (1, 0)
