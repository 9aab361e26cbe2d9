"""Submissions: every move is a conditional update that happens once, and says whether it did."""

from __future__ import annotations

import pytest
from world import START, World, place_and_name

from transom.domain.submission import AccessMethod, Client, State
from transom.records import submissions
from transom.records.schema import Instant, findings
from transom.records.submissions import Receipt


def requested(world: World) -> str:
    firm = world.account()
    place, name = place_and_name("0001/app1/in/filing.zip")
    request = world.exchange.uploads.request
    return request(firm.actor, place, name, Client(AccessMethod.REST)).submission.tracking_id


def test_every_move_happens_once(world: World) -> None:
    tracking_id = requested(world)
    receipt = Receipt("k" * 32, 1, "d" * 64, None, None, START)

    with world.database.transaction() as tx:
        early = (
            submissions.mark_taken(tx, tracking_id, START),
            submissions.mark_answered(tx, tracking_id, State.ACCEPTED, (), START),
        )
        received = [submissions.mark_received(tx, tracking_id, receipt) for _ in range(2)]
        abandoned = submissions.mark_abandoned(tx, tracking_id, "late", 0, START)
        taken = [submissions.mark_taken(tx, tracking_id, START) for _ in range(2)]
        answered = [
            submissions.mark_answered(tx, tracking_id, outcome, (), START)
            for outcome in (State.ACCEPTED, State.REJECTED)
        ]
        found = submissions.find(tx, tracking_id)

    assert early == (False, False)
    assert (received, abandoned) == ([True, False], False)
    assert (taken, answered) == ([True, False], [True, False])
    assert found is not None
    assert found.state is State.ACCEPTED


def test_an_abandoned_submission_moves_nowhere(world: World) -> None:
    tracking_id = requested(world)
    receipt = Receipt("k" * 32, 1, "d" * 64, None, None, START)

    with world.database.transaction() as tx:
        abandoned = [
            submissions.mark_abandoned(tx, tracking_id, "unused", 7, START) for _ in range(2)
        ]
        received = submissions.mark_received(tx, tracking_id, receipt)
        submissions.note_bytes_seen(tx, tracking_id, 99)
        found = submissions.find(tx, tracking_id)

    assert (abandoned, received) == ([True, False], False)
    assert found is not None
    assert (found.reason, found.bytes_seen) == ("unused", 7)


def test_no_move_is_made_for_a_submission_that_is_not_there(world: World) -> None:
    with world.database.transaction() as tx:
        assert not submissions.mark_taken(tx, "nobody", START)
        assert submissions.blob_key_of(tx, "nobody") is None
        assert submissions.find(tx, "nobody") is None
        assert tx.execute(findings.select()).all() == []


def test_an_instant_without_a_zone_is_a_defect() -> None:
    with pytest.raises(TypeError):
        Instant().process_bind_param(START.replace(tzinfo=None), None)  # type: ignore[arg-type]
