"""The machine's clock jumps, an hour comes twice or never: nothing is lost, early or double."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from world import START, World

from transom.core.retention import LONGEST_ABSENCE, Retention
from transom.core.sign_in import Attempt
from transom.core.tracking import Query
from transom.domain.errors import BadCredentials, GrantInvalid
from transom.domain.submission import State

EASTERN = ZoneInfo("America/New_York")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def go_to(world: World, at: datetime) -> None:
    world.clock.pass_time(at - world.clock.wall())


def end_of(year: int, month: int, day: int) -> datetime:
    """The last instant of a local day."""
    midnight = datetime(year, month, day, tzinfo=EASTERN) + DAY
    return midnight.astimezone(UTC) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("received", "last_day"),
    [
        pytest.param(datetime(2027, 2, 20, 12, tzinfo=EASTERN), (2027, 3, 22), id="spring forward"),
        pytest.param(datetime(2027, 10, 20, 12, tzinfo=EASTERN), (2027, 11, 19), id="fall back"),
        pytest.param(datetime(2027, 12, 10, 12, tzinfo=EASTERN), (2028, 1, 9), id="year end"),
        pytest.param(datetime(2028, 2, 10, 12, tzinfo=EASTERN), (2028, 3, 11), id="29 February"),
        pytest.param(
            datetime(2028, 1, 30, 23, 59, tzinfo=EASTERN), (2028, 2, 29), id="to the 29th"
        ),
        pytest.param(
            datetime(2028, 1, 31, 0, 0, tzinfo=EASTERN), (2028, 3, 1), id="a minute later"
        ),
    ],
)
def test_thirty_days_are_calendar_days_whatever_the_clocks_do(
    sqlite_world: World, received: datetime, last_day: tuple[int, int, int]
) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    go_to(world, received.astimezone(UTC))
    sent = firm.submit("0001/app1/in/filing.zip")

    go_to(world, end_of(*last_day))
    world.exchange.retention.sweep()
    assert firm.names("0001/app1/in_arcv") == [sent.archive_name]
    world.clock.pass_time(timedelta(microseconds=1))

    assert firm.names("0001/app1/in_arcv") == []


def test_in_the_missing_hour_no_archive_name_falls_into_the_gap(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    go_to(sqlite_world, datetime(2027, 3, 14, 6, 59, 59, 999_000, tzinfo=UTC))

    names = [firm.submit("0001/app1/in/a.txt").archive_name]
    sqlite_world.clock.pass_time(timedelta(milliseconds=1))
    names.append(firm.submit("0001/app1/in/a.txt").archive_name)

    assert names == ["20270314015959999_a.txt", "20270314030000000_a.txt"]


def test_at_the_edge_of_the_gap_the_next_free_name_lies_beyond_it(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    go_to(sqlite_world, datetime(2027, 3, 14, 6, 59, 59, 999_000, tzinfo=UTC))

    names = [firm.submit("0001/app1/in/a.txt").archive_name for _ in range(2)]

    assert names == ["20270314015959999_a.txt", "20270314030000000_a.txt"]


def test_in_the_hour_that_comes_twice_tracking_tells_the_order(sqlite_world: World) -> None:
    world, firm = sqlite_world, sqlite_world.account()
    sent = []
    for hour in (5, 6, 7):  # 01:30 EDT, 01:30 EST, 02:30 EST
        go_to(world, datetime(2027, 11, 7, hour, 30, tzinfo=UTC))
        sent.append(firm.submit("0001/app1/in/a.txt"))

    (found,) = world.exchange.tracking.all(firm.actor, Query())

    assert [each.tracking_id for each in found] == [each.tracking_id for each in sent[::-1]]
    assert len({each.archive_name for each in sent}) == 3


def test_a_clock_set_back_an_hour_keeps_names_unique_and_files_there(world: World) -> None:
    firm, app = world.account(), world.processor()
    first = firm.submit("0001/app1/in/a.txt", b"first")
    world.clock.pass_time(HOUR)
    world.clock.jump(-HOUR)

    second = firm.submit("0001/app1/in/a.txt", b"second")
    world.exchange.retention.sweep()

    assert first.archive_name != second.archive_name
    assert firm.fetch(f"0001/app1/in_arcv/{first.archive_name}") == b"first"
    assert firm.fetch(f"0001/app1/in_arcv/{second.archive_name}") == b"second"
    assert len(app.claim()) == 2


def test_a_clock_set_back_gives_no_lease_to_a_second_holder(world: World) -> None:
    firm, app, other = world.account(), world.processor(), world.processor()
    firm.submit("0001/app1/in/a.txt")
    app.claim(minutes=5)
    world.clock.jump(-HOUR)

    assert other.claim() == ()


def test_a_clock_that_runs_ahead_a_day_and_is_put_right_has_taken_nothing(world: World) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/a.txt", b"content")
    token = world.exchange.tokens.grant(Attempt(firm.name, firm.secret, "192.0.2.1")).text
    asked = world.exchange.uploads.request(firm.actor, sent.place, sent.name, sent.client)

    world.clock.jump(40 * DAY)
    swept = world.exchange.retention.sweep()
    world.clock.jump(-40 * DAY)

    assert (swept.listings, swept.blobs, swept.tokens, swept.requests) == (0, 0, 0, 0)
    assert firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}") == b"content"
    assert world.exchange.tokens.redeem(token, "192.0.2.1").principal_id == firm.id
    found = world.exchange.tracking.one(firm.actor, asked.submission.tracking_id)
    assert found.state is State.REQUESTED


def test_while_the_clock_runs_ahead_a_token_that_would_have_ended_is_refused(
    world: World,
) -> None:
    firm = world.account()
    token = world.exchange.tokens.grant(Attempt(firm.name, firm.secret, "192.0.2.1")).text
    world.clock.jump(DAY)

    with pytest.raises(GrantInvalid):
        world.exchange.tokens.redeem(token, "192.0.2.1")


def test_a_closed_account_is_not_opened_by_a_clock_set_back(world: World) -> None:
    firm = world.account()
    for _ in range(5):
        with pytest.raises(BadCredentials):
            world.exchange.sign_in.enter(Attempt(firm.name, "wrong", "192.0.2.1"))
    world.clock.jump(-HOUR)

    with pytest.raises(BadCredentials):
        world.exchange.sign_in.enter(Attempt(firm.name, firm.secret, "192.0.2.1"))


def test_a_sandbox_that_moves_on_a_month_ends_what_a_month_ends(world: World) -> None:
    firm, app = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/a.txt")
    (lease,) = app.claim()
    world.exchange.handoff.acknowledge(app.actor, sent.tracking_id, lease.fence)

    world.clock.move(31 * DAY)
    swept = world.exchange.retention.sweep()

    assert (swept.listings, swept.blobs) == (1, 1)
    assert world.clock.wall() == START
    assert not world.exchange.tracking.one(firm.actor, sent.tracking_id).downloadable


def test_a_start_with_the_clock_a_month_ahead_ends_nothing(world: World) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/a.txt", b"content")
    world.clock.jump(40 * DAY)
    restarted = Retention(world.tools, world.database)

    held_back = restarted.recall()
    swept = restarted.sweep()
    world.clock.jump(-40 * DAY)

    assert held_back == 40 * DAY - LONGEST_ABSENCE
    assert (swept.listings, swept.blobs) == (0, 0)
    assert firm.fetch(f"0001/app1/in_arcv/{sent.archive_name}") == b"content"


def test_a_start_after_a_night_s_absence_makes_good_for_it(world: World) -> None:
    firm = world.account()
    world.processor().publish("0001/app1/out/a.txt")
    world.clock.pass_time(30 * DAY)
    firm.submit("0001/app1/in/a.txt")
    world.clock.jump(DAY)
    restarted = Retention(world.tools, world.database)

    assert restarted.recall() == timedelta(0)
    assert restarted.sweep().listings == 1
