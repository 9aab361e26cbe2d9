"""The one place where requests leave: no redirect is followed, no cookie kept, no answer unbounded.

A failure of the network comes out as Unreachable, whatever the library calls it.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx2

from transom.client.addresses import host_of
from transom.client.errors import RefusedByRule, ServerFault, Unreachable

Params = Mapping[str, str | Sequence[str]]
"""A query; a sequence is its parameter several times."""

_POOL = httpx2.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=15)
_NOTHING_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. `seconds` is how long the server may be silent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a token
    params: Params | None = None
    content: bytes | Iterable[bytes] | None = None
    seconds: float | None = None

    @property
    def can_be_repeated(self) -> bool:
        """Whether its body can be sent a second time."""
        return self.content is None or isinstance(self.content, bytes)


class Connections:
    """A pool of connections, opened when the first request needs one. Thread-safe."""

    def __init__(self, ca_file: Path | str | None, timeout_seconds: float, user_agent: str) -> None:
        self._ca_file = ca_file
        self._timeout_seconds = timeout_seconds
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._pools: dict[bool, httpx2.Client] = {}  # by whether they speak TLS

    @contextmanager
    def open(self, request: Request) -> Iterator[httpx2.Response]:
        """The answer to one request, whatever its status; its body is read inside the block.

        Raises:
            Unreachable: no answer, or it broke off while it was read.
        """
        host = host_of(request.url)
        try:
            response = self._send(request)
            try:
                yield response
            finally:
                response.close()
        except (httpx2.InvalidURL, httpx2.LocalProtocolError, httpx2.UnsupportedProtocol):
            # Their texts quote headers, and so perhaps a token.
            text = "The request cannot be sent: its address or a header is not HTTP."
            raise RefusedByRule(text, code="bad_request") from None
        except httpx2.DecodingError as failure:
            text = f"{host} answered something that cannot be unpacked."
            raise ServerFault(text) from failure
        except httpx2.TransportError as failure:
            raise no_answer(host, failure) from failure

    def _send(self, request: Request) -> httpx2.Response:
        client = self._opened(is_tls=request.url.startswith("https:"))
        silence = request.seconds if request.seconds is not None else self._timeout_seconds
        built = client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            params=request.params,
            content=request.content,
            timeout=httpx2.Timeout(self._timeout_seconds, read=silence),
        )
        return client.send(built, auth=None, stream=True, follow_redirects=False)

    def _opened(self, *, is_tls: bool) -> httpx2.Client:
        with self._lock:
            if is_tls not in self._pools:
                logging.getLogger("httpx2").addFilter(_without_queries)
                self._pools[is_tls] = httpx2.Client(
                    verify=_trust(self._ca_file) if is_tls or self._ca_file else _nobody(),
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                    limits=_POOL,
                )
            return self._pools[is_tls]

    def close(self) -> None:
        """Let go of what is open; the next request opens it again."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for client in pools.values():
            client.close()


def _without_queries(record: logging.LogRecord) -> bool:
    """Cut the query off every URL in the library's log: whoever reads a signed one may use it."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            each.copy_with(query=None) if isinstance(each, httpx2.URL) else each
            for each in record.args
        )
    return True


def _nobody() -> ssl.SSLContext:
    """For what never speaks TLS: it trusts nobody, and reads no roots."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _trust(ca_file: Path | str | None) -> ssl.SSLContext:
    """Whom to trust; read once in a process, since it takes 30 ms."""
    context = httpx2.create_ssl_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as failure:
        text = f"{ca_file} holds no certificate in PEM form."
        raise RefusedByRule(text, code="bad_ca_file") from failure
    return context


def no_answer(host: str, failure: httpx2.TransportError) -> Unreachable:
    """What a failure of the network is to the caller."""
    error = Unreachable(f"No answer from {host}.")
    error.host = host
    error.connected = not isinstance(failure, _NOTHING_SENT)
    if _is_untrusted(failure):
        error = Unreachable(
            f"The certificate of {host} is not trusted here. Name your authority's file as "
            "ca_file, or check the address.",
            code="certificate_not_trusted",
        )
        error.host, error.connected, error.may_pass = host, False, False
    return error


def _is_untrusted(failure: BaseException) -> bool:
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
