"""Hand-off: each submission reaches its application at least once, and is answered once."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from world import World, tracking_id

from transom.domain.entitlement import Rights
from transom.domain.errors import BadParameter, IncompleteUpload, NotEntitled, NotFound, WrongState
from transom.domain.names import FileName, Place
from transom.domain.submission import AccessMethod, Client, Finding, State


def test_the_oldest_submissions_are_claimed_first_and_at_most_as_many_as_asked(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    for name in ("a.zip", "b.zip", "c.zip"):
        firm.submit(f"0001/app1/in/{name}")
        world.clock.pass_time(timedelta(seconds=1))

    first, second = app.claim(limit=2), app.claim(limit=2)

    assert [lease.submission.name for lease in first] == ["a.zip", "b.zip"]
    assert [lease.submission.name for lease in second] == ["c.zip"]
    assert app.claim() == ()


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_claim_is_of_one_to_a_hundred(sqlite_world: World, limit: int) -> None:
    with pytest.raises(BadParameter):
        sqlite_world.processor().claim(limit=limit)


@pytest.mark.parametrize("minutes", [0, -1, 24 * 60 + 1])
def test_a_lease_has_an_end_within_a_day(sqlite_world: World, minutes: int) -> None:
    app, handoff = sqlite_world.processor(), sqlite_world.exchange.handoff
    with pytest.raises(BadParameter):
        app.claim(minutes=minutes)
    with pytest.raises(BadParameter):
        handoff.extend(app.actor, tracking_id(), 1, timedelta(minutes=minutes))


def test_only_the_application_s_own_account_claims(sqlite_world: World) -> None:
    firm, other = sqlite_world.account(), sqlite_world.processor("app2")
    handoff = sqlite_world.exchange.handoff

    for account in (firm, other.account):
        with pytest.raises(NotEntitled):
            handoff.claim(account.actor, "app1", 1, timedelta(minutes=1))


def test_a_lease_that_ran_out_is_offered_again_and_its_holder_is_told(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")
    slow, quick = world.processor(), world.processor()
    handoff = world.exchange.handoff

    (late,) = slow.claim(minutes=5)
    assert quick.claim() == ()
    world.clock.pass_time(timedelta(minutes=6))
    (fresh,) = quick.claim()

    assert fresh.fence > late.fence
    sent = late.submission.tracking_id
    with pytest.raises(WrongState):
        handoff.acknowledge(slow.actor, sent, late.fence)
    with pytest.raises(WrongState):
        handoff.extend(slow.actor, sent, late.fence, timedelta(minutes=5))
    handoff.acknowledge(quick.actor, sent, fresh.fence)


def test_a_lease_can_be_lengthened_while_the_application_works(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")
    app = world.processor()
    (lease,) = app.claim(minutes=5)

    world.clock.pass_time(timedelta(minutes=4))
    until = world.exchange.handoff.extend(
        app.actor, lease.submission.tracking_id, lease.fence, timedelta(minutes=5)
    )
    world.clock.pass_time(timedelta(minutes=4))

    assert until == world.clock.now() + timedelta(minutes=1)
    assert app.claim() == ()


def test_acknowledged_it_leaves_the_inbound_sub_space_and_tracking_says_received(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip")
    (lease,) = app.claim()
    world.clock.pass_time(timedelta(seconds=9))

    taken = world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)
    again = world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)

    assert taken.taken_at == again.taken_at == world.clock.now()
    assert firm.names("0001/app1/in") == []
    assert firm.names("0001/app1/in_arcv") == [sent.archive_name]


@pytest.mark.parametrize("outcome", [State.ACCEPTED, State.PARTIALLY_REJECTED, State.REJECTED])
def test_an_answer_comes_with_findings_and_may_be_repeated(world: World, outcome: State) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip")
    (lease,) = app.claim()
    handoff = world.exchange.handoff
    found = (Finding("NGS-1", "branch-zip", "R4530-114", 'Must be 5 digits. Found "6060".'),)
    handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)

    for _ in range(2):
        handoff.report(app.actor, sent.tracking_id, lease.fence, outcome, found)

    tracked = world.exchange.tracking.one(firm.actor, sent.tracking_id)
    assert (tracked.state, tracked.findings) == (outcome, found)


def test_illegal_moves_are_refused(world: World) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip").tracking_id
    handoff = world.exchange.handoff

    with pytest.raises(WrongState):  # nothing was claimed
        handoff.acknowledge(app.actor, sent, 1)
    (lease,) = app.claim()
    with pytest.raises(WrongState):  # not acknowledged
        handoff.report(app.actor, sent, lease.fence, State.ACCEPTED)
    with pytest.raises(WrongState):  # a number of his own making
        handoff.acknowledge(app.actor, sent, lease.fence + 1)
    handoff.acknowledge(app.actor, sent, lease.fence)
    with pytest.raises(BadParameter):
        handoff.report(app.actor, sent, lease.fence, State.RECEIVED)
    handoff.report(app.actor, sent, lease.fence, State.ACCEPTED)
    with pytest.raises(WrongState):  # answered otherwise before
        handoff.report(app.actor, sent, lease.fence, State.REJECTED)
    with pytest.raises(WrongState):  # no lease runs any more
        handoff.extend(app.actor, sent, lease.fence, timedelta(minutes=1))

    assert world.exchange.tracking.one(firm.actor, sent).state is State.ACCEPTED


def test_submissions_of_others_are_not_found(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip").tracking_id
    other, handoff = world.processor("app2"), world.exchange.handoff

    for wanted in (sent, tracking_id()):
        with pytest.raises(NotFound):
            handoff.acknowledge(other.actor, wanted, 1)
        with pytest.raises(NotFound):
            handoff.content(other.actor, wanted)
    with pytest.raises(NotFound):
        other.publish("0001/app2/out/answer.txt", about=sent)


def test_the_application_reads_the_bytes_whole_or_in_part(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip", b"0123456789").tracking_id
    app, handoff = world.processor(), world.exchange.handoff

    whole = handoff.content(app.actor, sent)
    part = handoff.content(app.actor, sent, 2, 3)

    assert whole.reader.read(100) == b"0123456789"
    assert part.reader.read(100) == b"234"
    assert whole.listing.size == 10
    whole.reader.close()
    part.reader.close()


def test_a_requested_submission_has_no_content_yet(world: World) -> None:
    firm, app = world.account(), world.processor()
    place = Place.parse("0001/app1/in")
    asked = world.exchange.uploads.request(
        firm.actor, place, FileName("a.zip"), Client(AccessMethod.REST)
    )

    with pytest.raises(NotFound):
        world.exchange.handoff.content(app.actor, asked.submission.tracking_id)


@pytest.mark.parametrize(
    "path",
    [
        "9999/app1/out/answer.txt",  # no such organization
        "0001/app1/in/answer.txt",  # inbound
        "0001/app1/in_arcv/answer.txt",  # the archive
        "0001/app1/nowhere/answer.txt",
    ],
)
def test_results_go_only_into_outbound_sub_spaces_of_organizations_that_exist(
    sqlite_world: World, path: str
) -> None:
    with pytest.raises(NotFound):
        sqlite_world.processor().publish(path)


def test_nobody_publishes_for_another_application(sqlite_world: World) -> None:
    with pytest.raises(NotEntitled):
        sqlite_world.processor("app2").publish("0001/app1/out/answer.txt")


def test_a_result_with_a_hole_is_not_published(sqlite_world: World) -> None:
    firm, app = sqlite_world.account(), sqlite_world.processor()
    publish = sqlite_world.exchange.handoff.publish
    with (
        publish(app.actor, Place.parse("0001/app1/out"), FileName("a.txt")) as publication,
        pytest.raises(IncompleteUpload),
    ):
        publication.write(10, b"late")
        publication.commit()

    assert firm.names("0001/app1/out") == []


def test_an_open_set_opens_for_the_organization_that_something_is_published_to(
    world: World,
) -> None:
    world.guide_catalogue()
    app = world.processor("tradejrnl")
    mine = world.account("0001", application="tradejrnl", may="download")
    theirs = world.account("0002", application="tradejrnl", may="download")

    app.publish("0001/tradejrnl/equities/2026.csv", b"journal")
    app.publish("0001/tradejrnl/equities/2027.csv", b"journal")

    shown = world.exchange.browse.application(mine.actor, "0001", "tradejrnl")
    assert [child.name for child in shown.children] == ["equities"]
    assert mine.fetch("0001/tradejrnl/equities/2026.csv") == b"journal"
    with pytest.raises(NotEntitled):
        world.exchange.browse.application(theirs.actor, "0002", "tradejrnl")


def test_a_gated_sub_space_offers_nothing_to_its_application(world: World) -> None:
    world.application("scanned", gate="virus-scan")
    firm = world.account(application="scanned")

    sent = firm.submit("0001/scanned/in/filing.zip")

    assert world.processor("scanned").claim() == ()
    assert world.exchange.tracking.one(firm.actor, sent.tracking_id).gate == "virus-scan"


def test_whoever_waits_is_woken_by_a_commit(sqlite_world: World) -> None:
    handoff, firm = sqlite_world.exchange.handoff, sqlite_world.account()
    heard = handoff.rings("app1")
    assert not handoff.wait("app1", heard, 0)

    firm.submit("0001/app1/in/filing.zip")

    assert handoff.wait("app1", heard, 0)
    assert not handoff.wait("app2", handoff.rings("app2"), 0)


@pytest.mark.parametrize(
    "tracking_id", ["", "nothing", "a\0b", "x" * 10_000, str(uuid.UUID(int=0))]
)
def test_a_malformed_and_an_unknown_id_are_not_found_alike(world: World, tracking_id: str) -> None:
    app, handoff = world.processor(), world.exchange.handoff
    place, name = Place.parse("0001/app1/out"), FileName("a.txt")

    for call in (
        lambda: handoff.acknowledge(app.actor, tracking_id, 1),
        lambda: handoff.report(app.actor, tracking_id, 1, State.ACCEPTED),
        lambda: handoff.extend(app.actor, tracking_id, 1, timedelta(minutes=1)),
        lambda: handoff.content(app.actor, tracking_id),
        lambda: handoff.publish(app.actor, place, name, tracking_id or "-"),
    ):
        with pytest.raises(NotFound):
            call()


def test_what_was_never_offered_is_not_acknowledged(world: World) -> None:
    world.application("app3", gate="scan")
    firm, app = world.account(application="app3"), world.processor("app3")
    sent = firm.submit("0001/app3/in/filing.zip")

    with pytest.raises(WrongState, match="not leased"):
        world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, 0)


def test_a_holder_whose_lease_ran_out_may_still_acknowledge_while_nobody_else_has_it(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip")
    (lease,) = app.claim(minutes=5)
    world.clock.pass_time(timedelta(minutes=6))

    taken = world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)

    assert taken.taken_at == world.clock.now()
    assert app.claim() == ()


def test_a_lease_whose_submission_is_gone_is_not_handed_out(world: World) -> None:
    firm, app = world.account(), world.processor()
    firm.submit("0001/app1/in/filing.zip")
    with world.database.transaction() as tx:
        tx.exec_driver_sql("DELETE FROM submissions")

    with pytest.raises(NotFound):
        app.claim()


def test_nothing_is_published_for_an_application_that_is_not_loaded(world: World) -> None:
    app = world.processor()
    ghost = replace(app.actor, rights=Rights(processes=frozenset({"ghost"})))

    with pytest.raises(NotFound):
        world.exchange.handoff.publish(ghost, Place.parse("0001/ghost/out"), FileName("a.txt"))
