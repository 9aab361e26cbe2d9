"""What a shell proposes: places (asked of the server), profiles, states.

It must never be in the way: half a second at most, remembered for a minute, silent when it fails.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from transom.client.cli.show import COLOURS, WORDS, Shared

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
_SECONDS: Final = 0.5
_KEPT_SECONDS: Final = 60.0
_VARIABLE: Final = "_TRANSOM_COMPLETE"


def script(shell: str) -> str:
    """The script that teaches a shell to ask `transom`.

    Raises:
        WrongUse: we have none for it.
    """
    from typer import completion  # noqa: PLC0415 - it loads shell detection

    from transom.client.cli.exits import WrongUse  # noqa: PLC0415

    if shell not in SHELLS:
        raise WrongUse(f'There is no completion for "{shell}". Use {", ".join(SHELLS)}.')
    make: Any = completion.get_completion_script  # type: ignore[attr-defined]
    return str(make(prog_name="transom", complete_var=_VARIABLE, shell=shell))


def prepare(environ: Mapping[str, str]) -> None:
    """Let Typer answer a shell that asks; nothing else pays for it."""
    if _VARIABLE in environ:
        from typer.completion import completion_init  # type: ignore[attr-defined] # noqa: PLC0415

        completion_init()


def shells(incomplete: str) -> list[str]:
    """Shells that there is a script for."""
    return [each for each in SHELLS if each.startswith(incomplete)]


def colours(incomplete: str) -> list[str]:
    """Values of --color."""
    return [each for each in COLOURS if each.startswith(incomplete)]


def states(incomplete: str) -> list[str]:
    """States, after those that are there already: accepted,rej..."""
    before, comma, last = incomplete.rpartition(",")
    every = sorted({*WORDS, "partial"} - {"partially_rejected"})
    return [f"{before}{comma}{each}" for each in every if each.startswith(last)]


def profiles(incomplete: str) -> list[str]:
    """Profiles of the configuration file."""
    from transom.client.cli import config  # noqa: PLC0415
    from transom.client.errors import ClientError  # noqa: PLC0415

    try:
        found = config.load(os.environ).profiles
    except ClientError:
        return []  # a shell has no place for an error; the command itself will tell
    return [each for each in found if each.startswith(incomplete)]


def places(incomplete: str) -> list[str]:
    """Places and files that begin so."""
    path, _, _ = incomplete.rpartition("/")
    names = _within(path, _SECONDS)
    return [
        each
        for each in (f"{path}/{name}" if path else name for name in names)
        if each.startswith(incomplete)
    ]


def _within(path: str, seconds: float) -> list[str]:
    """What is at a level: remembered, or asked for in a thread that is not waited for longer."""
    import threading  # noqa: PLC0415

    found: list[str] = []

    def ask() -> None:
        found.extend(_names(path))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)


def _names(path: str) -> Iterator[str]:
    """Names at a level, those of folders with a slash."""
    from transom.client.cli import config  # noqa: PLC0415
    from transom.client.cli import places as typed  # noqa: PLC0415
    from transom.client.cli.connection import Desk, connected  # noqa: PLC0415
    from transom.client.cli.show import screen  # noqa: PLC0415

    try:
        at = Desk(screen(Shared(quiet=True), os.environ), config.load(os.environ), os.environ)
        resolved = at.resolved()
        whole = typed.whole(path, resolved["org"])
        file = _remembered(at.environ, f"{resolved.address} {resolved['user']} {whole}")
        known = _read(file)
        if known is None:
            with connected(at, resolved) as client:
                entries = client.folder(whole).entries
            known = [each.name if each.is_file else f"{each.name}/" for each in entries]
            _write(file, known)
    except Exception:  # noqa: BLE001 - whatever it is, a shell has no place for it
        return
    yield from known


def _remembered(environ: Mapping[str, str], key: str) -> Path:
    import hashlib  # noqa: PLC0415

    from transom.client.cli.config import cache  # noqa: PLC0415

    return cache(environ) / f"places-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _read(file: Path) -> list[str] | None:
    """Names that were asked for within the last minute."""
    try:
        age = time.time() - file.stat().st_mtime
        return file.read_text(encoding="utf-8").splitlines() if 0 <= age < _KEPT_SECONDS else None
    except OSError:
        return None


def _write(file: Path, names: list[str]) -> None:
    from transom.client.cli.config import write_private  # noqa: PLC0415

    write_private(file, "\n".join(each for each in names if each.isprintable()))
