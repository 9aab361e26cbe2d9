"""Hand-off: each submission reaches its application at least once, and is answered once."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from world import World, tracking_id

from transom.core.handoff import Answer, Claim
from transom.core.tracking import Position
from transom.domain.errors import BadParameter, NotEntitled, NotFound, WrongState
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
            handoff.claim(account.actor, Claim("app1", 1, timedelta(minutes=1)))


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
        handoff.report(app.actor, sent.tracking_id, lease.fence, Answer(outcome, found))

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
        handoff.report(app.actor, sent, lease.fence, Answer(State.ACCEPTED))
    with pytest.raises(WrongState):  # a number of his own making
        handoff.acknowledge(app.actor, sent, lease.fence + 1)
    handoff.acknowledge(app.actor, sent, lease.fence)
    with pytest.raises(BadParameter):
        handoff.report(app.actor, sent, lease.fence, Answer(State.RECEIVED))
    handoff.report(app.actor, sent, lease.fence, Answer(State.ACCEPTED))
    with pytest.raises(WrongState):  # answered otherwise before
        handoff.report(app.actor, sent, lease.fence, Answer(State.REJECTED))
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


def test_a_gated_sub_space_offers_nothing_to_its_application(world: World) -> None:
    world.application("scanned", gate="virus-scan")
    firm = world.account(application="scanned")

    sent = firm.submit("0001/scanned/in/filing.zip")

    assert world.processor("scanned").claim() == ()
    assert world.exchange.tracking.one(firm.actor, sent.tracking_id).gate == "virus-scan"


@pytest.mark.parametrize(
    "tracking_id", ["", "nothing", "a\0b", "x" * 10_000, str(uuid.UUID(int=0))]
)
def test_a_malformed_and_an_unknown_id_are_not_found_alike(world: World, tracking_id: str) -> None:
    app, handoff = world.processor(), world.exchange.handoff

    for call in (
        lambda: handoff.acknowledge(app.actor, tracking_id, 1),
        lambda: handoff.report(app.actor, tracking_id, 1, Answer(State.ACCEPTED)),
        lambda: handoff.extend(app.actor, tracking_id, 1, timedelta(minutes=1)),
        lambda: handoff.content(app.actor, tracking_id),
        lambda: app.publish("0001/app1/out/a.txt", about=tracking_id or "-"),
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

    assert app.claim() == ()


def test_a_claim_may_be_for_some_sub_spaces_only(world: World) -> None:
    world.guide_catalogue()
    firm, app = world.account(application="blshts"), world.processor("blshts")
    firm.submit("0001/blshts/finra_in/a.txt")
    wanted = firm.submit("0001/blshts/sec_in/b.txt")
    asked = Claim("blshts", 10, timedelta(minutes=5), sub_spaces=("sec_in",))

    held = world.exchange.handoff.claim(app.actor, asked)

    assert [lease.submission.tracking_id for lease in held] == [wanted.tracking_id]
    with pytest.raises(BadParameter, match="finra_in, sec_in"):
        world.exchange.handoff.claim(app.actor, replace(asked, sub_spaces=("out",)))


def test_across_sub_spaces_the_oldest_is_first(world: World) -> None:
    world.guide_catalogue()
    firm, app = world.account(application="blshts"), world.processor("blshts")
    for path in ("sec_in/1.txt", "finra_in/2.txt", "sec_in/3.txt"):
        firm.submit(f"0001/blshts/{path}")
        world.clock.pass_time(timedelta(seconds=1))

    assert [lease.submission.name for lease in app.claim(limit=2)] == ["1.txt", "2.txt"]


def test_a_claim_under_a_key_gives_the_same_leases_again(world: World) -> None:
    firm, app, handoff = world.account(), world.processor(), world.exchange.handoff
    for name in ("a.zip", "b.zip", "c.zip"):
        firm.submit(f"0001/app1/in/{name}")
        world.clock.pass_time(timedelta(seconds=1))
    asked = Claim("app1", 2, timedelta(minutes=5), key="k1")

    first, again = handoff.claim(app.actor, asked), handoff.claim(app.actor, asked)
    other = handoff.claim(app.actor, replace(asked, key="k2"))
    foreign = handoff.claim(world.processor().actor, asked)

    assert again == first
    assert [lease.submission.name for lease in first] == ["a.zip", "b.zip"]
    assert [lease.submission.name for lease in other] == ["c.zip"]
    assert foreign == ()


def test_a_lease_belongs_to_the_account_that_claimed(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip").tracking_id
    app, other, handoff = world.processor(), world.processor(), world.exchange.handoff
    (lease,) = app.claim()
    answer = Answer(State.ACCEPTED, acknowledge=True)

    for forged in (
        lambda: handoff.acknowledge(other.actor, sent, lease.fence),
        lambda: handoff.report(other.actor, sent, lease.fence, answer),
        lambda: handoff.extend(other.actor, sent, lease.fence, timedelta(minutes=5)),
        lambda: handoff.release(other.actor, sent, lease.fence),
    ):
        with pytest.raises(WrongState):
            forged()

    assert handoff.report(app.actor, sent, lease.fence, answer).state is State.ACCEPTED


def test_taken_over_and_answered_in_one_step(world: World) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip").tracking_id
    (lease,) = app.claim()

    answered = world.exchange.handoff.report(
        app.actor, sent, lease.fence, Answer(State.REJECTED, acknowledge=True)
    )

    assert (answered.state, answered.taken_at) == (State.REJECTED, world.clock.now())
    assert firm.names("0001/app1/in") == []


def test_the_same_outcome_with_other_findings_is_another_answer(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip").tracking_id
    app, handoff = world.processor(), world.exchange.handoff
    (lease,) = app.claim()
    found = (Finding("1", "date", "E1", "Not a date."),)
    first = Answer(State.REJECTED, found, acknowledge=True)
    handoff.report(app.actor, sent, lease.fence, first)

    handoff.report(app.actor, sent, lease.fence, first)
    with pytest.raises(WrongState, match="already"):
        handoff.report(app.actor, sent, lease.fence, Answer(State.REJECTED))


def test_what_was_taken_over_and_left_is_owed_and_can_be_claimed_as_such(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip").tracking_id
    app, heir, handoff = world.processor(), world.processor(), world.exchange.handoff
    (lease,) = app.claim(minutes=5)
    handoff.acknowledge(app.actor, sent, lease.fence)
    owed = Claim("app1", 10, timedelta(minutes=5), owed=True)

    assert [each.submission.tracking_id for each in handoff.owed(heir.actor, "app1")] == [sent]
    assert handoff.claim(heir.actor, owed) == ()  # somebody is at it
    world.clock.pass_time(timedelta(minutes=4))
    handoff.extend(app.actor, sent, lease.fence, timedelta(minutes=5))
    world.clock.pass_time(timedelta(minutes=4))
    assert handoff.claim(heir.actor, owed) == ()  # and still is
    world.clock.pass_time(timedelta(minutes=2))
    assert heir.claim() == ()  # it was taken over: nobody is offered it by accident
    (again,) = handoff.claim(heir.actor, owed)

    assert (again.acknowledged, again.fence) == (True, lease.fence + 1)
    with pytest.raises(WrongState):
        handoff.report(app.actor, sent, lease.fence, Answer(State.ACCEPTED))
    handoff.report(heir.actor, sent, again.fence, Answer(State.ACCEPTED))
    assert handoff.owed(heir.actor, "app1") == []


def test_what_is_owed_comes_in_pages_oldest_first(world: World) -> None:
    firm, app, handoff = world.account(), world.processor(), world.exchange.handoff
    for number in range(3):
        firm.submit(f"0001/app1/in/{number}.zip")
        world.clock.pass_time(timedelta(seconds=1))
    for lease in app.claim():
        handoff.acknowledge(app.actor, lease.submission.tracking_id, lease.fence)

    first = handoff.owed(app.actor, "app1", limit=2)
    last = Position(first[-1].offered_at, first[-1].submission.tracking_id)
    rest = handoff.owed(app.actor, "app1", last, limit=2)

    assert [each.submission.name for each in first + rest] == ["0.zip", "1.zip", "2.zip"]
    with pytest.raises(BadParameter):
        handoff.owed(app.actor, "app1", limit=0)


def test_a_released_submission_is_offered_again_at_once_or_later(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")
    app, handoff = world.processor(), world.exchange.handoff
    (first,) = app.claim()
    sent = first.submission.tracking_id

    rung: list[str] = []
    handoff.listen("app1", lambda: rung.append("app1"))
    for _ in range(2):  # it may be repeated
        handoff.release(app.actor, sent, first.fence)
    (second,) = app.claim()
    handoff.release(app.actor, sent, second.fence, timedelta(seconds=30))

    assert rung == ["app1"]
    assert second.fence == first.fence + 1
    assert app.claim() == ()
    with pytest.raises(WrongState):
        handoff.acknowledge(app.actor, sent, second.fence)
    world.clock.pass_time(timedelta(seconds=31))
    assert [lease.fence for lease in app.claim()] == [second.fence + 1]


@pytest.mark.parametrize("seconds", [-1, 86_401])
def test_a_release_is_for_at_most_a_day(sqlite_world: World, seconds: int) -> None:
    app = sqlite_world.processor()
    with pytest.raises(BadParameter):
        sqlite_world.exchange.handoff.release(
            app.actor, tracking_id(), 1, timedelta(seconds=seconds)
        )


def test_what_was_answered_is_not_released(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip").tracking_id
    app, handoff = world.processor(), world.exchange.handoff
    (lease,) = app.claim()
    handoff.report(app.actor, sent, lease.fence, Answer(State.ACCEPTED, acknowledge=True))

    with pytest.raises(WrongState, match="answered"):
        handoff.release(app.actor, sent, lease.fence)


def test_who_listens_is_told_of_every_ring_until_he_stops(sqlite_world: World) -> None:
    handoff, firm = sqlite_world.exchange.handoff, sqlite_world.account()
    rung: list[str] = []
    end = handoff.listen("app1", lambda: rung.append("app1"))

    firm.submit("0001/app1/in/a.zip")
    end()
    firm.submit("0001/app1/in/b.zip")

    assert rung == ["app1"]


def test_a_look_that_finds_nothing_waits_for_nobody_who_writes(sqlite_world: World) -> None:
    app = sqlite_world.processor()
    asked = Claim("app1", 10, timedelta(minutes=5), key="k1")

    with sqlite_world.database.transaction():  # one at a time may write; the next would wait 15 s
        assert app.claim() == ()
        assert sqlite_world.exchange.handoff.claim(app.actor, asked) == ()
        assert sqlite_world.exchange.handoff.claim(app.actor, replace(asked, owed=True)) == ()
