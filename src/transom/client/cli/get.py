"""get: files in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from transom.client.cli import connection, exits, places, show, transfers, words
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.progress import Step, watcher
from transom.client.cli.show import Screen
from transom.client.cli.transfers import End, Transfers
from transom.client.errors import ClientError
from transom.client.values import Entry, Fetched

if TYPE_CHECKING:
    from transom.client import Client

_PARALLEL: Final = 3
_NOT_ON_WINDOWS: Final = frozenset(':"<>|?*')


@dataclass(frozen=True, slots=True)
class Order:
    """What is fetched, and where to."""

    files: tuple[str, ...]
    output: str
    is_newer: bool
    has_bars: bool


@dataclass(frozen=True, slots=True)
class Target:
    """One file: where it is there, and where it goes; `path` is None for standard output."""

    place: str
    name: str
    path: Path | None

    @property
    def remote(self) -> str:
        """Its path there."""
        return f"{self.place}/{self.name}"


def run(at: Desk, order: Order) -> int:
    """Fetch the files. Returns the exit code."""
    resolved = at.resolved()
    targets = _targets(order, resolved["org"])
    files = words.count(len(targets), "file")
    at.screen.note(f"Fetching {files} from {at.screen.visible(connection.host(resolved))}")
    with connection.connected(at, resolved) as client:
        if order.is_newer:
            with at.screen.awaiting(connection.host(resolved)):
                targets, current = _outdated(client, targets)
            for each in current:
                _tell_current(at, each)
        ends = _fetched(at, client, order, targets)
    if len(ends) == 1 and ends[0].error is not None:
        raise ends[0].error
    if at.shared.json:
        at.screen.document([_record(end) for end in ends])
    return exits.of_all(end.exit_code for end in ends)


def _targets(order: Order, org: str) -> list[Target]:
    if not order.files:
        error = WrongUse("What is to be fetched? Say PLACE/FILE.")
        error.add_note("transom get --help")
        raise error
    directory = Path(order.output) if _is_directory(order) else None
    if order.output and directory is None and len(order.files) > 1:
        raise WrongUse(f"Several files need a directory, and {order.output} is none.")
    found = []
    for each in order.files:
        place, name = places.file(each, org)
        if directory is not None or not order.output:
            _require_local_name(name)
            path: Path | None = (directory or Path()) / name
        else:
            path = None if order.output == "-" else Path(order.output)
        found.append(Target(place, name, path))
    return found


def _is_directory(order: Order) -> bool:
    return order.output not in ("", "-") and (
        Path(order.output).is_dir() or order.output.endswith(("/", "\\"))
    )


def _require_local_name(name: str, *, on_windows: bool = sys.platform == "win32") -> None:
    """Let a name pass that can be a file's on this machine, and is that of no device."""
    is_reserved = on_windows and (
        bool(_NOT_ON_WINDOWS & set(name)) or PureWindowsPath(name).is_reserved()
    )
    if name in {".", ".."} or is_reserved:
        raise WrongUse(f'A file cannot be called "{name}" on this machine. Say -o PATH.')


def _outdated(client: Client, targets: Sequence[Target]) -> tuple[list[Target], list[Target]]:
    """Those to fetch, and those whose copy here is as it is there."""
    found: dict[str, dict[str, Entry]] = {}
    fetch: list[Target] = []
    current: list[Target] = []
    for each in targets:
        if each.place not in found:
            entries = client.folder(each.place).entries
            found[each.place] = {entry.name: entry for entry in entries}
        entry = found[each.place].get(each.name)
        (current if entry is not None and _is_current(each.path, entry) else fetch).append(each)
    return fetch, current


def _is_current(path: Path | None, entry: Entry) -> bool:
    if path is None or not path.is_file() or entry.modified is None:
        return False
    here = path.stat()
    return (
        here.st_size == entry.size and datetime.fromtimestamp(here.st_mtime, UTC) >= entry.modified
    )


def _fetched(
    at: Desk, client: Client, order: Order, targets: Sequence[Target]
) -> list[End[Target, Fetched]]:
    if not targets:
        return []
    bars = order.has_bars and not at.environ.get("TRANSOM_NO_PROGRESS")
    with watcher(at.screen, "Fetching", len(targets), has_bars=bars) as shown:

        def carry(target: Target, step: Step) -> Fetched:
            if target.path is None:
                return client.get(target.remote, _stdout(), progress=step)
            target.path.parent.mkdir(parents=True, exist_ok=True)
            return client.get(target.remote, target.path, progress=step)

        fetching: Transfers[Target, Fetched] = Transfers(carry, shown)
        parallel = 1 if order.output == "-" else _PARALLEL
        jobs = [(each, each.name, None) for each in targets]
        columns = max(words.width(at.screen.visible(each.name)) for each in targets)
        for end in fetching.run(jobs, parallel):
            with shown.aside():
                _tell(at, end, columns, is_one=len(jobs) == 1)
    in_order = {id(target): at for at, target in enumerate(targets)}
    return sorted(fetching.ends, key=lambda end: in_order[id(end.job)])


def _stdout() -> BinaryIO:
    return sys.stdout.buffer


def _tell(at: Desk, end: End[Target, Fetched], columns: int, *, is_one: bool) -> None:
    if end.error is not None:
        if not is_one:
            transfers.failed(at.screen, end)
    elif end.done is not None:
        _line(at.screen, end.job, end.done, columns)


def _line(screen: Screen, target: Target, done: Fetched, columns: int) -> None:
    if screen.shared.json_lines:
        screen.event({"event": "fetched", **_facts(target, done)})
        return
    if screen.shared.json:
        return
    name = screen.visible(target.name)
    room = " " * max(columns - words.width(name), 0)
    digest = "sha256 verified" if done.verified else "sha256 not stated"
    where = "-" if target.path is None else screen.visible(_dotted(target.path))
    say = screen.note if target.path is None else screen.row
    say(
        screen.mark("accepted"),
        f" {name}{room}   {words.size(done.size)}   {digest}   {where}",
    )


def _dotted(path: Path) -> str:
    return str(path) if path.is_absolute() or path.parts[:1] == ("..",) else f"./{path.as_posix()}"


def _tell_current(at: Desk, target: Target) -> None:
    if at.shared.json_lines:
        at.screen.event({"event": "current", "fileName": target.name, "place": target.place})
    elif not at.shared.json:
        mark = at.screen.mark("requested")
        at.screen.row(mark, f" {at.screen.visible(target.name)}   is here already")


def _facts(target: Target, done: Fetched) -> dict[str, Any]:
    return {
        "fileName": target.name,
        "place": target.place,
        "fileSize": done.size,
        "sha256": done.sha256,
        "verified": done.verified,
        "seconds": round(done.seconds, 3),
        "path": None if target.path is None else str(target.path),
    }


def _record(end: End[Target, Fetched]) -> dict[str, Any]:
    if end.done is None:
        return {"fileName": end.name, "error": show.told(end.error or ClientError(""))}
    return _facts(end.job, end.done)
