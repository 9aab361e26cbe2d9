"""Account and security: ways to sign in, password, sessions, recovery codes, activity, display."""

from __future__ import annotations

import asyncio
from zoneinfo import available_timezones

from starlette.responses import Response

from transom.domain.errors import BadParameter, NotFound, WrongState
from transom.domain.people import MAX_LABEL, MAX_PASSWORD, Display, Factor
from transom.domain.said import said
from transom.frontends.portal.calls import Call, with_next
from transom.frontends.portal.forms import sentence
from transom.frontends.portal.language import LANGUAGES
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.setting_up import ACCOUNT
from transom.frontends.portal.signing_in import MAX_SECRET

_SOME_ACTIVITY, _ALL_ACTIVITY = 5, 200
_MAX_ZONE = 64
HOME = "/account"
_COMMON_ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Tokyo",
)


async def show(call: Call, status: int = 200) -> Response:
    """The whole page."""
    account, session = call.people.account, call.session
    view, sessions, activity = await asyncio.gather(
        call.run(account.view, session),
        call.run(account.sessions, session),
        call.run(account.activity, session, _SOME_ACTIVITY),
    )
    if status == 200:  # noqa: PLR2004 - OK: the form that failed is filled already
        call.restore()
    zones = sorted({*_COMMON_ZONES, view.display.zone})
    facts = {"view": view, "sessions": sessions, "activity": activity, "zones": zones}
    return call.page("account.html", status, **facts)


async def activity(call: Call) -> Response:
    """All that happened lately."""
    found = await call.run(call.people.account.activity, call.session, _ALL_ACTIVITY)
    return call.page("activity.html", activity=found)


async def ask_rename(call: Call) -> Response:
    """The form for another name."""
    if refused := ACCOUNT.proof_first(call):
        return refused
    factor = await _factor(call)
    if not call.restore():
        call.answers.values["label"] = factor.label
    return call.page("factor_rename.html", factor=factor)


async def rename(call: Call) -> Response:
    """Give a factor another name."""
    factor = await _factor(call)
    label = call.answers.text("label", _("Enter a name."), MAX_LABEL)
    if call.answers.fine:
        account = call.people.account
        try:
            await call.run(account.rename_factor, call.session, call.visit, factor.id, label)
        except BadParameter as wrong:
            call.answers.problem("label", sentence(wrong.why))
        else:
            return call.onward(HOME, "factor-renamed")
    return call.page("factor_rename.html", 422, factor=factor)


async def ask_remove(call: Call) -> Response:
    """What removing means, before it happens."""
    if refused := ACCOUNT.proof_first(call):
        return refused
    return call.page("factor_remove.html", factor=await _factor(call))


async def remove(call: Call) -> Response:
    """Remove a factor."""
    account = call.people.account
    try:
        await call.run(account.remove_factor, call.session, call.visit, call.parts[0])
    except WrongState:
        return call.onward(HOME, "last-factor")
    return call.onward(HOME, "factor-removed")


async def ask_codes(call: Call) -> Response:
    """What new recovery codes mean, before they are made."""
    if refused := ACCOUNT.proof_first(call):
        return refused
    return call.page("codes.html", codes=())


async def codes(call: Call) -> Response:
    """New recovery codes, shown once."""
    account = call.people.account
    made = await call.run_slow(account.new_recovery_codes, call.session, call.visit)
    return call.page("codes.html", codes=made)


async def ask_password(call: Call) -> Response:
    """The form for another password."""
    if refused := ACCOUNT.proof_first(call):
        return refused
    return call.page("password.html")


async def password(call: Call) -> Response:
    """Change the password."""
    current = call.answers.secret("current", _("Enter your present password."), MAX_SECRET)
    new = call.answers.secret("password", _("Enter a new password."), MAX_PASSWORD)
    if call.answers.fine:
        change = call.people.account.change_password
        try:
            await call.run_slow(change, call.session, call.visit, current, new)
        except BadParameter as wrong:
            field = "current" if wrong.parameter == "current" else "password"
            call.answers.problem(field, sentence(wrong.why))
        else:
            return call.onward(HOME, "password-changed")
    return call.page("password.html", 422)


async def end_session(call: Call) -> Response:
    """End one of one's sessions."""
    account = call.people.account
    await call.run(account.end_session, call.session, call.visit, call.parts[0])
    if call.is_fragment:
        return call.page("session_ended.html")
    return call.onward(HOME, "session-ended")


async def end_others(call: Call) -> Response:
    """End every session but this one."""
    await call.run(call.people.account.end_other_sessions, call.session, call.visit)
    return call.onward(HOME, "others-ended")


async def forget_devices(call: Call) -> Response:
    """Ask for a factor on every device again."""
    await call.run(call.people.account.forget_devices, call.session, call.visit)
    return call.onward(HOME, "devices-forgotten")


async def display(call: Call) -> Response:
    """How pages look."""
    answers = call.answers
    theme = answers.chosen("theme", _("Choose a theme."), ("system", "light", "dark"))
    density = answers.chosen("density", _("Choose a density."), ("comfortable", "compact"))
    code = answers.chosen("language", _("Choose a language."), ("", *LANGUAGES))
    zone = answers.text("zone", _("Choose a time zone."), _MAX_ZONE)
    if answers.fine and zone not in available_timezones():
        answers.problem("zone", _("Choose a time zone."))
    wanted = Display(theme, density, zone, call.session.display.slash_focus, code)
    if answers.fine:
        await call.run(call.people.account.set_display, call.session, wanted)
        response = call.onward(HOME, "display-set")
        call.hand_theme(response, theme)
        call.hand_language(response, code)
        return response
    return await show(call, 422)


async def _factor(call: Call) -> Factor:
    view = await call.run(call.people.account.view, call.session)
    for each in view.factors:
        if each.id == call.parts[0]:
            return each
    raise NotFound(said("This way to sign in"), said("It may have been removed meanwhile."))


def proof_then(call: Call) -> Response:
    """Ask for a factor, then go on to the page of the form that needed it."""
    onward = call.page_of_form or HOME
    return call.onward(with_next("/account/proof", onward), "proof-first")
