"""The machine stops at every line that matters: the acknowledged is there, the rest never was."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from core.faults import (
    Program,
    TroubledDatabase,
    date_files,
    files_in,
    over,
    root_of,
    stopped_everywhere,
    url_of,
)
from sqlalchemy import select
from world import Account, Processor, World, place_and_name

from transom.core.bodies import Stated
from transom.core.exchange import Exchange
from transom.core.handoff import Answer
from transom.core.publishing import Result
from transom.core.tracking import Query
from transom.domain.errors import AlreadySubmitted, Unavailable
from transom.domain.names import FileName, OrgId
from transom.domain.space import Emptied
from transom.domain.submission import AccessMethod, Client, State
from transom.records.schema import blobs, leases, listings, submissions

CONTENT = b"the whole file"
REST, SFTP = Client(AccessMethod.REST), Client(AccessMethod.SFTP)


def requested(firm: Account, path: str) -> str:
    place, name = place_and_name(path)
    return firm.world.exchange.uploads.request(firm.actor, place, name, REST).submission.tracking_id


def deliver(
    program: Program | Exchange, firm: Account, tracking_id: str, content: bytes = CONTENT
) -> None:
    with program.uploads.resume(firm.actor, tracking_id) as upload:
        upload.write(0, content)
        upload.commit()


def assert_received_whole_or_not_at_all(firm: Account, tracking_id: str, name: str) -> State:
    """Tracking, archive, inbound, queue and disk tell one and the same story."""
    world = firm.world
    found = world.exchange.tracking.one(firm.actor, tracking_id)
    archived = [each for each in firm.names("0001/app1/in_arcv") if each.endswith(f"_{name}")]
    with world.database.reading() as tx:
        queued = tx.execute(select(leases).where(leases.c.tracking_id == tracking_id)).all()
        kept = tx.execute(select(submissions).where(submissions.c.tracking_id == tracking_id)).one()
        blob = tx.execute(select(blobs).where(blobs.c.key == kept.blob_key)).one_or_none()
    listed = name in firm.names("0001/app1/in")
    if found.state is State.REQUESTED:
        assert (archived, queued, blob, listed) == ([], [], None, False)
        assert (found.sha256, kept.blob_key) == (None, None)
    else:
        assert found.state is State.RECEIVED
        assert found.sha256 == blob.sha256 == sha256(CONTENT).hexdigest()
        assert archived == [found.archive_name]
        assert firm.fetch(f"0001/app1/in_arcv/{found.archive_name}") == CONTENT
        assert (len(queued), listed) == (1, True)
    return found.state


def assert_nothing_is_left_over(world: World) -> None:
    """After the grace, the sweep leaves exactly the blobs that the records know."""
    date_files(world)
    world.clock.pass_time(timedelta(hours=25))
    world.exchange.retention.sweep()
    with world.database.reading() as tx:
        known = set(tx.execute(select(blobs.c.key)).scalars())
        named = set(tx.execute(select(listings.c.blob_key)).scalars())
    assert set(files_in(world, "blobs")) == known == named
    assert files_in(world, "staging") == {}


# --- uploads -------------------------------------------------------------------------------------


def test_a_crash_at_any_line_of_an_upload_leaves_it_received_whole_or_waiting(
    world: World,
) -> None:
    firm = world.account()
    ids: dict[int, str] = {}
    states = set()

    def story(program: Program, number: int) -> None:
        ids[number] = requested(firm, f"0001/app1/in/{number}.bin")
        deliver(program, firm, ids[number])

    for number in stopped_everywhere(world, story):
        state = assert_received_whole_or_not_at_all(firm, ids[number], f"{number}.bin")
        states.add(state)
        if state is State.REQUESTED:  # the client, who heard nothing, sends it once more
            deliver(world.exchange, firm, ids[number])
            assert_received_whole_or_not_at_all(firm, ids[number], f"{number}.bin")
        else:
            with pytest.raises(AlreadySubmitted):
                deliver(world.exchange, firm, ids[number])

    assert states == {State.REQUESTED, State.RECEIVED}
    assert len(ids) > 12
    assert_nothing_is_left_over(world)


def test_a_crash_at_any_line_of_a_request_leaves_a_submission_or_none(world: World) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/filing.zip")
    heard = []

    def story(program: Program, number: int) -> None:
        asked = program.uploads.request(firm.actor, place, name, REST, f"key {number}")
        heard.append(asked.submission.tracking_id)

    for number in stopped_everywhere(world, story):
        again = world.exchange.uploads.request(firm.actor, place, name, REST, f"key {number}")
        deliver(world.exchange, firm, again.submission.tracking_id)

    assert heard == [again.submission.tracking_id]  # the last went through, and is repeatable
    (every,) = world.exchange.tracking.all(firm.actor, Query())
    assert len(every) == number
    assert {each.state for each in every} == {State.RECEIVED}


def test_a_crash_at_any_line_of_putting_a_form_back_together_leaves_nothing(world: World) -> None:
    firm = world.account()
    head = b'--%s\r\nContent-Disposition: form-data; name="%d.bin"\r\n\r\n'
    rest = b"looks like a form, and is none"
    ids: dict[int, str] = {}

    def story(program: Program, number: int) -> None:
        ids[number] = requested(firm, f"0001/app1/in/{number}.bin")
        upload = program.bodies.begin(firm.actor, ids[number], Stated("application/octet-stream"))
        upload.feed(head % (b"a" * 32, number) + rest)
        upload.commit()

    for number in stopped_everywhere(world, story):
        body = head % (b"a" * 32, number) + rest
        found = world.exchange.tracking.one(firm.actor, ids[number])
        if found.state is State.REQUESTED:
            assert len(firm.names("0001/app1/in_arcv")) == number - 1
            deliver(world.exchange, firm, ids[number], body)
        found = world.exchange.tracking.one(firm.actor, ids[number])
        assert (found.size, found.sha256) == (len(body), sha256(body).hexdigest())

    assert_nothing_is_left_over(world)


def test_a_commit_whose_answer_was_lost_is_looked_up_and_reported_as_what_it_is(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    tracking_id = requested(firm, "0001/app1/in/filing.zip")
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    with program.uploads.resume(firm.actor, tracking_id) as upload:
        upload.write(0, CONTENT)
        database.lost = 1

        received = upload.commit()

    program.ends()
    assert (received.state, received.size) == (State.RECEIVED, len(CONTENT))
    assert_received_whole_or_not_at_all(firm, tracking_id, "filing.zip")
    assert [lease.submission.tracking_id for lease in app.claim()] == [tracking_id]


def test_a_commit_that_failed_for_certain_may_be_tried_again_with_the_same_url(
    world: World,
) -> None:
    firm = world.account()
    tracking_id = requested(firm, "0001/app1/in/filing.zip")
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    upload = program.uploads.resume(firm.actor, tracking_id)
    upload.write(0, CONTENT)
    database.gone = True
    with pytest.raises(Unavailable):
        upload.commit()
    database.gone = False
    upload.close()

    deliver(program, firm, tracking_id)

    program.ends()
    assert_received_whole_or_not_at_all(firm, tracking_id, "filing.zip")
    assert_nothing_is_left_over(world)


# --- held uploads --------------------------------------------------------------------------------


def test_a_crash_at_any_line_of_holding_leaves_it_held_whole_or_nothing(world: World) -> None:
    firm = world.account()
    ids: dict[int, str] = {}
    states = set()

    def story(program: Program, number: int) -> None:
        place, name = place_and_name(f"0001/app1/in/{number}.filepart")
        upload = program.uploads.open(firm.actor, place, name, SFTP)
        ids[number] = upload.submission.tracking_id
        upload.write(0, CONTENT)
        upload.hold()

    for number in stopped_everywhere(world, story):
        path = f"0001/app1/in/{number}.filepart"
        place, name = place_and_name(path)
        assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []
        held = world.exchange.uploads.held_one(firm.actor, place, name)
        if held is None:  # the client, who heard nothing, sends it once more
            states.add(State.REQUESTED)
            firm.hold(path, CONTENT)
        else:
            states.add(held.state)
            assert (held.tracking_id, held.size) == (ids[number], len(CONTENT))
        _assert_every_held_upload_has_its_blob(world, number)

    assert states == {State.REQUESTED, State.HELD}
    assert number > 12
    world.clock.pass_time(timedelta(hours=23))
    for each in range(1, number + 1):
        received = firm.rename(f"0001/app1/in/{each}.filepart", f"{each}.bin")
        assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == CONTENT
    assert_nothing_is_left_over(world)


def test_a_crash_at_any_line_of_holding_a_name_again_leaves_the_older_or_the_newer(
    world: World,
) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/data.filepart")
    found = set()

    def story(program: Program, _number: int) -> None:
        firm.hold("0001/app1/in/data.filepart", b"older")
        with program.uploads.open(firm.actor, place, name, SFTP) as upload:
            upload.write(0, CONTENT)
            upload.hold()

    for number in stopped_everywhere(world, story):
        (held,) = world.exchange.uploads.held(firm.actor, place)
        received = firm.rename("0001/app1/in/data.filepart", f"{number}.bin")
        content = firm.fetch(f"0001/app1/in_arcv/{received.archive_name}")
        assert sha256(content).hexdigest() == held.sha256
        found.add(content)

    assert found == {b"older", CONTENT}
    assert_nothing_is_left_over(world)


def test_a_crash_at_any_line_of_a_rename_leaves_it_held_or_received_whole(world: World) -> None:
    firm, app = world.account(), world.processor()
    ids: dict[int, str] = {}
    states = set()

    def story(program: Program, number: int) -> None:
        path = f"0001/app1/in/{number}.filepart"
        ids[number] = firm.hold(path, CONTENT).tracking_id
        place, name = place_and_name(path)
        new_name = FileName(f"{number}.bin")
        program.uploads.rename_held(firm.actor, place, name, new_name)

    for number in stopped_everywhere(world, story):
        found = world.exchange.tracking.one(firm.actor, ids[number])
        states.add(found.state)
        if found.state is State.HELD:
            assert found.name == f"{number}.filepart"
            assert f"{number}.bin" not in firm.names("0001/app1/in")
            firm.rename(f"0001/app1/in/{number}.filepart", f"{number}.bin")
        assert_received_whole_or_not_at_all(firm, ids[number], f"{number}.bin")

    assert states == {State.HELD, State.RECEIVED}
    assert number > 8
    assert {each.submission.tracking_id for each in app.claim(100)} == set(ids.values())
    assert_nothing_is_left_over(world)


def test_a_hold_whose_answer_was_lost_is_looked_up_and_reported_as_what_it_is(
    world: World,
) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/data.filepart")
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    with program.uploads.open(firm.actor, place, name, SFTP) as upload:
        upload.write(0, CONTENT)
        database.lost = 1

        held = upload.hold()

    program.ends()
    assert (held.state, held.size) == (State.HELD, len(CONTENT))
    assert firm.rename("0001/app1/in/data.filepart", "data.bin").is_received


def _assert_every_held_upload_has_its_blob(world: World, count: int) -> None:
    with world.database.reading() as tx:
        query = select(submissions.c.blob_key).where(submissions.c.state == State.HELD)
        named = set(tx.execute(query).scalars())
        assert named <= set(tx.execute(select(blobs.c.key)).scalars())
    assert len(named) == count
    assert named <= set(files_in(world, "blobs"))


# --- hand-off ------------------------------------------------------------------------------------


def test_a_crash_at_any_line_of_acknowledging_leaves_it_listed_or_taken(world: World) -> None:
    firm, app = world.account(), world.processor()
    held: dict[int, tuple[str, int]] = {}

    def story(program: Program, number: int) -> None:
        sent = firm.submit(f"0001/app1/in/{number}.bin", CONTENT)
        (lease,) = app.claim()
        held[number] = (sent.tracking_id, lease.fence)
        program.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)

    for number in stopped_everywhere(world, story):
        tracking_id, fence = held[number]
        found = world.exchange.tracking.one(firm.actor, tracking_id)
        listed = firm.names("0001/app1/in") == [f"{number}.bin"]
        assert listed == (found.taken_at is None)
        assert _lease_state(world, tracking_id) == ("leased" if listed else "acknowledged")

        again = world.exchange.handoff.acknowledge(app.actor, tracking_id, fence)
        assert again.taken_at is not None
        assert firm.names("0001/app1/in") == []

    assert len(world.audited("handoff.acknowledged")) == len(held)


def test_a_crash_at_any_line_of_answering_leaves_it_answered_or_not(world: World) -> None:
    firm, app = world.account(), world.processor()
    held: dict[int, tuple[str, int]] = {}

    def story(program: Program, number: int) -> None:
        held[number] = _acknowledged(firm, app, f"0001/app1/in/{number}.bin")
        program.handoff.report(app.actor, *held[number], Answer(State.ACCEPTED))

    for number in stopped_everywhere(world, story):
        tracking_id, fence = held[number]
        found = world.exchange.tracking.one(firm.actor, tracking_id)
        answered = _lease_state(world, tracking_id) == "answered"
        assert (found.state is State.ACCEPTED) == (found.answered_at is not None) == answered
        world.exchange.handoff.report(app.actor, tracking_id, fence, Answer(State.ACCEPTED))

    assert len(world.audited("handoff.answered")) == len(held)


def test_a_crash_at_any_line_of_publishing_leaves_the_file_whole_or_none(world: World) -> None:
    firm, app = world.account(), world.processor()
    result = Result("app1", "out", FileName("result.txt"), (OrgId("0001"),))

    def story(program: Program, number: int) -> None:
        world.clock.pass_time(timedelta(seconds=1))  # of two of one instant, neither is the newer
        with program.publishing.begin(app.actor, result) as publication:
            publication.feed(b"result %d" % number)
            publication.commit()

    for number in stopped_everywhere(world, story):
        if firm.names("0001/app1/out"):
            assert firm.fetch("0001/app1/out/result.txt") == b"result %d" % number

    assert_nothing_is_left_over(world)


# --- retention -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "world",
    ["sqlite_world", pytest.param("postgres_world", marks=pytest.mark.drill)],
    indirect=True,
)
def test_a_crash_at_any_line_of_the_sweep_loses_nothing_early_and_the_next_sweep_goes_on(
    world: World,
) -> None:
    world.application("app2", emptied=Emptied.AT_COMMIT)
    firm, app = world.account(), world.processor()
    world.entitle(firm, "0001", "app2", "both")
    waiting = firm.submit("0001/app2/in/waiting.bin", b"nobody has taken this")

    def story(program: Program, number: int) -> None:
        old = _acknowledged(firm, app, f"0001/app1/in/old{number}.bin")
        world.exchange.handoff.report(app.actor, *old, Answer(State.ACCEPTED))
        app.publish("0001/app1/out/old.txt", about=old[0])
        requested(firm, "0001/app1/in/never.bin")
        world.clock.pass_time(timedelta(days=91))
        _leave_an_orphan_and_a_half(world)
        date_files(world)
        world.clock.pass_time(timedelta(hours=25))
        firm.submit(f"0001/app1/in/new{number}.bin", CONTENT)
        program.retention.sweep()

    for number in stopped_everywhere(world, story):
        new = [name for name in firm.names("0001/app1/in_arcv") if f"new{number}.bin" in name]
        assert firm.fetch(f"0001/app1/in_arcv/{new[0]}") == CONTENT
        _assert_every_live_listing_has_its_blob(world)
        world.exchange.retention.sweep()
        assert _names_about(firm, f"old{number}.bin") == []
        _assert_disk_and_records_agree(world)

    assert number > 30
    actions = [entry.action for entry in world.audited()]
    assert actions.count("retention.orphan_deleted") >= number
    (lease,) = world.processor("app2").claim()
    assert lease.submission.tracking_id == waiting.tracking_id
    content = world.exchange.handoff.content(
        world.processor("app2").actor, waiting.tracking_id
    ).reader
    assert content.read(100) == b"nobody has taken this"
    content.close()


def _acknowledged(firm: Account, app: Processor, path: str) -> tuple[str, int]:
    sent = firm.submit(path, CONTENT)
    lease = next(each for each in app.claim(100) if each.submission.tracking_id == sent.tracking_id)
    firm.world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    return sent.tracking_id, lease.fence


def _lease_state(world: World, tracking_id: str) -> str:
    with world.database.reading() as tx:
        query = select(leases.c.state).where(leases.c.tracking_id == tracking_id)
        return str(tx.execute(query).scalar_one())


def _leave_an_orphan_and_a_half(world: World) -> None:
    staged = world.tools.blobs.stage()
    staged.write(0, b"orphan")
    staged.seal_as(world.tools.entropy.blob_key())
    (root_of(world) / "staging" / world.tools.entropy.blob_key()).write_bytes(b"half")


def _names_about(firm: Account, name: str) -> list[str]:
    places = ("0001/app1/in", "0001/app1/in_arcv", "0001/app1/out")
    return [each for place in places for each in firm.names(place) if name in each]


def _assert_every_live_listing_has_its_blob(world: World) -> None:
    with world.database.reading() as tx:
        live = select(listings.c.blob_key).where(listings.c.ended_at.is_(None))
        named = set(tx.execute(live).scalars())
    assert named <= set(files_in(world, "blobs"))


def _assert_disk_and_records_agree(world: World) -> None:
    with world.database.reading() as tx:
        assert set(tx.execute(select(blobs.c.key)).scalars()) == set(files_in(world, "blobs"))
