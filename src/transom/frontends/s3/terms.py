"""Headers of uploads that ask for what this exchange does not do: refused, or ignored on purpose.

Nothing of them is ever stored. What would have changed who may see a file, or how it rests, is
refused, so that no client believes in it; what only describes the file is ignored.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from transom.domain.errors import NotSupported
from transom.frontends.s3.errors import Forbidden

_HARMLESS_ACLS: Final = frozenset({"private", "bucket-owner-full-control"})

_FORBIDDEN: Final = (
    "x-amz-acl",
    "x-amz-grant-",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-copy-source",
)
_NOT_OFFERED: Final = (
    "x-amz-server-side-encryption",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
)


def check(scope: Scope) -> None:
    """Return quietly when an upload asks for nothing but to be received.

    Metadata (`x-amz-meta-*`) and storage classes are ignored: what a file is, its application says.

    Raises:
        Forbidden: access lists, tags, locks, copies.
        NotSupported: encryption, redirects.
    """
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "x-amz-acl" and value in _HARMLESS_ACLS:
            continue
        if name.startswith(_FORBIDDEN):
            raise Forbidden(name)
        if name.startswith(_NOT_OFFERED):
            raise NotSupported(name, "Send the file without it.")
