"""The application for FINRA Rule 4530 filings: reads, judges, publishes feedback, answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from transom.client.presets import Server
from transom.connector import Answer, Finding, Job, Outcome, Worker
from transom.processors.rule_4530.feedback import Feedback, feedback_name
from transom.processors.rule_4530.findings import FirstFindings
from transom.processors.rule_4530.reader import BLOCK, Unreadable, complaints
from transom.processors.rule_4530.rules import CodeLists, Rules

APPLICATION = "r4530"
INBOUND = f"{APPLICATION}/in"
OUTBOUND = "out"


def worker_for(server: str | Server, user: str, secret: str, ca_file: Path | None = None) -> Worker:
    """A worker that serves r4530/in as this account; run() it."""
    worker = Worker(server, user, secret, ca_file=ca_file, concurrency=2)
    lists = CodeLists.read()

    @worker.on(INBOUND)
    def take(job: Job) -> Answer:
        return handle(job, lists)

    return worker


def handle(job: Job, lists: CodeLists) -> Answer:
    """Judge one filing, and publish what was found as feedback_NAME.xml."""
    first = FirstFindings()
    with Feedback() as feedback:
        verdict = _judge(job, lists, first, feedback)
        name = feedback_name(job.file_name)
        with feedback.written(job, verdict.outcome, verdict.good, verdict.bad) as written:
            job.publish(OUTBOUND, name, cast("BinaryIO", written))
    return Answer(verdict.outcome, first.reported(name))


@dataclass(slots=True)
class _Verdict:
    """How a file stands: how many complaints are good and bad, and whether it can be read."""

    good: int = 0
    bad: int = 0
    is_readable: bool = True

    @property
    def outcome(self) -> Outcome:
        if not self.is_readable or not self.good:
            return Outcome.REJECTED
        return Outcome.PARTIALLY_REJECTED if self.bad else Outcome.ACCEPTED


def _judge(job: Job, lists: CodeLists, first: FirstFindings, feedback: Feedback) -> _Verdict:
    rules = Rules(lists, job.submitted_at.date())
    verdict = _Verdict()
    with job.open() as content:
        try:
            for complaint in complaints(content):
                is_good = True
                for finding in rules.findings(complaint):
                    is_good = False
                    first.add(finding)
                    feedback.add(finding)
                verdict.good += is_good
                verdict.bad += not is_good
        except Unreadable as failure:
            verdict.is_readable = False
            finding = Finding("", "", failure.code, failure.text)
            first.lead(finding)
            feedback.lead(finding)
            _read_to_the_end(content)
    return verdict


def _read_to_the_end(content: BinaryIO) -> None:
    """Read what is left: only at its end is it sure that the bytes are those of the firm."""
    while content.read(BLOCK):
        pass
