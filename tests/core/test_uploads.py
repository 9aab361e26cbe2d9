"""Uploads: requested, received or abandoned, whichever door; committed whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from core.faults import FailingCalls, TroubledDatabase, date_files, files_in, over, url_of
from sqlalchemy import select
from world import START, Account, World, place_and_name

from transom.core.uploads import Uploads
from transom.domain.errors import (
    AlreadySubmitted,
    BadParameter,
    IncompleteUpload,
    NotEntitled,
    NotFound,
    StorageFull,
    TooLarge,
    Unavailable,
    WrongState,
)
from transom.domain.names import Place
from transom.domain.space import Emptied
from transom.domain.submission import AccessMethod, Client, State, Submission
from transom.records.schema import submissions

CLIENT = Client(AccessMethod.REST, "192.0.2.7", "tester/1.0", "request-7")


def requested(firm: Account, path: str = "0001/app1/in/filing.zip", key: str = "") -> Submission:
    place, name = place_and_name(path)
    request = firm.world.exchange.uploads.request
    return request(firm.actor, place, name, CLIENT, key).submission


# --- asking --------------------------------------------------------------------------------------


def test_a_request_opens_a_submission_that_says_whose_it_is_and_where_it_came_from(
    world: World,
) -> None:
    firm = world.account()

    asked = requested(firm)

    kept = world.exchange.tracking.one(firm.actor, asked.tracking_id)
    assert (kept.principal_id, kept.user_name) == (firm.id, firm.name)
    assert (kept.home_org, str(kept.place), kept.name) == ("0001", "0001/app1/in", "filing.zip")
    assert (kept.client, kept.state) == (CLIENT, State.REQUESTED)
    assert (kept.requested_at, kept.submitted_at) == (START, START)
    assert (kept.size, kept.sha256, kept.archive_name) == (None, None, None)
    assert firm.names("0001/app1/in") == firm.names("0001/app1/in_arcv") == []


def test_on_behalf_of_another_organization_both_are_recorded(world: World) -> None:
    provider = world.account("0002")
    world.entitle(provider, "0001", "app1", "submit")

    asked = requested(provider, "0001/app1/in/filing.zip")

    assert (asked.home_org, asked.place.org) == ("0002", "0001")
    (entry,) = world.audited("upload.requested")
    assert json.loads(entry.detail) == {"home_org": "0002", "method": "rest"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("0001/app1/out/a", id="outbound"),
        pytest.param("0001/app1/in_arcv/a", id="archive"),
        pytest.param("0001/app2/in/a", id="another application"),
        pytest.param("0002/app1/in/a", id="another organization"),
        pytest.param("0001/app1/nowhere/a", id="no such sub-space"),
    ],
)
def test_an_upload_needs_the_right_to_upload_there(sqlite_world: World, path: str) -> None:
    firm = sqlite_world.account()

    with pytest.raises(NotEntitled):
        requested(firm, path)

    assert sqlite_world.audited("upload.requested") == []


def test_a_download_account_uploads_nothing(sqlite_world: World) -> None:
    reader = sqlite_world.account(may="download")

    with pytest.raises(NotEntitled):
        requested(reader)


def test_under_one_idempotency_key_a_repeated_request_is_the_same_submission(world: World) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/filing.zip")
    request = world.exchange.uploads.request
    first = request(firm.actor, place, name, CLIENT, "key")
    world.clock.pass_time(timedelta(minutes=5))

    again = request(firm.actor, place, name, CLIENT, "key")

    assert again == first
    assert again.signed_at == START


def test_idempotency_keys_of_two_accounts_have_nothing_to_do_with_each_other(world: World) -> None:
    first, second = world.account(), world.account()

    assert requested(first, key="key") != requested(second, key="key")


def test_an_idempotency_key_used_for_another_file_is_refused(world: World) -> None:
    firm = world.account()
    requested(firm, "0001/app1/in/one.zip", "key")

    with pytest.raises(BadParameter, match="Idempotency-Key"):
        requested(firm, "0001/app1/in/two.zip", "key")


def test_a_key_whose_submission_is_forgotten_opens_a_new_one(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    first = requested(firm, key="key")
    with sqlite_world.database.transaction() as tx:
        tx.exec_driver_sql("DELETE FROM submissions")

    second = requested(firm, key="key")

    assert second.tracking_id != first.tracking_id


# --- sending -------------------------------------------------------------------------------------


def test_a_received_file_is_listed_archived_queued_and_audited_in_one_go(world: World) -> None:
    firm, app = world.account(), world.processor()
    asked = requested(firm)
    world.clock.pass_time(timedelta(seconds=2))

    with world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload:
        upload.write(0, b"filing")
        upload.flush()
        received = upload.commit()

    assert received == replace(
        asked,
        state=State.RECEIVED,
        size=6,
        sha256=sha256(b"filing").hexdigest(),
        submitted_at=START + timedelta(seconds=2),
        updated_at=START + timedelta(seconds=2),
        archive_name="20261120153612000_filing.zip",  # the instant of receiving, US Eastern
    )
    assert firm.names("0001/app1/in") == ["filing.zip"]
    assert firm.names("0001/app1/in_arcv") == ["20261120153612000_filing.zip"]
    assert [lease.submission.tracking_id for lease in app.claim()] == [asked.tracking_id]
    (entry,) = world.audited("upload.received")
    assert (entry.object, entry.tracking_id) == ("0001/app1/in/filing.zip", asked.tracking_id)
    assert json.loads(entry.detail)["sha256"] == received.sha256


def test_pieces_may_come_in_any_order_and_overlap(world: World) -> None:
    firm = world.account()
    asked = requested(firm)

    with world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload:
        for offset, piece in ((4, b"XYand later"), (0, b"firs"), (4, b"t ")):
            upload.write(offset, piece)
        assert upload.size == 15
        received = upload.commit()

    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"first and later"
    assert received.sha256 == sha256(b"first and later").hexdigest()


def test_a_file_of_no_bytes_is_a_file(world: World) -> None:
    firm, app = world.account(), world.processor()

    sent = firm.submit("0001/app1/in/empty.txt", b"")

    assert (sent.size, sent.sha256) == (0, sha256(b"").hexdigest())
    assert firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}") == b""
    assert len(app.claim()) == 1


def test_a_hole_in_the_file_is_an_error_and_nothing_is_submitted(world: World) -> None:
    firm = world.account()
    asked = requested(firm)

    with (
        pytest.raises(IncompleteUpload) as refused,
        world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload,
    ):
        upload.write(0, b"first")
        upload.write(10, b"third")
        upload.commit()

    assert (refused.value.tracking_id, refused.value.missing_from) == (asked.tracking_id, 5)
    assert _is_still_waiting(firm, asked.tracking_id)


def test_an_upload_left_without_commit_never_happened(world: World) -> None:
    firm, app = world.account(), world.processor()
    asked = requested(firm)

    with world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload:
        upload.write(0, b"first half")

    assert _is_still_waiting(firm, asked.tracking_id)
    assert app.claim() == ()
    assert list(world.tools.blobs.keys()) == list(world.tools.blobs.keys(staged=True)) == []


def test_what_was_seen_of_a_broken_try_is_noted(world: World) -> None:
    firm = world.account()
    asked = requested(firm)
    upload = world.exchange.uploads.resume(firm.actor, asked.tracking_id)
    upload.write(0, b"first half")

    upload.abort()
    upload.abort()  # twice is no harm
    upload.close()

    assert world.exchange.tracking.one(firm.actor, asked.tracking_id).bytes_seen == 10


def test_a_try_that_broke_off_may_be_repeated_and_leaves_no_trace_in_the_file(world: World) -> None:
    firm = world.account()
    asked = requested(firm)
    with world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload:
        upload.write(0, b"a much longer first try")

    with world.exchange.uploads.resume(firm.actor, asked.tracking_id) as upload:
        upload.write(0, b"second")
        received = upload.commit()

    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"second"
    assert world.exchange.tracking.one(firm.actor, asked.tracking_id).bytes_seen == 6


def test_what_was_received_is_never_altered_by_another_try(world: World) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/filing.zip", b"first")

    with pytest.raises(AlreadySubmitted) as refused:
        world.exchange.uploads.resume(firm.actor, sent.tracking_id)

    assert refused.value.tracking_id == sent.tracking_id
    assert firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}") == b"first"


def test_the_second_of_two_tries_under_way_is_told_that_the_first_was_received(
    world: World,
) -> None:
    firm = world.account()
    asked = requested(firm)
    uploads = world.exchange.uploads
    first = uploads.resume(firm.actor, asked.tracking_id)
    second = uploads.resume(firm.actor, asked.tracking_id)
    first.write(0, b"first")
    second.write(0, b"second")
    first.commit()

    with second, pytest.raises(AlreadySubmitted):
        second.commit()

    assert len(list(world.tools.blobs.keys())) == 1
    assert len(firm.names("0001/app1/in")) == 1


@pytest.mark.parametrize("how", ["abandoned", "gone"])
def test_a_submission_that_ended_while_its_bytes_came_is_not_received(
    world: World, how: str
) -> None:
    firm, app = world.account(), world.processor()
    asked = requested(firm)
    upload = world.exchange.uploads.resume(firm.actor, asked.tracking_id)
    upload.write(0, b"late")
    if how == "abandoned":
        world.clock.pass_time(timedelta(hours=25))
        world.exchange.retention.sweep()
    else:
        with world.database.transaction() as tx:
            tx.exec_driver_sql("DELETE FROM submissions")

    with upload, pytest.raises(WrongState) as refused:
        upload.commit()

    assert refused.value.found == how
    assert app.claim() == ()
    assert firm.names("0001/app1/in_arcv") == []


def test_an_abandoned_submission_takes_no_bytes(world: World) -> None:
    firm = world.account()
    asked = requested(firm)
    world.clock.pass_time(timedelta(hours=25))
    world.exchange.retention.sweep()

    with pytest.raises(WrongState):
        world.exchange.uploads.resume(firm.actor, asked.tracking_id)


def test_only_whoever_asked_may_send_the_bytes(world: World) -> None:
    firm, colleague = world.account(), world.account()
    asked = requested(firm)

    with pytest.raises(NotFound):
        world.exchange.uploads.resume(colleague.actor, asked.tracking_id)


def test_a_right_that_has_gone_since_the_request_stops_the_upload(world: World) -> None:
    firm = world.account()
    granted = world.entitle(firm, "0001", "app1", "both")
    asked = requested(firm)
    world.exchange.administration.end_entitlement(firm.actor, granted)

    with pytest.raises(NotEntitled):
        world.exchange.uploads.resume(firm.actor, asked.tracking_id)


def test_the_same_name_again_is_another_submission_and_nothing_is_overwritten(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()

    first = firm.submit("0001/app1/in/daily.csv", b"monday")
    world.clock.pass_time(timedelta(days=1))
    second = firm.submit("0001/app1/in/daily.csv", b"tuesday")

    assert first.tracking_id != second.tracking_id
    assert firm.names("0001/app1/in_arcv") == [first.archive_name, second.archive_name]
    assert firm.fetch(f"0001/app1/in_arcv/{first.archive_name}") == b"monday"
    assert firm.fetch(f"0001/app1/in_arcv/{second.archive_name}") == b"tuesday"
    assert len(app.claim()) == 2


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "door", "limit"), [(10, None, 10), (None, 10, 10), (10, 20, 10), (20, 10, 10)]
)
def test_the_smaller_of_the_exchange_s_and_the_door_s_limit_counts(
    sqlite_world: World, exchange: int | None, door: int | None, limit: int
) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    keeping = replace(world.tools.keeping, max_file_bytes=exchange)
    uploads = Uploads(replace(world.tools, keeping=keeping))
    asked = requested(firm)

    with uploads.resume(firm.actor, asked.tracking_id, door) as upload:
        upload.write(0, b"x" * limit)
        with pytest.raises(TooLarge) as refused:
            upload.write(limit, b"x")

    assert refused.value.limit == limit
    assert _is_still_waiting(firm, asked.tracking_id)


# --- sub-spaces of every kind --------------------------------------------------------------------


def test_a_sub_space_emptied_at_commit_shows_its_files_in_the_archive_only(world: World) -> None:
    world.application("app3", emptied=Emptied.AT_COMMIT)
    firm, app = world.account(application="app3"), world.processor("app3")

    sent = firm.submit("0001/app3/in/filing.zip")

    assert firm.names("0001/app3/in") == []
    assert firm.names("0001/app3/in_arcv") == [sent.archive_name]
    assert len(app.claim()) == 1


def test_behind_a_gate_a_received_file_waits_for_no_application_yet(world: World) -> None:
    world.application("app3", gate="scan")
    firm, app = world.account(application="app3"), world.processor("app3")

    sent = firm.submit("0001/app3/in/filing.zip")

    assert (sent.state, sent.gate) == (State.RECEIVED, "scan")
    assert app.claim() == ()


def test_a_sub_space_without_archive_keeps_no_copy_of_what_was_taken(world: World) -> None:
    catalogue = world.exchange.administration.catalogue().applications["app2"]
    spaces = {name: replace(space, archived=False) for name, space in catalogue.sub_spaces.items()}
    world.exchange.administration.load_catalogue(
        world.account().actor, [replace(catalogue, sub_spaces=spaces)]
    )
    firm, app = world.account(application="app2"), world.processor("app2")
    sent = firm.submit("0001/app2/in/filing.zip")
    (lease,) = app.claim()

    world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    world.exchange.retention.sweep()

    assert sent.archive_name is None
    with pytest.raises(NotEntitled):
        firm.names("0001/app2/in_arcv")
    assert list(world.tools.blobs.keys()) == []
    assert not world.exchange.tracking.one(firm.actor, sent.tracking_id).downloadable


# --- archive names -------------------------------------------------------------------------------


def test_two_files_of_one_name_in_one_millisecond_get_archive_names_a_millisecond_apart(
    world: World,
) -> None:
    firm = world.account()

    names = [firm.submit("0001/app1/in/a.txt").archive_name for _ in range(3)]

    assert names == [f"20261120153610{number:03}_a.txt" for number in range(3)]


def test_a_burst_of_one_name_finds_its_gap_however_many_there_were(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.records.listings._CANDIDATES", 2)
    firm = world.account()

    names = [firm.submit("0001/app1/in/a.txt").archive_name for _ in range(9)]

    assert names == [f"20261120153610{number:03}_a.txt" for number in range(9)]


def test_in_the_hour_that_comes_twice_a_year_archive_names_stay_unique(world: World) -> None:
    firm = world.account()
    world.clock.pass_time(datetime(2027, 11, 7, 5, 30, tzinfo=UTC) - START)  # 01:30 EDT

    first = firm.submit("0001/app1/in/a.txt")
    world.clock.pass_time(timedelta(hours=1))  # 01:30 EST
    second = firm.submit("0001/app1/in/a.txt")

    assert first.archive_name == "20271107013000000_a.txt"
    assert second.archive_name == "20271107013000001_a.txt"


def test_an_archive_name_is_not_given_again_after_its_file_has_ended(world: World) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/a.txt")
    (lease,) = app.claim()
    world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    world.clock.pass_time(timedelta(days=40))
    world.exchange.retention.sweep()
    world.clock.jump(timedelta(days=-40))  # the machine's clock is set back

    again = firm.submit("0001/app1/in/a.txt")

    assert again.archive_name == "20261120153610001_a.txt"


def test_the_queue_is_rung_in_the_process_that_received(sqlite_world: World) -> None:
    firm, handoff = sqlite_world.account(), sqlite_world.exchange.handoff
    rung: list[str] = []
    handoff.listen("app1", lambda: rung.append("app1"))
    handoff.listen("app2", lambda: rung.append("app2"))

    firm.submit("0001/app1/in/a.txt")

    assert rung == ["app1"]


def test_a_submission_can_be_finished_by_another_program(world: World) -> None:
    firm = world.account()
    asked = requested(firm)
    other = over(world)

    with other.uploads.resume(firm.actor, asked.tracking_id) as upload:
        upload.write(0, b"filing")
        received = upload.commit()

    other.ends()
    assert firm.fetch(f"0001/app1/in_arcv/{received.archive_name}") == b"filing"


def _is_still_waiting(firm: Account, tracking_id: str) -> bool:
    found = firm.world.exchange.tracking.one(firm.actor, tracking_id)
    places = [Place.parse("0001/app1/in"), Place.parse("0001/app1/in_arcv")]
    return found.state is State.REQUESTED and not any(firm.names(str(each)) for each in places)


# --- opened and sent in one go -------------------------------------------------------------------


def test_what_is_opened_is_requested_at_once_and_received_when_it_is_closed(world: World) -> None:
    firm = world.account()
    with firm.open("0001/app1/in/filing.zip") as upload:
        asked = world.exchange.tracking.one(firm.actor, upload.submission.tracking_id)
        upload.write(0, b"content")
        received = upload.commit()

    assert (asked.state, asked.client.method) == (State.REQUESTED, AccessMethod.SFTP)
    assert (received.tracking_id, received.state) == (asked.tracking_id, State.RECEIVED)
    assert firm.names("0001/app1/in") == ["filing.zip"]
    assert [each.action for each in world.audited() if each.tracking_id] == [
        "upload.requested",
        "upload.received",
    ]


def test_what_was_opened_has_one_try_and_is_abandoned_with_it(world: World) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/filing.zip")
    upload.write(0, b"half")
    upload.close()
    upload.close()

    found = world.exchange.tracking.one(firm.actor, upload.submission.tracking_id)
    assert (found.state, found.bytes_seen) == (State.ABANDONED, 4)
    assert found.reason == "the upload broke off before the file was closed"
    (noted,) = world.audited("upload.abandoned")
    assert (noted.principal_id, noted.source) == (firm.id, firm.source)
    assert json.loads(noted.detail)["reason"] == found.reason
    assert files_in(world, "staging") == {}
    with pytest.raises(WrongState):
        world.exchange.uploads.resume(firm.actor, found.tracking_id)


def test_who_ends_an_upload_may_say_why(world: World) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/filing.zip")

    upload.abort("the session was idle")

    found = world.exchange.tracking.one(firm.actor, upload.submission.tracking_id)
    assert (found.state, found.reason) == (State.ABANDONED, "the session was idle")


def test_closing_what_was_received_changes_nothing(world: World) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/filing.zip")
    upload.commit()
    upload.abort()
    upload.close()

    assert world.audited("upload.abandoned") == []
    assert firm.names("0001/app1/in") == ["filing.zip"]


def test_what_was_received_stays_so_when_its_try_is_ended_afterwards(world: World) -> None:
    firm = world.account()
    database = TroubledDatabase(url_of(world))
    program = over(world, database=database)
    place, name = place_and_name("0001/app1/in/filing.zip")
    upload = program.uploads.open(firm.actor, place, name, CLIENT)
    world.exchange.uploads.resume(firm.actor, upload.submission.tracking_id).commit()

    upload.close()

    program.ends()
    found = world.exchange.tracking.one(firm.actor, upload.submission.tracking_id)
    assert found.state is State.RECEIVED
    assert world.audited("upload.abandoned") == []


def test_what_cannot_be_opened_leaves_nothing(world: World) -> None:
    firm = world.account()
    database = TroubledDatabase(url_of(world))
    program, disk = over(world, database=database), FailingCalls("pwrite")
    place, name = place_and_name("0001/app1/in/filing.zip")
    database.gone = True

    with pytest.raises(Unavailable):
        program.uploads.open(firm.actor, place, name, CLIENT)
    with pytest.raises(NotEntitled):
        firm.open("0001/app1/out/filing.zip")
    program.ends()
    full = over(world, **disk.calls)
    with full.uploads.open(firm.actor, place, name, CLIENT) as upload, pytest.raises(StorageFull):
        upload.write(0, b"content")
    full.ends()

    assert files_in(world, "staging") == {}
    (only,) = world.audited("upload.requested")
    assert only.tracking_id == upload.submission.tracking_id


def test_the_door_s_limit_counts_for_what_is_opened_too(world: World) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/filing.zip")
    uploads = world.exchange.uploads
    with uploads.open(firm.actor, place, name, CLIENT, limit=4) as upload:
        upload.write(0, b"1234")
        with pytest.raises(TooLarge):
            upload.write(4, b"5")


# --- long uploads --------------------------------------------------------------------------------


def test_an_upload_that_lasts_longer_than_a_day_goes_on_while_it_gives_a_sign_of_life(
    world: World,
) -> None:
    firm = world.account()
    upload, silent = firm.open("0001/app1/in/long.bin"), firm.open("0001/app1/in/silent.bin")
    for hours in range(60):
        upload.write(hours, b"x")
        date_files(world)
        world.clock.pass_time(timedelta(hours=1))
        world.exchange.uploads.alive([upload.submission.tracking_id])
        world.exchange.retention.sweep()

    received = upload.commit()

    assert received.size == 60
    gone = world.exchange.tracking.one(firm.actor, silent.submission.tracking_id)
    assert gone.state is State.ABANDONED
    with pytest.raises(WrongState):
        silent.commit()


def test_bytes_that_are_being_written_are_never_swept_however_old(world: World) -> None:
    firm = world.account()
    upload = firm.open("0001/app1/in/long.bin")
    upload.write(0, b"content")
    date_files(world)
    for _ in range(6):
        world.clock.pass_time(timedelta(hours=12))
        world.exchange.uploads.alive([upload.submission.tracking_id])
        assert world.exchange.retention.sweep().staged == 0

    upload.commit()

    assert firm.names("0001/app1/in") == ["long.bin"]


def test_a_sign_of_life_is_written_at_most_every_ten_minutes(world: World) -> None:
    firm = world.account()
    upload, other = firm.open("0001/app1/in/long.bin"), firm.open("0001/app1/in/other.bin")
    ids = [upload.submission.tracking_id]
    seen = []
    for minutes in (9, 1, 9, 1):
        world.clock.pass_time(timedelta(minutes=minutes))
        world.exchange.uploads.alive(ids)
        seen.append(alive_at(world, *ids))
    world.exchange.uploads.alive([])
    world.exchange.uploads.alive(["nobody"] * 600)

    minute = timedelta(minutes=1)
    first, second = START + 10 * minute, START + 20 * minute
    assert seen == [None, first, first, second]
    assert alive_at(world, other.submission.tracking_id) is None
    upload.close()
    other.close()


def alive_at(world: World, tracking_id: str) -> datetime | None:
    with world.database.reading() as tx:
        query = select(submissions.c.alive_at).where(submissions.c.tracking_id == tracking_id)
        return tx.execute(query).scalar_one()


# --- giving up -----------------------------------------------------------------------------------


def test_what_its_sender_gives_up_is_abandoned_and_takes_no_bytes(world: World) -> None:
    firm = world.account()
    asked = requested(firm)

    left = world.exchange.uploads.abandon(firm.actor, asked.tracking_id, "cancelled")

    assert left.state is State.ABANDONED
    kept = world.exchange.tracking.one(firm.actor, asked.tracking_id)
    assert (kept.state, kept.reason) == (State.ABANDONED, "cancelled")
    assert len(world.audited("upload.abandoned")) == 1
    with pytest.raises(WrongState):
        world.exchange.uploads.resume(firm.actor, asked.tracking_id)


def test_what_was_received_is_not_given_up(world: World) -> None:
    firm = world.account()
    received = firm.submit("0001/app1/in/filing.zip")

    left = world.exchange.uploads.abandon(firm.actor, received.tracking_id, "cancelled")

    assert left.state is State.RECEIVED
    assert not world.audited("upload.abandoned")


def test_nobody_gives_up_what_others_send(sqlite_world: World) -> None:
    asked = requested(sqlite_world.account())
    abandon = sqlite_world.exchange.uploads.abandon

    for tracking_id in (asked.tracking_id, "unknown"):
        with pytest.raises(NotFound):
            abandon(sqlite_world.account().actor, tracking_id, "cancelled")


def test_the_smaller_limit_counts(sqlite_world: World) -> None:
    uploads = sqlite_world.exchange.uploads

    assert uploads.most_bytes(5) == 5
    limited = Uploads(
        replace(uploads._tools, keeping=replace(uploads._tools.keeping, max_file_bytes=3))
    )
    assert limited.most_bytes(5) == 3
