"""The bearer token of one account: asked for when it is needed, once for all threads."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from transom.client import answers
from transom.client.answers import Answer
from transom.client.connections import Connections, Request
from transom.client.errors import NotSignedIn, ServerFault
from transom.client.retries import Retries

_RENEW_EARLY_SECONDS = 60.0
_LIFE_WHEN_UNTOLD_SECONDS = 1800.0
_REFUSAL_HOLDS_SECONDS = 60.0
"""Each wrong secret counts towards closing the account: not every thread asks for itself."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how long it is good, from when it was asked for."""

    text: str
    seconds: float


class Bearer(Protocol):
    """What a session puts into its requests."""

    def current(self) -> tuple[str, bool]:
        """A token to use now, and whether it was asked for just now."""

    def renew(self, stale: str) -> str:
        """Another token than this one, which a server did not take."""


class GivenToken:
    """A token that somebody else asked for: it cannot be renewed here."""

    def __init__(self, text: str) -> None:
        if not text.isascii() or not text.isprintable() or " " in text:
            raise NotSignedIn("The access token is not one: it has characters that none has.")
        self._text = text

    def current(self) -> tuple[str, bool]:
        """The token; it is never new."""
        return self._text, False

    def renew(self, stale: str) -> str:  # noqa: ARG002 - there is only one
        """Raises NotSignedIn."""
        raise NotSignedIn(answers.TOKEN_OVER, code="invalid_token")


class OwnTokens:
    """Tokens by client credentials: renewed before they expire, by one thread at a time."""

    def __init__(self, ask: Callable[[], Token], clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._text = ""
        self._renew_at = 0.0
        self._refused: NotSignedIn | None = None
        self._refused_until = 0.0

    def current(self) -> tuple[str, bool]:
        """A token with time left, and whether this very call asked for it.

        Raises:
            NotSignedIn, Unreachable, ServerFault
        """
        with self._lock:
            if self._text and self._clock() < self._renew_at:
                return self._text, False
            return self._asked(), True

    def renew(self, stale: str) -> str:
        """A token other than a stale one; another thread may have asked for it already."""
        with self._lock:
            return self._text if self._text not in {"", stale} else self._asked()

    def _asked(self) -> str:
        now = self._clock()
        if self._refused is not None and now < self._refused_until:
            told = self._refused
            raise NotSignedIn(told.message, code=told.code, request_id=told.request_id)
        self._text = ""
        try:
            token = self._ask()
        except NotSignedIn as refused:
            self._refused, self._refused_until = refused, now + _REFUSAL_HOLDS_SECONDS
            raise
        early = min(_RENEW_EARLY_SECONDS, token.seconds / 2)
        self._text, self._renew_at, self._refused = token.text, now + token.seconds - early, None
        return token.text


@dataclass(frozen=True, slots=True)
class TokenService:
    """Asks a token service for tokens of one account."""

    connections: Connections
    retries: Retries
    url: str
    basic: str

    def ask(self) -> Token:
        """A new token.

        Raises:
            NotSignedIn: user name or secret are not right, or the account is closed.
            Unreachable, ServerFault
        """
        return self.retries.run(self._try)

    def _try(self) -> Token:
        headers = {"Authorization": self.basic, "Accept": "application/json"}
        params = {"grant_type": "client_credentials"}
        with self.connections.open(Request("POST", self.url, headers, params)) as response:
            if not response.is_success:
                raise answers.token_refusal(answers.refused(response))
            return _read(Answer.read(response))


def basic(user: str, secret: str) -> str:
    """The header of Basic authentication, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def bearer(text: str, service: TokenService, clock: Callable[[], float] = time.monotonic) -> Bearer:
    """The tokens of a session: the one it was given, or its own."""
    return GivenToken(text) if text else OwnTokens(service.ask, clock)


def _read(answer: Answer) -> Token:
    body: Any = answer.json()
    text = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        raise ServerFault(
            f"{answer.host} answered no access token. Is this the address of the token service?",
            request_id=answer.request_id,
        )
    return Token(text, _life(body.get("expires_in")))


def _life(told: object) -> float:
    """How long a token is good; some services write the number as a text."""
    try:
        seconds = float(told) if isinstance(told, str | int | float) else 0.0
    except ValueError:
        seconds = 0.0
    return seconds if 0 < seconds < float("inf") else _LIFE_WHEN_UNTOLD_SECONDS
