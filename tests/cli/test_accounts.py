"""login, logout, whoami; and where secrets come from."""

from __future__ import annotations

import json
import os
import pty
import sys
from pathlib import Path

import pytest
from cli.shell import COMMAND, Shell, until
from world import Served, World

from transom.client.cli import config, secrets
from transom.client.errors import NotSignedIn


def test_a_login_with_a_keyring_keeps_the_secret_there_and_nowhere_else(
    shell: Shell, shared: World, served: Served
) -> None:
    keyring = shell.with_keyring()
    account = shared.account("0001", "both", "app1")
    login = shell.process(
        "login", served.rest, "--user", account.name, "--password-file", "-", typed=account.secret
    )
    assert login.code == 0, login.err
    assert login.out == f'\u2713 Signed in as {account.name}, profile "default".\n'
    assert account.secret not in shell.config.read_text()
    assert json.loads(keyring.read_text()) == {
        f"transom {served.rest} {account.name}": account.secret
    }
    whoami = shell.process("whoami", "--json")
    assert whoami.document == {
        "profile": "default",
        "user": account.name,
        "org": "0001",
        "server": served.rest,
        "environment": "local",
        "places": ["0001"],
    }
    assert "is gone from the keyring" in shell.process("logout").out
    assert json.loads(keyring.read_text()) == {}
    assert "was not in the keyring" in shell.process("logout").out
    again = shell.process("whoami")
    assert again.code == 4
    assert "Try: transom login" in again.err
    assert shell.process("profile", "remove", "default", "-y").code == 0


def test_a_demo_s_ready_file_has_all_that_a_login_asks(
    shell: Shell, shared: World, served: Served, tmp_path: Path
) -> None:
    first, second = shared.account("0001"), shared.account("0002")
    ready = tmp_path / "ready.json"
    told = {
        "rest": served.rest,
        "ca": None,
        "accounts": [
            {"user": each.name, "password": each.secret, "org": org}
            for each, org in ((first, "0001"), (second, "0002"))
        ],
    }
    ready.write_text(json.dumps(told))

    login = shell.process("login", "--ready-file", str(ready))
    other = shell("login", "--ready-file", str(ready), "--user", second.name, "--profile", "two")

    assert login.out == f'\u2713 Signed in as {first.name}, profile "demo".\n'
    assert f"stays in {ready}" in login.err
    assert first.secret not in shell.config.read_text()
    whoami = shell("whoami", "--json").document
    assert (whoami["user"], whoami["org"], whoami["environment"]) == (first.name, "0001", "demo")
    assert other.code == 0
    assert shell("whoami", "--json", "--profile", "two").document["user"] == second.name
    assert "stays there" in shell("logout").out
    assert "--ready-file exclude" in shell("login", "URL", "--ready-file", str(ready)).err
    unknown = shell("login", "--ready-file", str(ready), "--user", "nobody")
    assert (unknown.code, first.name in unknown.err) == (4, True)
    ready.write_text("{}")
    assert "is no ready file" in shell("whoami").err
    ready.unlink()
    assert "Does the demo run" in shell("whoami").err


def test_a_profile_pointed_elsewhere_finds_no_secret_to_send_there(
    shell: Shell, shared: World, served: Served
) -> None:
    shell.with_keyring()
    account = shared.account("0001", "both", "app1")
    arguments = ("--user", account.name, "--password-file", "-")
    assert shell.process("login", served.rest, *arguments, typed=account.secret).code == 0
    shell.set(TRANSOM_URL=served.s3)
    ended = shell.process("whoami", "--json")
    assert ended.error["code"] == "no_secret"


def test_without_a_keyring_a_login_says_the_other_ways(
    shell: Shell, shared: World, served: Served
) -> None:
    account = shared.account("0001", "both", "app1")
    login = shell.process(
        "login", served.rest, "--user", account.name, "--password-file", "-", typed=account.secret
    )
    assert login.code == 0
    assert "Warning: The keyring of this machine cannot be used" in login.err
    assert "TRANSOM_PASSWORD" in login.err
    assert 'secret = "env"' in shell.config.read_text()
    assert shell.process("whoami").code == 4
    shell.set(TRANSOM_PASSWORD=account.secret)
    assert shell.process("whoami").code == 0
    assert "TRANSOM_PASSWORD: nothing is kept" in shell("logout", "--json").document["message"]


def test_a_password_file_stays_where_it_is(shell: Shell, shared: World, served: Served) -> None:
    account = shared.account("0001", "both", "app1")
    file = shell.write("pw", account.secret + "\n")
    file.chmod(0o644)
    arguments = ("login", served.rest, "--user", account.name, "--password-file", "pw", "--json")
    refused = shell(*arguments)
    assert refused.code == 4
    assert "chmod 600" in refused.error["detail"]
    file.chmod(0o600)
    assert shell(*arguments, "--profile", "ci").document["secret"] == f"file:{file}"
    shell.set(TRANSOM_PROFILE="ci")
    assert account.name in shell("whoami").out
    assert "delete that file" in shell("logout").out


def test_a_login_from_the_environment_writes_no_secret(firm: Shell) -> None:
    assert firm("login").code == 0
    assert 'secret = "env"' in firm.config.read_text()


def test_wrong_credentials_are_not_kept(shell: Shell, served: Served) -> None:
    shell.set(TRANSOM_PASSWORD="wrong")
    ended = shell("login", served.rest, "--user", "0001ftp99", "--json")
    assert (ended.code, ended.error["exitCode"]) == (4, 4)
    assert not shell.config.exists()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((), "--preset"),
        (("https://filex.example",), "--user"),
        (("https://filex.example", "--user", "u"), "--password-file"),
    ],
)
def test_a_question_without_a_terminal_names_the_option(
    shell: Shell, arguments: tuple[str, ...], option: str
) -> None:
    ended = shell("login", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert option in ended.err


def test_a_url_and_a_preset_exclude_each_other(shell: Shell) -> None:
    assert shell("login", "https://a.example", "--preset", "finra").code == 2
    assert shell("login", "--preset", "moon").code == 2


def test_at_a_terminal_what_is_missing_is_asked_and_the_password_is_not_echoed(
    shell: Shell, shared: World, served: Served
) -> None:
    account = shared.account("0001", "both", "app1")
    assert not shell.config.exists()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*COMMAND, "login"])  # noqa: S606
    said = bytearray()

    def read(what: bytes) -> bool:
        try:
            said.extend(os.read(terminal, 4096))
        except OSError:  # the other end is closed
            return True
        return what in said

    for question, answer in (
        (b"Server (URL): ", served.rest),
        (b"User name: ", account.name),
        (b"Password of ", account.secret),
    ):
        until(lambda question=question: read(question))
        os.write(terminal, f"{answer}\n".encode())
    until(lambda: read(b"Next: transom ls"))
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert account.secret.encode() not in said


def test_a_ready_token_needs_no_user_name(shell: Shell, shared: World, served: Served) -> None:
    caller = served.caller(shared.account("0001", "both", "app1"))
    shell.set(TRANSOM_URL=served.rest, TRANSOM_TOKEN=caller.token)
    assert shell("ls", "0001/app1").code == 0
    shell.set(TRANSOM_TOKEN="expired")
    assert shell("ls", "0001/app1").code == 4


def test_no_server_and_no_user_are_told_apart(shell: Shell) -> None:
    assert shell("ls").code == 2
    shell.set(TRANSOM_URL="http://127.0.0.1:1")
    ended = shell("ls")
    assert ended.code == 4
    assert "TRANSOM_USER" in ended.err


def test_a_root_that_is_not_there_is_wrong_use(firm: Shell) -> None:
    firm.set(TRANSOM_CA_FILE="missing.pem", TRANSOM_TIMEOUT_SECONDS="20")
    ended = firm("ls")
    assert ended.code == 2
    assert "TRANSOM_CA_FILE" in ended.err


@pytest.mark.parametrize("secret", ["nowhere", "file:", "file:missing"])
def test_a_profile_that_names_no_place_for_its_secret(shell: Shell, secret: str) -> None:
    shell("profile", "set", "p", "url", "http://127.0.0.1:1")
    shell("profile", "set", "p", "user", "u")
    shell("profile", "set", "p", "secret", secret)
    assert shell("ls").code in {2, 4}


def test_an_empty_password_file_holds_no_secret(shell: Shell) -> None:
    shell.write("pw", "\n").chmod(0o600)
    with pytest.raises(NotSignedIn, match="no password"):
        secrets.from_file(shell.home / "pw")


def test_a_secret_does_not_show_itself() -> None:
    assert "hunter2" not in repr(secrets.Secret("hunter2", "prompt"))


def test_no_secret_shows_in_verbose(firm: Shell) -> None:
    ended = firm("ls", "-v")
    assert "secret from TRANSOM_PASSWORD" in ended.err
    assert os.environ["TRANSOM_PASSWORD"] not in ended.err + ended.out


def test_the_configuration_is_found_on_windows_and_elsewhere(
    monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    assert config.path({}) == shell.home / ".config" / "transom" / "config.toml"
    monkeypatch.setattr(sys, "platform", "win32")
    found = config.path({"APPDATA": str(shell.home / "roaming")})
    assert found == shell.home / "roaming" / "transom" / "config.toml"


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_log_names_requests_and_no_secret(
    shell: Shell, shared: World, served: Served, level: str
) -> None:
    account = shared.account("0001", "both", "app1")
    shell.sign_in(served.rest, account.name, account.secret)
    shell.write("a.csv")
    shell.set(TRANSOM_LOG=level)

    ended = shell.process("put", "a.csv", "0001/app1/in")

    assert ended.code == 0, ended.err
    assert "PUT" in ended.err
    assert f"{served.rest}/files/0001/app1/in/a.csv" in ended.err
    for secret in (account.secret, "Bearer", "Basic", "X-Amz-Signature"):
        assert secret not in ended.err


def test_a_log_goes_into_a_file_where_one_is_named(
    shell: Shell, shared: World, served: Served, tmp_path: Path
) -> None:
    account = shared.account("0001", "both", "app1")
    shell.sign_in(served.rest, account.name, account.secret)
    shell.set(TRANSOM_LOG=str(tmp_path / "log"))
    assert shell.process("whoami").code == 0
    assert "GET" in (tmp_path / "log").read_text()

    shell.set(TRANSOM_LOG=str(tmp_path / "no" / "such" / "log"))
    ended = shell.process("whoami")
    assert (ended.code, "TRANSOM_LOG" in ended.err) == (2, True)
