"""A connection of the library, made safe: flow control, what it records, and what it refuses.

The library buffers without bound towards a client that does not read, accepts RSA signatures over
SHA-1, and reads its configuration anew for every user name. All of it is put right by overriding
public methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import asyncssh
from asyncssh.constants import DEFAULT_LANG

from transom.frontends.sftp.parting import Line
from transom.frontends.sftp.policies import Policy
from transom.frontends.sftp.session import SftpSession
from transom.frontends.sftp.wire import BadPacket, Fields

MAX_UNPROVEN_BYTES = 1 << 18
"""What a client may send before it has signed in: its key exchange and some attempts fit well."""
_TRANSPORT_BUFFER = 1 << 20
_KEXINIT, _COOKIE_END = 20, 17


@dataclass(frozen=True, slots=True)
class Crypto:
    """Which algorithms a connection has agreed on."""

    key_exchange: str
    host_key: str
    cipher: str
    mac: str

    def __str__(self) -> str:
        return f"{self.key_exchange} {self.host_key} {self.cipher} {self.mac}".strip()


class Connection(asyncssh.SSHServerConnection):
    """One client's connection."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHServerConnectionOptions,
        policy: Policy,
        partings: set[asyncio.Transport],
    ) -> None:
        super().__init__(loop, options)
        self._partings = partings
        self._line: Line | None = None
        self.policy = policy
        self.sessions: set[SftpSession] = set()
        self.is_proven = False
        self._unproven_bytes = 0
        self._offered: tuple[str, ...] = ()
        self._host_key = ""

    # --- what the transport calls ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        stream = cast("asyncio.Transport", transport)
        stream.set_write_buffer_limits(_TRANSPORT_BUFFER)
        self._line = Line(stream, self._partings)
        super().connection_made(cast("asyncio.Transport", self._line))

    def data_received(self, data: bytes, datatype: asyncssh.DataType = None) -> None:
        """Take bytes; not many from somebody who has not signed in."""
        if not self.is_proven:
            self._unproven_bytes += len(data)
            if self._unproven_bytes > MAX_UNPROVEN_BYTES:
                self.abort()
                return
        super().data_received(data, datatype)

    def send_packet(
        self, pkttype: int, *args: bytes, handler: asyncssh.packet.SSHPacketLogger | None = None
    ) -> None:
        """Send one, without the empty one that the library puts before it.

        That one hides the chaining value of a cipher in CBC mode (RFC 4251, 9.3.1); no other needs
        it, and it costs a third of the time of small replies.
        """
        if pkttype == asyncssh.constants.MSG_IGNORE and not self._chains_blocks:
            return
        super().send_packet(pkttype, *args, handler=handler)

    def pause_writing(self) -> None:
        """The client does not read: answer no more for now."""
        for session in self.sessions:
            session.hold_back("transport")

    def resume_writing(self) -> None:
        """The client reads again."""
        for session in tuple(self.sessions):
            session.go_on("transport")

    def connection_lost(self, exc: Exception | None = None) -> None:
        """The end, of whatever: from this moment on no CLOSE counts."""
        for session in self.sessions:
            session.die()
        super().connection_lost(exc)

    # --- what the library calls ------------------------------------------------------------------

    async def reload_config(self) -> None:
        """There is no configuration that depends on the user name."""

    def log_sent_packet(self, *_args: object) -> None:
        """Nobody reads the library's log of packets."""

    def log_received_packet(  # type: ignore[override]
        self, pkttype: int, _pktid: object, packet: asyncssh.packet.SSHPacket, _note: str = ""
    ) -> None:
        """Note what the client offered: the library does not tell what came of it."""
        if pkttype == _KEXINIT and not self._offered:
            try:
                names = Fields(memoryview(packet.get_full_payload()), _COOKIE_END).text()
            except BadPacket:
                return  # the library refuses it next
            self._offered = tuple(names.decode("ascii", "replace").split(","))

    def choose_server_host_key(self, peer_host_key_algs: Sequence[bytes]) -> bool:
        """Choose as the library does, and note what."""
        known = {name.encode() for name in self.policy.host_keys}
        chosen = next((name for name in peer_host_key_algs if name in known), b"")
        self._host_key = chosen.decode()
        return super().choose_server_host_key([chosen])

    async def validate_public_key(
        self, username: str, key_data: bytes, msg: bytes, signature: bytes
    ) -> bool:
        """Judge a signature only when it is of a kind that the policy allows."""
        if msg and not self._allows(signature):
            return False
        return await super().validate_public_key(username, key_data, msg, signature)

    def _allows(self, signature: bytes) -> bool:
        try:
            return Fields(memoryview(signature)).text().decode() in self.policy.signatures
        except (BadPacket, UnicodeDecodeError):
            return False

    @property
    def _chains_blocks(self) -> bool:
        return str(self.get_extra_info("send_cipher", "")).endswith("-cbc")

    # --- what we ask -----------------------------------------------------------------------------

    def disconnect(self, code: int, reason: str, lang: str = DEFAULT_LANG) -> None:
        """End it in words, which arrive."""
        if self._line is not None:
            self._line.part()
        super().disconnect(code, reason, lang)

    @property
    def crypto(self) -> Crypto:
        """What was agreed on, once it was."""
        ours = self.policy.key_exchanges
        kex = next((name for name in self._offered if name in ours), "")
        cipher = str(self.get_extra_info("recv_cipher", ""))
        mac = "" if "gcm" in cipher else str(self.get_extra_info("recv_mac", ""))
        return Crypto(kex, self._host_key, cipher, mac)

    @property
    def software(self) -> str:
        """What the client calls itself."""
        return str(self.get_extra_info("client_version", "")).removeprefix("SSH-2.0-")

    @property
    def active_at(self) -> float:
        """When it last did anything, by the loop's clock; 0 when it never had a session."""
        return max((session.active_at for session in self.sessions), default=0.0)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        return all(session.is_quiet for session in self.sessions)
