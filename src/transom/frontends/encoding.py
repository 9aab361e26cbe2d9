"""Values as JSON or XML: an object is its members, an array its items under one name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from transom.frontends import markup

Json = dict[str, Any]


class Media(Enum):
    """What an answer is written in."""

    JSON = "application/json"
    XML = "application/xml"


def media_of(accept: str) -> Media:
    """XML when an Accept header asks for it and not for JSON; JSON is the default (guide 5.3)."""
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if Media.JSON.value in wanted or not {"application/xml", "text/xml"} & set(wanted):
        return Media.JSON
    return Media.XML


def encode(value: object, media: Media, root: str) -> tuple[bytes, str]:
    """A body and its media type. In XML, `root` names the outer element."""
    if media is Media.JSON:
        return json.dumps(value, separators=(",", ":")).encode(), media.value
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return (head + "".join(_elements(root, value))).encode(), media.value


def element(name: str, value: object) -> bytes:
    """One XML element (or, of an array, several), as it stands inside a document."""
    return "".join(_elements(name, value)).encode()


def _elements(name: str, value: object) -> Iterator[str]:
    """An object is its members, an array its items under one name, null nothing at all."""
    if isinstance(value, Mapping):
        inner = "".join(part for key, item in value.items() for part in _elements(key, item))
        yield f"<{name}>{inner}</{name}>"
    elif isinstance(value, list):
        for item in value:
            yield from _elements(name, item)
    elif value is not None:
        text = str(value).lower() if isinstance(value, bool) else markup.text(str(value))
        yield f"<{name}>{text}</{name}>"
