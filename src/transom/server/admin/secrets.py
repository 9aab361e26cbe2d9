"""Secrets on their way to an operator, once, and the question before what cannot be undone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from transom.server.printing import document

SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        metavar="PATH",
        help="Write the secret to this new file, for its owner alone, instead of printing it.",
    ),
]


@contextmanager
def room_for_secret(path: Path | None) -> Iterator[Callable[[str | None], None]]:
    """What keeps a secret in a new file, made before there is one; without a path it does nothing.

    A file to which none was written is gone afterwards.
    """
    if path is None:
        yield lambda _secret: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        wrong = f"{path} is there already; name a new file"
        raise typer.BadParameter(wrong, param_hint="--secret-file") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:

        def keep(secret: str | None) -> None:
            if secret is not None:
                file.write(f"{secret}\n")
                file.flush()

        try:
            yield keep
        finally:
            if not os.fstat(descriptor).st_size:
                path.unlink()


def hand_over(
    shown: Mapping[str, object], secret: str | None, path: Path | None, *, as_json: bool
) -> None:
    """Print a secret alone, or within its document; not one that a file has."""
    printed = secret if path is None else None
    if as_json:
        in_file = str(path) if secret is not None and path is not None else None
        document({**shown, "secret": printed, "secretFile": in_file})
    elif printed is not None:
        typer.echo(printed)


def confirm(what: str, name: str) -> None:
    """Ask for a name before what cannot be undone.

    Raises:
        typer.BadParameter: nobody is there to ask, or the answer is another.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("needed where nobody can be asked", param_hint="--yes")
    typer.echo(f"{what}\nType its name to go on: ", nl=False, err=True)
    if sys.stdin.readline().strip() != name:
        raise typer.BadParameter("that is another name; nothing was changed", param_hint="ACCOUNT")
