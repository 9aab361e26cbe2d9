"""Where a secret comes from and where it is kept. It is never an argument and never shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from transom.client.cli.config import Resolved
from transom.client.cli.exits import WrongUse
from transom.client.errors import NotSignedIn

_OTHER_WAYS = (
    'Set TRANSOM_PASSWORD, or keep it in a file: secret = "file:PATH" in the profile, which'
    " `transom profile set NAME secret file:PATH` writes."
)
_MODE_OTHERS = 0o077


class KeyringUnusable(NotSignedIn):
    """This machine has no keyring, or it is locked."""

    default_code = "no_keyring"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, and in words where it came from. Printing it shows the words alone."""

    text: str
    origin: str

    def __repr__(self) -> str:
        return f"Secret({self.origin})"


def find(resolved: Resolved, environ: Mapping[str, str]) -> Secret:
    """The secret of a profile's account: TRANSOM_PASSWORD, else where the profile says.

    Raises:
        NotSignedIn: there is none, or its keyring cannot be used.
        WrongUse: the profile names a place that cannot be one.
    """
    if password := environ.get("TRANSOM_PASSWORD"):
        return Secret(password, "TRANSOM_PASSWORD")
    kind, _, rest = resolved["secret"].partition(":")
    match kind:
        case "keyring":
            return _from_keyring(resolved)
        case "env":
            raise _none("TRANSOM_PASSWORD is not set. The profile says that the secret is there.")
        case "file" if rest:
            return from_file(resolved.file.parent / Path(rest).expanduser())
        case "ready" if rest:
            return from_ready_file(resolved.file.parent / Path(rest).expanduser(), resolved["user"])
        case _:
            raise WrongUse(
                f'secret = "{kind}" ({resolved.values["secret"].origin}) names no place.'
                " Use keyring, env, file:PATH, or ready:PATH for a demo's ready file."
            )


def from_file(file: Path) -> Secret:
    """The first line of a file; "-" is standard input.

    Raises:
        NotSignedIn: it cannot be read, is empty, or others can read it.
    """
    if str(file) == "-":
        return Secret(_line(sys.stdin.readline(), "standard input"), "standard input")
    try:
        if os.name == "posix" and file.stat().st_mode & _MODE_OTHERS:
            raise _none(f"Others can read {file}, so it is not used. Run: chmod 600 {file}")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise _none(f"The password file {file} cannot be read: {failure}.") from failure
    return Secret(_line(text, str(file)), f"file {file}")


def _line(text: str, origin: str) -> str:
    first = text.splitlines()[0] if text else ""
    if not first:
        raise _none(f"There is no password in {origin}.")
    return first


# --- a demo's ready file -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of a demo. Printing it leaves the password out."""

    user: str
    org: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """What a running demo says of itself: its address, its authority ("" for none), who may enter.

    The file is there only while the demo runs.
    """

    file: Path
    url: str
    ca_file: str
    accounts: tuple[DemoAccount, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a ready file.

        Raises:
            NotSignedIn: there is none (no demo runs), or it is not one.
        """
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            accounts = tuple(
                DemoAccount(str(each["user"]), str(each["org"]), str(each["password"]))
                for each in told["accounts"]
            )
            return cls(file, str(told["rest"]), str(told["ca"] or ""), accounts)
        except FileNotFoundError as failure:
            text = f"There is no {file}. Does the demo run, and was it given --ready-file?"
            raise NotSignedIn(text, code="no_secret") from failure
        except (OSError, ValueError, KeyError, TypeError) as failure:
            text = f"{file} is no ready file of a demo."
            raise NotSignedIn(text, code="no_secret") from failure

    def account(self, user: str = "") -> DemoAccount:
        """The account of this name, or the first.

        Raises:
            NotSignedIn: the demo has no such account.
        """
        for each in self.accounts:
            if user in {"", each.user}:
                return each
        known = ", ".join(each.user for each in self.accounts)
        raise NotSignedIn(f"The demo has no account {user}. It has {known}.", code="no_secret")


def from_ready_file(file: Path, user: str) -> Secret:
    """The password of a demo's account.

    Raises:
        NotSignedIn: no demo runs there, or it has no such account.
    """
    return Secret(Ready.read(file).account(user).password, f"ready file {file}")


# --- the system's keyring ------------------------------------------------------------------------


def _from_keyring(resolved: Resolved) -> Secret:
    try:
        found = _keyring().get_password(_service(resolved.address), resolved["user"])
    except _keyring_failures() as failure:
        raise _unusable(failure) from failure
    if found is None:
        raise _none(f"No secret for {resolved['user']} at {resolved.address} in the keyring.")
    return Secret(found, "keyring")


def keep(address: str, user: str, secret: str) -> None:
    """Put a secret into the system's keyring, under the server's address.

    Raises:
        KeyringUnusable: it did not take it, or does not give it back.
    """
    service = _service(address)
    try:
        _keyring().set_password(service, user, secret)
        kept = _keyring().get_password(service, user)
    except _keyring_failures() as failure:
        raise _unusable(failure) from failure
    if kept != secret:
        raise _unusable(RuntimeError("it does not give back what it took"))


def forget(address: str, user: str) -> bool:
    """Take a secret out of the keyring; False when it was not there.

    Raises:
        KeyringUnusable
    """
    service = _service(address)
    try:
        if _keyring().get_password(service, user) is None:
            return False
        _keyring().delete_password(service, user)
    except _keyring_failures() as failure:
        raise _unusable(failure) from failure
    return True


def _service(address: str) -> str:
    """Under the address: a profile that is pointed elsewhere finds no secret to send there."""
    return f"transom {address.rstrip('/')}"


def _keyring() -> Any:
    import keyring  # noqa: PLC0415 - it loads every backend there is

    return keyring


def _keyring_failures() -> tuple[type[Exception], ...]:
    """What backends raise: the library's own errors, and the D-Bus's and the system's."""
    from keyring.errors import KeyringError  # noqa: PLC0415

    return (KeyringError, RuntimeError, OSError, ImportError)


def _unusable(failure: Exception) -> KeyringUnusable:
    told = (str(failure).strip().splitlines() or [type(failure).__name__])[0].rstrip(".")
    return KeyringUnusable(f"The keyring of this machine cannot be used ({told}). {_OTHER_WAYS}")


def _none(message: str) -> NotSignedIn:
    error = NotSignedIn(message, code="no_secret")
    error.add_note("transom login")
    return error
