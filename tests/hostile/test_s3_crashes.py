"""A machine that stops at any line of an upload in parts, and a client that goes on afterwards."""

from __future__ import annotations

import pytest
from core.faults import Program, files_in, over, stopped_everywhere
from core.parts import InParts
from world import World

from transom.core import assembly
from transom.core.multipart import NoSuchUpload
from transom.domain.submission import State


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MIN_PART_BYTES", 1)


def test_a_crash_at_any_line_of_completing_is_made_good_by_completing_again(world: World) -> None:
    firm, states, uploads = world.account(), set[State](), dict[int, InParts]()

    def story(program: Program, number: int) -> None:
        uploads[number] = InParts.begun(world.exchange, firm, f"0001/app1/in/{number}.bin")
        for part in (1, 2):
            uploads[number].send(world.exchange, part, b"%d/%d " % (number, part))
        uploads[number].complete(program)

    for number in stopped_everywhere(world, story):
        upload = uploads[number]
        states.add(world.exchange.tracking.one(firm.actor, upload.target.upload_id).state)
        restarted = over(world)
        done = upload.complete(restarted)
        restarted.ends()
        whole = b"%d/1 %d/2 " % (number, number)
        assert firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}") == whole

    assert states == {State.REQUESTED, State.RECEIVED}
    assert len(uploads) > 12
    assert len(firm.names("0001/app1/in_arcv")) == len(uploads)


def test_a_crash_at_any_line_of_a_part_leaves_it_whole_or_not_there(world: World) -> None:
    firm, found = world.account(), set[int]()
    upload = InParts.begun(world.exchange, firm, "0001/app1/in/file.bin")

    def story(program: Program, number: int) -> None:
        upload.send(program, number, b"part %d " % number)

    for number in stopped_everywhere(world, story):
        there = world.exchange.multiparts.parts(firm.actor, upload.target, number - 1, 10)
        found.add(len(there))
        upload.send(world.exchange, number, b"part %d " % number)

    assert found == {0, 1}
    done = upload.complete(world.exchange)
    content = firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}")
    assert content == b"".join(b"part %d " % each for each in range(1, number + 1))


def test_a_crash_at_any_line_of_giving_up_is_made_good_by_giving_up_again(world: World) -> None:
    firm, uploads = world.account(), dict[int, InParts]()

    def story(program: Program, number: int) -> None:
        uploads[number] = InParts.begun(world.exchange, firm, f"0001/app1/in/{number}.bin")
        uploads[number].send(world.exchange, 1, b"gone")
        program.multiparts.give_up(firm.actor, uploads[number].target)

    for number in stopped_everywhere(world, story):
        upload = uploads[number]
        try:
            world.exchange.multiparts.give_up(firm.actor, upload.target)
        except NoSuchUpload:
            found = world.exchange.tracking.one(firm.actor, upload.target.upload_id)
            assert found.state is State.ABANDONED

    assert firm.names("0001/app1/in_arcv") == []
    assert len(files_in(world, "blobs")) < len(uploads)
