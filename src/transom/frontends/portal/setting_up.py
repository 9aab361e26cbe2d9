"""Setting a factor up, at enrolment and later: choose a kind, set it up, prove it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from starlette.responses import Response

from transom.domain.errors import BadParameter, FactorRejected, NotFound, TooMany, Unavailable
from transom.domain.people import MAX_LABEL, Assurance, FactorKind, Setup
from transom.domain.said import said
from transom.frontends.portal.calls import Call, with_next
from transom.frontends.portal.forms import sentence
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked, ngettext
from transom.frontends.portal.proving import MAX_CODE
from transom.frontends.portal.signing_in import MAX_ANSWER

MAX_PHONE = 32
_WRONG = {
    "wrong": marked("That code is not right. Wait for the next code and enter it."),
    "used": marked("That code was used already. Wait up to 30 seconds for the next one."),
    "expired": marked("That code has expired. Begin again."),
}


@dataclass(frozen=True, slots=True)
class SettingUp:
    """Where a factor is set up: its path, and where to go once it is bound."""

    base: str
    done: str
    leave: str
    notice: str = ""

    async def choose(self, call: Call) -> Response:
        """Which kind."""
        if refused := self.proof_first(call):
            return refused
        return call.page("factor_choose.html", where=self, kinds=await self._kinds(call))

    async def phone(self, call: Call) -> Response:
        """The number for a text message or a call."""
        kind = self._phone_kind(call.parts[0])
        if refused := self.proof_first(call):
            return refused
        call.restore()
        return call.page("factor_phone.html", where=self, kind=kind)

    async def begin_phone(self, call: Call) -> Response:
        """Send a code to this number."""
        kind = self._phone_kind(call.parts[0])
        number = call.answers.text("phone", _("Enter your number."), MAX_PHONE)
        status = 422
        if call.answers.fine:
            try:
                await call.run_slow(call.people.setup.begin, call.session, call.visit, kind, number)
            except BadParameter as wrong:
                call.answers.problem("phone", sentence(wrong.why))
            except TooMany as error:
                minutes = -(-error.seconds // 60)
                told = ngettext(
                    "No more codes can be sent at the moment. Try again in %(num)d minute.",
                    "No more codes can be sent at the moment. Try again in %(num)d minutes.",
                    minutes,
                )
                call.answers.problem("phone", told)
                status = 429
            except Unavailable:
                call.answers.problem(
                    "phone", _("The code could not be sent. Try again, or choose another way.")
                )
                status = 503
            else:
                return call.onward(f"{self.base}/set-up")
        return call.page("factor_phone.html", status, where=self, kind=kind)

    async def begin(self, call: Call) -> Response:
        """Begin with an authenticator or a passkey."""
        kinds = await self._kinds(call)
        wanted = call.answers.chosen(
            "kind", _("Choose one of these ways."), [each.value for each in kinds]
        )
        if not call.answers.fine:
            return call.page("factor_choose.html", 422, where=self, kinds=kinds)
        kind = FactorKind(wanted)
        if kind.is_by_phone:
            return call.onward(f"{self.base}/phone/{kind}")
        await call.run(call.people.setup.begin, call.session, call.visit, kind)
        return call.onward(f"{self.base}/set-up")

    async def show(self, call: Call) -> Response:
        """The set-up that was begun: code to scan, key to touch, or the code that was sent."""
        if refused := self.proof_first(call):
            return refused
        setup = await call.run(call.people.setup.pending, call.session)
        if setup is None:
            return call.onward(self.base)
        call.restore()
        return self._page(call, setup)

    async def confirm(self, call: Call) -> Response:
        """Prove it once; only then it counts."""
        setup = await call.run(call.people.setup.pending, call.session)
        label = call.answers.text("label", _("Enter a name for it."), MAX_LABEL, optional=True)
        wanted = call.answers.secret("setup", _("Begin again."), MAX_CODE)
        if setup is None or setup.id != wanted:
            hint = said("Begin it again: a newer one replaces the older.")
            raise NotFound(said("This set-up"), hint)
        if setup.kind is FactorKind.PASSKEY:
            answer = call.answers.secret("answer", _("Use your device."), MAX_ANSWER)
        else:
            answer = call.answers.code("answer", _("Enter the code."), MAX_CODE)
        if not call.answers.fine:
            return self._page(call, setup, 422)
        try:
            await call.run(
                call.people.setup.confirm, call.session, call.visit, setup.id, answer, label
            )
        except FactorRejected as error:
            call.answers.problem("answer", _why(setup, error))
        except BadParameter as wrong:
            call.answers.problem("label", sentence(wrong.why))
        else:
            return call.onward(self.done, self.notice)
        return self._page(call, setup, 422)

    def proof_first(self, call: Call) -> Response | None:
        """Ask for a factor before the form is shown, where the last proof is too old."""
        full = call.session.assurance is Assurance.FULL
        if full and not call.session.is_proven(call.now):
            return call.onward(with_next("/account/proof", call.path), "proof-first")
        return None

    async def _kinds(self, call: Call) -> tuple[FactorKind, ...]:
        if call.session.assurance is Assurance.FULL:
            return (await call.run(call.people.account.view, call.session)).kinds
        return (await call.run(call.people.enrolment.state, call.session)).kinds

    def _page(self, call: Call, setup: Setup, status: int = 200) -> Response:
        # The SVG is made by us from a key of ours: nothing in it was typed by anybody.
        picture = Markup(setup.qr_svg)  # noqa: S704
        return call.page("factor_set_up.html", status, where=self, setup=setup, picture=picture)

    def _phone_kind(self, text: str) -> FactorKind:
        for kind in (FactorKind.SMS, FactorKind.CALL):
            if kind.value == text:
                return kind
        raise NotFound(said("This way to sign in"), said("Choose another one."))


ENROLMENT = SettingUp("/enrolment/factor", done="/enrolment", leave="/enrolment")
ACCOUNT = SettingUp("/account/factor", done="/account", leave="/account", notice="factor-added")


def _why(setup: Setup, error: FactorRejected) -> str:
    if setup.kind is FactorKind.PASSKEY:
        return _("What your device answered did not fit. Try again, or choose another way.")
    return _(_WRONG[error.why])
