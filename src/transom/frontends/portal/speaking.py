"""The choice of a language before the sign-in; behind it the account's page has it."""

from __future__ import annotations

from starlette.responses import Response

from transom.frontends.portal.calls import Call, with_next
from transom.frontends.portal.language import LANGUAGES
from transom.frontends.portal.language import gettext as _

_MAX_PATH = 1024


async def choose(call: Call) -> Response:
    """Speak this language from now on, and show the page again that the reader came from."""
    code = call.answers.chosen("language", _("Choose a language."), LANGUAGES)
    path = call.answers.text("back", "", _MAX_PATH, optional=True)
    response = call.onward(with_next(call.back(path), call.query.get("next", "")))
    call.hand_language(response, code)
    return response
