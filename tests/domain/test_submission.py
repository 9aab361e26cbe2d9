"""A submission's life: every move there is, and every move there is not."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from transom.domain.errors import WrongState
from transom.domain.names import FileName, Place
from transom.domain.submission import (
    MOVES,
    OUTCOMES,
    AccessMethod,
    Client,
    State,
    Submission,
    require_move,
)

LEGAL = {
    ("requested", "held"),
    ("requested", "received"),
    ("requested", "abandoned"),
    ("held", "received"),
    ("held", "abandoned"),
    ("received", "accepted"),
    ("received", "partially_rejected"),
    ("received", "rejected"),
}
ILLEGAL = sorted(set(product(State, State)) - LEGAL)
AT = datetime(2026, 11, 20, 20, 36, 10, tzinfo=UTC)


def submission(state: State) -> Submission:
    return Submission(
        tracking_id="343dab32-516b-4e04-b60e-2526fa72e879",
        principal_id="p1",
        user_name="0001ftp01",
        home_org="0001",
        place=Place.parse("0001/crd/in"),
        name=FileName("file1.zip"),
        client=Client(AccessMethod.REST),
        state=state,
        requested_at=AT,
        submitted_at=AT,
        updated_at=AT,
    )


@pytest.mark.parametrize(("found", "wanted"), sorted(LEGAL))
def test_a_submission_moves_along_its_life(found: str, wanted: str) -> None:
    require_move("Submission 1", State(found), State(wanted))


@pytest.mark.parametrize(("found", "wanted"), ILLEGAL)
def test_every_other_move_is_refused(found: str, wanted: str) -> None:
    with pytest.raises(WrongState) as refused:
        require_move("Submission 1", State(found), State(wanted))

    assert refused.value.found == found
    assert found not in refused.value.wanted.split(" or ")


@pytest.mark.parametrize(
    ("found", "wanted", "text"),
    [
        ("abandoned", "received", "Submission 1 is abandoned; this needs it held or requested."),
        ("requested", "accepted", "Submission 1 is requested; this needs it received."),
        ("received", "requested", "Submission 1 is received; this needs it new."),
    ],
)
def test_a_refused_move_says_where_it_would_have_been_legal(
    found: str, wanted: str, text: str
) -> None:
    with pytest.raises(WrongState) as refused:
        require_move("Submission 1", State(found), State(wanted))

    assert refused.value.message.startswith(text)


def test_every_state_says_where_it_leads() -> None:
    assert set(MOVES) == set(State)


@pytest.mark.parametrize("state", sorted(OUTCOMES | {State.ABANDONED}))
def test_outcomes_and_abandonment_are_the_end(state: State) -> None:
    assert MOVES[state] == frozenset()


def test_only_a_received_submission_gets_an_outcome() -> None:
    assert [state for state in State if MOVES[state] & OUTCOMES] == [State.RECEIVED]


@pytest.mark.parametrize(
    ("state", "is_received"),
    [
        (State.REQUESTED, False),
        (State.HELD, False),
        (State.RECEIVED, True),
        (State.ACCEPTED, True),
        (State.PARTIALLY_REJECTED, True),
        (State.REJECTED, True),
        (State.ABANDONED, False),
    ],
)
def test_the_bytes_are_ours_from_received_on(state: State, *, is_received: bool) -> None:
    assert submission(state).is_received is is_received
