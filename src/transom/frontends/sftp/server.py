"""Signing in: one Login for each connection, from its first byte to its end.

It is a closed allow. An account is in only when the core has said so, its session was counted and
its present rights are known; any error on the way, and any empty value, means no.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import asyncssh
from prometheus_client import Counter

from transom.core.sessions import NewSession, SessionId
from transom.core.sign_in import Attempt, SignedIn
from transom.domain.entitlement import Actor
from transom.domain.errors import ExchangeError, GrantInvalid, SignInError, TooMany
from transom.domain.identity import PublicKey, is_generated
from transom.domain.submission import AccessMethod, Client
from transom.frontends import context
from transom.frontends.sftp.connection import Connection
from transom.frontends.sftp.errors import Unverified
from transom.frontends.sftp.files import Files
from transom.frontends.sftp.session import SftpSession

if TYPE_CHECKING:
    from transom.frontends.sftp.door import SftpDoor

MAX_PASSWORDS = 6
MAX_KEYS = 20
MAX_NAMES = 4
MAX_SESSIONS = 4
_TRUSTED_SECONDS = 60.0
_SOFTWARE_CHARACTERS = 100

LOGINS = Counter("transom_sftp_logins_total", "SFTP sign-ins, by outcome.", ["outcome"])
_log = logging.getLogger("transom.access")


@dataclass(slots=True)
class Entered:
    """Who is in since when, and the rights read last and when, by the loop's clock."""

    signed_in: SignedIn
    session_id: SessionId
    actor: Actor
    since: float
    seen_at: float


class Login(asyncssh.SSHServer):
    """What the library asks about one connection; who uses its sessions."""

    def __init__(self, door: SftpDoor) -> None:
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._decided = asyncio.Event()
        self._gone = False
        self._signed_in: SignedIn | None = None
        self._offered: PublicKey | None = None
        self._passwords = self._keys = self._names = 0
        self._name = ""
        self.entered: Entered | None = None
        self.source = ""
        self.request_id = door.entropy.uuid()
        self.context: Context = copy_context()
        self.context.run(context.request_id.set, self.request_id)
        self.connection: Connection

    # --- the connection --------------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """A client is there."""
        self.connection = cast("Connection", conn)
        self.source = source_of(conn.get_extra_info("peername"))
        self._door.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, for whatever reason."""
        self._gone = True
        self._decided.set()
        for session in self.connection.sessions:
            session.die()
        self._door.left(self)
        if not self.connection.is_proven:
            self._penalize(exc)

    def _penalize(self, exc: Exception | None) -> None:
        prices = self._door.penalties.prices
        if self._loop.time() - self._began >= self._door.timing.grace_seconds:
            self._door.penalize(self.source, prices.too_slow)
        elif isinstance(exc, asyncssh.ProtocolError | asyncssh.MACError):
            self._door.penalize(self.source, prices.nonsense)
        elif not (self._passwords or self._keys):
            self._door.penalize(self.source, prices.no_attempt)

    # --- credentials -----------------------------------------------------------------------------

    def begin_auth(self, username: str) -> bool:
        """Everybody has to sign in; who tries another name begins anew."""
        self._names += 1
        self._name, self._signed_in, self._offered = username, None, None
        if self._names > MAX_NAMES:
            self._enough()
        return True

    def password_auth_supported(self) -> bool:
        """Passwords are taken."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Keys are taken."""
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Whether this password opens the account now. Counted by the lock-out rule."""
        self._passwords += 1
        self._signed_in = self._offered = None
        if self._passwords > MAX_PASSWORDS:
            self._enough()
            return False
        attempt = Attempt(username, password, self.source, self.request_id)
        workers = self._door.around.workers
        run = workers.run if is_generated(password) else workers.run_slow
        try:
            self._signed_in = await run(self._door.around.exchange.sign_in.enter, attempt)
        except ExchangeError as error:
            if isinstance(error, SignInError):
                self._door.penalize(self.source, self._door.penalties.prices.wrong_password)
            self._tell_refused("password", error)
            return False
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether a signature with this key would open the account now. Never counted."""
        self._keys += 1
        self._signed_in = self._offered = None
        if self._keys > MAX_KEYS:
            self._enough()
            return False
        offered = PublicKey(key.algorithm.decode("ascii"), key.public_data)
        opens = self._door.around.exchange.sign_in.offers_key
        try:
            if not await self._door.around.workers.run(opens, username, offered, self.source):
                return False
        except ExchangeError as error:
            self._tell_refused("key", error)
            return False
        self._offered = offered
        return True

    def _enough(self) -> None:
        self.connection.disconnect(
            asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many attempts to sign in."
        )

    async def auth_completed(self) -> None:
        """The library is satisfied; now count the session in, or end the connection in words."""
        try:
            self.entered = await self._enter()
        except TooMany as many:
            LOGINS.labels("too_many").inc()
            self._end(many.message, asyncssh.DISC_TOO_MANY_CONNECTIONS)
        except ExchangeError as error:
            self._tell_refused("session", error)
            self._end(error.message)
        except Exception:  # noqa: BLE001 - the boundary of a login
            LOGINS.labels("defect").inc()
            facts = {"door": "sftp", "verb": "login"}
            self.context.copy().run(_log.exception, "defect", extra=facts)
            self._end(f"Something broke on our side. Tell support this id: {self.request_id}.")
        else:
            self.connection.is_proven = True
            if self._gone:  # while it was counted in: count it out
                self._door.left(self)
            else:
                self._welcome(self.entered)
        finally:
            self._decided.set()

    async def _enter(self) -> Entered:
        """Who is in.

        Raises:
            SignInError: a key was withdrawn, or the account stopped, at this very moment.
            TooMany: it has as many connections as it may.
            Unavailable
        """
        exchange, workers = self._door.around.exchange, self._door.around.workers
        signed_in = self._signed_in
        if signed_in is None:
            if self._offered is None:
                raise GrantInvalid("nothing was presented")
            enter = exchange.sign_in.enter_with_key
            signed_in = await workers.run(
                enter, self._name, self._offered, self.source, self.request_id
            )
        asked = NewSession(
            "sftp", self.source, str(self.connection.crypto), self.client.software, self.request_id
        )
        session_id = await workers.run(exchange.sessions.open, signed_in, asked)
        try:
            acting = exchange.tokens.acting
            actor = await workers.run(acting, signed_in.principal.id, self.source, self.request_id)
        except ExchangeError:
            await workers.run(exchange.sessions.close, session_id)
            raise
        now = self._loop.time()
        return Entered(signed_in, session_id, actor, now, now)

    def _welcome(self, entered: Entered) -> None:
        LOGINS.labels("in").inc()
        crypto = self.connection.crypto
        facts = {
            "door": "sftp",
            "account": entered.signed_in.principal.name,
            "source": self.source,
            "software": self.client.software,
            "key_exchange": crypto.key_exchange,
            "host_key": crypto.host_key,
            "cipher": crypto.cipher,
            "mac": crypto.mac,
        }
        self.context.copy().run(_log.info, "signed in", extra=facts)
        self._door.came_in(self)

    def _tell_refused(self, how: str, error: ExchangeError) -> None:
        LOGINS.labels(error.code).inc()
        facts = {"door": "sftp", "how": how, "source": self.source, "error": error.code}
        self.context.copy().run(_log.info, "sign-in refused", extra=facts)

    def _end(self, text: str, code: int = asyncssh.DISC_BY_APPLICATION) -> None:
        self.connection.disconnect(code, text)

    # --- sessions --------------------------------------------------------------------------------

    def session_requested(self) -> Awaitable[SftpSession]:
        """A session, once it is known who is in."""
        return _Later(self._session)

    async def _session(self) -> SftpSession:
        await self._decided.wait()
        sessions = self.connection.sessions
        if self.entered is None or self._gone:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Not in.")
        if len(sessions) >= MAX_SESSIONS:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, f"{MAX_SESSIONS} sessions are open, the limit."
            )
        files = Files(self, self._door.around)
        session = SftpSession(files, self.context, self._door.session_ended(sessions))
        sessions.add(session)
        return session

    @property
    def client(self) -> Client:
        """Where it comes from, for the record."""
        software = self.connection.software[:_SOFTWARE_CHARACTERS]
        readable = software if software.isprintable() else ""
        return Client(AccessMethod.SFTP, self.source, readable, self.request_id)

    def actor(self) -> Actor:
        """Who acts right now; rights are read every 10 s (door.py).

        Raises:
            Unverified: they could not be read for a minute.
        """
        entered = self.entered
        if entered is None or self._loop.time() - entered.seen_at > _TRUSTED_SECONDS:
            raise Unverified
        return entered.actor

    def renew(self, actor: Actor) -> None:
        """The account was looked up: go on with these rights, or end when its grants must die."""
        entered = self.entered
        if entered is None:
            return
        signed_in = entered.signed_in
        if (actor.epoch, actor.org_epoch) != (signed_in.principal_epoch, signed_in.org_epoch):
            self.expel()
            return
        entered.actor = replace(actor, request_id=self.request_id)
        entered.seen_at = self._loop.time()

    def expel(self) -> None:
        """The account has stopped, or its secret or key changed."""
        self._end("This sign-in is no longer good. Sign in again, or ask your administrator.")


@dataclass(frozen=True, slots=True)
class _Later(Awaitable[SftpSession]):
    """A session that comes into being when the library asks for it: it may never do so."""

    begin: Callable[[], Coroutine[None, None, SftpSession]]

    def __await__(self) -> Generator[None, None, SftpSession]:
        return self.begin().__await__()


def source_of(peer: object) -> str:
    """The network address of a peer name; an IPv4 address is never written as IPv6."""
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    return host.removeprefix("::ffff:") if "." in host else host
