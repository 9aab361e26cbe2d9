"""The operator's commands: what they say, where they say it, and with which exit code they end."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from journeys.servers import once

from transom import __version__
from transom.core.sealing import Sealer
from transom.records.database import Database
from transom.server import cli
from transom.server.assemble import key_ring
from transom.server.settings import load, read_keys
from transom.server.tls import demo_authority

ROOT = Path(__file__).parents[2]
SECRET = "correct-horse-battery"
COMMANDS = (
    ["demo"],
    ["run"],
    ["check-settings"],
    ["version"],
    ["migrate"],
    ["migrate", "up"],
    ["migrate", "down"],
    ["migrate", "status"],
    ["catalogue"],
    ["catalogue", "load"],
    ["catalogue", "show"],
    ["catalogue", "guide"],
    ["admin"],
    ["admin", "org"],
    ["admin", "org", "add"],
    ["admin", "org", "list"],
    ["admin", "org", "show"],
    ["admin", "org", "disable"],
    ["admin", "org", "enable"],
    ["admin", "account"],
    ["admin", "account", "add"],
    ["admin", "account", "list"],
    ["admin", "account", "show"],
    ["admin", "account", "disable"],
    ["admin", "account", "enable"],
    ["admin", "account", "unlock"],
    ["admin", "account", "end"],
    ["admin", "account", "rotate-secret"],
    ["admin", "account", "allow-network"],
    ["admin", "entitlement"],
    ["admin", "entitlement", "add"],
    ["admin", "entitlement", "list"],
    ["admin", "entitlement", "end"],
    ["admin", "application"],
    ["admin", "application", "list"],
    ["admin", "application", "show"],
    ["admin", "catalogue"],
    ["admin", "catalogue", "load"],
    ["admin", "catalogue", "guide"],
    ["admin", "catalogue", "list"],
    ["admin", "catalogue", "show"],
    ["audit"],
    ["audit", "verify"],
    ["keys"],
    ["keys", "new"],
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["transom-server", *map(str, arguments)])
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level  # `run` sets them for its process
        with pytest.raises(SystemExit) as end:
            cli.main()
        root.handlers[:] = handlers
        root.setLevel(level)
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        assert "Traceback" not in said.err
        return Ended(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return settings_file(tmp_path, f"sqlite:///{tmp_path}/transom.db")


def settings_file(directory: Path, url: str, *more: str) -> Path:
    keys = directory / "keys"
    keys.write_text("k1:" + "ab" * 32 + "\n")
    keys.chmod(0o600)
    file = directory / "transom.toml"
    lines = (
        "[database]",
        f'url = "{url}"',
        *more,
        "[blobs]",
        f'root = "{directory}/files"',
        "[keys]",
        f'file = "{keys}"',
        "[rest]",
        'listen = "127.0.0.1:0"',
        'public_url = "http://localhost:8080"',
        "[s3]",
        'listen = "127.0.0.1:0"',
        'public_url = "http://localhost:9000"',
    )
    file.write_text("\n".join(lines) + "\n")
    return file


# --- help and wrong use --------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("words", [[], *COMMANDS], ids=" ".join)
def test_help_fits_80_columns(command: Command, words: list[str], option: str) -> None:
    ended = command(*words, option)

    assert ended.code == 0
    assert ended.out.startswith("Usage: transom-server")
    repeated = ended.out.replace("[ARGS]...", "").replace("[CIDR]...", "")
    assert "..." not in repeated  # nothing cut short
    assert max(map(len, ended.out.splitlines())) <= 80
    assert not ended.err


def test_the_help_of_demo_tells_every_default(command: Command) -> None:
    said = re.sub(r"\s+", " ", command("demo", "--help").out)

    for default in (".demo", "8080; 0<=x<=65535", "9000; 0<=x<=65535", "warning"):
        assert f"[default: {default}]" in said


def test_the_version_is_printed(command: Command) -> None:
    assert command("version") == Ended(0, f"transom-server {__version__}\n", "")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["dmeo"], "Did you mean 'demo'?"),
        (["demo", "--http-prot", "0"], "--http-port"),
        (["demo", "--http-port", "65536"], "65535"),
        (["demo", "--s3-port", "-1"], "--s3-port"),
        (["demo", "--http-port", "9000", "--s3-port", "9000"], "--s3-port"),
        (["demo", "--log-level", "loud"], "warning"),
        (["run"], "--config"),
        (["check-settings"], "FILE"),
        (["migrate", "sideways"], "sideways"),
        (["keys", "new", "a:b"], "letters, digits"),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2_and_says_what_is_right(
    command: Command, wrong: list[str], says: str
) -> None:
    ended = command(*wrong)

    assert ended.code == 2
    assert not ended.out
    assert says in ended.err
    assert ended.err.splitlines()[-1].startswith("Error: ")


# --- settings ------------------------------------------------------------------------------------


def test_good_settings_are_told_with_what_they_lead_to(command: Command, config: Path) -> None:
    ended = command("check-settings", config)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{config}: the settings can be used.\n")
    assert "rest      at 127.0.0.1:0, known as http://localhost:8080\n" in ended.out
    assert "metrics   nowhere\n" in ended.out


def test_a_certificate_that_ends_soon_is_noted(
    command: Command, config: Path, tmp_path: Path
) -> None:
    made = demo_authority(tmp_path / "tls", datetime.now(UTC) - timedelta(days=340))
    text = config.read_text().replace("http://localhost:8080", "https://localhost:8080")
    pair = f'certificate_file = "{made.certificate}"\nkey_file = "{made.key}"\n'
    config.write_text(f"{text}[rest.tls]\n{pair}")

    ended = command("check-settings", config)

    assert ended.code == 0
    assert f"Note: rest.tls: the certificate {made.certificate} ends on 20" in ended.out


def test_all_problems_of_settings_are_told_at_once(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(
        f'[database]\nurl = "postgresql+psycopg://u:{SECRET}@h/d"\n'
        '[rest]\nlisten = "0.0.0.0:8080"\npublic_url = "ftp://x"\nlissen = 1\n'
    )

    for words in (["check-settings"], ["run", "--config"], ["migrate", "up", "--config"]):
        ended = command(*words, file)

        assert ended.code == 78
        assert not ended.out
        head, *problems = ended.err.splitlines()
        assert head == "The settings cannot be used:"
        told = {line.split(":")[0].strip() for line in problems}
        assert told >= {
            *("database.url", "blobs.root", "keys.file", "rest.public_url", "rest.lissen"),
            *("s3.listen", "s3.public_url"),
        }
        assert all(line.startswith("  ") for line in problems)


def test_settings_that_are_not_there_end_with_78(command: Command, tmp_path: Path) -> None:
    ended = command("run", "--config", tmp_path / "none.toml")

    assert ended.code == 78
    assert "No such file" in ended.err


def test_a_variable_overrides_the_file(
    command: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSOM_REST__LISTEN", "0.0.0.0:8080")

    assert "rest.listen: can be reached" in command("check-settings", config).err


# --- the schema ----------------------------------------------------------------------------------


def test_the_schema_goes_up_and_down_and_says_where_it_stands(
    command: Command, config: Path
) -> None:
    fresh = command("migrate", "status", "--config", config)
    up = command("migrate", "up", "--config", config)
    again = command("migrate", "up", "--config", config)
    current = command("migrate", "status", "--config", config)
    down = command("migrate", "down", "--config", config, "--to", "base")
    empty = command("migrate", "status", "--config", config)

    assert (fresh.code, empty.code) == (1, 1)
    assert "schema none, wanted " in fresh.out
    wanted = fresh.out.split()[-1]
    assert up == again == Ended(0, up.out, "")
    assert up.out.endswith(f"transom.db: schema {wanted}\n")
    assert current.code == 0
    assert f"schema {wanted}, wanted {wanted}" in current.out
    assert (down.code, down.out.split()[-1]) == (0, "none")


def test_a_revision_that_does_not_exist_is_one_line(command: Command, config: Path) -> None:
    ended = command("migrate", "up", "--config", config, "--to", "nowhere")

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "nowhere" in ended.err


def test_a_database_of_a_later_program_is_one_line(command: Command, config: Path) -> None:
    command("migrate", "up", "--config", config)
    with sqlite3.connect(config.with_name("transom.db")) as records:
        records.execute("UPDATE alembic_version SET version_num = '9999'")
    records.close()

    for words in (["migrate", "up"], ["migrate", "down"], ["run"], ["catalogue", "show"]):
        ended = command(*words, "--config", config)

        assert ended.code == 1, words
        assert ended.err.count("\n") == 1
        assert "9999" in ended.err


def test_a_database_that_does_not_answer_is_one_line_without_its_password(
    command: Command, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(SECRET)
    password.chmod(0o600)
    url = "postgresql+psycopg://transom@127.0.0.1:1/transom"
    config = settings_file(tmp_path, url, f'password_file = "{password}"')

    for words in (["migrate", "status"], ["migrate", "up"], ["run"], ["audit", "verify"]):
        ended = command(*words, "--config", config)

        assert ended.code == 1
        assert ended.err.count("\n") == 1
        assert ended.err.startswith("Error: The database does not answer.")
        assert "127.0.0.1" in ended.err


def test_the_password_is_not_printed_with_the_database(
    command: Command, fresh_postgres_database: str, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(SECRET)  # the tests' server trusts us, with or without it
    password.chmod(0o600)
    config = settings_file(tmp_path, fresh_postgres_database, f'password_file = "{password}"')

    up = command("migrate", "up", "--config", config)
    verified = command("audit", "verify", "--config", config)
    down = command("migrate", "down", "--to", "base", "--config", config)

    assert (up.code, verified.code, down.code) == (0, 0, 0)
    assert "schema none" in down.out
    assert "0 entries sealed" in verified.out


# --- applications --------------------------------------------------------------------------------

OWN = """
[mine]
title = "Mine"
[mine.in]
direction = "inbound"
may_submit = ["firm"]
[mine.out]
direction = "outbound"
retention_days = 7
"""


def test_an_operator_loads_a_catalogue_of_his_own(
    command: Command, config: Path, tmp_path: Path
) -> None:
    command("migrate", "up", "--config", config)
    own = tmp_path / "own.toml"
    own.write_text(OWN)

    loaded = command("catalogue", "load", own, "--config", config)
    shown = command("catalogue", "show", "--config", config)
    as_json = command("catalogue", "show", "--json", "--config", config)

    assert (loaded.code, loaded.out + loaded.err) == (
        0,
        "1 applications with 2 sub-spaces loaded.\n",
    )
    rows = [line.split()[:5] for line in shown.out.splitlines()]
    assert ["mine", "in", "inbound", "until", "taken"] in rows
    assert ["mine", "out", "outbound", "7", "days"] in rows
    spaces = {each["subSpace"]: each for each in json.loads(as_json.out)}
    assert spaces["in"]["maySubmit"] == ["firm"]
    assert spaces["out"]["retentionDays"] == 7


def test_the_guides_catalogue_is_a_file_to_start_from(
    command: Command, config: Path, tmp_path: Path
) -> None:
    command("migrate", "up", "--config", config)
    printed = command("catalogue", "guide").out
    copy = tmp_path / "guide.toml"
    copy.write_text(printed)

    loaded = command("catalogue", "load", copy, "--config", config)
    shown = command("catalogue", "show", "--json", "--config", config)

    assert loaded.code == 0
    assert {each["application"] for each in json.loads(shown.out)} == set(tomllib.loads(printed))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OWN.replace("retention_days = 7", "retention_days = 0"), "mine.out.retention_days"),
        (OWN.replace("retention_days", "days"), "mine.out.days"),
        (OWN.replace('direction = "inbound"', ""), "mine.in"),
        ("[mine", "own.toml"),
    ],
)
def test_a_catalogue_that_cannot_be_read_changes_nothing(
    command: Command, config: Path, tmp_path: Path, text: str, says: str
) -> None:
    command("migrate", "up", "--config", config)
    own = tmp_path / "own.toml"
    own.write_text(text)

    ended = command("catalogue", "load", own, "--config", config)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: ")
    assert says in ended.err
    assert json.loads(command("catalogue", "show", "--json", "--config", config).out) == []


def test_a_catalogue_file_that_is_not_there_is_one_line(command: Command, config: Path) -> None:
    command("migrate", "up", "--config", config)

    ended = command("catalogue", "load", "none.toml", "--config", config)

    assert (ended.code, ended.out) == (1, "")
    assert "none.toml" in ended.err


def test_nothing_is_loaded_into_a_schema_that_is_not_there(
    command: Command, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN)

    ended = command("catalogue", "load", tmp_path / "own.toml", "--config", config)

    assert ended.code == 1
    assert "transom-server migrate up" in ended.err


# --- the audit record and the keys ---------------------------------------------------------------


def test_a_sound_audit_record_is_told_so_and_a_changed_one_ends_with_1(
    command: Command, config: Path, tmp_path: Path
) -> None:
    command("migrate", "up", "--config", config)
    (tmp_path / "own.toml").write_text(OWN)
    command("catalogue", "load", tmp_path / "own.toml", "--config", config)
    before = command("audit", "verify", "--config", config)
    seal(config)
    sound = command("audit", "verify", "--config", config)
    with sqlite3.connect(tmp_path / "transom.db") as records:
        records.execute("UPDATE audit SET object = 'theirs'")
    records.close()

    changed = command("audit", "verify", "--config", config)

    assert before.code == 0
    assert "sound, 0 entries sealed, 1 to be sealed" in before.out
    assert sound.code == 0
    assert "sound, 1 entries sealed, 0 to be sealed" in sound.out
    assert changed.code == 1
    assert "NOT SOUND" in changed.out
    assert "was changed" in changed.out


def test_a_new_key_is_a_line_for_the_keys_file(command: Command, tmp_path: Path) -> None:
    first, second = command("keys", "new", "2026-11"), command("keys", "new", "2026-12")
    file = tmp_path / "keys"
    file.write_text(first.out + second.out)

    assert [key.id for key in read_keys(file)] == ["2026-11", "2026-12"]
    assert first.out[8:] != second.out[8:]


# --- as a process --------------------------------------------------------------------------------


def test_as_a_process_it_ends_with_the_same_codes(tmp_path: Path) -> None:
    bad, wrong = once("check-settings", str(tmp_path)), once("nonsense")

    assert (bad.returncode, wrong.returncode) == (78, 2)
    assert not bad.stdout + wrong.stdout
    assert bad.stderr.startswith("The settings cannot be used:")


def seal(config: Path) -> None:
    """What the server does every five seconds."""
    database = Database(f"sqlite:///{config.with_name('transom.db')}")
    Sealer(database, key_ring(load(config))).seal()
    database.dispose()
