"""put: files out, and the application's answer back."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from transom.client.cli import connection, exits, names, places, show, track, transfers, words
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.progress import Step, watcher
from transom.client.cli.show import Screen
from transom.client.cli.transfers import End, Transfers
from transom.client.errors import ClientError, NotEntitled, Uncertain
from transom.client.values import Sent, Submission

if TYPE_CHECKING:
    from transom.client import Client

_MOST_PARALLEL: Final = 32
_LEAST_PATHS: Final = 2


@dataclass(frozen=True, slots=True)
class Source:
    """What is sent, and its name there. `path` is None for standard input."""

    path: Path | None
    name: str

    @property
    def typed(self) -> str:
        """As it stood on the command line."""
        return str(self.path) if self.path else "-"

    @property
    def size(self) -> int | None:
        """In bytes, where that is known before."""
        return self.path.stat().st_size if self.path else None


@dataclass(frozen=True, slots=True)
class Order:
    """What goes where. `wait_seconds` is None when nothing is waited for."""

    sources: tuple[Source, ...]
    place: str
    wait_seconds: float | None
    parallel: int
    has_bars: bool

    @classmethod
    def read(
        cls, paths: Sequence[str], name: str, wait_limit: str, parallel: str, *, has_bars: bool
    ) -> Self:
        """Read it off the command line.

        Raises:
            WrongUse: something is missing or cannot be used.
        """
        if len(paths) < _LEAST_PATHS:
            raise _missing(paths)
        *files, place = paths
        if (name or "-" in files) and len(files) > 1:
            raise WrongUse('--as and "-" go with one file only.')
        if files == ["-"] and not name:
            raise WrongUse("Standard input has no name. Give one with --as NAME.")
        found = tuple(
            Source(None if each == "-" else Path(each), name or Path(each).name) for each in files
        )
        seconds = words.seconds_of(wait_limit, "--wait-limit") if wait_limit else None
        return cls(found, place, seconds, _parallel(parallel), has_bars)


def _missing(paths: Sequence[str]) -> WrongUse:
    error = WrongUse(
        "A place to send it to is missing. Say what, then where to."
        if paths
        else "What is to be sent, and where to? Say FILE... PLACE."
    )
    error.add_note("transom put --help")
    return error


def _parallel(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= _MOST_PARALLEL):
        raise WrongUse(f"--parallel is a number from 1 to {_MOST_PARALLEL}.")
    return int(text)


# --- before anything is sent ---------------------------------------------------------------------


def _checked(order: Order) -> None:
    """Let an order pass whose names may be submitted and whose files can be read.

    Raises:
        BadName, WrongUse
    """
    for source in order.sources:
        try:
            names.check(source.name)
        except names.BadName as bad:
            if bad.suggestion:
                renamed = f"{_quoted(source.typed)} {order.place} --as {bad.suggestion}"
                bad.add_note(f"transom put {renamed}")
            raise
    for source in order.sources:
        if source.path is not None:
            _require_readable(source.path)
    taken = [source.name for source in order.sources]
    if twice := next((name for name, times in Counter(taken).items() if times > 1), ""):
        raise WrongUse(f"Two of the files are called {twice} there. Send them one by one.")


def _quoted(text: str) -> str:
    """As a shell takes it for one word. A number sign within a word needs no quotes."""
    import shlex  # noqa: PLC0415 - rarely needed

    return (
        text if shlex.quote(text.replace("#", "")) == text.replace("#", "") else shlex.quote(text)
    )


def _require_readable(path: Path) -> None:
    if path.is_dir():
        raise WrongUse(f"{path} is a directory. Name the files in it, or use --watch.")
    if not path.exists():
        raise WrongUse(f"There is no file {path}.", code="no_such_file")
    if not os.access(path, os.R_OK):
        raise WrongUse(f"{path} cannot be read. Check whose it is.", code="local_file")


def require_writable(client: Client, place: str, org: str) -> None:
    """Let a place pass that the account may upload to.

    Raises:
        NotEntitled, NotThere
    """
    if client.folder(place).writable:
        return
    application = place.rpartition("/")[0]
    inbound = [entry.name for entry in client.folder(application).entries if entry.writable]
    where = places.short(place, org)
    ways = " or ".join(places.short(f"{application}/{name}", org) for name in inbound)
    raise NotEntitled(
        f"You can see {where} but not upload to it. "
        + (f"Uploads of this application go to {ways}." if ways else "Your administrator can help.")
    )


def check(at: Desk, order: Order) -> int:
    """The dry run: look at names, files and rights, and send nothing."""
    resolved = at.resolved()
    place = places.sub_space(order.place, resolved["org"])
    _checked(order)
    with (
        connection.connected(at, resolved) as client,
        at.screen.awaiting(connection.host(resolved)),
    ):
        require_writable(client, place, resolved["org"])
    found = [
        {"fileName": each.name, "fileSize": each.size, "uploadLocation": place, "sent": False}
        for each in order.sources
    ]
    if at.shared.json:
        at.screen.document(found)
        return exits.DONE
    for source, record in zip(order.sources, found, strict=True):
        if at.shared.json_lines:
            at.screen.event({"event": "checked", **record})
            continue
        size = "?" if source.size is None else words.size(source.size)
        mark = at.screen.mark("requested")
        at.screen.row(mark, f" {at.screen.visible(source.name)}   {size}   could be sent")
    at.screen.note("Nothing was sent.")
    return exits.DONE


# --- sending -------------------------------------------------------------------------------------


def run(at: Desk, order: Order) -> int:
    """Send, and wait if that was asked for. Returns the exit code."""
    resolved = at.resolved()
    place = places.sub_space(order.place, resolved["org"])
    _checked(order)
    files = words.count(len(order.sources), "file")
    at.screen.note(f"Sending {files} to {place} at {at.screen.visible(connection.host(resolved))}")
    with connection.connected(at, resolved) as client:
        kind = connection.environment(client, resolved)
        if kind != "production":
            at.screen.note(f"Environment: {at.screen.visible(kind)}")
        ends = _sent(at, client, order, place)
        received = [end.done for end in ends if end.done is not None]
        answers: dict[str, Submission] = {}
        if order.wait_seconds is not None and received:
            answers = _waited(at, client, received, order.wait_seconds)
    if len(ends) == 1 and ends[0].error is not None:
        raise ends[0].error
    if at.shared.json:
        at.screen.document([_record(end, answers) for end in ends])
    _propose(at, received, answers, resolved["org"])
    return exits.of_all(_code(end, answers, waited=order.wait_seconds is not None) for end in ends)


def _sent(at: Desk, client: Client, order: Order, place: str) -> list[End[Source, Sent]]:
    with watcher(
        at.screen, "Sending", len(order.sources), has_bars=_wants_bars(at, order)
    ) as shown:

        def carry(source: Source, step: Step) -> Sent:
            what = sys.stdin.buffer if source.path is None else source.path
            return client.put(what, place, source.name, progress=step)

        sending: Transfers[Source, Sent] = Transfers(carry, shown)
        jobs = [(source, source.name, source.size) for source in order.sources]
        columns = max(words.width(at.screen.visible(each.name)) for each in order.sources)
        try:
            for end in sending.run(jobs, order.parallel):
                with shown.aside():
                    _tell(at, end, columns, is_one=len(jobs) == 1)
        except KeyboardInterrupt:
            shown.__exit__()
            _tell_stopped(at, sending.ends, len(jobs))
            raise
    in_order = {id(source): at for at, source in enumerate(order.sources)}
    return sorted(sending.ends, key=lambda end: in_order[id(end.job)])


def _wants_bars(at: Desk, order: Order) -> bool:
    return order.has_bars and not at.environ.get("TRANSOM_NO_PROGRESS")


def _tell(at: Desk, end: End[Source, Sent], columns: int, *, is_one: bool) -> None:
    if end.error is not None:
        if isinstance(end.error, Uncertain) and end.error.tracking_id:
            end.error.add_note(f"transom track {end.error.tracking_id}")
        if not is_one:
            transfers.failed(at.screen, end)
    elif end.done is not None:
        received(at.screen, end.done, columns)


def received(screen: Screen, sent: Sent, columns: int = 0) -> None:
    """The line of a file that was received."""
    if screen.shared.json_lines:
        screen.event({"event": "received", **_facts(sent)})
    elif not screen.shared.json:
        name = screen.visible(sent.name)
        room = " " * max(columns - words.width(name), 0)
        screen.row(
            screen.mark("received"),
            f" {name}{room}   received   {screen.visible(sent.tracking_id[:8])}",
            f"   {words.size(sent.size)}   sha256 {words.digest(sent.sha256)}",
            f"   {words.duration(sent.seconds)}",
        )


def _facts(sent: Sent) -> dict[str, Any]:
    return {
        "trackingId": sent.tracking_id,
        "fileName": sent.name,
        "fileSize": sent.size,
        "uploadLocation": sent.place,
        "sha256": sent.sha256,
        "verified": sent.verified,
        "seconds": round(sent.seconds, 3),
        "state": "received",
    }


def _record(end: End[Source, Sent], answers: dict[str, Submission]) -> dict[str, Any]:
    """One file for --json: what was sent, with the answer over it; or the error."""
    if end.done is None:
        return {"fileName": end.name, "error": show.told(end.error or ClientError(""))}
    answer = answers.get(end.done.tracking_id)
    return _facts(end.done) | (track.as_json(answer) if answer else {})


def _tell_stopped(at: Desk, ends: Sequence[End[Source, Sent]], count: int) -> None:
    arrived = [end.done.tracking_id for end in ends if end.done is not None]
    at.screen.note(
        f"Stopped: {words.count(len(arrived), 'file')} received, {count - len(arrived)} not."
        " What was received stays submitted."
    )
    if arrived:
        at.screen.next(f"transom track {' '.join(arrived)}")


# --- waiting -------------------------------------------------------------------------------------


def _waited(
    at: Desk, client: Client, sent: Sequence[Sent], seconds: float
) -> dict[str, Submission]:
    ids = [each.tracking_id for each in sent]
    application = sent[0].place.split("/")[1].upper()
    columns = max(words.width(at.screen.visible(each.name)) for each in sent)

    def changed(now: Submission) -> None:
        if now.state in {"received", "requested"}:
            return
        if at.shared.json_lines:
            at.screen.event({"event": now.state, **track.as_json(now)})
        elif not at.shared.json:
            track.answer(at.screen, now, columns)

    try:
        at.screen.note(
            f"Waiting for {at.screen.visible(application)}, at most {words.duration(seconds)}."
            " Ctrl-C stops the waiting, not the submissions."
        )
        return client.wait(ids, seconds, changed)
    except KeyboardInterrupt:
        at.screen.note("Stopped waiting. The submissions go on.")
        at.screen.note(f"See how they stand: transom track {' '.join(each[:8] for each in ids)}")
        raise


def _code(end: End[Source, Sent], answers: dict[str, Submission], *, waited: bool) -> int:
    if end.done is None or not waited:
        return end.exit_code
    return exits.of_state(answers[end.done.tracking_id].state)


def _propose(at: Desk, sent: Sequence[Sent], answers: dict[str, Submission], org: str) -> None:
    results = [result for each in answers.values() for result in each.result_files]
    unanswered = [each.tracking_id[:8] for each in sent if each.tracking_id not in answers]
    if results:
        at.screen.next(f"transom get {places.short(results[-1], org)}")
    elif unanswered:
        at.screen.next(f"transom track {' '.join(unanswered)}")
