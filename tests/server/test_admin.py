"""The operator's commands for who and what there is: repeatable, audited, quiet with secrets."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from journeys.servers import PROGRAM, Server, once, running
from world import Account, MovableClock, World, made, public_key

from transom.core.sign_in import Attempt
from transom.domain.errors import BadCredentials
from transom.domain.identity import PublicKey
from transom.server import cli

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
SECRET = re.compile(r"trs_\w{49,}")
RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The table on standard output, its head left out."""
        return [re.split(r"  +", line) for line in self.out.splitlines()[1:]]


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["transom-server", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert not SECRET.search(said.err)
        return Ended(int(end.value.code or 0), said.out, said.err)

    return run


def settings_file(directory: Path, database: str, blobs: Path, keys: Path, port: int = 0) -> Path:
    file = directory / "transom.toml"
    file.write_text(
        f'[database]\nurl = "{database}"\n[blobs]\nroot = "{blobs}"\n[keys]\nfile = "{keys}"\n'
        f'[rest]\nlisten = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port or 8080}"\n'
        '[s3]\nlisten = "127.0.0.1:0"\npublic_url = "http://localhost:9000"\n'
    )
    return file


@pytest.fixture
def config(tmp_path: Path, sqlite_template: Path) -> Path:
    """Settings of an exchange with the present schema and nothing in it."""
    (tmp_path / "transom.db").write_bytes(sqlite_template.read_bytes())
    keys = tmp_path / "keys"
    keys.write_text("k1:" + "ab" * 32 + "\n")
    keys.chmod(0o600)
    return settings_file(tmp_path, f"sqlite:///{tmp_path}/transom.db", tmp_path / "files", keys)


@pytest.fixture
def admin(command: Command, config: Path, tmp_path: Path) -> Command:
    """Commands of `admin` on an exchange with an application and an organization."""
    (tmp_path / "own.toml").write_text(OWN)

    def run(*words: str | Path) -> Ended:
        return command("admin", *words, "--config", config)

    assert run("catalogue", "load", tmp_path / "own.toml").code == 0
    assert run("org", "add", "0001", "Northgate").code == 0
    return run


@pytest.fixture
def firm(admin: Command) -> str:
    """The name of an account of 0001 that may submit."""
    assert admin("account", "add", "0001ftp01", "--org", "0001").code == 0
    assert admin("entitlement", "add", "0001ftp01", "0001/mine", "submit").code == 0
    return "0001ftp01"


@pytest.fixture
def audit(tmp_path: Path) -> Callable[[], list[tuple[str, str, str, Any]]]:
    """What was audited since it was asked last: action, object, source, detail."""
    seen = 0

    def new() -> list[tuple[str, str, str, Any]]:
        nonlocal seen
        records = sqlite3.connect(tmp_path / "transom.db")
        query = "SELECT action, object, source, detail FROM audit ORDER BY id"
        rows = records.execute(query).fetchall()[seen:]
        records.close()
        seen += len(rows)
        return [(action, what, source, json.loads(detail)) for action, what, source, detail in rows]

    return new


# --- organizations -------------------------------------------------------------------------------


def test_an_organization_is_added_shown_and_listed(admin: Command) -> None:
    added = admin("org", "add", "0900", "State", "--kind", "designating_authority", "--json")
    shown = admin("org", "show", "0900", "--json")
    listed = admin("org", "list", "--json")

    assert (added.code, added.err) == (0, "Organization State (0900) is there.\n")
    assert added.told == shown.told | {"changed": True}
    assert shown.told | {"createdAt": ""} == {
        "org": "0900",
        "name": "State",
        "kind": "designating_authority",
        "state": "active",
        "networks": [],
        "accounts": 0,
        "createdAt": "",
    }
    assert RFC_3339.fullmatch(shown.told["createdAt"])
    assert [each["org"] for each in listed.told] == ["0001", "0900"]
    assert admin("org", "list").rows == [
        ["0001", "Northgate", "firm", "active", "0"],
        ["0900", "State", "designating_authority", "active", "0"],
    ]
    page = admin("org", "show", "0900")
    assert page.out.startswith("State (0900)\n  kind      designating_authority\n")
    assert re.search(r"since     20\d\d-\d\d-\d\d \d\d:\d\d E[SD]T\n", page.out)


def test_adding_an_organization_again_says_that_it_is_there(admin: Command) -> None:
    again = admin("org", "add", "0001", "Northgate")
    other = admin("org", "add", "0001", "Southgate", "--kind", "service_provider")

    assert again == Ended(0, "", "Organization Northgate (0001) is there already.\n")
    assert admin("org", "add", "0001", "Northgate", "--json").told["changed"] is False
    assert (other.code, other.out) == (1, "")
    first, why = other.err.splitlines()
    assert first == (
        "Error: Organization 0001 is there already with name Northgate and kind firm; "
        "this needs it with name Southgate and kind service_provider."
    )
    assert why.startswith("  Nothing was changed.")


def test_an_organization_is_disabled_and_enabled(admin: Command, audit: Callable[[], Any]) -> None:
    audit()

    first, again = admin("org", "disable", "0001"), admin("org", "disable", "0001", "--json")
    listed = admin("org", "list").rows
    back = admin("org", "enable", "0001", "--json")

    assert first.code == again.code == back.code == 0
    assert first.err.startswith("Organization Northgate (0001) is disabled: ")
    assert again.err.startswith("Organization Northgate (0001) is disabled already: ")
    assert (again.told["state"], again.told["changed"]) == ("disabled", False)
    assert listed[0][3] == "disabled"
    assert (back.told["state"], back.told["changed"]) == ("active", True)
    actor = f"uid {os.getuid()}"
    assert audit() == [
        ("organization.disabled", "0001", actor, {}),
        ("organization.enabled", "0001", actor, {}),
    ]


# --- accounts: secrets ---------------------------------------------------------------------------


def test_an_account_gets_a_secret_that_is_printed_alone_and_once(
    admin: Command, tmp_path: Path
) -> None:
    made = admin("account", "add", "0001ftp01", "--org", "0001", "--network", "10.1.0.0/16")
    rotated = admin("account", "rotate-secret", "0001ftp01")

    assert (made.code, rotated.code) == (0, 0)
    assert SECRET.fullmatch(made.out.removesuffix("\n"))
    assert SECRET.fullmatch(rotated.out.removesuffix("\n"))
    assert made.out != rotated.out
    assert made.err == "Account 0001ftp01 of organization 0001 is there and may do nothing yet.\n"
    kept = b"".join(each.read_bytes() for each in tmp_path.glob("transom.db*"))
    assert made.out.strip().encode() not in kept
    for words in (("account", "show", "0001ftp01"), ("account", "list"), ("entitlement", "list")):
        for form in ((), ("--json",)):
            assert not SECRET.search(admin(*words, *form).out)


def test_adding_an_account_again_prints_no_secret_and_says_how_to_get_one(
    admin: Command, firm: str
) -> None:
    again = admin("account", "add", firm, "--org", "0001")
    as_json = admin("account", "add", firm, "--org", "0001", "--json")
    other = admin("account", "add", firm, "--org", "0001", "--network", "10.1.0.0/16")

    assert (again.code, again.out) == (0, "")
    assert "is there already; its secret was shown once" in again.err
    assert f"transom-server admin account rotate-secret {firm} --config" in again.err
    assert (as_json.told["changed"], as_json.told["secret"]) == (False, None)
    assert other.code == 1
    assert "with networks anywhere; this needs it with networks 10.1.0.0/16." in other.err
    admin("account", "disable", firm)
    assert "is there already (disabled);" in admin("account", "add", firm, "--org", "0001").err


def test_with_json_the_secret_is_in_the_document(admin: Command) -> None:
    made = admin("account", "add", "0001ftp01", "--org", "0001", "--json").told
    rotated = admin("account", "rotate-secret", "0001ftp01", "--json").told

    assert SECRET.fullmatch(made["secret"])
    assert SECRET.fullmatch(rotated["secret"])
    assert made | {"createdAt": "", "secret": ""} == {
        "account": "0001ftp01",
        "kind": "account",
        "org": "0001",
        "state": "active",
        "endsAt": None,
        "networks": [],
        "createdAt": "",
        "changed": True,
        "secret": "",
        "secretFile": None,
    }


def test_a_secret_goes_to_a_new_file_for_its_owner_alone(admin: Command, tmp_path: Path) -> None:
    file, second = tmp_path / "secret", tmp_path / "second"
    add = ("account", "add", "0001ftp01", "--org", "0001", "--secret-file")
    rotate = ("account", "rotate-secret", "0001ftp01", "--secret-file")

    made = admin(*add, file)
    as_json = admin(*rotate, second, "--json")

    assert (made.code, made.out) == (0, "")
    assert SECRET.fullmatch(file.read_text().strip())
    assert file.stat().st_mode & 0o777 == 0o600
    assert (as_json.told["secret"], as_json.told["secretFile"]) == (None, str(second))
    for words in (add, rotate):
        taken = admin(*words, file)
        assert (taken.code, taken.out) == (2, "")
        assert f"{file} is there already" in taken.err
    unused = tmp_path / "unused"
    assert admin(*add, unused).code == 0
    assert not unused.exists()
    assert admin("account", "rotate-secret", "nobody", "--secret-file", unused).code == 1
    assert not unused.exists()
    assert admin(*rotate, tmp_path / "no" / "where").code == 1


# --- accounts: shown and listed ------------------------------------------------------------------


def test_an_account_is_shown_with_everything_that_is_known_of_it(admin: Command, firm: str) -> None:
    page = admin("account", "show", firm).out
    told = admin("account", "show", firm, "--json").told

    facts = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in page.splitlines()[1:])
    assert page.startswith(f"Account {firm}\n")
    assert re.fullmatch(r"1, made 20\S+ \S+ E[SD]T", facts.pop("live secrets"))
    assert re.fullmatch(r"20\S+ \S+ E[SD]T", facts.pop("since"))
    assert facts == {
        "organization": "Northgate (0001)",
        "kind": "account",
        "state": "active",
        "ends": "no end set",
        "networks": "anywhere",
        "last sign-in": "none in 30 days",
        "sign-in": "open",
        "keys": "none",
        "entitlements": "submit in 0001/mine",
        "temporary names": "held until renamed",
    }
    assert (told["keys"], told["temporaryNames"], told["orgNetworks"]) == ([], True, [])
    assert told["orgName"] == "Northgate"
    assert len(told["secrets"]) == 1
    assert (told["lastSignIn"], told["signInClosed"]) == (None, [])
    assert [each["place"] for each in told["entitlements"]] == ["0001/mine"]


def test_a_closed_account_is_shown_so_and_unlocked(command: Command, tmp_path: Path) -> None:
    clock = MovableClock(datetime.now(UTC))
    with made(tmp_path / "world", f"sqlite:///{tmp_path}/world.db", clock) as world:
        account, config = world.account(), config_of(world)
        assert sign_in(world, account.name, account.secret)
        for _ in range(5):
            assert not sign_in(world, account.name, "wrong", "198.51.100.7")
    words = (account.name, "--config", config)

    closed = command("admin", "account", "show", *words, "--json").told
    page = command("admin", "account", "show", *words).out
    unlocked = command("admin", "account", "unlock", *words)
    again = command("admin", "account", "unlock", *words, "--json")
    opened = command("admin", "account", "show", *words, "--json").told

    (closing,) = closed["signInClosed"]
    assert closing["source"] == "198.51.100.7"
    assert RFC_3339.fullmatch(closing["until"])
    assert RFC_3339.fullmatch(closed["lastSignIn"])
    assert "closed for 198.51.100.7 until 20" in page
    assert ", to the hour\n" in page
    assert unlocked == Ended(0, "", f"Account {account.name} is open to every source.\n")
    assert again.told["changed"] is False
    assert again.err == f"Account {account.name} is open to every source already.\n"
    assert opened["signInClosed"] == []


def sign_in(world: World, name: str, secret: str, source: str = "192.0.2.1") -> bool:
    try:
        world.exchange.sign_in.enter(Attempt(name, secret, source))
    except BadCredentials:
        return False
    return True


def test_an_account_closed_to_every_unknown_source_is_shown_so(
    command: Command, tmp_path: Path
) -> None:
    clock = MovableClock(datetime.now(UTC))
    with made(tmp_path / "world", f"sqlite:///{tmp_path}/world.db", clock) as world:
        account, config = world.account(), config_of(world)
        for number in range(20):
            assert not sign_in(world, account.name, "wrong", f"198.51.100.{number}")

    page = command("admin", "account", "show", account.name, "--config", config).out

    assert "closed for every source that never signed in until 20" in page


def test_accounts_are_listed_by_organization_application_and_state(
    admin: Command, firm: str
) -> None:
    admin("org", "add", "0002", "Harbor")
    for name, org in (("b", "0002"), ("c", "0002")):
        admin("account", "add", name, "--org", org, "--network", "10.0.0.0/8")
    admin("account", "end", "b", "--yes")
    admin("account", "disable", "c")

    def names(*words: str) -> list[str]:
        return [each["account"] for each in admin("account", "list", "--json", *words).told]

    assert names() == [firm, "b", "c"]
    assert names("--org", "0002") == ["b", "c"]
    assert names("--application", "mine") == [firm]
    assert names("--active") == [firm]
    assert names("--ended") == ["b"]
    rows = admin("account", "list").rows
    assert rows[0] == [firm, "0001", "account", "active", "anywhere"]
    assert rows[1][3] == "ended"
    assert rows[2] == ["c", "0002", "account", "disabled", "10.0.0.0/8"]
    admin("org", "disable", "0001")
    assert admin("account", "list").rows[0][3] == "organization disabled"


# --- accounts: stopped and ended -----------------------------------------------------------------


def test_an_account_is_disabled_and_enabled(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()

    for verb, already in (("disable", ""), ("disable", " already"), ("enable", "")):
        ended = admin("account", verb, firm)
        assert (ended.code, ended.out) == (0, "")
        assert ended.err.startswith(f"Account {firm} is {verb}d{already}")

    assert admin("account", "enable", firm).err == f"Account {firm} is enabled already.\n"
    assert admin("account", "disable", firm, "--json").told["state"] == "disabled"
    assert [action for action, *_ in audit()] == [
        "account.disabled",
        "account.enabled",
        "account.disabled",
    ]


def test_an_end_is_for_good(admin: Command, firm: str) -> None:
    ended = admin("account", "end", firm, "--yes")
    again = admin("account", "end", firm, "--json")
    refused = admin("account", "enable", firm)

    told = f"Account {firm} has ended for good, with its secrets, keys, tokens and signed URLs.\n"
    assert ended == Ended(0, "", told)
    assert again.code == 0
    assert (again.told["state"], again.told["changed"]) == ("ended", False)
    assert again.err.startswith(f"Account {firm} has ended already, at 20")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"Error: Account {firm} is ended for good since ")
    assert "add one of another name" in refused.err
    for words in (("rotate-secret", firm), ("add", firm, "--org", "0001")):
        assert "ended for good" in admin("account", *words).err
    assert re.search(r"live secrets +0\n", admin("account", "show", firm).out)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_an_end_asks_for_the_name(
    admin: Command, firm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{firm}\n"))
    nobody = admin("account", "end", firm)
    monkeypatch.setattr(sys, "stdin", Terminal("0001ftp02\n"))
    other = admin("account", "end", firm)
    state = admin("account", "show", firm, "--json").told["state"]
    monkeypatch.setattr(sys, "stdin", Terminal(f"{firm}\n"))
    right = admin("account", "end", firm)

    assert (nobody.code, nobody.out) == (2, "")
    assert "--yes" in nobody.err
    assert (other.code, state) == (2, "active")
    assert "nothing was changed" in other.err
    assert (right.code, right.out) == (0, "")
    assert "cannot be enabled again.\nType its name to go on: " in right.err


def test_a_last_day_is_set_and_taken_back(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()

    later = admin("account", "end", firm, "--on", "2126-12-31", "--json")
    listed = admin("account", "list").rows
    never = admin("account", "end", firm, "--never", "--json")

    assert (later.told["endsAt"], later.told["changed"]) == ("2127-01-01T05:00:00.000Z", True)
    assert later.told["state"] == "active"
    assert later.err == f"Account {firm} ends at 2127-01-01 00:00 EST.\n"
    assert "2127-01-01 00:00 EST" in listed[0]
    assert (never.told["endsAt"], never.err) == (None, f"Account {firm} has no end set.\n")
    assert [(action, detail) for action, _, _, detail in audit()] == [
        ("account.end_set", {"before": None, "ends_at": "2127-01-01T05:00:00+00:00"}),
        ("account.end_set", {"before": "2127-01-01T05:00:00+00:00", "ends_at": None}),
    ]
    past = admin("account", "end", firm, "--on", "2020-01-01")
    assert (past.code, past.out) == (1, "")
    assert past.err.startswith("Error: day: from today, ")


# --- accounts: networks --------------------------------------------------------------------------


def test_networks_are_added_removed_listed_and_cleared(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()

    def allow(*words: str) -> Ended:
        return admin("account", "allow-network", firm, *words)

    assert allow() == Ended(0, "", f"Account {firm} may come from anywhere.\n")
    only = f"Account {firm} may come from 10.1.0.0/16, 192.0.2.7/32 only.\n"
    assert allow("10.1.0.0/16", "192.0.2.7") == Ended(0, "", only)
    assert allow("192.0.2.7", "--json").told["changed"] is False
    assert allow() == Ended(0, "10.1.0.0/16\n192.0.2.7/32\n", "")
    less = allow("--remove", "10.1.0.0/16", "--json").told
    assert (less["networks"], less["changed"]) == (["192.0.2.7/32"], True)
    last, missing = allow("--remove", "192.0.2.7/32"), allow("--remove", "10.1.0.0/16")
    assert last.code == missing.code == 1
    assert "anywhere" in last.err
    assert allow("--json").told["networks"] == ["192.0.2.7/32"]
    assert allow("--any") == Ended(0, "", f"Account {firm} may come from anywhere.\n")
    assert [(detail["before"], detail["networks"]) for _, _, _, detail in audit()] == [
        ([], ["10.1.0.0/16", "192.0.2.7/32"]),
        (["10.1.0.0/16", "192.0.2.7/32"], ["192.0.2.7/32"]),
        (["192.0.2.7/32"], []),
    ]


def test_an_organization_s_networks_are_added_removed_listed_and_cleared(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()

    def allow(*words: str) -> Ended:
        return admin("org", "allow-network", "0001", *words)

    anywhere = "Accounts of Northgate (0001) may come from anywhere.\n"
    only = "Accounts of Northgate (0001) may come from 10.1.0.0/16, 192.0.2.7/32 only.\n"
    assert allow() == Ended(0, "", anywhere)
    assert allow("10.1.0.0/16", "192.0.2.7") == Ended(0, "", only)
    assert allow("192.0.2.7", "--json").told["changed"] is False
    assert allow() == Ended(0, "10.1.0.0/16\n192.0.2.7/32\n", "")
    less = allow("--remove", "10.1.0.0/16", "--json").told
    assert (less["networks"], less["changed"]) == (["192.0.2.7/32"], True)
    assert allow("--json").told["networks"] == ["192.0.2.7/32"]
    page = admin("account", "show", firm).out
    assert re.search(r"networks +of its organization: 192\.0\.2\.7/32\n", page)
    assert admin("account", "show", firm, "--json").told["orgNetworks"] == ["192.0.2.7/32"]
    assert re.search(r"networks +192\.0\.2\.7/32\n", admin("org", "show", "0001").out)
    last = allow("--remove", "192.0.2.7/32")
    assert last.code == 1
    assert "anywhere" in last.err
    assert allow("--any", "10.0.0.0/8").code == 2
    assert allow("--any") == Ended(0, "", anywhere)
    assert [(action, what) for action, what, _, _ in audit()] == [
        ("organization.networks_set", "0001")
    ] * 3
    again = admin("org", "add", "0001", "Northgate", "--json").told
    assert (again["changed"], again["networks"]) == (False, [])


# --- accounts: keys and temporary names ----------------------------------------------------------


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A .pub file as ssh-keygen writes it."""
    key = public_key()
    text = base64.b64encode(key.blob).decode()
    path = tmp_path / "id_ed25519.pub"
    path.write_text(f"{key.algorithm} {text} nightly job\n")
    return path


def test_a_key_is_added_from_its_file_listed_and_ended(
    admin: Command, firm: str, key_file: Path, audit: Callable[[], Any]
) -> None:
    audit()
    shown = PublicKey.parse(key_file.read_text()).fingerprint

    added = admin("account", "key", "add", firm, key_file, "--until", "2099-12-31")
    again = admin("account", "key", "add", firm, key_file, "--until", "2099-12-31")
    other = admin("account", "key", "add", firm, key_file)
    ((fingerprint, algorithm, label, _, ends),) = admin("account", "key", "list", firm).rows
    page = admin("account", "show", firm).out
    ended = admin("account", "key", "end", firm, shown)
    repeated = admin("account", "key", "end", firm, shown)

    assert added == Ended(0, "", f"Account {firm} has key {shown} (nightly job).\n")
    assert again == Ended(0, "", f"Account {firm} has key {shown} (nightly job) already.\n")
    assert (other.code, "with end none" in other.err) == (1, True)
    assert (fingerprint, algorithm, label) == (shown, "ssh-ed25519", "nightly job")
    assert ends == "2100-01-01 00:00 EST"
    assert f"{shown} (nightly job): ssh-ed25519, ends {ends}, never used" in page
    assert ended.err == (
        f"Key {shown} (nightly job) of account {firm} has ended, with the account's sessions,"
        " tokens and signed URLs.\n"
    )
    assert (repeated.code, "has ended already, at 20" in repeated.err) == (0, True)
    assert [(action, detail["fingerprint"]) for action, _, _, detail in audit()] == [
        ("account.key_added", shown),
        ("account.key_ended", shown),
    ]
    assert "keys             none" in admin("account", "show", firm).out


def test_keys_are_told_to_machines(admin: Command, firm: str, key_file: Path) -> None:
    shown = PublicKey.parse(key_file.read_text()).fingerprint
    added = admin("account", "key", "add", firm, key_file, "--label", "", "--json").told
    again = admin("account", "key", "add", firm, key_file, "--label", "", "--json").told
    (listed,) = admin("account", "key", "list", firm, "--json").told
    (of_account,) = admin("account", "show", firm, "--json").told["keys"]
    ended = admin("account", "key", "end", firm, shown, "--json").told
    repeated = admin("account", "key", "end", firm, shown, "--json").told

    assert (added.pop("changed"), again.pop("changed")) == (True, False)
    assert added == again == listed == of_account
    assert RFC_3339.fullmatch(listed.pop("createdAt"))
    assert listed == {
        "fingerprint": shown,
        "algorithm": "ssh-ed25519",
        "label": "",
        "endsAt": None,
        "lastUsedAt": None,
    }
    assert RFC_3339.fullmatch(ended["endsAt"])
    assert (ended.pop("changed"), repeated.pop("changed")) == (True, False)
    assert ended == repeated


def test_a_key_may_come_by_standard_input(
    admin: Command, firm: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(key_file.read_text()))

    assert admin("account", "key", "add", firm, "-", "--label", "mine").code == 0
    assert [row[2] for row in admin("account", "key", "list", firm).rows] == ["mine"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"ssh-dss AAAA", "ssh-dss is not taken here"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n", "this is a private key"),
        (b"", "give one key"),
        (b"\xff\xfe", "is no text"),
        (None, "No such file"),
    ],
)
def test_a_file_that_holds_no_key_is_refused(
    admin: Command, firm: str, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "key.pub"
    if content is not None:
        path.write_bytes(content)

    refused = admin("account", "key", "add", firm, path)

    assert (refused.code, refused.out) == (2, "")
    assert why in " ".join(refused.err.split())
    assert "c2VjcmV0" not in refused.err
    assert admin("account", "key", "list", firm).rows == []


def test_temporary_names_are_switched_off_and_on(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()
    of_account = ("account", "temporary-names", firm)
    of_space = ("application", "temporary-names", "mine", "in")

    off, again = admin(*of_account, "off"), admin(*of_account, "off", "--json").told
    space_off = admin(*of_space, "off")
    page, shown = admin("account", "show", firm).out, admin("application", "show", "mine").out
    told = admin(*of_space, "off", "--json").told
    on, space_on = admin(*of_account, "on"), admin(*of_space, "on")

    assert off.err == f"Temporary names have no meaning for account {firm}.\n"
    assert again["changed"] is False
    assert space_off.err == "Temporary names have no meaning in mine/in.\n"
    assert re.search(r"temporary names +no meaning\n", page)
    assert re.search(r"temporary names +no meaning in in\n", shown)
    assert told["changed"] is False
    assert {each["subSpace"]: each["temporaryNames"] for each in told["subSpaces"]} == {
        "in": False,
        "in_arcv": None,
        "out": None,
    }
    assert on.err == f"Uploads of account {firm} under temporary names are held.\n"
    assert space_on.err == "Uploads to mine/in under temporary names are held.\n"
    assert "temporary names" not in admin("application", "show", "mine").out
    assert [(action, what) for action, what, _, _ in audit()] == [
        ("account.holds_not", firm),
        ("sub_space.holds_not", "mine/in"),
        ("account.holds", firm),
        ("sub_space.holds", "mine/in"),
    ]
    assert admin("application", "temporary-names", "mine", "out", "off").code == 1


# --- applications' own accounts ------------------------------------------------------------------


def test_an_application_gets_an_account_of_its_own(admin: Command) -> None:
    made = admin("account", "add", "mine-worker", "--application", "mine")
    again = admin("account", "add", "mine-worker", "--application", "mine")
    told = admin("account", "show", "mine-worker", "--json").told

    assert SECRET.fullmatch(made.out.strip())
    assert made.err == "Account mine-worker of organization 0 is there and processes mine.\n"
    assert (again.code, again.out) == (0, "")
    assert (told["kind"], told["org"], told["orgName"]) == ("application", "0", "The operator")
    assert told["entitlements"] == [
        {
            "place": "mine",
            "org": None,
            "application": "mine",
            "subSpace": None,
            "level": "process",
        }
    ]
    assert admin("application", "show", "mine", "--json").told["accounts"] == ["mine-worker"]
    assert admin("account", "add", "x", "--application", "yours").code == 1


# --- entitlements --------------------------------------------------------------------------------


def test_entitlements_are_added_listed_and_ended(
    admin: Command, firm: str, audit: Callable[[], Any]
) -> None:
    audit()
    words = (firm, "0001/mine/in_arcv", "download")

    added = admin("entitlement", "add", *words, "--json")
    again = admin("entitlement", "add", *words)
    rows = admin("entitlement", "list").rows
    ended = admin("entitlement", "end", *words, "--json")
    gone = admin("entitlement", "end", *words)

    assert added.told == {
        "account": firm,
        "place": "0001/mine/in_arcv",
        "org": "0001",
        "application": "mine",
        "subSpace": "in_arcv",
        "level": "download",
        "changed": True,
    }
    assert added.err == f"Account {firm} has download in 0001/mine/in_arcv.\n"
    assert again == Ended(0, "", f"Account {firm} has download in 0001/mine/in_arcv already.\n")
    assert rows == [["0001/mine", firm, "submit"], ["0001/mine/in_arcv", firm, "download"]]
    assert (ended.code, ended.told["changed"]) == (0, True)
    assert ended.err == f"Account {firm} no longer has download in 0001/mine/in_arcv.\n"
    assert (gone.code, gone.out) == (1, "")
    assert [action for action, *_ in audit()] == ["entitlement.granted", "entitlement.ended"]


def test_entitlements_are_listed_by_account_organization_and_application(
    admin: Command, firm: str
) -> None:
    admin("org", "add", "0002", "Harbor")
    admin("account", "add", "b", "--org", "0002")
    admin("entitlement", "add", "b", "0001/mine/in", "submit")
    admin("entitlement", "add", "b", "0002/mine", "both")
    admin("entitlement", "add", "b", "mine", "process")

    def listed(*words: str) -> list[tuple[str, str]]:
        found = admin("entitlement", "list", "--json", *words).told
        return [(each["place"], each["account"]) for each in found]

    of_b = [("mine", "b"), ("0001/mine/in", "b"), ("0002/mine", "b")]
    assert listed("--account", "b") == of_b
    assert listed("--org", "0001") == [("0001/mine", firm), ("0001/mine/in", "b")]
    assert listed("--org", "0001", "--account", "b") == [("0001/mine/in", "b")]
    assert sorted(listed("--application", "mine")) == sorted([*of_b, ("0001/mine", firm)])
    told = "Account b no longer has process in mine.\n"
    assert admin("entitlement", "end", "b", "mine", "process") == Ended(0, "", told)


@pytest.mark.usefixtures("firm")
def test_an_entitlement_of_an_account_that_is_not_known_here_is_listed(
    admin: Command, tmp_path: Path
) -> None:
    records = sqlite3.connect(tmp_path / "transom.db")
    with records:
        records.execute("UPDATE principals SET id = 'elsewhere'")
    records.close()

    assert admin("entitlement", "list").rows == [["0001/mine", "(unknown)", "submit"]]
    assert admin("entitlement", "list", "--json").told[0]["account"] is None


# --- applications and the catalogue --------------------------------------------------------------


def test_applications_are_shown_with_what_stands_in_them(
    command: Command, sqlite_world: World
) -> None:
    config, worker = config_of(sqlite_world), sqlite_world.processor().account
    firm = sqlite_world.account()
    for number in range(3):
        firm.submit(f"0001/app1/in/{number}.zip")

    page = command("admin", "application", "show", "app1", "--config", config)
    told = command("admin", "application", "show", "app1", "--json", "--config", config).told
    listed = command("admin", "application", "list", "--json", "--config", config).told
    rows = command("admin", "application", "list", "--config", config).rows

    assert page.out.startswith(f"APP1 (app1)\n  processed by  {worker.name}\n\nSUB-SPACE")
    lines = [re.split(r"  +", line) for line in page.out.splitlines()[4:]]
    assert lines == [
        ["in", "inbound", "until taken", "leased", "yes", "everybody", "3", "0", "0"],
        ["out", "outbound", "30 days"],
        ["in_arcv", "archive", "30 days"],
    ]
    assert told["queue"] == {"waiting": 3, "leased": 0, "acknowledged": 0}
    assert [each["queue"] for each in told["subSpaces"]] == [told["queue"], None, None]
    assert told["accounts"] == [worker.name]
    assert listed == [
        told,
        command("admin", "application", "show", "app2", "--json", "--config", config).told,
    ]
    assert rows == [
        ["app1", "APP1", "3", "3", "0", "0", worker.name],
        ["app2", "APP2", "3", "0", "0", "0", "none"],
    ]


def test_an_application_is_added_with_the_usual_sub_spaces(admin: Command) -> None:
    added = admin("application", "add", "surveys", "--title", "Surveys", "--days", "7")
    again = admin("application", "add", "surveys", "--title", "Surveys", "--days", "7", "--json")
    other = admin("application", "add", "surveys", "--title", "Polls", "--out", "reports")
    shown = admin("application", "show", "surveys", "--json").told
    bad = admin("application", "add", "sur/veys")

    assert (added.code, added.out) == (0, "")
    assert "Application surveys is there." in added.err
    assert (again.code, again.told["changed"]) == (0, False)
    assert [
        (each["subSpace"], each["direction"], each["retentionDays"], each["archived"])
        for each in shown["subSpaces"]
        if each["direction"] != "archive"
    ] == [("in", "inbound", None, True), ("out", "outbound", 7, False)]
    assert other.code == 1
    assert "title Surveys" in other.err
    assert "reports" in other.err
    assert (bad.code, "sur/veys" in bad.err) == (1, True)


def test_a_catalogue_is_loaded_listed_and_shown(
    admin: Command, tmp_path: Path, audit: Callable[[], Any]
) -> None:
    audit()

    loaded = admin("catalogue", "load", tmp_path / "own.toml")
    as_json = admin("catalogue", "load", tmp_path / "own.toml", "--json")

    assert loaded == Ended(0, "", "1 applications with 2 sub-spaces loaded.\n")
    assert as_json.told == admin("catalogue", "list", "--json").told
    assert as_json.told[0]["subSpaces"] == admin("catalogue", "show", "--json").told
    assert admin("catalogue", "list").rows == [["mine", "Mine", "in, out"]]
    assert admin("catalogue", "show").rows == [
        ["mine", "in", "inbound", "until taken", "leased", "yes", "firm"],
        ["mine", "out", "outbound", "7 days"],
    ]
    loads = audit()
    assert {source for _, _, source, _ in loads} == {f"uid {os.getuid()}"}
    assert len(loads) == 2


def test_the_guides_catalogue_is_printed_to_start_from(
    admin: Command, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "guide.toml").write_text(command("admin", "catalogue", "guide").out)

    loaded = admin("catalogue", "load", tmp_path / "guide.toml")

    assert loaded.code == 0
    assert len(admin("catalogue", "list").rows) > 10


# --- tables and texts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "head"),
    [
        ("200", ["ORG", "NAME", "KIND", "STATE", "ACCOUNTS"]),
        ("25", ["ORG", "NAME", "KIND"]),
        ("24", ["ORG", "NAME", "KIND"]),
        ("21", ["ORG", "NAME", "KIND"]),
        ("20", ["ORG", "NAME"]),
        ("3", ["ORG"]),
    ],
)
def test_a_table_drops_its_last_columns_where_there_is_no_room(
    admin: Command, monkeypatch: pytest.MonkeyPatch, columns: str, head: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    lines = admin("org", "list").out.splitlines()

    assert lines[0].split() == head
    assert lines[1].split()[0] == "0001"


def test_control_characters_do_nothing_to_a_terminal(admin: Command, tmp_path: Path) -> None:
    records = sqlite3.connect(tmp_path / "transom.db")
    with records:
        records.execute("UPDATE organizations SET name = ?", ("a\x1b[31m\nb",))
    records.close()

    for words in (("org", "list"), ("org", "show", "0001"), ("org", "disable", "0001")):
        ended = admin(*words)
        assert "\x1b" not in ended.out + ended.err
        assert r"a\x1b[31m\nb" in ended.out + ended.err


def test_to_a_terminal_the_next_step_is_told(
    admin: Command, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    with monkeypatch.context() as there:
        there.setattr(sys, "stderr", terminal)
        admin("org", "add", "0002", "Harbor")
        admin("account", "add", "0002ftp01", "--org", "0002")

    told = [line for line in terminal.getvalue().splitlines() if line.startswith("Next: ")]
    option = f"--config {config}"
    assert told == [
        f"Next: transom-server admin account add NAME --org 0002 {option}",
        f"Next: transom-server admin entitlement add 0002ftp01 0002/APPLICATION LEVEL {option}",
    ]


# --- refusals ------------------------------------------------------------------------------------

REFUSED = [
    (("org", "add", "x1", "No digits"), 1, "bad_name"),
    (("org", "add", "0002", ""), 1, "bad_parameter"),
    (("org", "add", "0002", "Odd", "--kind", "club"), 2, "wrong_use"),
    (("org", "show", "0009"), 1, "not_found"),
    (("org", "disable", "0009"), 1, "not_found"),
    (("account", "add", "a", "--org", "0009"), 1, "not_found"),
    (("account", "add", "a"), 2, "wrong_use"),
    (("account", "add", "a:b", "--org", "0001"), 1, "bad_parameter"),
    (("account", "add", "a", "--org", "0001", "--network", "10.1.0.0/8"), 2, "wrong_use"),
    (("account", "show", "nobody"), 1, "not_found"),
    (("account", "list", "--org", "0009"), 1, "not_found"),
    (("account", "rotate-secret", "nobody"), 1, "not_found"),
    (("account", "unlock", "nobody"), 1, "not_found"),
    (("account", "disable", "nobody"), 1, "not_found"),
    (("account", "end", "nobody", "--yes"), 1, "not_found"),
    (("account", "end", "nobody", "--on", "tomorrow"), 2, "wrong_use"),
    (("account", "end", "nobody", "--on", "2126-12-31", "--never"), 2, "wrong_use"),
    (("account", "allow-network", "nobody"), 1, "not_found"),
    (("account", "allow-network", "nobody", "10.0.0.0/8", "--any"), 2, "wrong_use"),
    (("account", "allow-network", "nobody", "here"), 2, "wrong_use"),
    (("entitlement", "add", "nobody", "0001/mine", "both"), 1, "not_found"),
    (("entitlement", "add", "nobody", "0001", "both"), 2, "wrong_use"),
    (("entitlement", "add", "nobody", "0001/mine/", "both"), 2, "wrong_use"),
    (("entitlement", "add", "nobody", "0001/mine", "process"), 2, "wrong_use"),
    (("entitlement", "add", "nobody", "0001/mine", "all"), 2, "wrong_use"),
    (("entitlement", "list", "--account", "nobody"), 1, "not_found"),
    (("application", "show", "yours"), 1, "not_found"),
    (("catalogue", "load", "none.toml"), 1, "bad_parameter"),
]


@pytest.mark.parametrize(
    ("words", "code", "name"),
    REFUSED,
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_cannot_be_done_is_said_on_standard_error(
    admin: Command, audit: Callable[[], Any], words: tuple[str, ...], code: int, name: str
) -> None:
    audit()

    ended, as_json = admin(*words), admin(*words, "--json")

    assert (ended.code, ended.out) == (as_json.code, as_json.out) == (code, "")
    (first,) = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    error = json.loads(as_json.err)["error"]
    assert (error["code"], error["exitCode"], error["requestId"]) == (name, code, None)
    assert error["message"].startswith(first.removeprefix("Error: "))
    assert audit() == []


def test_a_refusal_says_what_first_and_then_what_to_do(admin: Command) -> None:
    ended = admin("account", "disable", "nobody")

    assert ended.err == "Error: Account nobody is not there.\n  Check the spelling.\n"


def test_settings_and_databases_that_cannot_be_used_are_told_so(
    command: Command, tmp_path: Path, config: Path
) -> None:
    bad, empty = tmp_path / "bad.toml", tmp_path / "empty.db"
    bad.write_text("[rest]\nlissen = 1\n")
    list_with = ("admin", "org", "list", "--config")

    in_text = command(*list_with, bad)
    as_json = command(*list_with, bad, "--json")
    config.write_text(config.read_text().replace("transom.db", empty.name))
    behind, in_json = command(*list_with, config), command(*list_with, config, "--json")

    assert in_text.code == as_json.code == 78
    assert in_text.err.startswith("The settings cannot be used:\n")
    error = json.loads(as_json.err)["error"]
    assert (error["code"], error["exitCode"]) == ("bad_settings", 78)
    assert "rest.lissen" in error["message"]
    assert behind.code == in_json.code == 1
    assert "transom-server migrate up" in behind.err
    assert json.loads(in_json.err)["error"]["code"] == "schema_outdated"


def test_a_database_that_does_not_answer_is_told_with_what_its_driver_says(
    command: Command, config: Path
) -> None:
    url = "postgresql+psycopg://transom@127.0.0.1:1/transom"
    text = re.sub(r'url = "sqlite.*"', f'url = "{url}"', config.read_text())
    config.write_text(text)

    ended = command("admin", "org", "list", "--config", config)
    as_json = command("admin", "org", "list", "--json", "--config", config)

    assert (ended.code, ended.out) == (as_json.code, as_json.out) == (1, "")
    first, rest = ended.err.splitlines()
    assert first == "Error: The database does not answer."
    assert "127.0.0.1" in rest
    assert json.loads(as_json.err)["error"]["code"] == "unavailable"


def test_a_secret_file_that_cannot_be_made_is_told_to_a_machine_too(
    admin: Command, tmp_path: Path
) -> None:
    words = ("account", "add", "a", "--org", "0001", "--secret-file", tmp_path / "no" / "where")

    ended = admin(*words, "--json")

    assert (ended.code, ended.out) == (1, "")
    assert json.loads(ended.err)["error"]["code"] == "fault"
    assert admin("account", "show", "a").code == 1


# --- while the exchange runs ---------------------------------------------------------------------


def config_of(world: World) -> Path:
    """A settings file for the operator of this world."""
    chosen = world.program.settings
    return settings_file(
        world.directory, str(chosen.database.url), chosen.blobs.root, chosen.keys.file
    )


@pytest.mark.parametrize(
    ("stop", "start"),
    [
        (("account", "disable", "{name}"), ("account", "enable", "{name}")),
        (("org", "disable", "0001"), ("org", "enable", "0001")),
        (
            ("account", "allow-network", "{name}", "10.9.0.0/16"),
            ("account", "allow-network", "{name}", "--any"),
        ),
        (("account", "end", "{name}", "--yes"), None),
        (("account", "rotate-secret", "{name}"), None),
    ],
    ids=lambda words: " ".join(words[:2]) if words else "",
)
def test_tokens_and_signed_urls_of_who_is_stopped_end_at_once(
    command: Command,
    sqlite_world: World,
    stop: tuple[str, ...],
    start: tuple[str, ...] | None,
) -> None:
    account, config = sqlite_world.account(), config_of(sqlite_world)

    def admin(words: tuple[str, ...]) -> None:
        named = [word.format(name=account.name) for word in words]
        assert command("admin", *named, "--config", config).code == 0

    with sqlite_world.serving() as served:
        caller = served.caller(account)
        url = caller.request_upload("0001/app1/in/file.zip")["preSignedUrl"]

        admin(stop)

        assert caller.get("/files").status_code == 401
        assert requests.put(url, b"content", timeout=20).status_code == 403
        assert grant(served.rest, account) == 400
        if start is not None:
            admin(start)
            assert grant(served.rest, account) == 200


def grant(rest: str, account: Account) -> int:
    url = f"{rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"
    return requests.post(url, auth=(account.name, account.secret), timeout=20).status_code


@pytest.mark.drill  # the operator's guide is walked so in every run
def test_an_exchange_is_set_up_run_and_administered_from_nothing(tmp_path: Path) -> None:
    """The operator's first day, with the real program."""
    port, keys = free_port(), tmp_path / "keys"
    keys.write_text(once("keys", "new", "k1").stdout)
    keys.chmod(0o600)
    database = f"sqlite:///{tmp_path}/transom.db"
    config = settings_file(tmp_path, database, tmp_path / "files", keys, port)
    (tmp_path / "own.toml").write_text(OWN)

    def admin(*words: str) -> str:
        done = once("admin", *words, "--config", str(config))
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert once("migrate", "up", "--config", str(config)).returncode == 0
    admin("catalogue", "load", str(tmp_path / "own.toml"))
    admin("org", "add", "0001", "Northgate")
    secret = admin("account", "add", "0001ftp01", "--org", "0001").strip()
    admin("entitlement", "add", "0001ftp01", "0001/mine", "both")
    rest = f"http://127.0.0.1:{port}"
    url = f"{rest}/fip/rest/ews/oauth2/access_token?grant_type=client_credentials"

    with running([PROGRAM, "run", "--config", str(config)], tmp_path / "said") as server:
        wait_for(server, rest)
        token = requests.post(url, auth=("0001ftp01", secret), timeout=20).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        listing = requests.get(f"{rest}/files/0001/mine/in", headers=bearer, timeout=20)
        assert listing.status_code == 200, listing.text

        admin("account", "disable", "0001ftp01")

        assert requests.get(f"{rest}/files", headers=bearer, timeout=20).status_code == 401
        assert requests.post(url, auth=("0001ftp01", secret), timeout=20).status_code == 400
        told = json.loads(admin("account", "show", "0001ftp01", "--json"))
        assert (told["state"], bool(told["lastSignIn"])) == ("disabled", True)
        assert secret not in server.text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(server: Server, rest: str) -> None:
    until = time.monotonic() + 30
    while not is_ready(rest):
        assert server.process.poll() is None, server.text
        assert time.monotonic() < until, server.text
        time.sleep(0.05)


def is_ready(rest: str) -> bool:
    try:
        return requests.get(f"{rest}/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
