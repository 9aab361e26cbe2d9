"""The sign-in: user name, password, factor; or a passkey alone."""

from __future__ import annotations

from starlette.responses import Response

from transom.domain.errors import BadCredentials, FactorRejected, LockedOut
from transom.domain.people import Assurance, Session
from transom.frontends.portal.calls import Call, with_next
from transom.frontends.portal.cookies import Cookie
from transom.frontends.portal.errors import sentences
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import told_of

START = "/sign-in"
HOME = "/home"
MAX_EMAIL = 254
MAX_SECRET = 1024
MAX_ANSWER = 32 * 1024


async def start(call: Call) -> Response:
    """Step 1, the user name."""
    if call.found is not None and call.found.assurance is Assurance.FULL:
        return call.onward(onward_of(call))
    return call.page("sign_in.html", next=next_of(call))


async def password(call: Call) -> Response:
    """Step 2. Any name gets here: whether it is known shows nowhere."""
    email = call.answers.text("email", _("Enter your user name."), MAX_EMAIL)
    if call.answers.fine and "@" not in email:
        call.answers.problem(
            "email", _("Your user name is your e-mail address, such as name@firm.example.")
        )
    if not call.answers.fine:
        return call.page("sign_in.html", 422, next=next_of(call))
    return call.page("sign_in_password.html", email=email, next=next_of(call))


async def enter(call: Call) -> Response:
    """Check name and password; then the factor, in a session of its own."""
    email = call.answers.text("email", _("Enter your user name."), MAX_EMAIL)
    secret = call.answers.secret("password", _("Enter your password."), MAX_SECRET)
    if not call.answers.fine:
        return call.page("sign_in_password.html", 422, email=email, next=next_of(call))
    try:
        entered = await call.run_slow(call.people.sign_in.begin, call.visit, email, secret)
    except BadCredentials as wrong:
        call.answers.problem("password", told_of(wrong))
        return call.page("sign_in_password.html", 422, email=email, next=next_of(call))
    if entered.session.assurance is Assurance.FULL:
        return call.enter(call.onward(onward_of(call, entered.session)), entered)
    return call.enter(call.onward(with_next("/sign-in/factor", next_of(call))), entered)


async def ask_passkey(call: Call) -> Response:
    """Ask for a passkey as the only step."""
    asked = await call.run(call.people.sign_in.passkey_options)
    return call.page("sign_in_passkey.html", asked=asked, next=next_of(call))


async def enter_by_passkey(call: Call) -> Response:
    """Check what the passkey answered."""
    token = call.answers.secret("token", _("Ask your device again."), MAX_SECRET)
    answer = call.answers.secret("answer", _("Use your passkey."), MAX_ANSWER)
    if call.answers.fine:
        try:
            entered = await call.run(call.people.sign_in.passkey_sign_in, call.visit, token, answer)
        except FactorRejected:
            call.answers.problem(
                "passkey",
                _("That passkey does not open an account here. Sign in with your user name."),
            )
        else:
            return call.enter(call.onward(onward_of(call, entered.session)), entered)
    return call.page("sign_in.html", 422, next=next_of(call))


async def sign_out(call: Call) -> Response:
    """End the session, here and on the server."""
    await call.run(call.people.sign_in.end, call.session, call.visit)
    response = call.onward(START, "signed-out")
    for cookie in (Cookie.SESSION, Cookie.KEPT):
        call.around.jar.drop(response, cookie)
    return response


async def paused(call: Call, error: LockedOut) -> Response:
    """Sign-in is paused; whether or not there is such a name."""
    heading, why, todo = sentences(error, call.zone)
    return call.page("paused.html", 429, heading=heading, why=why, todo=todo)


def next_of(call: Call) -> str:
    """Where this person was going; the router has checked that it is one of our pages."""
    return call.query.get("next", "")


def onward_of(call: Call, session: Session | None = None) -> str:
    """Where to go once signed in: a form that waits, the page that was asked for, or the start."""
    wanted = next_of(call) or HOME
    return call.kept_page(session) or wanted if session else wanted
