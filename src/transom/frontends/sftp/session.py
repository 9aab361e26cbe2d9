"""One SFTP session: packets in, replies out, in the same order, with bounded memory.

Reads and writes are done where they arrive, in the event loop; every other request goes through a
worker, one at a time, and the client's next packets wait in the channel meanwhile. While the client
does not take what it asked for, nothing more is read from it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING

import asyncssh
from prometheus_client import Counter

from transom.domain.errors import ExchangeError
from transom.frontends.sftp import wire
from transom.frontends.sftp.errors import Refusal, status_of
from transom.frontends.sftp.files import Files
from transom.frontends.sftp.handles import Receiving, Sending
from transom.frontends.sftp.teardown import tear_down
from transom.frontends.sftp.wire import BadPacket, Fields, Kind, Packets, Status
from transom.frontends.shell import RECEIVED_BYTES, SENT_BYTES

if TYPE_CHECKING:
    from asyncssh import DataType

SUBSYSTEM = "sftp"
_WRITE_BUFFER = 1 << 20
_REPLY_BYTES = 1 << 17
"""Replies that are gathered before they are sent: each sending costs as much as many replies."""

REQUESTS = Counter(
    "transom_sftp_requests_total",
    "SFTP requests answered, by verb and status; reads and writes are not among them.",
    ["verb", "status"],
)
_log = logging.getLogger("transom.access")
_RECEIVED, _SENT = RECEIVED_BYTES.labels("sftp"), SENT_BYTES.labels("sftp")


class SftpSession(asyncssh.SSHServerSession[bytes]):
    """The SFTP subsystem on one channel; shell and commands are refused by not being here."""

    def __init__(
        self, files: Files, context: Context, on_end: Callable[[SftpSession], None]
    ) -> None:
        self._files = files
        self._context = context
        self._packets = Packets()
        self._loop = asyncio.get_running_loop()
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = False
        self._reading = True
        self._replies: list[bytes] = []
        self._replied = 0
        self._held_back = set[str]()  # what cannot take more of our replies now
        self._input_ended = False
        self._dead = False
        self._on_end = on_end
        self.active_at = self._loop.time()

    @property
    def is_quiet(self) -> bool:
        """Whether no file is on its way and no request under way."""
        return self._task is None and not self._files.handles.is_transferring

    @property
    def tracking_ids(self) -> list[str]:
        """The submissions whose bytes this session is receiving."""
        open_ = self._files.handles.open.values()
        return [each.upload.submission.tracking_id for each in open_ if isinstance(each, Receiving)]

    # --- what the library calls ------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan
        chan.set_write_buffer_limits(_WRITE_BUFFER)
        # Nobody reads the library's log of packets, and it costs a tenth of a transfer.
        for name in ("log_received_packet", "log_sent_packet"):
            setattr(chan, name, _say_nothing)
        # The library takes any environment variable. None is used; none shall seem accepted.
        setattr(chan, "_process_env_request", _refuse)  # noqa: B010 - there is no public way

    def subsystem_requested(self, subsystem: str) -> bool:
        """Only SFTP."""
        return subsystem == SUBSYSTEM

    def data_received(self, data: bytes, datatype: DataType) -> None:  # noqa: ARG002 - the library's
        """More of the client's packets, or of one."""
        self.active_at = self._loop.time()
        if self._packets.feed(data):
            self._pump()

    def eof_received(self) -> bool:
        """The client sends no more: what it asked for is still answered, then the channel ends."""
        self._input_ended = True
        self._pump()
        return True

    def pause_writing(self) -> None:
        """The client's window is full."""
        self.hold_back("window")

    def resume_writing(self) -> None:
        """There is room in the client's window."""
        self.go_on("window")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whyever
        """The channel is gone."""
        self.die()
        self._channel = None

    # --- what the connection calls ---------------------------------------------------------------

    def hold_back(self, why: str) -> None:
        """Answer no more until go_on()."""
        self._held_back.add(why)

    def go_on(self, why: str) -> None:
        """That reason is over."""
        self._held_back.discard(why)
        self.active_at = self._loop.time()
        self._pump()

    def die(self) -> None:
        """No request counts from now on: what is open is abandoned. May be called twice."""
        if self._dead:
            return
        self._dead = True
        self._packets.clear()
        if self._task is None:
            self._end()

    def _end(self) -> None:
        self._task = self._loop.create_task(self._tear_down(), context=self._context)

    async def _tear_down(self) -> None:
        try:
            await tear_down(self._files.handles, self._files.around.workers)
        except Exception:  # noqa: BLE001 - the boundary of a session
            _log.exception("defect", extra={"door": "sftp", "verb": "tear down"})
        finally:
            self._on_end(self)

    # --- packets ---------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Take the packets that are whole, until one takes time or the client takes nothing."""
        try:
            while not (self._task or self._held_back or self._dead):
                packet = self._packets.next()
                if packet is None:
                    break
                self._take(packet)
        except BadPacket as bad:
            facts = {"door": "sftp", "why": str(bad)}
            self._context.copy().run(_log.warning, "not SFTP", extra=facts)
            self._close()
            return
        self._steer()

    def _steer(self) -> None:
        """Let the client send, or not; end what has no more to come."""
        channel, waits = self._channel, bool(self._task or self._held_back)
        if channel is None or self._dead:
            return
        if waits and self._reading:
            self._reading = False
            channel.pause_reading()
        elif not waits and not self._reading:
            self._reading = True
            channel.resume_reading()  # which may call data_received(), and so this, at once
        elif not waits and self._input_ended:
            self._flush()
            channel.exit(0)
            self.die()

    def _close(self) -> None:
        if self._channel is not None:
            self._flush()
            self._channel.close()
        self.die()

    def _take(self, packet: memoryview) -> None:
        kind = packet[0]
        if not self._begun:
            self._greet(packet)
        elif kind == Kind.WRITE:
            self._write(packet)
        elif kind == Kind.READ:
            self._read(packet)
        else:
            work = self._serve(kind, Fields(packet, 1))
            self._task = self._loop.create_task(work, context=self._context)

    def _greet(self, packet: memoryview) -> None:
        fields = Fields(packet, 1)
        if packet[0] != Kind.INIT or fields.u32() < wire.VERSION:
            raise BadPacket("no INIT of version 3 or above")
        self._begun = True
        self._reply(wire.version(self._files.around.manners.extensions))

    def _reply(self, packet: bytes) -> None:
        """Answer, together with whatever else is answered before the loop comes round."""
        if not self._replies:
            self._loop.call_soon(self._flush)
        self._replies.append(packet)
        self._replied += len(packet)
        if self._replied >= _REPLY_BYTES:
            self._flush()

    def _flush(self) -> None:
        replies, self._replies, self._replied = self._replies, [], 0
        if replies and self._channel is not None and not self._channel.is_closing():
            self._channel.write(b"".join(replies) if len(replies) > 1 else replies[0])

    # --- bytes -----------------------------------------------------------------------------------

    def _write(self, packet: memoryview) -> None:
        request, number, offset, length = wire.positioned(packet)
        data = packet[wire.POSITIONED.size :][:length]
        try:
            if len(data) < length:
                raise BadPacket("a packet too short")
            receiving = self._files.handles.get(number, Receiving)
            receiving.write(offset, data)
            receiving.flush_behind(self._files.around.workers)
        except ExchangeError as error:
            self._refuse(request, "write", error)
            return
        _RECEIVED.inc(length)
        self._reply(wire.status(request, Status.OK))

    def _read(self, packet: memoryview) -> None:
        request, number, offset, length = wire.positioned(packet)
        length = min(length, wire.MAX_DATA)
        try:
            sending = self._files.handles.get(number, Sending)
            self._give(request, sending.read(offset, length))
        except ExchangeError as error:
            self._refuse(request, "read", error)

    def _give(self, request: int, content: bytes) -> None:
        if not content:
            self._reply(wire.status(request, Status.EOF, "That is all."))
            return
        _SENT.inc(len(content))
        self._reply(wire.data(request, content))

    # --- every other request ---------------------------------------------------------------------

    async def _serve(self, code: int, fields: Fields) -> None:
        """Answer one request, whatever happens, then go on with the next."""
        request = 0
        verb = f"{code}"
        try:
            request = fields.u32()
            kind = _known(code)
            verb = kind.name.lower()
            self._reply(await self._files.answer(kind, request, fields))
            REQUESTS.labels(verb, "ok").inc()
        except ExchangeError as error:
            self._refuse(request, verb, error)
        except BadPacket as bad:
            REQUESTS.labels(verb, "bad_message").inc()
            self._reply(wire.status(request, Status.BAD_MESSAGE, f"The request is {bad}."))
        except Exception:  # noqa: BLE001 - the boundary of a request
            self._broke(request, verb)
        self._next()

    def _next(self) -> None:
        self._task = None
        self.active_at = self._loop.time()
        if self._dead:
            self._end()
        else:
            self._pump()

    def _refuse(self, request: int, verb: str, error: ExchangeError) -> None:
        status, text = status_of(error)
        REQUESTS.labels(verb, status.name.lower()).inc()
        if status is not Status.NO_SUCH_FILE:
            facts = {"door": "sftp", "verb": verb, "error": error.code}
            self._context.copy().run(_log.info, "refused", extra=facts)
        self._reply(wire.status(request, status, text))

    def _broke(self, request: int, verb: str) -> None:
        """A defect of ours: logged with the connection's id, answered with it and no more."""
        _log.exception("defect", extra={"door": "sftp", "verb": verb})
        REQUESTS.labels(verb, "defect").inc()
        text = (
            "Something broke on our side. Nothing was half done. "
            f"Tell support this id: {self._files.account.client.request_id}."
        )
        self._reply(wire.status(request, Status.FAILURE, text))


_REQUESTS = frozenset(Kind) - {
    *(Kind.INIT, Kind.VERSION, Kind.STATUS, Kind.HANDLE, Kind.DATA),
    *(Kind.NAME, Kind.ATTRS, Kind.EXTENDED_REPLY),
}


def _known(code: int) -> Kind:
    if code not in _REQUESTS:
        raise Refusal(f"Request {code}", "Use SFTP version 3.", Status.OP_UNSUPPORTED)
    return Kind(code)


def _say_nothing(*_args: object) -> None:
    pass


def _refuse(_packet: object) -> bool:
    return False
