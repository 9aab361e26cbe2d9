"""Tracking: where submissions stand, for those who may know."""

from datetime import timedelta

import pytest
from world import START, Account, World, place_and_name, tracking_id

from transom.core.tracking import Position, Query
from transom.domain.errors import NotFound
from transom.domain.names import OrgId, Place
from transom.domain.submission import AccessMethod, Client, State, Submission
from transom.records import submissions
from transom.records.submissions import Filter

EVERYTHING = Query()


def seen(account: Account, query: Query = EVERYTHING) -> list[str]:
    pages = account.world.exchange.tracking.all(account.actor, query)
    return [each.name for page in pages for each in page]


def request(account: Account, path: str) -> Submission:
    place, name = place_and_name(path)
    uploads = account.world.exchange.uploads
    return uploads.request(account.actor, place, name, Client(AccessMethod.REST)).submission


def test_every_account_of_a_place_sees_what_was_submitted_there_by_whomever(world: World) -> None:
    sender, reader = world.account(may="submit"), world.account(may="download")
    stranger, other_application = world.account("0002"), world.account(application="app2")

    sender.submit("0001/app1/in/filing.zip")

    assert seen(sender) == seen(reader) == ["filing.zip"]
    assert seen(stranger) == seen(other_application) == []


def test_newest_submissions_come_first(world: World) -> None:
    firm = world.account()
    for name in ("a.zip", "b.zip", "c.zip"):
        firm.submit(f"0001/app1/in/{name}")
        world.clock.pass_time(timedelta(seconds=1))

    assert seen(firm) == ["c.zip", "b.zip", "a.zip"]


def test_a_requested_upload_is_tracked_before_its_bytes_come(world: World) -> None:
    firm = world.account()

    asked = request(firm, "0001/app1/in/filing.zip")

    found = world.exchange.tracking.one(firm.actor, asked.tracking_id)
    assert (found.state, found.size, found.downloadable) == (State.REQUESTED, None, False)


def test_an_abandoned_upload_is_shown_to_its_own_account_only(world: World) -> None:
    firm, colleague = world.account(), world.account()
    asked = request(firm, "0001/app1/in/filing.zip")
    world.clock.pass_time(timedelta(hours=25))
    world.exchange.retention.sweep()

    assert world.exchange.tracking.one(firm.actor, asked.tracking_id).state is State.ABANDONED
    assert seen(firm) == ["filing.zip"]
    assert seen(colleague) == []
    with pytest.raises(NotFound):
        world.exchange.tracking.one(colleague.actor, asked.tracking_id)


def test_foreign_unknown_and_malformed_ids_are_not_found_alike(sqlite_world: World) -> None:
    theirs = sqlite_world.account("0002").submit("0002/app1/in/filing.zip")
    firm = sqlite_world.account()

    def refusal(wanted: str) -> str:
        with pytest.raises(NotFound) as caught:
            sqlite_world.exchange.tracking.one(firm.actor, wanted)
        return caught.value.message.replace(wanted, "ID")

    texts = {refusal(each) for each in (theirs.tracking_id, tracking_id(), "nonsense", "' OR 1=1")}
    assert len(texts) == 1


def test_an_id_is_case_sensitive(sqlite_world: World) -> None:
    firm = sqlite_world.account()
    sent = firm.submit("0001/app1/in/filing.zip")

    with pytest.raises(NotFound):
        sqlite_world.exchange.tracking.one(firm.actor, sent.tracking_id.upper())


def test_tracking_ends_after_ninety_days_though_rows_may_linger(world: World) -> None:
    firm = world.account()
    sent = firm.submit("0001/app1/in/filing.zip")

    world.clock.pass_time(timedelta(days=90))
    on_the_last_day = seen(firm)
    world.clock.pass_time(timedelta(days=1))

    assert on_the_last_day == ["filing.zip"]
    assert seen(firm) == []
    with pytest.raises(NotFound):
        world.exchange.tracking.one(firm.actor, sent.tracking_id)


def test_filters_narrow_by_name_application_instant_and_state(world: World) -> None:
    firm = world.account()
    world.entitle(firm, "0001", "app2", "both")
    firm.submit("0001/app1/in/a.zip")
    world.clock.pass_time(timedelta(hours=1))
    firm.submit("0001/app2/in/b.zip")
    request(firm, "0001/app1/in/c.zip")

    assert seen(firm, Query(file_name="a.zip")) == ["a.zip"]
    assert seen(firm, Query(application="app2")) == ["b.zip"]
    assert seen(firm, Query(since=START + timedelta(minutes=30), states=(State.RECEIVED,))) == [
        "b.zip"
    ]
    assert seen(firm, Query(states=(State.REQUESTED,))) == ["c.zip"]
    assert seen(firm, Query(states=(State.REJECTED,))) == []


def test_pages_have_no_gap_and_no_repetition_while_more_arrives(world: World) -> None:
    firm = world.account()
    for number in range(7):
        firm.submit(f"0001/app1/in/{number}.zip")  # all at the same instant
    tracking = world.exchange.tracking

    found: list[str] = []
    after: Position | None = None
    while True:
        page, after = tracking.page(firm.actor, EVERYTHING, after, 2)
        found += [each.name for each in page]
        world.clock.pass_time(timedelta(seconds=1))
        firm.submit("0001/app1/in/newer.zip")
        if after is None:
            break

    assert sorted(found) == [f"{number}.zip" for number in range(7)]


def test_an_account_without_places_sees_nothing(world: World) -> None:
    world.account().submit("0001/app1/in/filing.zip")

    assert seen(world.processor().account) == []


def test_tens_of_thousands_of_places_are_no_obstacle(world: World) -> None:
    sent = world.account().submit("0001/app1/in/filing.zip")
    places = tuple(Place(OrgId(f"{number:04}"), "app1", "in") for number in range(40_000))

    with world.database.reading() as tx:
        wanted = Filter(places, START - timedelta(days=1), "", world.clock.now())
        found = submissions.page(tx, wanted, 10)

    assert [each.tracking_id for each in found] == [sent.tracking_id]


def test_everything_streams_in_pages_read_one_by_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.core.tracking.PAGE", 3)
    firm = world.account()
    sent = [firm.submit(f"0001/app1/in/{number}.txt").tracking_id for number in range(7)]

    pages = list(world.exchange.tracking.all(firm.actor, Query()))

    assert [len(page) for page in pages] == [3, 3, 1]
    assert {each.tracking_id for page in pages for each in page} == set(sent)
