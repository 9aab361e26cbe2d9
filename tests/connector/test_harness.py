"""The harness: a processor is tested without a server, and meets what it would meet at one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from transom.client.errors import Unreachable
from transom.connector import (
    Answer,
    Finding,
    Job,
    LeaseLost,
    NoAnswer,
    PublishedOtherwise,
    Reject,
    Retry,
    Worker,
    accepted,
    partially_rejected,
    rejected,
)
from transom.connector.answers import MOST_FINDINGS
from transom.connector.testing import Harness

FOUND = Finding("1", "zip", "X-1", "Wrong.")


def harness(take: object) -> Harness:
    worker = Worker("https://filex.example", "app", "secret")
    worker.on("r4530/in")(take)  # type: ignore[arg-type]
    return Harness(worker)


def test_a_submission_is_handled_with_its_facts_and_its_content() -> None:
    def take(job: Job) -> Answer:
        with job.open() as content:
            assert content.read() == b"<x/>"
        job.publish("out", f"receipt_{job.file_name}", job.org.encode())
        return partially_rejected([FOUND])

    done = harness(take).submit("r4530/in", b"<x/>", org="0002", name="x.xml")
    assert done.outcome == "PARTIALLY_REJECTED"
    assert done.findings == (FOUND,)
    assert done.published == {"0002/r4530/out/receipt_x.xml": b"0002"}
    assert done.acknowledged
    assert (done.again_after, done.fault) == (None, None)


def test_a_large_submission_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * 200_000)
    sizes = []

    def take(job: Job) -> Answer:
        sizes.append((job.size, job.save(tmp_path / "kept").stat().st_size))
        return accepted()

    assert harness(take).submit("r4530/in", path).outcome == "ACCEPTED"
    assert sizes == [(200_000, 200_000)]


def test_each_submission_has_a_tracking_id_of_its_own() -> None:
    seen = []

    def take(job: Job) -> Answer:
        seen.append(job.tracking_id)
        return accepted()

    at = harness(take)
    at.submit("r4530/in", b"")
    at.submit("r4530/in", b"")
    assert len(set(seen)) == 2


def test_a_repeat_runs_the_handler_twice_and_a_file_of_both_is_one() -> None:
    attempts = []

    def take(job: Job) -> Answer:
        attempts.append((job.attempt, job.acknowledged))
        job.acknowledge()
        job.publish("out", "same", b"same")
        return accepted()

    done = harness(take).submit("r4530/in", b"", again=True)
    assert attempts == [(1, False), (2, True)]
    assert done.outcome == "ACCEPTED"
    assert done.published == {"0001/r4530/out/same": b"same"}


def test_a_repeat_that_publishes_something_else_is_found_out() -> None:
    def take(job: Job) -> Answer:
        job.publish("out", "log", str(job.attempt).encode())
        return accepted()

    done = harness(take).submit("r4530/in", b"", again=True)
    assert isinstance(done.fault, PublishedOtherwise)
    assert done.published == {"0001/r4530/out/log": b"1"}


@pytest.mark.parametrize(
    ("raised", "outcome", "again_after"),
    [
        (RuntimeError("defect"), "", 2),
        (Retry(90), "", 90),
        (Reject([FOUND]), "REJECTED", None),
        (Reject([FOUND] * (MOST_FINDINGS + 1)), "", 2),
    ],
)
def test_what_a_handler_raises_is_an_answer_only_when_it_says_so(
    raised: Exception, outcome: str, again_after: int | None
) -> None:
    def take(_: Job) -> Answer:
        raise raised

    done = harness(take).submit("r4530/in", b"")
    assert (done.outcome, done.again_after) == (outcome, again_after)
    assert not done.acknowledged or outcome


def test_a_handler_that_returns_nothing_gives_no_answer() -> None:
    done = harness(lambda _: None).submit("r4530/in", b"")
    assert isinstance(done.fault, NoAnswer)
    assert done.outcome == ""


def test_failures_are_met_by_the_real_retries_and_nobody_waits() -> None:
    def take(job: Job) -> Answer:
        with job.open() as content:
            content.read()
        job.publish("out", "x", b"x")
        return accepted()

    at = harness(take)
    at.fail("content")
    at.cut_content(3)
    at.fail("publish", Unreachable("one"), Unreachable("two"))
    began = time.monotonic()
    assert at.submit("r4530/in", b"content").outcome == "ACCEPTED"
    assert len(at.pauses) == 4
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("step", ["content", "acknowledge", "publish"])
def test_a_lease_can_be_lost_at_any_step(step: str) -> None:
    def take(job: Job) -> Answer:
        job.acknowledge()
        with job.open() as content:
            content.read()
        job.publish("out", "x", b"x")
        return accepted()

    at = harness(take)
    at.lose_lease(step)  # type: ignore[arg-type]
    done = at.submit("r4530/in", b"content")
    assert done.outcome == ""
    assert isinstance(done.fault, LeaseLost)
    assert done.published == {}


def test_a_job_is_of_no_use_after_its_handler() -> None:
    jobs = []

    def take(job: Job) -> Answer:
        jobs.append(job)
        return accepted()

    harness(take).submit("r4530/in", b"")
    assert jobs[0].cancelled
    with pytest.raises(LeaseLost):
        jobs[0].publish("out", "late", b"")


def test_a_place_that_nobody_handles_is_told() -> None:
    with pytest.raises(ValueError, match="no handler for r4530/events"):
        harness(lambda _: accepted()).submit("r4530/events", b"")


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ([FOUND] * (MOST_FINDINGS + 1), "the limit is 10000"),
        ([FOUND, Finding("x" * 201, "", "", "")], "record of finding 2 has 201 characters"),
        ([Finding("", "", "", "x" * 2001)], "text of finding 1 has 2001 characters"),
        ([Finding("", "\0", "", "")], "field of finding 1 holds a character that is none"),
        ([Finding("", "", "", "\ud800")], "text of finding 1 holds"),
        ([Finding("", "", "", "\u2028" * 2000)] * 1000, "more than 8 MiB"),
    ],
)
def test_an_answer_that_the_exchange_would_not_take_is_never_made(
    findings: list[Finding], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        rejected(findings)


def test_the_largest_answer_can_be_made() -> None:
    assert len(rejected([FOUND] * MOST_FINDINGS).findings) == MOST_FINDINGS


@pytest.mark.parametrize("seconds", [-1, 86_401])
def test_a_wish_to_try_later_is_for_a_day_at_most(seconds: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 86400"):
        Retry(seconds)
