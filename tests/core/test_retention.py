"""Retention: what ends, when, and that nothing ends early."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from world import START, MovableClock, World

from transom.core.retention import Retention, SteadyClock, Swept
from transom.core.sign_in import Attempt
from transom.core.tracking import Query
from transom.domain.errors import NotFound
from transom.domain.names import FileName, Place
from transom.domain.space import Emptied
from transom.domain.submission import AccessMethod, Client, State
from transom.records.audit import latest
from transom.records.database import Database
from transom.records.schema import (
    audit,
    blobs,
    findings,
    idempotency,
    leases,
    listings,
    submissions,
)

NOTHING = Swept()
ARCHIVE = Place.parse("0001/app1/in_arcv")


def audited(world: World, action: str) -> list[str]:
    with world.database.reading() as tx:
        query = select(audit.c.object).where(audit.c.action == action).order_by(audit.c.id)
        return list(tx.execute(query).scalars())


def files(world: World, kind: str = "blobs") -> list[Path]:
    return [path for path in (world.directory / "files" / kind).rglob("*") if path.is_file()]


def taken(world: World, path: str = "0001/app1/in/filing.zip") -> str:
    """A submission that its application took; returns its archive name."""
    sent = world.account().submit(path)
    app = world.processor()
    (lease,) = app.claim()
    world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    assert sent.archive_name is not None
    return sent.archive_name


def test_an_archived_file_stays_through_the_end_of_the_thirtieth_day(world: World) -> None:
    firm, name = world.account(), taken(world)
    last_moment = datetime(2026, 12, 21, 5, 0, tzinfo=UTC) - timedelta(milliseconds=1)

    world.clock.pass_time(last_moment - START)
    world.exchange.retention.sweep()
    before = firm.names("0001/app1/in_arcv")
    world.clock.pass_time(timedelta(milliseconds=1))
    at_once = firm.names("0001/app1/in_arcv")
    swept = world.exchange.retention.sweep()

    assert (before, at_once) == ([name], [])
    assert (swept.listings, swept.blobs) == (1, 1)
    assert files(world) == []


def test_tracking_tells_that_the_archive_copy_has_ended(world: World) -> None:
    firm = world.account()
    taken(world)

    def downloadable() -> bool:
        ((found,),) = list(world.exchange.tracking.all(firm.actor, Query()))
        return found.downloadable

    world.clock.pass_time(timedelta(days=30))
    on_the_last_day = downloadable()
    world.clock.pass_time(timedelta(days=1))

    assert (on_the_last_day, downloadable()) == (True, False)


def test_a_running_download_finishes_and_then_the_file_is_gone(world: World) -> None:
    firm, name = world.account(), taken(world)
    downloads = world.exchange.downloads
    listing = downloads.find(firm.actor, ARCHIVE, FileName(name))
    opened = downloads.open(firm.actor, listing)
    first = opened.reader.read(3)

    world.clock.pass_time(timedelta(days=31))
    world.exchange.retention.sweep()
    rest = opened.reader.read(100)
    opened.reader.close()

    assert first + rest == b"content"
    with pytest.raises(NotFound):
        downloads.find(firm.actor, ARCHIVE, FileName(name))


def test_every_ending_is_audited(world: World) -> None:
    name = taken(world)
    world.clock.pass_time(timedelta(days=31))
    world.exchange.retention.sweep()

    assert audited(world, "retention.ended") == [f"0001/app1/in_arcv/{name}"]
    assert len(audited(world, "retention.deleted")) == 1


def test_a_sweep_may_be_repeated(world: World) -> None:
    taken(world)
    world.clock.pass_time(timedelta(days=31))

    world.exchange.retention.sweep()

    assert world.exchange.retention.sweep() == NOTHING


def test_outbound_files_stay_for_the_days_of_their_sub_space(world: World) -> None:
    world.application("brief", days=2)
    firm, app = world.account(application="brief"), world.processor("brief")
    app.publish("0001/brief/out/answer.txt")

    world.clock.pass_time(timedelta(days=2))
    world.exchange.retention.sweep()
    kept = firm.names("0001/brief/out")
    world.clock.pass_time(timedelta(days=1))
    world.exchange.retention.sweep()

    assert (kept, firm.names("0001/brief/out"), files(world)) == (["answer.txt"], [], [])


@pytest.mark.parametrize("emptied", list(Emptied))
def test_what_no_application_has_taken_is_never_lost(world: World, emptied: Emptied) -> None:
    world.application("slow", emptied=emptied)
    world.account(application="slow").submit("0001/slow/in/filing.zip", b"still wanted")
    app = world.processor("slow")

    world.clock.pass_time(timedelta(days=400))
    world.exchange.retention.sweep()

    (lease,) = app.claim()
    content = world.exchange.handoff.content(app.actor, lease.submission.tracking_id)
    assert content.reader.read(100) == b"still wanted"
    content.reader.close()


def test_after_ninety_days_tracking_forgets(world: World) -> None:
    taken(world)
    world.clock.pass_time(timedelta(days=90))
    early = world.exchange.retention.sweep().submissions
    world.clock.pass_time(timedelta(days=1))
    swept = world.exchange.retention.sweep()

    assert (early, swept.submissions) == (0, 1)
    with world.database.reading() as tx:
        left = [tx.execute(select(table)).first() for table in (submissions, leases)]
    assert left == [None, None]
    assert len(audited(world, "tracking.forgotten")) == 1


def test_a_request_whose_bytes_never_came_is_abandoned_after_a_day(world: World) -> None:
    firm = world.account()
    place, name = Place.parse("0001/app1/in"), FileName("filing.zip")
    asked = world.exchange.uploads.request(firm.actor, place, name, Client(AccessMethod.REST))

    world.clock.pass_time(timedelta(hours=24))
    early = world.exchange.retention.sweep().requests
    world.clock.pass_time(timedelta(seconds=1))
    swept = world.exchange.retention.sweep().requests

    found = world.exchange.tracking.one(firm.actor, asked.submission.tracking_id)
    assert (early, swept) == (0, 1)
    assert (found.state, found.reason) == (State.ABANDONED, "the signed URL expired unused")


def test_an_upload_whose_worker_died_is_abandoned_with_the_reason_of_its_door(
    world: World,
) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/filing.zip")  # and nobody ever closes it
    world.clock.pass_time(timedelta(hours=24, seconds=1))

    world.exchange.retention.sweep()

    found = world.exchange.tracking.one(firm.actor, upload.submission.tracking_id)
    assert found.state is State.ABANDONED
    assert found.reason == "the upload broke off before the file was closed"
    upload.close()


def test_a_try_that_broke_off_is_abandoned_with_what_was_seen_of_it(world: World) -> None:
    firm = world.account()
    place, name = Place.parse("0001/app1/in"), FileName("filing.zip")
    asked = world.exchange.uploads.request(firm.actor, place, name, Client(AccessMethod.REST))
    with world.exchange.uploads.resume(firm.actor, asked.submission.tracking_id) as upload:
        upload.write(0, b"half of it")

    world.clock.pass_time(timedelta(hours=25))
    world.exchange.retention.sweep()

    found = world.exchange.tracking.one(firm.actor, asked.submission.tracking_id)
    assert (found.bytes_seen, found.reason) == (10, "the upload broke off and was not repeated")


def age(path: Path, world: World, period: timedelta) -> None:
    at = (world.clock.wall() - period).timestamp()
    os.utime(path, (at, at))


def test_bytes_that_no_record_names_go_after_a_day_and_not_before(world: World) -> None:
    orphan = world.directory / "files" / "blobs" / "ab" / ("ab" * 16)
    orphan.write_bytes(b"left by a crash between sealing and the commit point")

    age(orphan, world, timedelta(hours=23))
    early = world.exchange.retention.sweep().orphans
    age(orphan, world, timedelta(hours=25))
    swept = world.exchange.retention.sweep().orphans

    assert (early, swept, orphan.exists()) == (0, 1, False)
    assert audited(world, "retention.orphan_deleted") == ["ab" * 16]


def test_stale_staging_goes_after_a_day_but_never_while_a_session_holds_it(world: World) -> None:
    firm = world.account()
    place, name = Place.parse("0001/app1/in"), FileName("filing.zip")
    asked = world.exchange.uploads.request(firm.actor, place, name, Client(AccessMethod.REST))
    left = world.directory / "files" / "staging" / ("cd" * 16)
    left.write_bytes(b"left by a crash")
    age(left, world, timedelta(hours=25))

    with world.exchange.uploads.resume(firm.actor, asked.submission.tracking_id) as upload:
        upload.write(0, b"slow, but alive")
        for path in files(world, "staging"):
            age(path, world, timedelta(hours=25))
        swept = world.exchange.retention.sweep().staged
        received = upload.commit()

    assert (swept, left.exists()) == (1, False)
    assert received.state is State.RECEIVED


def test_a_machine_clock_that_jumps_ahead_deletes_nothing_early(world: World) -> None:
    firm, name = world.account(), taken(world)

    world.clock.jump(timedelta(days=40))
    swept = world.exchange.retention.sweep()
    world.clock.jump(timedelta(days=-40))

    assert swept == NOTHING
    assert firm.fetch(f"0001/app1/in_arcv/{name}") == b"content"


def test_a_machine_clock_that_jumps_back_deletes_nothing_early(world: World) -> None:
    taken(world)

    world.clock.jump(timedelta(hours=-1))

    assert world.exchange.retention.sweep() == NOTHING


def test_a_sandbox_that_moves_the_exchange_s_time_is_no_jump(world: World) -> None:
    firm = world.account()
    taken(world)

    world.clock.move(timedelta(days=31))
    swept = world.exchange.retention.sweep()

    assert (swept.listings, firm.names("0001/app1/in_arcv")) == (1, [])


def test_idempotency_keys_are_kept_for_a_day(world: World) -> None:
    firm = world.account()
    place, name = Place.parse("0001/app1/in"), FileName("filing.zip")
    came = Client(AccessMethod.REST)
    first = world.exchange.uploads.request(firm.actor, place, name, came, "key")

    world.clock.pass_time(timedelta(hours=23))
    world.exchange.retention.sweep()
    same = world.exchange.uploads.request(firm.actor, place, name, came, "key")
    world.clock.pass_time(timedelta(hours=2))
    world.exchange.retention.sweep()
    other = world.exchange.uploads.request(firm.actor, place, name, came, "key")

    assert same == first
    assert other.submission.tracking_id != first.submission.tracking_id
    with world.database.reading() as tx:
        assert len(tx.execute(select(idempotency)).all()) == 1


def test_many_endings_are_done_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transom.core.retention.BATCH", 2)
    app = world.processor()
    for number in range(5):
        app.publish(f"0001/app1/out/{number}.txt")
    world.clock.pass_time(timedelta(days=31))

    swept = world.exchange.retention.sweep()

    assert (swept.listings, swept.blobs) == (5, 5)
    with world.database.reading() as tx:
        assert tx.execute(select(blobs)).first() is None


def test_expired_tokens_are_swept(world: World) -> None:
    firm = world.account()
    world.exchange.tokens.grant(Attempt(firm.name, firm.secret, "127.0.0.1"))

    world.clock.pass_time(timedelta(hours=11))
    early = world.exchange.retention.sweep().tokens
    world.clock.pass_time(timedelta(hours=1))

    assert (early, world.exchange.retention.sweep().tokens) == (0, 1)


def test_abandoning_and_forgetting_are_done_in_batches_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.core.retention.BATCH", 2)
    firm = world.account()
    place, came = Place.parse("0001/app1/in"), Client(AccessMethod.REST)
    for number in range(4):
        name = FileName(f"{number}.zip")
        world.exchange.uploads.request(firm.actor, place, name, came)
        taken(world)

    world.clock.pass_time(timedelta(hours=25))
    abandoned = world.exchange.retention.sweep().requests
    world.clock.pass_time(timedelta(days=91))
    ended = world.exchange.retention.sweep()
    world.clock.pass_time(timedelta(days=91))
    world.exchange.retention.sweep()

    assert abandoned == 4
    assert (ended.listings, ended.blobs, ended.submissions) == (4, 4, 8)
    with world.database.reading() as tx:
        for table in (submissions, listings, leases, findings, blobs):
            assert tx.execute(select(table)).first() is None, table.name


def test_a_start_with_the_clock_far_ahead_deletes_nothing_early(world: World) -> None:
    firm, name = world.account(), taken(world)
    world.clock.jump(timedelta(days=400))
    started = Retention(world.exchange.retention._tools, world.program.databases.identity)

    held_back = started.recall()
    swept = started.sweep()
    world.clock.jump(timedelta(days=-400))

    assert held_back == timedelta(days=397)
    assert swept == NOTHING
    assert firm.fetch(f"0001/app1/in_arcv/{name}") == b"content"


def test_a_start_after_a_short_absence_is_not_held_back(world: World) -> None:
    taken(world)
    world.clock.pass_time(timedelta(days=2))
    started = Retention(world.exchange.retention._tools, world.program.databases.identity)

    assert started.recall() == timedelta(0)


def test_the_first_start_of_all_is_not_held_back(sqlite_template: Path) -> None:
    database = Database(f"sqlite:///{sqlite_template}")
    clock = MovableClock()
    with database.reading() as tx:
        assert latest(tx) is None
    database.dispose()

    assert SteadyClock(clock, None).behind == timedelta(0)
