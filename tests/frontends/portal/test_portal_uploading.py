"""Files on their way in: one by script, several by form; each whole and once, or not at all."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from filing import ID, STATE, Sender, entitled, file_part, form_body, principal, text_part
from sqlalchemy import select
from visitors import Human, Page, Visitor
from world import Account, World

from transom.core.retention import SYSTEM
from transom.domain.entitlement import Entitlement, Level
from transom.domain.submission import AccessMethod, State, Submission
from transom.frontends.portal import arriving, uploading
from transom.records import submissions
from transom.records.schema import person_sessions

DIGEST = hashlib.sha256(b"content").hexdigest()


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    return entitled(sqlite_world, maria)


@pytest.fixture
def inside(visitor: Visitor, maria: Human, firm: Account) -> Visitor:  # noqa: ARG001
    visitor.sign_in(maria)
    return visitor


@pytest.fixture
def sender(inside: Visitor) -> Sender:
    """Maria's upload page at 0001/app1/in."""
    return Sender.at(inside)


def sent(world: World) -> list[Submission]:
    """Every submission, the oldest first."""
    with world.database.reading() as tx:
        query = submissions.submissions.select().order_by(
            submissions.submissions.c.requested_at, submissions.submissions.c.tracking_id
        )
        return [submissions.read(row) for row in tx.execute(query)]


def ids(html: str) -> list[str]:
    return ID.findall(html)


# --- by script -----------------------------------------------------------------------------------


def test_a_file_is_received_whole_with_its_digest_and_how_it_came(
    sender: Sender, firm: Account, sqlite_world: World
) -> None:
    answer = sender.put("4530.xml")

    (submission,) = sent(sqlite_world)
    assert answer.status_code == 200
    assert answer.headers["X-Upload"] == "received"
    assert STATE.findall(answer.text) == ["received"]
    assert ids(answer.text) == [submission.tracking_id]
    assert f"{DIGEST}</code>, same on both sides" in answer.text
    assert submission.client.method is AccessMethod.PORTAL
    assert submission.user_name == "maria@northgate.example"
    assert firm.fetch(f"0001/app1/in_arcv/{submission.archive_name}") == b"content"
    assert [each.action for each in sqlite_world.audited("upload.received")]


def test_without_a_digest_of_its_own_the_row_offers_what_to_compare(sender: Sender) -> None:
    answer = sender.put("4530.xml", X_File_SHA256="")

    assert "Compare it with:" in answer.text
    assert "sha256sum 4530.xml" in answer.text


def test_a_file_that_changed_on_its_way_is_not_submitted(
    sender: Sender, sqlite_world: World
) -> None:
    answer = sender.put("4530.xml", X_File_SHA256=DIGEST[::-1])

    assert (answer.status_code, answer.headers["X-Upload"]) == (400, "refused")
    assert "Send it again." in answer.text
    assert [each.state for each in sent(sqlite_world)] == [State.ABANDONED]


def test_an_empty_file_is_a_file_and_said_to_be_empty(sender: Sender) -> None:
    assert "an empty file" in sender.put("empty.txt", b"").text


def test_the_same_key_is_the_same_submission(sender: Sender, sqlite_world: World) -> None:
    key = secrets.token_hex(16)
    first, again = sender.put("a.txt", key=key), sender.put("a.txt", key=key)

    assert ids(first.text) == ids(again.text)
    assert len(sent(sqlite_world)) == 1


def test_the_same_key_with_another_file_is_told_and_not_lost(
    sender: Sender, sqlite_world: World
) -> None:
    key = secrets.token_hex(16)
    sender.put("a.txt", key=key)
    other = sender.put("a.txt", b"other", key=key)

    assert (other.status_code, other.headers["X-Upload"]) == (409, "refused")
    assert "choose the file once more" in other.text
    assert len(sent(sqlite_world)) == 1


def test_a_try_that_was_given_up_is_followed_by_another_under_the_same_key(
    sender: Sender, sqlite_world: World
) -> None:
    key = secrets.token_hex(16)
    sender.put("a.txt", key=key, X_File_SHA256=DIGEST[::-1])
    first, again = sender.put("a.txt", key=key), sender.put("a.txt", key=key)

    assert ids(first.text) == ids(again.text)
    assert sorted(each.state for each in sent(sqlite_world)) == [State.ABANDONED, State.RECEIVED]


def test_two_of_one_name_are_two_submissions(sender: Sender, sqlite_world: World) -> None:
    assert ids(sender.put("a.txt").text) != ids(sender.put("a.txt").text)
    assert len(sent(sqlite_world)) == 2


def test_what_is_cancelled_is_abandoned_and_what_was_received_stays(
    sender: Sender, sqlite_world: World
) -> None:
    late, early = secrets.token_hex(16), secrets.token_hex(16)
    sender.put("a.txt", key=late)

    assert sender.ask("DELETE", "a.txt", key=late).headers["X-Upload"] == "received"
    assert sender.ask("DELETE", "b.txt", key=early).headers["X-Upload"] == "abandoned"
    assert sender.ask("DELETE", "b#.txt", key=early).headers["X-Upload"] == "refused"
    assert sorted(each.state for each in sent(sqlite_world)) == [State.ABANDONED, State.RECEIVED]


def test_a_name_that_will_not_do_is_refused_with_one_that_would(sender: Sender) -> None:
    answer = sender.put("draft#2.xml")

    assert (answer.status_code, answer.headers["X-Upload"]) == (400, "refused")
    assert "Suggested: draft2.xml" in answer.text


HOSTILE_NAMES = ["a/b.txt", "..", "a\\b", "<b>.txt", "a\u202eb", "x" * 238]


def test_no_hostile_name_gets_in(sender: Sender, sqlite_world: World) -> None:
    for name in HOSTILE_NAMES:
        answer = sender.put(name)

        assert answer.status_code in {400, 404}
        assert "<b>.txt" not in answer.text
        assert not sent(sqlite_world)


def test_a_file_above_the_limit_is_refused_before_it_is_read(
    sender: Sender, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "MOST_BYTES", 6)

    answer = sender.put("a.txt", b"7 bytes")

    assert answer.status_code == 413
    assert not sent(sqlite_world)


def test_a_file_that_proves_too_large_on_its_way_is_not_submitted(
    sender: Sender, sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "MOST_BYTES", 6)

    answer = sender.put("a.txt", iter([b"7 by", b"tes"]))

    assert (answer.status_code, answer.headers["X-Upload"]) == (413, "refused")
    assert [each.state for each in sent(sqlite_world)] == [State.ABANDONED]
    assert (
        sender.post(("b.txt", b"7 bytes"), ("c.txt", b"6 more")).heading == "1 of 2 files received"
    )


CLOSED_PLACES = [
    "0001/app1/out",
    "0001/app1/in_arcv",
    "0001/app2/in",
    "0002/app1/in",
    "0001/x-y/in",
]


def test_nothing_is_taken_where_the_person_may_not_upload(
    sender: Sender, sqlite_world: World
) -> None:
    for place in CLOSED_PLACES:
        sender.place = place

        assert sender.put("a.txt").status_code in {403, 404}
        assert sender.post(("a.txt", b"x")).status in {403, 404}
        assert not sent(sqlite_world)


FOREIGN_HEADERS: list[dict[str, str]] = [
    {"X_Form_Token": ""},
    {"X_Form_Token": "bm90IG91cnM="},
    {"Origin": "https://elsewhere.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Idempotency_Key": ""},
    {"Idempotency_Key": "a b"},
    {"X_File_SHA256": "abc"},
]


def test_nothing_is_taken_that_did_not_come_from_our_page(
    sender: Sender, sqlite_world: World
) -> None:
    for headers in FOREIGN_HEADERS:
        assert sender.put("a.txt", **headers).status_code == 403
        assert sender.ask("DELETE", "a.txt", **headers).status_code == 403
        assert not sent(sqlite_world)


# --- sessions that end meanwhile -----------------------------------------------------------------


@pytest.fixture
def ends(sqlite_world: World, maria: Human) -> dict[str, Callable[[], object]]:
    """The ways in which somebody loses the right to send while bytes move."""
    people, admin = sqlite_world.exchange.people, sqlite_world.exchange.administration
    person = principal(sqlite_world, maria)
    right = Entitlement(person.id, "0001", "app1", "", Level.BOTH)
    return {
        "locked": lambda: people.administration.lock(SYSTEM, maria.email),
        "withdrawn": lambda: admin.end_entitlement(SYSTEM, right),
        "old": lambda: sqlite_world.clock.pass_time(timedelta(hours=13)),
        "firm": lambda: admin.set_organization_active(SYSTEM, "0001", active=False),
    }


@pytest.mark.parametrize("how", ["locked", "withdrawn", "old", "firm"])
def test_whoever_loses_the_right_while_bytes_move_submits_nothing(
    sender: Sender, sqlite_world: World, ends: dict[str, Callable[[], object]], how: str
) -> None:
    def content() -> Iterator[bytes]:
        yield b"first"
        wait_for(lambda: bool(sent(sqlite_world)))
        ends[how]()
        yield b"second"

    answer = sender.put("a.txt", content())

    assert answer.status_code in ({403, 404} if how == "withdrawn" else {401})
    assert [each.state for each in sent(sqlite_world)] == [State.ABANDONED]
    assert not sqlite_world.audited("upload.received")


def test_signing_out_in_another_window_ends_what_is_under_way(
    sender: Sender, inside: Visitor, sqlite_world: World, another: Callable[[], Visitor]
) -> None:
    beside = another()
    beside.http.cookies.update(inside.http.cookies)

    def content() -> Iterator[bytes]:
        yield b"first"
        wait_for(lambda: bool(sent(sqlite_world)))
        beside.press(beside.open("/account"), "Sign out")
        yield b"second"

    assert sender.put("a.txt", content()).status_code == 401
    assert [each.state for each in sent(sqlite_world)] == [State.ABANDONED]


def test_a_session_does_not_end_for_idleness_while_bytes_move(
    sender: Sender, sqlite_world: World
) -> None:
    def seen() -> datetime:
        with sqlite_world.program.databases.identity.reading() as tx:
            found: datetime = tx.execute(select(person_sessions.c.seen_at)).scalar_one()
            return found

    def is_begun() -> bool:
        files = (sqlite_world.directory / "files").rglob("*")
        return any(each.is_file() and each.stat().st_size == len(b"first") for each in files)

    def content() -> Iterator[bytes]:
        yield b"first"
        wait_for(is_begun)
        for _ in range(5):
            sqlite_world.clock.pass_time(timedelta(minutes=10))
            yield b"more"
            wait_for(lambda: seen() == sqlite_world.clock.now())

    assert sender.put("a.txt", content()).status_code == 200


# --- by form -------------------------------------------------------------------------------------


def test_a_form_sends_several_files_each_a_submission_of_its_own(
    sender: Sender, firm: Account, sqlite_world: World
) -> None:
    page = sender.post(("a.txt", b"A" * 200_000), ("b.txt", b"\r\n--x\r\n--xx-"), ("e.txt", b""))

    assert (page.status, page.heading) == (200, "3 of 3 files received")
    assert len(set(ids(page.html))) == 3
    assert "an empty file" in page.text
    found = {each.name: each for each in sent(sqlite_world)}
    kept = firm.fetch(f"0001/app1/in_arcv/{found['b.txt'].archive_name}")
    assert kept == b"\r\n--x\r\n--xx-"
    assert found["a.txt"].sha256 == hashlib.sha256(b"A" * 200_000).hexdigest()


def test_one_bad_name_keeps_no_other_file_out(sender: Sender) -> None:
    page = sender.post(("a.txt", b"x"), ("b#.txt", b"y" * 100_000), ("c.txt", b"z"))

    assert page.heading == "2 of 3 files received"
    assert "Suggested: b.txt" in page.text
    assert STATE.findall(page.html) == ["received", "received"]


def test_a_form_that_is_sent_again_submits_nothing_twice(
    sender: Sender, sqlite_world: World
) -> None:
    first = sender.post(("a.txt", b"x"), ("b.txt", b"y"))
    again = sender.post(("a.txt", b"x"), ("b.txt", b"y"))

    assert ids(first.html) == ids(again.html)
    assert len(sent(sqlite_world)) == 2


def test_a_form_from_the_back_button_with_another_file_says_so(sender: Sender) -> None:
    sender.post(("a.txt", b"x"))
    other = sender.post(("a.txt", b"corrected"))

    assert (other.status, other.heading) == (409, "0 of 1 file received")
    assert "choose the file once more" in other.text


def test_a_page_has_a_key_of_its_own_each_time(inside: Visitor) -> None:
    assert Sender.at(inside).form_key != Sender.at(inside).form_key


@pytest.mark.parametrize("files", [(), (("", b""),)], ids=["none", "nothing chosen"])
def test_no_file_at_all_is_told_on_the_same_page(
    sender: Sender, files: tuple[tuple[str, bytes], ...]
) -> None:
    page = sender.post(*files)

    assert page.status == 422
    assert "<title>Error: " in page.html
    assert "Choose at least one file." in page.text


def test_the_token_is_looked_at_before_any_file(sender: Sender, sqlite_world: World) -> None:
    token, key = text_part("form_token", sender.token), text_part("upload_key", sender.form_key)
    file, end = file_part("a.txt", b"x"), b"--xx--\r\n"

    for body in (
        file + token + key + end,
        token + file + key + end,
        key + token + file + end,
        text_part("form_token", "x") + key + file + end,
        text_part("form_token", "x" * 5000) + key + file + end,
        token + text_part("upload_key", "short") + file + end,
        b"",
        b"no form at all",
    ):
        assert sender.post_body(body).status == 403
    assert not sent(sqlite_world)


def test_a_form_that_is_no_form_with_files_is_none_of_ours(sender: Sender) -> None:
    body = form_body(sender.token, sender.form_key, ("a.txt", b"x"))

    for content_type in ("", "text/plain", "multipart/form-data", "multipart/form-data; boundary="):
        headers = {"Content-Type": content_type} if content_type else {}
        page = sender.visitor.ask("POST", f"/upload/{sender.place}", data=body, headers=headers)
        assert page.status == 403


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\\\temp\\\\a.txt",
        "a\\0b.txt",
        "a%00.txt",
        "a%2Fb.txt",
        "..",
        "a%22b.txt",
        "a\u202etxt.exe",
        "<img src=x onerror=alert(1)>",
        "x" * 238,
        "a.",
    ],
)
def test_no_hostile_name_of_a_form_gets_in(sender: Sender, sqlite_world: World, name: str) -> None:
    page = sender.post((name, b"x"), ("good.txt", b"y"))

    assert page.heading == "1 of 2 files received"
    assert "<img" not in page.html
    assert [each.name for each in sent(sqlite_world)] == ["good.txt"]


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="files"; filename="a\0b"',
        "Content-Disposition: form-data; name=files; filename=a.txt",
        'Content-Disposition: attachment; name="files"; filename="a.txt"',
        'Content-Disposition: form-data; name="files"; filename="a\r\n b.txt"',
        'Content-Disposition: form-data; name="files"; filename="a".txt"',
        "Content-Type: text/plain",
        "X-Long: " + "y" * 5000,
        "\r\n".join(f"X-{number}: y" for number in range(9)),
    ],
    ids=range(8),
)
def test_a_part_that_cannot_be_read_ends_the_form_and_what_was_received_stays(
    sender: Sender, sqlite_world: World, head: str
) -> None:
    start = form_body(sender.token, sender.form_key, ("good.txt", b"y")).removesuffix(b"--xx--\r\n")
    body = start + f"--xx\r\n{head}\r\n\r\nx\r\n--xx--\r\n".encode()

    page = sender.post_body(body)

    assert page.status == 200
    assert page.heading.startswith("1 of ")
    assert "Not taken." in page.text
    assert [each.name for each in sent(sqlite_world)] == ["good.txt"]


def test_a_name_in_extended_form_is_no_name(sender: Sender, sqlite_world: World) -> None:
    start = form_body(sender.token, sender.form_key).removesuffix(b"--xx--\r\n")
    head = 'Content-Disposition: form-data; name="files"; filename*="UTF-8\'\'a.txt"'

    page = sender.post_body(start + f"--xx\r\n{head}\r\n\r\nx\r\n--xx--\r\n".encode())

    assert "had no file name" in page.text
    assert not sent(sqlite_world)


def test_a_form_that_ends_within_a_file_submits_those_before_it(
    sender: Sender, sqlite_world: World
) -> None:
    whole = form_body(sender.token, sender.form_key, ("a.txt", b"x"), ("b.txt", b"y" * 1000))

    page = sender.post_body(whole[: -len(b"y" * 500 + b"\r\n--xx--\r\n")])

    assert page.heading == "1 of 2 files received"
    assert "broke off" in page.text
    received = [each.name for each in sent(sqlite_world) if each.state is State.RECEIVED]
    assert received == ["a.txt"]


def test_a_form_of_more_parts_than_ours_is_read_no_further(sender: Sender) -> None:
    files = [("", b"")] * 998

    page = sender.post(*files, ("last.txt", b"x"))

    assert page.status == 400
    assert "more than 1000 parts" in page.text


def test_a_session_that_ends_within_a_form_keeps_what_was_received_and_says_so(
    sender: Sender, sqlite_world: World, ends: dict[str, Callable[[], object]]
) -> None:
    body = form_body(sender.token, sender.form_key, ("a.txt", b"x"), ("b.txt", b"y"))
    middle = body.index(b"y\r\n--xx--")

    def content() -> Iterator[bytes]:
        yield body[:middle]
        wait_for(lambda: any(each.is_received for each in sent(sqlite_world)))
        ends["locked"]()
        yield body[middle:]

    page = sender.post_body(content())

    assert page.status == 401
    assert "Your session ended meanwhile." in page.text
    assert "Sign in and go on" in page.text
    assert [each.name for each in sent(sqlite_world) if each.is_received] == ["a.txt"]


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_session_that_ended_before_the_first_file_leads_to_the_sign_in(
    sender: Sender, ends: dict[str, Callable[[], object]]
) -> None:
    ends["locked"]()

    page = sender.post(("a.txt", b"x"))

    assert page.status == 401
    assert re.search("signed out|Sign in", page.text)


def test_the_page_after_an_upload_can_be_opened_again(sender: Sender, inside: Visitor) -> None:
    page: Page = sender.post(("a.txt", b"x"))

    assert inside.open("/browse/0001/app1/in").status == 200
    assert 'href="/browse/0001/app1/in"' in page.html
