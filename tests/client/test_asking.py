"""Folders, tracking and waiting: what a server says, read into values."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from client.conftest import Waiting
from client.lying_server import Exchange, Handler, Lie, Submission, answer, lose_all

from transom.client import Client, Entry, Finding
from transom.client import Submission as Found
from transom.client.errors import NotThere, RefusedByRule, ServerFault, Unreachable

EASTERN = timezone(timedelta(hours=-5))
RECORD = {
    "trackingId": "t-1",
    "submissionTime": "2022-11-01T12:00:00.000-05:00",
    "statusUpdateTime": "2022-11-01T12:00:05.000-0500",
    "userName": "0001ftp01",
    "fileName": "a.txt",
    "status": "Request Received",
    "downstreamStatus": None,
    "fileSize": None,
    "uploadLocation": "0001/app1/in",
}


def told(*records: dict[str, Any]) -> Lie:
    return answer(200, json.dumps(list(records)))


def seen_in(exchange: Exchange, firm: Client, record: dict[str, Any]) -> Found:
    exchange.lie("tracking", told(record))
    return firm.submission(record["trackingId"])


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_has_levels_and_files(exchange: Exchange, firm: Client) -> None:
    listing = {
        "name": "in",
        "metadata": {"writable": True},
        "children": [
            {"name": "out", "type": "DIR", "metadata": {"writable": False}},
            {
                "name": "file1.zip",
                "type": "FILE",
                "metadata": {
                    "writable": False,
                    "contentLength": 7473,
                    "lastModified": "2018-12-07T14:18:34.000+0000",
                },
            },
            {"name": "bare"},
        ],
    }
    exchange.lie("listing", answer(200, json.dumps(listing)))
    folder = firm.folder("/0001/app1/in/")
    assert (folder.path, folder.writable) == ("0001/app1/in", True)
    modified = datetime(2018, 12, 7, 14, 18, 34, tzinfo=UTC)
    assert folder.entries == (
        Entry("out", is_file=False, writable=False),
        Entry("file1.zip", is_file=True, writable=False, size=7473, modified=modified),
        Entry("bare", is_file=False, writable=False),
    )
    assert exchange.at("listing")[0].path == "/files/0001/app1/in"


def test_the_root_is_a_folder(exchange: Exchange, firm: Client) -> None:
    assert firm.folder().path == ""
    assert exchange.at("listing")[0].path == "/files"


@pytest.mark.parametrize(
    "body", ["[]", '{"children": 5}', '{"children": [5]}', '{"children": [{}]}']
)
def test_a_listing_that_is_none_is_the_servers_fault(
    exchange: Exchange, firm: Client, body: str
) -> None:
    exchange.lie("listing", answer(200, body))
    with pytest.raises(ServerFault):
        firm.folder("0001")


@pytest.mark.parametrize("place", ["0001//in", "0001/../0002", "."])
def test_a_place_that_is_none_is_refused_here(exchange: Exchange, firm: Client, place: str) -> None:
    with pytest.raises(RefusedByRule):
        firm.folder(place)
    assert exchange.seen == []


# --- a submission --------------------------------------------------------------------------------


def test_a_submission_has_all_that_tracking_tells(exchange: Exchange, firm: Client) -> None:
    record = RECORD | {
        "status": "Received by FINRA",
        "downstreamStatus": "PARTIALLY_REJECTED",
        "state": "partially_rejected",
        "fileSize": 12,
        "sha256": "AB" * 32,
        "arcvFileName": "20221101120000000_a.txt",
        "downloadable": True,
        "findings": [{"record": "1", "field": "zip", "code": "C", "text": "Bad.\x1b[2J"}, 5],
        "resultFiles": ["0001/app1/out/a.txt", 5],
        "reason": None,
    }
    found = seen_in(exchange, firm, record)
    assert found == Found(
        "t-1",
        "a.txt",
        "0001/app1/in",
        "partially_rejected",
        "Received by FINRA",
        "PARTIALLY_REJECTED",
        datetime(2022, 11, 1, 12, tzinfo=EASTERN),
        datetime(2022, 11, 1, 12, 0, 5, tzinfo=EASTERN),
        "0001ftp01",
        12,
        "ab" * 32,
        "20221101120000000_a.txt",
        downloadable=True,
        findings=(Finding("1", "zip", "C", "Bad. [2J"),),
        result_files=("0001/app1/out/a.txt",),
    )
    assert found.raw == record
    assert found.is_received


@pytest.mark.parametrize(
    ("status", "downstream", "state"),
    [
        ("Request Received", None, "requested"),
        ("Received by FINRA", None, "received"),
        ("Received by Somebody", "RECEIVED", "received"),
        ("Received by FINRA", "ACCEPTED", "accepted"),
        ("Received by FINRA", "REJECTED", "rejected"),
        ("Received by FINRA", "PARTIALLY_REJECTED", "partially_rejected"),
        ("Received by FINRA", "SOMETHING", "received"),
        (None, None, "requested"),
    ],
)
def test_a_state_that_is_not_told_is_read_off_the_guides_statuses(
    finra: Exchange, finra_firm: Client, status: str | None, downstream: str | None, state: str
) -> None:
    record = RECORD | {"status": status, "downstreamStatus": downstream}
    assert seen_in(finra, finra_firm, record).state == state


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2018-12-07T14:18:34.000+0000", datetime(2018, 12, 7, 14, 18, 34, tzinfo=UTC)),
        ("2018-12-07T14:18:34Z", datetime(2018, 12, 7, 14, 18, 34, tzinfo=UTC)),
        ("2018-12-07T09:18:34.500-05:00", datetime(2018, 12, 7, 9, 18, 34, 500000, EASTERN)),
        ("2018-12-07T09:18:34-0500", datetime(2018, 12, 7, 9, 18, 34, tzinfo=EASTERN)),
        ("2018-12-07T14:18:34", datetime(2018, 12, 7, 14, 18, 34, tzinfo=UTC)),
    ],
)
def test_times_are_read_however_their_offset_is_written(
    exchange: Exchange, firm: Client, text: str, instant: datetime
) -> None:
    record = {name: value for name, value in RECORD.items() if name != "statusUpdateTime"}
    found = seen_in(exchange, firm, record | {"submissionTime": text})
    assert found.submitted_at == instant
    assert found.updated_at == instant


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[5]",
        "[{}]",
        '[{"trackingId": "t-1"}]',
        '[{"trackingId": "t-1", "submissionTime": "?"}]',
    ],
)
def test_a_record_that_is_none_is_the_servers_fault(
    exchange: Exchange, firm: Client, body: str
) -> None:
    exchange.lie("tracking", answer(200, body))
    with pytest.raises(ServerFault):
        firm.submission("t-1")


def test_fields_of_other_types_are_as_good_as_left_out(exchange: Exchange, firm: Client) -> None:
    record = RECORD | {"fileSize": "12", "sha256": "zz" * 32, "findings": "none", "userName": 5}
    found = seen_in(exchange, firm, record)
    assert (found.size, found.sha256, found.findings, found.user_name) == (None, None, (), "")
    assert seen_in(exchange, firm, record | {"fileSize": True, "sha256": "ab"}).size is None


@pytest.mark.parametrize("lie", [told(), told(RECORD | {"trackingId": "other"}), answer(404)])
def test_an_unknown_id_is_not_there(exchange: Exchange, firm: Client, lie: Lie) -> None:
    exchange.lie("tracking", lie)
    with pytest.raises(NotThere) as caught:
        firm.submission("t-1")
    assert caught.value.exit_code == 3


# --- many submissions ----------------------------------------------------------------------------


def page(records: list[dict[str, Any]], after: str = "") -> Lie:
    link = (
        {"Link": f'<http://elsewhere.example/tracking?cursor={after}>; rel="next"'} if after else {}
    )
    return answer(200, json.dumps(records), **link)


def test_submissions_come_page_by_page_and_the_token_stays_where_it_is(
    exchange: Exchange, firm: Client
) -> None:
    records = [RECORD | {"trackingId": f"t-{number}"} for number in range(5)]
    exchange.lie("tracking", page(records[:2], "c1"), page(records[2:4], "c2"), page(records[4:]))
    found = firm.submissions(since=datetime(2022, 1, 1, tzinfo=UTC), state="requested")
    assert next(found).tracking_id == "t-0"
    assert len(exchange.at("tracking")) == 1
    assert [each.tracking_id for each in found] == ["t-1", "t-2", "t-3", "t-4"]
    first = {"limit": ["500"], "state": ["requested"], "since": ["2022-01-01T00:00:00+00:00"]}
    queries = [each.query for each in exchange.at("tracking")]
    assert queries == [first, first | {"cursor": ["c1"]}, first | {"cursor": ["c2"]}]


def test_pages_in_a_circle_are_the_servers_fault(exchange: Exchange, firm: Client) -> None:
    exchange.lie("tracking", *[page([RECORD], "c1")] * 3)
    with pytest.raises(ServerFault, match="circle"):
        list(firm.submissions())


@pytest.mark.parametrize("link", ['<http://[bad>; rel="next"', "<x>; rel=next", '<x>; rel="last"'])
def test_a_link_that_leads_nowhere_is_the_end(exchange: Exchange, firm: Client, link: str) -> None:
    exchange.lie("tracking", answer(200, json.dumps([RECORD]), Link=link))
    assert len(list(firm.submissions())) == 1


def test_a_server_without_filters_is_filtered_here(finra: Exchange, finra_firm: Client) -> None:
    for number, name in enumerate(["a.txt", "b.txt", "b.txt"]):
        made = Submission(f"t-{number}", f"0001/app{number}/in/{name}")
        finra.submissions[made.id] = made
    finra.submissions["t-1"].bodies.append(b"b")
    at = finra_firm.submissions
    assert [each.tracking_id for each in at()] == ["t-2", "t-1", "t-0"]
    assert [each.tracking_id for each in at(file_name="b.txt")] == ["t-2", "t-1"]
    assert [each.tracking_id for each in at(state="received")] == ["t-1"]
    assert [each.tracking_id for each in at(application="app0")] == ["t-0"]
    when = datetime(2022, 11, 1, 17, 0, tzinfo=UTC)
    assert len(list(at(since=when))) == 3
    assert list(at(since=when + timedelta(seconds=1))) == []


def test_a_server_that_takes_no_parameters_is_asked_without(
    finra: Exchange, finra_firm: Client
) -> None:
    finra.lie("tracking", answer(400, "<html>", "text/html"))
    finra.submissions["t-1"] = Submission("t-1", "0001/app1/in/a.txt")
    assert [each.tracking_id for each in finra_firm.submissions()] == ["t-1"]
    assert finra.at("tracking")[1].query == {}


def test_a_filter_that_the_server_refuses_is_an_error(exchange: Exchange, firm: Client) -> None:
    exchange.lie("tracking", answer(400, '{"error": "bad_parameter", "error_message": "No."}'))
    with pytest.raises(RefusedByRule):
        list(firm.submissions(state="nonsense"))


# --- waiting -------------------------------------------------------------------------------------


def begun(exchange: Exchange, *ids: str) -> None:
    for each in ids:
        exchange.submissions[each] = Submission(each, "0001/app1/in/a.txt", [b"a"])


def test_waiting_ends_when_every_one_has_ended(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    begun(exchange, "t-1", "t-2")
    states = exchange.submissions
    waiting.meanwhile += [
        lambda: setattr(states["t-1"], "state", "accepted"),
        lambda: None,
        lambda: setattr(states["t-2"], "state", "abandoned"),
    ]
    changes: list[tuple[str, str]] = []
    found = firm.wait(
        iter(["t-1", "t-2", "t-1"]), 60, lambda now: changes.append((now.tracking_id, now.state))
    )
    assert {each: found[each].state for each in found} == {"t-1": "accepted", "t-2": "abandoned"}
    assert changes == [
        ("t-1", "received"),
        ("t-2", "received"),
        ("t-1", "accepted"),
        ("t-2", "abandoned"),
    ]
    assert waiting.waits == pytest.approx([0.5, 0.75, 1.125])


def test_waiting_ends_with_its_time_and_tells_the_last_word(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    begun(exchange, "t-1")
    found = firm.wait(["t-1"], 100)
    assert found["t-1"].state == "received"
    assert sum(waiting.waits) == pytest.approx(100)
    assert max(waiting.waits) == 10
    assert len(exchange.at("tracking")) < 20


def test_who_waits_no_time_looks_once(exchange: Exchange, firm: Client, waiting: Waiting) -> None:
    begun(exchange, "t-1")
    assert firm.wait(["t-1"], 0)["t-1"].state == "received"
    assert waiting.waits == []


def test_nothing_to_wait_for_is_nothing(exchange: Exchange, firm: Client) -> None:
    assert firm.wait([], 60) == {}
    assert exchange.seen == []


def test_an_unknown_id_ends_the_waiting_at_once(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    begun(exchange, "t-1")
    with pytest.raises(NotThere):
        firm.wait(["t-1", "t-9"], 60)
    assert waiting.waits == []


def test_a_server_that_is_away_for_a_while_is_waited_for(exchange: Exchange, firm: Client) -> None:
    begun(exchange, "t-1")
    exchange.submissions["t-1"].state = "accepted"
    exchange.lie("tracking", *[lose_all] * 12)
    assert firm.wait(["t-1"], 600)["t-1"].state == "accepted"


def test_a_server_that_stays_away_ends_the_waiting_with_its_time(
    exchange: Exchange, firm: Client
) -> None:
    begun(exchange, "t-1")
    exchange.lie("tracking", *[lose_all] * 200)
    with pytest.raises(Unreachable):
        firm.wait(["t-1"], 60)


def test_a_change_of_the_downstream_status_is_a_change(exchange: Exchange, firm: Client) -> None:
    def taken(handler: Handler) -> None:
        handler.take_body()
        handler._json([RECORD | {"state": "received", "downstreamStatus": "RECEIVED"}])

    exchange.lie("tracking", told(RECORD | {"state": "received"}), taken)
    exchange.lie("tracking", told(RECORD | {"state": "accepted", "downstreamStatus": "ACCEPTED"}))
    changes: list[str | None] = []
    firm.wait(["t-1"], 60, lambda now: changes.append(now.downstream_status))
    assert changes == [None, "RECEIVED", "ACCEPTED"]
