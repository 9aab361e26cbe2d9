"""A file on its way out: headers that describe it, then its bytes, as fast as the client reads."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Send

from transom.core.downloads import Download
from transom.domain.listing import Listing
from transom.frontends.conditions import Window
from transom.frontends.headers import etag, http_date, repr_digest

BLOCK_BYTES = 256 << 10
_BLOCKS_IN_A_ROW = 16  # measured: a pause after each block costs 4 % of the throughput


async def send_file(
    opened: Download,
    part: Window | None,
    receive: Receive,
    send: Send,
    headers: dict[str, str] | None = None,
) -> None:
    """Send the part of a file that is open, or all of it; stops when the client is gone.

    `headers` stand in place of those that describe().
    """
    gone = asyncio.ensure_future(_disconnected(receive))
    blocks = 0
    try:
        await start(send, 206 if part else 200, headers or describe(opened.listing, part))
        while not gone.done() and (block := opened.reader.read(BLOCK_BYTES)):
            await send({"type": "http.response.body", "body": block, "more_body": True})
            # To a client that is gone, sending is a quick nothing: without a pause now and then the
            # rest of the file would be read for nobody, and nobody else served meanwhile.
            blocks += 1
            if blocks % _BLOCKS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        if not gone.done():
            await send({"type": "http.response.body"})
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_unchanged(listing: Listing, send: Send) -> None:
    """Tell a client that it has the file already."""
    headers = describe(listing)
    del headers["Content-Length"]  # the server would wait for as many bytes
    await start(send, 304, headers)
    await send({"type": "http.response.body"})


async def start(send: Send, status: int, headers: dict[str, str]) -> None:
    """Begin an answer whose body follows, if it has one."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def describe(listing: Listing, part: Window | None = None) -> dict[str, str]:
    """The headers of a file, or of a part of it."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{listing.name}"',
        "Content-Length": str(part.length if part else listing.size),
        "Accept-Ranges": "bytes",
        "ETag": etag(listing.sha256),
        "Last-Modified": http_date(listing.listed_at),
        "Repr-Digest": repr_digest(listing.sha256),
    }
    if part:
        last = part.start + part.length - 1
        headers["Content-Range"] = f"bytes {part.start}-{last}/{listing.size}"
    return headers
