"""Answers too long for memory: written page by page, as the core reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from transom.core.browse import Folder
from transom.domain.listing import Listing
from transom.domain.names import Place
from transom.frontends.encoding import Json, Media, element
from transom.frontends.rest import wire
from transom.frontends.rest.wire import Links
from transom.frontends.workers import Workers

T = TypeVar("T")


async def pages(workers: Workers, source: Iterator[list[T]]) -> AsyncIterator[list[T]]:
    """The pages of an iterator that reads each of them when asked."""
    while True:
        page = await workers.run(next, source, None)
        if page is None:
            return
        yield page


async def array(
    found: AsyncIterator[list[T]], shape: Callable[[T], Json], media: Media, root: str, item: str
) -> AsyncIterator[bytes]:
    """An array of many items, in JSON, or in XML as items inside a root element."""
    is_json = media is Media.JSON
    yield b"[" if is_json else f'<?xml version="1.0" encoding="UTF-8"?><{root}>'.encode()
    first = True
    async for page in found:
        text = _items([shape(each) for each in page], item, is_json=is_json)
        if text:
            yield text if first or not is_json else b"," + text
            first = False
    yield b"]" if is_json else f"</{root}>".encode()


def _items(shapes: list[Json], item: str, *, is_json: bool) -> bytes:
    if is_json:
        return ",".join(json.dumps(each, separators=(",", ":")) for each in shapes).encode()
    return b"".join(element(item, each) for each in shapes)


async def sub_space(
    shown: Folder,
    place: Place,
    read: Callable[[], AsyncIterator[list[Listing]]],
    links: Links,
    media: Media,
) -> AsyncIterator[bytes]:
    """A sub-space of any size: its files are read twice, once as children and once as links."""
    path = (place.org, place.application, place.sub_space)
    head = wire.directory(shown.name, writable=shown.writable)

    def link(listing: Listing) -> Json:
        return {"href": links.files(*path, listing.name)}

    own = {"self": [{"href": links.files(*path)}], "parent": [{"href": links.files(*path[:-1])}]}
    children, hrefs = wire.file, link
    opening, between, closing = wire.around(head, own, media)
    yield opening
    async for part in _run(read(), children, media):
        yield part
    yield between
    async for part in _run(read(), hrefs, media):
        yield part
    yield closing


async def _run(
    found: AsyncIterator[list[Listing]], shape: Callable[[Listing], Json], media: Media
) -> AsyncIterator[bytes]:
    is_json = media is Media.JSON
    first = True
    async for page in found:
        text = _items([shape(each) for each in page], "children", is_json=is_json)
        if text:
            yield text if first or not is_json else b"," + text
            first = False
