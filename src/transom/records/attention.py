"""Which submissions of a firm need somebody: bounded looks at indexes, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Exists, exists, select

from transom.domain.names import OrgId, Place
from transom.domain.submission import OUTCOMES, State, Submission
from transom.records.places import within
from transom.records.schema import ANSWERED, REFUSED, WAITING, submissions
from transom.records.submissions import read

_KEPT = (State.RECEIVED, *sorted(OUTCOMES))


def refused(
    tx: Connection, places: Sequence[Place], since: datetime, limit: int
) -> list[Submission]:
    """Submissions at places of one organization, rejected or partly so since then, newest first.

    Those whose name was sent to the same place again, and kept, are left out.
    """
    here = submissions.c
    query = select(submissions).where(
        REFUSED,  # the very text of the index, or SQLite does not take it
        here.org == places[0].org,
        within(tx, submissions, places),
        here.answered_at >= since,
        ~_sent_again(),
    )
    return [read(row) for row in tx.execute(query.order_by(here.answered_at.desc()).limit(limit))]


def _sent_again() -> Exists:
    here, newer = submissions.c, submissions.alias("newer").c
    return exists().where(
        newer.org == here.org,
        newer.name == here.name,
        newer.requested_at > here.requested_at,
        newer.application == here.application,
        newer.sub_space == here.sub_space,
        newer.state.in_(_KEPT),
    )


def waiting(
    tx: Connection, org: str, application: str, spaces: Sequence[str], limit: int
) -> list[Submission]:
    """What an application has not answered yet, of these sub-spaces, the oldest first."""
    here = submissions.c
    query = select(submissions).where(
        WAITING,
        here.org == org,
        here.application == application,
        here.sub_space.in_(spaces),
    )
    return [read(row) for row in tx.execute(query.order_by(here.received_at).limit(limit))]


def answer_times(tx: Connection, org: str, application: str, limit: int) -> list[timedelta]:
    """How long an application took for its latest answers to an organization."""
    here = submissions.c
    query = select(here.received_at, here.answered_at).where(
        ANSWERED, here.org == org, here.application == application
    )
    found = tx.execute(query.order_by(here.answered_at.desc()).limit(limit))
    return [row.answered_at - row.received_at for row in found if row.received_at]


def senders(tx: Connection, org: str, limit: int) -> Counter[tuple[str, Place]]:
    """Who sent where lately: principals and places of the newest submissions, with how often."""
    here = submissions.c
    query = select(here.principal_id, here.application, here.sub_space).where(here.org == org)
    found = tx.execute(query.order_by(here.submitted_at.desc()).limit(limit))
    return Counter(
        (row.principal_id, Place(OrgId(org), row.application, row.sub_space)) for row in found
    )
