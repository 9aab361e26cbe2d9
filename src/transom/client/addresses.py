"""URLs and paths: which may be asked at all, and how a place is written into one."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

from transom.client.errors import RefusedByRule

_SAFE = "!@,&-='._~"  # the exchange's alphabet, as far as a path may have it as it stands


def checked_url(url: str, *, allow_plain_http: bool = False) -> SplitResult:
    """The parts of an address that may be asked: https, or http to this very machine.

    Raises:
        RefusedByRule: anything else, and whatever has a user name in it.
    """
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise RefusedByRule("The address has a user name in it. Leave it out.", code="bad_url")
    if parts.scheme == "https" or (parts.scheme == "http" and allow_plain_http):
        return parts
    if parts.scheme == "http" and is_loopback(str(parts.hostname)):
        return parts
    if parts.scheme == "http":
        text = f"{parts.hostname} is asked for without TLS. Use its https address."
        raise RefusedByRule(text, code="plain_http")
    raise _unreadable()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unreadable() from None
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        raise _unreadable()
    return parts


def _unreadable() -> RefusedByRule:
    return RefusedByRule(
        "The address cannot be read. Write it like https://filex.example.", code="bad_url"
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_of(url: str) -> str:
    """The host that a URL names, for people; never its path or query, which may hold secrets."""
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def files_path(place: str) -> str:
    """The path of a place or file in the API: "0001/app1/in" is /files/0001/app1/in.

    Raises:
        RefusedByRule: a level is empty, "." or "..".
    """
    levels = [level for level in place.strip("/").split("/") if place.strip("/")]
    if any(level in {"", ".", ".."} for level in levels):
        text = f'"{place}" is not a place. Write it like 0001/r4530/in.'
        raise RefusedByRule(text, code="bad_name")
    return "/".join(("/files", *(quote(level, safe=_SAFE) for level in levels)))
