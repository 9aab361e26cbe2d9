"""Open pages: told what changes, and only that which the person may see; for as long as it may."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import requests
from visitors import Human, Visitor, person
from world import Account, World

from transom.core.handoff import Answer
from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.errors import Unavailable
from transom.domain.submission import State
from transom.frontends.portal import watching
from transom.frontends.portal.watching import Beats, Since

QUICK = Beats(look=0.02, check=0.05, heartbeat=0.1)


@dataclass
class Stream:
    """An open page's events, as they come."""

    answer: requests.Response
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    last_id: str = ""
    comments: int = 0
    over: bool = False

    def read(self) -> None:
        """Read until the end."""
        kind = ""
        try:
            for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
                name, _, value = str(line).partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    self.last_id = value
                elif name == "data":
                    self.events.append((kind, json.loads(value)))
                elif line.startswith(":"):
                    self.comments += 1
        except (requests.RequestException, ValueError, AttributeError):
            pass  # it was left
        self.over = True

    def of(self, kind: str) -> list[dict[str, object]]:
        return [data for each, data in self.events if each == kind]

    def until(self, what: Callable[[Stream], object]) -> None:
        """Wait until this is so."""
        end = time.monotonic() + 10
        while not what(self):
            assert time.monotonic() < end, self.events
            time.sleep(0.01)


@pytest.fixture
def portal(sqlite_world: World) -> World:
    """A world whose open pages are looked after quickly."""
    sqlite_world.program.watching.beats = QUICK
    return sqlite_world


@pytest.fixture
def account(sqlite_world: World) -> Account:
    return sqlite_world.account()


@pytest.fixture
def signed_in(portal: World, visitor: Visitor, maria: Human, account: Account) -> Visitor:
    """Maria, who may do at app1 what the firm's account may."""
    assert account.name
    entitle(portal, maria)
    visitor.sign_in(maria, "/account")
    return visitor


def entitle(world: World, who: Human, org: str = "0001", application: str = "app1") -> Entitlement:
    found = world.exchange.people.administration.people(org)
    principal = next(each for each in found if each.email == who.email)
    granted = Entitlement(principal.id, org, application, "", Level.BOTH)
    world.exchange.administration.entitle(SYSTEM, granted)
    return granted


@contextmanager
def watched(visitor: Visitor, since: str = "", **headers: str) -> Iterator[Stream]:
    """A page that is open."""
    query = f"?since={since}" if since else ""
    url = f"{visitor.portal}/live{query}"
    answer = visitor.http.get(url, stream=True, timeout=20, headers=headers)
    stream = Stream(answer)
    thread = threading.Thread(target=stream.read, daemon=True)
    thread.start()
    try:
        yield stream
    finally:
        if answer.raw._fp is not None and answer.raw._fp.fp is not None:
            answer.raw._fp.fp.raw._sock.shutdown(2)
        thread.join(20)
        answer.close()


def now(world: World) -> str:
    return str(Since(world.clock.now()))


def answered(world: World, outcome: State) -> None:
    processor = world.processor()
    for lease in processor.claim():
        given = Answer(outcome, acknowledge=True)
        tracking_id = lease.submission.tracking_id
        world.exchange.handoff.report(processor.actor, tracking_id, lease.fence, given)


def test_a_state_comes_with_its_tag_and_time_in_the_readers_zone(
    portal: World, signed_in: Visitor, account: Account
) -> None:
    account.submit("0001/app1/in/4530.xml")
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        portal.clock.pass_time(timedelta(seconds=5))
        answered(portal, State.ACCEPTED)
        stream.until(lambda it: [e for e in it.of("state") if e["state"] == "accepted"])

    told = stream.of("state")[-1]
    assert told["name"] == "4530.xml"
    assert 'data-state="accepted"' in str(told["tag"])
    assert "Accepted" in str(told["tag"])
    assert "Nov 20, 2026, 3:36 PM EST</time>" in str(told["moment"])
    assert str(told["stamp"]).startswith('<time datetime="2026-11-20T20:36:')


def test_how_many_files_came_to_a_place_is_told_together(portal: World, signed_in: Visitor) -> None:
    processor = portal.processor()
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        for number in range(3):
            processor.publish(f"0001/app1/out/{number}.xml")
        stream.until(lambda it: sum(int(str(e["count"])) for e in it.of("news")) >= 3)

    assert {each["place"] for each in stream.of("news")} == {"0001/app1/out"}
    files = [file for each in stream.of("news") for file in each["files"]]  # type: ignore[attr-defined]
    assert len(set(files)) == 3


def test_nothing_of_another_firm_or_place_comes_through(
    portal: World, signed_in: Visitor, account: Account
) -> None:
    foreign, elsewhere = portal.account("0002"), portal.account(application="app2")
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        foreign.submit("0002/app1/in/foreign.zip")
        elsewhere.submit("0001/app2/in/elsewhere.zip")
        portal.processor("app2").publish("0001/app2/out/result.zip")
        account.submit("0001/app1/in/own.zip")
        stream.until(lambda it: it.of("state") and it.of("news"))

    assert {each["name"] for each in stream.of("state")} == {"own.zip"}
    places = {each["place"] for each in stream.of("news")}
    assert places <= {"0001/app1/in", "0001/app1/in_arcv"}


def test_a_name_comes_as_text_and_the_state_in_the_readers_language(
    portal: World, signed_in: Visitor, account: Account
) -> None:
    with watched(signed_in, now(portal), **{"Accept-Language": "es"}) as stream:
        stream.until(lambda it: it.of("hello"))
        account.submit("0001/app1/in/a'&b=1.xml")
        stream.until(lambda it: it.of("state"))

    assert stream.of("state")[0]["name"] == "a'&b=1.xml"
    assert "a'" not in str(stream.of("state")[0]["tag"])
    assert "</svg>Recibid" in str(stream.of("state")[0]["tag"])


def test_a_browser_that_comes_back_gets_what_it_missed(
    portal: World, signed_in: Visitor, account: Account
) -> None:
    with watched(signed_in, now(portal)) as stream:
        account.submit("0001/app1/in/first.zip")
        stream.until(lambda it: it.of("state") and it.of("news"))
        stream.until(lambda it: it.last_id > now(portal))
    portal.clock.pass_time(timedelta(seconds=30))
    account.submit("0001/app1/in/second.zip")

    with watched(signed_in, "5", **{"Last-Event-ID": stream.last_id}) as again:
        again.until(lambda it: it.of("state"))
    assert "second.zip" in [each["name"] for each in again.of("state")]
    assert not again.of("refresh")


def test_a_page_that_does_not_know_where_it_was_looks_at_everything_anew(
    signed_in: Visitor,
) -> None:
    for since in ("", "0", "x", "-1", "9" * 40, "1.5", "%E0%A5%A7"):
        with watched(signed_in, since) as stream:
            stream.until(lambda it: it.of("refresh"))


def test_a_page_is_not_told_of_files_that_it_shows_but_of_those_that_were_late(
    portal: World, signed_in: Visitor
) -> None:
    portal.processor().publish("0001/app1/out/shown.xml")
    page = Since(portal.clock.now(), is_page=True)
    found = signed_in.open(f"/live/since?since={page}").answer.json()
    assert found["events"] == []
    assert Since.read(str(page)) == page

    later = Since(portal.clock.now() + timedelta(seconds=3), is_page=True)
    files = portal.exchange.news.after(page.at - timedelta(seconds=5)).seen
    assert [page.shows(each.change) for each in files] == [True]
    assert [later.shows(each.change) for each in files] == [False]
    assert [Since(page.at).shows(each.change) for each in files] == [False]


def test_a_page_that_does_not_keep_up_looks_at_everything_anew(
    portal: World,
    signed_in: Visitor,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "_MOST_WAITING", 2)
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        for number in range(4):
            account.submit(f"0001/app1/in/{number}.zip")
        stream.until(lambda it: it.of("refresh"))


def test_signs_of_life_come_with_the_position_to_come_back_to(
    portal: World, signed_in: Visitor
) -> None:
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.comments > 2)

    assert stream.last_id > now(portal)


def test_no_proxy_and_no_cache_is_to_keep_a_stream(portal: World, signed_in: Visitor) -> None:
    with watched(signed_in, now(portal)) as stream:
        headers = stream.answer.headers

    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Content-Length" not in headers


def test_asking_for_the_heads_of_a_stream_opens_none(portal: World, signed_in: Visitor) -> None:
    assert signed_in.ask("HEAD", "/live").status == 200
    assert portal.program.watching.count == 0


def test_a_stream_does_not_keep_the_session_alive(portal: World, signed_in: Visitor) -> None:
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        for path in ("/live/since?since=0", "/live/session"):
            portal.clock.pass_time(timedelta(minutes=10))
            assert signed_in.open(path).status == 200
        page = signed_in.open("/account", headers={"X-By-Itself": "yes"})
        assert page.status == 200
        portal.clock.pass_time(timedelta(minutes=11))
        stream.until(lambda it: it.of("end"))
        stream.until(lambda it: it.over)

    assert stream.of("end") == [{"why": "session"}]
    assert signed_in.open("/account").status == 401


def test_a_stream_ends_with_its_session(
    portal: World, signed_in: Visitor, another: Callable[[], Visitor], maria: Human
) -> None:
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        other = another()
        page = other.sign_in(maria, "/account")
        other.press(page, "End all others")
        stream.until(lambda it: it.over)

    assert stream.of("end") == [{"why": "session"}]


def test_a_stream_ends_when_its_rights_are_gone(
    portal: World, signed_in: Visitor, maria: Human, account: Account
) -> None:
    granted = entitle(portal, maria)
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        portal.exchange.administration.end_entitlement(SYSTEM, granted)
        stream.until(lambda it: it.over)
        account.submit("0001/app1/in/after.zip")

    assert stream.of("end") == [{"why": "rights"}]
    assert not stream.of("state")


def test_of_a_session_the_oldest_page_makes_way(portal: World, signed_in: Visitor) -> None:
    streams = []
    with (
        watched(signed_in, now(portal)) as first,
        watched(signed_in, now(portal)) as second,
        watched(signed_in, now(portal)) as third,
        watched(signed_in, now(portal)) as fourth,
        watched(signed_in, now(portal)) as fifth,
    ):
        streams = [second, third, fourth, fifth]
        first.until(lambda it: it.over)
        for each in streams:
            each.until(lambda it: it.of("hello"))
        assert portal.program.watching.count == 4

    assert first.of("end") == [{"why": "many"}]
    assert not any(each.of("end") for each in streams)


def test_more_pages_than_there_may_be_ask_now_and_then(
    portal: World, signed_in: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST", 0)
    refused = signed_in.open("/live")

    assert refused.status == 429
    assert refused.answer.headers["Retry-After"] == "15"
    found = signed_in.open(f"/live/since?since={now(portal)}").answer.json()
    assert found["events"] == []


def test_a_page_that_asks_gets_the_same_as_one_that_watches(
    portal: World, signed_in: Visitor, account: Account
) -> None:
    start = signed_in.open(f"/live/since?since={now(portal)}").answer.json()
    portal.clock.pass_time(timedelta(seconds=15))
    account.submit("0001/app1/in/a.zip")
    portal.account("0002").submit("0002/app1/in/foreign.zip")
    found = signed_in.open(f"/live/since?since={start['id']}").answer.json()

    kinds = [(kind, told.get("name") or told["place"]) for kind, told in found["events"]]
    assert kinds[0] == ("state", "a.zip")
    assert sorted(kinds[1:]) == [("news", "0001/app1/in"), ("news", "0001/app1/in_arcv")]
    again = signed_in.open(f"/live/since?since={found['id']}").answer.json()
    assert again["events"] == []
    assert signed_in.open("/live/since?since=1").answer.json()["events"] == [["refresh", {}]]


def test_pages_that_are_left_cost_nothing_any_more(portal: World, signed_in: Visitor) -> None:
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        assert portal.program.watching.count == 1

    stream.until(lambda _: portal.program.watching.count == 0)
    assert portal.program.watching._tasks == ()


def test_streams_end_at_once_when_the_server_stops(portal: World) -> None:
    portal.account()
    maria = person(portal)
    entitle(portal, maria)
    with portal.serving() as served:
        visitor = Visitor(served.portal)
        visitor.sign_in(maria, "/account")
        streaming = watched(visitor, now(portal))
        stream = streaming.__enter__()
        stream.until(lambda it: it.of("hello"))
        stopping = time.monotonic()
    taken = time.monotonic() - stopping
    stream.until(lambda it: it.over)
    streaming.__exit__(None, None, None)

    assert taken < 4
    assert not stream.of("end")
    with portal.serving() as served:
        visitor.portal = served.portal
        assert visitor.open("/live").status == 503
    visitor.close()


def test_a_database_that_is_down_ends_streams_only_when_nobody_can_be_trusted_for_long(
    portal: World, signed_in: Visitor, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("database")

    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        with monkeypatch.context() as down:
            down.setattr(portal.exchange.news, "look", fail)
            down.setattr(portal.exchange.news, "rights_version", fail)
            seen = stream.comments
            stream.until(lambda it: it.comments > seen + 2)
        account.submit("0001/app1/in/after.zip")
        stream.until(lambda it: it.of("state"))
        monkeypatch.setattr(portal.exchange.news, "rights_version", fail)
        monkeypatch.setattr(portal.program.watching, "beats", Beats(0.02, 0.05, 0.1, trusted=0.0))
        stream.until(lambda it: it.over)

    assert stream.of("end") == [{"why": "away"}]


def test_a_defect_ends_streams_instead_of_their_news(
    portal: World, signed_in: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))
        monkeypatch.setattr(portal.exchange.news, "look", lambda: 1 // 0)
        stream.until(lambda it: it.over)

    assert stream.of("end") == [{"why": "away"}]
    monkeypatch.undo()
    with watched(signed_in, now(portal)) as stream:
        stream.until(lambda it: it.of("hello"))


# --- how long the session goes on ----------------------------------------------------------------


def test_how_long_the_session_goes_on_is_told_without_making_it_longer(
    portal: World, signed_in: Visitor
) -> None:
    portal.clock.pass_time(timedelta(minutes=28))
    for _ in range(2):
        told = signed_in.open("/live/session").answer.json()

    assert told["left"] == 120
    assert told["says"] == "You will be signed out at 4:06 PM EST"
    assert told["more"].startswith("That is in 2 minutes")
    assert told["stays"] is True


def test_who_stays_signed_in_has_all_the_time_again(portal: World, signed_in: Visitor) -> None:
    portal.clock.pass_time(timedelta(minutes=28))
    token = signed_in.open("/live/session").answer.json()["token"]
    told = signed_in.ask("POST", "/live/session", data={"form_token": token}).answer.json()

    assert told["left"] == 1800
    assert signed_in.ask("POST", "/live/session", data={"form_token": "x"}).status == 403


def test_no_session_is_made_to_last_for_ever(portal: World, signed_in: Visitor) -> None:
    for _ in range(25):
        portal.clock.pass_time(timedelta(minutes=28, seconds=30))
        signed_in.open("/account")
    told = signed_in.open("/live/session").answer.json()

    assert told["stays"] is False
    assert told["left"] < 1800
    assert "no session lasts longer" in told["more"]


def test_every_page_behind_the_sign_in_carries_the_warning_and_others_do_not(
    signed_in: Visitor, another: Callable[[], Visitor]
) -> None:
    page = signed_in.open("/account").html

    assert 'id="session-end"' in page
    assert 'data-left="1' in page
    assert 'id="session-end"' not in another().open("/sign-in").html


def test_when_a_code_can_be_sent_again_is_counted_down(visitor: Visitor, maria: Human) -> None:
    page = visitor.give_password(maria)
    sent = visitor.press(visitor.press(page, "Text message"), "Send a code")

    assert 'data-wait="30"' in sent.html
    assert "You can ask for another code in SECONDS seconds." in sent.html


def test_no_way_leads_on_to_what_pages_ask_by_themselves(visitor: Visitor, maria: Human) -> None:
    assert visitor.sign_in(maria, "/live/session").path == "/home"
