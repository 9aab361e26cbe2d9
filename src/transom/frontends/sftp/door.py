"""The door: who may connect, what lives behind it, and how it closes.

A connection is judged by its address before anything of SSH is done for it. Those who have not
signed in are few: when one comes too many, the oldest of the source that has most goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter as Tally
from collections import OrderedDict
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Protocol, cast

import asyncssh
from prometheus_client import Counter, Gauge

from transom.domain.errors import ExchangeError, GrantInvalid, Unavailable
from transom.domain.identity import source_key
from transom.frontends.sftp import ciphers
from transom.frontends.sftp.connection import Connection
from transom.frontends.sftp.files import Surroundings
from transom.frontends.sftp.penalties import Penalties, Prices
from transom.frontends.sftp.policies import Policy, prepare_group_exchange
from transom.frontends.sftp.server import Entered, Login, source_of
from transom.frontends.sftp.session import SftpSession
from transom.ports import Entropy

BANNER = b"Transom"
_TICK_SECONDS = 1.0
_UNWIND_SECONDS = 1.0
_POLL_SECONDS = 0.02
_STOPPING = "The server stops. Connect again in a moment."

SESSIONS = Gauge(
    "transom_sftp_connections",
    "SFTP connections open, by whether signed in.",
    ["in"],
    multiprocess_mode="livesum",
)
REFUSED = Counter("transom_sftp_refused_total", "SFTP connections turned away, by why.", ["why"])
_log = logging.getLogger("transom.access")


class HostKeys(Protocol):
    """What a server proves itself with."""

    def pairs(self) -> list[asyncssh.SSHKey]:
        """Those in use, then those announced for later."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take at this door, in seconds."""

    grace_seconds: float = 30
    idle_seconds: float = 900
    keep_alive_seconds: float = 30
    keep_alives: int = 2
    """Unanswered ones after which a peer is dead: 90 s in all."""
    check_seconds: float = 10
    """Between looks at accounts, which also renew leases."""
    alive_seconds: float = 600
    """Between signs of life for uploads that take long."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a door is used: timing, prices, and how many connections.

    `unproven` are those that have not signed in, of `connections` in all.
    """

    timing: Timing = field(default_factory=Timing)
    prices: Prices = field(default_factory=Prices)
    connections: int = 2000
    unproven: int = 200


class SftpDoor:
    """Listens, and looks after what came in."""

    def __init__(
        self,
        around: Surroundings,
        entropy: Entropy,
        policy: Policy,
        host_keys: HostKeys,
        terms: Terms | None = None,
    ) -> None:
        self.around = around
        self.entropy = entropy
        self.policy = policy
        self._terms = terms or Terms()
        self.timing = self._terms.timing
        self.penalties = Penalties(self._terms.prices)
        self._host_keys = host_keys
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._server: asyncio.AbstractServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._unproven: OrderedDict[Login, None] = OrderedDict()
        self._inside: set[Login] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._partings: set[asyncio.Transport] = set()
        self._sessions = 0
        self._stopping = False

    # --- listening -------------------------------------------------------------------------------

    async def start(self, listening: socket.socket, backlog: int) -> None:
        """Accept at this bound socket."""
        loop = asyncio.get_running_loop()
        self._options = await self._prepared()
        self._server = await loop.create_server(
            lambda: _Gate(self), sock=listening, backlog=backlog
        )
        self._watch = loop.create_task(self._look_after())

    async def _prepared(self) -> asyncssh.SSHServerConnectionOptions:
        prepare_group_exchange()
        ciphers.install()
        policy, timing = self.policy, self.timing
        options: asyncssh.SSHServerConnectionOptions
        options = await asyncssh.SSHServerConnectionOptions.construct(
            config=None,
            server_factory=lambda: Login(self),
            server_version=BANNER,
            server_host_keys=self._host_keys.pairs(),
            send_server_host_keys=True,  # with those to come, so that clients learn them in time
            kex_algs=policy.key_exchanges,
            encryption_algs=policy.ciphers,
            mac_algs=policy.macs,
            compression_algs=None,
            signature_algs=policy.signatures,
            password_auth=True,
            public_key_auth=True,
            kbdint_auth=False,  # for people with a second factor, once there are any
            host_based_auth=False,
            gss_host=None,
            authorized_client_keys=None,
            allow_pty=False,
            x11_forwarding=False,
            agent_forwarding=False,
            allow_scp=False,
            line_editor=False,
            encoding=None,
            login_timeout=timing.grace_seconds,
            keepalive_interval=timing.keep_alive_seconds,
            keepalive_count_max=timing.keep_alives,
        )
        # The library has one object for every kind of RSA signature, and would take SHA-1 as well.
        known = options.server_host_keys
        wanted = [name.encode() for name in policy.host_keys]
        options.server_host_keys = OrderedDict(
            (n, _signing(known[n], n)) for n in wanted if n in known
        )
        for pair in options.all_server_host_keys.values():  # with which it proves those to come
            if pair.algorithm == b"ssh-rsa":
                pair.set_sig_algorithm(b"rsa-sha2-512")
        return options

    def connection(self) -> Connection:
        """A fresh connection of the library's."""
        if self._options is None:
            raise RuntimeError("the door is not open yet")
        loop = asyncio.get_running_loop()
        return Connection(loop, self._options, self.policy, self._partings)

    def admits(self, source: str) -> str:
        """Why a source may not connect now, or ""."""
        if self._stopping:
            return _STOPPING
        if self.penalties.refuses(source_key(source), asyncio.get_running_loop().time()):
            REFUSED.labels("penalty").inc()
            return "Too many failed attempts from your address. Try again in some minutes."
        if len(self._inside) + len(self._unproven) >= self._terms.connections:
            REFUSED.labels("capacity").inc()
            return "Too many connections. Try again later."
        return ""

    def penalize(self, source: str, seconds: float) -> None:
        """A source misbehaved."""
        if not self._stopping:
            now = asyncio.get_running_loop().time()
            self.penalties.add(source_key(source), seconds, now)

    # --- who is there ----------------------------------------------------------------------------

    def arrived(self, login: Login) -> None:
        """Somebody is there who has not signed in; perhaps another one goes for it."""
        self._unproven[login] = None
        if len(self._unproven) > self._terms.unproven:
            counts = Tally(source_key(each.source) for each in self._unproven)
            most, _ = counts.most_common(1)[0]
            oldest = next(each for each in self._unproven if source_key(each.source) == most)
            del self._unproven[oldest]
            oldest.connection.is_proven = True  # it did nothing wrong: no penalty
            oldest.connection.abort()
            REFUSED.labels("unproven").inc()
        self._count()

    def came_in(self, login: Login) -> None:
        """Somebody has signed in."""
        self._unproven.pop(login, None)
        self._inside.add(login)
        self._count()

    def left(self, login: Login) -> None:
        """A connection is gone; its session counts no more."""
        self._unproven.pop(login, None)
        self._inside.discard(login)
        self._count()
        if login.entered is not None:
            self._leave(login.entered)

    def _leave(self, entered: Entered) -> None:
        task = asyncio.get_running_loop().create_task(self._count_out(entered))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _count_out(self, entered: Entered) -> None:
        close = self.around.exchange.sessions.close
        with contextlib.suppress(Unavailable):  # its lease runs out
            await self.around.workers.run(close, entered.session_id)

    def session_ended(self, sessions: set[SftpSession]) -> Callable[[SftpSession], None]:
        """What a new session calls when nothing of it is left."""
        self._sessions += 1

        def ended(session: SftpSession) -> None:
            sessions.discard(session)
            self._sessions -= 1

        return ended

    def _count(self) -> None:
        SESSIONS.labels("no").set(len(self._unproven))
        SESSIONS.labels("yes").set(len(self._inside))

    # --- looking after them ----------------------------------------------------------------------

    async def _look_after(self) -> None:
        """End idle connections, follow withdrawn rights, renew leases; until cancelled."""
        loop = asyncio.get_running_loop()
        checked = told = loop.time()
        while True:
            await asyncio.sleep(min(_TICK_SECONDS, self.timing.check_seconds))
            try:
                now = loop.time()
                self._end_idle(now)
                if now - checked >= self.timing.check_seconds:
                    checked = now
                    await self._check()
                if now - told >= self.timing.alive_seconds:
                    told = now
                    await self._tell_alive()
            except Unavailable as failure:
                _log.warning("look after", extra={"door": "sftp", "why": failure.message})
            except Exception:  # noqa: BLE001
                _log.exception("defect", extra={"door": "sftp", "verb": "look after"})

    def _end_idle(self, now: float) -> None:
        seconds = self.timing.idle_seconds
        for login in tuple(self._inside):
            began = login.entered.since if login.entered is not None else now
            if now - max(login.connection.active_at, began) >= seconds:
                minutes = f"{seconds / 60:g} minutes"
                self._end(login, f"Idle for {minutes}. Connect again when there is work.")

    def _end(self, login: Login, text: str) -> None:
        login.connection.disconnect(asyncssh.DISC_BY_APPLICATION, text)

    async def _check(self) -> None:
        """Look every account up once, from each address that it uses, and renew all leases."""
        groups: dict[tuple[str, str], list[Login]] = {}
        entered = [(each, each.entered) for each in self._inside if each.entered is not None]
        for login, who in entered:
            groups.setdefault((who.actor.principal_id, login.source), []).append(login)
        for (principal_id, source), logins in groups.items():
            await self._verify(principal_id, source, logins)
        ids = [who.session_id for _, who in entered]
        if ids:
            await self.around.workers.run(self.around.exchange.sessions.renew, ids)

    async def _verify(self, principal_id: str, source: str, logins: Iterable[Login]) -> None:
        acting = self.around.exchange.tokens.acting
        try:
            actor = await self.around.workers.read(acting, principal_id, source)
        except GrantInvalid:
            for login in logins:
                login.expel()
        except ExchangeError as failure:
            # Whoever cannot be looked up for a minute is refused (server.py).
            _log.warning("cannot verify", extra={"door": "sftp", "why": failure.message})
        else:
            for login in logins:
                login.renew(actor)

    async def _tell_alive(self) -> None:
        sessions = [session for login in self._inside for session in login.connection.sessions]
        ids = [tracking_id for session in sessions for tracking_id in session.tracking_ids]
        if ids:
            await self.around.workers.run(self.around.exchange.uploads.alive, ids)

    # --- the end ---------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """Accept no more, let transfers under way finish, then end what is left."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self._stopping = True
        if self._server is not None:
            self._server.close()
        await self._until(self._are_all_quiet_gone, until)
        for login in self._everybody():
            self._end(login, _STOPPING)
        until = loop.time() + _UNWIND_SECONDS
        await self._until(self._is_nothing_left, until)
        self.let_go()

    async def _until(self, done: Callable[[], bool], until: float) -> None:
        """Wait for something that many can bring about, at most until then."""
        while not done() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    def _are_all_quiet_gone(self) -> bool:
        """Send those away who have nothing under way; whether nobody is left."""
        for login in self._everybody():
            if login.connection.is_quiet:
                self._end(login, _STOPPING)
        return not self._everybody()

    def _is_nothing_left(self) -> bool:
        return not (self._everybody() or self._sessions or self._leaving or self._partings)

    def _everybody(self) -> list[Login]:
        return [*self._unproven, *self._inside]

    def let_go(self) -> None:
        """Close the socket and every connection at once. May be called twice, and at any time."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
        if self._server is not None:
            self._server.close()
        for login in self._everybody():
            login.connection.abort()
        for transport in tuple(self._partings):
            transport.abort()


def _signing(pair: asyncssh.SSHKeyPair, algorithm: bytes) -> asyncssh.SSHKeyPair:
    """A pair of its own for this kind of signature, so that two handshakes at once do not mix."""
    own = copy(pair)
    own.set_sig_algorithm(algorithm)
    return own


class _Gate(asyncio.Protocol):
    """Judges a connection by its address; the library takes over only when it may stay."""

    def __init__(self, door: SftpDoor) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        stream = cast("asyncio.Transport", transport)
        why = self._door.admits(source_of(stream.get_extra_info("peername")))
        if why:
            stream.write(f"{why}\r\n".encode())  # lines may stand before a server's version
            stream.close()
            return
        connection = self._door.connection()
        stream.set_protocol(connection)
        connection.connection_made(stream)
