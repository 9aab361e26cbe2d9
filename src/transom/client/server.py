"""Finding out about a server by its /.well-known/transom."""

from __future__ import annotations

from typing import Any, Unpack

from transom.client import answers
from transom.client.addresses import checked_url, is_loopback
from transom.client.answers import Answer
from transom.client.connections import Request
from transom.client.errors import RefusedByRule, ServerFault
from transom.client.options import Options, connections, retries
from transom.client.presets import TOKEN_PATH, Server


def discover(url: str, **options: Unpack[Options]) -> Server:
    """The server at a URL, by its /.well-known/transom.

    A server that has none (FINRA's) is taken to have its token service below the same URL. One
    that does not tell its environment is production, but on this machine "local".

    Raises:
        Unreachable, ServerFault
        RefusedByRule: the URL cannot be read, or is plain http to another machine.
    """
    base = url.rstrip("/")
    parts = checked_url(base, allow_plain_http=options.get("allow_plain_http", False))
    found = about(base, **options)
    token_url = found.get("tokenUrl", base + TOKEN_PATH)
    kind = "local" if is_loopback(str(parts.hostname)) else "production"
    environment = answers.clean(found.get("environment")) or kind
    return Server(base, _checked(base, token_url, options), environment)


def about(base: str, **options: Unpack[Options]) -> dict[str, Any]:
    """What the server says about itself, or nothing.

    Raises:
        Unreachable, ServerFault
    """
    request = Request("GET", f"{base}/.well-known/transom", {"Accept": "application/json"})
    pool = connections(options)

    def attempt() -> dict[str, Any]:
        with pool.open(request) as response:
            if response.status_code in {400, 401, 403, 404, 405}:
                return {}
            if not response.is_success:
                raise answers.refusal(answers.refused(response))
            return _read(Answer.read(response))

    try:
        return retries(options).run(attempt)
    finally:
        pool.close()


def _read(answer: Answer) -> dict[str, Any]:
    try:
        found = answer.json()
    except ServerFault:
        return {}  # a page for people is what servers without this show: it is no fault of theirs
    return found if isinstance(found, dict) else {}


def _checked(base: str, token_url: object, options: Options) -> str:
    """A token URL that secrets may go to: https, unless the server itself was asked without."""
    allowed = options.get("allow_plain_http", False)
    try:
        parts = checked_url(str(token_url), allow_plain_http=allowed)
    except RefusedByRule as refused:
        raise ServerFault(f"The server's token service cannot be used. {refused.message}") from None
    if parts.scheme == "http" and base.startswith("https:"):
        raise ServerFault("The server names a token service without TLS, and is asked with it.")
    return str(token_url)
