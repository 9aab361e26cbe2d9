"""How refusals look on the REST door: one body in JSON and XML, ids, and what a defect tells."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import requests
from world import Caller, Served, World, xml

from transom.domain.errors import ExchangeError, StorageFull, TooMany, Unavailable
from transom.frontends.encoding import Media
from transom.frontends.errors import Answerer, Support

XML = {"Accept": "application/xml"}


def test_an_error_says_code_text_request_and_whom_to_ask(caller: Caller) -> None:
    answer = caller.get("/files/0001/app1/out/none.txt")

    assert answer.status_code == 404
    error = answer.json()
    assert list(error) == ["error", "error_message", "requestId", "support"]
    assert error["error"] == "not_found"
    assert "0001/app1/out/none.txt" in error["error_message"]
    assert error["requestId"] == answer.headers["x-request-id"]
    assert UUID(error["requestId"])
    assert error["support"] == {"phone": "800-555-0100"}


def test_an_error_in_xml_says_the_same(caller: Caller) -> None:
    root = xml(caller.get("/files/0001/app1/out/none.txt", headers=XML))

    assert root.tag == "error"
    assert [each.tag for each in root] == ["error", "error_message", "requestId", "support"]
    assert root.findtext("error") == "not_found"
    assert root.findtext("support/phone") == "800-555-0100"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer \xe9",
        "Bearer " + "t" * 5000,
        "Basic bjpz",
        "bearer trt_wrong",
        "Bearer trt_a, Bearer trt_b",
        "AWS4-HMAC-SHA256 Credential=x",
    ],
)
@pytest.mark.parametrize(
    "path", ["/files", "/files/0001", "/files/9999/a/b/c", "/files/no such", "/tracking?id=x"]
)
def test_without_a_good_token_there_is_one_answer(
    served: Served, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = requests.get(served.rest + path, headers=headers, timeout=20)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["error"] == "invalid_token"


def test_the_scheme_of_a_token_has_no_case(caller: Caller) -> None:
    answer = caller.get("/files", headers={"Authorization": f"bEARER {caller.token}"})

    assert answer.status_code == 200


def test_every_request_has_an_id_of_its_own(caller: Caller) -> None:
    seen = {caller.get("/files").headers["x-request-id"] for _ in range(3)}

    assert len(seen) == 3


def test_a_client_cannot_choose_the_request_id(caller: Caller) -> None:
    answer = caller.get("/files", headers={"X-Request-Id": "mine"})

    assert answer.headers["x-request-id"] != "mine"


@pytest.mark.parametrize("door", ["rest", "s3"])
def test_a_defect_tells_its_id_and_nothing_more(
    shared: World,
    caller: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    door: str,
) -> None:
    url = caller.request_upload("0001/app1/in/defect.bin")["preSignedUrl"]

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    of = shared.exchange.browse if door == "rest" else shared.exchange.signed_urls
    monkeypatch.setattr(type(of), "root" if door == "rest" else "redeem", fail)
    with caplog.at_level(logging.ERROR):
        answer = caller.get("/files") if door == "rest" else requests.put(url, b"x", timeout=20)

    assert answer.status_code == 500
    assert "secret" not in answer.text
    (record,) = [each for each in caplog.records if each.getMessage() == "defect"]
    assert record.exc_info
    if door == "rest":
        assert answer.json()["error"] == "internal"
        assert answer.json()["requestId"] == answer.headers["x-request-id"]
        assert list(answer.json()) == list(caller.get("/files/9999").json())
    else:
        assert xml(answer).findtext("Code") == "InternalError"
        assert xml(answer).findtext("RequestId") == answer.headers["x-amz-request-id"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TooMany("calls", timedelta(milliseconds=1)), 429),
        (Unavailable("database"), 503),
        (StorageFull(), 507),
    ],
)
def test_who_may_come_again_is_told_when(error: ExchangeError, status: int) -> None:
    answer = Answerer().answer(error, Media.JSON, "id")

    assert answer.status_code == status
    assert int(answer.headers["Retry-After"]) >= 1


def test_support_shows_what_there_is() -> None:
    assert Support().fields() == {}
    assert Support("1", "2", "3").fields() == {"phone": "1", "url": "2", "mail": "3"}
    body: Any = Answerer(Support()).answer(StorageFull(), Media.JSON, "id").body
    assert b"support" not in body
