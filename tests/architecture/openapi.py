"""Walking through an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Path, method and operation, one after the other."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method.upper(), operation


def references(value: Any) -> Iterator[str]:
    """What a document refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def components(document: Any) -> set[str]:
    """What a document defines to be referred to."""
    return {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
