"""Files on their way in, by script and by form."""

from __future__ import annotations

from transom.frontends.portal.route import Route

ROUTES: tuple[Route, ...] = ()
