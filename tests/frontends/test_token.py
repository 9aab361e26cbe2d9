"""The token service (guide 5.1, 5.2): documented texts, opaque tokens of twelve hours, lock-out."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import requests
from raw_http import answers_to, connect
from world import Account, Caller, Served, World, access_log

from transom.core.retention import SYSTEM
from transom.domain.errors import Unavailable

PATH = "/fip/rest/ews/oauth2/access_token"
GRANT = "grant_type=client_credentials"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def account(shared: World) -> Account:
    return shared.account("0001", "both", "app1")


def ask(
    served: Served, query: str = GRANT, method: str = "POST", path: str = PATH, **options: Any
) -> requests.Response:
    url = f"{served.rest}{path}" + (f"?{query}" if query else "")
    return requests.request(method, url, timeout=20, **options)


def basic(account: Account) -> tuple[str, str]:
    return account.name, account.secret


def test_a_name_and_secret_give_a_token_that_works(served: Served, account: Account) -> None:
    answer = ask(served, auth=basic(account))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    granted = answer.json()
    assert list(granted) == ["access_token", "scope", "token_type", "expires_in"]
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] == 12 * 60 * 60
    assert Caller(served, granted["access_token"]).get("/files/0001").status_code == 200


def test_the_grant_type_may_stand_in_a_form(served: Served, account: Account) -> None:
    answer = ask(served, query="", auth=basic(account), data=GRANT, headers=FORM)

    assert answer.status_code == 200


def test_an_account_may_hold_several_tokens(served: Served, account: Account) -> None:
    first, second = served.caller(account), served.caller(account)

    assert first.token != second.token
    assert first.get("/files").status_code == second.get("/files").status_code == 200


@pytest.mark.parametrize(
    ("query", "authorization", "text", "error"),
    [
        (GRANT, "Basic wrong", "Invalid credentials format", "invalid_request"),
        (GRANT, "Basic " + base64.b64encode(b"no-colon").decode(), None, None),
        (GRANT, "Basic " + base64.b64encode(b":no-name").decode(), None, None),
        (GRANT, "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), None, None),
        (GRANT, "Basic " + base64.b64encode(b"na\x00me:x").decode(), None, None),
        (GRANT, "Basic " + base64.b64encode(b"name:x\r\ny").decode(), None, None),
        (GRANT, "Basic " + "A" * 5000, None, None),
        (GRANT, "Basic", None, None),
        (GRANT, "Basic \xe9", None, None),
        (GRANT, None, "Client credentials is required", "invalid_client"),
        (GRANT, "", "Client credentials is required", "invalid_client"),
        (GRANT, "Bearer abc", "Client credentials is required", "invalid_client"),
        ("", "Basic bjpz", "Grant type is required", "invalid_request"),
        ("grant_type=", "Basic bjpz", "Grant type is required", "invalid_request"),
        ("Grant_Type=client_credentials", "Basic bjpz", "Grant type is required", None),
        (
            "grant_type=password",
            "Basic bjpz",
            "Only client_credentials grant type is supported",
            "unsupported_grant_type",
        ),
        (f"{GRANT}&grant_type=password", "Basic bjpz", "Only client_credentials", None),
        (GRANT, "Basic bjpz", "Invalid Credentials", "invalid_client"),
        (GRANT, "Basic " + base64.b64encode(b"n" * 200 + b":s").decode(), "Invalid Cred", None),
        ("&".join(f"a{n}=1" for n in range(99)), "Basic bjpz", "form: cannot be read", None),
    ],
)
def test_documented_refusals(
    served: Served, query: str, authorization: str | None, text: str | None, error: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = ask(served, query, headers=headers)

    assert answer.status_code == 400
    said = answer.json()
    assert set(said) == {"error_message", "error", "requestId"}
    assert said["error_message"].startswith(text or "Invalid credentials format")
    assert said["error"] == (error or said["error"])
    assert said["requestId"] == answer.headers["x-request-id"]


def test_a_wrong_secret_and_an_unknown_name_are_answered_alike(
    served: Served, shared: World
) -> None:
    account = shared.account()

    wrong = ask(served, auth=(account.name, "wrong"))
    unknown = ask(served, auth=("nobody", "wrong"))

    assert wrong.status_code == unknown.status_code == 400
    assert wrong.json() | {"requestId": ""} == unknown.json() | {"requestId": ""}


def test_a_stopped_account_is_answered_like_a_wrong_secret(served: Served, shared: World) -> None:
    account = shared.account()
    caller = served.caller(account)
    shared.exchange.administration.set_account_active(SYSTEM, account.name, active=False)

    answer = ask(served, auth=basic(account))

    assert (answer.status_code, answer.json()["error_message"]) == (400, "Invalid Credentials")
    assert caller.get("/files").status_code == 401


def test_an_account_may_be_bound_to_its_networks(served: Served, shared: World) -> None:
    elsewhere = shared.account(networks=["10.0.0.0/8"])

    answer = ask(served, auth=basic(elsewhere))

    assert (answer.status_code, answer.json()["error_message"]) == (400, "Invalid Credentials")


def test_five_failures_close_the_account_even_to_the_right_secret(
    served: Served, shared: World
) -> None:
    account = shared.account()
    for _ in range(5):
        ask(served, auth=(account.name, "wrong"))

    closed = ask(served, auth=basic(account))
    assert (closed.status_code, closed.json()["error_message"]) == (400, "Invalid Credentials")

    shared.clock.pass_time(timedelta(minutes=1, seconds=1))
    assert ask(served, auth=basic(account)).status_code == 200


def test_a_token_ends_after_twelve_hours(sqlite_world: World) -> None:
    with sqlite_world.serving() as served:
        caller = served.caller(sqlite_world.account())
        sqlite_world.clock.pass_time(timedelta(hours=12) - timedelta(seconds=1))
        assert caller.get("/files").status_code == 200
        sqlite_world.clock.pass_time(timedelta(seconds=1))
        answer = caller.get("/files")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_form_that_breaks_off_grants_nothing(served: Served, account: Account) -> None:
    encoded = base64.b64encode(f"{account.name}:{account.secret}".encode()).decode()
    lines = (
        f"POST {PATH} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Basic {encoded}",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 100",
    )
    with access_log() as log:
        with connect(int(served.rest.rpartition(":")[2])) as client:
            client.sendall("\r\n".join([*lines, "", GRANT]).encode())
        line = log.get(timeout=20)

    assert vars(line)["status"] >= 400


def test_when_the_records_do_not_answer_no_token_is_granted(
    shared: World, served: Served, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(type(shared.exchange.tokens), "grant", fail)

    answer = ask(served, auth=basic(account))

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_new_secret_ends_the_old_one_and_its_tokens(served: Served, shared: World) -> None:
    account = shared.account()
    caller = served.caller(account)
    secret = shared.exchange.administration.rotate_secret(SYSTEM, account.name)

    assert caller.get("/files").status_code == 401
    assert ask(served, auth=basic(account)).status_code == 400
    assert ask(served, auth=(account.name, secret)).status_code == 200


def test_a_secret_that_somebody_chose_works_too(served: Served, shared: World) -> None:
    account = shared.account()
    chosen = "correct: horse é battery"
    shared.exchange.administration.choose_secret(SYSTEM, account.name, chosen)

    answer = ask(served, auth=(account.name.encode(), chosen.encode()))

    assert answer.status_code == 200


def test_too_many_grants_are_told_when_to_come_again(sqlite_world: World) -> None:
    account = sqlite_world.account()
    with sqlite_world.serving() as served, requests.Session() as session:
        session.auth = basic(account)
        for _ in range(200):
            answer = session.post(f"{served.rest}{PATH}?{GRANT}", timeout=20)
            if answer.status_code != 200:
                break

    assert answer.status_code == 429
    assert answer.json()["error"] == "slow_down"
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post_grants(served: Served, account: Account, method: str) -> None:
    answer = ask(served, method=method, auth=basic(account))

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/fip/", "/fip/rest/ews/oauth2", PATH + "/", PATH.upper(), "/fip/../files"]
)
def test_any_other_path_of_the_token_host_is_forbidden(served: Served, path: str) -> None:
    port = int(served.rest.rpartition(":")[2])
    request = f"POST {path}?{GRANT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    answer = answers_to(port, request.encode() + b"Content-Length: 0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("place", ["query", "form"])
def test_credentials_outside_the_header_are_not_read(
    served: Served, account: Account, place: str
) -> None:
    fields = f"{GRANT}&client_id={account.name}&client_secret={account.secret}"
    query, form = (fields, None) if place == "query" else ("", fields)
    answer = ask(served, query, data=form, headers=FORM)

    assert answer.status_code == 400
    assert answer.json()["error_message"] == "Client credentials is required"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (b"grant_type=\xff", "form: cannot be read"),
        (b"a=" + b"x" * 20_000, "body: longer than 16384 bytes"),
        (b"&".join(b"a=1" for _ in range(60)), "form: cannot be read"),
    ],
)
def test_a_form_that_is_none_is_refused(
    served: Served, account: Account, form: bytes, text: str
) -> None:
    answer = ask(served, "", auth=basic(account), data=form, headers=FORM)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_message"].startswith(text)
