"""A file to a browser: always as an attachment, in a sandbox, by ranges and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.core.downloads import Download
from transom.domain.listing import Listing
from transom.frontends.conditions import Conditions, Window, is_unchanged, window
from transom.frontends.errors import PreconditionFailed, RangeNotSatisfiable
from transom.frontends.portal.calls import Call
from transom.frontends.portal.places import file_of
from transom.frontends.portal.route import FULL, Route
from transom.frontends.sending import describe, send_file

_SAFE: Mapping[str, str] = MappingProxyType(
    {
        # Should a browser show it in spite of all: without scripts, and of no origin.
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
    }
)


async def fetch(call: Call) -> Response:
    """The newest file of this name at a place, or a part of it."""
    actor, place, name = file_of(call)
    downloads = call.exchange.downloads
    listing = await call.run(downloads.find, actor, place, name)
    try:
        if is_unchanged(_conditions(call.headers), listing):
            headers = _headers(listing)
            del headers["Content-Length"]  # the server would wait for as many bytes
            return Response(status_code=304, headers=headers)
        part = window(call.headers.get("range", ""), call.headers.get("if-range", ""), listing)
    except PreconditionFailed:
        return Response(status_code=412, headers=_SAFE)
    except RangeNotSatisfiable as beyond:
        return Response(
            status_code=416, headers={**_SAFE, "Content-Range": f"bytes */{beyond.size}"}
        )
    if call.is_head:
        return Response(status_code=206 if part else 200, headers=_headers(listing, part))
    start, length = (part.start, part.length) if part else (0, None)
    opened = await call.run(downloads.open, actor, listing, start, length)
    return _File(opened, part, _headers(listing, part))


def _headers(listing: Listing, part: Window | None = None) -> dict[str, str]:
    shown = f"attachment; filename=\"{listing.name}\"; filename*=UTF-8''{quote(listing.name)}"
    return {**describe(listing, part), **_SAFE, "Content-Disposition": shown}


def _conditions(headers: Mapping[str, str]) -> Conditions:
    return Conditions(
        headers.get("if-match", ""),
        headers.get("if-none-match", ""),
        headers.get("if-modified-since", ""),
        headers.get("if-unmodified-since", ""),
    )


class _File(Response):
    """A file's answer: its bytes, as fast as the browser reads."""

    def __init__(self, opened: Download, part: Window | None, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=206 if part else 200, headers=headers)
        self._opened = opened
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it."""
        try:
            await send_file(self._opened, self._part, receive, send, dict(self.headers))
        finally:
            self._opened.reader.close()


ROUTES: tuple[Route, ...] = (Route("GET", "/browse/{}/{}/{}/{}", fetch, FULL, streams=True),)
