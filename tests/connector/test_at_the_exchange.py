"""The connector at the real exchange: from the firm's upload to the answer in tracking."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from connector.workers import running, until
from world import Processor, Served, World

from transom.client.errors import NotEntitled
from transom.connector import Answer, Finding, Job, Pace, Worker, accepted, partially_rejected
from transom.processors.rule_4530 import worker_for

QUICK = Pace(lease_seconds=60, wait_seconds=5, owed_seconds=0.2, grace_seconds=5)
SAMPLES = Path(__file__).parents[2] / "examples" / "r4530"


def worker_at(served: Served, processor: Processor) -> Worker:
    account = processor.account
    return Worker(served.rest, account.name, account.secret, pace=QUICK)


def test_a_submission_is_taken_answered_and_its_result_fetched(world: World) -> None:
    firm, processor = world.account(), world.processor()
    content = bytes(range(256)) * 2_000
    seen: list[bytes] = []

    def take(job: Job) -> Answer:
        with job.open() as opened:
            seen.append(opened.read())
        job.publish("out", f"receipt_{job.file_name}", b"thanks")
        return partially_rejected([Finding("NGS-1", "branch-zip", "R4530-114", "Must be 5.")])

    with world.serving() as served:
        caller = served.caller(firm)
        worker = worker_at(served, processor)
        worker.on("app1/in")(take)
        with running(worker) as raised:
            tracking_id = caller.upload("0001/app1/in/x.zip", content)
            until(lambda: caller.tracked(tracking_id)["downstreamStatus"] == "PARTIALLY_REJECTED")
        tracked = caller.tracked(tracking_id)
        assert tracked["findings"] == [
            {"record": "NGS-1", "field": "branch-zip", "code": "R4530-114", "text": "Must be 5."}
        ]
        assert tracked["resultFiles"] == ["0001/app1/out/receipt_x.zip"]
        assert caller.names("0001/app1/in") == []
    assert firm.fetch("0001/app1/out/receipt_x.zip") == b"thanks"
    assert seen == [content]
    assert raised == []


def test_what_failed_is_offered_again_and_a_repeat_publishes_once(sqlite_world: World) -> None:
    firm, processor = sqlite_world.account(), sqlite_world.processor()
    attempts: list[int] = []

    def take(job: Job) -> Answer:
        attempts.append(job.attempt)
        job.publish("out", "receipt", b"the same")
        if len(attempts) < 2:
            raise RuntimeError("died after publishing")
        return accepted()

    with sqlite_world.serving() as served:
        caller = served.caller(firm)
        worker = worker_at(served, processor)
        worker.on("app1/in")(take)
        with running(worker):
            tracking_id = caller.upload("0001/app1/in/x.zip")
            until(lambda: attempts)
            until(lambda: _moved_on(sqlite_world, len(attempts) == 2))
            until(lambda: caller.tracked(tracking_id)["downstreamStatus"] == "ACCEPTED")
        assert caller.names("0001/app1/out") == ["receipt"]
    assert len(attempts) == 2


def _moved_on(world: World, done: bool) -> bool:
    if not done:
        world.clock.pass_time(timedelta(seconds=1))  # the back-off is in the exchange's time
    return done


def test_what_a_worker_left_behind_is_owed_to_the_next_one(sqlite_world: World) -> None:
    firm, processor = sqlite_world.account(), sqlite_world.processor()
    submission = firm.submit("0001/app1/in/x.zip")
    (lease,) = processor.claim(minutes=1)
    handoff = sqlite_world.exchange.handoff
    handoff.acknowledge(processor.actor, submission.tracking_id, lease.fence)
    sqlite_world.clock.pass_time(timedelta(minutes=2))
    seen: list[tuple[bool, int]] = []

    def take(job: Job) -> Answer:
        seen.append((job.acknowledged, job.attempt))
        return accepted()

    with sqlite_world.serving() as served:
        worker = worker_at(served, processor)
        worker.on("app1/in")(take)
        with running(worker):
            caller = served.caller(firm)
            id_ = submission.tracking_id
            until(lambda: caller.tracked(id_)["downstreamStatus"] == "ACCEPTED")
    assert seen == [(True, lease.fence + 1)]


def test_a_lease_that_another_holds_by_now_is_lost(sqlite_world: World) -> None:
    firm, processor = sqlite_world.account(), sqlite_world.processor()
    other = sqlite_world.processor()
    jobs: list[Job] = []
    lost = threading.Event()

    def take(job: Job) -> Answer:
        jobs.append(job)
        until(lambda: job.cancelled)
        lost.set()
        return accepted()

    with sqlite_world.serving() as served:
        # One hand, so that this worker does not claim again itself what ran out.
        account, pace = processor.account, Pace(lease_seconds=6, wait_seconds=1)
        worker = Worker(served.rest, account.name, account.secret, concurrency=1, pace=pace)
        worker.on("app1/in")(take)
        with running(worker):
            tracking_id = served.caller(firm).upload("0001/app1/in/x.zip")
            until(lambda: jobs)
            sqlite_world.clock.pass_time(timedelta(minutes=1))
            taken = other.claim()
            assert [each.submission.tracking_id for each in taken] == [tracking_id]
            assert lost.wait(10)
        tracked = served.caller(firm).tracked(tracking_id)
    assert tracked["downstreamStatus"] is None


def test_an_account_of_another_application_ends_the_worker_at_the_start(
    sqlite_world: World,
) -> None:
    with sqlite_world.serving() as served:
        worker = worker_at(served, sqlite_world.processor("app2"))
        worker.on("app1/in")(lambda _: accepted())
        with pytest.raises(NotEntitled):
            worker.run()


def test_a_rule_4530_filing_makes_its_whole_way(sqlite_world: World) -> None:
    sqlite_world.guide_catalogue()
    firm = sqlite_world.account(application="r4530")
    processor = sqlite_world.processor("r4530")
    name = "4530_2026Q4.xml"
    with sqlite_world.serving() as served:
        caller = served.caller(firm)
        worker = worker_for(served.rest, processor.account.name, processor.account.secret)
        with running(worker):
            tracking_id = caller.upload(f"0001/r4530/in/{name}", (SAMPLES / name).read_bytes())
            until(lambda: caller.tracked(tracking_id)["downstreamStatus"] == "PARTIALLY_REJECTED")
        tracked = caller.tracked(tracking_id)
    assert [each["code"] for each in tracked["findings"]] == ["R4530-114", "R4530-207"]
    assert tracked["resultFiles"] == [f"0001/r4530/out/feedback_{name}"]
