"""What was sent, and what became of it."""

from __future__ import annotations

from transom.frontends.portal.route import Route

ROUTES: tuple[Route, ...] = ()
