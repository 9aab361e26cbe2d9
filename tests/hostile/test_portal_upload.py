"""Uploads at the portal that break off, lie, dawdle or come twice: nothing half done, no harm."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from filing import KEY, TOKEN, Sender, entitled, form_body
from sqlalchemy import select
from visitors import Human, Visitor, person
from world import Account, Served, World

from transom.domain.submission import State
from transom.records.schema import submissions

PLACE = "0001/app1/in"
KEYED = "k" * 32


@pytest.fixture
def served(sqlite_world: World) -> Iterator[Served]:
    with sqlite_world.serving() as served:
        yield served


@pytest.fixture
def maria(sqlite_world: World) -> Human:
    return person(sqlite_world)


@pytest.fixture
def firm(sqlite_world: World, maria: Human) -> Account:
    return entitled(sqlite_world, maria)


@pytest.fixture
def sender(served: Served, maria: Human, firm: Account) -> Iterator[Sender]:  # noqa: ARG001
    visitor = Visitor(served.portal)
    visitor.sign_in(maria)
    yield Sender.at(visitor, PLACE)
    visitor.close()


def states(world: World) -> list[str]:
    with world.database.reading() as tx:
        return list(tx.execute(select(submissions.c.state)).scalars())


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def head(sender: Sender, method: str, path: str, length: int, *more: str) -> bytes:
    """The head of a request as the upload page's script makes it."""
    cookies = "; ".join(f"{each.name}={each.value}" for each in sender.visitor.http.cookies)
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {urlsplit(sender.visitor.portal).netloc}",
        f"Cookie: {cookies}",
        f"X-Form-Token: {sender.token}",
        f"Idempotency-Key: {KEYED}",
        f"Content-Length: {length}",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode()


def connect(sender: Sender) -> socket.socket:
    parts = urlsplit(sender.visitor.portal)
    return socket.create_connection(("127.0.0.1", parts.port or 0), timeout=10)


def test_what_breaks_off_is_nowhere_and_the_same_key_sends_it_whole(
    sender: Sender, firm: Account, sqlite_world: World
) -> None:
    with connect(sender) as cut:
        cut.sendall(head(sender, "PUT", f"/upload/{PLACE}/a.txt", 1000) + b"x" * 500)
        until(lambda: states(sqlite_world) == [State.REQUESTED])
    until(lambda: not list((sqlite_world.directory / "files").rglob("*.part")))
    assert firm.names(PLACE) == []

    assert sender.put("a.txt", b"x" * 1000, key=KEYED).status_code == 200
    assert states(sqlite_world) == [State.RECEIVED]


def test_a_second_try_that_begins_before_the_first_is_known_to_be_dead_wins(
    sender: Sender, firm: Account, sqlite_world: World
) -> None:
    with connect(sender) as dying:
        dying.sendall(head(sender, "PUT", f"/upload/{PLACE}/a.txt", 1000) + b"x" * 500)
        until(lambda: states(sqlite_world) == [State.REQUESTED])
        assert sender.put("a.txt", b"y" * 10, key=KEYED).status_code == 200

    assert states(sqlite_world) == [State.RECEIVED]
    assert firm.names(PLACE) == ["a.txt"]


def test_two_windows_that_send_the_same_at_once_submit_it_once(
    sender: Sender, sqlite_world: World
) -> None:
    ready = threading.Barrier(2)
    found: list[tuple[int, str]] = []

    def send() -> None:
        def content() -> Iterator[bytes]:
            yield b"con"
            ready.wait(10)
            yield b"tent"

        with connect(sender) as line:
            line.sendall(head(sender, "PUT", f"/upload/{PLACE}/a.txt", 7, "Connection: close"))
            for piece in content():
                line.sendall(piece)
            answer = http.client.HTTPResponse(line)
            answer.begin()
            found.append((answer.status, answer.getheader("X-Upload") or ""))

    both = [threading.Thread(target=send) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(20)

    assert found == [(200, "received")] * 2
    assert states(sqlite_world) == [State.RECEIVED]


def test_two_people_of_one_firm_send_one_name_each_and_both_count(
    sender: Sender, served: Served, sqlite_world: World, firm: Account
) -> None:
    tom = person(sqlite_world, "tom@northgate.example")
    entitled(sqlite_world, tom)
    other = Visitor(served.portal)
    other.sign_in(tom)

    assert sender.put("a.txt", b"hers", key=KEYED).status_code == 200
    assert Sender.at(other, PLACE).put("a.txt", b"his", key=KEYED).status_code == 200
    other.close()

    assert states(sqlite_world) == [State.RECEIVED, State.RECEIVED]
    kept = {firm.fetch(f"0001/app1/in_arcv/{name}") for name in firm.names("0001/app1/in_arcv")}
    assert kept == {b"hers", b"his"}


def test_a_form_cut_off_in_its_second_file_submits_the_first_alone(
    sender: Sender, firm: Account, sqlite_world: World
) -> None:
    body = form_body(sender.token, sender.form_key, ("a.txt", b"x"), ("b.txt", b"y" * 5000))
    kind = "Content-Type: multipart/form-data; boundary=xx"
    with connect(sender) as cut:
        cut.sendall(head(sender, "POST", f"/upload/{PLACE}", len(body), kind) + body[:-3000])
        until(lambda: sorted(states(sqlite_world)) == [State.RECEIVED, State.REQUESTED])

    assert firm.names(PLACE) == ["a.txt"]
    until(lambda: sender.post(("a.txt", b"x"), ("b.txt", b"y" * 5000)).status == 200)
    assert states(sqlite_world) == [State.RECEIVED, State.RECEIVED]
    assert firm.names(PLACE) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 5",),
        ("Transfer-Encoding: chunked",),
        ("Content-Length: -1",),
    ],
    ids=str,
)
def test_a_body_framed_in_two_ways_is_refused(
    sender: Sender, sqlite_world: World, framing: tuple[str, ...]
) -> None:
    with connect(sender) as line:
        line.sendall(head(sender, "PUT", f"/upload/{PLACE}/a.txt", 7, *framing) + b"content")
        assert line.recv(65536).startswith(b"HTTP/1.1 400")

    assert states(sqlite_world) == []


OTHER_PATHS = [
    f"/upload/{PLACE}/..%2F..%2Fa.txt",
    f"/upload/{PLACE}/%2e%2e",
    f"/upload/{PLACE}/a%00.txt",
    f"/upload/{PLACE}/a%252Fb.txt",
    f"/upload/{PLACE}/a%0d%0aX: y.txt".replace(" ", "%20"),
    f"/upload/{PLACE}/%ff.txt",
    "/upload/0001/app1%2Fin/in/a.txt",
    "/upload/0001/app1/in/sub/a.txt",
    "/upload/../0001/app1/in/a.txt",
]


def test_no_path_leads_anywhere_else(sender: Sender, sqlite_world: World) -> None:
    for path in OTHER_PATHS:
        with connect(sender) as line:
            line.sendall(head(sender, "PUT", path, 7) + b"content")
            status = int(line.recv(65536).split(b" ")[1])

        assert status in {400, 404, 405}
        assert states(sqlite_world) == []


def test_a_refusal_is_heard_by_whoever_still_sends(sender: Sender, sqlite_world: World) -> None:
    """Longer than all buffers between: a server that closes at once would only be felt as a cut."""
    sender.token = "bm90IG91cnM="

    assert sender.put("a.txt", b"x" * (8 << 20)).status_code == 403
    assert states(sqlite_world) == []


def test_another_firms_links_lead_nowhere(
    sender: Sender, served: Served, sqlite_world: World
) -> None:
    sqlite_world.account("0002")
    sqlite_world.processor().publish("0002/app1/out/theirs.txt")

    for path in (
        "/browse/0002/app1/in",
        "/browse/0002/app1/out",
        "/browse/0002/app1/out/theirs.txt",
    ):
        assert sender.visitor.open(path).status == 404
    assert served.portal


def test_markup_in_names_of_others_is_text_on_every_page(
    sender: Sender, sqlite_world: World
) -> None:
    name = "&lt=img'src=x,onerror=1.xml"
    sqlite_world.processor().publish(f"0001/app1/out/{name}")

    for path in ("/browse/0001/app1/out", f"/browse/0001/app1/out?file={name.replace('&', '%26')}"):
        page = sender.visitor.open(path)
        assert page.status == 200
        assert name in page.text
        assert "&lt=img" not in page.html.replace("&amp;lt", "")


def test_many_tiny_pieces_and_line_ends_cost_no_time(sender: Sender, firm: Account) -> None:
    content = b"\r\n" * 300_000 + b"\r\n--x" * 50_000
    began = time.monotonic()

    page = sender.post(("a.txt", content))

    assert page.status == 200
    (name,) = firm.names("0001/app1/in_arcv")
    assert firm.fetch(f"0001/app1/in_arcv/{name}") == content
    assert time.monotonic() - began < 10


def test_a_page_that_was_open_in_two_windows_sends_from_both(
    sender: Sender, sqlite_world: World
) -> None:
    page = sender.visitor.open(f"/browse/{PLACE}")
    token, key = TOKEN.search(page.html), KEY.search(page.html)
    assert token
    assert key
    other = Sender(sender.visitor, PLACE, token[1], key[1])

    assert sender.put("a.txt").status_code == other.put("a.txt").status_code == 200
    assert states(sqlite_world) == [State.RECEIVED, State.RECEIVED]
