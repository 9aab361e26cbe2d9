"""login, logout, whoami."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from transom.client.cli import config, connection, secrets
from transom.client.cli.config import Resolved, Value
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.secrets import Secret
from transom.client.cli.show import Screen
from transom.client.errors import NotEntitled, NotThere, RefusedByRule

if TYPE_CHECKING:
    from transom.client import Client


@dataclass(frozen=True, slots=True)
class Login:
    """What a login was told; what is "" is taken from the profile, or asked for."""

    url: str = ""
    user: str = ""
    password_file: str = ""
    org: str = ""
    preset: str = ""
    ca_file: str = ""
    ready_file: str = ""


def login(at: Desk, asked: Login) -> None:
    """Try the credentials, then keep profile and secret."""
    if sum(map(bool, (asked.url, asked.preset, asked.ready_file))) > 1:
        raise WrongUse(
            "A URL, --preset and --ready-file exclude each other: each says where the server is."
        )
    name = _profile_name(at, asked)
    if asked.ready_file:
        asked = _of_the_demo(asked)
    resolved = _drafted(at, asked, name)
    if not resolved.is_set_up:
        url = _ask(at.screen, "Server (URL)", "URL or --preset")
        resolved = _with(resolved, url=url)
    if not resolved["user"]:
        resolved = _with(resolved, user=_ask(at.screen, "User name", "--user"))
    secret = _secret(at, asked, resolved)
    with connection.connected(at, resolved, secret) as client:
        with at.screen.awaiting(connection.host(resolved)):
            orgs = _organizations(client)
        environment = connection.environment(client, resolved)
    if not resolved["org"] and len(orgs) == 1:
        resolved = _with(resolved, org=orgs[0])
    kept, where = _kept(at, asked, resolved, secret)
    at.config.keep(name, _to_keep(resolved, kept))
    if at.shared.for_machines:
        at.screen.document({"profile": name, **_facts(resolved, environment), "secret": kept})
        return
    signed_in = f"Signed in as {at.screen.visible(resolved['user'])}"
    at.screen.row(at.screen.mark("accepted"), f' {signed_in}, profile "{name}".')
    at.screen.note(where)
    at.screen.next(f"transom ls{'' if name == at.config.default_profile else f' --profile {name}'}")


def _profile_name(at: Desk, asked: Login) -> str:
    named = at.shared.profile or at.environ.get("TRANSOM_PROFILE", "")
    own = asked.preset or ("demo" if asked.ready_file else "")
    return named or own or at.config.default_profile or config.DEFAULT_NAME


def _of_the_demo(asked: Login) -> Login:
    """The same with address, authority and account out of a demo's ready file."""
    ready = secrets.Ready.read(Path(asked.ready_file).expanduser().absolute())
    account = ready.account(asked.user)
    return replace(
        asked,
        url=ready.url,
        user=account.user,
        org=asked.org or account.org,
        ca_file=ready.ca_file,
        ready_file=str(ready.file),
    )


def _drafted(at: Desk, asked: Login, name: str) -> Resolved:
    """The profile as it would be: what was there, with what was said over it."""
    at.config.profiles.setdefault(name, {})
    if asked.preset:
        config.preset_address(asked.preset)
    ca_file = str(Path(asked.ca_file).expanduser().absolute()) if asked.ca_file else ""
    said = {
        "url": asked.url,
        "preset": asked.preset,
        "user": asked.user,
        "org": asked.org,
        "ca_file": ca_file,
        "environment": "demo" if asked.ready_file else "",
    }
    return at.config.resolve(at.environ, name, said)


def _with(resolved: Resolved, **answers: str) -> Resolved:
    values = {key: Value(text, "login") for key, text in answers.items()}
    return Resolved(resolved.name, resolved.is_known, {**resolved.values, **values}, resolved.file)


def _ask(screen: Screen, question: str, option: str) -> str:
    """An answer from the terminal.

    Raises:
        WrongUse: nobody is there to answer.
    """
    if not screen.can_ask:
        raise WrongUse(f"{question} is not known, and nobody is there to ask. Give {option}.")
    while True:
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        if line.strip():
            return line.strip()


def _secret(at: Desk, asked: Login, resolved: Resolved) -> Secret:
    if asked.ready_file:
        return secrets.from_ready_file(Path(asked.ready_file), resolved["user"])
    if asked.password_file:
        path = Path(asked.password_file)
        return secrets.from_file(path if str(path) == "-" else path.expanduser().absolute())
    if password := at.environ.get("TRANSOM_PASSWORD"):
        return Secret(password, "TRANSOM_PASSWORD")
    if not at.screen.can_ask:
        raise WrongUse(
            "The password is not known, and nobody is there to ask."
            " Set TRANSOM_PASSWORD, or give --password-file FILE (- for standard input)."
        )
    prompt = f"Password of {at.screen.visible(resolved['user'])}: "
    return Secret(getpass.getpass(prompt, sys.stderr), "prompt")


def _organizations(client: Client) -> list[str]:
    """The organizations at the root; none where the server does not show it.

    A token was given for this answer, whatever it says: the credentials are right.
    """
    try:
        return [entry.name for entry in client.folder("").entries if not entry.is_file]
    except (NotThere, NotEntitled, RefusedByRule):
        return []


def _kept(at: Desk, asked: Login, resolved: Resolved, secret: Secret) -> tuple[str, str]:
    """Keep the secret where it may stay; what the profile is to say, and what people are told."""
    if asked.ready_file:
        return f"ready:{asked.ready_file}", f"  The password stays in {asked.ready_file}."
    if secret.origin.startswith("file "):
        file = Path(asked.password_file).expanduser().absolute()
        return f"file:{file}", f"  The password stays in {file}."
    if secret.origin == "TRANSOM_PASSWORD":
        return "env", "  The password stays in TRANSOM_PASSWORD."
    try:
        secrets.keep(resolved.address, resolved["user"], secret.text)
    except secrets.KeyringUnusable as failure:
        at.screen.warn(failure.message)
        return "env", "  The password was not kept; the profile expects it in TRANSOM_PASSWORD."
    return "keyring", "  The password is in the keyring of this machine."


def _to_keep(resolved: Resolved, kept: str) -> dict[str, str]:
    """The profile's own values: what the environment says now is not written down."""
    passing = {"TRANSOM_TIMEOUT_SECONDS"}
    return {
        key: resolved[key]
        for key in config.KEYS
        if key in resolved.values and resolved.values[key].origin not in passing
    } | {"secret": kept}


def logout(at: Desk) -> None:
    """Forget the secret of the profile in use."""
    resolved = at.resolved()
    kind, _, path = resolved["secret"].partition(":")
    if kind == "keyring":
        was_there = secrets.forget(resolved.address, resolved["user"])
        said = "is gone from the keyring" if was_there else "was not in the keyring"
    elif kind in {"file", "ready"}:
        said = f"is in {path}, and stays there: delete that file"
    else:
        said = "is in TRANSOM_PASSWORD: nothing is kept here"
    if at.shared.for_machines:
        at.screen.document({"profile": resolved.name, "secret": kind, "message": said})
        return
    user = at.screen.visible(resolved["user"])
    at.screen.row(f"The password of {user} {said}.")
    at.screen.next("transom login")


def whoami(at: Desk) -> None:
    """Show who is signed in where."""
    resolved = at.resolved()
    with connection.connected(at, resolved) as client:
        with at.screen.awaiting(connection.host(resolved)):
            places = _organizations(client)
        environment = connection.environment(client, resolved)
    facts = {"profile": resolved.name, **_facts(resolved, environment), "places": places}
    if at.shared.for_machines:
        at.screen.document(facts)
        return
    for key, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        at.screen.row(f"{key.capitalize():<12} {at.screen.visible(text) or '(none)'}")


def _facts(resolved: Resolved, environment: str) -> dict[str, str]:
    return {
        "user": resolved["user"],
        "org": resolved["org"],
        "server": resolved.address,
        "environment": environment,
    }
