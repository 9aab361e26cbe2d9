"""For whom a person acts: its rights at each request, and the switch between organizations."""

from __future__ import annotations

from starlette.responses import Response

from transom.domain.errors import NotFound
from transom.domain.said import said
from transom.frontends.portal.calls import Acting, Call, Organization
from transom.frontends.portal.cookies import Cookie
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.route import FULL, Route
from transom.frontends.portal.signing_in import HOME

_MAX_FILTER = 60


async def read(call: Call) -> Acting:
    """The person as an actor, with its rights as they are now.

    Raises:
        GrantInvalid: it may not act any more.
        Unavailable
    """
    return await call.run(_read, call)


def _read(call: Call) -> Acting:
    person, visit = call.session.person, call.visit
    actor = call.exchange.tokens.acting(person.id, visit.source, visit.request_id)
    ids = [each.name for each in call.exchange.browse.root(actor).children]
    names = call.people.account.organizations(ids)
    found = [Organization(each, names.get(each, each)) for each in ids]
    found.sort(key=lambda each: (each.id != person.org, each.id))
    wanted = call.cookies.get(Cookie.ORG, "")
    chosen = next((each for each in found if each.id == wanted), None)
    lost = wanted if chosen is None and wanted.isdigit() else ""
    return Acting(actor, tuple(found), person.org, chosen or next(iter(found), None), lost)


async def choose(call: Call) -> Response:
    """All organizations that the person may act for, or those that a filter leaves."""
    wanted = call.query.get("q", "").strip()[:_MAX_FILTER]
    acting = call.acting
    every = acting.organizations if acting else ()
    found = [each for each in every if _matches(each, wanted.casefold())]
    return call.page("acting.html", found=found, wanted=wanted, count_of_all=len(every))


def _matches(organization: Organization, wanted: str) -> bool:
    return wanted in organization.name.casefold() or organization.id.startswith(wanted)


async def switch(call: Call) -> Response:
    """Act for another organization from now on."""
    wanted = call.answers.text("org", _("Choose an organization."), 20)
    acting = call.acting
    if acting is None or wanted not in {each.id for each in acting.organizations}:
        hint = said("You may not act for it, or it is not there.")
        raise NotFound(said("This organization"), hint)
    response = call.onward(HOME)
    call.around.jar.put(response, Cookie.ORG, wanted)
    return response


ROUTES = (
    Route("GET", "/acting-for", choose, FULL),
    Route("POST", "/acting-for", switch, FULL, "/acting-for"),
)
