"""profile list, show, use, set, remove."""

from __future__ import annotations

import sys

from transom.client.cli import config, secrets
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.show import Column


def show_all(at: Desk) -> None:
    """Every profile, the default with a mark."""
    found = [
        (name, values.get("url") or values.get("preset", ""), values.get("user", ""))
        for name, values in at.config.profiles.items()
    ]
    default = at.config.default_profile
    if at.shared.for_machines:
        at.screen.document(
            [
                {"name": name, "server": server, "user": user, "isDefault": name == default}
                for name, server, user in found
            ]
        )
        return
    if not found:
        at.screen.note("No profiles yet.")
        at.screen.next("transom login URL")
        return
    columns = (Column("PROFILE", is_name=True), Column("SERVER", is_name=True), Column("USER"))
    rows = [
        (f"{name}{' (default)' if name == default else ''}", server, user)
        for name, server, user in found
    ]
    at.screen.table(columns, [[at.screen.visible(each) for each in row] for row in rows])


def show(at: Desk, name: str) -> None:
    """Each value that holds, and where it came from."""
    resolved = at.config.resolve(at.environ, name or at.shared.profile)
    shown = [(key, resolved.values[key]) for key in config.KEYS if key in resolved.values]
    if at.shared.for_machines:
        values = {key: {"value": value.text, "origin": value.origin} for key, value in shown}
        at.screen.document({"name": resolved.name, "file": str(at.config.file), "values": values})
        return
    columns = (Column("KEY", is_name=True), Column("VALUE", is_name=True), Column("FROM"))
    rows = [(key, at.screen.visible(value.text), value.origin) for key, value in shown]
    at.screen.table(columns, rows)
    at.screen.note(f"File: {at.screen.visible(str(at.config.file))}")


def use(at: Desk, name: str) -> None:
    """Make a profile the default."""
    at.config.use(_named(name))
    _done(at, name, f'Profile "{name}" is the default now.')


def change(at: Desk, name: str, key: str, value: str | None) -> None:
    """Set one value, or forget it when it is empty."""
    if not name or not key or value is None:
        raise WrongUse("Say which profile, what, and to what value: NAME KEY VALUE.")
    if key == "preset" and value:
        config.preset_address(value)
    values = at.config.profiles.get(name, {}) | {config.known_key(key): value}
    at.config.keep(name, values)
    _done(at, name, f'Profile "{name}" has {f"{key} = {value}" if value else f"no {key}"} now.')


def remove(at: Desk, name: str, *, is_sure: bool) -> None:
    """Forget a profile and, if the keyring has it, its password."""
    resolved = at.config.resolve({}, _named(name))
    if not is_sure:
        _confirm(at, name)
    kind = resolved["secret"]
    if kind == "keyring" and resolved.is_set_up and resolved["user"]:
        try:
            secrets.forget(resolved.address, resolved["user"])
        except secrets.KeyringUnusable as failure:
            at.screen.warn(failure.message)
    at.config.remove(name)
    _done(at, name, f'Profile "{name}" is gone.')


def _confirm(at: Desk, name: str) -> None:
    if not at.screen.can_ask:
        raise WrongUse("Nobody is there to say whether the profile may go. Give --yes.")
    sys.stderr.write(f'Type the name of the profile to remove it ("{name}"): ')
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise WrongUse("That is another name, so nothing was removed.")


def _named(name: str) -> str:
    if not name:
        raise WrongUse("Which profile? Give its name.")
    return name


def _done(at: Desk, name: str, sentence: str) -> None:
    if at.shared.for_machines:
        at.screen.document({"profile": name, "message": sentence})
    else:
        at.screen.row(at.screen.visible(sentence))
