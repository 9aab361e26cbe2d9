"""What was sent, and what became of it: the list, its filters, and the list as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import Response

from transom.core.tracking import Position, Query, Slice
from transom.domain.entitlement import Actor
from transom.domain.errors import BadParameter
from transom.domain.submission import AccessMethod, State, Submission
from transom.frontends.portal import one_submission, spreadsheets, words
from transom.frontends.portal.calls import Call
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.route import FULL, Route
from transom.frontends.queries import cursor, position

SIZES = (50, 100, 200)
COUNTED = 10_000
"""Submissions are counted up to here; beyond it is only told that there are more."""

_MAX_TEXT = 255
_SHOWN_STATES = tuple(each for each in State if each is not State.HELD)
_SHORT_STATES: Mapping[str, State] = {"partial": State.PARTIALLY_REJECTED}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A filter as the address has it, read."""

    text: str = ""
    states: tuple[State, ...] = ()
    application: str = ""
    door: AccessMethod | None = None
    first: str = ""
    last: str = ""
    size: int = SIZES[0]

    def address(self, path: str = "/submissions", **more: str) -> str:
        """Where this filter's view is."""
        facts = {
            "q": self.text,
            "state": ",".join(self.states),
            "application": self.application,
            "door": self.door or "",
            "from": self.first,
            "to": self.last,
            "size": "" if self.size == SIZES[0] else str(self.size),
            **more,
        }
        given = urlencode({name: value for name, value in facts.items() if value}, safe=",")
        return f"{path}?{given}" if given else path

    @property
    def is_narrow(self) -> bool:
        """Whether anything is left out."""
        return self != _Asked(size=self.size)


@dataclass(frozen=True, slots=True)
class _Chip:
    """A filter at work: in words, and the view without it."""

    words: str
    without: str


# --- the list ------------------------------------------------------------------------------------


async def show(call: Call) -> Response:
    """The submissions of the organization that the person acts for, the newest first."""
    acting = call.acting
    if acting is None or acting.org is None:
        return call.page("browse_nothing.html")
    asked = _read(call)
    query = _query(call, asked, acting.org.id)
    tracking = call.exchange.tracking
    place = {each: _position(call.query.get(each, "")) for each in ("older", "newer")}
    found = await call.run(tracking.brief, acting.actor, query, asked.size, **place)
    total = len(found.found)
    if found.has_newer or found.has_older:
        total = await call.run(tracking.count, acting.actor, query, COUNTED + 1)
    start = _start(call, found)
    return call.page(
        "submissions.html",
        422 if call.answers.problems else 200,
        asked=asked,
        found=found.found,
        range=_range(start, len(found.found), total),
        is_beyond=any(place.values()),
        pages=_pages(asked, found, start),
        chips=_chips(asked),
        applications=await call.run(_applications, call, acting.actor, acting.org.id),
        states=_SHOWN_STATES,
        doors=tuple(AccessMethod),
        sizes=SIZES,
        export=asked.address("/submissions.csv"),
        days=tracking.days,
        now=call.now,
    )


def _read(call: Call) -> _Asked:
    """The filter that was asked for; what cannot be is told beside its field, and left out."""
    given = call.query
    states = [_state(each) for each in given.get("state", "").split(",")]
    first, last = _period(call)
    return _Asked(
        text="".join(each for each in given.get("q", "") if each.isprintable())[:_MAX_TEXT].strip(),
        states=tuple(dict.fromkeys(each for each in states if each is not None)),
        application="".join(each for each in given.get("application", "") if each.isalnum())[:64],
        door=next((each for each in AccessMethod if each == given.get("door")), None),
        first=first,
        last=last,
        size=next((each for each in SIZES if given.get("size") == str(each)), SIZES[0]),
    )


def _state(text: str) -> State | None:
    named = next((each for each in State if each == text), None)
    return named or _SHORT_STATES.get(text)


def _period(call: Call) -> tuple[str, str]:
    """The first and the last day, as dates; "" for one that is not given, or cannot be."""
    days = {name: _day(call, name) for name in ("from", "to")}
    first, last = days["from"], days["to"]
    today = call.now.astimezone(ZoneInfo(call.zone)).date()
    oldest = today - timedelta(days=call.exchange.tracking.days)
    answers = call.answers
    if first is not None and first > today:
        answers.problem("from", _("That day has not come yet. Enter today or an earlier day."))
    if last is not None and last < oldest:
        answers.problem(
            "to",
            _(
                "Submissions are kept for %(days)s days. Enter %(oldest)s or a later day.",
                days=call.exchange.tracking.days,
                oldest=oldest.isoformat(),
            ),
        )
    if first is not None and last is not None and last < first:
        answers.problem("to", _("The period ends before it begins. Enter a later day."))
    if answers.problems:
        return "", ""
    return first.isoformat() if first else "", last.isoformat() if last else ""


def _day(call: Call, name: str) -> date | None:
    text = call.query.get(name, "").strip()
    if not text:
        return None
    call.answers.values[name] = text[:20]
    try:
        return date.fromisoformat(text)
    except ValueError:
        call.answers.problem(name, _("This is no date. Enter one such as 2026-11-20."))
        return None


def _query(call: Call, asked: _Asked, org: str) -> Query:
    return Query(
        application=asked.application,
        since=_midnight(call, asked.first),
        states=asked.states,
        until=_midnight(call, asked.last, timedelta(days=1)),
        org=org,
        method=asked.door,
        text=asked.text,
    )


def _midnight(call: Call, day: str, later: timedelta = timedelta(0)) -> datetime | None:
    """When a day of the reader's begins, or one so much later."""
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day) + later, time.min, ZoneInfo(call.zone))
    except OverflowError:  # after the year 9999 nothing begins
        return None


def _position(text: str) -> Position | None:
    try:
        return position(text) if text else None
    except BadParameter:
        return None  # an address that was cut short shows the newest


def _start(call: Call, found: Slice) -> int:
    """The number of the first one shown. More come all the time, so it is a hint."""
    text = call.query.get("at", "")
    known = text.isascii() and text.isdigit() and len(text) <= 9  # noqa: PLR2004 - it fits
    return max(1, int(text)) if known and found.has_newer else 1


def _range(start: int, shown: int, total: int) -> str:
    """Which of how many are shown, in words."""
    numbers = {
        "first": words.count(start),
        "last": words.count(start + shown - 1),
        "all": words.count(total),
    }
    if total > COUNTED:
        return _(
            "%(first)s-%(last)s of more than %(all)s.", **numbers | {"all": words.count(COUNTED)}
        )
    if start > 1:
        return _("%(first)s-%(last)s of about %(all)s.", **numbers)
    return _("%(first)s-%(last)s of %(all)s.", **numbers)


def _pages(asked: _Asked, found: Slice, start: int) -> Mapping[str, str]:
    """Where the pages of newer and older ones are, "" where there are none."""
    shown = found.found
    newer = older = ""
    if shown and found.has_newer:
        at = str(max(1, start - asked.size))
        newer = asked.address(newer=cursor(_at(shown[0])), at=at)
    if shown and found.has_older:
        older = asked.address(older=cursor(_at(shown[-1])), at=str(start + len(shown)))
    return {"newer": newer, "older": older}


def _at(submission: Submission) -> Position:
    return Position(submission.submitted_at, submission.tracking_id)


def _chips(asked: _Asked) -> list[_Chip]:
    chips = []
    if asked.text:
        chips.append(
            _Chip(_("Find: %(words)s", words=asked.text), replace(asked, text="").address())
        )
    for state in asked.states:
        rest = tuple(each for each in asked.states if each is not state)
        told = _("State: %(state)s", state=words.state(state))
        chips.append(_Chip(told, replace(asked, states=rest).address()))
    if asked.application:
        told = _("Application: %(name)s", name=asked.application)
        chips.append(_Chip(told, replace(asked, application="").address()))
    if asked.door:
        told = _("Door: %(door)s", door=words.door(asked.door))
        chips.append(_Chip(told, replace(asked, door=None).address()))
    if asked.first:
        told = _("From: %(day)s", day=asked.first)
        chips.append(_Chip(told, replace(asked, first="").address()))
    if asked.last:
        told = _("To: %(day)s", day=asked.last)
        chips.append(_Chip(told, replace(asked, last="").address()))
    return chips


def _applications(call: Call, actor: Actor, org: str) -> list[str]:
    places = call.exchange.tracking.places(actor, org)
    return sorted({place.application for place in places})


# --- the list as a file --------------------------------------------------------------------------


async def export(call: Call) -> Response:
    """All that the filter leaves, as a CSV file."""
    acting = call.acting
    if acting is None or acting.org is None:
        return call.page("browse_nothing.html")
    asked = _read(call)
    if call.answers.problems:
        return await show(call)
    query = _query(call, asked, acting.org.id)
    found = call.exchange.tracking.all_brief(acting.actor, query)
    day = call.now.astimezone(ZoneInfo(call.zone)).date()
    name = f"submissions-{acting.org.id}-{day}.csv"
    return await spreadsheets.answer(call, name, _head(), _rows(found, call.zone))


def _head() -> list[str]:
    return [
        _("File"),
        _("Tracking id"),
        _("Place"),
        _("State"),
        _("State since"),
        _("Requested"),
        _("Received"),
        _("Taken"),
        _("Answered"),
        _("Door"),
        _("Sent by"),
        _("Size in bytes"),
        "SHA-256",
        _("Name in the archive"),
    ]


def _rows(found: Iterator[tuple[Submission, ...]], zone: str) -> Iterator[list[list[str]]]:
    for page in found:
        yield [_row(each, zone) for each in page]


def _row(each: Submission, zone: str) -> list[str]:
    return [
        each.name,
        each.tracking_id,
        str(each.place),
        words.state(each.state),
        words.machine(each.updated_at, zone),
        words.machine(each.requested_at, zone),
        words.machine(each.submitted_at if each.is_received else None, zone),
        words.machine(each.taken_at, zone),
        words.machine(each.answered_at, zone),
        words.door(each.client.method),
        each.user_name,
        "" if each.size is None else str(each.size),
        each.sha256 or "",
        each.archive_name or "",
    ]


ROUTES: tuple[Route, ...] = (
    Route("GET", "/submissions", show, FULL),
    Route("GET", "/submissions.csv", export, FULL),
    *one_submission.ROUTES,
)
