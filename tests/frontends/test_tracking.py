"""Tracking (guide 5.4.6): the sample's keys, true offsets, filters, pages, and who sees what."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests
from world import Caller, Served, World, xml

from transom.core import tracking
from transom.core.handoff import Answer
from transom.domain.errors import Unavailable
from transom.domain.submission import Finding, State

GUIDES_KEYS = [
    "trackingId",
    "submissionTime",
    "userName",
    "fileName",
    "status",
    "downstreamStatus",
    "statusUpdateTime",
    "fileSize",
    "uploadLocation",
    "applicationName",
    "applicationSpaceName",
    "arcvFileName",
    "downloadable",
    "_links",
]
OUR_KEYS = {
    "state",
    "accessMethod",
    "homeOrg",
    "requestedTime",
    "sha256",
    "findings",
    "resultFiles",
}


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [record["trackingId"] for record in answer.json()]


def test_a_record_has_the_keys_of_the_guides_sample_and_ours_after_them(
    caller: Caller, served: Served
) -> None:
    tracking_id = caller.upload("0001/app1/in/file1.txt", b"0123456789")

    record = caller.tracked(tracking_id)

    assert list(record)[: len(GUIDES_KEYS)] == GUIDES_KEYS
    assert set(record) == {*GUIDES_KEYS, *OUR_KEYS}
    assert record == record | {
        "trackingId": tracking_id,
        "fileName": "file1.txt",
        "status": "Received by FINRA",
        "downstreamStatus": None,
        "fileSize": 10,
        "uploadLocation": "0001/app1/in",
        "applicationName": "app1",
        "applicationSpaceName": "in",
        "downloadable": True,
        "state": "received",
        "accessMethod": "rest",
        "homeOrg": "0001",
        "sha256": hashlib.sha256(b"0123456789").hexdigest(),
        "findings": [],
        "resultFiles": [],
        "_links": [
            {"rel": "self", "href": f"{served.rest}/tracking?id={tracking_id}"},
            {"rel": "parent", "href": f"{served.rest}/tracking"},
        ],
    }


def test_before_its_bytes_come_a_submission_is_a_request(caller: Caller) -> None:
    offer = caller.request_upload("0001/app1/in/asked.txt")

    record = caller.tracked(offer["trackingId"])

    assert record == record | {
        "status": "Request Received",
        "state": "requested",
        "fileSize": None,
        "sha256": None,
        "arcvFileName": None,
        "downloadable": False,
    }


@pytest.mark.parametrize(
    ("at", "shown", "prefix"),
    [
        ("2026-07-01T16:00:00+00:00", "2026-07-01T12:00:00.000-04:00", "20260701120000000_"),
        ("2026-12-01T16:00:00+00:00", "2026-12-01T11:00:00.000-05:00", "20261201110000000_"),
        ("2026-11-01T05:30:00+00:00", "2026-11-01T01:30:00.000-04:00", "20261101013000000_"),
        ("2026-11-01T06:30:00+00:00", "2026-11-01T01:30:00.000-05:00", "20261101013000000_"),
    ],
)
def test_times_carry_the_true_eastern_offset(
    sqlite_world: World, at: str, shown: str, prefix: str
) -> None:
    sqlite_world.clock._wall = datetime.fromisoformat(at).astimezone(UTC)
    with sqlite_world.serving() as served:
        caller = served.caller(sqlite_world.account())
        record = caller.tracked(caller.upload("0001/app1/in/timed.txt"))

    assert record["submissionTime"] == record["statusUpdateTime"] == shown
    assert record["requestedTime"] == shown
    assert record["arcvFileName"] == prefix + "timed.txt"


def test_what_the_application_says_is_shown(sqlite_world: World) -> None:
    account, processor = sqlite_world.account(), sqlite_world.processor("app1")
    handoff = sqlite_world.exchange.handoff
    with sqlite_world.serving() as served:
        caller = served.caller(account)
        tracking_id = caller.upload("0001/app1/in/judged.txt")
        (lease,) = processor.claim()
        assert caller.tracked(tracking_id)["downstreamStatus"] is None

        handoff.acknowledge(processor.actor, tracking_id, lease.fence)
        assert caller.tracked(tracking_id)["downstreamStatus"] == "RECEIVED"

        processor.publish("0001/app1/out/judged.txt", about=tracking_id)
        found = Finding("7", "CUSIP", "E12", 'unknown <CUSIP> & "odd" \x01')
        outcome = State.PARTIALLY_REJECTED
        handoff.report(processor.actor, tracking_id, lease.fence, Answer(outcome, (found,)))
        record = caller.tracked(tracking_id)
        root = xml(caller.get(f"/tracking?id={tracking_id}", headers={"Accept": "application/xml"}))

    assert record["downstreamStatus"] == "PARTIALLY_REJECTED"
    assert record["state"] == "partially_rejected"
    assert record["findings"] == [
        {"record": "7", "field": "CUSIP", "code": "E12", "text": 'unknown <CUSIP> & "odd" \x01'}
    ]
    assert record["resultFiles"] == ["0001/app1/out/judged.txt"]
    assert root.findtext("submission/findings/text") == 'unknown <CUSIP> & "odd" \ufffd'


@pytest.mark.parametrize(
    ("outcome", "shown"), [(State.ACCEPTED, "ACCEPTED"), (State.REJECTED, "REJECTED")]
)
def test_an_outcome_is_shown(sqlite_world: World, outcome: State, shown: str) -> None:
    account, processor = sqlite_world.account(), sqlite_world.processor("app1")
    sent = account.submit("0001/app1/in/judged.txt")
    (lease,) = processor.claim()
    answer = Answer(outcome, acknowledge=True)
    sqlite_world.exchange.handoff.report(processor.actor, sent.tracking_id, lease.fence, answer)
    with sqlite_world.serving() as served:
        record = served.caller(account).tracked(sent.tracking_id)

    assert record["downstreamStatus"] == shown


def test_an_abandoned_request_shows_to_who_made_it_with_its_reason(sqlite_world: World) -> None:
    mine, other = sqlite_world.account(), sqlite_world.account()
    with sqlite_world.serving() as served:
        offer = served.caller(mine).request_upload("0001/app1/in/never.txt")
        sqlite_world.clock.pass_time(timedelta(hours=25))
        sqlite_world.exchange.retention.sweep()
        record = served.caller(mine).tracked(offer["trackingId"])
        refused = served.caller(other).get(f"/tracking?id={offer['trackingId']}")

    assert record["state"] == "abandoned"
    assert record["reason"]
    assert record["bytesSeen"] == 0
    assert refused.status_code == 404


def test_whoever_is_entitled_to_a_place_sees_what_was_submitted_there(
    shared: World, served: Served, caller: Caller
) -> None:
    tracking_id = caller.upload("0001/app1/in/colleague.txt")

    reader = served.caller(shared.account("0001", "submit", "app1"))
    assert reader.tracked(tracking_id)["trackingId"] == tracking_id


@pytest.mark.parametrize("which", ["unknown", "upper", "nonsense", "empty", "foreign"])
def test_what_cannot_be_tracked_is_not_found(
    shared: World, served: Served, caller: Caller, which: str
) -> None:
    mine = caller.upload("0001/app1/in/mine.txt")
    theirs = served.caller(shared.account("0002")).upload("0002/app1/in/theirs.txt")
    asked = {
        "unknown": str(uuid4()),
        "upper": mine.upper(),
        "nonsense": "%00%0d%0a<script>",
        "empty": "",
        "foreign": theirs,
    }[which]

    answer = caller.get(f"/tracking?id={asked}")

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    in_xml = caller.get(f"/tracking?id={asked}", headers={"Accept": "application/xml"})
    assert xml(in_xml).findtext("error") == "not_found"


def test_a_submission_older_than_90_days_is_not_found(sqlite_world: World) -> None:
    account = sqlite_world.account()
    sent = account.submit("0001/app1/in/old.txt")
    with sqlite_world.serving() as served:
        sqlite_world.clock.pass_time(timedelta(days=90))
        caller = served.caller(account)
        assert caller.tracked(sent.tracking_id)["downloadable"] is False
        sqlite_world.clock.pass_time(timedelta(days=1))
        caller = served.caller(account)
        answer = caller.get(f"/tracking?id={sent.tracking_id}")
        every = ids(caller.get("/tracking"))

    assert answer.status_code == 404
    assert every == []


def _many(world: World, count: int) -> list[str]:
    """So many submissions a second apart; their ids, newest first."""
    account = world.account()
    sent = []
    for number in range(count):
        world.clock.pass_time(timedelta(seconds=1))
        sent.append(account.submit(f"0001/app1/in/file{number}.txt").tracking_id)
    return sent[::-1]


def test_without_an_id_everything_streams_newest_first(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "PAGE", 3)
    sent = _many(sqlite_world, 8)
    with sqlite_world.serving() as served:
        caller = served.caller(sqlite_world.account())
        answer = caller.get("/tracking")
        in_xml = caller.get("/tracking", headers={"Accept": "application/xml"})

    assert ids(answer) == sent
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Link" not in answer.headers
    assert [each.findtext("trackingId") for each in xml(in_xml)] == sent


def test_nothing_submitted_is_an_empty_array(shared: World, served: Served) -> None:
    caller = served.caller(shared.account("0002", "both", "app2"))

    assert caller.get("/tracking").json() == []
    root = xml(caller.get("/tracking", headers={"Accept": "application/xml"}))
    assert (root.tag, len(root)) == ("submissions", 0)


def test_with_a_limit_there_are_pages_and_links_to_the_next(sqlite_world: World) -> None:
    sent = _many(sqlite_world, 7)
    with sqlite_world.serving() as served:
        caller = served.caller(sqlite_world.account())
        pages, path = [], "/tracking?limit=3&application=app1"
        while path:
            answer = caller.get(path)
            pages.append(ids(answer))
            following = answer.links.get("next", {}).get("url", "")
            assert not following or following.startswith(f"{served.rest}/tracking?")
            path = following.removeprefix(served.rest)

    assert pages == [sent[:3], sent[3:6], sent[6:]]


def test_pages_of_one_instant_lose_and_repeat_nothing(sqlite_world: World) -> None:
    account = sqlite_world.account()
    sent = {account.submit("0001/app1/in/same.txt").tracking_id for _ in range(5)}
    with sqlite_world.serving() as served:
        caller = served.caller(account)
        found, path = [], "/tracking?limit=2"
        while path:
            answer = caller.get(path)
            found += ids(answer)
            path = answer.links.get("next", {}).get("url", "").removeprefix(served.rest)

    assert len(found) == 5
    assert set(found) == sent


def test_submissions_can_be_narrowed(sqlite_world: World) -> None:
    account = sqlite_world.account()
    sqlite_world.entitle(account, "0001", "app2", "both")
    first = account.submit("0001/app1/in/a.txt").tracking_id
    sqlite_world.clock.pass_time(timedelta(hours=1))
    second = account.submit("0001/app2/in/b.txt").tracking_id
    with sqlite_world.serving() as served:
        caller = served.caller(account)
        third = caller.request_upload("0001/app1/in/a.txt")["trackingId"]
        since = quote("2026-11-20T16:00:00-05:00")
        narrowed = {
            "fileName=a.txt": [third, first],
            "fileName=c.txt": [],
            "application=app2": [second],
            "application=none": [],
            "state=received": [second, first],
            "state=requested": [third],
            "state=received&application=app1": [first],
            f"since={since}": [third, second],
            "since=2026-11-20T21:00:00%2B00:00": [third, second],
            "since=2026-11-20T21:00:00+00:00": [third, second],
            "since=2026-11-20T21:00:00Z": [third, second],
            "since=9999-12-31T23:59:59%2B00:00": [],
            "since=0001-01-01T00:00:00Z": [third, second, first],
        }
        for query, wanted in narrowed.items():
            assert set(ids(caller.get(f"/tracking?{query}"))) == set(wanted), query


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=%C2%B2", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=00000001001000", "limit"),
        ("limit=1&limit=2", "limit"),
        ("state=done", "state"),
        ("state=", "state"),
        ("since=yesterday", "since"),
        ("since=2026-11-20", "since"),
        ("since=2026-11-20T15:32:07", "since"),
        ("since=2026-13-40T15:32:07Z", "since"),
        ("since=0001-01-01T00:00:00%2B23:59", "since"),
        ("since=9999-12-31T23:59:59-23:59", "since"),
        ("since=%00", "since"),
        ("cursor=", "cursor"),
        ("cursor=%FF", "query"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=bm90aGluZw", "cursor"),
        ("cursor=" + "W1tb" * 3000, "cursor"),
        ("cursor=MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OS9h", "cursor"),
        ("fileName=%00", ""),
        ("fileName=", ""),
        ("fileName=..%2F", ""),
        ("fileName=%F0%9F%98%80", ""),
        ("application=a%2Fb", ""),
        ("id=x&id=y", "id"),
        ("Id=x", "Id"),
        ("unknown=1", "unknown"),
        ("%00%1b[31m=1", "no such parameter"),
        ("&".join(f"a{number}=1" for number in range(30)), "query"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_a_parameter_that_cannot_be_read_is_named(
    caller: Caller, query: str, named: str, accept: str
) -> None:
    answer = caller.get(f"/tracking?{query}", headers={"Accept": accept})

    assert answer.status_code == 400
    if accept == "application/json":
        said = answer.json()["error_message"]
    else:
        said = xml(answer).findtext("error_message") or ""
    assert named in said


def test_when_the_records_fail_half_way_the_answer_is_cut_off(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "PAGE", 3)
    _many(sqlite_world, 8)
    page: Any = sqlite_world.exchange.tracking.page  # bound before it is replaced
    asked: list[Any] = []

    def fail_later(_: object, *arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) > 1:
            raise Unavailable("database")
        return page(*arguments)

    with sqlite_world.serving() as served:
        caller = served.caller(sqlite_world.account())
        monkeypatch.setattr(type(sqlite_world.exchange.tracking), "page", fail_later)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            caller.get("/tracking")


def test_when_the_records_do_not_answer_tracking_says_so(
    shared: World, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(type(shared.exchange.tracking), "page", fail)

    answer = caller.get("/tracking")

    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
