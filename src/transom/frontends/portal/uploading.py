"""Files on their way in, by script and by form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.responses import Response

from transom.domain.errors import BadName, ExchangeError, SessionEnded, TooLarge
from transom.domain.names import Place, parse_upload_name
from transom.domain.submission import Submission
from transom.frontends.errors import BodyBrokeOff
from transom.frontends.portal import browsing
from transom.frontends.portal.arriving import MOST_BYTES, Sent, open_submission, take
from transom.frontends.portal.calls import Call
from transom.frontends.portal.csrf import FIELD
from transom.frontends.portal.errors import ForeignForm, told
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import told_of, translated
from transom.frontends.portal.multipart import Form, Part
from transom.frontends.portal.places import page_of, place_of
from transom.frontends.portal.route import FULL, Route

_KEY = re.compile(r"[A-Za-z0-9_-]{16,80}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWN = 255
_TAKEN_BACK = "its sender cancelled it"


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one file: the submission that it is, or why it was not taken.

    `suggestion` is a name that would do. `same` tells that the browser made the same digest,
    `is_last` that nothing can be read behind it.
    """

    name: str
    submission: Submission | None = None
    problem: str = ""
    suggestion: str = ""
    same: bool = False
    status: int = 200
    is_last: bool = False


# --- by script -----------------------------------------------------------------------------------


async def put(call: Call) -> Response:
    """Receive one file; the answer is the row's new content, whether it was taken or not."""
    call.require_token(call.headers.get("x-form-token", ""))
    _, place = place_of(call)
    try:
        sent = _sent(call, place)
        _require_length(call)
        line = await _taken(call, sent)
    except (SessionEnded, ForeignForm):
        raise
    except ExchangeError as error:
        line = _refused(call.parts[3], error)
    return _row(call, line)


async def cancel(call: Call) -> Response:
    """Give an upload up. Where it was received already, the answer says so."""
    call.require_token(call.headers.get("x-form-token", ""))
    actor, place = place_of(call)
    try:
        sent = _sent(call, place)
        found = await call.run(open_submission, call, sent)
        uploads = call.exchange.uploads
        left = await call.run(uploads.abandon, actor, found.tracking_id, _TAKEN_BACK)
    except ExchangeError as error:
        return _row(call, _refused(call.parts[3], error))
    return _row(call, Line(sent.name, left))


def _sent(call: Call, place: Place) -> Sent:
    name = parse_upload_name(call.parts[3])
    key, digest = call.headers.get("idempotency-key", ""), call.headers.get("x-file-sha256", "")
    if not _KEY.fullmatch(key) or (digest and not _DIGEST.fullmatch(digest)):
        raise ForeignForm
    return Sent(place, name, f"portal/{key}", digest)


def _require_length(call: Call) -> None:
    """Return quietly when a body does not say that it is too long."""
    length = call.headers.get("content-length", "")
    most = call.exchange.uploads.most_bytes(MOST_BYTES)
    if length.isdigit() and int(length) > most:
        raise TooLarge(most)


async def _taken(call: Call, sent: Sent) -> Line:
    assert call.incoming is not None  # noqa: S101 - its route streams
    submission = await take(call, sent, call.incoming)
    return Line(sent.name, submission, same=sent.sha256 == submission.sha256)


def _row(call: Call, line: Line) -> Response:
    call.is_fragment = True
    response = call.page("upload_row.html", line.status, line=line)
    response.headers["X-Upload"] = line.submission.state if line.submission else "refused"
    return response


# --- by form -------------------------------------------------------------------------------------


async def post(call: Call) -> Response:
    """Receive the files of a form, one after the other; each is a submission of its own."""
    form, key = await _opened(call)
    actor, place = place_of(call)
    call.exchange.uploads.require_right(actor, place)
    lines: list[Line] = []
    ended: SessionEnded | None = None
    try:
        async for line in _lines(call, place, key, form):
            lines.append(line)  # noqa: PERF401 - those before an error count
    except SessionEnded as error:
        if not lines:
            raise
        ended = error
    if not lines:
        call.answers.problem("files", _("Choose at least one file."))
        return await browsing.show_place(call, 422)
    return _answer(call, place, lines, ended)


def _answer(call: Call, place: Place, lines: list[Line], ended: SessionEnded | None) -> Response:
    received = sum(1 for each in lines if each.submission)
    status = 200 if received else max(each.status for each in lines)
    if ended is not None:
        call.found = call.acting = None
        status = 401
    facts = {"lines": lines, "received": received, "place": place, "ended": ended}
    return call.page("uploaded.html", status, back=page_of(place), **facts)


async def _opened(call: Call) -> tuple[Form, str]:
    """The form, past its token and its key, which come first.

    Raises:
        ForeignForm: it is none of ours.
    """
    assert call.incoming is not None  # noqa: S101 - its route streams
    try:
        form = Form(call.headers.get("content-type", ""), call.incoming)
        call.require_token(await _field(form, FIELD))
        key = await _field(form, "upload_key")
    except ExchangeError:
        raise ForeignForm from None
    if not _KEY.fullmatch(key):
        raise ForeignForm
    return form, key


async def _field(form: Form, name: str) -> str:
    part = await form.next()
    if part is None or part.name != name or part.file_name is not None:
        raise ForeignForm
    return await part.text()


async def _lines(call: Call, place: Place, key: str, form: Form) -> AsyncIterator[Line]:
    """One line for each file, as it is received; then one for what cannot be read."""
    number = 0
    try:
        while (part := await form.next()) is not None:
            if part.file_name is None:
                yield Line("", problem=_("A part of the form had no file name. It was left out."))
            elif part.file_name:
                number += 1
                line = await _line(call, place, f"{key}/{number}", part)
                yield line
                if line.is_last:
                    return
    except SessionEnded:
        raise
    except ExchangeError as error:
        yield _refused("", error)


async def _line(call: Call, place: Place, key: str, part: Part) -> Line:
    shown = (part.file_name or "")[:_SHOWN]
    try:
        name = parse_upload_name(part.file_name or "")
        # The page's key, so that the same form sent twice is one submission; and the name, so that
        # another file in its place is another.
        digest = hashlib.sha256(f"{key}/{name}".encode()).hexdigest()
        return Line(name, await take(call, Sent(place, name, f"portal/{digest}"), part))
    except SessionEnded:
        raise
    except ExchangeError as error:
        return _refused(shown, error)


def _refused(name: str, error: ExchangeError) -> Line:
    suggestion = error.suggestion if isinstance(error, BadName) else ""
    problem = translated(error.why) if isinstance(error, BadName) else told_of(error)
    if isinstance(error, BodyBrokeOff):
        return Line(name, problem=problem, status=400, is_last=True)
    return Line(name, problem=problem, suggestion=suggestion, status=told(error).status)


ROUTES: tuple[Route, ...] = (
    Route("PUT", "/upload/{}/{}/{}/{}", put, FULL, streams=True),
    Route("DELETE", "/upload/{}/{}/{}/{}", cancel, FULL, streams=True),
    Route("POST", "/upload/{}/{}/{}", post, FULL, streams=True),
)
