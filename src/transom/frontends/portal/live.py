"""Changes, told to open pages as they happen."""

from __future__ import annotations

from transom.frontends.portal.route import Route

ROUTES: tuple[Route, ...] = ()
