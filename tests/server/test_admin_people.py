"""The operator's commands for people."""

# ruff: noqa: F811 - the fixtures are those of test_admin.py

from __future__ import annotations

import io
import sqlite3
import sys
from pathlib import Path

import pyotp
import pytest
from server.test_admin import Command, admin, audit, command, config  # noqa: F401

from transom.core.people.administration import NewPerson, ReadyPerson
from transom.core.retention import SYSTEM
from transom.domain.people import Role
from transom.server.opening import open_exchange
from transom.server.system import SystemClock

MARIA = "maria@northgate.example"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def ready(config: Path, email: str, role: Role = Role.USER, org: str = "0001") -> None:
    """Somebody who is enrolled."""
    new = NewPerson(email, "Somebody Else", org, role)
    with open_exchange(config) as exchange:
        made = ReadyPerson(new, "violet anchor tundra seven", SECRET)
        exchange.people.administration.have_ready(SYSTEM, made)


def type_code(monkeypatch: pytest.MonkeyPatch) -> None:
    code = pyotp.TOTP(SECRET).at(int(SystemClock().wall().timestamp()))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{code}\n"))


def test_a_person_is_invited_shown_and_listed(admin: Command, tmp_path: Path) -> None:
    invited = admin("person", "invite", MARIA, "Maria Alvarez", "--org", "0001")
    listed = admin("person", "list")
    shown = admin("person", "show", MARIA)
    told = admin("person", "show", MARIA, "--json").told

    assert (invited.code, invited.out) == (0, "")
    assert "is invited as firm user of organization 0001" in invited.err
    assert listed.rows == [[MARIA, "Maria Alvarez", "0001", "user", "invited", "sent"]]
    assert "role        firm user of Northgate (0001)" in shown.out
    assert (told["state"], told["invitation"]["state"], told["factors"]) == ("invited", "sent", [])
    with sqlite3.connect(tmp_path / "transom.db") as records:
        assert records.execute("SELECT count(*) FROM outbox").fetchone() == (1,)
    records.close()


def test_a_second_invitation_is_sent_and_a_second_person_refused(admin: Command) -> None:
    admin("person", "invite", MARIA, "Maria Alvarez", "--org", "0001")

    assert admin("person", "resend", MARIA).code == 0
    again = admin("person", "invite", MARIA, "Maria Alvarez", "--org", "0001", "--json")
    assert (again.code, '"code": "wrong_state"' in again.err) == (1, True)
    assert admin("person", "invite", "nobody", "N", "--org", "0001").code == 1


def test_operator_staff_belong_to_the_operators_own_organization(admin: Command) -> None:
    invited = admin(
        "person", "invite", "sam@operator.example", "Sam", "--role", "support", "--json"
    )

    assert (invited.told["org"], invited.told["role"]) == ("0", "support")
    assert admin("person", "list", "--org", "0", "--json").told[0]["invitation"] == "sent"
    assert admin("account", "list").rows == []


def test_people_are_locked_unlocked_and_ended(
    admin: Command,
    config: Path,
    audit: object,
) -> None:
    ready(config, MARIA)
    said = [admin("person", "lock", MARIA).err for _ in range(2)]
    said += [admin("person", "unlock", MARIA, "--json").told]

    assert said == [f"{MARIA} is locked.\n", f"{MARIA} is locked already.\n", {"changed": True}]
    assert admin("person", "end", MARIA).code == 2  # nobody is there to ask
    assert admin("person", "end", MARIA, "--yes").code == 0
    assert admin("person", "show", MARIA, "--json").told["state"] == "ended"
    assert admin("person", "unlock", MARIA).code == 1
    actions = [action for action, *_ in audit()]  # type: ignore[operator]
    assert actions[-3:] == ["person.locked", "person.unlocked", "person.ended"]


def test_a_person_is_granted_at_most_what_the_organization_holds(
    admin: Command, config: Path
) -> None:
    ready(config, MARIA)
    words = (MARIA, "0001/mine/in", "submit")
    refused = admin("entitlement", "add", *words)
    admin("account", "add", "0001ftp01", "--org", "0001")
    admin("entitlement", "add", "0001ftp01", "0001/mine", "submit")
    granted = admin("entitlement", "add", *words)

    assert refused.code == 1
    assert "Organization 0001 is without an account that may do this in 0001/mine" in refused.err
    assert "list, upload in in" in refused.err
    assert (granted.code, granted.err) == (0, f"{MARIA} has submit in 0001/mine/in.\n")
    assert admin("entitlement", "add", MARIA, "mine", "process").code == 1


def test_a_reset_takes_two_administrators_and_their_codes(
    admin: Command,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready(config, MARIA)
    ready(config, "saa@northgate.example", Role.SUPER_ADMINISTRATOR)
    ready(config, "aa@northgate.example", Role.ACCOUNT_ADMINISTRATOR)

    monkeypatch.setattr(sys, "stdin", io.StringIO("000000\n"))
    wrong = admin("person", "reset", MARIA, "--by", "saa@northgate.example")
    type_code(monkeypatch)
    first = admin("person", "reset", MARIA, "--by", "saa@northgate.example")
    type_code(monkeypatch)
    second = admin("person", "reset", MARIA, "--by", "aa@northgate.example", "--json")

    assert (wrong.code, "not right" in wrong.err) == (1, True)
    assert (first.code, "second administrator" in first.err) == (0, True)
    assert second.told["done"] is True
    assert second.told["askedBy"] == "saa@northgate.example"
    assert admin("person", "show", MARIA, "--json").told["state"] == "invited"


def test_kinds_of_factor_are_retired_by_a_day(admin: Command) -> None:
    before = admin("factor", "list").out.split()
    said = admin("factor", "set", "authenticator", "--until", "2001-12-31").err
    admin("factor", "set", "passkey", "--org", "0001", "--from", "2099-01-01")

    assert before == ["passkey", "authenticator"]  # no gateway is set for the others
    assert said == "A factor of kind authenticator may be used by everybody through 2001-12-31.\n"
    assert admin("factor", "list").out.split() == ["passkey"]
    assert admin("factor", "list", "--org", "0001").out.split() == []
    assert admin("factor", "set", "sms", "--from", "2026-02-30").code == 2
