"""A worker takes what waits, has it handled, and answers it once, whatever goes wrong between."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest
from connector.gateway_server import (
    SECRET,
    USER,
    GatewayServer,
    busy,
    gateway,
    lost,
    refused,
    says,
)
from connector.workers import QUICK, running, until, worker_of

from transom.client.errors import NotEntitled, NotSignedIn, RefusedByRule
from transom.connector import (
    Answer,
    Finding,
    Job,
    LeaseLost,
    Pace,
    Reject,
    Retry,
    Worker,
    accepted,
    desk,
    partially_rejected,
)
from transom.connector.gateway import Gateway

SHORT = Pace(lease_seconds=1, wait_seconds=1, owed_seconds=0.2, grace_seconds=5)
FOUND = Finding("NGS-1", "branch-zip", "R4530-114", 'Must be 5 digits. Found "6060".')


class Gate:
    """A handler that tells when it began, and waits until it may end."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.most = 0
        self.open = threading.Event()
        self._at_work = 0
        self._lock = threading.Lock()

    def __call__(self, job: Job) -> Answer:
        with self._lock:
            self.jobs.append(job)
            self._at_work += 1
            self.most = max(self.most, self._at_work)
        assert self.open.wait(20)
        with self._lock:
            self._at_work -= 1
        return accepted()


def counted(answers: Callable[[Job], Answer]) -> tuple[list[Job], Callable[[Job], Answer]]:
    """A handler and the jobs that it was given."""
    jobs: list[Job] = []

    def take(job: Job) -> Answer:
        jobs.append(job)
        return answers(job)

    return jobs, take


def test_what_a_firm_submits_is_handled_and_its_answer_reported(server: GatewayServer) -> None:
    seen = {}

    def take(job: Job) -> Answer:
        seen.update({name: value for name, value in vars(job).items() if name[0] != "_"})
        with job.open() as content:
            seen["content"] = content.read()
        return partially_rejected([FOUND])

    tracking_id = server.offer(content=b"<filings-3070/>", org="0002", name="x.xml")
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["PARTIALLY_REJECTED"])

    submitted_at = seen.pop("submitted_at")
    assert submitted_at.isoformat() == "2026-11-20T15:32:07.418000-05:00"
    assert seen == {
        "tracking_id": tracking_id,
        "org": "0002",
        "application": "r4530",
        "sub_space": "in",
        "file_name": "x.xml",
        "size": 15,
        "sha256": server.submissions[tracking_id].sha256,
        "user_name": "0001ftp01",
        "attempt": 1,
        "acknowledged": False,
        "content": b"<filings-3070/>",
    }
    assert server.named("report") == [
        {
            "lease": 1,
            "acknowledge": True,
            "outcome": "PARTIALLY_REJECTED",
            "findings": [
                {
                    "record": "NGS-1",
                    "field": "branch-zip",
                    "code": "R4530-114",
                    "text": 'Must be 5 digits. Found "6060".',
                }
            ],
        }
    ]


def test_a_lost_answer_to_a_claim_loses_no_submission(server: GatewayServer) -> None:
    jobs, take = counted(lambda _: accepted())
    server.offer()
    server.script("claim", says({"leases": []}), lost())  # the first looks for what is owed
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert [job.attempt for job in jobs] == [1]


def test_a_claim_goes_on_with_its_key_beyond_the_tries_of_one_call(server: GatewayServer) -> None:
    jobs, take = counted(lambda _: accepted())
    server.offer()
    server.script("claim", says({"leases": []}), lost(), *[busy()] * 4)
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert [job.attempt for job in jobs] == [1]


def test_a_lost_answer_to_a_report_has_the_report_repeated_and_not_the_work(
    server: GatewayServer,
) -> None:
    jobs, take = counted(lambda _: accepted())
    server.offer()
    server.script("report", lost(), busy(), busy(), busy())
    with running(worker_of(server, take)):
        until(lambda: len(server.named("report")) == 5)
    assert len(jobs) == 1
    assert server.outcomes() == ["ACCEPTED"]


def test_an_exception_gives_the_submission_back_for_longer_each_time(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(job: Job) -> Answer:
        if job.attempt < 4:
            raise RuntimeError("no room in the database")
        return accepted()

    tracking_id = server.offer()
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert server.releases == [(tracking_id, 2), (tracking_id, 4), (tracking_id, 8)]
    assert "failed at attempt 3; again after 8 s" in caplog.text
    assert "no room in the database" in caplog.text


def test_what_fails_again_and_again_is_called_stuck_and_never_answered(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(_: Job) -> Answer:
        raise RuntimeError("a defect")

    pace = Pace(wait_seconds=1, max_attempts=2)
    tracking_id = server.offer()
    with running(worker_of(server, take, pace)):
        until(lambda: len(server.releases) >= 3)
    assert server.releases[:3] == [(tracking_id, 2), (tracking_id, 600), (tracking_id, 600)]
    stuck = [line for line in caplog.records if line.levelno == logging.CRITICAL]
    assert "is stuck after 2 attempts" in stuck[0].getMessage()
    assert server.outcomes() == [""]


def test_a_handler_that_returns_nothing_is_at_fault(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(job: Job) -> Answer:
        return None if job.attempt == 1 else accepted()  # type: ignore[return-value]

    server.offer()
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert [after for _, after in server.releases] == [2]
    assert "returned NoneType" in caplog.text


def test_a_handler_may_raise_its_answer_or_its_wish_to_try_later(server: GatewayServer) -> None:
    def take(job: Job) -> Answer:
        raise Retry(7) if job.attempt == 1 else Reject([FOUND])

    server.offer()
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["REJECTED"])
    assert [after for _, after in server.releases] == [7]
    assert len(server.named("report")[0]["findings"]) == 1


def test_a_lease_is_lengthened_for_as_long_as_the_work_takes(server: GatewayServer) -> None:
    gate = Gate()
    server.offer()
    with running(worker_of(server, gate, SHORT)):
        until(lambda: len(server.named("heartbeat")) >= 5)  # more than the lease's time
        gate.open.set()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert len(gate.jobs) == 1
    assert server.named("heartbeat")[0] == {"lease": 1, "leaseSeconds": 1}


def test_a_heartbeat_that_gets_no_answer_is_sent_again_sooner(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    server.offer()
    server.script("heartbeat", refused(500, "internal"))
    with running(worker_of(server, gate, SHORT)):
        until(lambda: len(server.named("heartbeat")) >= 3)
        gate.open.set()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert "no heartbeat for" in caplog.text


def test_a_refused_heartbeat_cancels_the_job_and_its_answer_is_not_sent(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    gate, after = Gate(), []

    def take(job: Job) -> Answer:
        if job.attempt > 1:
            return gate(job)
        until(lambda: job.cancelled)
        for step in (job.open, job.acknowledge, lambda: job.publish("out", "x", b"")):
            with pytest.raises(LeaseLost):
                step()
            after.append(step)
        return accepted()

    tracking_id = server.offer()
    server.script("heartbeat", refused(409, "wrong_state"))
    with running(worker_of(server, take, SHORT)):
        until(lambda: len(after) == 3)
        until(lambda: "its answer was not sent" in caplog.text)
        assert server.named("report") == []
        # Offered again to us: the answer that was found is sent, and the work not done twice.
        server.expire(tracking_id)
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert gate.jobs == []
    assert server.named("report")[0]["lease"] > 1


def test_a_job_that_stops_for_a_lost_lease_gives_nothing_back(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(job: Job) -> Answer:
        if job.attempt == 1:
            until(lambda: job.cancelled)
            job.open()
        return accepted()

    tracking_id = server.offer()
    server.script("heartbeat", refused(404, "not_found"))
    with running(worker_of(server, take, SHORT)):
        until(lambda: f"the lease of {tracking_id} is over" in caplog.text)
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert server.releases == []


def test_a_lease_that_ran_out_and_came_back_to_us_goes_on_under_its_new_number(
    server: GatewayServer,
) -> None:
    gate = Gate()
    tracking_id = server.offer()
    with running(worker_of(server, gate)):
        until(lambda: gate.jobs)
        server.expire(tracking_id)
        until(lambda: server.submissions[tracking_id].number == 2)
        until(lambda: gate.jobs[0].lease.number == 2)
        gate.open.set()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert len(gate.jobs) == 1
    assert server.named("report")[0]["lease"] == 2


def test_what_a_hand_still_holds_but_lost_is_put_off(server: GatewayServer) -> None:
    gate = Gate()
    tracking_id = server.offer()
    server.script("heartbeat", refused(409, "wrong_state"))
    with running(worker_of(server, gate, SHORT)):
        until(lambda: gate.jobs and gate.jobs[0].cancelled)
        until(lambda: (tracking_id, 5) in server.releases)
        gate.open.set()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert len(gate.jobs) == 1


def test_a_refused_answer_gives_the_submission_back(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.offer()
    server.script("report", refused(400, "bad_parameter"))
    _, take = counted(lambda _: accepted())
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert len(server.releases) == 1
    assert "was refused" in caplog.text


def test_an_answer_whose_lease_was_taken_meanwhile_is_not_sent_twice(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.offer()
    server.script("report", refused(409, "wrong_state"))
    jobs, take = counted(lambda _: accepted())
    pace = Pace(lease_seconds=1, wait_seconds=1)
    with running(worker_of(server, take, pace)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert "its answer was not sent" in caplog.text
    assert len(jobs) == 1


def test_a_release_that_fails_is_left_to_the_lease(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(job: Job) -> Answer:
        raise Retry(3) if job.attempt == 1 else Reject

    server.offer()
    server.script("release", refused(500, "internal"))
    with running(worker_of(server, take, SHORT)):
        until(lambda: server.outcomes() == ["REJECTED"])
    assert "could not be given back" in caplog.text


def test_early_acknowledgement_is_seen_and_a_fault_after_it_is_tried_again_as_owed(
    server: GatewayServer,
) -> None:
    seen = []

    def take(job: Job) -> Answer:
        seen.append((job.attempt, job.acknowledged))
        if job.attempt == 1:
            job.acknowledge()
            assert job.acknowledged
            raise Retry(1)
        return accepted()

    tracking_id = server.offer()
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert seen == [(1, False), (2, True)]
    assert server.releases == []
    assert {"lease": 1, "leaseSeconds": 1} in server.named("heartbeat")
    assert server.submissions[tracking_id].reported["lease"] == 2


def test_an_acknowledgement_that_comes_too_late_says_that_the_lease_is_lost(
    server: GatewayServer,
) -> None:
    raised = []

    def take(job: Job) -> Answer:
        if job.attempt == 1:
            try:
                job.acknowledge()
            except LeaseLost as lost:
                raised.append(lost.tracking_id)
                assert job.cancelled
                raise
        return accepted()

    tracking_id = server.offer()
    server.script("acknowledge", refused(409, "wrong_state"))
    with running(worker_of(server, take, SHORT)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert raised == [tracking_id]


def test_an_acknowledgement_that_fails_otherwise_is_a_fault_like_any(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    def take(job: Job) -> Answer:
        job.acknowledge()
        return accepted()

    server.offer()
    server.script("acknowledge", refused(500, "internal"))
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert "failed at attempt 1" in caplog.text


def test_what_an_earlier_worker_left_behind_is_handled_at_the_start(server: GatewayServer) -> None:
    tracking_id = server.offer()
    left = server.submissions[tracking_id]
    left.state, left.number = "acknowledged", 3
    jobs, take = counted(lambda _: accepted())
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert [(job.attempt, job.acknowledged) for job in jobs] == [(4, True)]
    assert [body["owed"] for body in server.named("claim")][:1] == [True]


def test_no_more_is_claimed_than_hands_are_free(server: GatewayServer) -> None:
    gate = Gate()
    for _ in range(7):
        server.offer()
    with running(worker_of(server, gate, concurrency=3)):
        until(lambda: len(gate.jobs) == 3)
        gate.open.set()
        until(lambda: server.outcomes() == ["ACCEPTED"] * 7)
    assert gate.most <= 3
    assert all(body["limit"] <= 3 for body in server.named("claim"))


def test_each_sub_space_has_its_handler_and_each_application_its_claims(
    server: GatewayServer,
) -> None:
    seen: dict[str, list[str]] = {}
    worker = Worker(server.server, USER, SECRET, pace=QUICK)
    for place in ("r4530/in", "r4530/events", "shorts/in"):

        @worker.on(place)
        def take(job: Job, place: str = place) -> Answer:
            seen.setdefault(place, []).append(f"{job.application}/{job.sub_space}")
            return accepted()

        server.offer(place)
    with running(worker):
        until(lambda: server.outcomes() == ["ACCEPTED"] * 3)
    assert seen == {place: [place] for place in ("r4530/in", "r4530/events", "shorts/in")}
    asked = {tuple(body["subSpaces"]) for body in server.named("claim")}
    assert asked == {("events", "in"), ("in",)}


def test_a_server_that_breaks_is_waited_for(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("claim", refused(500, "internal"), says([]), says({"leases": [{}]}))
    server.offer()
    _, take = counted(lambda _: accepted())
    with running(worker_of(server, take)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert caplog.text.count("nothing can be claimed for r4530") == 3


def test_a_server_that_is_not_there_yet_is_waited_for() -> None:
    with gateway() as gone:
        port = gone.port
    _, take = counted(lambda _: accepted())
    worker = Worker(f"http://127.0.0.1:{port}", USER, SECRET, pace=QUICK)
    worker.on("r4530/in")(take)
    with running(worker) as raised, gateway(port) as server:
        server.offer()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert raised == []


def test_a_worker_that_waits_for_its_server_can_be_stopped() -> None:
    with gateway() as gone:
        worker = worker_of(gone, lambda _: accepted())
        unknown = Worker(f"http://127.0.0.1:{gone.port}", USER, SECRET)
        unknown.on("r4530/in")(lambda _: accepted())
    for one in (worker, unknown):
        with running(one) as raised:
            pass
        assert raised == []


@pytest.mark.parametrize(
    ("user", "application", "error"),
    [("nobody", "r4530/in", NotSignedIn), (USER, "focus/in", NotEntitled)],
)
def test_an_account_that_is_refused_at_the_start_ends_the_worker(
    server: GatewayServer, user: str, application: str, error: type[Exception]
) -> None:
    worker = Worker(server.server, user, SECRET, pace=QUICK)
    worker.on(application)(lambda _: accepted())
    with pytest.raises(error):
        worker.run()


def test_an_address_that_is_none_ends_the_worker() -> None:
    worker = Worker("ftp://filex.example", USER, SECRET)
    worker.on("r4530/in")(lambda _: accepted())
    with pytest.raises(RefusedByRule):
        worker.run()


def test_an_account_that_is_refused_later_is_tried_on(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    _, take = counted(lambda _: accepted())
    with running(worker_of(server, take)) as raised:
        until(lambda: len(server.named("claim")) >= 2)
        server.script("claim", *[refused(401, "insufficient_scope")] * 2)
        until(lambda: caplog.text.count("nothing can be claimed") == 2)
        server.offer()
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert raised == []


def test_an_idle_worker_stops_within_a_second_or_two_though_a_claim_waits(
    server: GatewayServer,
) -> None:
    worker = worker_of(server, lambda _: accepted(), Pace(wait_seconds=60))
    with running(worker):
        until(lambda: [body["waitSeconds"] for body in server.named("claim")] == [0, 60])
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_what_a_waiting_claim_still_gets_after_the_stop_is_given_back_at_once(
    server: GatewayServer,
) -> None:
    jobs, take = counted(lambda _: accepted())
    with running(worker_of(server, take, Pace(wait_seconds=30))):
        until(lambda: len(server.named("claim")) == 2)
    tracking_id = server.offer()
    until(lambda: server.releases == [(tracking_id, 0)])
    assert jobs == []


def test_jobs_in_hand_may_finish_when_the_worker_is_to_end(server: GatewayServer) -> None:
    gate = Gate()
    server.offer()
    with running(worker_of(server, gate)):
        until(lambda: gate.jobs)
        threading.Timer(0.3, gate.open.set).start()
    assert server.outcomes() == ["ACCEPTED"]


def test_jobs_that_do_not_finish_in_time_are_cancelled_and_left_to_their_leases(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    server.offer()
    with running(worker_of(server, gate, Pace(wait_seconds=1, grace_seconds=0.3))):
        until(lambda: gate.jobs)
    assert gate.jobs[0].cancelled
    assert "left to its lease" in caplog.text
    gate.open.set()
    until(lambda: "its answer was not sent" in caplog.text)
    assert server.outcomes() == [""]
    assert server.releases == []


def test_a_worker_that_was_stopped_before_it_ran_does_nothing(server: GatewayServer) -> None:
    worker = worker_of(server, lambda _: accepted())
    worker.stop()
    worker.run()
    assert server.calls == []


@pytest.mark.parametrize(
    ("step", "told"), [("claim", "a round for r4530 broke"), ("report", "a job broke")]
)
def test_a_defect_of_the_connector_itself_ends_neither_the_worker_nor_the_submission(
    server: GatewayServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    told: str,
) -> None:
    sound, broken = getattr(Gateway, step), threading.Event()

    def breaks_once(*given: object) -> object:
        if not broken.is_set():
            broken.set()
            raise ZeroDivisionError
        return sound(*given)

    monkeypatch.setattr(Gateway, step, breaks_once)
    server.offer()
    with running(worker_of(server, lambda _: accepted(), SHORT)):
        until(lambda: server.outcomes() == ["ACCEPTED"])
    assert told in caplog.text


def test_only_so_many_answers_are_kept_for_submissions_that_may_come_back(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(desk, "_KEPT_ANSWERS", 1)
    jobs, take = counted(lambda _: accepted())
    server.script("report", *[refused(409, "wrong_state")] * 2)
    server.offer()
    server.offer()
    with running(worker_of(server, take, SHORT)):
        until(lambda: server.outcomes() == ["ACCEPTED"] * 2)
    assert caplog.text.count("its answer was not sent") == 2
    assert len(jobs) == 3  # one of the two was worked on again


@pytest.mark.parametrize("place", ["r4530", "r4530/in/x", "/in", "r4530/", "r-4530/in", ""])
def test_a_handler_is_for_one_sub_space_of_one_application(place: str) -> None:
    with pytest.raises(ValueError, match="is not application/sub-space"):
        Worker("https://filex.example", USER, SECRET).on(place)


def test_a_worker_is_made_whole_or_not_at_all() -> None:
    worker = Worker("https://filex.example", USER, SECRET)
    with pytest.raises(ValueError, match="no handler"):
        worker.run()
    worker.on("r4530/in")(lambda _: accepted())
    with pytest.raises(ValueError, match="has a handler already"):
        worker.on("r4530/in")
    for hands in (0, 101):
        with pytest.raises(ValueError, match="from 1 to 100"):
            Worker("https://filex.example", USER, SECRET, concurrency=hands)


def test_no_secret_is_in_what_a_worker_prints() -> None:
    worker = Worker("https://filex.example", USER, "hunter2-hunter2")
    assert "hunter2" not in repr(vars(worker))
