"""Where a secret comes from and where it is kept. It is never an argument and never shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        case _:
            raise WrongUse(
                f'secret = "{kind}" ({resolved.values["secret"].origin}) names no place.'
                " Use keyring, env or file:PATH."
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
