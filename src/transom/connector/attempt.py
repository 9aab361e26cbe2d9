"""One run of a processor on one job: what it comes to, whatever the processor does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from transom.connector.answers import Answer, Reject, Retry, rejected
from transom.connector.backoff import LONGEST_SECONDS, after_failure
from transom.connector.errors import NoAnswer
from transom.connector.job import Job

Handler = Callable[[Job], Answer]

_log = logging.getLogger("transom.connector")


@dataclass(frozen=True, slots=True)
class GivenBack:
    """No answer: the submission is offered again after so many seconds. `fault` is why, if one."""

    after_seconds: int
    fault: Exception | None = None


def attempt(handler: Handler, job: Job, max_attempts: int) -> Answer | GivenBack:
    """Let a processor work on a job; an exception of its own is a fault, and never an answer."""
    try:
        answer: object = handler(job)
        if not isinstance(answer, Answer):
            raise NoAnswer(job.tracking_id, answer)  # noqa: TRY301 - a fault like any other
    except Reject as verdict:
        return _rejected(verdict, job, max_attempts)
    except Retry as wish:
        return GivenBack(wish.after_seconds)
    except Exception as fault:  # noqa: BLE001 - the boundary of one job: one firm's file
        return _failed(job, fault, max_attempts)
    return answer


def _rejected(verdict: Reject, job: Job, max_attempts: int) -> Answer | GivenBack:
    try:
        return rejected(verdict.findings)
    except ValueError as fault:
        return _failed(job, fault, max_attempts)


def _failed(job: Job, fault: Exception, max_attempts: int) -> GivenBack:
    if job.cancelled:
        return GivenBack(0, fault)
    named = f"{job.application} {job.file_name} ({job.tracking_id})"
    if job.attempt < max_attempts:
        again = GivenBack(after_failure(job.attempt), fault)
        text = "%s failed at attempt %d; again after %d s"
        _log.error(text, named, job.attempt, again.after_seconds, exc_info=fault)
        return again
    text = "%s is stuck after %d attempts; still tried every %d s. A person must look at it."
    _log.critical(text, named, job.attempt, LONGEST_SECONDS, exc_info=fault)
    return GivenBack(LONGEST_SECONDS, fault)
