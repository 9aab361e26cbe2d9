"""s3-credentials and s3-config: keys as S3 tools take them, and a profile that renews them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from cli.shell import Shell
from cli.stub_server import Stub, serving
from world import World

from transom.client.cli import s3_keys
from transom.client.errors import ServerFault

GOLDEN = Path(__file__).with_name("golden")
KEYS = {
    "accessKeyId": "ASIAMFRGGZDFMZTWQ2LK",
    "secretAccessKey": "+YkWP7X8Q8b4yL7ZCjsTGgIKERdPtglG1sVG5BY0",
    "sessionToken": "FQoGZXIvYXdzEP//////////wEaDPw1H/sNtSay9UJRGyLPBdgFy6ydYz1Tha==",
    "expiration": "2019-03-22T22:13:46.000Z",
}
ANSWER = {
    "region": "us-east-1",
    "sessionName": "username@373a8cb3-8c38-40cd-a1ed-eaff73319d3a",
    "readPaths": ["bucket-filex/0001/app1/out/", "bucket-filex/0001/app1/in_arcv/"],
    "writePaths": ["bucket-filex/0001/app1/in/"],
    "credentials": KEYS,
    "endpoint": "https://s3.filex.example",
    "bucket": "bucket-filex",
    "forcePathStyle": True,
}
ABOUT = {
    "endpoint": "https://s3.filex.example",
    "region": "us-east-1",
    "bucket": "bucket-filex",
    "forcePathStyle": True,
}


@pytest.fixture
def stub(shell: Shell) -> Iterator[Stub]:
    """A server that answers the guide's sample, and who is signed in there."""
    found = Stub()
    found.about = {"s3": ABOUT}
    found.transfer_token = (200, ANSWER)
    with serving(found):
        shell.sign_in(found.url, "0001ftp01", "secret")
        yield found


def golden(name: str, text: str) -> None:
    assert text == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize("format_", ["env", "json", "credential_process"])
def test_keys_are_printed_as_s3_tools_take_them(shell: Shell, format_: str) -> None:
    printed = shell("s3-credentials", "0001/app1", "--format", format_)

    assert (printed.code, printed.err) == (0, "")
    golden(f"s3-credentials-{format_}", printed.out)


@pytest.mark.usefixtures("stub")
def test_without_a_format_a_shell_gets_lines_and_a_machine_a_document(shell: Shell) -> None:
    golden("s3-credentials-env", shell("s3-credentials", "app1").out)
    assert shell("s3-credentials", "app1", "--json").document == ANSWER


@pytest.mark.usefixtures("stub")
def test_a_shell_takes_the_lines_as_they_are(shell: Shell) -> None:
    lines = shell("s3-credentials", "app1").out
    show = (
        f"{shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )

    done = subprocess.run(
        ["/bin/sh"], input=f"{lines}\n{show}", capture_output=True, text=True, check=True
    )

    seen = json.loads(done.stdout)
    assert seen["AWS_SECRET_ACCESS_KEY"] == KEYS["secretAccessKey"]
    assert seen["AWS_SESSION_TOKEN"] == KEYS["sessionToken"]
    assert seen["AWS_ENDPOINT_URL_S3"] == ANSWER["endpoint"]


def test_finras_own_answer_has_no_endpoint_and_none_is_made_up(shell: Shell, stub: Stub) -> None:
    stub.transfer_token = 200, {k: v for k, v in ANSWER.items() if k not in ABOUT or k == "region"}

    printed = shell("s3-credentials", "app1")

    assert printed.code == 0
    assert "ENDPOINT" not in printed.out


def test_keys_that_stand_beside_the_rest_are_found_too(shell: Shell, stub: Stub) -> None:
    flat = {name: value for name, value in ANSWER.items() if name != "credentials"}
    stub.transfer_token = 200, flat | KEYS

    golden(
        "s3-credentials-credential_process",
        shell("s3-credentials", "app1", "--format", "credential_process").out,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer | {"credentials": KEYS | {"secretAccessKey": "x'; rm -rf ~ #"}},
        lambda answer: answer | {"credentials": KEYS | {"sessionToken": "a\nexport PATH=b"}},
        lambda answer: answer | {"credentials": KEYS | {"expiration": "soon"}},
        lambda answer: answer | {"credentials": None},
        lambda answer: answer | {"endpoint": "https://a b"},
        lambda answer: answer | {"region": None},
        lambda answer: [answer],
    ],
)
def test_an_answer_that_is_more_than_keys_is_not_printed(
    shell: Shell, stub: Stub, change: Callable[[Any], Any]
) -> None:
    stub.transfer_token = 200, change(ANSWER)

    printed = shell("s3-credentials", "app1")

    assert (printed.code, printed.out) == (1, "")
    assert "transfer token cannot be read" in printed.err


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(
    "arguments",
    [[], ["app1", "--format", "yaml"], ["0001/app1/in"], ["0001"], ["0001/a b"]],
)
def test_wrong_use_is_told(shell: Shell, arguments: list[str]) -> None:
    assert shell("s3-credentials", *arguments).code == 2


def test_a_place_that_is_not_ours_is_refused(shell: Shell, stub: Stub) -> None:
    refusal = {"error": "insufficient_scope", "error_message": "There is nothing there."}
    stub.transfer_token = 401, refusal, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}

    assert shell("s3-credentials", "app1").code == 5


# --- the profile --------------------------------------------------------------------------------


@pytest.mark.usefixtures("stub")
def test_the_profile_names_the_endpoint_and_the_command_that_gives_keys(shell: Shell) -> None:
    printed = shell("s3-config", "0001/app1")

    assert (printed.code, printed.err) == (0, "")
    golden("s3-config", printed.out)
    told = shell("s3-config", "app1", "--json").document
    assert told["settings"] == printed.out
    assert told["profile"] == "transom-server-app1"


def test_a_named_profile_is_named_to_the_command_too(shell: Shell) -> None:
    shell.set(TRANSOM_USER="1234ftp12", TRANSOM_PASSWORD="x", TRANSOM_ORG="1234")
    shell("profile", "set", "ct", "preset", "finra-ct")

    printed = shell("s3-config", "focus", "--profile", "ct").out

    assert "[profile transom-ct-focus]" in printed
    assert (
        "s3-credentials 1234/focus --format credential_process --no-input --profile ct\n" in printed
    )
    assert "endpoint_url" not in printed


@pytest.mark.usefixtures("stub")
def test_the_profile_is_written_in_place_of_its_own_and_of_nothing_else(
    shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "aws" / "config"
    shell.set(AWS_CONFIG_FILE=str(file))

    first = shell("s3-config", "app1", "--write")
    assert (first.code, first.out) == (0, "")
    assert f"transom-server-app1 is in {file}" in first.err
    alone = file.read_text()
    assert alone == shell("s3-config", "app1").out.partition("\n")[2]

    file.write_text(
        "[default]\nregion = x\n\n[profile transom-server-app1]\nregion = old\n# mine\nb = c\n\n"
        "# kept\n[profile transom-server-app10]\nregion = y\n"
    )
    assert shell("s3-config", "app1", "--write").code == 0
    assert file.read_text() == (
        "[default]\nregion = x\n\n# kept\n[profile transom-server-app10]\nregion = y\n\n" + alone
    )


def test_a_server_without_s3_is_told(shell: Shell, stub: Stub) -> None:
    stub.about = {"s3": None}
    assert shell("s3-config", "app1").code == 3

    stub.about = None
    assert "endpoint_url" not in shell("s3-config", "app1").out


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://a\ncredential_process = evil"},
        {"endpoint": "ftp://a"},
        {"endpoint": None},
        {"region": "us east"},
        {"bucket": "a\n[profile b]"},
        {"bucket": 7},
    ],
)
def test_what_a_server_tells_cannot_be_more_than_an_address_and_two_names(change: Any) -> None:
    with pytest.raises(ServerFault):
        s3_keys._read(ABOUT | change)


def test_an_s3_tool_gets_its_keys_through_the_profile(
    firm: Shell, shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.clock.jump(datetime.now(UTC) - shared.clock.wall())  # the tool looks at the time, too
    config = firm.write("aws/config", firm("s3-config", "0001/app1").out)
    here = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", here + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    session = Session(profile="transom-server-app1")
    keys = session.get_credentials().get_frozen_credentials()

    assert keys.access_key.startswith("ASIA")
    assert len(keys.token) > 200
    client = session.create_client("s3")
    assert (
        client.meta.endpoint_url == json.loads(firm("s3-config", "app1", "--json").out)["endpoint"]
    )
    assert client.meta.config.s3["addressing_style"] == "path"
