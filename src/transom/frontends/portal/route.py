"""What a page of the portal is: how it is reached, and which sessions it is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.responses import Response

from transom.domain.people import Assurance
from transom.frontends.portal.calls import Call

ANYBODY: frozenset[Assurance] = frozenset()
HALF = frozenset({Assurance.PASSWORD, Assurance.FULL})
ENROLLING = frozenset({Assurance.ENROLLING})
FULL = frozenset({Assurance.FULL})
_EITHER = ENROLLING | FULL

Page = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A page: how it is reached, and which sessions it is for.

    In `path` each {} stands for one level. `form_on` is the page that a posted form stands on.
    Where `streams`, the body is not read as a form: the page takes it from `call.incoming`, and
    has shown nothing and done nothing before it has called `call.require_token` with the form's
    token. That the request came from our own pages is checked for all alike.

    What a page asks by itself does not count as use of the session, and is nowhere to go on to.
    """

    method: str
    path: str
    page: Page
    needs: frozenset[Assurance]
    form_on: str = ""
    streams: bool = False
    counts: bool = True

    def parts(self, path: str) -> tuple[str, ...] | None:
        """What stands for each {} when the path is this route's; None when it is another's."""
        mine, theirs = self.path.split("/"), path.split("/")
        if len(mine) != len(theirs):
            return None
        pairs = list(zip(mine, theirs, strict=True))
        if any(own not in ("{}", their) for own, their in pairs):
            return None
        found = tuple(unquote(their) for own, their in pairs if own == "{}")
        return found if all(each and each.isprintable() for each in found) else None
