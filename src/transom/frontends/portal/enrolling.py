"""Invitation and enrolment: a link, a password, questions, factors, recovery codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from starlette.responses import Response

from transom.domain.errors import BadParameter
from transom.domain.people import MAX_PASSWORD, QUESTIONS_ASKED, Enrolment, Step
from transom.frontends.portal.calls import Call
from transom.frontends.portal.forms import sentence
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import translated
from transom.frontends.portal.setting_up import ENROLMENT
from transom.frontends.portal.signing_in import HOME

MAX_ANSWER = 200
_MAX_QUESTION = 64


async def invited(call: Call) -> Response:
    """What the mailed link opens: one button. To look at it changes nothing."""
    return call.page("invitation.html")


async def begin(call: Call) -> Response:
    """Use the invitation."""
    link = call.parts[0]
    session = await call.run(call.people.enrolment.start, call.visit, link)
    return call.hand_session(call.onward("/enrolment"), session)


async def step(call: Call) -> Response:
    """The page of the step that comes now."""
    state = await call.run(call.people.enrolment.state, call.session)
    return await _PAGES[state.now or Step.RECOVERY](call, state)


async def password(call: Call) -> Response:
    """Step 1: a password."""
    chosen = call.answers.secret("password", _("Enter a password."), MAX_PASSWORD)
    if call.answers.fine:
        try:
            await call.run_slow(
                call.people.enrolment.set_password, call.session, call.visit, chosen
            )
        except BadParameter as wrong:
            call.answers.problem("password", sentence(wrong.why))
        else:
            return call.onward("/enrolment")
    state = await call.run(call.people.enrolment.state, call.session)
    return await _password_page(call, state, 422)


async def strength(call: Call) -> Response:
    """How strong a password would be, in words, while it is typed."""
    chosen = call.answers.secret("password", _("Enter a password."), MAX_PASSWORD)
    told = ""
    if call.answers.fine:
        found = await call.run(call.people.enrolment.judge, call.session, chosen)
        told = translated(found.refusal or found.words)
    return call.page("strength.html", told=told)


async def questions(call: Call) -> Response:
    """Step 2: security questions; their answers open nothing."""
    known = await call.run(call.people.enrolment.questions)
    chosen: dict[str, str] = {}
    for number in range(1, QUESTIONS_ASKED + 1):
        asked = call.answers.chosen(
            f"question{number}", _("Choose question %(number)d.", number=number), known
        )
        answer = call.answers.secret(
            f"answer{number}", _("Enter answer %(number)d.", number=number), MAX_ANSWER
        )
        if asked in chosen:
            call.answers.problem(
                f"question{number}", _("Choose a question that you have not chosen yet.")
            )
        elif asked:
            chosen[asked] = answer
    if call.answers.fine:
        try:
            await call.run_slow(
                call.people.enrolment.set_questions, call.session, call.visit, chosen
            )
        except BadParameter as wrong:
            call.answers.problem(_field_of(wrong, chosen), sentence(wrong.why))
        else:
            return call.onward("/enrolment")
    state = await call.run(call.people.enrolment.state, call.session)
    return await _questions_page(call, state, 422)


async def skip(call: Call) -> Response:
    """Step 4 without another factor."""
    await call.run(call.people.enrolment.skip_another, call.session, call.visit)
    return call.onward("/enrolment")


async def codes(call: Call) -> Response:
    """Step 5: the recovery codes, shown once."""
    made = await call.run_slow(call.people.enrolment.recovery_codes, call.session, call.visit)
    state = await call.run(call.people.enrolment.state, call.session)
    return call.page("enrol_codes.html", state=state, codes=made)


async def finish(call: Call) -> Response:
    """The end: the codes are kept, and the person is signed in."""
    if not call.answers.ticked("kept"):
        call.answers.problem(
            "kept", _("Tick this once you have kept the codes. If you did not, make new ones.")
        )
        state = await call.run(call.people.enrolment.state, call.session)
        return call.page("enrol_codes.html", 422, state=state, codes=())
    entered = await call.run(call.people.enrolment.finish, call.session, call.visit)
    return call.enter(call.onward(HOME, "enrolled"), entered)


async def _password_page(call: Call, state: Enrolment, status: int = 200) -> Response:
    return call.page("enrol_password.html", status, state=state)


async def _questions_page(call: Call, state: Enrolment, status: int = 200) -> Response:
    known = await call.run(call.people.enrolment.questions)
    count = range(1, QUESTIONS_ASKED + 1)
    return call.page("enrol_questions.html", status, state=state, questions=known, count=count)


async def _factor_page(call: Call, state: Enrolment) -> Response:
    return call.page("factor_choose.html", where=ENROLMENT, kinds=state.kinds, state=state)


async def _codes_page(call: Call, state: Enrolment) -> Response:
    return call.page("enrol_codes.html", state=state, codes=())


_PAGES: Mapping[Step, Callable[[Call, Enrolment], Awaitable[Response]]] = MappingProxyType(
    {
        Step.PASSWORD: _password_page,
        Step.QUESTIONS: _questions_page,
        Step.FACTOR: _factor_page,
        Step.ANOTHER: _factor_page,
        Step.RECOVERY: _codes_page,
    }
)


def _field_of(wrong: BadParameter, chosen: Mapping[str, str]) -> str:
    """The field that a refusal is about: the answer to that question, or the first of all."""
    asked = list(chosen)
    return f"answer{asked.index(wrong.parameter) + 1 if wrong.parameter in asked else 1}"
