"""Held uploads: whole and kept under a temporary name, nobody's until they are renamed."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

import pytest
from core.faults import FailingCalls, TroubledDatabase, date_files, files_in, over, url_of
from hostile.test_races import at_once, of_kind
from sqlalchemy import select, update
from world import START, Account, World, place_and_name

from transom.core.held import REPLACED
from transom.core.retention import SYSTEM
from transom.core.tracking import Query
from transom.core.uploads import Uploads
from transom.domain.errors import (
    AlreadySubmitted,
    IncompleteUpload,
    NotEntitled,
    NotFound,
    StorageFull,
    Unavailable,
    WrongState,
)
from transom.domain.names import FileName, Place
from transom.domain.space import Emptied
from transom.domain.submission import AccessMethod, Client, State, Submission
from transom.records import listings
from transom.records.schema import blobs, leases, submissions

IN = Place.parse("0001/app1/in")
PART = "0001/app1/in/data.zip.filepart"
CONTENT = b"the whole file"


def held_names(account: Account, place: Place = IN) -> list[str]:
    return [each.name for each in account.world.exchange.uploads.held(account.actor, place)]


def one(account: Account, sent: Submission) -> Submission:
    return account.world.exchange.tracking.one(account.actor, sent.tracking_id)


def sent_as(account: Account, path: str) -> Submission | None:
    place, name = place_and_name(path)
    return account.world.exchange.uploads.just_sent(account.actor, place, name)


# --- held ----------------------------------------------------------------------------------------


def test_a_held_upload_is_whole_and_kept_and_nothing_is_done_with_it(world: World) -> None:
    firm, app = world.account(), world.processor()

    held = firm.hold(PART, CONTENT)

    assert (held.state, held.name) == (State.HELD, "data.zip.filepart")
    assert (held.size, held.sha256) == (len(CONTENT), sha256(CONTENT).hexdigest())
    assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []
    assert app.claim() == ()
    with world.database.reading() as tx:
        assert tx.execute(select(leases)).all() == []
    (kept,) = files_in(world, "blobs").values()
    assert kept.read_bytes() == CONTENT
    (noted,) = world.audited("upload.held")
    assert json.loads(noted.detail)["sha256"] == held.sha256


def test_only_the_account_itself_sees_what_it_holds(world: World) -> None:
    firm, colleague = world.account(), world.account()
    held = firm.hold(PART)
    uploads, (place, name) = world.exchange.uploads, place_and_name(PART)

    assert held_names(firm) == ["data.zip.filepart"]
    assert uploads.held_one(firm.actor, place, name) == one(firm, held)
    assert sent_as(firm, PART) == one(firm, held)
    assert one(firm, held).state is State.HELD
    assert [page for page in world.exchange.tracking.all(firm.actor, Query()) if page]
    assert held_names(colleague) == []
    assert uploads.held_one(colleague.actor, place, name) is None
    assert sent_as(colleague, PART) is None
    with pytest.raises(NotFound):
        one(colleague, held)
    assert list(world.exchange.tracking.all(colleague.actor, Query())) == [[]]
    with pytest.raises(NotFound):
        colleague.rename(PART, "data.zip")


def test_held_uploads_are_seen_where_they_are(world: World) -> None:
    firm = world.account()
    world.entitle(firm, "0001", "app2", "submit")
    firm.hold("0001/app1/in/b.partial")
    firm.hold("0001/app1/in/a.partial")
    firm.hold("0001/app2/in/c.partial")

    assert held_names(firm) == ["a.partial", "b.partial"]
    assert held_names(firm, Place.parse("0001/app2/in")) == ["c.partial"]
    for ask in (held_names, lambda who, where: sent_as(who, f"{where}/a.partial")):
        with pytest.raises(NotEntitled):
            ask(firm, Place.parse("0002/app1/in"))
    with pytest.raises(NotEntitled):
        world.exchange.uploads.held_one(firm.actor, Place.parse("0002/app1/in"), FileName("a"))


def test_a_hole_in_the_file_is_an_error_and_nothing_is_held(world: World) -> None:
    firm = world.account()
    upload = firm.open(PART)
    upload.write(5, b"later")

    with pytest.raises(IncompleteUpload):
        upload.hold()
    upload.close()

    assert held_names(firm) == []
    assert files_in(world, "blobs") == {}
    assert one(firm, upload.submission).state is State.ABANDONED


def test_what_is_held_is_not_received_again(world: World) -> None:
    firm, uploads = world.account(), world.exchange.uploads
    place, name = place_and_name(PART)
    asked = uploads.request(firm.actor, place, name, Client(AccessMethod.REST)).submission
    first, second = (uploads.resume(firm.actor, asked.tracking_id) for _ in range(2))
    first.hold()

    with pytest.raises(WrongState):
        second.hold()
    with second, pytest.raises(ValueError, match="sealed"):
        second.commit()

    assert len(files_in(world, "blobs")) == 1
    assert held_names(firm) == ["data.zip.filepart"]
    firm.rename(PART, "data.zip")
    with pytest.raises(AlreadySubmitted):
        uploads.resume(firm.actor, asked.tracking_id)


def test_the_same_name_held_again_takes_the_place_of_the_older_one(world: World) -> None:
    firm, colleague = world.account(), world.account()
    older, theirs = firm.hold(PART, b"older"), colleague.hold(PART, b"theirs")
    world.clock.pass_time(timedelta(minutes=1))

    newer = firm.hold(PART, b"newer")

    assert held_names(firm) == ["data.zip.filepart"]
    gone = one(firm, older)
    assert (gone.state, gone.reason, gone.bytes_seen) == (State.ABANDONED, REPLACED, 5)
    assert one(firm, newer).state is one(colleague, theirs).state is State.HELD
    (noted,) = world.audited("upload.abandoned")
    assert noted.tracking_id == older.tracking_id
    received = firm.rename(PART, "data.zip")
    assert received.tracking_id == newer.tracking_id
    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"newer"


def test_many_of_one_name_held_at_once_leave_one(world: World) -> None:
    firm = world.account()

    results = at_once([lambda n=n: firm.hold(PART, b"%d" % n) for n in range(6)])

    assert of_kind(results, Exception) == []
    assert held_names(firm) == ["data.zip.filepart"]
    states = [one(firm, each).state for each in results]
    assert sorted(states) == [*[State.ABANDONED] * 5, State.HELD]


# --- renamed -------------------------------------------------------------------------------------


def test_the_final_name_makes_it_received_all_at_once(world: World) -> None:
    firm, app = world.account(), world.processor()
    held = firm.hold(PART, CONTENT)
    world.clock.pass_time(timedelta(hours=1))

    received = firm.rename(PART, "data.zip")

    found = one(firm, held)
    assert (received.tracking_id, received.state) == (held.tracking_id, State.RECEIVED)
    assert (found.name, found.size, found.sha256) == ("data.zip", held.size, held.sha256)
    assert (found.requested_at, found.submitted_at) == (START, START + timedelta(hours=1))
    assert found.archive_name == received.archive_name == "20261120163610000_data.zip"
    assert firm.names("0001/app1/in") == ["data.zip"]
    assert firm.fetch(f"0001/app1/in_arcv/{found.archive_name}") == CONTENT
    (lease,) = app.claim()
    assert lease.submission.tracking_id == held.tracking_id
    assert held_names(firm) == []
    (noted,) = world.audited("upload.received")
    assert noted.object == "0001/app1/in/data.zip"
    assert json.loads(noted.detail) == {
        "held_as": "data.zip.filepart",
        "home_org": "0001",
        "method": "sftp",
        "sha256": held.sha256,
        "size": len(CONTENT),
    }


def test_the_queue_is_rung_when_a_held_upload_is_received(sqlite_world: World) -> None:
    firm, rung = sqlite_world.account(), []
    sqlite_world.tools.doorbell.listen("app1", lambda: rung.append("app1"))
    firm.hold(PART)
    before = list(rung)
    firm.rename(PART, "data.zip.partial")
    still = list(rung)

    firm.rename("0001/app1/in/data.zip.partial", "data.zip")

    assert (before, still, rung) == ([], [], ["app1"])


def test_what_is_held_survives_a_restart(world: World) -> None:
    firm = world.account()
    program = over(world)
    place, name = place_and_name(PART)
    with program.uploads.open(firm.actor, place, name, Client(AccessMethod.SFTP)) as upload:
        upload.write(0, CONTENT)
        upload.hold()
    program.ends()
    date_files(world)
    world.clock.pass_time(timedelta(hours=23))
    world.exchange.retention.sweep()

    received = firm.rename(PART, "data.zip")

    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == CONTENT


def test_another_temporary_name_leaves_it_held_and_takes_the_place_of_one_held_so(
    world: World,
) -> None:
    firm = world.account()
    held, other = firm.hold(PART, CONTENT), firm.hold("0001/app1/in/b.partial", b"other")

    renamed = firm.rename(PART, "b.partial")
    again = firm.rename("0001/app1/in/b.partial", "b.partial")

    assert (renamed.tracking_id, renamed.name, renamed.state) == (
        held.tracking_id,
        "b.partial",
        State.HELD,
    )
    assert again.tracking_id == held.tracking_id
    assert held_names(firm) == ["b.partial"]
    assert one(firm, other).state is State.ABANDONED
    assert firm.names("0001/app1/in") == []
    (noted,) = world.audited("upload.renamed")
    assert json.loads(noted.detail)["held_as"] == "data.zip.filepart"


def test_only_what_is_held_can_be_renamed(world: World) -> None:
    firm = world.account()
    firm.submit("0001/app1/in/data.zip")

    for path in ("0001/app1/in/data.zip", PART):
        with pytest.raises(NotFound):
            firm.rename(path, "other.zip")
    firm.hold(PART)
    firm.rename(PART, "data.zip")
    with pytest.raises(NotFound):
        firm.rename(PART, "data.zip")

    assert firm.names("0001/app1/in") == ["data.zip"]


def test_a_rename_needs_the_right_to_upload_there_still(world: World) -> None:
    firm = world.account()
    firm.hold(PART)
    held = world.exchange.administration.register.entitlements(account=firm.name)
    world.exchange.administration.end_entitlement(SYSTEM, held[0].entitlement)

    with pytest.raises(NotEntitled):
        firm.rename(PART, "data.zip")

    assert world.audited("upload.received") == []


def test_of_many_sessions_that_rename_one_upload_one_wins(world: World) -> None:
    firm, app = world.account(), world.processor()
    firm.hold(PART, CONTENT)

    results = at_once([lambda n=n: firm.rename(PART, f"{n}.zip") for n in range(6)])

    assert len(of_kind(results, NotFound)) == 5
    (received,) = of_kind(results, Submission)
    assert firm.names("0001/app1/in") == [received.name]
    assert len(firm.names("0001/app1/in_arcv")) == 1
    assert len(app.claim()) == 1
    assert len(world.audited("upload.received")) == 1


@pytest.mark.parametrize("new_name", ["data.zip", "other.partial"])
@pytest.mark.parametrize("changes", [{}, {"blob_key": None}], ids=["kept", "without bytes"])
def test_a_rename_loses_against_an_end_that_comes_first(
    world: World, new_name: str, changes: dict[str, None]
) -> None:
    firm = world.account()
    held = firm.hold(PART)
    uploads, (place, name) = EndedWhileAsked(world.tools), place_and_name(PART)
    uploads.changes = changes

    with pytest.raises(NotFound):
        uploads.rename_held(firm.actor, place, name, FileName(new_name))

    assert one(firm, held).state is State.ABANDONED
    assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []


class EndedWhileAsked(Uploads):
    """What it has just found is abandoned at that very moment."""

    changes: dict[str, None]

    def held_one(self, actor, place, name):  # noqa: ANN001, ANN201
        found = super().held_one(actor, place, name)
        with self._tools.database.transaction() as tx:
            tx.execute(update(submissions).values(state=State.ABANDONED, **self.changes))
        return found


def test_a_rename_whose_answer_was_lost_is_looked_up_and_reported_as_what_it_is(
    world: World,
) -> None:
    firm = world.account()
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    place, name = place_and_name(PART)
    for new_name, state in (("b.partial", State.HELD), ("data.zip", State.RECEIVED)):
        firm.hold(PART, CONTENT)
        database.lost = 1

        renamed = program.uploads.rename_held(firm.actor, place, name, FileName(new_name))

        assert (renamed.state, renamed.name) == (state, new_name)
    program.ends()
    assert firm.names("0001/app1/in") == ["data.zip"]
    assert held_names(firm) == ["b.partial"]


def test_a_rename_that_failed_may_be_tried_again(world: World) -> None:
    firm = world.account()
    held = firm.hold(PART, CONTENT)
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    place, name = place_and_name(PART)
    for failure in (Unavailable("database"), StorageFull()):
        database.failing = failure
        with pytest.raises(type(failure)):
            program.uploads.rename_held(firm.actor, place, name, FileName("data.zip"))
        assert one(firm, held).state is State.HELD
    database.failing = None

    received = program.uploads.rename_held(firm.actor, place, name, FileName("data.zip"))

    program.ends()
    assert received.is_received
    assert firm.names("0001/app1/in") == ["data.zip"]


def test_bytes_that_were_found_damaged_are_not_submitted(world: World) -> None:
    firm = world.account()
    held = firm.hold(PART)
    with world.database.transaction() as tx:
        key = tx.execute(select(blobs.c.key)).scalar_one()
        listings.mark_damaged(tx, key, START)

    with pytest.raises(Unavailable):
        firm.rename(PART, "data.zip")

    assert one(firm, held).state is State.HELD


def test_a_held_upload_is_received_as_its_sub_space_says(world: World) -> None:
    world.application("app2", emptied=Emptied.AT_COMMIT, gate="virus scan")
    firm, app = world.account(application="app2"), world.processor("app2")
    firm.hold("0001/app2/in/data.partial", CONTENT)

    received = firm.rename("0001/app2/in/data.partial", "data")

    assert firm.names("0001/app2/in") == []
    assert firm.names("0001/app2/in_arcv") == [received.archive_name]
    assert app.claim() == ()  # a gate stands before it


def test_no_room_for_the_record_leaves_nothing_held(world: World) -> None:
    firm = world.account()
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    place, name = place_and_name(PART)
    upload = program.uploads.open(firm.actor, place, name, Client(AccessMethod.SFTP))
    upload.write(0, CONTENT)
    database.failing = StorageFull()

    with pytest.raises(StorageFull):
        upload.hold()

    program.ends()
    assert files_in(world, "blobs") == {}
    assert held_names(firm) == []


def test_a_disk_without_room_leaves_nothing_held(world: World) -> None:
    firm, disk = world.account(), FailingCalls("fsync")
    program = over(world, **disk.calls)
    place, name = place_and_name(PART)
    with program.uploads.open(firm.actor, place, name, Client(AccessMethod.SFTP)) as upload:
        upload.write(0, CONTENT)
        with pytest.raises(StorageFull):
            upload.hold()

    program.ends()
    assert one(firm, upload.submission).state is State.ABANDONED
    assert held_names(firm) == []


# --- not renamed ---------------------------------------------------------------------------------


def test_what_is_not_renamed_within_a_day_is_abandoned_and_its_bytes_go(world: World) -> None:
    firm = world.account()
    held = firm.hold(PART, CONTENT)
    world.clock.pass_time(timedelta(hours=24))
    world.exchange.retention.sweep()
    on_time = one(firm, held).state
    world.clock.pass_time(timedelta(microseconds=1))

    swept = world.exchange.retention.sweep()

    gone = one(firm, held)
    assert on_time is State.HELD
    assert (swept.held, swept.requests, swept.blobs) == (1, 0, 1)
    assert (gone.state, gone.reason) == (State.ABANDONED, "it was not renamed within 24 hours")
    assert gone.bytes_seen == len(CONTENT)
    assert held_names(firm) == []
    assert files_in(world, "blobs") == {}
    (noted,) = world.audited("upload.abandoned")
    assert (noted.tracking_id, noted.principal_id) == (held.tracking_id, SYSTEM.principal_id)
    with pytest.raises(NotFound):
        firm.rename(PART, "data.zip")


def test_the_day_counts_from_when_it_was_whole_whatever_it_is_called_since(world: World) -> None:
    firm = world.account()
    upload = firm.open(PART)
    world.clock.pass_time(timedelta(hours=30))
    upload.hold()
    world.clock.pass_time(timedelta(hours=20))
    world.exchange.retention.sweep()
    renamed = firm.rename(PART, "b.partial")
    world.clock.pass_time(timedelta(hours=5))
    world.exchange.retention.sweep()

    assert renamed.state is State.HELD
    assert one(firm, renamed).state is State.ABANDONED


def test_the_bytes_of_what_is_held_are_no_orphan(world: World) -> None:
    firm = world.account()
    firm.hold(PART)
    date_files(world)
    world.clock.pass_time(timedelta(hours=24))

    swept = world.exchange.retention.sweep()

    assert (swept.blobs, swept.orphans) == (0, 0)
    assert len(files_in(world, "blobs")) == 1


# --- just sent -----------------------------------------------------------------------------------


def test_for_a_day_the_sender_is_told_what_it_sent_wherever_the_file_is(world: World) -> None:
    firm, app = world.account(), world.processor()
    older = firm.submit("0001/app1/in/data.zip", b"older")
    world.clock.pass_time(timedelta(hours=1))
    sent = firm.submit("0001/app1/in/data.zip", b"newer file")
    for lease in app.claim():
        world.exchange.handoff.acknowledge(app.actor, lease.submission.tracking_id, lease.fence)

    found = sent_as(firm, "0001/app1/in/data.zip")

    assert firm.names("0001/app1/in") == []
    assert found is not None
    assert (found.tracking_id, found.size) == (sent.tracking_id, 10)
    world.clock.pass_time(timedelta(hours=24) - timedelta(microseconds=1))
    assert sent_as(firm, "0001/app1/in/data.zip") is not None
    world.clock.pass_time(timedelta(microseconds=1))
    assert sent_as(firm, "0001/app1/in/data.zip") is None
    assert older.tracking_id != sent.tracking_id


def test_what_is_under_way_or_abandoned_was_not_sent(world: World) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/data.zip")
    under_way = sent_as(firm, "0001/app1/in/data.zip")
    upload.close()

    assert under_way is None
    assert sent_as(firm, "0001/app1/in/data.zip") is None


def test_what_was_sent_to_another_place_or_by_another_is_not_told(world: World) -> None:
    firm, colleague = world.account(), world.account()
    world.entitle(firm, "0001", "app2", "submit")
    firm.submit("0001/app1/in/data.zip")

    assert sent_as(firm, "0001/app2/in/data.zip") is None
    assert sent_as(firm, "0001/app1/in/data") is None
    assert sent_as(colleague, "0001/app1/in/data.zip") is None


# --- switched off --------------------------------------------------------------------------------


def test_a_temporary_name_is_held_unless_its_account_or_sub_space_has_it_off(
    world: World,
) -> None:
    firm, other = world.account(), world.account()
    world.entitle(other, "0001", "app2", "submit")
    admin, holds = world.exchange.administration, world.exchange.uploads.holds
    elsewhere = Place.parse("0001/app2/in")
    before = holds(firm.actor, IN, "a.filepart"), holds(firm.actor, IN, "a.zip")

    assert admin.set_account_holds(SYSTEM, firm.name, holds=False)
    assert not admin.set_account_holds(SYSTEM, firm.name, holds=False)
    assert not holds(firm.actor, IN, "a.filepart")
    assert holds(other.actor, IN, "a.filepart")
    assert admin.set_sub_space_holds(SYSTEM, "app1", "in", holds=False)
    assert not holds(other.actor, IN, "a.filepart")
    assert holds(other.actor, elsewhere, "a.filepart")
    assert not admin.register.account(firm.name).holds
    assert admin.register.application("app1").unheld == {"in"}
    assert admin.set_account_holds(SYSTEM, firm.name, holds=True)
    assert admin.set_sub_space_holds(SYSTEM, "app1", "in", holds=True)
    assert not admin.set_sub_space_holds(SYSTEM, "app1", "in", holds=True)

    assert before == (True, False)
    assert holds(firm.actor, IN, "a.filepart")
    assert admin.register.account(firm.name).holds
    changes = ("account.holds_not", "sub_space.holds_not", "account.holds", "sub_space.holds")
    assert [each.action for each in world.audited(*changes)] == list(changes)


@pytest.mark.parametrize("path", ["app1/out", "app1/in_arcv", "app1/none", "app9/in"])
def test_temporary_names_have_a_meaning_in_inbound_sub_spaces_only(
    sqlite_world: World, path: str
) -> None:
    application, sub_space = path.split("/")
    admin = sqlite_world.exchange.administration

    with pytest.raises(NotFound):
        admin.set_sub_space_holds(SYSTEM, application, sub_space, holds=False)
    with pytest.raises(NotFound):
        admin.set_account_holds(SYSTEM, "nobody", holds=False)


def test_the_operator_chooses_which_names_are_temporary(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    strict, own = Uploads(sqlite_world.tools, ()), Uploads(sqlite_world.tools, (".tmp",))

    assert not strict.holds(firm.actor, IN, "a.filepart")
    assert own.holds(firm.actor, IN, "a.tmp")
    assert not own.holds(firm.actor, Place.parse("0002/app1/in"), "a.filepart")
    assert own.holds(firm.actor, Place.parse("0002/app1/in"), "a.tmp")
