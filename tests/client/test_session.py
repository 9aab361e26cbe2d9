"""HTTP with a token: who is told secrets, when tokens are renewed, what is tried again."""

from __future__ import annotations

import base64
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from client.conftest import Waiting
from client.lying_server import (
    FIRM,
    SECRET,
    TOKEN_PATH,
    Exchange,
    Handler,
    Published,
    answer,
    cut_answer,
    lose_all,
    lose_answer,
    serving,
)
from httpx2 import Headers

from transom import __version__
from transom.client import Client, Server, errors
from transom.client.answers import told_sha256
from transom.client.connections import Request
from transom.client.errors import (
    Busy,
    ClientError,
    NotEntitled,
    NotSignedIn,
    NotThere,
    RefusedByRule,
    ServerFault,
    Unreachable,
)
from transom.client.session import Session

PATH = "0001/app1/out/result.txt"


def unentitled(handler: Handler) -> None:
    handler.take_body()
    headers = {"WWW_Authenticate": 'Bearer error="insufficient_scope"'}
    handler.reply(401, '{"error": "insufficient_scope", "error_message": "Not yours."}', **headers)


# --- tokens --------------------------------------------------------------------------------------


def test_making_a_client_asks_nothing_and_takes_no_time(exchange: Exchange) -> None:
    began = time.process_time()
    for _ in range(100):
        Session(Server(exchange.url, exchange.url + TOKEN_PATH), FIRM, SECRET).close()
    assert time.process_time() - began < 0.5
    assert exchange.seen == []


def test_a_token_is_asked_for_once_and_kept(exchange: Exchange, firm: Client) -> None:
    firm.folder("0001")
    firm.folder("0001")
    (asked,) = exchange.at("token")
    assert asked.method == "POST"
    assert asked.query == {"grant_type": ["client_credentials"]}
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode() == (
        f"{FIRM}:{SECRET}"
    )
    assert {each.headers["authorization"] for each in exchange.at("listing")} == {
        f"Bearer {exchange.tokens[0]}"
    }


@pytest.mark.parametrize(
    ("life", "good", "over"),
    [(43200, 43139, 2), ("600", 539, 2), (60, 29, 2), (None, 1739, 2), ("soon", 1739, 2)],
)
def test_a_token_is_renewed_a_minute_before_it_is_over(
    exchange: Exchange, firm: Client, waiting: Waiting, life: object, good: float, over: float
) -> None:
    exchange.expires_in = life
    firm.folder()
    waiting.now += good
    firm.folder()
    assert len(exchange.tokens) == 1
    waiting.now += over
    firm.folder()
    assert len(exchange.tokens) == 2


def test_many_threads_ask_for_one_token(exchange: Exchange, firm: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(firm.folder, ["0001"] * 32))
    assert len(exchange.tokens) == 1
    exchange.good_tokens.clear()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(firm.folder, ["0001"] * 32))
    assert len(exchange.tokens) == 2


def test_a_token_that_is_over_in_the_middle_of_a_batch_is_renewed(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    firm.put(tmp_path / "a.txt", "0001/app1/in")
    exchange.good_tokens.clear()
    firm.put(tmp_path / "a.txt", "0001/app1/in", "b.txt")
    assert len(exchange.received) == 2
    assert len(exchange.tokens) == 2


def test_credentials_that_expire_in_the_middle_of_a_batch_end_it(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    firm.put(tmp_path / "a.txt", "0001/app1/in")
    exchange.good_tokens.clear()
    exchange.lie("token", answer(400, '{"error_message": "Invalid Credentials"}'))
    with pytest.raises(NotSignedIn) as caught:
        firm.put(tmp_path / "a.txt", "0001/app1/in", "b.txt")
    assert caught.value.message == ("User name or password is not right. Check both and try again.")
    assert caught.value.exit_code == 4
    assert len(exchange.received) == 1


def test_a_wrong_secret_is_tried_once_a_minute_by_all_threads_together(
    exchange: Exchange, connect: Callable[..., Client], waiting: Waiting
) -> None:
    wrong = connect(exchange, secret="wrong")

    def folder(_: int) -> str:
        with pytest.raises(NotSignedIn) as caught:
            wrong.folder()
        return caught.value.code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(folder, range(16))) == {"sign_in_failed"}
    assert len(exchange.at("token")) == 1
    waiting.now += 61
    folder(0)
    assert len(exchange.at("token")) == 2


def test_missing_rights_renew_no_token(exchange: Exchange, firm: Client) -> None:
    firm.folder()
    exchange.lie("listing", unentitled)
    with pytest.raises(NotEntitled, match=r"Not yours\.") as caught:
        firm.folder("0002")
    assert caught.value.code == "insufficient_scope"
    assert caught.value.exit_code == 5
    assert len(exchange.tokens) == 1


def test_a_401_without_a_reason_is_tried_with_one_new_token_and_is_then_a_missing_right(
    finra: Exchange, finra_firm: Client
) -> None:
    finra_firm.folder()
    finra.lie("listing", answer(401), answer(401))
    with pytest.raises(NotEntitled):
        finra_firm.folder("0002")
    assert len(finra.tokens) == 2


def test_a_401_for_a_token_just_asked_for_is_a_missing_right_at_once(
    finra: Exchange, finra_firm: Client
) -> None:
    finra.lie("listing", answer(401))
    with pytest.raises(NotEntitled):
        finra_firm.folder("0002")
    assert len(finra.tokens) == 1


def test_a_server_that_takes_no_token_at_all_is_not_stormed(
    exchange: Exchange, firm: Client
) -> None:
    over = answer(
        401, '{"error": "invalid_token"}', WWW_Authenticate='Bearer error="invalid_token"'
    )
    exchange.lie("listing", *[over] * 100)
    for _ in range(3):
        with pytest.raises(NotSignedIn, match="no longer good"):
            firm.folder()
    assert len(exchange.at("listing")) <= 6
    assert len(exchange.at("token")) <= 3


def test_a_given_token_is_used_and_never_renewed(
    exchange: Exchange, connect: Callable[..., Client]
) -> None:
    exchange.good_tokens.add("given")
    firm = connect(exchange, "", "", token="given")
    firm.folder()
    exchange.good_tokens.clear()
    with pytest.raises(NotSignedIn) as caught:
        firm.folder()
    assert caught.value.code == "invalid_token"
    assert exchange.at("token") == []


def test_what_cannot_be_a_token_is_never_sent(exchange: Exchange) -> None:
    server = Server(exchange.url, exchange.url + TOKEN_PATH)
    with pytest.raises(NotSignedIn):
        Session(server, "", "", token="two words\r\nX-Evil: 1")


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (answer(200, "<html>", "text/html"), ServerFault),
        (answer(200, '{"token": 1}'), ServerFault),
        (answer(200, '{"access_token": "a\\r\\nb"}'), ServerFault),
        (answer(200, "[]"), ServerFault),
        (answer(404, "<html>", "text/html"), ServerFault),
        (answer(403), ServerFault),
        (answer(500), ServerFault),
        (answer(401), NotSignedIn),
        (answer(400, '{"error_message": "Grant type is required"}'), NotSignedIn),
        (answer(400), ServerFault),
    ],
)
def test_a_token_service_that_is_none_is_told(
    exchange: Exchange, firm: Client, lie: Any, kind: type[ClientError]
) -> None:
    exchange.lie("token", lie)
    with pytest.raises(kind):
        firm.folder()


def test_a_busy_token_service_is_waited_for(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    exchange.lie("token", answer(429, Retry_After="3"), lose_all)
    firm.folder()
    assert 3 <= waiting.waits[0] < 4


# --- who is told what ----------------------------------------------------------------------------

_DOORS = ["token", "listing", "offer", "tracking", "put", "get"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("door", _DOORS)
def test_a_redirect_is_never_followed_and_tells_its_host_only(
    exchange: Exchange, firm: Client, tmp_path: Path, door: str, status: int
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    exchange.files[PATH] = Published(b"content")
    with serving() as elsewhere:
        away = elsewhere.url.replace("127.0.0.1", "localhost") + "/path?secret=1"
        exchange.lie(door, answer(status, Location=away))
        with pytest.raises(ServerFault, match="sends us to localhost") as caught:
            _everything(firm, tmp_path)
        assert "secret" not in caught.value.message
        assert caught.value.code == "redirect"
        assert elsewhere.seen == []


def _everything(firm: Client, directory: Path) -> None:
    firm.folder("0001")
    sent = firm.put(directory / "a.txt", "0001/app1/in")
    firm.submission(sent.tracking_id)
    firm.get(PATH, directory / "result.txt")


def test_a_redirect_without_a_host_is_none_either(exchange: Exchange, firm: Client) -> None:
    exchange.lie("listing", answer(302), answer(302, Location="http://[bad"))
    for _ in range(2):
        with pytest.raises(ServerFault):
            firm.folder()


def test_signed_urls_of_another_host_get_neither_token_nor_cookie(
    exchange: Exchange, firm: Client, tmp_path: Path
) -> None:
    with serving() as bytes_door:
        (tmp_path / "a.txt").write_bytes(b"a")

        def offer(handler: Handler) -> None:
            handler.take_body()
            url = f"{bytes_door.url}/signed/{tracking_id}?X-Amz-Signature=1"
            headers = {"Set_Cookie": "session=secret; Path=/"}
            handler._json({"trackingId": tracking_id, "preSignedUrl": url}, **headers)

        tracking_id = firm.session.call("PUT", "/files/0001/app1/in/a.txt")["trackingId"]
        bytes_door.submissions[tracking_id] = exchange.submissions[tracking_id]
        exchange.lie("offer", offer)
        firm.put(tmp_path / "a.txt", "0001/app1/in")
        firm.folder()
    (put,) = bytes_door.seen
    assert put.whole
    assert "authorization" not in put.headers
    assert all("cookie" not in each.headers for each in [*bytes_door.seen, *exchange.seen])


@pytest.mark.parametrize(
    "url",
    [
        "http://filex.example/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "https://user:secret@filex.example/x",
        "https://",
        "https://filex.example:99999/x",
        "https://filex.example/a b",
        "nonsense",
    ],
)
def test_a_signed_url_that_is_no_web_address_is_the_servers_fault(
    exchange: Exchange, firm: Client, tmp_path: Path, url: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    exchange.lie("offer", answer(200, f'{{"trackingId": "t", "preSignedUrl": "{url}"}}'))
    exchange.lie("listing", answer(200, f'{{"preSignedUrl": "{url}"}}'))
    with pytest.raises(ServerFault, match="link cannot be used"):
        firm.put(tmp_path / "a.txt", "0001/app1/in")
    with pytest.raises(ServerFault, match="link cannot be used"):
        firm.get(PATH, tmp_path / "result.txt")


def test_a_server_with_tls_cannot_lead_to_this_machine_without() -> None:
    session = Session(Server("https://filex.example", "https://fip.example/token"), FIRM, SECRET)
    with pytest.raises(ServerFault, match="this very machine"):
        session.open_link(Request("GET", "http://127.0.0.1:1/admin"))


@pytest.mark.parametrize("body", ["[]", "{}", '{"trackingId": "t"}', '{"preSignedUrl": 5}'])
def test_a_step_1_without_a_url_is_the_servers_fault(
    exchange: Exchange, firm: Client, tmp_path: Path, body: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    exchange.lie("offer", answer(200, body))
    exchange.lie("listing", answer(200, body))
    with pytest.raises(ServerFault):
        firm.put(tmp_path / "a.txt", "0001/app1/in")
    with pytest.raises(ServerFault):
        firm.get(PATH, tmp_path / "result.txt")


def test_requests_tell_their_sender(
    exchange: Exchange, firm: Client, connect: Callable[..., Client]
) -> None:
    firm.folder()
    connect(exchange, user_agent="robot/1").folder()
    agents = [each.headers["user-agent"] for each in exchange.at("listing")]
    assert agents == [f"transom/{__version__}", "robot/1"]


def test_signed_urls_are_not_logged(
    exchange: Exchange, firm: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    for logger in (None, "httpx2"):  # a command that ran here before may have made it quiet
        caplog.set_level(logging.DEBUG, logger)
    firm.put(tmp_path / "a.txt", "0001/app1/in")
    assert "/signed/" in caplog.text
    assert "X-Amz-Signature" not in caplog.text
    assert SECRET not in caplog.text
    assert exchange.tokens[0] not in caplog.text


# --- what is tried again -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [lose_all, lose_answer, answer(429), answer(502), answer(503), answer(504), answer(408)],
    ids=["cut", "lost", "429", "502", "503", "504", "408"],
)
def test_what_may_be_repeated_is_tried_again(
    exchange: Exchange, firm: Client, waiting: Waiting, lie: Any
) -> None:
    exchange.lie("api", *[lie] * 4)
    assert firm.session.call("POST", "/api/v1/x", json={"a": 1})["body"] == '{"a": 1}'
    assert [told[:2] for told in waiting.told] == [(2, 5), (3, 5), (4, 5), (5, 5)]
    assert all(0.3 < wait < 6 for wait in waiting.waits)
    assert waiting.waits == sorted(waiting.waits)


def test_five_tries_are_enough(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", *[answer(502)] * 5)
    with pytest.raises(Unreachable, match="answered 502 after 5 tries"):
        firm.session.call("GET", "/api/v1/x")
    assert len(exchange.at("api")) == 5


def test_how_often_can_be_said(exchange: Exchange, connect: Callable[..., Client]) -> None:
    exchange.lie("api", lose_all)
    firm = connect(exchange, retries=1)
    with pytest.raises(Unreachable, match="after 1 try"):
        firm.session.call("GET", "/api/v1/x")


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_what_is_refused_is_not_tried_again(exchange: Exchange, firm: Client, status: int) -> None:
    exchange.lie("api", answer(status))
    with pytest.raises(ClientError):
        firm.session.call("GET", "/api/v1/x")
    assert len(exchange.at("api")) == 1


def test_a_date_to_come_again_is_kept(exchange: Exchange, firm: Client, waiting: Waiting) -> None:
    at = datetime.now(UTC) + timedelta(seconds=40)
    exchange.lie("api", answer(503, Retry_After=format_datetime(at, usegmt=True)))
    firm.session.call("GET", "/api/v1/x")
    assert 30 < waiting.waits[0] < 42


@pytest.mark.parametrize("value", ["soon", "-1", "\u0663"])
def test_a_time_that_cannot_be_read_is_as_good_as_none(
    exchange: Exchange, firm: Client, waiting: Waiting, value: str
) -> None:
    exchange.lie("api", answer(503, Retry_After=value.encode().decode("latin-1")))
    firm.session.call("GET", "/api/v1/x")
    assert waiting.waits[0] < 1


def test_who_asks_to_come_again_next_hour_is_not_waited_for(
    exchange: Exchange, firm: Client, waiting: Waiting
) -> None:
    exchange.lie("api", answer(503, '{"error": "unavailable"}', Retry_After="3600"))
    with pytest.raises(Busy) as caught:
        firm.session.call("GET", "/api/v1/x")
    assert caught.value.retry_after == 3600
    assert waiting.waits == []


def test_a_server_that_is_silent_is_left(
    exchange: Exchange, connect: Callable[..., Client]
) -> None:
    silent = threading.Event()
    exchange.lie("api", lambda _: silent.wait(5))
    firm = connect(exchange, retries=1)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        firm.session.call("GET", "/api/v1/x", seconds=0.1)
    silent.set()
    assert time.monotonic() - began < 4


def test_a_host_that_nobody_is_at_is_unreachable(connect: Callable[..., Client]) -> None:
    with serving() as gone:
        pass
    with pytest.raises(Unreachable) as caught:
        connect(gone).folder()
    assert not caught.value.connected


# --- answers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["<html>Sign in</html>", "", "\x00", "[" * 100_000, '{"a": 1', '"\ud800'],
    ids=["html", "empty", "binary", "deep", "half", "surrogate"],
)
def test_what_is_no_json_is_the_servers_fault(exchange: Exchange, firm: Client, body: str) -> None:
    def lie(handler: Handler) -> None:
        handler.take_body()
        handler.reply(200, body.encode("utf-8", "surrogatepass"), "text/html; charset=x")

    exchange.lie("api", lie)
    with pytest.raises(ServerFault) as caught:
        firm.session.call("GET", "/api/v1/x")
    assert caught.value.code == "not_json"
    assert "answered 200 with text/html; charset=x where JSON is expected" in caught.value.message


def test_an_answer_without_content_is_nothing(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", answer(204))
    assert firm.session.call("POST", "/api/v1/x") is None


def test_an_answer_larger_than_it_can_be_is_not_read_to_its_end(
    exchange: Exchange, firm: Client
) -> None:
    exchange.lie("api", answer(200, '"' + "x" * 1000 + '"'))
    request = Request("GET", exchange.url + "/api/v1/x")
    with pytest.raises(ServerFault, match="larger than it can be"):
        firm.session.ask(request, largest_bytes=1000)


def test_an_answer_that_cannot_be_unpacked_is_the_servers_fault(
    exchange: Exchange, firm: Client
) -> None:
    exchange.lie("api", answer(200, "no gzip", Content_Encoding="gzip"))
    with pytest.raises(ServerFault, match="unpacked"):
        firm.session.call("GET", "/api/v1/x")


def test_a_refusal_of_any_size_is_told_within_bounds(exchange: Exchange, firm: Client) -> None:
    text = "y\\u001b[2J\\n" * 200
    exchange.lie("api", answer(400, "\x1b[31m" + "x" * 200_000))
    exchange.lie("api", answer(400, f'{{"error": "bad_name", "error_message": "{text}"}}'))
    for longest in (200, 500):
        with pytest.raises(RefusedByRule) as caught:
            firm.session.call("GET", "/api/v1/x")
        assert len(caught.value.message) <= longest
        assert caught.value.message.isprintable()


def test_a_digest_that_is_none_is_as_good_as_none() -> None:
    for value in ("sha-256=:AAAA:", "sha-256=:A:", "sha-512=:AAAA:", "", "sha-256=AAAA"):
        assert told_sha256(Headers({"repr-digest": value})) == ""


@pytest.mark.parametrize(
    ("status", "code", "kind", "exit_code"),
    [
        (400, "bad_name", RefusedByRule, 6),
        (400, "incomplete_upload", errors.NotComplete, 7),
        (401, "insufficient_scope", NotEntitled, 5),
        (403, "no_such_resource", NotThere, 3),
        (403, "not_supported", RefusedByRule, 6),
        (403, "", NotThere, 3),
        (404, "not_found", NotThere, 3),
        (404, "", NotThere, 3),
        (412, "", RefusedByRule, 6),
        (405, "method_not_allowed", ServerFault, 1),
        (409, "wrong_state", RefusedByRule, 6),
        (413, "too_large", RefusedByRule, 6),
        (421, "wrong_host", ServerFault, 1),
        (500, "internal", ServerFault, 1),
        (507, "storage_full", Busy, 8),
    ],
)
def test_an_error_has_the_servers_code_text_and_id(
    exchange: Exchange,
    connect: Callable[..., Client],
    status: int,
    code: str,
    kind: type[ClientError],
    exit_code: int,
) -> None:
    body = f'{{"error": "{code}", "error_message": "The reason.", "requestId": "r-7"}}'
    exchange.lie("listing", answer(status, body, x_request_id="r-8"))
    with pytest.raises(kind) as caught:
        connect(exchange, retries=1).folder()
    error = caught.value
    assert (error.message, error.request_id) == ("The reason.", "r-7")
    assert error.code == (code or error.default_code)
    assert error.exit_code == exit_code


@pytest.mark.parametrize("body", ["[]", "5", "<html>", ""])
def test_an_error_that_says_nothing_goes_by_its_status(
    exchange: Exchange, firm: Client, body: str
) -> None:
    exchange.lie("api", answer(404, body))
    with pytest.raises(NotThere, match="There is nothing there that you can see"):
        firm.session.call("GET", "/api/v1/x")


def test_the_id_of_a_request_may_stand_in_a_header_only(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", answer(500, "<html>", x_amzn_RequestId="r-9"))
    with pytest.raises(ServerFault, match="Tell support this id: r-9") as caught:
        firm.session.call("GET", "/api/v1/x")
    assert caught.value.request_id == "r-9"


# --- streams -------------------------------------------------------------------------------------


def test_an_answer_can_be_read_as_it_comes(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", lose_all, answer(200, "the content", "application/octet-stream"))
    with firm.session.stream("GET", "/api/v1/content", headers={"Range": "bytes=0-"}) as response:
        assert b"".join(response.iter_raw()) == b"the content"
    assert exchange.at("api")[-1].headers["range"] == "bytes=0-"
    assert exchange.at("api")[-1].headers["authorization"].startswith("Bearer ")


def test_a_refused_stream_is_an_error(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", answer(404, '{"error": "not_found"}'))
    with pytest.raises(NotThere), firm.session.stream("GET", "/api/v1/content"):
        raise AssertionError


def test_a_stream_that_breaks_off_is_unreachable(exchange: Exchange, firm: Client) -> None:
    exchange.files["api"] = Published(b"x" * 1000)
    exchange.lie("api", cut_answer(10))
    exchange.files["/api"] = exchange.files["api"]
    with pytest.raises(Unreachable), firm.session.stream("GET", "/api") as response:
        list(response.iter_raw())


def test_a_body_is_sent_once_as_it_is_made(exchange: Exchange, firm: Client) -> None:
    found = firm.session.send(
        "PUT", "/api/v1/x", iter([b"one", b"two"]), params={"org": ["0001", "0002"]}
    )
    assert found["body"] == "onetwo"
    assert exchange.at("api")[0].query == {"org": ["0001", "0002"]}


def test_a_body_that_is_not_taken_is_not_sent_again(exchange: Exchange, firm: Client) -> None:
    exchange.lie("api", answer(503))
    with pytest.raises(Busy):
        firm.session.send("PUT", "/api/v1/x", iter([b"one"]))
    assert len(exchange.at("api")) == 1


def test_a_body_sent_with_a_token_that_is_over_is_told_and_the_next_has_a_new_one(
    exchange: Exchange, firm: Client
) -> None:
    firm.folder()
    exchange.good_tokens.clear()
    with pytest.raises(NotSignedIn) as caught:
        firm.session.send("PUT", "/api/v1/x", iter([b"one"]))
    assert caught.value.code == "invalid_token"
    assert firm.session.send("PUT", "/api/v1/x", iter([b"one"]))["body"] == "one"


def test_a_header_that_is_none_is_refused_without_quoting_it(firm: Client) -> None:
    with pytest.raises(RefusedByRule) as caught:
        firm.session.call("GET", "/api/v1/x", headers={"X": "a\r\nY: secret"})
    assert "secret" not in str(caught.value)


def test_a_closed_client_opens_again_when_asked(exchange: Exchange, firm: Client) -> None:
    firm.folder()
    firm.close()
    firm.close()
    firm.folder()
    assert len(exchange.at("listing")) == 2


# --- certificates --------------------------------------------------------------------------------


def test_a_ca_file_without_certificates_is_refused(tmp_path: Path, exchange: Exchange) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    server = Server(exchange.url, exchange.url + TOKEN_PATH)
    session = Session(server, FIRM, SECRET, ca_file=tmp_path / "ca.pem")
    with pytest.raises(RefusedByRule, match="no certificate in PEM form"):
        session.call("GET", "/files")


def test_a_ca_file_that_is_not_there_is_an_error_of_the_system(
    tmp_path: Path, exchange: Exchange
) -> None:
    server = Server(exchange.url, exchange.url + TOKEN_PATH)
    session = Session(server, FIRM, SECRET, ca_file=tmp_path / "ca.pem")
    with pytest.raises(FileNotFoundError):
        session.call("GET", "/files")


def test_a_certificate_that_nobody_trusts_is_told_at_once_and_one_that_is_trusted_is_enough(
    exchange: Exchange, waiting: Waiting, tmp_path: Path
) -> None:
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    exchange.socket = context.wrap_socket(exchange.socket, server_side=True)
    url = exchange.url.replace("http:", "https:")
    server = Server(url, url + TOKEN_PATH)
    with (
        Client(Session(server, FIRM, SECRET, sleep=waiting.sleep)) as stranger,
        pytest.raises(Unreachable) as caught,
    ):
        stranger.folder()
    assert caught.value.code == "certificate_not_trusted"
    assert waiting.waits == []
    with Client(Session(server, FIRM, SECRET, ca_file=certificate)) as firm:
        assert firm.folder().path == ""


def _certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "ca.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    return certificate, key
