"""Submissions: the list with its filters and pages, one of them whole, and both as files."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from answering import answer
from filing import entitled
from visitors import Human, Page, Visitor
from world import Account, Processor, World, tracking_id

from transom.domain.names import FileName, Place
from transom.domain.people import Display, Visit
from transom.domain.submission import AccessMethod, Client, Finding, State, Submission
from transom.frontends.portal import spreadsheets, submissions, words

HOSTILE = "<img src=x onerror=1>&'"


def names(page: Page) -> list[str]:
    """The files that the list shows."""
    return re.findall(r'href="/submissions/[0-9a-f-]+"[^>]*><bdi>([^<]+)<', page.html)


def listed(visitor: Visitor, **query: str) -> list[str]:
    given = {name.rstrip("_"): value for name, value in query.items()}
    return names(visitor.open(f"/submissions?{urlencode(given)}"))


def table(answer_text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer_text)))


def path_of(sent: Submission) -> str:
    return f"/submissions/{sent.tracking_id}"


def refused(firm: Account, app: Processor, *found: Finding, name: str = "4530.xml") -> Submission:
    """A submission that was rejected in part, with these findings."""
    sent = firm.submit(f"0001/app1/in/{name}")
    firm.world.clock.pass_time(timedelta(minutes=4))
    answer(app, State.PARTIALLY_REJECTED, found)
    return sent


# --- the list ------------------------------------------------------------------------------------


def test_the_firms_submissions_stand_newest_first_by_whomever_they_were_made(
    inside: Visitor, firm: Account, sqlite_world: World
) -> None:
    assert "Nothing was sent yet." in inside.open("/submissions").text
    firm.submit("0001/app1/in/first.txt", b"x" * 2_308_114)
    sqlite_world.clock.pass_time(timedelta(minutes=1))
    sqlite_world.account().submit("0001/app1/in/second.txt")
    sqlite_world.account("0002").submit("0002/app1/in/foreign.txt")
    sqlite_world.account(application="app2").submit("0001/app2/in/beyond.txt")

    page = inside.open("/submissions")

    assert names(page) == ["second.txt", "first.txt"]
    assert f"first.txt app1/in Received 2026-11-20 15:36 REST {firm.name} 2.31 MB" in page.text
    assert "State, since (EST)" in page.text
    assert "1-2 of 2." in page.text
    assert "Older than 90 days are gone by rule." in page.text


def test_a_list_is_narrowed_by_state_application_door_name_and_id(
    inside: Visitor, maria: Human, firm: Account, app: Processor, sqlite_world: World
) -> None:
    sent = refused(firm, app, name="Partly.xml")
    firm.submit("0001/app1/in/rejected_1.xml")
    answer(app, State.REJECTED)
    other = entitled(sqlite_world, maria, application="app2")
    with other.open("0001/app2/in/elsewhere.txt") as upload:
        upload.write(0, b"content")
        upload.commit()

    assert set(listed(inside)) == {"Partly.xml", "rejected_1.xml", "elsewhere.txt"}
    assert listed(inside, state="rejected") == ["rejected_1.xml"]
    assert set(listed(inside, state="rejected,partial")) == {"Partly.xml", "rejected_1.xml"}
    assert set(names(inside.open("/submissions?state=rejected&state=partially_rejected"))) == {
        "Partly.xml",
        "rejected_1.xml",
    }
    assert listed(inside, application="app2") == ["elsewhere.txt"]
    assert listed(inside, door="sftp") == ["elsewhere.txt"]
    assert listed(inside, q="part") == ["Partly.xml"]
    assert listed(inside, q="D_1.X") == ["rejected_1.xml"]
    assert listed(inside, q=sent.tracking_id) == ["Partly.xml"]
    assert listed(inside, q=sent.tracking_id[:8]) == ["Partly.xml"]
    assert listed(inside, q="%") == listed(inside, q="rejected%") == []
    assert listed(inside, q="elsewhere", state="rejected") == []


def test_a_period_is_of_days_of_the_readers_zone(
    inside: Visitor, firm: Account, sqlite_world: World
) -> None:
    firm.submit("0001/app1/in/friday.txt")  # at 3:36 PM in New York, and on Saturday in Tokyo
    shown = sqlite_world.exchange.people.account
    assert listed(inside, from_="2026-11-20", to="2026-11-20") == ["friday.txt"]
    assert listed(inside, to="2026-11-19") == []
    session = sqlite_world.exchange.people.sign_in.resume(Visit("127.0.0.1"), inside.session)
    shown.set_display(session, Display(zone="Asia/Tokyo"))

    sqlite_world.clock.pass_time(timedelta(minutes=1))
    assert listed(inside, from_="2026-11-21") == ["friday.txt"]
    assert listed(inside, to="2026-11-20") == []


def test_an_impossible_period_is_told_beside_its_field_and_the_rest_of_the_filter_holds(
    inside: Visitor, firm: Account
) -> None:
    for name in ("a.txt", "b.txt"):
        firm.submit(f"0001/app1/in/{name}")

    for query, field, sentence in (
        ("from=2026-11-20&to=2026-11-19", "to", "The period ends before it begins."),
        ("from=2027-01-01", "from", "That day has not come yet."),
        ("to=2026-01-01", "to", "Submissions are kept for 90 days. Enter 2026-08-22"),
        ("from=yesterday", "from", "This is no date. Enter one such as 2026-11-20."),
        ("to=2026-02-30", "to", "This is no date."),
    ):
        page = inside.open(f"/submissions?q=a.t&{query}")

        assert page.status == 422, query
        assert re.search(rf'id="{field}-error"[^>]*>.*{re.escape(sentence)}', page.html), query
        assert re.search(rf'id="{field}" name="{field}" type="date" value="[^"]+"', page.html)
        assert names(page) == ["a.txt"]
        assert "<title>Error: Submissions" in page.html
        assert inside.open(f"/submissions.csv?{query}").status == 422
    assert listed(inside, to="9999-12-31", q="a.t") == ["a.txt"]


def test_every_filter_at_work_can_be_taken_off_alone(inside: Visitor, firm: Account) -> None:
    firm.submit("0001/app1/in/a.txt")
    query = {
        "q": "a&b=c",
        "state": "rejected,accepted",
        "application": "app1",
        "door": "rest",
        "from": "2026-11-01",
        "to": "2026-11-20",
        "size": "100",
    }
    page = inside.open(f"/submissions?{urlencode(query)}")

    chips = {
        re.sub(r"<[^>]*>", "", said): unescape(link)
        for link, said in re.findall(r'class="chip" href="([^"]+)">(.*?)</a>', page.html)
    }
    assert {unescape(each) for each in chips} == {
        "Find: a&b=c, remove",
        "State: Rejected, remove",
        "State: Accepted, remove",
        "Application: app1, remove",
        "Door: REST, remove",
        "From: 2026-11-01, remove",
        "To: 2026-11-20, remove",
    }
    assert chips["State: Rejected, remove"] == (
        "/submissions?q=a%26b%3Dc&state=accepted&application=app1&door=rest"
        "&from=2026-11-01&to=2026-11-20&size=100"
    )
    assert "No submission matches." in page.text
    assert "Nothing was sent yet." not in page.text


def test_what_cannot_be_in_an_address_does_no_harm(inside: Visitor, firm: Account) -> None:
    firm.submit("0001/app1/in/a.txt")

    for query in (
        "state=nonsense,,",
        "door=window",
        "size=7",
        "older=nonsense",
        "newer=%00%ff",
        "at=-1",
        "at=99999999999999999999",
        "q=%00%0d%0a",
        "application=%3Cscript%3E",
        "older=" + "A" * 300,
        "q=1&q=2",
        "&".join(f"x{number}=1" for number in range(40)),
    ):
        page = inside.open(f"/submissions?{query}")

        assert page.status == 200, query
        assert "<script>" not in page.html


def test_pages_go_to_older_ones_and_back_while_more_arrive(
    inside: Visitor, firm: Account, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "SIZES", (2, 3))
    for number in range(5):
        firm.submit(f"0001/app1/in/{number}.txt")
        sqlite_world.clock.pass_time(timedelta(seconds=1))

    first = inside.open("/submissions?size=2&q=.txt")
    second = follow(inside, first, "next")
    firm.submit("0001/app1/in/newest.txt")
    third = follow(inside, second, "next")
    back = follow(inside, third, "prev")
    top = follow(inside, back, "prev")

    assert [names(each) for each in (first, second, third, back, top)] == [
        ["4.txt", "3.txt"],
        ["2.txt", "1.txt"],
        ["0.txt"],
        ["2.txt", "1.txt"],
        ["4.txt", "3.txt"],
    ]
    assert "1-2 of 5." in first.text
    assert "3-4 of about 5." in second.text
    assert 'rel="prev"' not in first.html
    assert 'rel="next"' not in third.html
    assert "newest.txt" in names(follow(inside, top, "prev"))


def follow(visitor: Visitor, page: Page, rel: str) -> Page:
    link = re.search(rf'rel="{rel}" href="([^"]+)"', page.html)
    assert link, page.text
    return visitor.open(unescape(link[1]))


def test_counts_end_where_they_would_cost_much(
    inside: Visitor, firm: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "SIZES", (2,))
    monkeypatch.setattr(submissions, "COUNTED", 3)
    for number in range(5):
        firm.submit(f"0001/app1/in/{number}.txt")

    assert "1-2 of more than 3." in inside.open("/submissions").text


def test_a_page_beyond_the_last_says_so(inside: Visitor, firm: Account) -> None:
    sent = firm.submit("0001/app1/in/only.txt")
    raw = f"{sent.requested_at - timedelta(days=1):%Y-%m-%dT%H:%M:%S}+00:00/{tracking_id()}"
    older = base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    page = inside.open(f"/submissions?older={older}")

    assert "There are no more here." in page.text


def test_where_the_clocks_were_changed_since_the_zone_stands_beside_the_time() -> None:
    now = datetime.fromisoformat("2026-11-20T20:36:10+00:00")
    summer = datetime.fromisoformat("2026-11-01T05:30:00+00:00")
    winter = summer + timedelta(hours=1)

    assert words.stamp(winter, "America/New_York", now).endswith(">2026-11-01 01:30</time>")
    assert words.stamp(summer, "America/New_York", now).endswith(">2026-11-01 01:30 EDT</time>")
    assert "1:30 AM EDT" in words.moment(summer, "America/New_York")
    assert "1:30 AM EST" in words.moment(winter, "America/New_York")
    assert "01:30:00 EDT" in words.exact(summer, "America/New_York")


def test_whoever_may_act_for_nobody_sees_no_list(visitor: Visitor, maria: Human) -> None:
    visitor.sign_in(maria)

    for path in ("/submissions", "/submissions.csv"):
        assert "Ask your administrator" in visitor.open(path).text


# --- the list as a file --------------------------------------------------------------------------


def test_the_filtered_list_goes_into_a_file_whole(
    inside: Visitor, firm: Account, app: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transom.core.tracking.PAGE", 2)
    for number in range(5):
        firm.submit(f"0001/app1/in/{number}.txt")
    answer(app)
    firm.submit("0001/app1/in/waits.txt")

    page = inside.open("/submissions.csv?state=accepted")

    headers = page.answer.headers
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == (
        'attachment; filename="submissions-0001-2026-11-20.csv"'
    )
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    content = page.answer.content
    assert content.startswith(b"\xef\xbb\xbfFile,Tracking id,Place,State,")
    assert content.count(b"\r\n") == content.count(b"\n") == 6
    head, *rows = table(content.decode("utf-8-sig"))
    assert {row[0] for row in rows} == {f"{number}.txt" for number in range(5)}
    (row,) = (row for row in rows if row[0] == "1.txt")
    told = dict(zip(head, row, strict=True))
    assert (told["Place"], told["State"], told["Door"]) == ("0001/app1/in", "Accepted", "REST")
    assert told["Received"] == "2026-11-20T15:36:40-05:00"
    assert told["Size in bytes"] == "7"
    assert len(told["SHA-256"]) == 64


def test_a_file_of_nothing_has_its_head(inside: Visitor) -> None:
    rows = table(inside.open("/submissions.csv").answer.content.decode("utf-8-sig"))

    assert len(rows) == 1


def test_no_cell_of_a_file_is_a_formula(inside: Visitor, firm: Account) -> None:
    for name in ("=1-1.txt", "-rf", "@sum", "'quoted,comma"):
        firm.submit(f"0001/app1/in/{name}")

    rows = table(inside.open("/submissions.csv").answer.content.decode("utf-8-sig"))

    assert {row[0] for row in rows[1:]} == {"'=1-1.txt", "'-rf", "'@sum", "'quoted,comma"}


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1", "@a", "\tx", "\r=1", "\n=1"])
def test_what_a_spreadsheet_would_do_is_made_text(cell: str) -> None:
    assert spreadsheets.defused(cell) == f"'{cell}"
    assert spreadsheets.defused(f"a{cell}") == f"a{cell}"
    assert spreadsheets.defused("") == ""


# --- one submission ------------------------------------------------------------------------------


def test_a_submission_tells_its_life_its_details_and_what_was_wrong(
    inside: Visitor, firm: Account, app: Processor, sqlite_world: World
) -> None:
    finding = Finding("NGS-2026-0312", "branch-zip", "R4530-114", 'Must be 5 digits. Found "6060".')
    sent = refused(firm, app, finding, Finding("", "", "E1", "Old schema."))
    sqlite_world.clock.pass_time(timedelta(seconds=1))
    app.publish("0001/app1/out/feedback.xml", b"x" * 18_422, about=sent.tracking_id)

    page = inside.open(path_of(sent))

    assert page.heading == "4530.xml"
    assert "Partially rejected Nov 20, 2026, 3:40 PM EST" in page.text
    assert "Send a new file with only these, corrected." in page.text
    assert 'class="button button-primary" href="/browse/0001/app1/in"' in page.html
    assert "Upload corrected records" in page.text
    assert "2 findings" in page.text
    assert re.search(r"Whole file\s+E1 Old schema\.\s+NGS-2026-0312", page.text)
    assert 'id="record-ngs-2026-0312"' in page.html
    assert f"Requested 2026-11-20 15:36:40 EST REST, {firm.name}" in page.text
    assert "Received 2026-11-20 15:36:40 EST at once" in page.text
    assert "Taken by app1 2026-11-20 15:40:40 EST after 4 min" in page.text
    assert "Answered: Partially rejected 2026-11-20 15:40:40 EST at once" in page.text
    assert "Result file 2026-11-20 15:40:41 EST feedback.xml app1/out" in page.text
    assert f"Tracking id {sent.tracking_id}" in page.text
    assert sent.sha256
    assert sent.sha256 in page.text
    assert f"{sent.archive_name} (US Eastern)" in page.text
    assert 'href="/browse/0001/app1/out/feedback.xml"' in page.html
    assert f'href="/browse/0001/app1/in_arcv/{sent.archive_name}"' in page.html
    assert f'data-refresh-on="{sent.tracking_id}"' in page.html


def test_the_page_of_what_waits_says_how_long_that_usually_takes(
    inside: Visitor, maria: Human, firm: Account, app: Processor, sqlite_world: World
) -> None:
    for number in range(3):
        firm.submit(f"0001/app1/in/usual{number}.txt")
        sqlite_world.clock.pass_time(timedelta(hours=2))
        answer(app)
    sent = firm.submit("0001/app1/in/late.txt", b"")
    inside.sign_in(maria)

    page = inside.open(path_of(sent))
    assert "app1 has not answered yet. There is nothing to do; this page changes by itself." in (
        page.text
    )
    assert "Answered , not yet usually within 2 h" in page.text
    assert "Size 0 bytes" in page.text

    sqlite_world.clock.pass_time(timedelta(hours=26))
    inside.sign_in(maria)
    page = inside.open(path_of(sent))
    assert (
        "app1 has had this for 26 h; it usually answers within 2 h. Your file is safe; do not send "
        "it again." in page.text
    )


def test_what_waits_long_without_a_usual_time_is_safe_too(
    inside: Visitor, maria: Human, firm: Account, sqlite_world: World
) -> None:
    sent = firm.submit("0001/app1/in/late.txt")
    sqlite_world.clock.pass_time(timedelta(days=3))
    inside.sign_in(maria)

    assert "app1 has had this for 3 days. Your file is safe" in inside.open(path_of(sent)).text


def test_what_has_not_come_is_said(inside: Visitor, firm: Account, sqlite_world: World) -> None:
    client = Client(AccessMethod.REST)
    place = Place.parse("0001/app1/in")
    asked = sqlite_world.exchange.uploads.request(firm.actor, place, FileName("a.txt"), client)

    page = inside.open(path_of(asked.submission))

    assert "The upload was opened, and nothing is here yet." in page.text
    assert "Received , not yet Taken by app1 , not yet Answered , not yet" in page.text
    assert "Size Not yet SHA-256 Not yet" in page.text
    assert "In the archive as None" in page.text


def test_ones_own_abandoned_upload_says_why_and_where_to_send_it_again(
    inside: Visitor, maria: Human, sqlite_world: World
) -> None:
    whole = sqlite_world.exchange.tokens.acting(_person(sqlite_world, maria), "127.0.0.1")
    place, client = Place.parse("0001/app1/in"), Client(AccessMethod.PORTAL)
    asked = sqlite_world.exchange.uploads.request(whole, place, FileName("a.txt"), client)
    sqlite_world.clock.pass_time(timedelta(hours=25))
    sqlite_world.exchange.retention.sweep()
    inside.sign_in(maria)

    page = inside.open(path_of(asked.submission))

    assert "The upload never finished, and nothing was submitted." in page.text
    assert "Upload the file again" in page.text
    assert "Abandoned" in page.text


def _person(world: World, human: Human) -> str:
    return world.exchange.people.administration.find(human.email).id


def test_a_rejection_without_findings_says_that_there_are_none(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    sent = firm.submit("0001/app1/in/a.txt")
    answer(app, State.REJECTED)

    page = inside.open(path_of(sent))

    assert "Nothing was taken. Correct the file, and send the whole of it again." in page.text
    assert "No findings" in page.text
    assert "Upload the corrected file" in page.text


def test_an_accepted_submission_asks_for_nothing(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    sent = firm.submit("0001/app1/in/a.txt")
    answer(app)

    page = inside.open(path_of(sent))

    assert "The application took all of it. There is nothing to do." in page.text
    assert "button-primary" not in page.html.partition("<main")[2].partition("</main>")[0]


def test_whoever_may_only_submit_sees_results_without_a_way_to_them(
    visitor: Visitor, maria: Human, sqlite_world: World, app: Processor
) -> None:
    firm = entitled(sqlite_world, maria, may="submit")
    visitor.sign_in(maria)
    sent = firm.submit("0001/app1/in/a.txt")
    answer(app)
    app.publish("0001/app1/out/result.txt", about=sent.tracking_id)

    page = visitor.open(path_of(sent))

    assert "result.txt" in page.text
    assert 'href="/browse/0001/app1/out/result.txt"' not in page.html
    assert "Get the copy" not in page.text


def test_an_archive_copy_that_ended_is_said_to_have(
    inside: Visitor, maria: Human, firm: Account, app: Processor, sqlite_world: World
) -> None:
    sent = firm.submit("0001/app1/in/a.txt")
    answer(app)
    sqlite_world.clock.pass_time(timedelta(days=32))
    inside.sign_in(maria)

    assert "Archive copy It has ended." in inside.open(path_of(sent)).text


def test_foreign_unknown_and_malformed_ids_are_not_found_alike(
    inside: Visitor, sqlite_world: World
) -> None:
    theirs = sqlite_world.account("0002").submit("0002/app1/in/a.txt").tracking_id
    beyond = sqlite_world.account(application="app2").submit("0001/app2/in/a.txt").tracking_id

    def refusals() -> Iterator[tuple[int, str]]:
        for wanted in (theirs, beyond, tracking_id(), "nonsense"):
            for end in ("", "/findings.csv"):
                page = inside.open(f"/submissions/{wanted}{end}")
                text = re.sub(r"Request id \S+", "", page.text.replace(wanted, "ID"))
                yield page.status, re.sub(r"[0-9a-f]{32}|[0-9a-f-]{36}", "", text)

    assert len(set(refusals())) == 1
    assert next(refusals())[0] == 404


# --- findings ------------------------------------------------------------------------------------


def test_ten_thousand_findings_are_two_hundred_rows_and_one_file(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    found = [Finding(f"R{number}", "f", "c", f"text {number}") for number in range(10_000)]
    sent = refused(firm, app, *found)

    page = inside.open(path_of(sent))

    assert page.html.count('<tr id="record-') == 200
    assert "10,000 findings" in page.text
    assert "The first 200 of 10,000 are shown." in page.text
    assert len(page.html) < 100_000
    file = inside.open(f"{path_of(sent)}/findings.csv")
    assert file.answer.headers["Content-Disposition"] == (
        f'attachment; filename="findings-{sent.tracking_id[:8]}.csv"'
    )
    rows = table(file.answer.content.decode("utf-8-sig"))
    assert rows[0] == ["Record", "Field", "Code", "What is wrong"]
    assert [row[3] for row in rows[1:]] == [f"text {number}" for number in range(10_000)]


def test_findings_are_text_and_bounded_whatever_they_say(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    long = HOSTILE + "y" * 5_000
    sent = refused(
        firm, app, Finding(HOSTILE, HOSTILE, HOSTILE, long), Finding("=R\u202e", "", "\x1b[1m", "-")
    )

    page = inside.open(path_of(sent))

    assert "<img" not in page.html
    assert "&lt;img src=x onerror=1&gt;&amp;&#39;" in page.html
    assert "y" * 470 in page.text
    assert "y" * 500 not in page.text
    rows = table(inside.open(f"{path_of(sent)}/findings.csv").answer.content.decode("utf-8-sig"))
    assert rows[1] == [HOSTILE, HOSTILE, HOSTILE, long]
    assert rows[2][0] == "'=R\u202e"
    assert rows[2][3] == "'-"


def test_each_finding_has_an_anchor_of_its_own(
    inside: Visitor, firm: Account, app: Processor
) -> None:
    found = [Finding(each, "", "", "wrong") for each in ("A-1", "a 1", "", "***", "\u0661")]
    sent = refused(firm, app, *found)

    anchors = re.findall(r'<tr id="([^"]+)">', inside.open(path_of(sent)).html)

    assert len(set(anchors)) == 5
    assert all(re.fullmatch(r"[a-z0-9-]+", each) for each in anchors)
    assert "record-a-1" in anchors


def test_the_page_of_a_submission_says_for_whom_it_was_sent(
    inside: Visitor, firm: Account, sqlite_world: World, maria: Human
) -> None:
    own = firm.submit("0001/app1/in/own.txt")
    theirs = entitled(sqlite_world, maria, org="0002").submit("0002/app1/in/theirs.txt")

    assert "Acting for Org 0002 (0002)" in inside.open(path_of(theirs)).text
    assert "Acting for" not in inside.open(path_of(own)).text
