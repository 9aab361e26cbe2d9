"""The gateway: what applications do over the network, and what they may not."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self

import pytest
import requests
from world import Account, Caller, Served, World, tracking_id

from transom.core.retention import SYSTEM

HANDOFF = "/api/v1/handoff"
FINDING = {
    "record": "NGS-2026-0312",
    "field": "branch-zip",
    "code": "R4530-114",
    "text": 'Must be 5 digits. Found "6060".',
}


class Application:
    """An application's program, speaking HTTP."""

    def __init__(self, served: Served, account: Account, name: str = "app1") -> None:
        self.caller: Caller = served.caller(account)
        self.account = account
        self.name = name

    def post(self, path: str, body: object = None, **headers: str) -> requests.Response:
        return self.caller.ask("POST", f"{HANDOFF}/{path}", json=body, headers=headers)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.caller.ask("GET", f"{HANDOFF}/{path}", headers=headers)

    def claim(self, key: str = "", **members: Any) -> list[dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.post(f"{self.name}/claim", members, **headers)
        assert answer.status_code == 200, answer.text
        leases: list[dict[str, Any]] = answer.json()["leases"]
        return leases

    def say(self, held: dict[str, Any], verb: str, /, **members: Any) -> requests.Response:
        body = {"lease": held["lease"]} | members
        return self.post(f"submissions/{held['trackingId']}/{verb}", body)

    def publish(
        self, path: str, content: bytes = b"result", query: str = "org=0001", **headers: str
    ) -> requests.Response:
        return self.caller.ask(
            "PUT", f"{HANDOFF}/{self.name}/results/{path}?{query}", data=content, headers=headers
        )


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as found:
        yield found


@pytest.fixture
def app(sqlite_world: World, served: Served) -> Application:
    return Application(served, sqlite_world.processor().account)


@pytest.fixture
def firm(sqlite_world: World) -> Account:
    return sqlite_world.account()


def error_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_the_whole_walk(world: World) -> None:
    firm, processor = world.account(), world.processor()
    sent = firm.submit("0001/app1/in/filing.xml", b"<filing/>")
    with world.serving() as served:
        app = Application(served, processor.account)
        (lease,) = app.claim()
        content = app.get(f"submissions/{sent.tracking_id}/content")
        beat = app.say(lease, "heartbeat", leaseSeconds=600)
        taken = app.say(lease, "acknowledge")
        name = "out/feedback.xml"
        published = app.publish(name, b"<ok/>", f"org=0001&about={sent.tracking_id}")
        told = app.say(lease, "report", outcome="PARTIALLY_REJECTED", findings=[FINDING])
        record = served.caller(firm).tracked(sent.tracking_id)

    assert lease == {
        "trackingId": sent.tracking_id,
        "lease": 1,
        "leaseUntil": "2026-11-20T20:41:10.000Z",
        "acknowledged": False,
        "org": "0001",
        "application": "app1",
        "subSpace": "in",
        "fileName": "filing.xml",
        "size": 9,
        "sha256": hashlib.sha256(b"<filing/>").hexdigest(),
        "submissionTime": "2026-11-20T15:36:10.000-05:00",
        "userName": firm.name,
        "homeOrg": "0001",
        "accessMethod": "rest",
        "arcvFileName": sent.archive_name,
    }
    assert content.content == b"<filing/>"
    assert beat.json() == {
        "trackingId": sent.tracking_id,
        "lease": 1,
        "leaseUntil": "2026-11-20T20:46:10.000Z",
    }
    standing = {"trackingId": sent.tracking_id, "lease": 1}
    assert taken.json() == standing | {"state": "received", "downstreamStatus": "RECEIVED"}
    assert told.json() == standing | {
        "state": "partially_rejected",
        "downstreamStatus": "PARTIALLY_REJECTED",
    }
    assert published.json() == {
        "files": [
            {
                "org": "0001",
                "application": "app1",
                "subSpace": "out",
                "fileName": "feedback.xml",
                "size": 5,
                "sha256": hashlib.sha256(b"<ok/>").hexdigest(),
                "ends": "2026-12-21T05:00:00.000Z",
            }
        ]
    }
    assert (record["downstreamStatus"], record["findings"]) == ("PARTIALLY_REJECTED", [FINDING])
    assert record["resultFiles"] == ["0001/app1/out/feedback.xml"]
    assert firm.fetch("0001/app1/out/feedback.xml") == b"<ok/>"


def test_nobody_without_a_token_gets_in(served: Served) -> None:
    for method, path in (
        ("POST", "app1/claim"),
        ("GET", "app1/owed"),
        ("GET", f"submissions/{tracking_id()}/content"),
        ("POST", f"submissions/{tracking_id()}/report"),
        ("PUT", "app1/results/out/a.txt?org=0001"),
    ):
        answer = requests.request(method, f"{served.rest}{HANDOFF}/{path}", timeout=20)
        assert error_of(answer) == (401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_an_application_claims_for_itself_only_and_a_firm_for_none(
    sqlite_world: World, served: Served, firm: Account
) -> None:
    other = Application(served, sqlite_world.processor("app2").account)  # asks for app1
    as_firm = Application(served, firm)

    for program in (other, as_firm):
        for answer in (
            program.post("app1/claim"),
            program.get("app1/owed"),
            program.publish("out/a.txt"),
        ):
            assert error_of(answer) == (401, "insufficient_scope")


def test_what_is_another_application_s_is_not_there(
    sqlite_world: World, served: Served, firm: Account
) -> None:
    sent = firm.submit("0001/app1/in/a.zip").tracking_id
    other = Application(served, sqlite_world.processor("app2").account, "app2")

    for wanted in (sent, tracking_id(), "nothing"):
        lease = {"trackingId": wanted, "lease": 1}
        assert error_of(other.get(f"submissions/{wanted}/content")) == (404, "not_found")
        for verb, members in (
            ("heartbeat", {}),
            ("acknowledge", {}),
            ("report", {"outcome": "ACCEPTED"}),
            ("release", {}),
        ):
            assert error_of(other.say(lease, verb, **members)) == (404, "not_found")
        assert error_of(other.publish("out/a", query=f"org=0001&about={wanted}"))[0] == 404


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"leaseSeconds": 0}, "leaseSeconds"),
        ({"leaseSeconds": 86_401}, "leaseSeconds"),
        ({"leaseSeconds": 10**400}, "leaseSeconds"),
        ({"limit": 10**400}, "limit"),
        ({"limit": 2.5}, "limit"),
        ({"waitSeconds": 61}, "waitSeconds"),
        ({"waitSeconds": -1}, "waitSeconds"),
        ({"subSpaces": "in"}, "subSpaces"),
        ({"subSpaces": ["out"]}, "subSpaces"),
        ({"subSpaces": [7]}, "subSpaces"),
        ({"owed": 1}, "owed"),
        ({"limits": 3}, "limits"),
        ([], "body"),
        ("text", "body"),
    ],
)
def test_a_claim_that_cannot_be_read_names_what_is_wrong(
    app: Application, body: object, named: str
) -> None:
    answer = app.post("app1/claim", body)

    assert error_of(answer) == (400, "bad_parameter")
    assert answer.json()["error_message"].startswith(f"{named}: ")


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[" * 100_000, b'{"limit": 1e999}', b"NaN"])
def test_a_body_that_is_no_json_object_is_refused(app: Application, raw: bytes) -> None:
    answer = app.caller.ask("POST", f"{HANDOFF}/app1/claim", data=raw)

    assert error_of(answer) == (400, "bad_parameter")


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({}, "outcome"),
        ({"outcome": "RECEIVED"}, "outcome"),
        ({"outcome": "accepted"}, "outcome"),
        ({"outcome": ["ACCEPTED"]}, "outcome"),
        ({"outcome": "ACCEPTED", "findings": {}}, "findings"),
        ({"outcome": "ACCEPTED", "findings": ["text"]}, "findings[0]"),
        ({"outcome": "ACCEPTED", "findings": [FINDING, {}]}, "findings[1].text"),
        ({"outcome": "ACCEPTED", "findings": [{"text": "x" * 2001}]}, "findings[0].text"),
        ({"outcome": "ACCEPTED", "findings": [FINDING | {"code": "x" * 201}]}, "findings[0].code"),
        ({"outcome": "ACCEPTED", "findings": [FINDING | {"text": "a\0b"}]}, "findings[0].text"),
        ({"outcome": "ACCEPTED", "findings": [FINDING | {"text": "\ud800"}]}, "findings[0].text"),
        ({"outcome": "ACCEPTED", "findings": [FINDING | {"line": "7"}]}, "findings[0].line"),
        ({"outcome": "ACCEPTED", "findings": [FINDING] * 10_001}, "findings"),
        ({"outcome": "ACCEPTED", "acknowledge": "yes"}, "acknowledge"),
        ({"outcome": "ACCEPTED", "note": "well"}, "note"),
        ({"outcome": "ACCEPTED", "lease": -1}, "lease"),
        ({"outcome": "ACCEPTED", "lease": None}, "lease"),
    ],
)
def test_a_report_that_cannot_be_read_names_what_is_wrong_and_changes_nothing(
    app: Application, firm: Account, members: dict[str, Any], named: str
) -> None:
    sent = firm.submit("0001/app1/in/a.zip").tracking_id
    (lease,) = app.claim()

    answer = app.say(lease, "report", **({"acknowledge": True} | members))

    assert error_of(answer) == (400, "bad_parameter")
    assert answer.json()["error_message"].startswith(f"{named}: ")
    assert app.account.world.exchange.tracking.one(firm.actor, sent).state == "received"


def test_a_whole_number_may_be_written_with_a_point(app: Application, firm: Account) -> None:
    firm.submit("0001/app1/in/a.zip")

    assert len(app.claim(limit=3.0, leaseSeconds=2.5)) == 1


def test_a_body_over_the_limit_is_refused(app: Application) -> None:
    answer = app.caller.ask("POST", f"{HANDOFF}/app1/claim", data=b" " * ((8 << 20) + 1))

    assert error_of(answer) == (400, "bad_parameter")


def test_forged_late_and_second_answers_are_refused_and_nothing_changes(
    sqlite_world: World, served: Served, app: Application, firm: Account
) -> None:
    sent = firm.submit("0001/app1/in/a.zip").tracking_id
    (lease,) = app.claim()
    thief = Application(served, sqlite_world.processor().account)
    yes = {"outcome": "ACCEPTED", "acknowledge": True}

    refused = [
        thief.say(lease, "report", **yes),  # another account of the same application
        app.say(lease | {"lease": 2}, "report", **yes),  # a number of his own making
        app.say(lease, "report", outcome="ACCEPTED"),  # not acknowledged
    ]
    done = app.say(lease, "report", **yes)
    again = app.say(lease, "report", **yes)
    refused += [
        app.say(lease, "report", outcome="REJECTED"),
        app.say(lease, "report", outcome="ACCEPTED", findings=[FINDING]),
        app.say(lease, "heartbeat"),
        app.say(lease, "release"),
    ]

    assert [error_of(each) for each in refused] == [(409, "wrong_state")] * 7
    assert again.json() == done.json()
    assert sqlite_world.exchange.tracking.one(firm.actor, sent).state == "accepted"
    assert len(sqlite_world.audited("handoff.answered")) == 1


def test_a_claim_whose_answer_was_lost_is_repeated_under_its_key(
    app: Application, firm: Account
) -> None:
    firm.submit("0001/app1/in/a.zip")

    first, again = app.claim(key="k-1"), app.claim(key="k-1")

    assert len(first) == 1
    assert again == first
    assert app.claim(key="k-2") == []


def test_a_released_submission_is_offered_again(
    sqlite_world: World, app: Application, firm: Account
) -> None:
    firm.submit("0001/app1/in/a.zip")
    (first,) = app.claim()

    later = app.say(first, "release", afterSeconds=30)

    assert later.json() == {"trackingId": first["trackingId"], "state": "received"}
    assert app.claim() == []
    sqlite_world.clock.pass_time(timedelta(seconds=31))
    (second,) = app.claim()
    assert second["lease"] == 2


def test_what_is_owed_is_listed_in_pages_and_claimed(
    sqlite_world: World, served: Served, app: Application, firm: Account
) -> None:
    for name in ("a.zip", "b.zip", "c.zip"):
        firm.submit(f"0001/app1/in/{name}")
        sqlite_world.clock.pass_time(timedelta(seconds=1))
    for lease in app.claim():
        assert app.say(lease, "acknowledge").status_code == 200
    sqlite_world.clock.pass_time(timedelta(minutes=6))

    first = app.get("app1/owed?limit=2")
    following = first.links["next"]["url"].removeprefix(served.rest)
    second = app.caller.get(following)
    claimed = app.claim(owed=True)

    shown = [*first.json()["owed"], *second.json()["owed"]]
    assert [each["fileName"] for each in shown] == ["a.zip", "b.zip", "c.zip"]
    assert {each["holder"] for each in shown} == {app.account.id}
    assert "next" not in second.links
    assert [(each["lease"], each["acknowledged"]) for each in claimed] == [(2, True)] * 3


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1&limit=2", "cursor=x", "page=2"])
def test_a_page_that_nobody_can_turn_to_is_refused(app: Application, query: str) -> None:
    assert error_of(app.get(f"app1/owed?{query}")) == (400, "bad_parameter")


# --- waiting -------------------------------------------------------------------------------------


class Waiting:
    """A claim that waits in a thread."""

    def __init__(self, app: Application, seconds: float, beside: int = 0) -> None:
        self._beside = beside
        self.found: list[dict[str, Any]] = []
        self.returned_at = 0.0
        self._app = app
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.found = self._app.claim(waitSeconds=self._seconds)
        self.returned_at = time.monotonic()

    def __enter__(self) -> Self:
        doorbell = self._app.account.world.tools.doorbell
        self._thread.start()
        until = time.monotonic() + 10
        while doorbell.listeners("app1") <= self._beside:
            assert time.monotonic() < until
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_a_waiting_claim_wakes_with_the_commit(world: World) -> None:
    firm, processor = world.account(), world.processor()
    with world.serving() as served:
        app = Application(served, processor.account)
        with Waiting(app, 30) as waiting:
            sent = firm.submit("0001/app1/in/a.zip")
            committed_at = time.monotonic()

    assert [each["trackingId"] for each in waiting.found] == [sent.tracking_id]
    assert waiting.returned_at - committed_at < 10  # how fast is measured by make bench


def test_a_claim_that_waits_in_vain_comes_back_empty(app: Application) -> None:
    assert app.claim(waitSeconds=0.05) == []


def test_of_two_that_wait_one_gets_it(app: Application, firm: Account) -> None:
    with Waiting(app, 1.5) as one, Waiting(app, 1.5, beside=1) as other:
        firm.submit("0001/app1/in/a.zip")

    assert sorted([len(one.found), len(other.found)]) == [0, 1]


def test_a_client_that_went_away_is_given_nothing(
    sqlite_world: World, served: Served, app: Application, firm: Account
) -> None:
    listeners = sqlite_world.tools.doorbell.listeners
    host, port = served.rest.removeprefix("http://").split(":")
    body = b'{"waitSeconds": 60}'
    head = (
        f"POST {HANDOFF}/app1/claim HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {app.caller.token}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(head.encode() + body)
        _eventually(lambda: bool(listeners("app1")))
    _eventually(lambda: not listeners("app1"))

    firm.submit("0001/app1/in/a.zip")

    assert len(app.claim()) == 1  # nobody holds it


def test_who_waits_when_the_server_stops_is_answered(sqlite_world: World) -> None:
    processor = sqlite_world.processor()
    with sqlite_world.serving() as served:
        waiting = Waiting(Application(served, processor.account), 60)
        waiting.__enter__()
    waiting.__exit__()

    assert waiting.returned_at
    assert waiting.found == []


def test_rights_taken_away_while_it_waits_count(
    sqlite_world: World, app: Application, firm: Account
) -> None:
    listeners = sqlite_world.tools.doorbell.listeners
    answers: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(app.post("app1/claim", {"waitSeconds": 30}))
    )
    asking.start()
    _eventually(lambda: bool(listeners("app1")))

    admin = sqlite_world.exchange.administration
    admin.set_account_active(SYSTEM, app.account.name, active=False)
    firm.submit("0001/app1/in/a.zip")
    asking.join(20)

    assert error_of(answers[0]) == (401, "invalid_token")


def _eventually(holds: Any) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


# --- content -------------------------------------------------------------------------------------


def test_content_comes_whole_or_by_range_with_what_proves_it(
    app: Application, firm: Account
) -> None:
    sent = firm.submit("0001/app1/in/a.bin", b"0123456789").tracking_id
    path = f"submissions/{sent}/content"

    whole = app.get(path)
    tag = whole.headers["ETag"]
    part, end = app.get(path, Range="bytes=2-4"), app.get(path, Range="bytes=-3")
    rest = app.get(path, Range="bytes=8-", **{"If-Range": tag})
    other = app.get(path, Range="bytes=8-", **{"If-Range": '"another"'})
    behind = app.get(path, Range="bytes=10-")

    digest = base64.b64encode(hashlib.sha256(b"0123456789").digest()).decode()
    assert whole.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    assert (end.content, rest.content, other.content) == (b"789", b"89", b"0123456789")
    assert error_of(behind) == (416, "range_not_satisfiable")
    assert behind.headers["Content-Range"] == "bytes */10"


def test_an_empty_file_has_content_too(app: Application, firm: Account) -> None:
    sent = firm.submit("0001/app1/in/empty.bin", b"").tracking_id

    answer = app.get(f"submissions/{sent}/content")

    assert (answer.status_code, answer.content) == (200, b"")


# --- publish -------------------------------------------------------------------------------------


def test_one_file_for_many_and_once_under_its_key(
    sqlite_world: World, app: Application, firm: Account
) -> None:
    theirs = sqlite_world.account("0002")
    both = "org=0001&org=0002"

    first = app.publish("out/rates.csv", b"rates", both, **{"Idempotency-Key": "r1"})
    again = app.publish("out/rates.csv", b"rates", both, **{"Idempotency-Key": "r1"})
    other = app.publish("out/rates.csv", b"else", both, **{"Idempotency-Key": "r1"})

    assert first.status_code == 200, first.text
    assert again.json() == first.json()
    assert error_of(other) == (409, "wrong_state")
    assert [each["org"] for each in first.json()["files"]] == ["0001", "0002"]
    assert firm.fetch("0001/app1/out/rates.csv") == b"rates"
    assert theirs.fetch("0002/app1/out/rates.csv") == b"rates"


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("out/a.txt", "", 400, "bad_parameter"),
        ("out/a.txt", "org=9999", 404, "not_found"),
        ("out/a.txt", "org=0001&org=9999", 404, "not_found"),
        ("out/a.txt", "org=firm", 400, "bad_name"),
        ("in/a.txt", "org=0001", 404, "not_found"),
        ("in_arcv/a.txt", "org=0001", 404, "not_found"),
        ("nowhere/a.txt", "org=0001", 404, "not_found"),
        ("out/a%2Fb.txt", "org=0001", 400, "bad_name"),
        ("out/..", "org=0001", 400, "bad_name"),
        ("out/a.txt", "org=0001&to=0002", 400, "bad_parameter"),
        ("out/a.txt", "org=0001&about=x&about=y", 400, "bad_parameter"),
        ("out/a.txt", "org=0001&about=nothing", 404, "not_found"),
        ("out/a.txt", "org=0001&about=", 400, "bad_parameter"),
    ],
)
def test_a_result_that_can_go_nowhere_is_refused_and_nobody_sees_it(
    app: Application, firm: Account, path: str, query: str, status: int, code: str
) -> None:
    assert error_of(app.publish(path, query=query)) == (status, code)
    assert firm.names("0001/app1/out") == []


@pytest.mark.parametrize(
    "stated",
    [
        "sha-256=:AAAA:",
        "sha-256=:no base64:",
        "sha-256=:" + base64.b64encode(bytes(32)).decode() + ":",
    ],
)
def test_a_stated_digest_is_verified(app: Application, firm: Account, stated: str) -> None:
    answer = app.publish("out/a.txt", b"result", **{"Repr-Digest": stated})

    assert answer.status_code == 400
    assert firm.names("0001/app1/out") == []

    digest = base64.b64encode(hashlib.sha256(b"result").digest()).decode()
    right = app.publish(
        "out/a.txt", b"result", **{"Repr-Digest": f"md5=:AA==:, sha-256=:{digest}:"}
    )
    assert right.status_code == 200


def test_a_result_that_breaks_off_is_not_published(
    sqlite_world: World, served: Served, app: Application, firm: Account
) -> None:
    host, port = served.rest.removeprefix("http://").split(":")
    head = (
        f"PUT {HANDOFF}/app1/results/out/a.txt?org=0001 HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Length: 100\r\nAuthorization: Bearer {app.caller.token}\r\n\r\n"
    )
    staging = sqlite_world.directory / "files" / "staging"
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(head.encode() + b"half")
        _eventually(lambda: any(staging.rglob("*")))
    _eventually(lambda: not any(each.is_file() for each in staging.rglob("*")))

    assert firm.names("0001/app1/out") == []


def test_the_exchange_s_size_limit_holds_for_results_too(
    sqlite_world: World, app: Application, firm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    publishing = sqlite_world.exchange.publishing
    tools = publishing._tools
    small = replace(tools, keeping=replace(tools.keeping, max_file_bytes=5))
    monkeypatch.setattr(publishing, "_tools", small)

    assert error_of(app.publish("out/a.txt", b"123456")) == (413, "too_large")
    assert app.publish("out/a.txt", b"12345").status_code == 200
    assert firm.fetch("0001/app1/out/a.txt") == b"12345"


# --- what is there -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "app1/claim", 405, "method_not_allowed"),
        ("POST", "app1/owed", 405, "method_not_allowed"),
        ("PUT", "submissions/x/report", 405, "method_not_allowed"),
        ("POST", "submissions/x/content", 405, "method_not_allowed"),
        ("POST", "app1/results/out/a.txt", 405, "method_not_allowed"),
        ("POST", "", 403, "no_such_resource"),
        ("POST", "app1", 403, "no_such_resource"),
        ("POST", "submissions/x/destroy", 403, "no_such_resource"),
        ("POST", "app%2F1/claim", 400, "bad_name"),
        ("POST", "app1/claim/more", 403, "no_such_resource"),
    ],
)
def test_what_is_no_resource_and_no_method_is_said_so(
    app: Application, method: str, path: str, status: int, code: str
) -> None:
    answer = app.caller.ask(method, f"{HANDOFF}/{path}")

    assert error_of(answer) == (status, code)
    assert answer.json()["requestId"]
