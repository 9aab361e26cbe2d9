"""Everybody at once: each acknowledged file is archived whole, and every move happens once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from world import Account, World, place_and_name

from transom.core.handoff import Answer
from transom.core.sign_in import Attempt
from transom.core.tracking import Query
from transom.domain.errors import AlreadySubmitted, BadCredentials, TooMany, WrongState
from transom.domain.identity import FAILURES_FROM_UNKNOWN, FAILURES_PER_SOURCE
from transom.domain.names import FileName, Place
from transom.domain.submission import AccessMethod, Client, State

REST = Client(AccessMethod.REST)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call gave or raised, in their order; all of them start at the same moment."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        barrier.wait(20)
        try:
            results[number] = call()
        except Exception as failure:  # noqa: BLE001 - the test looks at what it was
            results[number] = failure

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def of_kind(results: Sequence[Any], kind: type[BaseException]) -> list[Any]:
    return [each for each in results if isinstance(each, kind)]


def requested(firm: Account, path: str) -> str:
    place, name = place_and_name(path)
    return firm.world.exchange.uploads.request(firm.actor, place, name, REST).submission.tracking_id


def deliver(firm: Account, tracking_id: str, content: bytes) -> Any:
    with firm.world.exchange.uploads.resume(firm.actor, tracking_id) as upload:
        for offset in range(0, len(content), 1000):
            upload.write(offset, content[offset : offset + 1000])
        return upload.commit()


@pytest.mark.parametrize("clients", [2, 16])
def test_files_of_one_name_sent_at_once_are_all_archived_whole_under_names_of_their_own(
    world: World, clients: int
) -> None:
    firm, app = world.account(), world.processor()
    contents = [bytes([number]) * 5000 for number in range(clients)]

    sent = at_once([lambda c=each: firm.submit("0001/app1/in/same.bin", c) for each in contents])

    assert [each.sha256 for each in sent] == [sha256(each).hexdigest() for each in contents]
    assert len({each.archive_name for each in sent}) == clients  # within one millisecond, too
    assert {each.archive_name for each in sent} == set(firm.names("0001/app1/in_arcv"))
    for each, content in zip(sent, contents, strict=True):
        assert firm.fetch(f"0001/app1/in_arcv/{each.archive_name}") == content
    assert len(app.claim(100)) == clients


def test_of_eight_tries_to_deliver_one_submission_one_wins_and_its_bytes_stand(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    tracking_id = requested(firm, "0001/app1/in/once.bin")
    contents = [bytes([number]) * 3000 for number in range(8)]

    results = at_once([lambda c=each: deliver(firm, tracking_id, c) for each in contents])

    refused = of_kind(results, AlreadySubmitted)
    (winner,) = [
        content for content, each in zip(contents, results, strict=True) if each not in refused
    ]
    assert {each.tracking_id for each in refused} == {tracking_id}
    found = world.exchange.tracking.one(firm.actor, tracking_id)
    assert found.sha256 == sha256(winner).hexdigest()
    assert firm.names("0001/app1/in_arcv") == [found.archive_name]
    assert firm.fetch(f"0001/app1/in_arcv/{found.archive_name}") == winner
    assert len(app.claim()) == 1
    assert len(world.audited("upload.received")) == 1


def test_bytes_that_lost_the_race_are_gone_at_once(world: World) -> None:
    firm = world.account()
    tracking_id = requested(firm, "0001/app1/in/once.bin")

    at_once([lambda: deliver(firm, tracking_id, b"x" * 100) for _ in range(6)])

    assert len(list(world.tools.blobs.keys())) == 1
    assert list(world.tools.blobs.keys(staged=True)) == []


def test_an_upload_that_meets_its_abandoning_is_received_or_abandoned_never_both(
    world: World,
) -> None:
    firm, app = world.account(), world.processor()
    asked = [requested(firm, f"0001/app1/in/{number}.bin") for number in range(4)]
    world.clock.pass_time(timedelta(hours=25))

    results = at_once(
        [
            *(lambda t=each: deliver(firm, t, b"late") for each in asked),
            world.exchange.retention.sweep,
        ]
    )

    states = [world.exchange.tracking.one(firm.actor, each).state for each in asked]
    received = [each for each in results[:4] if not isinstance(each, Exception)]
    assert len(of_kind(results, WrongState)) == states.count(State.ABANDONED)
    assert len(received) == states.count(State.RECEIVED) == len(app.claim())
    assert len(received) == len(firm.names("0001/app1/in_arcv"))
    assert len(world.audited("upload.abandoned")) == states.count(State.ABANDONED)


def test_applications_claiming_at_once_never_share_a_lease(world: World) -> None:
    firm, apps = world.account(), [world.processor() for _ in range(4)]
    sent = {firm.submit(f"0001/app1/in/{number}.bin").tracking_id for number in range(12)}

    results = at_once([lambda a=app: a.claim(5) for app in apps])

    leased = [lease.submission.tracking_id for leases in results for lease in leases]
    leased += [lease.submission.tracking_id for lease in apps[0].claim(100)]
    assert sorted(leased) == sorted(sent)


def test_acknowledging_and_answering_at_once_happens_once(world: World) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.zip")
    (lease,) = app.claim()
    handoff = world.exchange.handoff

    taken = at_once([lambda: handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)] * 6)
    answered = at_once(
        [
            lambda o=outcome: handoff.report(app.actor, sent.tracking_id, lease.fence, Answer(o))
            for outcome in (State.ACCEPTED, State.REJECTED) * 3
        ]
    )

    assert of_kind(taken, Exception) == []
    assert len(of_kind(answered, WrongState)) == 3
    assert len(world.audited("handoff.acknowledged", "handoff.answered")) == 2


def test_requests_raced_under_one_idempotency_key_open_one_submission(world: World) -> None:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/filing.zip")
    request = world.exchange.uploads.request

    results = at_once([lambda: request(firm.actor, place, name, REST, "key")] * 8)

    assert len({each.submission.tracking_id for each in results}) == 1
    (found,) = world.exchange.tracking.all(firm.actor, Query())
    assert len(found) == 1


def test_failed_sign_ins_at_once_from_one_source_never_exceed_the_limit(world: World) -> None:
    firm = world.account()
    attempt = Attempt(firm.name, "wrong", "192.0.2.1")

    results = at_once([lambda: world.exchange.sign_in.enter(attempt)] * 12)

    assert len(of_kind(results, BadCredentials)) == 12
    assert _failures(world) == FAILURES_PER_SOURCE
    assert len(world.audited("sign_in.closed")) == 1


def test_failed_sign_ins_at_once_from_many_sources_never_exceed_the_limit(world: World) -> None:
    firm = world.account()
    attempts = [Attempt(firm.name, "wrong", f"192.0.2.{number}") for number in range(10)]

    for _ in range(4):
        at_once([lambda a=each: world.exchange.sign_in.enter(a) for each in attempts])

    assert _failures(world) == FAILURES_FROM_UNKNOWN
    assert len(world.audited("sign_in.closed")) == 1


def test_the_right_secret_does_not_overtake_the_guesses_it_came_with(world: World) -> None:
    firm = world.account()
    right = Attempt(firm.name, firm.secret, "192.0.2.1")
    wrong = Attempt(firm.name, "wrong", "192.0.2.1")
    database, sign_in = world.database, world.exchange.sign_in
    for _ in range(FAILURES_PER_SOURCE - 1):
        with pytest.raises(BadCredentials):
            sign_in.enter(wrong)
    found = sign_in.check(right)
    entered: list[Any] = []

    def settle() -> None:
        with database.transaction() as tx:
            entered.append(sign_in.settle(tx, right, found))

    with database.transaction() as tx:  # the fifth failure is counted, and not yet committed
        sign_in.settle(tx, wrong, None)
        late = threading.Thread(target=settle)
        late.start()
        late.join(0.3)  # it must wait; if it does not, it is done by now
    late.join(20)

    assert entered == [None]


def test_tokens_asked_for_at_once_never_exceed_the_burst(world: World) -> None:
    firm = world.account()
    attempt = Attempt(firm.name, firm.secret, "192.0.2.1")

    def ask() -> list[Any]:
        return [_outcome(lambda: world.exchange.tokens.grant(attempt)) for _ in range(20)]

    results = Counter(type(each) for answers in at_once([ask] * 8) for each in answers)

    assert results[TooMany] == 160 - 120


def test_a_listing_read_while_files_arrive_and_leave_never_fails_or_doubles(world: World) -> None:
    firm, app = world.account(), world.processor()
    for number in range(20):
        firm.submit(f"0001/app1/in/{number:03}.bin")
    handoff, place = world.exchange.handoff, Place.parse("0001/app1/in")

    def read() -> list[FileName]:
        return [
            each.name
            for _ in range(10)
            for page in world.exchange.browse.files(firm.actor, place)
            for each in page
        ]

    def take() -> None:
        for lease in app.claim(20):
            handoff.acknowledge(app.actor, lease.submission.tracking_id, lease.fence)

    results = at_once([read, take, lambda: firm.submit("0001/app1/in/new.bin"), read])

    assert of_kind(results, Exception) == []
    assert firm.names("0001/app1/in") == ["new.bin"]


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except TooMany as refused:
        return refused


def _failures(world: World) -> int:
    with world.database.reading() as tx:
        return int(tx.exec_driver_sql("SELECT count(*) FROM sign_in_failures").scalar_one())


def test_two_sweeps_at_once_do_and_audit_everything_once(world: World) -> None:
    firm, app = world.account(), world.processor()
    for number in range(8):
        firm.submit(f"0001/app1/in/{number}.bin")
        requested(firm, f"0001/app1/in/never{number}.bin")
    for lease in app.claim(100):
        tracking_id = lease.submission.tracking_id
        world.exchange.handoff.acknowledge(app.actor, tracking_id, lease.fence)
    world.clock.pass_time(timedelta(days=100))

    swept = at_once([world.exchange.retention.sweep] * 3)
    world.exchange.retention.sweep()

    done = Counter((entry.action, entry.object) for entry in world.audited())
    about = ("retention.ended", "retention.deleted", "upload.abandoned", "tracking.forgotten")
    assert of_kind(swept, Exception) == []
    assert {count for (action, _), count in done.items() if action in about} == {1}
    assert Counter(action for action, _ in done if action in about) == {
        "retention.ended": 8,
        "retention.deleted": 8,
        "upload.abandoned": 8,
        "tracking.forgotten": 16,
    }


def test_a_sealer_beside_busy_writers_leaves_no_gap(world: World) -> None:
    firm, (sealer,) = world.account(), world.exchange.sealers

    def write() -> None:
        for _ in range(5):
            firm.submit("0001/app1/in/same.bin")

    results = at_once([write, write, sealer.seal, sealer.seal, write])
    sealer.seal()
    verdict = sealer.verify()

    assert of_kind(results, Exception) == []
    assert verdict.is_sound
    assert (verdict.unsealed, verdict.checked) == (0, len(world.audited()))
