"""The gateway's own description agrees with its routes, its names and limits, and its answers."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from architecture.openapi import METHODS, components, operations, references
from schemathesis.schemas import BaseSchema
from world import Account, Caller, Processor, Served, World, made, tracking_id

from transom.core.handoff import LONGEST_LEASE, MAX_CLAIM
from transom.core.publishing import MAX_ORGS
from transom.domain.errors import BadName
from transom.domain.names import (
    UPLOAD_NAME_BYTES,
    parse_application,
    parse_org,
    parse_sub_space,
    parse_upload_name,
)
from transom.domain.submission import OUTCOMES, AccessMethod, State
from transom.frontends.gateway import routes, wire

HERE = "/api/v1/handoff"
DAY = LONGEST_LEASE.total_seconds()
SECONDS = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("openapi")
    with made(directory / "world", f"sqlite:///{directory / 'transom.db'}") as world:
        yield world


@pytest.fixture(scope="module")
def firm(world: World) -> Account:
    return world.account("0001", "both", "app1")


@pytest.fixture(scope="module")
def processor(world: World) -> Processor:
    return world.processor("app1")


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    world.program.drain()  # nobody waits, whatever waitSeconds says: a claim answers at once
    with world.serving() as served:
        yield served


@pytest.fixture(scope="module")
def caller(served: Served, processor: Processor) -> Caller:
    return served.caller(processor.account)


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    return requests.get(f"{served.rest}{HERE}/openapi.json", timeout=20).json()


@pytest.fixture(scope="module")
def described(document: Any) -> BaseSchema:
    return schemathesis.openapi.from_dict(document)


# --- what it says --------------------------------------------------------------------------------


def test_every_component_is_there_and_used(document: Any) -> None:
    assert set(references(document)) == components(document)


def test_every_operation_is_told_in_words(document: Any) -> None:
    found = [operation for *_, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    assert [operation["operationId"] for operation in found] == [
        *("claim", "owed", "content", "heartbeat", "acknowledge", "report", "release"),
        *("publish", "describeGateway"),
    ]
    for operation in found:
        assert operation["summary"]
        assert operation["description"].endswith(".")
        assert set(operation["tags"]) <= tags
        assert {"200", "405", "500"} <= set(operation["responses"])


def test_it_is_public_and_nothing_else_is(document: Any) -> None:
    public = [
        each["operationId"] for *_, each in operations(document) if each.get("security") == []
    ]

    assert document["security"] == [{"bearer": []}]
    assert public == ["describeGateway"]


def test_it_has_the_address_that_it_has_here(document: Any, served: Served) -> None:
    about = requests.get(f"{served.rest}/.well-known/transom", timeout=20).json()

    assert document["servers"] == [{"url": served.rest}]
    assert about["handoff"] == served.rest + HERE
    assert all(path.startswith(f"{HERE}/") for path in document["paths"])


def test_every_documented_operation_is_there_and_no_other(document: Any, caller: Caller) -> None:
    examples = {
        each["name"]: each["example"]
        for each in document["components"]["parameters"].values()
        if each["in"] == "path"
    }
    documented: dict[str, set[str]] = {}
    for path, method, _ in operations(document):
        documented.setdefault(path.format(**examples), set()).add(method)

    for path, methods in documented.items():
        for method in METHODS:
            answer = caller.ask(method, path)
            if method in methods:
                assert answer.status_code not in (403, 405), (method, path)
            else:
                assert answer.status_code == 405, (method, path)
                assert set(answer.headers["Allow"].split(", ")) == methods


def test_every_verb_of_the_routes_is_documented(document: Any) -> None:
    head = f"{HERE}/submissions/{{trackingId}}/"
    documented = {path.removeprefix(head) for path in document["paths"] if path.startswith(head)}

    assert documented == {"content", *routes._VERBS}


# --- words, names and limits ---------------------------------------------------------------------


def test_the_words_are_those_of_the_domain(document: Any) -> None:
    schemas = document["components"]["schemas"]
    answered = [state for state in State if state in OUTCOMES]
    outcomes = [state.upper() for state in answered]

    assert set(schemas["Outcome"]["enum"]) == set(outcomes) == set(wire._OUTCOMES)
    assert schemas["State"]["enum"] == [State.RECEIVED, *answered]
    seen = schemas["Standing"]["properties"]["downstreamStatus"]["enum"]
    assert sorted(seen) == sorted(["RECEIVED", *outcomes])
    methods = schemas["HandedOff"]["properties"]["accessMethod"]["enum"]
    assert methods == [str(method) for method in AccessMethod]


@pytest.mark.parametrize(
    ("schema", "member", "limits"),
    [
        ("Claim", "limit", {"minimum": 1, "maximum": MAX_CLAIM, "default": routes._CLAIM}),
        ("Claim", "leaseSeconds", {"minimum": 1, "maximum": DAY, "default": routes._LEASE_SECONDS}),
        ("Claim", "waitSeconds", {"minimum": 0, "maximum": wire.MAX_WAIT, "default": 0}),
        ("Claim", "subSpaces", {"default": []}),
        ("Claim", "owed", {"default": False}),
        ("Heartbeat", "lease", {"minimum": 0, "maximum": 1 << 31}),
        (
            "Heartbeat",
            "leaseSeconds",
            {"minimum": 1, "maximum": DAY, "default": routes._LEASE_SECONDS},
        ),
        ("Acknowledgement", "lease", {"minimum": 0, "maximum": 1 << 31}),
        ("Report", "lease", {"minimum": 0, "maximum": 1 << 31}),
        ("Report", "acknowledge", {"default": False}),
        ("Report", "findings", {"maxItems": wire.MAX_FINDINGS, "default": []}),
        ("Finding", "record", {"maxLength": wire.MAX_NAME, "default": ""}),
        ("Finding", "field", {"maxLength": wire.MAX_NAME, "default": ""}),
        ("Finding", "code", {"maxLength": wire.MAX_NAME, "default": ""}),
        ("Finding", "text", {"maxLength": wire.MAX_TEXT}),
        ("Release", "lease", {"minimum": 0, "maximum": 1 << 31}),
        ("Release", "afterSeconds", {"minimum": 0, "maximum": DAY, "default": 0}),
        ("Leases", "leases", {"maxItems": MAX_CLAIM}),
        ("OwedPage", "owed", {"maxItems": MAX_CLAIM}),
        ("Published", "files", {"minItems": 1, "maxItems": MAX_ORGS}),
    ],
)
def test_the_documented_limits_of_members_are_those_of_the_code(
    document: Any, schema: str, member: str, limits: dict[str, Any]
) -> None:
    found = document["components"]["schemas"][schema]["properties"][member]

    assert limits_in(found) == limits


@pytest.mark.parametrize(
    ("parameter", "limits"),
    [
        ("limit", {"minimum": 1, "maximum": MAX_CLAIM, "default": MAX_CLAIM}),
        ("orgs", {"minItems": 1, "maxItems": MAX_ORGS}),
        ("uploadName", {"maxLength": UPLOAD_NAME_BYTES}),
    ],
)
def test_the_documented_limits_of_parameters_are_those_of_the_code(
    document: Any, parameter: str, limits: dict[str, Any]
) -> None:
    assert limits_in(document["components"]["parameters"][parameter]["schema"]) == limits


def limits_in(schema: Any) -> dict[str, Any]:
    named = ("minimum", "maximum", "minItems", "maxItems", "maxLength", "default")
    return {name: schema[name] for name in named if name in schema}


@pytest.mark.parametrize(
    ("parameter", "parse"),
    [
        ("application", parse_application),
        ("subSpace", parse_sub_space),
        ("uploadName", parse_upload_name),
        ("orgs", parse_org),
    ],
)
def test_the_documented_names_are_those_that_are_taken(
    document: Any, parameter: str, parse: Callable[[str], str]
) -> None:
    schema = document["components"]["parameters"][parameter]["schema"]
    pattern = re.compile(schema.get("items", schema)["pattern"])
    candidates = [*map(chr, range(0x180)), "a.", ".a", ".", "..", "A_1", "in_arcv", "", "0001"]
    candidates += [sign * length for sign in "a1" for length in (20, 21, 59, 60, 64, 65)]
    candidates += ["a" * 59 + end for end in ("_arcv", "_arvcv")]
    for candidate in candidates:
        try:
            parse(candidate)
        except BadName:
            assert not pattern.fullmatch(candidate), candidate
        else:
            assert pattern.fullmatch(candidate), candidate


# --- what the gateway answers --------------------------------------------------------------------


def test_every_answer_on_a_walk_has_the_documented_shape(
    sqlite_world: World, described: BaseSchema
) -> None:
    firm, processor = sqlite_world.account(), sqlite_world.processor()
    with sqlite_world.serving() as served:
        walk(described, served.caller(processor.account), firm)


def walk(described: BaseSchema, caller: Caller, firm: Account) -> None:
    paths = described.raw_schema["paths"]
    statuses: list[int] = []

    def ask(operation: str, path: str, **options: Any) -> Any:
        method, _, template = operation.partition(" ")
        answer = caller.ask(method, f"{HERE}/{path}", **options)
        described[f"{HERE}/{template}"][method].validate_response(answer)
        statuses.append(answer.status_code)
        return answer

    def example(verb: str) -> Any:
        post = paths[f"{HERE}/submissions/{{trackingId}}/{verb}"]["post"]
        return post["requestBody"]["content"]["application/json"]["example"]

    sent = firm.submit("0001/app1/in/walk.xml").tracking_id
    ask("POST {application}/claim", "app1/claim")
    for verb in ("heartbeat", "acknowledge", "heartbeat"):
        said = f"submissions/{sent}/{verb}"
        ask(f"POST submissions/{{trackingId}}/{verb}", said, json=example(verb))
    owed = ask("GET {application}/owed", "app1/owed?limit=1")
    content = f"submissions/{sent}/content"
    for asked in ({}, {"Range": "bytes=2-"}):
        ask("GET submissions/{trackingId}/content", content, headers=asked)
    for query in (f"org=0001&about={sent}", "org=0001&org=0002"):
        template = "PUT {application}/results/{subSpace}/{file}"
        ask(template, f"app1/results/out/walk.txt?{query}", data=b"result")
    for _ in range(2):
        said = f"submissions/{sent}/report"
        ask("POST submissions/{trackingId}/report", said, json=example("report"))
    returned = firm.submit("0001/app1/in/returned.xml").tracking_id
    ask("POST {application}/claim", "app1/claim")
    said = f"submissions/{returned}/release"
    ask("POST submissions/{trackingId}/release", said, json=example("release"))

    assert statuses == [*[200] * 6, 206, *[200] * 6]
    assert 'rel="next"' in owed.headers["Link"]
    assert owed.json()["owed"][0]["holder"]


def test_every_refusal_has_the_documented_shape(
    described: BaseSchema, caller: Caller, firm: Account
) -> None:
    sent = firm.submit("0001/app1/in/refused.xml").tracking_id
    publish = "PUT {application}/results/{subSpace}/{file}"
    content = "GET submissions/{trackingId}/content"
    nobody = Caller(caller.served, "wrong")
    stated = "sha-256=:" + base64.b64encode(bytes(32)).decode() + ":"
    cases: list[tuple[str, Caller, str, str, dict[str, Any]]] = [
        ("invalid_token", nobody, content, f"submissions/{sent}/content", {}),
        ("insufficient_scope", caller, "GET {application}/owed", "app2/owed", {}),
        ("bad_name", caller, publish, "app1/results/out/a%20b?org=0001", {}),
        ("bad_parameter", caller, publish, "app1/results/out/a", {}),
        (
            *("digest_mismatch", caller, publish, "app1/results/out/a?org=0001"),
            {"data": b"other", "headers": {"Repr-Digest": stated}},
        ),
        ("not_found", caller, publish, "app1/results/out/a?org=9999", {}),
        ("not_found", caller, content, f"submissions/{tracking_id()}/content", {}),
        (
            *("range_not_satisfiable", caller, content, f"submissions/{sent}/content"),
            {"headers": {"Range": "bytes=7000-"}},
        ),
        (
            *("wrong_state", caller, "POST submissions/{trackingId}/acknowledge"),
            *(f"submissions/{sent}/acknowledge", {"json": {"lease": 7}}),
        ),
        ("no_such_resource", caller, publish, "app1/results/out/?org=0001", {}),
    ]
    for code, who, operation, path, options in cases:
        method, _, template = operation.partition(" ")
        answer = who.ask(method, f"{HERE}/{path}", **options)
        described[f"{HERE}/{template}"][method].validate_response(answer)
        assert answer.json()["error"] == code, path


CONFIG = """
[auth.openapi.bearer]
bearer = "{token}"

[[operations]]
include-operation-id = "content"
# A range behind the end of this very file: the document can only say in words that it is 416.
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "416"]
"""


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=pytest.mark.drill)])
@pytest.mark.parametrize("who", ["the account", "nobody"])
def test_schemathesis_finds_nothing(  # noqa: PLR0917 - fixtures
    served: Served,
    document: Any,
    caller: Caller,
    queue: list[str],
    tmp_path: Path,
    who: str,
    examples: int,
) -> None:
    config, narrow = tmp_path / "schemathesis.toml", tmp_path / "openapi.json"
    config.write_text(CONFIG.format(token=caller.token if who == "the account" else "wrong"))
    narrow.write_text(json.dumps(narrowed(document, queue)))
    found = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", config, "run", narrow, "--url", served.rest),
            *("--generation-deterministic", "--max-examples", str(examples)),
            *("--continue-on-failure", "--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SECONDS * 10,
        check=False,
    )

    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]


@pytest.fixture
def queue(world: World, firm: Account, processor: Processor) -> list[str]:
    """Tracking ids of submissions that are held, owed, and waiting, in this order."""
    sent = [firm.submit("0001/app1/in/queued.xml").tracking_id for _ in range(6)]
    held = {lease.submission.tracking_id: lease for lease in processor.claim(limit=MAX_CLAIM)}
    for each in sent[3:]:
        world.exchange.handoff.acknowledge(processor.actor, each, held[each].fence)
    return [*sent, firm.submit("0001/app1/in/queued.xml").tracking_id]


def narrowed(document: Any, queue: list[str]) -> Any:
    """The document with what is there in place of all names: nobody guesses a tracking id.

    What is not there is refused, which stays within the document; what the patterns say is told
    above. Without it every answer would be a refusal.
    """
    copy = json.loads(json.dumps(document))
    parameters, schemas = (copy["components"][kind] for kind in ("parameters", "schemas"))
    at = base64.urlsafe_b64encode(f"2026-11-20T20:36:10+00:00/{queue[0]}".encode())
    parameters["application"]["schema"] = {"enum": ["app1"]}
    parameters["subSpace"]["schema"] = {"enum": ["out"]}
    parameters["orgs"]["schema"]["items"] = {"enum": ["0001", "0002"]}
    parameters["trackingId"] |= {"schema": {"enum": queue}, "example": queue[0]}
    parameters["cursor"]["schema"] = {"enum": [at.decode().rstrip("=")]}
    schemas["Claim"]["properties"]["subSpaces"]["items"] = {"enum": ["in"]}
    for verb in ("Heartbeat", "Acknowledgement", "Report", "Release"):
        schemas[verb]["properties"]["lease"] = {"enum": [1, 2]}
    return copy
