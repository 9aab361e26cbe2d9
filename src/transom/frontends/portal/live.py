"""Changes, told to open pages as they happen; and how long the session of a page goes on.

A page names the position that it shows, and gets what came after it: by server-sent events, or
where they are missing by asking every 15 seconds. None of this counts as use of the session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from transom.core.news import News, Seen
from transom.domain.news import Listed, Stands
from transom.frontends.portal import csrf, pages, words
from transom.frontends.portal.calls import Call
from transom.frontends.portal.cookies import Cookie
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import ngettext
from transom.frontends.portal.route import FULL, Route
from transom.frontends.portal.watching import Reader, Since, Watcher

_JSON = "application/json"
_MOST_IDS = 100
_RETRY_MILLISECONDS = 3_000
_SPREAD_MILLISECONDS = 3_000  # not all pages of a server that was started anew at one moment
_SHORT = 8
_PAD_BYTES = 32

Event = tuple[str, dict[str, object]]


# --- news ----------------------------------------------------------------------------------------


async def stream(call: Call) -> Response:
    """Server-sent events, from the position that the page, or the browser that came back, names."""
    if call.is_head:
        return pages.answer(b"", EventStream.MEDIA_TYPE)
    wanted = call.headers.get("last-event-id") or call.query.get("since", "")
    watcher = await call.around.watching.open(_reader(call), Since.read(wanted))
    return EventStream(call, watcher)


async def since(call: Call) -> Response:
    """What came after a position, and from which one to ask next."""
    watching = call.around.watching
    lately = await watching.lately(Since.read(call.query.get("since", "")))
    if lately is None:
        found: list[Event] = [("refresh", {})]
        position = watching.position
    else:
        actor = _reader(call).actor
        concerning = [each for each in lately.seen if News.concerns(actor, each.change)]
        found = list(events(call, call.zone, concerning))
        position = lately.position
    return pages.answer(json.dumps({"id": str(Since(position)), "events": found}), _JSON)


def _reader(call: Call) -> Reader:
    session, acting = call.session, call.acting
    assert acting is not None  # noqa: S101 - the gate has seen to it
    token = call.cookies[Cookie.SESSION]
    return Reader(session.id, token, call.visit, acting.actor, call.zone)


def events(call: Call, zone: str, seen: Iterable[Seen]) -> Iterator[Event]:
    """Changes as pages take them: each state, then how many files came to each place."""
    came: dict[str, list[str]] = {}
    for each in seen:
        if isinstance(each.change, Listed):
            came.setdefault(str(each.change.place), []).append(each.change.id[:_SHORT])
        else:
            yield "state", _state(call, zone, each.change)
    for place, ids in came.items():
        yield "news", {"place": place, "count": len(ids), "files": ids[:_MOST_IDS]}


def _state(call: Call, zone: str, change: Stands) -> dict[str, object]:
    return {
        "id": change.tracking_id,
        "name": change.name,
        "state": change.state,
        "tag": call.around.pages.text("live_state.html", {"state": change.state.value}).strip(),
        "moment": words.moment(change.at, zone),
        "stamp": words.stamp(change.at, zone),
    }


class EventStream(Response):
    """The events of one page, until it goes, its session ends, or the server stops."""

    MEDIA_TYPE = "text/event-stream"

    def __init__(self, call: Call, watcher: Watcher) -> None:
        headers = dict(pages.answer(b"", self.MEDIA_TYPE).headers) | {"X-Accel-Buffering": "no"}
        del headers["content-length"]
        super().__init__(None, 200, headers)
        del self.headers["content-length"]
        self._call = call
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send events as they come."""
        watching, watcher = self._call.around.watching, self._watcher
        gone = asyncio.create_task(_until_gone(receive, watcher))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _piece(send, self._hello(watching.count))
            while not watcher.ended:
                await watcher.wait(watching.beats.heartbeat)
                if not watcher.ended:
                    await _piece(send, self._next())
            if watcher.why:
                await _piece(send, _event("end", {"why": watcher.why}))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            watching.close(watcher)

    def _hello(self, number: int) -> str:
        retry = _RETRY_MILLISECONDS + number * 37 % _SPREAD_MILLISECONDS
        return f"retry: {retry}\n" + _event("hello", {}, str(Since(self._watcher.position)))

    def _next(self) -> str:
        """What waits, or a sign of life; with the position to come back to."""
        watcher = self._watcher
        now = str(Since(self._call.around.watching.position))
        seen, behind = watcher.take()
        if behind:
            return _event("refresh", {}, now)
        if not seen:
            return f": \nid: {now}\n\n"
        last = str(Since(seen[-1].at))
        found = events(self._call, watcher.reader.zone, seen)
        return "".join(_event(kind, data, last) for kind, data in found)


def _event(kind: str, data: dict[str, object], position: str = "") -> str:
    number = f"id: {position}\n" if position else ""
    return f"event: {kind}\n{number}data: {json.dumps(data)}\n\n"


async def _piece(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _until_gone(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.end("")


# --- the session ---------------------------------------------------------------------------------


async def session(call: Call) -> Response:
    """How long the session goes on, without making it longer."""
    return _left(call)


async def stay(call: Call) -> Response:
    """Go on with the session: that this was asked made it longer."""
    return _left(call)


def _left(call: Call) -> Response:
    session, left = call.session, call.seconds_left
    minutes, ends = max(1, round(left / 60)), session.idle_ends_at
    stays = ends < session.ends_at
    told = {
        "left": left,
        "says": _("You will be signed out at %(time)s", time=words.clock(ends, call.zone)),
        "more": _idle(minutes) if stays else _old(minutes),
        "stays": stays,
        "token": csrf.token(call.secret(), call.around.entropy.secret(_PAD_BYTES)),
    }
    return pages.answer(json.dumps(told), _JSON)


def _idle(minutes: int) -> str:
    return ngettext(
        "That is in %(num)d minute, because nothing happened here for a while.",
        "That is in %(num)d minutes, because nothing happened here for a while.",
        minutes,
    )


def _old(minutes: int) -> str:
    return ngettext(
        "That is in %(num)d minute: no session lasts longer. Finish what you have begun.",
        "That is in %(num)d minutes: no session lasts longer. Finish what you have begun.",
        minutes,
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "/live", stream, FULL, streams=True, counts=False),
    Route("GET", "/live/since", since, FULL, counts=False),
    Route("GET", "/live/session", session, FULL, counts=False),
    Route("POST", "/live/session", stay, FULL),
)
