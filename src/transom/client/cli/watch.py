"""put --watch: whatever appears in a directory is sent, once.

A file is sent when its size and time have been still for a while, and then moved to sent/ or, when
it is refused, to failed/ with the reason beside it. What a crash may leave is told by the journal;
when in doubt tracking is asked, and nothing is sent twice.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from transom.client.cli import connection, names, places, put, show, transfers, words
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.journal import (
    BEGUN,
    RECEIVED,
    REQUESTED,
    UNCERTAIN,
    Entry,
    Journal,
)
from transom.client.cli.progress import watcher
from transom.client.errors import (
    ClientError,
    NotComplete,
    NotSignedIn,
    NotThere,
    ServerFault,
    Uncertain,
    Unreachable,
)
from transom.client.values import Sent, Submission

if TYPE_CHECKING:
    from transom.client import Client

T = TypeVar("T")
_TEMPORARY: Final = (".part", ".partial", ".filepart", ".tmp")
_POLL_SECONDS: Final = 1.0
_ASK_AGAIN_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_PASSING: Final = (Unreachable, NotComplete, ServerFault)
"""Errors that another try may not meet: the file stays where it is."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which directory goes where."""

    directory: Path
    place: str
    settle_seconds: float
    resend_seconds: float

    @classmethod
    def read(cls, paths: Sequence[str], directory: str, settle: str, resend: str) -> Self:
        """Read it off the command line.

        Raises:
            WrongUse: there is no such directory, or not exactly one place.
        """
        if len(paths) != 1:
            raise WrongUse("--watch DIR takes a place, and no files.")
        if not Path(directory).is_dir():
            raise WrongUse(f"There is no directory {directory} to watch.")
        return cls(
            Path(directory),
            paths[0],
            words.seconds_of(settle, "--settle"),
            words.seconds_of(resend, "--resend-after"),
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was first seen in this size and with this time."""

    size: int
    mtime_ns: int
    at: float


@dataclass(slots=True)
class Pause:
    """When a file may be tried again; each failure doubles the time."""

    until: float = 0.0
    seconds: float = _POLL_SECONDS


@dataclass(slots=True)
class Watch:
    """One directory being watched. `turn` is one look at it."""

    at: Desk
    client: Client
    order: Order
    place: str
    journal: Journal
    clock: Callable[[], float] = time.monotonic
    stopping: threading.Event = field(default_factory=threading.Event)
    _seen: dict[str, Seen] = field(default_factory=dict)
    _pauses: dict[str, Pause] = field(default_factory=dict)
    _doubted_since: dict[str, float] = field(default_factory=dict)

    def turn(self) -> None:
        """Settle what is in doubt, then send what is ready, the oldest first."""
        for entry in self.journal.entries():
            if self.stopping.is_set():
                return
            if self._may_try(entry.name):
                self._guarded(entry.name, self._settle, entry)
        in_doubt = {entry.name for entry in self.journal.entries()}
        for path in self._ready(in_doubt):
            if self.stopping.is_set():
                return
            self._guarded(path.name, self._send, path)

    def _guarded(self, name: str, act: Callable[[T], None], what: T) -> None:
        """What this machine does not let us do now is tried again; the journal knows how far."""
        try:
            act(what)
        except OSError as failure:
            self._later(name, transfers.local(failure, name))

    # --- what is there ---------------------------------------------------------------------------

    def _ready(self, in_doubt: set[str]) -> list[Path]:
        """Files that have been still long enough, oldest first."""
        now, found = self.clock(), {}
        for path in self.order.directory.iterdir():
            if path.name in in_doubt or is_passed_over(path):
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            seen = self._seen.get(path.name)
            if seen is None or (seen.size, seen.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
                seen = Seen(stat.st_size, stat.st_mtime_ns, now)
            found[path.name] = seen
        self._seen = found
        still = [
            name
            for name, seen in found.items()
            if now - seen.at >= self.order.settle_seconds and self._may_try(name)
        ]
        ordered = sorted(still, key=lambda name: (found[name].mtime_ns, name))
        return [self.order.directory / name for name in ordered]

    def _may_try(self, name: str) -> bool:
        return name not in self._pauses or self.clock() >= self._pauses[name].until

    # --- one file --------------------------------------------------------------------------------

    def _send(self, path: Path) -> None:
        seen = self._seen[path.name]
        entry = Entry(path.name, seen.size, seen.mtime_ns, self.place)
        if not entry.is_of(path):
            return  # it has just changed: the next look begins its time anew
        try:
            names.check(path.name)
        except names.BadName as bad:
            self._fail(entry, bad)
            return
        self.journal.write(entry)
        try:
            self._attempt(path, entry)
        except NotSignedIn:
            self.journal.remove(entry)
            raise  # each wrong try counts towards closing the account
        except ClientError as failure:
            if not _passes(failure):
                self._fail(entry, failure)
                return
            self.journal.remove(entry)  # nothing was submitted
            self._later(path.name, failure)

    def _attempt(self, path: Path, entry: Entry) -> None:
        """Send a file, with each step in the journal before it is taken."""
        latest = [entry]

        def requested(tracking_id: str) -> None:
            latest[0] = replace(entry, step=REQUESTED, tracking_id=tracking_id)
            self.journal.write(latest[0])

        try:
            sent = self._put(path, requested)
        except Uncertain as failure:
            known = failure.tracking_id or latest[0].tracking_id
            self.journal.write(replace(entry, step=UNCERTAIN, tracking_id=known))
            self._later(path.name, failure)
            return
        done = replace(entry, tracking_id=sent.tracking_id, sha256=sent.sha256)
        if not done.is_of(path) and path.exists() and _digest(path) == sent.sha256:
            # Replaced just before it was opened: what is there now is what was sent.
            found = path.stat()
            done = replace(done, size=found.st_size, mtime_ns=found.st_mtime_ns)
        self._received(done, sent)

    def _put(self, path: Path, requested: Callable[[str], None]) -> Sent:
        with watcher(self.at.screen, "Sending", 1, has_bars=False) as shown:
            step = shown.started(path.name, path.stat().st_size)
            options: dict[str, Any] = {"on_requested": requested}
            return self.client.put(path, self.place, path.name, progress=step, **options)

    def _received(self, entry: Entry, sent: Sent | None = None) -> None:
        """The server has it: that first, then the move, then nothing is left to remember."""
        self.journal.write(replace(entry, step=RECEIVED))
        if sent is not None:
            put.received(self.at.screen, sent)
        else:
            self._found(entry)
        self._move(entry, "sent")
        self.journal.remove(entry)
        self._forget(entry.name)

    def _found(self, entry: Entry) -> None:
        """Say that an upload of which no answer was seen had been received."""
        screen = self.at.screen
        if screen.shared.json_lines:
            facts = {"trackingId": entry.tracking_id, "fileName": entry.name}
            screen.event({"event": "received", **facts, "fileSize": entry.size})
            return
        screen.row(
            screen.mark("received"),
            f" {screen.visible(entry.name)}   received   {screen.visible(entry.tracking_id[:8])}",
            f"   {words.size(entry.size)}   found in tracking",
        )

    def _fail(self, entry: Entry, failure: ClientError) -> None:
        """Refused for good: out of the way, with the reason beside it."""
        if self.at.shared.json_lines:
            told = show.told(failure)
            self.at.screen.event({"event": "failed", "fileName": entry.name, "error": told})
        else:
            self.at.screen.note(f"{self.at.screen.visible(entry.name)}:")
            self.at.screen.error(failure)
        moved = self._move(entry, "failed")
        if moved is not None:
            reason = moved.with_name(f"{moved.name}.error.txt")
            lines = [failure.message, f"code: {failure.code}"]
            lines += [f"request id: {failure.request_id}"] if failure.request_id else []
            reason.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.journal.remove(entry)
        self._forget(entry.name)

    def _later(self, name: str, failure: ClientError) -> None:
        pause = self._pauses.setdefault(name, Pause())
        pause.until = self.clock() + pause.seconds
        told = words.duration(pause.seconds)
        pause.seconds = min(pause.seconds * 2, _LONGEST_PAUSE_SECONDS)
        what, _ = words.sentences(failure.message)
        self.at.screen.note(self.at.screen.visible(f"{name}: {what} Again in {told}."))

    def _forget(self, name: str) -> None:
        for each in (self._seen, self._pauses, self._doubted_since):
            each.pop(name, None)

    def _move(self, entry: Entry, into: str) -> Path | None:
        """Move the file as it was sent; None when it is gone, or another has taken its place."""
        path = self.order.directory / entry.name
        if not entry.is_of(path):
            return None
        directory = self.order.directory / into
        directory.mkdir(exist_ok=True)
        target, number = directory / entry.name, 1
        while target.exists():
            target = directory / f"{entry.name}.{entry.tracking_id[:8] or number}"
            target = target if number == 1 else target.with_name(f"{target.name}.{number}")
            number += 1
        return path.rename(target)

    # --- what a crash or a lost answer left ------------------------------------------------------

    def _settle(self, entry: Entry) -> None:
        """Find out how an upload ended that we did not see the end of."""
        if entry.step == RECEIVED:
            self._move(entry, "sent")
            self.journal.remove(entry)
        elif entry.step == BEGUN or not entry.tracking_id:
            self._not_sent(entry)
        else:
            try:
                self._judge(entry, self.client.submission(entry.tracking_id))
            except (NotThere, *_PASSING) as failure:
                self._later(entry.name, failure)

    def _not_sent(self, entry: Entry) -> None:
        """Nothing was submitted: the file is as new."""
        if entry.step == UNCERTAIN:  # without an id there is nothing to ask for: people decide
            lost = Uncertain("All of it was sent and no answer came. Look for it with track.")
            self._fail(entry, lost)
            return
        self.journal.remove(entry)
        self._forget(entry.name)

    def _judge(self, entry: Entry, found: Submission) -> None:
        if found.is_received or found.state == "held":
            self._received(replace(entry, sha256=found.sha256 or entry.sha256))
            return
        if found.state == "abandoned":
            self._not_sent(replace(entry, step=BEGUN))
            return
        now = self.clock()
        since = self._doubted_since.setdefault(entry.name, now)
        # What was under way when we were cut off may still be being written down over there. Only
        # one that stays open this long after we first asked is as good as never sent.
        if entry.step == REQUESTED and now - since >= self.order.resend_seconds:
            self._not_sent(entry)
            return
        self._pauses[entry.name] = Pause(now + min(_ASK_AGAIN_SECONDS, self.order.resend_seconds))


def _passes(failure: ClientError) -> bool:
    """Whether another try may do better, and nothing was submitted by this one.

    Where digests differ something may have been received, and people have to look.
    """
    return isinstance(failure, _PASSING) and failure.code != "digest_mismatch"


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_passed_over(path: Path) -> bool:
    """Whether a watcher leaves this alone: directories, links, hidden and unfinished files."""
    name = path.name.lower()
    if name.startswith(".") or name.endswith(_TEMPORARY):
        return True
    return path.is_symlink() or not path.is_file()


def run(at: Desk, order: Order) -> None:
    """Watch until Ctrl-C or SIGTERM.

    Raises:
        WrongUse: another process watches the directory.
        ClientError: sign-in is refused, or the place cannot be uploaded to.
    """
    resolved = at.resolved()
    place = places.sub_space(order.place, resolved["org"])
    journal = Journal(order.directory)
    with journal.locked(), connection.connected(at, resolved) as client:
        try:
            put.require_writable(client, place, resolved["org"])
        except _PASSING as failure:
            at.screen.warn(failure.message)  # it may pass; the directory is watched all the same
        at.screen.note(
            f"Watching {at.screen.visible(str(order.directory))} for {place}."
            " Ctrl-C ends it after the file in hand."
        )
        watch = Watch(at, client, order, place, journal)
        with _stoppable(watch.stopping) as ended_by:
            while not watch.stopping.is_set():
                watch.turn()
                watch.stopping.wait(min(_POLL_SECONDS, max(order.settle_seconds / 5, 0.05)))
    at.screen.note("Stopped watching.")
    if signal.SIGINT in ended_by:
        raise KeyboardInterrupt


@contextmanager
def _stoppable(stopping: threading.Event) -> Iterator[list[int]]:
    """Let the first Ctrl-C or SIGTERM end the watch politely, and the next one at once."""
    came: list[int] = []

    def stop(number: int, _frame: object) -> None:
        came.append(number)
        stopping.set()
        if len(came) > 1:
            raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
