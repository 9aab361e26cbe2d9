"""The verbs of SFTP: each request of a client in the core's terms, each answer in the client's.

What is refused is refused in words: every request that version 3 knows has its answer here, and a
test holds the table against the library's, so that no verb is ever answered by accident.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Protocol

from prometheus_client import Counter

from transom.core.browse import Folder as Level
from transom.core.downloads import Download
from transom.core.exchange import Exchange
from transom.domain.entitlement import Actor
from transom.domain.errors import BadName, ExchangeError, NotEntitled, NotFound
from transom.domain.listing import Listing
from transom.domain.names import FileName, Place
from transom.domain.space import Direction
from transom.domain.submission import Client, State, Submission
from transom.frontends.sftp import attributes, wire
from transom.frontends.sftp.attributes import Listed
from transom.frontends.sftp.errors import Refusal
from transom.frontends.sftp.handles import (
    MAX_HANDLES,
    Folder,
    Handle,
    Handles,
    Receiving,
    Sending,
    number_of,
)
from transom.frontends.sftp.paths import Path
from transom.frontends.sftp.teardown import abandon
from transom.frontends.sftp.wire import Attributes, Fields, Kind, Name, Status
from transom.frontends.workers import Workers

NAMES_PER_REPLY = 100
_RESUME = "Send the whole file again, under the same name: it is a new submission."

IGNORED = Counter(
    "transom_sftp_attributes_ignored_total", "Requests to set attributes, answered without effect."
)


@dataclass(frozen=True, slots=True)
class Manners:
    """How kind the door is to clients that do more than the guide allows.

    `suffixes` are those of temporary names, whose files are held until they are renamed;
    `ignore_attributes` answers attempts to set times and modes of one's own upload with a yes that
    changes nothing. With neither, it is the guide's letter.
    """

    suffixes: tuple[str, ...] = ()
    ignore_attributes: bool = False

    @property
    def extensions(self) -> tuple[tuple[str, str], ...]:
        """What is offered beyond version 3; what is refused is not in it."""
        renames = (("posix-rename@openssh.com", "1"),) if self.suffixes else ()
        return (("limits@openssh.com", "1"), ("fsync@openssh.com", "1"), *renames)


class Account(Protocol):
    """Who uses a session."""

    @property
    def client(self) -> Client:
        """Where it comes from, for the record."""

    def actor(self) -> Actor:
        """Who acts right now, with present rights. Raises Unverified: not known for too long."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every session of a door shares."""

    exchange: Exchange
    workers: Workers
    manners: Manners
    listed: Callable[[str, str], Listed]
    """Makes the lister of a folder, from owner and group."""


@dataclass
class Files:
    """The verbs, for one session. Requests come one at a time, in the client's order."""

    account: Account
    around: Surroundings
    handles: Handles = field(default_factory=Handles)

    async def answer(self, kind: Kind, request: int, fields: Fields) -> bytes:
        """The reply to a request other than READ and WRITE.

        Raises:
            ExchangeError: what it is refused with.
            BadPacket: it cannot be read.
        """
        if kind is Kind.EXTENDED:
            name = fields.text().decode("ascii", "replace")
            return await EXTENSIONS.get(name, Files._unknown)(self, request, fields)
        return await VERBS[kind](self, request, fields)

    async def _unknown(self, _request: int, _fields: Fields) -> bytes:
        raise _unsupported("This extension", "Use put, get, cd and ls.")

    # --- where and what --------------------------------------------------------------------------

    async def _realpath(self, request: int, fields: Fields) -> bytes:
        path = str(Path.read(fields.text()))
        root = attributes.folder(self._listed().now)
        return wire.names(request, [Name(path, path, root)])

    async def _stat(self, request: int, fields: Fields) -> bytes:
        path = _look_up(fields)
        return wire.attributes(request, await self._attributes(path))

    async def _fstat(self, request: int, fields: Fields) -> bytes:
        name = fields.text()
        handle = self.handles.open.get(number_of(name))
        if isinstance(handle, Receiving):
            found = attributes.sent(handle.upload.size, self._listed().now)
        elif isinstance(handle, Folder):
            found = attributes.folder(self._listed().now)
        else:
            listing = self.handles.named(name, Sending).listing
            found = attributes.file(listing.size, listing.listed_at)
        return wire.attributes(request, found)

    async def _attributes(self, path: Path) -> Attributes:
        if not path.is_file:
            return attributes.folder(self._listed().now, writable=self._level(path).writable)
        place, name, actor = path.place(), path.file_name(), self.account.actor()
        receiving = self.handles.receiving(place, name)
        if receiving is not None:
            return attributes.sent(receiving.upload.size, self._listed().now)
        return await self.around.workers.run(self._find, actor, place, name)

    def _find(self, actor: Actor, place: Place, name: FileName) -> Attributes:
        """A file that the actor may read, or has sent itself; called in a worker."""
        exchange = self.around.exchange
        try:
            return _file(exchange.downloads.find(actor, place, name))
        except NotEntitled:
            sent = exchange.uploads.just_sent(actor, place, name)
        if sent is not None:
            return _sent(sent)
        return _file(exchange.browse.file(actor, place, name))

    def _level(self, path: Path) -> Level:
        """The organization, application or sub-space at a path.

        Raises:
            NotEntitled, NotFound: nothing that this account sees.
        """
        browse, actor = self.around.exchange.browse, self.account.actor()
        match len(path.parts):
            case 0:
                return browse.root(actor)
            case 1:
                return browse.organization(actor, path.organization())
            case 2:
                return browse.application(actor, path.organization(), path.application())
            case 3:
                return browse.sub_space(actor, path.place())
            case _:
                raise NotFound(str(path), "There are no folders below a sub-space.")

    # --- listing ---------------------------------------------------------------------------------

    async def _opendir(self, request: int, fields: Fields) -> bytes:
        path = _look_up(fields)
        self.handles.require_room()
        level = self._level(path)
        listed = self._listed(*path.parts[:2])
        if len(path.parts) < _SUB_SPACE:
            below = [listed.entry(child.name, self._folder(child)) for child in level.children]
            return wire.handle(request, self.handles.add(Folder(listed, below)))
        opened = await self.around.workers.run(self._contents, self.account.actor(), path.place())
        held, pages = opened
        entries = [listed.entry(each.name, _sent(each)) for each in held]
        return wire.handle(request, self.handles.add(Folder(listed, entries, pages)))

    def _contents(
        self, actor: Actor, place: Place
    ) -> tuple[list[Submission], Iterator[list[Listing]]]:
        """What this account holds under temporary names there, and the pages of files."""
        exchange = self.around.exchange
        pages = exchange.browse.files(actor, place)
        level = exchange.browse.sub_space(actor, place)
        return (exchange.uploads.held(actor, place) if level.writable else []), pages

    def _folder(self, level: Level) -> Attributes:
        return attributes.folder(self._listed().now, writable=level.writable)

    async def _readdir(self, request: int, fields: Fields) -> bytes:
        folder = self.handles.named(fields.text(), Folder)
        while not folder.entries and folder.pages is not None:
            page = await self.around.workers.run(next, folder.pages, None)
            if page is None:
                folder.pages = None
            else:
                folder.entries = [folder.listed.entry(each.name, _file(each)) for each in page]
        if not folder.entries:
            return wire.status(request, Status.EOF, "That is all.")
        batch = folder.entries[:NAMES_PER_REPLY]
        del folder.entries[:NAMES_PER_REPLY]
        return wire.names(request, batch)

    def _listed(self, owner: str = "transom", group: str = "transom") -> Listed:
        return self.around.listed(owner, group)

    # --- files -----------------------------------------------------------------------------------

    async def _open(self, request: int, fields: Fields) -> bytes:
        path, flags = Path.read(fields.text()), fields.u32()
        self.handles.require_room()
        if not flags & (wire.READ | wire.WRITE):
            raise Refusal("Opening a file for nothing", "Open it to read or to write.")
        if not path.is_file:
            self._level(path)
            raise Refusal("A file here", "Files are in sub-spaces, such as /0001/app1/in.")
        opened = await (self._receive(path, flags) if flags & wire.WRITE else self._send(path))
        return wire.handle(request, self.handles.add(opened))

    async def _receive(self, path: Path, flags: int) -> Handle:
        """Begin a submission. One that is there already under this name is never touched."""
        if flags & wire.APPEND or not flags & (wire.CREAT | wire.TRUNC):
            raise _unsupported("Appending to a file, or resuming one,", _RESUME)
        place, actor = path.place(), self.account.actor()
        name = path.upload_name()
        if flags & wire.EXCL and await self.around.workers.run(self._is_there, actor, place, name):
            raise Refusal("Replacing a file", "One of that name is there.", Status.FAILURE)
        uploads = self.around.exchange.uploads
        try:
            upload = await self.around.workers.run(
                uploads.open, actor, place, name, self.account.client
            )
        except NotEntitled:
            self._level(Path(path.parts[:-1]))
            raise Refusal("Uploading here", "Use a sub-space for incoming files.") from None
        return Receiving(upload, place, name)

    def _is_there(self, actor: Actor, place: Place, name: FileName) -> bool:
        """Whether a name is taken in a sub-space; called in a worker."""
        exchange = self.around.exchange
        if exchange.uploads.held_one(actor, place, name) is not None:
            return True
        try:
            exchange.browse.file(actor, place, name)
        except NotFound:
            return False
        return True

    async def _send(self, path: Path) -> Handle:
        place, name, actor = path.place(), path.file_name(), self.account.actor()
        try:
            return Sending(await self.around.workers.run(self._opened, actor, place, name))
        except NotEntitled:
            self._level(Path(path.parts[:-1]))
            raise Refusal(
                "Reading files here", "Look into the archive beside it, or the results."
            ) from None

    def _opened(self, actor: Actor, place: Place, name: FileName) -> Download:
        downloads = self.around.exchange.downloads
        return downloads.open(actor, downloads.find(actor, place, name))

    async def _close(self, request: int, fields: Fields) -> bytes:
        handle = self.handles.take(fields.text())
        if isinstance(handle, Sending):
            handle.opened.reader.close()
        if not isinstance(handle, Receiving):
            return wire.status(request, Status.OK)
        return wire.status(request, Status.OK, await self._finish(handle))

    async def _finish(self, receiving: Receiving) -> str:
        """The client has closed its upload: make it real, or hold it; returns what to tell."""
        await receiving.settle()
        try:
            if receiving.failure is not None:
                raise receiving.failure
            actor = self.account.actor()
            done = await self.around.workers.run(self._submitted, actor, receiving)
        except ExchangeError as failure:
            await abandon(receiving, self.around.workers, failure.message)
            raise
        return _told(done)

    def _submitted(self, actor: Actor, receiving: Receiving) -> Submission:
        holds = self.around.exchange.uploads.holds
        if self.around.manners.suffixes and holds(actor, receiving.place, receiving.name):
            return receiving.upload.hold()
        return receiving.upload.commit()

    # --- what some clients do besides ------------------------------------------------------------

    async def _fsync(self, request: int, fields: Fields) -> bytes:
        receiving = self.handles.named(fields.text(), Receiving)
        await self.around.workers.run(receiving.upload.flush)
        return wire.status(request, Status.OK)

    async def _limits(self, request: int, _fields: Fields) -> bytes:
        return wire.limits(request, MAX_HANDLES)

    async def _fsetstat(self, request: int, fields: Fields) -> bytes:
        name = fields.text()
        size = fields.wanted_size()
        self._require_kindness()
        receiving = self.handles.open.get(number_of(name))
        if not isinstance(receiving, Receiving):
            raise _attributes_refused()
        return self._ignored(request, size, receiving.upload.size)

    async def _setstat(self, request: int, fields: Fields) -> bytes:
        path = _look_up(fields)
        size = fields.wanted_size()
        self._require_kindness()
        if not path.is_file:
            self._level(path)
            raise _attributes_refused()
        place, name, actor = path.place(), path.file_name(), self.account.actor()
        receiving = self.handles.receiving(place, name)
        if receiving is not None:
            return self._ignored(request, size, receiving.upload.size)
        sent = await self.around.workers.run(
            self.around.exchange.uploads.just_sent, actor, place, name
        )
        if sent is None:
            raise _attributes_refused()
        return self._ignored(request, size, sent.size)

    def _require_kindness(self) -> None:
        if not self.around.manners.ignore_attributes:
            raise _attributes_refused()

    def _ignored(self, request: int, wanted: int | None, size: int | None) -> bytes:
        """Say yes and change nothing; but a size that would not come about is no small lie."""
        if wanted is not None and wanted != size:
            raise Refusal("Setting the size of a file", "It has the bytes that you write.")
        IGNORED.inc()
        return wire.status(request, Status.OK, "Times and modes are not kept.")

    async def _rename(self, request: int, fields: Fields) -> bytes:
        old, new = _look_up(fields), Path.read(fields.text())
        suffixes = self.around.manners.suffixes
        if not suffixes:
            raise Refusal("Renaming", "Send the file under its final name.")
        if not (old.is_file and new.is_file and old.place() == new.place()):
            raise Refusal("Moving files", "A rename stays in its sub-space.")
        rename = self.around.exchange.uploads.rename_held
        actor, place, name = self.account.actor(), old.place(), old.file_name()
        try:
            done = await self.around.workers.run(rename, actor, place, name, new.upload_name())
        except NotFound:
            raise Refusal(
                "Renaming what was submitted",
                f"Only your upload under a temporary name ({', '.join(suffixes)}) is renamed.",
            ) from None
        return wire.status(request, Status.OK, _told(done))

    async def _remove(self, request: int, fields: Fields) -> bytes:
        """Refuse to delete; but let a client by that clears the way for its own held upload.

        WinSCP deletes what has the name already, then renames. Here nothing is in the way: the
        rename submits anew, and what was submitted before stays.
        """
        path, suffixes = _look_up(fields), self.around.manners.suffixes
        if suffixes and path.is_file:
            actor = self.account.actor()
            if await self.around.workers.run(self._is_held, actor, path, suffixes):
                text = "Nothing is deleted: what you rename to this is a submission of its own."
                return wire.status(request, Status.OK, text)
        raise Refusal("Deleting", "Files leave by themselves when their time is over.")

    def _is_held(self, actor: Actor, path: Path, suffixes: tuple[str, ...]) -> bool:
        """Whether the actor holds an upload that is to get this name; called in a worker."""
        place, name = path.place(), path.file_name()
        held = self.around.exchange.uploads.held(actor, place)
        return any(each.name == name + suffix for each in held for suffix in suffixes)

    async def _refuse(
        self, _request: int, _fields: Fields, *, what: str, instead: str, status: Status
    ) -> bytes:
        raise Refusal(what, instead, status)


_SUB_SPACE = 3
_EXISTING = "The folders are there already; ls shows yours."
Verb = Callable[[Files, int, Fields], Awaitable[bytes]]


def _refused(what: str, instead: str, status: Status = Status.PERMISSION_DENIED) -> Verb:
    return partial(Files._refuse, what=what, instead=instead, status=status)  # noqa: SLF001


def _unsupported(what: str, instead: str) -> Refusal:
    return Refusal(what, instead, Status.OP_UNSUPPORTED)


def _attributes_refused() -> Refusal:
    return Refusal(
        "Setting times, modes or owners", "Switch it off in the client (put without -p)."
    )


_LINKS = _refused("Linking", "Send a copy of the file.", Status.OP_UNSUPPORTED)
_SPACE = _refused("Asking for free space", "There is no limit.", Status.OP_UNSUPPORTED)

VERBS: Mapping[Kind, Verb] = MappingProxyType(
    {
        Kind.OPEN: Files._open,  # noqa: SLF001 - the table is part of the class
        Kind.CLOSE: Files._close,  # noqa: SLF001
        Kind.LSTAT: Files._stat,  # noqa: SLF001
        Kind.FSTAT: Files._fstat,  # noqa: SLF001
        Kind.SETSTAT: Files._setstat,  # noqa: SLF001
        Kind.FSETSTAT: Files._fsetstat,  # noqa: SLF001
        Kind.OPENDIR: Files._opendir,  # noqa: SLF001
        Kind.READDIR: Files._readdir,  # noqa: SLF001
        Kind.REMOVE: Files._remove,  # noqa: SLF001
        Kind.MKDIR: _refused("Making folders", _EXISTING),
        Kind.RMDIR: _refused("Removing folders", _EXISTING),
        Kind.REALPATH: Files._realpath,  # noqa: SLF001
        Kind.STAT: Files._stat,  # noqa: SLF001
        Kind.RENAME: Files._rename,  # noqa: SLF001
        Kind.READLINK: _refused("Reading links", "There are none.", Status.OP_UNSUPPORTED),
        Kind.SYMLINK: _LINKS,
    }
)
"""Every request of version 3 beside INIT, READ, WRITE and EXTENDED, which session.py takes."""

EXTENSIONS: Mapping[str, Verb] = MappingProxyType(
    {
        "limits@openssh.com": Files._limits,  # noqa: SLF001
        "fsync@openssh.com": Files._fsync,  # noqa: SLF001
        "posix-rename@openssh.com": Files._rename,  # noqa: SLF001
        "hardlink@openssh.com": _LINKS,
        "lsetstat@openssh.com": Files._setstat,  # noqa: SLF001
        "statvfs@openssh.com": _SPACE,
        "fstatvfs@openssh.com": _SPACE,
        "copy-data": _refused("Copying", "Send the file again.", Status.OP_UNSUPPORTED),
        "ranges@asyncssh.com": _refused("Asking for holes", "Read it all.", Status.OP_UNSUPPORTED),
    }
)
"""The extensions that have an answer of their own; every other one is refused alike."""


def _look_up(fields: Fields) -> Path:
    """A path to something that should exist: one that cannot be read is one that is not there."""
    try:
        return Path.read(fields.text())
    except BadName as bad:
        raise NotFound("A file of that name", bad.why) from None


def _file(listing: Listing) -> Attributes:
    inbound = listing.direction is Direction.INBOUND
    shown = attributes.sent if inbound else attributes.file
    return shown(listing.size, listing.listed_at)


def _sent(submission: Submission) -> Attributes:
    return attributes.sent(submission.size or 0, submission.submitted_at)


def _told(done: Submission) -> str:
    how = "held until renamed" if done.state is State.HELD else "received"
    return f"{how}, tracking id {done.tracking_id}"
