"""One submission: its life, its details, and what its application found wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from starlette.responses import Response

from transom.core.attention import is_late
from transom.core.tracking import Kept, Record
from transom.domain.entitlement import Actor
from transom.domain.submission import Finding, State, Submission
from transom.frontends.portal import spreadsheets, words
from transom.frontends.portal.calls import Call
from transom.frontends.portal.errors import NotSignedIn
from transom.frontends.portal.language import gettext as _
from transom.frontends.portal.language import marked
from transom.frontends.portal.places import acting_in, page_of
from transom.frontends.portal.route import FULL, Route

SHOWN_FINDINGS = 200
_ANCHOR = re.compile(r"[^a-z0-9]+")
_ANCHOR_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a submission's life; without an instant it has not come yet."""

    words: str
    at: datetime | None = None
    after: timedelta | None = None
    by: str = ""
    hint: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A file about a submission, and where it is fetched; "" where this person may not."""

    kept: Kept

    @property
    def link(self) -> str:
        listing = self.kept.listing
        return page_of(listing.place, listing.name) if self.kept.may_fetch else ""

    @property
    def folder(self) -> str:
        place = self.kept.listing.place
        return f"{place.application}/{place.sub_space}"


async def show(call: Call) -> Response:
    """A submission of the portal's or of an account's, where the person may follow it."""
    actor = _actor(call)
    tracking, attention = call.exchange.tracking, call.exchange.attention
    record = await call.run(tracking.record, actor, call.parts[0], SHOWN_FINDINGS)
    it = record.submission
    acting_in(call, it.place.org)  # the page says for whom it was sent, whomever one acts for
    usual = None
    if it.state is State.RECEIVED:
        usual = await call.run(attention.usual, actor, it.place)
    results = [_File(each) for each in record.results]
    return call.page(
        "submission.html",
        it=it,
        record=record,
        next_step=_next_step(call, it, usual),
        again=_again(record),
        results=results,
        place_page=page_of(it.place),
        copy=_File(record.copy) if record.copy else None,
        steps=list(_steps(it, results, usual)),
        findings=_anchored(it.findings),
        now=call.now,
    )


async def findings(call: Call) -> Response:
    """All that was found in a submission, as a CSV file."""
    found = await call.run(call.exchange.tracking.findings, _actor(call), call.parts[0])
    head = [_("Record"), _("Field"), _("Code"), _("What is wrong")]
    rows = ([_row(each) for each in page] for page in found)
    return await spreadsheets.answer(call, f"findings-{call.parts[0][:8]}.csv", head, rows)


def _row(each: Finding) -> list[str]:
    return [each.record or _("Whole file"), each.field, each.code, each.text]


def _actor(call: Call) -> Actor:
    if call.acting is None:
        raise NotSignedIn
    return call.acting.actor


def _next_step(call: Call, it: Submission, usual: timedelta | None) -> str:
    """What there is to do, or to wait for."""
    if it.state is State.RECEIVED:
        return _waiting(it, call.now - it.submitted_at, usual)
    return _(_NEXT[it.state])


_NEXT: Mapping[State, str] = MappingProxyType(
    {
        State.REQUESTED: marked(
            "The upload was opened, and nothing is here yet. We wait for the file."
        ),
        State.HELD: marked(
            "The file is here under a temporary name. Nothing is submitted until it is renamed."
        ),
        State.ACCEPTED: marked("The application took all of it. There is nothing to do."),
        State.PARTIALLY_REJECTED: marked(
            "The application refused some records. Send a new file with only these, corrected."
        ),
        State.REJECTED: marked(
            "Nothing was taken. Correct the file, and send the whole of it again."
        ),
        State.ABANDONED: marked(
            "The upload never finished, and nothing was submitted. Send the file again."
        ),
    }
)


def _waiting(it: Submission, waited: timedelta, usual: timedelta | None) -> str:
    application, so_far = it.place.application, words.duration(waited.total_seconds())
    if not is_late(waited, usual):
        return _(
            "%(application)s has not answered yet. There is nothing to do; this page changes by "
            "itself.",
            application=application,
        )
    if usual is None:
        return _(
            "%(application)s has had this for %(waited)s. Your file is safe; do not send it again.",
            application=application,
            waited=so_far,
        )
    return _(
        "%(application)s has had this for %(waited)s; it usually answers within %(usual)s. "
        "Your file is safe; do not send it again.",
        application=application,
        waited=so_far,
        usual=words.duration(usual.total_seconds()),
    )


def _again(record: Record) -> tuple[str, str] | None:
    """Where to send it again, and how that is called; None where there is nothing to send."""
    it = record.submission
    said = {
        State.PARTIALLY_REJECTED: _("Upload corrected records"),
        State.REJECTED: _("Upload the corrected file"),
        State.ABANDONED: _("Upload the file again"),
    }.get(it.state)
    return (page_of(it.place), said) if said and record.may_send else None


def _steps(it: Submission, results: Sequence[_File], usual: timedelta | None) -> Iterator[_Step]:
    application, before = it.place.application, it.requested_at
    by = _("%(door)s, %(name)s", door=words.door(it.client.method), name=it.user_name)
    yield _Step(_("Requested"), it.requested_at, by=by)
    if it.state is State.ABANDONED:
        yield _Step(_("Abandoned"), it.updated_at, it.updated_at - before, hint=it.reason)
        return
    if it.is_received:
        yield _Step(_("Received"), it.submitted_at, it.submitted_at - before)
        before = it.submitted_at
    else:
        yield _Step(_("Received"))
    taken = _("Taken by %(application)s", application=application)
    if it.taken_at is not None:
        yield _Step(taken, it.taken_at, it.taken_at - before)
        before = it.taken_at
    elif it.answered_at is None:
        yield _Step(taken)
    if it.answered_at is not None:
        said = _("Answered: %(state)s", state=words.state(it.state))
        yield _Step(said, it.answered_at, it.answered_at - before)
    else:
        yield _Step(_("Answered"), hint=_usually(usual))
    for each in results:
        listing = each.kept.listing
        said, name = _("Result file"), words.short_name(listing.name)
        yield _Step(said, listing.listed_at, by=name, hint=each.folder, link=each.link)


def _usually(usual: timedelta | None) -> str:
    if usual is None:
        return ""
    return _("usually within %(time)s", time=words.duration(usual.total_seconds()))


def _anchored(found: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """Each finding with the name by which its row is linked to: what its record is called."""
    anchors: set[str] = set()
    named = []
    for number, each in enumerate(found, 1):
        slug = _ANCHOR.sub("-", each.record.lower())[:_ANCHOR_CHARACTERS].strip("-")
        anchor = f"record-{slug}" if slug else f"finding-{number}"
        if anchor in anchors:
            anchor = f"{anchor}-{number}"
        anchors.add(anchor)
        named.append((anchor, each))
    return named


ROUTES: tuple[Route, ...] = (
    Route("GET", "/submissions/{}", show, FULL),
    Route("GET", "/submissions/{}/findings.csv", findings, FULL),
)
