"""The portal's cookies: what they are called, and that nobody else reads or sets them.

Over TLS their names begin with __Host-, so that no neighbouring host can plant one. All are out of
reach of scripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from starlette.responses import Response
from starlette.types import Scope

from transom.frontends.requests import header

_MAX_HEADER = 8192
_MAX_VALUE = 3500


class Cookie(StrEnum):
    """What the portal keeps in a browser."""

    SESSION = "session"
    """The session's token; renewed at each level of the sign-in."""
    VISIT = "visit"
    """Random; ties forms to the browser that they were given to, before there is a session."""
    DEVICE = "device"
    """Makes this browser a known one."""
    THEME = "theme"
    """light or dark, for pages before the sign-in."""
    LANGUAGE = "language"
    """What to speak, for pages before the sign-in."""
    NOTICE = "notice"
    """The code of a notice for the next page."""
    ORG = "org"
    """The organization that the person acts for; believed only as far as its rights go."""
    KEPT = "kept"
    """What was typed into a form that could not be taken yet, sealed."""


@dataclass(frozen=True, slots=True)
class Jar:
    """Reads and sets the cookies of one listener."""

    secure: bool

    def name(self, cookie: Cookie) -> str:
        """What a cookie is called here."""
        return f"{'__Host-' if self.secure else ''}transom-{cookie}"

    def read(self, scope: Scope) -> dict[Cookie, str]:
        """The cookies of a request. One that is sent twice counts as not sent."""
        raw = header(scope, "cookie")[:_MAX_HEADER]
        pairs = [pair.strip().partition("=") for pair in raw.split(";")]
        found = {}
        for cookie in Cookie:
            values = [value for name, _, value in pairs if name == self.name(cookie)]
            if len(values) == 1 and values[0].isascii() and len(values[0]) <= _MAX_VALUE:
                found[cookie] = values[0]
        return found

    def put(
        self, response: Response, cookie: Cookie, value: str, life: timedelta | None = None
    ) -> None:
        """Set a cookie; without a life it goes with the browser."""
        response.set_cookie(
            self.name(cookie),
            value,
            max_age=None if life is None else max(1, round(life.total_seconds())),
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, cookie: Cookie) -> None:
        """Take a cookie away."""
        response.delete_cookie(
            self.name(cookie), path="/", secure=self.secure, httponly=True, samesite="lax"
        )
