"""The portal's own files: stylesheet, scripts, icon. Their names carry a hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from starlette.responses import Response

PREFIX = "/static/"
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "portal.css": "text/css; charset=utf-8",
        "core.js": "text/javascript; charset=utf-8",
        "live.js": "text/javascript; charset=utf-8",
        "passkey.js": "text/javascript; charset=utf-8",
        "upload.js": "text/javascript; charset=utf-8",
        "vendor/htmx.min.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
)
_HASH_DIGITS = 12
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    content: bytes
    media_type: str


class Statics:
    """The files, read once."""

    def __init__(self) -> None:
        self._by_name = {name: _read(name, media_type) for name, media_type in _TYPES.items()}
        self._by_path = {file.path: file for file in self._by_name.values()}

    def path(self, name: str) -> str:
        """Where a file is served: "/static/portal.0a1b2c3d4e5f.css"."""
        return self._by_name[name].path

    def answer(self, path: str) -> Response | None:
        """The file of this path, to be kept for ever; None when there is none."""
        found = self._by_path.get(path)
        if found is None:
            return None
        headers = {"Cache-Control": _FOR_EVER}
        return Response(found.content, 200, headers, media_type=found.media_type)


def _read(name: str, media_type: str) -> _File:
    content = files("transom.frontends.portal").joinpath("static", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]
    stem, dot, suffix = name.rpartition("/")[2].partition(".")
    return _File(f"{PREFIX}{stem}.{digest}{dot}{suffix}", content, media_type)
