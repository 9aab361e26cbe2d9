"""ls: what is at a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transom.client.cli import connection, places, words
from transom.client.cli.connection import Desk
from transom.client.cli.show import Column
from transom.client.errors import NotEntitled, NotThere
from transom.client.values import Entry, Folder

if TYPE_CHECKING:
    from transom.client import Client

_APPLICATION_LEVEL: Final = 2


@dataclass(frozen=True, slots=True)
class SubSpace:
    """A sub-space of an application and what is in it; `files` is None where it is not shown."""

    entry: Entry
    files: tuple[Entry, ...] | None


def show(at: Desk, place: str) -> None:
    """List one level."""
    resolved = at.resolved()
    path = places.level(place, resolved["org"])
    with (
        connection.connected(at, resolved) as client,
        at.screen.awaiting(connection.host(resolved)),
    ):
        folder = client.folder(path)
        is_application = path.count("/") + 1 == _APPLICATION_LEVEL
        spaces = list(_sub_spaces(client, folder)) if is_application else []
    if at.shared.json:
        at.screen.document([as_json(each, path) for each in folder.entries])
    elif at.shared.json_lines:
        for each in folder.entries:
            at.screen.event(as_json(each, path))
    elif not folder.entries:
        at.screen.note(f"There is nothing in {at.screen.visible(path) or 'the root'}.")
    elif is_application:
        _show_sub_spaces(at, spaces)
    elif all(each.is_file for each in folder.entries):
        _show_files(at, folder)
    else:
        head = "APPLICATION" if path else "ORGANIZATION"
        names = [[at.screen.visible(each.name)] for each in folder.entries]
        at.screen.table([Column(head, is_name=True)], names)


def as_json(entry: Entry, place: str) -> dict[str, Any]:
    """An entry for machines, in the guide's names."""
    return {
        "name": entry.name,
        "type": "FILE" if entry.is_file else "DIR",
        "contentLength": entry.size,
        "lastModified": words.instant(entry.modified) if entry.modified else None,
        "place": place,
        "writable": entry.writable,
    }


def _sub_spaces(client: Client, folder: Folder) -> Iterator[SubSpace]:
    for entry in folder.entries:
        try:
            yield SubSpace(entry, client.folder(f"{folder.path}/{entry.name}").entries)
        except (NotEntitled, NotThere):
            yield SubSpace(entry, None)


def _show_sub_spaces(at: Desk, spaces: list[SubSpace]) -> None:
    newest = [
        max((file.modified for file in space.files or () if file.modified), default=None)
        for space in spaces
    ]
    zone, times = words.moments(newest, at.screen.zone)
    columns = (
        Column("FOLDER", is_name=True),
        Column("YOU CAN"),
        Column("FILES", is_right=True),
        Column(f"NEWEST{zone}"),
    )
    rows = [
        (
            at.screen.visible(space.entry.name),
            "upload" if space.entry.writable else "download",
            "" if space.files is None else f"{len(space.files):,}",
            time,
        )
        for space, time in zip(spaces, times, strict=True)
    ]
    at.screen.table(columns, rows)


def _show_files(at: Desk, folder: Folder) -> None:
    zone, times = words.moments([each.modified for each in folder.entries], at.screen.zone)
    columns = (
        Column("NAME", is_name=True),
        Column("SIZE", is_right=True),
        Column(f"MODIFIED{zone}"),
    )
    rows = [
        (at.screen.visible(each.name), "" if each.size is None else words.size(each.size), time)
        for each, time in zip(folder.entries, times, strict=True)
    ]
    at.screen.table(columns, rows)
