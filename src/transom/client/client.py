"""The client: everything a firm does with an exchange, in a dozen methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, Unpack

from transom.client import local_files, shapes, uploads
from transom.client.addresses import files_path
from transom.client.answers import Answer
from transom.client.downloads import Download
from transom.client.errors import RefusedByRule, ServerFault, Unreachable
from transom.client.local_files import PartFile, StreamSink
from transom.client.options import Options
from transom.client.presets import PRESETS, Server
from transom.client.server import discover
from transom.client.session import Progress, Session
from transom.client.uploads import SETTLE_SECONDS, Upload
from transom.client.values import ENDED, Fetched, Folder, Sent, Submission, TransferToken

__all__ = ["Client", "Progress"]

_PAGE = 500
_FIRST_LOOK_SECONDS = 0.5
_SLOWEST_LOOK_SECONDS = 10.0


class Client:
    """One account at one server. May be used by several threads at once. Close it when done."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @classmethod
    def connect(
        cls, server: str | Server, user: str, secret: str, **options: Unpack[Options]
    ) -> Self:
        """A client of a server: its URL, a preset's name (finra, finra-ct, finra-qa), or a Server.

        Nothing is asked yet, but a URL's /.well-known/transom.

        Raises:
            Unreachable, ServerFault
            RefusedByRule: the URL cannot be read, or is plain http to another machine.
        """
        if isinstance(server, str):
            server = PRESETS.get(server) or discover(server, **options)
        return cls(Session(server, user, secret, **options))

    def folder(self, path: str = "") -> Folder:
        """What is at a place: "" is the root, then "0001", "0001/r4530", "0001/r4530/in".

        Raises:
            NotEntitled: there is no such place, or it is not yours.
            ClientError: see errors.py.
        """
        return shapes.folder(path, self.session.read(files_path(path)).json())

    def put(
        self,
        source: Path | str | BinaryIO,
        place: str,
        name: str = "",
        *,
        progress: Progress | None = None,
        on_requested: Callable[[str], None] | None = None,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> Sent:
        """Upload one file to a place; `name` defaults to the file's own. See uploads.py.

        A stream is sent from where it stands; one that cannot be read twice is copied to this
        machine's temporary directory first. `on_requested` is told the tracking id before the first
        byte goes out, and another one when the first came to nothing. After a lost answer tracking
        is asked for up to `settle_seconds`. Never are there two submissions of one call.

        Raises:
            NotComplete: it broke off, changed meanwhile, or did not arrive as it was sent.
            Uncertain: it may have been received; `tracking_id` tells what to ask for.
            OSError: the source cannot be opened.
            ClientError: see errors.py.
        """
        name = name or (Path(source).name if isinstance(source, Path | str) else "")
        if not name or "/" in name:
            text = "A file needs a name of its own on the exchange, without a slash."
            raise RefusedByRule(text, code="bad_name")
        with local_files.opened(source, name) as found:
            upload = Upload(self.session, found, place)
            upload.progress, upload.settle_seconds = progress, settle_seconds
            upload.on_requested = on_requested
            return upload.run()

    def get(
        self, path: str, target: Path | str | BinaryIO, *, progress: Progress | None = None
    ) -> Fetched:
        """Download one file into a path (atomically, resumed where it was cut) or a stream.

        A directory gets a file of the same name. What is at the path is replaced only once the
        whole file is here and verified; a part stays beside it until then, for a later call. A
        device or pipe is written to as a stream.

        Raises:
            NotComplete: its digest is not the one that the server names.
            LocalStorageFull: what came is kept for a later call.
            OSError: the target cannot be written.
            ClientError: see errors.py.
        """
        if not isinstance(target, Path | str):
            return self._fetch_into(path, target, progress)
        target = _file_at(Path(target), path)
        if target.exists() and not target.is_file():
            with target.open("wb", buffering=0) as stream:
                return self._fetch_into(path, stream, progress)
        with PartFile(target) as sink:
            return Download(self.session, path, sink, progress).run()

    def _fetch_into(self, path: str, stream: BinaryIO, progress: Progress | None) -> Fetched:
        return Download(self.session, path, StreamSink(stream, path), progress).run()

    def submission(self, tracking_id: str) -> Submission:
        """Where one submission stands.

        Raises:
            NotThere: tracking has none of this id.
            ClientError: see errors.py.
        """
        return uploads.track(self.session, tracking_id)

    def submissions(
        self,
        *,
        since: datetime | None = None,
        state: str = "",
        file_name: str = "",
        application: str = "",
    ) -> Iterator[Submission]:
        """Submissions of the last 90 days, newest first, page by page where the server has pages.

        On a server without these filters (FINRA's own) they are applied here. A `since` without an
        offset is this machine's local time.
        """
        since = since.astimezone(UTC) if since else None
        asked = {
            "since": since.isoformat() if since else "",
            "state": state,
            "fileName": file_name,
            "application": application,
        }
        query = {name: value for name, value in asked.items() if value} | {"limit": str(_PAGE)}
        for page in self._pages(query):
            for each in page:
                fits = not since or each.submitted_at >= since
                if fits and _fits(each, state, file_name, application):
                    yield each

    def _pages(self, query: Mapping[str, str]) -> Iterator[list[Submission]]:
        answer = self._first_page(query)
        seen: set[str] = set()
        while True:
            yield shapes.submissions(answer.json())
            cursor = shapes.next_cursor(answer.headers.get("link", ""))
            if not cursor:
                return
            if cursor in seen:
                raise ServerFault("The server's pages of tracking lead round in a circle.")
            seen.add(cursor)
            answer = self.session.read("/tracking", {**query, "cursor": cursor})

    def _first_page(self, query: Mapping[str, str]) -> Answer:
        try:
            return self.session.read("/tracking", query)
        except RefusedByRule as refused:
            if refused.code == "bad_parameter":
                raise
            return self.session.read("/tracking")  # one that takes no parameters but `id`

    def wait(
        self,
        tracking_ids: Iterable[str],
        seconds: float,
        on_change: Callable[[Submission], None] | None = None,
    ) -> dict[str, Submission]:
        """Ask until every one of these has ended, or the time is over; the last word on each.

        Each is asked for at least once. `on_change` is called with each at first, and whenever its
        state or `downstream_status` is another. A server that does not answer is asked on until
        the time is over.

        Raises:
            NotThere: tracking has none of such an id.
            ClientError: see errors.py.
        """
        ids = list(dict.fromkeys(tracking_ids))
        found: dict[str, Submission] = {}
        until = self.session.clock() + seconds
        pause = _FIRST_LOOK_SECONDS
        while True:
            waiting = [each for each in ids if each not in found or found[each].state not in ENDED]
            try:
                self._look(waiting, found, on_change)
            except Unreachable:
                if self.session.clock() >= until:
                    raise
            left = until - self.session.clock()
            ended = len(found) == len(ids) and all(each.state in ENDED for each in found.values())
            if ended or (left <= 0 and len(found) == len(ids)):
                return found
            self.session.retries.sleep(max(0.0, min(pause, left)))
            pause = min(pause * 1.5, _SLOWEST_LOOK_SECONDS)

    def _look(
        self,
        tracking_ids: list[str],
        found: dict[str, Submission],
        on_change: Callable[[Submission], None] | None,
    ) -> None:
        for each in tracking_ids:
            known, now = found.get(each), self.submission(each)
            found[each] = now
            if on_change and (known is None or _standing(known) != _standing(now)):
                on_change(now)

    def transfer_token(self, application: str) -> TransferToken:
        """Temporary keys for S3 tools, for "0001/r4530": what this account may do there, 1 hour.

        Raises:
            NotEntitled: there is no such application, or it is not yours.
            ClientError: see errors.py.
        """
        path = files_path(application).removeprefix("/files")
        return shapes.transfer_token(self.session.call("GET", f"/S3TransferTokens{path}"))

    def close(self) -> None:
        """Let go of the connections."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _file_at(target: Path, path: str) -> Path:
    """The file that a target means: itself, or in a directory the one of the same name."""
    if not target.is_dir():
        return target
    return target / local_files.local_name(path.strip("/").rpartition("/")[2])


def _standing(submission: Submission) -> tuple[str, str | None]:
    return submission.state, submission.downstream_status


def _fits(submission: Submission, state: str, file_name: str, application: str) -> bool:
    """Whether a submission is one that was asked for; an empty filter lets all through."""
    told = submission.raw.get("applicationName") or submission.raw.get("application")
    return (
        state in {"", submission.state}
        and file_name in {"", submission.file_name}
        and application in {"", told}
    )
