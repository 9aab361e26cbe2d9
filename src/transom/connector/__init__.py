"""The application's side: take what firms submit, answer it, publish results.

from transom.connector import Worker, accepted

worker = Worker("https://filex.example", user="r4530-app", secret=secret)

@worker.on("r4530/in")
def take(job):
    with job.open() as content:
        ...
    job.publish("out", f"receipt_{job.file_name}", b"thanks")
    return accepted()

worker.run()
"""

from __future__ import annotations

from transom.client.values import Finding
from transom.connector.answers import (
    Answer,
    Outcome,
    Reject,
    Retry,
    accepted,
    partially_rejected,
    rejected,
)
from transom.connector.attempt import Handler
from transom.connector.desk import Pace
from transom.connector.errors import (
    ConnectorError,
    ContentDamaged,
    LeaseLost,
    NoAnswer,
    PublishedOtherwise,
)
from transom.connector.gateway import Published
from transom.connector.job import Job
from transom.connector.worker import Worker

__all__ = [
    "Answer",
    "ConnectorError",
    "ContentDamaged",
    "Finding",
    "Handler",
    "Job",
    "LeaseLost",
    "NoAnswer",
    "Outcome",
    "Pace",
    "Published",
    "PublishedOtherwise",
    "Reject",
    "Retry",
    "Worker",
    "accepted",
    "partially_rejected",
    "rejected",
]
