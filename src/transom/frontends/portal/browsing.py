"""Organizations, applications, sub-spaces and files, and fetching them."""

from __future__ import annotations

from transom.frontends.portal.route import Route

ROUTES: tuple[Route, ...] = ()
