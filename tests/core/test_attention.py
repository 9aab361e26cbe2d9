"""What needs somebody: refusals not followed up, answers long overdue, results nobody fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from answering import answer
from sqlalchemy import event
from world import Account, Processor, World

from transom.core.attention import SHOWN, Needs, is_late
from transom.domain.names import OrgId, Place
from transom.domain.submission import Finding, State

IN = Place(OrgId("0001"), "app1", "in")


def needs(account: Account, org: str = "0001") -> Needs:
    return account.world.exchange.attention.needs(account.actor, org)


def refused(account: Account) -> list[str]:
    return [each.submission.name for each in needs(account).refused]


def refuse(processor: Processor, findings: Sequence[Finding] = ()) -> None:
    answer(processor, State.REJECTED, findings)


def take_turns(firm: Account, processor: Processor, times: int, each: timedelta) -> None:
    """So many submissions, each answered after so long."""
    for number in range(times):
        firm.submit(f"0001/app1/in/usual{number}.txt")
        firm.world.clock.pass_time(each)
        answer(processor)


def test_what_was_refused_needs_somebody_the_newest_first(world: World) -> None:
    firm, processor = world.account(), world.processor()
    firm.submit("0001/app1/in/rejected.txt")
    refuse(processor, [Finding("R1", "zip", "Z9", "wrong")] * 3)
    world.clock.pass_time(timedelta(minutes=1))
    firm.submit("0001/app1/in/partly.txt")
    answer(processor, State.PARTIALLY_REJECTED)
    firm.submit("0001/app1/in/accepted.txt")
    answer(processor)

    assert refused(firm) == ["partly.txt", "rejected.txt"]
    assert [each.found for each in needs(firm).refused] == [0, 3]


def test_a_refusal_needs_nobody_once_the_file_was_sent_again_or_a_week_is_over(
    world: World,
) -> None:
    firm, colleague, processor = world.account(), world.account(), world.processor()
    for name in ("again.txt", "elsewhere.txt", "old.txt"):
        firm.submit(f"0001/app1/in/{name}")
    refuse(processor)
    world.clock.pass_time(timedelta(days=1))
    world.entitle(firm, "0001", "app2", "both")
    firm.submit("0001/app2/in/elsewhere.txt")
    assert len(refused(firm)) == 3
    colleague.submit("0001/app1/in/again.txt")

    assert set(refused(firm)) == {"elsewhere.txt", "old.txt"}
    world.clock.pass_time(timedelta(days=6, seconds=1))
    assert refused(firm) == []


def test_an_upload_that_was_only_begun_follows_nothing_up(world: World) -> None:
    firm, processor = world.account(), world.processor()
    firm.submit("0001/app1/in/file.txt")
    refuse(processor)
    world.clock.pass_time(timedelta(seconds=1))
    with firm.open("0001/app1/in/file.txt"):
        pass

    assert refused(firm) == ["file.txt"]


def test_five_of_a_kind_are_shown_and_that_there_are_more(world: World) -> None:
    firm, processor = world.account(), world.processor()
    for number in range(SHOWN + 1):
        firm.submit(f"0001/app1/in/{number}.txt")
    refuse(processor)

    found = needs(firm)
    assert (len(found.refused), found.more_refused) == (SHOWN, True)


def test_nobody_is_told_of_what_lies_beyond_the_rights(world: World) -> None:
    firm, processor = world.account(), world.processor()
    firm.submit("0001/app1/in/file.txt")
    refuse(processor)
    processor.publish("0001/app1/out/result.txt")
    world.clock.pass_time(timedelta(days=29))
    firm.submit("0001/app1/in/waits.txt")
    world.clock.pass_time(timedelta(days=1))

    for other in (world.account("0002"), world.account(application="app2")):
        for org in ("0001", "0002", "9999"):
            assert needs(other, org) == Needs()
    sender = world.account(may="submit")
    assert needs(sender).ending == ()
    assert needs(world.account()).ending


def test_an_answer_is_late_after_twice_the_usual_time(world: World) -> None:
    firm, processor = world.account(), world.processor()
    take_turns(firm, processor, 4, timedelta(hours=2))
    firm.submit("0001/app1/in/late.txt")
    world.clock.pass_time(timedelta(hours=4))
    assert needs(firm).late == ()

    world.clock.pass_time(timedelta(seconds=1))

    (late,) = needs(firm).late
    assert (late.submission.name, late.waited, late.usual) == (
        "late.txt",
        timedelta(hours=4, seconds=1),
        timedelta(hours=2),
    )


def test_an_application_that_hardly_ever_answered_is_late_after_a_day(world: World) -> None:
    firm, processor = world.account(), world.processor()
    take_turns(firm, processor, 2, timedelta(minutes=1))
    firm.submit("0001/app1/in/late.txt")
    world.clock.pass_time(timedelta(days=1))
    assert needs(firm).late == ()

    world.clock.pass_time(timedelta(seconds=1))

    (late,) = needs(firm).late
    assert late.usual is None


def test_each_application_has_its_own_usual_time(world: World) -> None:
    firm, processor = world.account(), world.processor()
    world.entitle(firm, "0001", "app2", "both")
    take_turns(firm, processor, 3, timedelta(minutes=20))
    firm.submit("0001/app2/in/unknown.txt")
    firm.submit("0001/app1/in/late.txt")
    world.clock.pass_time(timedelta(hours=1))

    assert [each.submission.name for each in needs(firm).late] == ["late.txt"]
    usual = world.exchange.attention.usual
    assert usual(firm.actor, IN) == timedelta(minutes=20)
    assert usual(firm.actor, Place(OrgId("0001"), "app2", "in")) is None
    assert usual(world.account("0002").actor, IN) is None


@pytest.mark.parametrize(
    ("waited", "usual", "expected"),
    [
        (timedelta(minutes=15), timedelta(seconds=1), False),
        (timedelta(minutes=15, seconds=1), timedelta(seconds=1), True),
        (timedelta(hours=2), timedelta(hours=1), False),
        (timedelta(hours=2, seconds=1), timedelta(hours=1), True),
        (timedelta(days=1), None, False),
        (timedelta(days=1, seconds=1), None, True),
    ],
)
def test_late_is_twice_the_usual_and_never_before_a_quarter_of_an_hour(
    waited: timedelta, usual: timedelta | None, *, expected: bool
) -> None:
    assert is_late(waited, usual) is expected


def test_a_result_that_ends_within_three_days_needs_somebody_until_it_is_fetched(
    world: World,
) -> None:
    firm, processor = world.account(), world.processor()
    for name in ("read.txt", "unread.txt"):
        processor.publish(f"0001/app1/out/{name}")
    world.clock.pass_time(timedelta(days=27))
    assert needs(firm).ending == ()
    world.clock.pass_time(timedelta(days=2))
    assert {each.name for each in needs(firm).ending} == {"read.txt", "unread.txt"}

    world.account(may="download").fetch("0001/app1/out/read.txt")

    assert [each.name for each in needs(firm).ending] == ["unread.txt"]
    world.clock.pass_time(timedelta(days=3))
    assert needs(firm).ending == ()


def test_the_places_of_uploads_are_those_that_one_used_most_lately(world: World) -> None:
    firm, colleague = world.account(), world.account(application="app2")
    world.application("app3")
    for name in ("app2", "app3"):
        world.entitle(firm, "0001", name, "both")
    places = world.exchange.attention.places
    assert [each.application for each in places(firm.actor, "0001", 9)] == ["app1", "app2", "app3"]
    for number in range(3):
        colleague.submit(f"0001/app2/in/{number}.txt")
    firm.submit("0001/app3/in/mine.txt")

    assert [each.application for each in places(firm.actor, "0001", 9)] == ["app3", "app2", "app1"]
    assert [each.application for each in places(firm.actor, "0001", 1)] == ["app3"]
    assert places(firm.actor, "0002", 9) == []
    assert places(world.account(may="download").actor, "0001", 9) == []


def plans(world: World, look: Callable[[], object]) -> list[str]:
    """How SQLite goes about each statement of a look."""
    asked: list[tuple[str, Any]] = []

    def note(*facts: Any) -> None:
        asked.append((facts[2], facts[3]))

    event.listen(world.database.engine, "before_cursor_execute", note)
    look()
    event.remove(world.database.engine, "before_cursor_execute", note)
    with world.database.reading() as tx:
        return [
            "; ".join(row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}", given))
            for each, given in asked
        ]


def test_every_look_walks_an_index_and_sorts_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    firm, processor = world.account(), world.processor()
    take_turns(firm, processor, 3, timedelta(minutes=20))
    firm.submit("0001/app1/in/late.txt")
    world.clock.pass_time(timedelta(days=1))
    actor, attention = firm.actor, world.exchange.attention

    refused, waiting, times, ending = plans(world, lambda: attention.needs(actor, "0001"))
    (sent,) = plans(world, lambda: attention.places(actor, "0001", 4))

    assert "USING INDEX ix_submissions_refused (org=? AND answered_at>?)" in refused
    assert "ix_submissions_named (org=? AND name=? AND requested_at>?)" in refused
    assert "USING INDEX ix_submissions_waiting (org=? AND application=?)" in waiting
    assert (
        "USING INDEX ix_submissions_answered (org=? AND application=? AND answered_at>?)" in times
    )
    assert "USING INDEX ix_listings_unfetched (org=? AND ends_at>? AND ends_at<?)" in ending
    assert "USING INDEX ix_submissions_org (org=?)" in sent
    for plan in (refused, waiting, times, ending, sent):
        assert "TEMP B-TREE" not in plan
        assert "SCAN submissions" not in plan
