"""From a profile to a client of its server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from transom.client.cli import config, secrets, words
from transom.client.cli.config import Config, Resolved
from transom.client.cli.exits import WrongUse
from transom.client.cli.show import Screen, Shared, screen
from transom.client.errors import NotSignedIn

if TYPE_CHECKING:
    from transom.client import Client


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with: the screen, the configuration, the environment."""

    screen: Screen
    config: Config
    environ: Mapping[str, str]

    @property
    def shared(self) -> Shared:
        """The options that every command has."""
        return self.screen.shared

    def resolved(self, **options: str) -> Resolved:
        """The profile in use, with these options over it."""
        return self.config.resolve(self.environ, self.shared.profile, options)


def desk(shared: Shared) -> Desk:
    """The desk of this process; warnings about the configuration are said once."""
    environ = os.environ
    made = Desk(screen(shared, environ), config.load(environ), environ)
    for warning in made.config.warnings:
        made.screen.warn(warning)
    return made


def keep_log(environ: Mapping[str, str]) -> None:
    """Log requests where TRANSOM_LOG says: info or debug to standard error, else into a file.

    Raises:
        WrongUse: the file cannot be written.
    """
    wanted = environ.get("TRANSOM_LOG", "")
    if not wanted:
        return
    import logging  # noqa: PLC0415 - rarely needed

    levels = {"info": logging.INFO, "debug": logging.DEBUG}
    try:
        target = None if wanted.lower() in levels else logging.FileHandler(wanted, delay=False)
    except OSError as failure:
        raise WrongUse(f"TRANSOM_LOG: {wanted} cannot be written ({failure.strerror}).") from None
    logging.basicConfig(
        level=levels.get(wanted.lower(), logging.DEBUG),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        handlers=[target or logging.StreamHandler()],
    )
    logging.getLogger("httpcore2").setLevel(logging.WARNING)  # its traces hold headers, and tokens


@contextmanager
def connected(
    at: Desk, resolved: Resolved, secret: secrets.Secret | None = None
) -> Iterator[Client]:
    """A client of the profile's server; let go of with the block.

    Raises:
        NotSignedIn: there is no secret, or no user name.
    """
    keep_log(at.environ)
    from transom.client import Client  # noqa: PLC0415 - HTTP is loaded only when it is used

    token = at.environ.get("TRANSOM_TOKEN", "")
    user, found = resolved["user"], secret
    server = resolved.server
    if secret is None and token:
        found = secrets.Secret("", "TRANSOM_TOKEN")
    elif not user:
        error = NotSignedIn("No user name is known. Set TRANSOM_USER, or sign in once.")
        error.add_note("transom login")
        raise error
    elif found is None:
        found = secrets.find(resolved, at.environ)
    at.screen.detail(f"{resolved.address}, {user or 'no user name'}, secret from {found.origin}")
    options: dict[str, Any] = {"on_retry": _told(at.screen), "ca_file": resolved.ca_file}
    if resolved.timeout_seconds is not None:
        options["timeout_seconds"] = resolved.timeout_seconds
    if secret is None and token:
        options["token"] = token
    _require_ca_file(resolved)
    with at.screen.awaiting(host(resolved)):
        client = Client.connect(server, user, found.text, **options)
    with client:
        yield client


def host(resolved: Resolved) -> str:
    """The server's name, for people."""
    return urlsplit(resolved.address).netloc or resolved.address


def environment(client: Client, resolved: Resolved) -> str:
    """What kind of server it is: as the profile says, else as the server does."""
    return resolved["environment"] or client.session.server.environment


def _require_ca_file(resolved: Resolved) -> None:
    if resolved.ca_file is not None and not resolved.ca_file.is_file():
        origin = resolved.values["ca_file"].origin
        raise WrongUse(f"There is no file {resolved.ca_file}, which ca_file ({origin}) names.")


def _told(on: Screen) -> Any:
    """Says each retry before its wait."""

    def tell(number: int, tries: int, seconds: float, why: str) -> None:
        waiting = f"try {number} of {tries}, in {words.duration(max(seconds, 1))}"
        on.note(f"{on.visible(why).rstrip('.')} ({waiting})")

    return tell
