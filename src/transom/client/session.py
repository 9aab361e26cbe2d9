"""HTTP with a token: renewal, retries, and answers turned into values or errors."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Unpack

import httpx2

from transom.client import answers
from transom.client.addresses import checked_url
from transom.client.answers import Answer
from transom.client.connections import Params, Request
from transom.client.errors import ClientError, NotEntitled, NotSignedIn, RefusedByRule, ServerFault
from transom.client.options import Options, connections, retries
from transom.client.presets import Server
from transom.client.tokens import TokenService, basic, bearer

Progress = Callable[[int, int | None], None]
"""Called with the bytes done so far and in all (None when unknown); often, from the same thread."""

LINK_SECONDS = 58.0
"""How long a signed URL is used: its minute, less what the request takes to arrive.

Counted from before step 1 by this machine's own clock: `expiresAt` is told by the server's, and the
two may differ by more than the minute.
"""

_JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class _Links:
    """Which signed URLs are asked: https, or http where the API itself is on this machine."""

    rest_is_plain: bool
    allow_plain_http: bool

    def checked(self, url: str) -> str:
        try:
            parts = checked_url(url, allow_plain_http=self.allow_plain_http)
        except RefusedByRule as refused:
            raise ServerFault(f"The server's link cannot be used. {refused.message}") from refused
        if parts.scheme == "http" and not (self.rest_is_plain or self.allow_plain_http):
            raise ServerFault("The server's link leads to this very machine, without TLS.")
        return url


class Session:
    """One account's connection pool at one server. Thread-safe.

    The token goes to the server's `rest_url` only, user name and secret to its `token_url` only.

    Raises:
        RefusedByRule: an address cannot be read, or is plain http to another machine.
    """

    def __init__(self, server: Server, user: str, secret: str, **options: Unpack[Options]) -> None:
        plain = options.get("allow_plain_http", False)
        rest = checked_url(server.rest_url, allow_plain_http=plain)
        checked_url(server.token_url, allow_plain_http=plain)
        self.server = server
        self.user = user
        self.clock = options.get("clock", time.monotonic)
        self.retries = retries(options)
        self._base = server.rest_url.rstrip("/")
        self._links = _Links(rest.scheme == "http", plain)
        self._connections = connections(options)
        service = TokenService(
            self._connections, self.retries, server.token_url, basic(user, secret)
        )
        self._bearer = bearer(options.get("token", ""), service, self.clock)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Any:
        """One call to the REST API, "/files/0001"; the parsed JSON of its answer.

        Only for what may be repeated: it is tried again after a lost answer, 429, 502, 503 or 504,
        and once after a token that was no longer good. `seconds` is how long the server may be
        silent.

        Raises:
            ClientError: by the answer's status and code; see errors.py.
        """
        content = None if json is None else json_format.dumps(json).encode()
        typed = {"Content-Type": "application/json"} if content is not None else {}
        request = Request(
            method,
            self._base + path,
            {**_JSON, **typed, **(headers or {})},
            params,
            content,
            seconds,
        )
        return self.ask(request).json()

    def read(
        self,
        path: str,
        params: Params | None = None,
        largest_bytes: int = answers.LARGEST_LISTING_BYTES,
    ) -> Answer:
        """GET something of the REST API that may be large, with the headers of its answer."""
        return self.ask(Request("GET", self._base + path, _JSON, params), largest_bytes)

    def ask(self, request: Request, largest_bytes: int = answers.LARGEST_JSON_BYTES) -> Answer:
        """The answer to a request with a token, tried as often as the retries have it."""

        def attempt() -> Answer:
            with self._open(request) as response:
                return Answer.read(response, largest_bytes)

        return self.retries.run(attempt)

    def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[httpx2.Response]:
        """An authorized answer whose body is read as it comes (`response.iter_raw()`).

        The beginning of an answer is tried for like `call`; a body that breaks off is Unreachable.
        """
        return self._stream(Request(method, self._base + path, headers or {}))

    @contextmanager
    def _stream(self, request: Request) -> Iterator[httpx2.Response]:
        with ExitStack() as stack:
            yield self.retries.run(lambda: stack.enter_context(self._open(request)))

    def send(
        self,
        method: str,
        path: str,
        content: Iterator[bytes],
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One try to send a body with a bearer token; the parsed JSON of the answer.

        After NotSignedIn with the code invalid_token a second call takes a new token.
        """
        request = Request(method, self._base + path, {**_JSON, **(headers or {})}, params, content)
        with self._open(request) as response:
            return Answer.read(response).json()

    def open_link(self, request: Request) -> AbstractContextManager[httpx2.Response]:
        """One try at a signed URL: no token goes there. Whatever the status, the answer comes.

        Raises:
            Unreachable
            ServerFault: the URL is not one to be asked.
        """
        self._links.checked(request.url)
        return self._connections.open(request)

    @contextmanager
    def _open(self, request: Request) -> Iterator[httpx2.Response]:
        """The answer to a request with a token; raises when it is a refusal."""
        token, is_new = self._bearer.current()
        with ExitStack() as stack:
            response = stack.enter_context(self._connections.open(_with(request, token)))
            if _may_be_stale(response) and not is_new:
                stack.close()
                token = self._bearer.renew(token)
                if not request.can_be_repeated:
                    raise NotSignedIn(answers.TOKEN_OVER, code="invalid_token")
                response = stack.enter_context(self._connections.open(_with(request, token)))
            if not response.is_success:
                raise _refusal(answers.refused(response))
            yield response

    def close(self) -> None:
        """Let go of the connections."""
        self._connections.close()


def _with(request: Request, token: str) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def _may_be_stale(response: httpx2.Response) -> bool:
    """Whether another token may help.

    FINRA's servers may not tell a token that is over from a missing right: a new token finds out.
    """
    if response.status_code != HTTPStatus.UNAUTHORIZED:
        return False
    return answers.scope_error(response.headers) != "insufficient_scope"


def _refusal(answer: Answer) -> ClientError:
    error = answers.refusal(answer)
    if answer.status != HTTPStatus.UNAUTHORIZED:
        return error
    if "invalid_token" in {answers.scope_error(answer.headers), error.code}:
        return NotSignedIn(answers.TOKEN_OVER, code="invalid_token", request_id=error.request_id)
    return NotEntitled(error.message, code=error.code, request_id=error.request_id)
