"""The disk fills or fails, the database goes away: an error, nothing visible, and it passes."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest
from core.faults import (
    FailingCalls,
    Program,
    TroubledDatabase,
    date_files,
    files_in,
    over,
    root_of,
    url_of,
)
from sqlalchemy import text
from world import Account, World, place_and_name

from transom.core.bodies import Stated
from transom.core.scrub import Scrub
from transom.domain.errors import StorageFull, Unavailable
from transom.domain.submission import AccessMethod, Client, State, Submission
from transom.records.database import Database

EVERYTHING = 1 << 40
FULL = [errno.ENOSPC, errno.EDQUOT]


def requested(firm: Account, path: str = "0001/app1/in/filing.zip") -> str:
    place, name = place_and_name(path)
    asked = firm.world.exchange.uploads.request(firm.actor, place, name, Client(AccessMethod.REST))
    return asked.submission.tracking_id


def deliver(program: Program, firm: Account, tracking_id: str) -> Submission:
    with program.uploads.resume(firm.actor, tracking_id) as upload:
        upload.write(0, b"content")
        return upload.commit()


def assert_nothing_came_of_it(firm: Account, tracking_id: str) -> None:
    found = firm.world.exchange.tracking.one(firm.actor, tracking_id)
    assert (found.state, found.sha256) == (State.REQUESTED, None)
    assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []


@pytest.fixture
def published(world: World) -> Iterator[Account]:
    """An account that has a result file to download, whatever happens to uploads."""
    firm = world.account()
    world.processor().publish("0001/app1/out/result.txt", b"result")
    yield firm
    assert firm.fetch("0001/app1/out/result.txt") == b"result"


# --- the disk is full ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", FULL, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["pwrite", "fsync", "link"])
def test_no_room_while_writing_or_sealing_is_told_and_passes(
    world: World, published: Account, call: str, number: int
) -> None:
    disk = FailingCalls(call, number=number)
    program = over(world, **disk.calls)
    tracking_id = requested(published)

    with pytest.raises(StorageFull):
        deliver(program, published, tracking_id)
    assert_nothing_came_of_it(published, tracking_id)
    assert files_in(world, "staging") == {}
    if call == "pwrite":
        with pytest.raises(StorageFull):
            program.tools.blobs.check()
    disk.failing = False
    program.tools.blobs.check()
    received = deliver(program, published, tracking_id)

    program.ends()
    assert published.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"content"


def test_no_room_to_put_a_form_back_together_loses_only_this_try(world: World) -> None:
    firm = world.account()
    tracking_id = requested(firm, "0001/app1/in/f.zip")
    body = b'--%s\r\nContent-Disposition: form-data; name="f.zip"\r\n\r\nno form' % (b"a" * 32)
    disk = FailingCalls("pwrite")
    disk.failing = False
    program = over(world, **disk.calls)
    receiving = program.bodies.begin(firm.actor, tracking_id, Stated("application/octet-stream"))
    receiving.feed(body)
    disk.failing = True

    with pytest.raises(StorageFull):
        receiving.commit()
    receiving.close()

    program.ends()
    assert_nothing_came_of_it(firm, tracking_id)
    assert files_in(world, "staging") == files_in(world, "blobs") == {}


def test_no_room_in_the_database_at_the_commit_leaves_no_blob_that_eats_the_last_of_it(
    world: World, published: Account
) -> None:
    database = FullDatabase(url_of(world))
    program = over(world, database=database)
    tracking_id = requested(published)
    before = set(files_in(world, "blobs"))

    with (
        pytest.raises(StorageFull),
        program.uploads.resume(published.actor, tracking_id) as upload,
    ):
        upload.write(0, b"content")
        database.full = True
        try:
            upload.commit()
        finally:
            database.full = False

    assert set(files_in(world, "blobs")) == before
    assert_nothing_came_of_it(published, tracking_id)
    assert deliver(program, published, tracking_id).state is State.RECEIVED
    program.ends()


class FullDatabase(Database):
    """Has no room for a commit, for as long as it is told so."""

    full = False

    def transaction(self):  # noqa: ANN201
        if self.full:
            raise StorageFull
        return super().transaction()


def test_a_full_sqlite_file_takes_no_upload_lets_downloads_go_on_and_recovers(
    sqlite_world: World,
) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    world.processor().publish("0001/app1/out/result.txt", b"result")
    waiting = [requested(firm, f"0001/app1/in/{number}.zip") for number in range(100)]
    database = Database(url_of(world), pool_size=1)  # the limit below is its one connection's
    program = over(world, database=database)
    with database.transaction() as tx:
        pages = tx.execute(text("PRAGMA page_count")).scalar_one()
        tx.execute(text(f"PRAGMA max_page_count = {pages}"))

    received = 0
    with pytest.raises(StorageFull):
        for tracking_id in waiting:
            deliver(program, firm, tracking_id)
            received += 1
    found = program.downloads.find(firm.actor, *place_and_name("0001/app1/out/result.txt"))
    reader = program.downloads.open(firm.actor, found).reader
    assert reader.read(100) == b"result"
    reader.close()
    assert len(firm.names("0001/app1/in")) == received == len(files_in(world, "blobs")) - 1
    with database.transaction() as tx:
        tx.execute(text("PRAGMA max_page_count = 1073741823"))

    assert deliver(program, firm, waiting[received]).state is State.RECEIVED
    program.ends()


# --- the disk fails ------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["pwrite", "fsync", "link"])
def test_a_failing_disk_is_told_and_nothing_is_visible(
    world: World, published: Account, call: str
) -> None:
    disk = FailingCalls(call, number=errno.EIO)
    program = over(world, **disk.calls)
    tracking_id = requested(published)

    with pytest.raises(Unavailable) as told:
        deliver(program, published, tracking_id)
    disk.failing = False

    assert not isinstance(told.value, StorageFull)
    assert_nothing_came_of_it(published, tracking_id)
    assert deliver(program, published, tracking_id).state is State.RECEIVED
    program.ends()


def test_after_a_failed_fsync_the_readiness_check_says_so_until_a_restart(world: World) -> None:
    firm = world.account()
    disk = FailingCalls("fsync", number=errno.EIO)
    program = over(world, **disk.calls)
    with pytest.raises(Unavailable):
        deliver(program, firm, requested(firm))
    disk.failing = False

    with pytest.raises(Unavailable):
        program.tools.blobs.check()

    program.ends()
    restarted = over(world)
    restarted.tools.blobs.check()
    restarted.ends()
    world.exchange.check()


def test_a_blob_whose_commit_failed_and_whose_fate_is_unknown_is_swept_after_the_grace(
    world: World,
) -> None:
    firm = world.account()
    tracking_id = requested(firm)
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    upload = program.uploads.resume(firm.actor, tracking_id)
    upload.write(0, b"content")
    database.gone = True
    with pytest.raises(Unavailable):
        upload.commit()
    database.gone = False
    upload.close()
    program.ends()
    date_files(world)

    world.clock.pass_time(timedelta(hours=23))
    early = world.exchange.retention.sweep()
    world.clock.pass_time(timedelta(hours=2))
    late = world.exchange.retention.sweep()

    assert (early.orphans, late.orphans) == (0, 1)
    assert files_in(world, "blobs") == {}


def test_a_store_that_cannot_be_read_for_a_while_marks_nothing_as_damaged(world: World) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/filing.zip", b"filing")
    world.clock.pass_time(timedelta(days=8))
    disk = FailingCalls("pread", number=errno.EIO)
    program = over(world, **disk.calls)
    scrub = Scrub(program.tools)

    assert scrub.run(EVERYTHING) == (0, 0)
    assert world.audited("blob.damaged") == []
    disk.failing = False

    assert scrub.run(EVERYTHING) == (1, 0)
    program.ends()
    assert firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}") == b"filing"


def test_readiness_fails_while_the_place_for_blobs_is_gone_and_recovers(world: World) -> None:
    staging = root_of(world) / "staging"
    world.exchange.check()
    staging.rmdir()  # a directory that is not there takes no new file

    with pytest.raises(Unavailable):
        world.exchange.check()


# --- the database goes away ----------------------------------------------------------------------


def test_a_locked_sqlite_file_is_unavailable_and_then_goes_on(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    tracking_id = requested(firm)
    monkeypatch.setattr("transom.records.database._BUSY_SECONDS", 0.05)
    database = Database(url_of(world), pool_size=2)
    program = over(world, database=database)
    path = world.database.engine.url.database
    assert path is not None

    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        deliver(program, firm, tracking_id)
    holder.execute("ROLLBACK")
    holder.close()

    assert deliver(program, firm, tracking_id).state is State.RECEIVED
    program.ends()


def test_an_exhausted_pool_is_unavailable_and_then_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.records.database._POOL_WAIT_SECONDS", 0.05)
    database = Database(url_of(world), pool_size=1)

    with database.reading(), database.reading(), pytest.raises(Unavailable), database.reading():
        pass

    with database.reading() as tx:
        assert tx.execute(text("SELECT 1")).scalar_one() == 1
    database.dispose()


def test_a_postgres_that_drops_every_connection_in_the_middle_of_a_commit_loses_nothing(
    postgres_world: World,
) -> None:
    world, firm = postgres_world, postgres_world.account()
    tracking_id = requested(firm)
    program = over(world)
    upload = program.uploads.resume(firm.actor, tracking_id)
    upload.write(0, b"content")

    dropped = _DroppingBlobs(world)
    upload._staged = dropped.around(upload._staged)  # type: ignore[assignment]
    received = upload.commit()  # the pool finds new connections before it begins

    assert received.state is State.RECEIVED
    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"content"
    program.ends()


def test_a_postgres_that_drops_the_connection_inside_a_transaction_is_unavailable_once(
    postgres_world: World,
) -> None:
    world, firm = postgres_world, postgres_world.account()
    handoff, app = world.exchange.handoff, world.processor()
    sent = firm.submit("0001/app1/in/filing.zip")
    (lease,) = app.claim()

    with pytest.raises(Unavailable), world.database.transaction() as tx:
        _drop_connections(world)
        tx.execute(text("DELETE FROM leases"))
    _drop_connections(world)

    taken = handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    assert taken.taken_at is not None


class _DroppingBlobs:
    """Drops the program's connections at the moment of sealing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def around(self, staged: object) -> object:
        world, seal_as = self._world, staged.seal_as  # type: ignore[attr-defined]

        class Dropping:
            def __getattr__(self, name: str) -> object:
                return getattr(staged, name)

            def seal_as(self, key: str) -> object:
                _drop_connections(world)
                return seal_as(key)

        return Dropping()


def _drop_connections(world: World) -> None:
    other = Database(url_of(world), pool_size=1)
    with other.reading() as tx:
        tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()
