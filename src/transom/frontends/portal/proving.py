"""Presenting a factor: the last step of the sign-in, and the proof before a change."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from transom.domain.errors import FactorPaused, FactorRejected, NotFound, TooMany, Unavailable
from transom.domain.people import Assurance, Challenge, Factor, FactorKind
from transom.domain.said import said
from transom.frontends.portal.calls import Call, with_next
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked, ngettext
from transom.frontends.portal.signing_in import HOME, MAX_ANSWER, next_of, onward_of

MAX_CODE = 64
_WRONG = {
    "wrong": marked("That code is not right. Wait for the next code in your app and enter it."),
    "used": marked("That code was used already. Wait up to 30 seconds for the next one."),
    "expired": marked("That code has expired. Ask for a new one."),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """Where a factor is asked for: its path, and whether it is the sign-in."""

    base: str
    is_sign_in: bool

    async def show(self, call: Call) -> Response:
        """Ask for the factor that was used last, or the one that was chosen."""
        if self.is_sign_in and call.session.assurance is Assurance.FULL:
            return call.onward(onward_of(call))
        factors = await call.run(call.people.sign_in.factors, call.session)
        chosen = _chosen(factors, call.query.get("factor", ""))
        if chosen is None:
            return call.page("no_factor.html", 403)
        challenge = None
        if not chosen.kind.is_by_phone:  # to look at a page sends nothing
            try:
                challenge = await self._challenge(call, chosen)
            except FactorPaused as pause:
                return self._page(call, chosen, factors, paused_until=pause.until, status=429)
        return self._page(call, chosen, factors, challenge=challenge)

    async def send(self, call: Call) -> Response:
        """Send a code to a phone."""
        factors = await call.run(call.people.sign_in.factors, call.session)
        chosen = _required(factors, call)
        try:
            challenge = await self._challenge(call, chosen)
        except FactorPaused as pause:
            return self._page(call, chosen, factors, paused_until=pause.until, status=429)
        except (TooMany, Unavailable) as error:
            call.answers.problem("answer", _not_sent(error))
            return self._page(
                call, chosen, factors, status=429 if isinstance(error, TooMany) else 503
            )
        return self._page(call, chosen, factors, challenge=challenge)

    async def verify(self, call: Call) -> Response:
        """Take the answer."""
        factors = await call.run(call.people.sign_in.factors, call.session)
        chosen = _required(factors, call)
        if chosen.kind is FactorKind.PASSKEY:
            answer = call.answers.secret("answer", _("Use your passkey."), MAX_ANSWER)
        else:
            answer = call.answers.code("answer", _("Enter the code."), MAX_CODE)
        remember = call.answers.ticked("remember")
        if not call.answers.fine:
            return await self._again(call, chosen, factors)
        try:
            entered = await call.run_slow(
                call.people.sign_in.verify,
                call.session,
                call.visit,
                chosen.id,
                answer,
                remember=remember,
            )
        except FactorRejected as error:
            call.answers.problem("answer", _why(chosen, error))
            return await self._again(call, chosen, factors)
        except FactorPaused as pause:
            return self._page(call, chosen, factors, paused_until=pause.until, status=429)
        onward = onward_of(call, entered.session) if self.is_sign_in else next_of(call) or HOME
        return call.enter(call.onward(onward), entered)

    async def _challenge(self, call: Call, chosen: Factor) -> Challenge:
        return await call.run_slow(
            call.people.sign_in.challenge, call.session, call.visit, chosen.id
        )

    async def _again(self, call: Call, chosen: Factor, factors: tuple[Factor, ...]) -> Response:
        """The page again. A passkey needs another request; a code that was sent stays good."""
        challenge = None
        if chosen.kind is FactorKind.PASSKEY:
            challenge = await self._challenge(call, chosen)
        return self._page(call, chosen, factors, challenge=challenge, sent=True, status=422)

    def _page(
        self,
        call: Call,
        chosen: Factor,
        factors: tuple[Factor, ...],
        *,
        status: int = 200,
        **facts: object,
    ) -> Response:
        known: dict[str, object] = {"challenge": None, "sent": False, "paused_until": None}
        return call.page(
            "factor.html",
            status,
            proof=self,
            factor=chosen,
            others=[each for each in factors if each.id != chosen.id],
            next=next_of(call),
            onward=lambda path: with_next(path, next_of(call)),
            remember_hours=call.people.sign_in.remember_hours if self.is_sign_in else 0,
            **(known | facts),
        )


SIGN_IN = Proof("/sign-in/factor", is_sign_in=True)
STEP_UP = Proof("/account/proof", is_sign_in=False)


def _chosen(factors: tuple[Factor, ...], wanted: str) -> Factor | None:
    found = (each for each in factors if each.id == wanted)
    return next(found, factors[0] if factors and not wanted else None) or _first(factors)


def _first(factors: tuple[Factor, ...]) -> Factor | None:
    return factors[0] if factors else None


def _required(factors: tuple[Factor, ...], call: Call) -> Factor:
    wanted = call.answers.secret("factor", _("Choose a way to sign in."), MAX_CODE)
    for each in factors:
        if each.id == wanted:
            return each
    raise NotFound(said("This way to sign in"), said("Choose another one."))


def _why(chosen: Factor, error: FactorRejected) -> str:
    if chosen.kind is FactorKind.PASSKEY:
        return _("That passkey or key did not fit. Try again, or use another way.")
    if chosen.kind is FactorKind.RECOVERY:
        return _("That recovery code is not right, or was used. Each one works once.")
    if chosen.kind.is_by_phone and error.why == "wrong":
        return _("That code is not right. Look at the newest message and enter its code.")
    return _(_WRONG[error.why])


def _not_sent(error: TooMany | Unavailable) -> str:
    if isinstance(error, TooMany):
        minutes = -(-error.seconds // 60)
        return ngettext(
            "No more codes can be sent now. Try again in %(num)d minute, or use another way.",
            "No more codes can be sent now. Try again in %(num)d minutes, or use another way.",
            minutes,
        )
    return _("The code could not be sent. Try again, or use another way.")
