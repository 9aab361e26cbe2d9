"""The help page, open to everybody: each way to sign in, step by step."""

from __future__ import annotations

from starlette.responses import Response

from transom.frontends.portal.calls import Call


async def show(call: Call) -> Response:
    """Every kind of factor, whether or not it is offered to this reader: that would tell."""
    return call.page("help.html")
