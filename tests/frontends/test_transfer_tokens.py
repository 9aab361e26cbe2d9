"""GET /S3TransferTokens in the guide's exact shape (6.1), in JSON and in XML."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from world import Account, Caller, Served, World, xml

from transom.core.retention import SYSTEM
from transom.domain.names import OrgId

PATH = "/S3TransferTokens/0001/app1"
GUIDE = [
    *("region", "sessionName", "readPaths", "writePaths", "credentials"),
    *("accessKeyId", "secretAccessKey", "sessionToken", "expiration"),
]


@pytest.fixture(scope="module")
def account(shared: World) -> Account:
    return shared.account("0001", "both", "app1")


@pytest.fixture(scope="module")
def caller(account: Account, served: Served) -> Caller:
    return served.caller(account)


def test_the_answer_has_the_fields_of_the_guide_s_sample_in_their_order(
    caller: Caller, account: Account, served: Served, shared: World
) -> None:
    answer = caller.get(PATH)

    found: dict[str, Any] = answer.json()
    credentials = found["credentials"]
    assert [*found, *credentials] == [
        *GUIDE[:5],
        "endpoint",
        "bucket",
        "forcePathStyle",
        *GUIDE[5:],
    ]
    assert found["region"] == "us-east-1"
    assert re.fullmatch(
        rf"{account.name}@[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}", found["sessionName"]
    )
    assert found["readPaths"] == ["bucket-filex/0001/app1/in_arcv/", "bucket-filex/0001/app1/out/"]
    assert found["writePaths"] == ["bucket-filex/0001/app1/in/"]
    assert (found["endpoint"], found["bucket"], found["forcePathStyle"]) == (
        served.s3,
        "bucket-filex",
        True,
    )
    assert re.fullmatch(r"ASIA[A-Z0-9]{16}", credentials["accessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", credentials["secretAccessKey"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", credentials["expiration"])
    ends = datetime.fromisoformat(credentials["expiration"])
    assert timedelta(minutes=59) < ends - shared.clock.wall() <= timedelta(hours=1)
    assert answer.headers["cache-control"] == "no-store"


def test_the_answer_is_there_in_xml_too(caller: Caller) -> None:
    answer = caller.get(PATH, headers={"Accept": "application/xml"})

    document = xml(answer)
    assert document.tag == "transferToken"
    assert [each.text for each in document.findall("writePaths")] == ["bucket-filex/0001/app1/in/"]
    assert str(document.findtext("credentials/accessKeyId")).startswith("ASIA")


@pytest.mark.parametrize(
    "path",
    ["/S3TransferTokens/0001/app2", "/S3TransferTokens/0002/app1", "/S3TransferTokens/1/nope"],
)
def test_a_place_that_is_not_the_account_s_is_401_whether_it_is_there_or_not(
    caller: Caller, path: str
) -> None:
    answer = caller.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert answer.json()["error"] == "insufficient_scope"


def test_who_has_no_token_gets_no_keys(served: Served) -> None:
    answer = Caller(served, "wrong").get(PATH)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/S3TransferTokens", 403),
        ("/S3TransferTokens/0001", 403),
        ("/S3TransferTokens/0001/app1/in", 403),
        ("/s3transfertokens/0001/app1", 403),
        ("/S3TransferTokens/0001/a%2Fb", 400),
        ("/S3TransferTokens/x/app1", 400),
    ],
)
def test_other_paths_are_no_resource_or_no_name(caller: Caller, path: str, status: int) -> None:
    assert caller.get(path).status_code == status


def test_only_get_is_allowed(caller: Caller) -> None:
    answer = caller.ask("POST", PATH)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_who_asks_too_often_is_told_when_to_come_back(shared: World, served: Served) -> None:
    account = shared.account("0001", "submit", "app1")
    caller = served.caller(account)
    grant = shared.exchange.transfer_tokens.grant
    for _ in range(120):
        grant(account.actor, OrgId("0001"), "app1")

    answers = [caller.get(PATH) for _ in range(3)]

    assert 429 in {answer.status_code for answer in answers}
    assert all(
        answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 429
    )


def test_nothing_of_the_keys_is_in_the_audit_record(shared: World, caller: Caller) -> None:
    credentials = caller.get(PATH).json()["credentials"]

    written = str([tuple(each) for each in shared.audited("transfer_token.granted")])

    assert not any(credentials[each] in written for each in ("secretAccessKey", "sessionToken"))


def test_a_stopped_account_gets_no_more_keys(shared: World, served: Served) -> None:
    account = shared.account("0001", "both", "app1")
    caller = served.caller(account)
    assert caller.get(PATH).status_code == 200

    shared.exchange.administration.set_account_active(SYSTEM, account.name, active=False)

    assert caller.get(PATH).status_code == 401
