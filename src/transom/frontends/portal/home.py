"""What needs the person, and what it sent last."""

from __future__ import annotations

from starlette.responses import Response

from transom.frontends.portal.calls import Call
from transom.frontends.portal.route import FULL, Route


async def show(call: Call) -> Response:
    """The page after the sign-in."""
    return call.page("home.html")


ROUTES = (Route("GET", "/home", show, FULL),)
