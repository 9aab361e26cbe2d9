"""News: what changed, told once, to those whom it concerns; from whichever process it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update
from world import World

from transom.core import news
from transom.core.handoff import Answer
from transom.core.news import KEPT, LATE, News
from transom.domain.entitlement import Actor
from transom.domain.errors import Unavailable
from transom.domain.names import Place
from transom.domain.news import Change, Listed, Stands
from transom.domain.submission import State
from transom.records.schema import submissions

SECOND = timedelta(seconds=1)


@pytest.fixture
def told(world: World) -> Callable[[], list[Change]]:
    """What is new since this was asked last."""
    reader = News(world.tools)
    position = reader.look()

    def ask() -> list[Change]:
        nonlocal position
        world.clock.pass_time(SECOND)
        reader.look()
        lately = reader.after(position)
        assert lately is not None
        position = lately.position
        return [each.change for each in lately.seen]

    return ask


def states(changes: list[Change]) -> list[tuple[str, State]]:
    return [(each.name, each.state) for each in changes if isinstance(each, Stands)]


def places(changes: list[Change]) -> list[str]:
    return sorted(str(each.place) for each in changes if isinstance(each, Listed))


def answer(world: World, outcome: State = State.ACCEPTED) -> None:
    """The application takes what waits, and answers."""
    processor = world.processor()
    for lease in processor.claim():
        given = Answer(outcome, acknowledge=True)
        tracking_id = lease.submission.tracking_id
        world.exchange.handoff.report(processor.actor, tracking_id, lease.fence, given)


def test_an_upload_is_told_once_with_the_places_that_show_it(
    world: World, told: Callable[[], list[Change]]
) -> None:
    world.account().submit("0001/app1/in/a.zip")
    found = told()

    assert states(found) == [("a.zip", State.RECEIVED)]
    assert places(found) == ["0001/app1/in", "0001/app1/in_arcv"]
    assert told() == []


def test_an_answer_is_told_though_the_submission_was_told_before(
    world: World, told: Callable[[], list[Change]]
) -> None:
    world.account().submit("0001/app1/in/a.zip")
    told()
    answer(world, State.REJECTED)

    assert states(told()) == [("a.zip", State.REJECTED)]


def test_a_result_file_is_told(world: World, told: Callable[[], list[Change]]) -> None:
    world.processor().publish("0001/app1/out/r.xml")

    assert places(told()) == ["0001/app1/out"]


@pytest.mark.parametrize("late", [2, 12])
def test_what_is_committed_late_is_told_all_the_same(
    world: World, told: Callable[[], list[Change]], late: int
) -> None:
    submitted = world.account().submit("0001/app1/in/a.zip")
    told()
    for _ in range(late):
        told()
    at = world.clock.now() - late * SECOND
    change = update(submissions).where(submissions.c.tracking_id == submitted.tracking_id)
    with world.database.transaction() as tx:
        tx.execute(change.values(state=State.ACCEPTED, updated_at=at))

    found = [each for _ in range(10) for each in states(told())]
    assert found == [("a.zip", State.ACCEPTED)]


def test_another_process_reads_the_same(world: World) -> None:
    other = News(world.tools)
    position = other.look()
    News(world.tools).look()
    world.account().submit("0001/app1/in/a.zip")
    world.clock.pass_time(SECOND)
    other.look()

    lately = other.after(position)
    assert lately is not None
    assert states([each.change for each in lately.seen]) == [("a.zip", State.RECEIVED)]


def test_a_page_that_comes_back_gets_what_it_missed_and_files_once(world: World) -> None:
    world.account().submit("0001/app1/in/old.zip")
    world.clock.pass_time(LATE * 2)
    left_at = world.clock.now()
    world.clock.pass_time(SECOND)
    world.account().submit("0001/app1/in/missed.zip")
    world.clock.pass_time(timedelta(minutes=5))
    reader = News(world.tools)
    reader.look()

    lately = reader.after(left_at)
    assert lately is not None
    found = [each.change for each in lately.seen]
    assert states(found) == [("missed.zip", State.RECEIVED)]
    assert places(found) == ["0001/app1/in", "0001/app1/in_arcv"]
    again = reader.after(left_at)
    assert again == lately
    assert reader.after(lately.position) == news.Lately((), lately.position)


def test_a_page_just_opened_is_not_told_of_files_that_it_shows(world: World) -> None:
    world.account().submit("0001/app1/in/a.zip")
    world.clock.pass_time(SECOND)

    lately = News(world.tools).after(world.clock.now())
    assert lately is not None
    assert places([each.change for each in lately.seen]) == []


def test_who_was_away_for_long_looks_at_everything_anew(world: World) -> None:
    reader = News(world.tools)
    position = reader.look()
    world.clock.pass_time(KEPT + SECOND)
    reader.look()

    assert reader.after(position) is None
    assert reader.after(datetime.fromtimestamp(0, position.tzinfo)) is None


def test_more_than_can_be_told_is_said_and_what_follows_is_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "MOST", 3)
    reader, account = News(world.tools), world.account()
    position = reader.look()
    for number in range(5):
        account.submit(f"0001/app1/in/{number}.zip")
    world.clock.pass_time(SECOND)

    reader.look()
    assert reader.after(position) is None
    world.clock.pass_time(LATE * 2)
    reader.look()
    world.clock.pass_time(LATE * 2)
    after = reader.look()
    account.submit("0001/app1/in/next.zip")
    world.clock.pass_time(SECOND)
    reader.look()
    lately = reader.after(after)
    assert lately is not None
    assert states([each.change for each in lately.seen])[-1:] == [("next.zip", State.RECEIVED)]


def test_what_is_kept_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "MOST", 4)
    reader, account = News(world.tools), world.account()
    position = reader.look()
    for number in range(3):
        account.submit(f"0001/app1/in/{number}.zip")
        world.clock.pass_time(LATE * 2)
        reader.look()

    assert reader.after(position) is None
    assert len(reader._seen) <= 4


def test_a_clock_that_is_set_loses_nothing_that_comes_after(world: World) -> None:
    reader, account = News(world.tools), world.account()
    for period in (timedelta(days=31), timedelta(days=-20), timedelta(minutes=3)):
        world.clock.move(period)
        position = reader.look()
        world.clock.pass_time(SECOND)
        account.submit(f"0001/app1/in/{period.days}.zip")
        world.clock.pass_time(SECOND)
        reader.look()
        lately = reader.after(position)
        assert lately is not None
        assert (f"{period.days}.zip", State.RECEIVED) in states(
            [each.change for each in lately.seen]
        )


def test_a_database_that_was_down_costs_no_news(
    world: World, told: Callable[[], list[Change]], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = world.account()
    with monkeypatch.context() as broken:

        def fail(*_: object) -> list[Stands]:
            raise Unavailable("database")

        broken.setattr(news.news, "stands", fail)
        for _ in range(3):
            with pytest.raises(Unavailable):
                told()
            world.clock.pass_time(LATE)
        account.submit("0001/app1/in/a.zip")
        world.clock.pass_time(LATE * 2)

    assert states(told()) == [("a.zip", State.RECEIVED)]


def test_only_those_who_may_track_or_list_are_concerned(world: World) -> None:
    mine, foreign = world.account(), world.account("0002")
    uploads, fetches = world.account(may="submit"), world.account(may="download")
    place = Place.parse("0001/app1/in")
    at = world.clock.now()

    def concerned(change: Change) -> list[Actor]:
        every = [each.actor for each in (mine, foreign, uploads, fetches)]
        return [each for each in every if News.concerns(each, change)]

    def stands(state: State) -> Stands:
        return Stands("id", mine.id, place, "a.zip", state, at)  # type: ignore[arg-type]

    assert concerned(stands(State.ACCEPTED)) == [mine.actor, uploads.actor, fetches.actor]
    assert concerned(stands(State.ABANDONED)) == [mine.actor]
    assert concerned(stands(State.HELD)) == [mine.actor]
    assert concerned(Listed("id", place, at)) == [mine.actor, uploads.actor]
    out = Place.parse("0001/app1/out")
    assert concerned(Listed("id", out, at)) == [mine.actor, fetches.actor]
    assert News.organizations(mine.actor) == ["0001"]


def test_what_may_be_tracked_one_by_one_is_what_may_be_tracked_in_all(world: World) -> None:
    from transom.domain.permission import listable, may_list, may_track, trackable  # noqa: PLC0415

    for may in ("submit", "download", "both"):
        actor = world.account(may=may).actor
        every = [
            Place.parse(f"{org}/{application}/{space}")
            for org in ("0001", "0002")
            for application in ("app1", "app2")
            for space in ("in", "in_arcv", "out")
        ]
        assert {each for each in every if may_track(actor, each)} == trackable(actor)
        assert {each for each in every if may_list(actor, each)} == set(listable(actor))


def test_a_change_of_anybodys_rights_is_noticed_and_a_probe_is_none(world: World) -> None:
    reader, account = News(world.tools), world.account()
    before = reader.rights_version()

    world.exchange.check()
    assert reader.rights_version() == before
    world.entitle(account, "0001", "app2", "both")
    assert reader.rights_version() != before


@pytest.mark.parametrize(
    ("table", "column"), [("submissions", "updated_at"), ("listings", "listed_at")]
)
def test_looking_reads_nothing_but_the_index_of_times(
    sqlite_world: World, table: str, column: str
) -> None:
    query = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {column} > 1 AND {column} <= 9 ORDER BY {column} LIMIT 9"  # noqa: E501
    with sqlite_world.database.reading() as tx:
        plan = " ".join(str(row) for row in tx.execute(text(query)))

    assert "USING INDEX" in plan
    assert "TEMP B-TREE" not in plan
