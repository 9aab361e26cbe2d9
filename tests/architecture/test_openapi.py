"""The API's own description agrees with its routes, its names, and what it answers."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from architecture.openapi import METHODS, components, operations, references
from world import Account, Caller, Served, World, made, tracking_id

from transom.domain.errors import BadName
from transom.domain.names import UPLOAD_NAME_BYTES, parse_file_name, parse_sub_space
from transom.domain.submission import AccessMethod, State
from transom.frontends.rest import routes

EXAMPLES = {"org": "0001", "application": "app1", "subSpace": "out", "file": "file1.zip"}
SECONDS = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("openapi")
    with made(directory / "world", f"sqlite:///{directory / 'transom.db'}") as world:
        world.processor("app1").publish("0001/app1/out/file1.zip")
        yield world


@pytest.fixture(scope="module")
def account(world: World) -> Account:
    return world.account("0001", "both", "app1")


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    with world.serving() as served:
        yield served


@pytest.fixture(scope="module")
def caller(served: Served, account: Account) -> Caller:
    return served.caller(account)


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    return requests.get(f"{served.rest}/openapi.json", timeout=20).json()


def test_every_component_is_there_and_used(document: Any) -> None:
    assert set(references(document)) == components(document)


def test_every_operation_is_told_in_words(document: Any) -> None:
    found = [operation for *_, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    assert len({operation["operationId"] for operation in found}) == len(found)
    for operation in found:
        assert operation["summary"]
        assert operation["description"].endswith(".")
        assert set(operation["tags"]) <= tags
        assert {"200", "500"} <= set(operation["responses"])


def test_every_documented_operation_is_there_and_no_other(document: Any, caller: Caller) -> None:
    documented: dict[str, set[str]] = {}
    for path, method, _ in operations(document):
        documented.setdefault(path.format(**EXAMPLES), set()).add(method)

    for path, methods in documented.items():
        for method in METHODS:
            answer = caller.ask(method, path)
            if method in methods:
                assert answer.status_code not in (403, 405), (method, path)
            elif method == "PUT" and path.startswith("/files"):
                assert answer.status_code == 403, path  # a level where nothing can be put
            else:
                assert answer.status_code == 405, (method, path)
                assert set(answer.headers["Allow"].split(", ")) == methods


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/file", "/files.json", "/tracking/x", "/health/live", "/openapi.yaml"),
        *("/.well-known", "/.well-known/openid-configuration", "/files/0001/app1/out/a/b"),
        *("/fip/rest", "/api/v1/handoff", "/admin", "/docs"),
    ],
)
def test_no_other_path_is_a_resource(caller: Caller, path: str) -> None:
    assert caller.get(path).status_code == 403


def test_the_words_are_those_of_the_domain(document: Any) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["State"]["enum"] == [str(state) for state in State]
    methods = schemas["Submission"]["properties"]["accessMethod"]["enum"]
    assert methods == [str(method) for method in AccessMethod]


def test_the_parameters_of_tracking_are_those_that_are_read(document: Any) -> None:
    parameters = document["components"]["parameters"]
    named = {
        parameters[each["$ref"].rpartition("/")[2]]["name"]
        for each in document["paths"]["/tracking"]["get"]["parameters"]
    }

    assert named == routes._QUERY_NAMES


@pytest.mark.parametrize(
    ("parameter", "parse"), [("file", parse_file_name), ("subSpace", parse_sub_space)]
)
def test_the_documented_names_are_those_that_are_taken(
    document: Any, parameter: str, parse: Any
) -> None:
    pattern = re.compile(document["components"]["parameters"][parameter]["schema"]["pattern"])
    candidates = [*map(chr, range(0x180)), "a.", ".a", ".", "..", "a" * 59, "a" * 60, "A_1", ""]
    candidates += [start + end for start in ("", "in", "a" * 59) for end in ("_arcv", "_arvcv")]
    for candidate in candidates:
        try:
            parse(candidate)
        except BadName:
            assert not pattern.fullmatch(candidate), candidate
        else:
            assert pattern.fullmatch(candidate), candidate


def test_the_documented_length_of_a_name_is_the_limit(document: Any) -> None:
    schema = document["components"]["parameters"]["uploadName"]["schema"]

    assert schema["maxLength"] == UPLOAD_NAME_BYTES


CONFIG = """
[auth.openapi.bearer]
bearer = "{token}"

[auth.openapi.basic]
username = "{name}"
password = "{secret}"

[[operations]]
include-operation-id = "track"
# Nobody makes up a good cursor; that a bad one is refused is told in test_tracking.py.
parameters = {{ cursor = "{cursor}" }}

[[operations]]
include-operation-id = "grantToken"
# Bad credentials are 400 here (guide 5.2). The grant type may stand in the query or in the form,
# which the document can only say in words.
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]
checks.missing_required_header.enabled = false
checks.ignored_auth.enabled = false
"""


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.drill)])
@pytest.mark.parametrize("who", ["the account", "nobody"])
def test_schemathesis_finds_nothing(
    served: Served, account: Account, caller: Caller, tmp_path: Path, who: str, examples: int
) -> None:
    is_known = who == "the account"
    cursor = base64.urlsafe_b64encode(f"2026-11-20T20:36:10+00:00/{tracking_id()}".encode())
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        CONFIG.format(
            token=caller.token if is_known else "wrong",
            name=account.name,
            secret=account.secret if is_known else "wrong",
            cursor=cursor.decode().rstrip("="),
        )
    )
    found = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", config, "run", f"{served.rest}/openapi.json"),
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
