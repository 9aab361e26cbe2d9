"""Uploads in parts: on both databases, over several processes, and when things fail."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import replace

import pytest
from core.faults import FailingCalls, TroubledDatabase, files_in, over, url_of
from core.parts import InParts
from world import World

from transom.core import assembly
from transom.core.following import Followers
from transom.core.multipart import Multiparts, NoSuchUpload, Target
from transom.domain.entitlement import Actor
from transom.domain.errors import StorageFull, TooLarge, Unavailable
from transom.domain.submission import State, Submission

PATH = "0001/app1/in/file.bin"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MIN_PART_BYTES", 1)


def test_what_one_process_received_another_completes(world: World) -> None:
    firm, one, other = world.account(), over(world), over(world)
    upload = InParts.begun(one, firm, PATH)
    upload.send(one, 1, b"one, ")
    upload.send(other, 2, b"two, ")
    upload.send(one, 3, b"three")
    one.multiparts.follow(upload.target.upload_id)

    done = upload.complete(other)

    assert done.submission.sha256 == hashlib.sha256(b"one, two, three").hexdigest()
    assert firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}") == b"one, two, three"
    assert upload.complete(one).submission.tracking_id == done.submission.tracking_id
    for program in (one, other):
        program.ends()


def test_while_it_comes_an_upload_is_requested_and_shows_nowhere(world: World) -> None:
    firm = world.account()
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"content")

    found = world.exchange.tracking.one(firm.actor, upload.target.upload_id)

    assert found.state is State.REQUESTED
    assert firm.names("0001/app1/in") == []


def test_a_part_sent_anew_leaves_nothing_of_the_first(world: World) -> None:
    firm = world.account()
    upload = InParts.begun(world.exchange, firm, PATH)

    for content in (b"1", b"2", b"3"):
        upload.send(world.exchange, 1, content)

    assert len(files_in(world, "blobs")) == 1
    assert files_in(world, "staging") == {}


def test_a_part_that_comes_after_the_end_is_refused_and_leaves_nothing(world: World) -> None:
    firm, multiparts = world.account(), world.exchange.multiparts
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"content")
    late = multiparts.receive(firm.actor, upload.target, 2)
    late.feed(b"late")
    upload.complete(world.exchange)
    before = files_in(world, "blobs").keys()

    with pytest.raises(NoSuchUpload):
        late.commit({})
    late.close()

    assert files_in(world, "blobs").keys() == before
    with pytest.raises(NoSuchUpload):
        upload.send(world.exchange, 3, b"later still")


def test_a_completion_that_another_overtakes_gives_the_others_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other comes to its end when this one has looked at the state, but not at the parts."""
    firm, one, other = world.account(), over(world), over(world)
    upload = InParts.begun(one, firm, PATH)
    upload.send(one, 1, b"content")
    look, done = Multiparts._own, []

    def overtaken(self: Multiparts, actor: Actor, target: Target) -> Submission:
        found = look(self, actor, target)
        monkeypatch.undo()
        done.append(upload.complete(other))
        return found

    monkeypatch.setattr(Multiparts, "_own", overtaken)
    late = upload.complete(one)

    assert late.submission.archive_name == done[0].submission.archive_name
    assert late.submission.sha256 == hashlib.sha256(b"content").hexdigest()
    for program in (one, other):
        program.ends()


def test_parts_that_never_came_are_not_excused_by_another_completion(world: World) -> None:
    firm = world.account()
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"content")
    unknown = [assembly.Named(7, "0" * 64)]

    for _ in range(2):  # before the upload's end, and after
        with pytest.raises((assembly.BadPart, NoSuchUpload)):
            world.exchange.multiparts.complete(
                firm.actor, upload.target, unknown, assembly.Expected()
            )
        upload.complete(world.exchange)


def test_a_part_sent_anew_while_the_upload_is_completed_makes_it_try_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = world.account()
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"first")
    named, real = upload.named, Followers.of

    def meanwhile(self: Followers, tracking_id: str):  # noqa: ANN202
        monkeypatch.setattr(Followers, "of", real)
        upload.send(world.exchange, 1, b"anew")
        return real(self, tracking_id)

    monkeypatch.setattr(Followers, "of", meanwhile)
    with pytest.raises(Unavailable):
        world.exchange.multiparts.complete(firm.actor, upload.target, named, assembly.Expected())

    done = upload.complete(world.exchange)
    assert firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}") == b"anew"


def test_a_lost_answer_to_the_commit_is_found_out(world: World) -> None:
    firm, database = world.account(), TroubledDatabase(url_of(world))
    program = over(world, database=database)
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"content")
    database.lost = 1

    done = upload.complete(program)

    assert done.submission.is_received
    program.ends()


def test_a_part_whose_record_fails_is_not_there(world: World) -> None:
    firm, database = world.account(), TroubledDatabase(url_of(world))
    program = over(world, database=database)
    upload = InParts.begun(world.exchange, firm, PATH)
    database.gone = True

    with pytest.raises(Unavailable):
        upload.send(program, 1, b"content")

    assert world.exchange.multiparts.parts(firm.actor, upload.target, 0, 10) == []
    program.ends()


@pytest.mark.parametrize("call", ["link", "fsync", "rename"])
def test_a_full_disk_at_the_end_leaves_the_upload_to_be_completed_later(
    world: World, call: str
) -> None:
    firm, calls = world.account(), FailingCalls(call, number=errno.ENOSPC)
    program = over(world, **calls.calls)
    upload = InParts.begun(world.exchange, firm, PATH)
    upload.send(world.exchange, 1, b"one, ")
    upload.send(world.exchange, 2, b"two")

    with pytest.raises(StorageFull):
        upload.complete(program)
    calls.failing = False

    assert len(files_in(world, "blobs")) == 2
    assert upload.complete(program).submission.size == 8
    program.ends()


def test_a_limit_of_the_exchange_holds_for_parts_and_for_all_of_them_together(
    world: World,
) -> None:
    firm, program = world.account(), over(world)
    keeping = replace(program.tools.keeping, max_file_bytes=9)
    program.tools = replace(program.tools, keeping=keeping)
    upload = InParts.begun(program, firm, PATH)
    upload.send(program, 1, b"12345")
    upload.send(program, 2, b"67890")

    with pytest.raises(TooLarge):
        upload.complete(program)
    with pytest.raises(TooLarge):
        upload.send(program, 3, b"1234567890")
    del upload.sent[2]
    assert upload.complete(program).submission.size == 5
    program.ends()


def test_many_parts_become_one_file(sqlite_world: World) -> None:
    firm, exchange = sqlite_world.account(), sqlite_world.exchange
    upload = InParts.begun(exchange, firm, PATH)
    for number in range(1, 101):
        upload.send(exchange, number * 100, b"part")

    done = upload.complete(exchange)

    assert done.submission.sha256 == hashlib.sha256(b"part" * 100).hexdigest()
    assert firm.fetch(f"0001/app1/in_arcv/{done.submission.archive_name}") == b"part" * 100
