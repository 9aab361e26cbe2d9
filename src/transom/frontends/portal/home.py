"""What needs the person, and what was sent last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from transom.core.attention import Needs
from transom.core.people.account import Locked
from transom.core.tracking import Query
from transom.domain.names import Place
from transom.domain.people import Factor
from transom.domain.submission import Submission
from transom.frontends.portal.calls import Call
from transom.frontends.portal.errors import NotSignedIn
from transom.frontends.portal.places import page_of
from transom.frontends.portal.route import FULL, Route

LATEST = 8
PLACES = 4
FACTOR_ENDS_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _View:
    """What the page shows of an organization."""

    needs: Needs
    factors: tuple[Factor, ...]
    locked: tuple[Locked, ...]
    latest: tuple[Submission, ...]
    places: tuple[Place, ...]

    @property
    def count(self) -> int:
        """How many things need somebody."""
        needs = self.needs
        kinds = (needs.refused, needs.late, needs.ending, self.factors, self.locked)
        return sum(len(each) for each in kinds)

    @property
    def has_more(self) -> bool:
        """Whether there are others than those shown."""
        needs = self.needs
        return needs.more_refused or needs.more_late or needs.more_ending


async def show(call: Call) -> Response:
    """The page after the sign-in."""
    acting = call.acting
    if acting is None or acting.org is None:
        return call.page("home_nothing.html")
    view = await call.run(_read, call, acting.org.id)
    return call.page("home.html", view=view, now=call.now, page_of=page_of)


def _read(call: Call, org: str) -> _View:
    if call.acting is None:
        raise NotSignedIn
    actor, exchange, account = call.acting.actor, call.exchange, call.people.account
    soon = call.now + FACTOR_ENDS_WITHIN
    factors = account.view(call.session).factors
    return _View(
        needs=exchange.attention.needs(actor, org),
        factors=tuple(each for each in factors if each.ends_at and each.ends_at <= soon),
        locked=tuple(account.locked(call.session)) if org == call.acting.own else (),
        latest=exchange.tracking.brief(actor, Query(org=org), LATEST).found,
        places=tuple(exchange.attention.places(actor, org, PLACES)),
    )


ROUTES = (Route("GET", "/home", show, FULL),)
