"""track: where submissions stand; and how a submission is written wherever one is."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from transom.client.cli import connection, exits, places, words
from transom.client.cli.connection import Desk
from transom.client.cli.exits import WrongUse
from transom.client.cli.show import MARKS, WORDS, Column, Part, Screen
from transom.client.errors import NotThere
from transom.client.values import ENDED, Finding, Submission

if TYPE_CHECKING:
    from transom.client import Client

_WHOLE_ID: Final = 36
_SHORTEST_ID: Final = 4
_SEARCHED: Final = 5000
"""How many of the newest submissions a shortened id is looked for among."""
_FOLLOWED_SECONDS: Final = 90 * 86_400.0
_DAYS_KEPT: Final = 90
_PARTIAL: Final = {"partial": "partially_rejected", "partially-rejected": "partially_rejected"}


@dataclass(frozen=True, slots=True)
class Order:
    """Which submissions, as it was typed."""

    ids: tuple[str, ...] = ()
    since: str = ""
    state: str = ""
    file: str = ""
    application: str = ""
    limit: str = "50"

    @property
    def states(self) -> list[str]:
        """The states asked for, in the API's words; none means all.

        Raises:
            WrongUse: one of them is none.
        """
        found = [each.strip() for each in self.state.split(",") if each.strip()]
        found = [_PARTIAL.get(each, each) for each in found]
        for each in found:
            if each not in MARKS:
                known = "requested, held, received, accepted, partial, rejected, abandoned"
                raise WrongUse(f'There is no state "{each}". Use {known}.')
        return found

    @property
    def most(self) -> int | None:
        """How many at most; None for all.

        Raises:
            WrongUse: it is no number.
        """
        if not (self.limit.isascii() and self.limit.isdigit()):
            raise WrongUse(f'"{self.limit}" is no number for --limit.')
        return int(self.limit) or None


def run(at: Desk, order: Order, *, follow: bool) -> int:
    """Show submissions; with follow, until they have ended."""
    states, most = order.states, order.most
    since = words.since(order.since, datetime.now(UTC)) if order.since else None
    if order.ids and (order.since or order.state or order.file or order.application):
        raise WrongUse("Ids and filters exclude each other. Leave one of them out.")
    resolved = at.resolved()
    with connection.connected(at, resolved) as client:
        with at.screen.awaiting(connection.host(resolved)):
            if order.ids:
                found = [client.submission(each) for each in whole_ids(client, order.ids)]
            else:
                every = _filtered(client, order, states, since)
                found = list(islice(every, most))
        if follow:
            return _follow(at, client, found)
        _show(at, found, resolved["org"], is_one=len(order.ids) == 1)
        if not order.ids and not at.shared.for_machines:
            _footer(at.screen, len(found), is_cut=len(found) == most)
    return exits.DONE


def _filtered(
    client: Client, order: Order, states: Sequence[str], since: datetime | None
) -> Iterator[Submission]:
    """Newest first, the submissions in any of these states."""
    each = [
        client.submissions(
            since=since, state=state, file_name=order.file, application=order.application
        )
        for state in states or ("",)
    ]
    return heapq.merge(*each, key=lambda found: found.submitted_at, reverse=True)


def whole_ids(client: Client, typed: Iterable[str]) -> list[str]:
    """Tracking ids as the API wants them; shortened ones are looked for among the newest.

    Raises:
        WrongUse: one is too short, or begins several.
        NotThere: one begins none.
    """
    wanted = list(typed)
    if all(len(each) >= _WHOLE_ID for each in wanted):
        return wanted
    for each in wanted:
        if not re.fullmatch(rf"[0-9A-Za-z-]{{{_SHORTEST_ID},}}", each):
            raise WrongUse(f'"{each}" is no tracking id. Give {_SHORTEST_ID} characters or more.')
    recent = [each.tracking_id for each in islice(client.submissions(), _SEARCHED)]
    return [each if len(each) >= _WHOLE_ID else _one_of(recent, each) for each in wanted]


def _one_of(recent: Sequence[str], start: str) -> str:
    found = [each for each in recent if each.startswith(start.lower())]
    if not found:
        raise NotThere(
            f"No submission with an id like {start} in the last {_DAYS_KEPT} days."
            " Check the id; older ones are not kept."
        )
    if len(found) > 1:
        error = WrongUse(f"{len(found)} submissions have an id that begins {start}. Give more.")
        for each in found[:5]:
            error.add_note(f"transom track {each}")
        raise error
    return found[0]


# --- showing -------------------------------------------------------------------------------------


def _show(at: Desk, found: Sequence[Submission], org: str, *, is_one: bool) -> None:
    if at.shared.json:
        at.screen.document([as_json(each) for each in found])
    elif at.shared.json_lines:
        for each in found:
            at.screen.event(as_json(each))
    elif is_one:
        details(at.screen, found[0], org)
    elif found:
        table(at.screen, found, org)


def table(screen: Screen, found: Sequence[Submission], org: str) -> None:
    """Submissions as rows."""
    zone, times = words.moments([each.updated_at for each in found], screen.zone)
    ids = words.short_ids(each.tracking_id for each in found)
    columns = (
        Column("STATE", is_name=True),
        Column("FILE", is_name=True),
        Column(f"SINCE{zone}"),
        Column("PLACE"),
        Column("ID"),
        Column("FINDINGS", is_right=True),
    )
    rows: list[list[Part]] = [
        [
            _state(screen, each, is_short=True),
            screen.visible(each.file_name),
            time,
            screen.visible(places.short(each.place, org)),
            screen.visible(ids[each.tracking_id]),
            str(len(each.findings)) if each.findings else "",
        ]
        for each, time in zip(found, times, strict=True)
    ]
    screen.table(columns, rows)


def _state(screen: Screen, shown: Submission, *, is_short: bool = False) -> Part:
    drawn, style = _mark(screen, shown)
    word = word_of(screen, shown)
    return f"{drawn} {'partially rej.' if is_short and shown.state in WORDS_CUT else word}", style


WORDS_CUT: Final = frozenset({"partially_rejected"})
"""States whose words are cut in tables."""


def _mark(screen: Screen, shown: Submission) -> tuple[str, str]:
    mark = screen.mark(shown.state)
    return mark if isinstance(mark, tuple) else (mark, "")


def word_of(screen: Screen, shown: Submission) -> str:
    """The state in words."""
    return WORDS.get(shown.state, screen.visible(shown.state))


def _footer(screen: Screen, shown: int, *, is_cut: bool) -> None:
    if not shown:
        screen.note(f"No such submissions in {_DAYS_KEPT} days.")
    elif is_cut:
        screen.note(f"The newest {shown:,}; --limit shows more.")
    else:
        screen.note(f"{words.count(shown, 'submission')} in {_DAYS_KEPT} days")


def details(screen: Screen, shown: Submission, org: str) -> None:
    """One submission whole."""
    screen.row(_state(screen, shown), "   ", screen.visible(shown.file_name))
    facts = (
        ("Tracking id", shown.tracking_id),
        ("Place", places.short(shown.place, org)),
        ("Status", shown.status),
        ("Submitted", f"{words.moment(shown.submitted_at, screen.zone)} by {shown.user_name}"),
        ("Since", words.moment(shown.updated_at, screen.zone)),
        ("Size", f"{words.size(shown.size)} ({shown.size:,} bytes)" if shown.size else ""),
        ("SHA-256", shown.sha256 or ""),
        ("Archived as", shown.archive_name or ""),
        ("Reason", shown.reason),
    )
    for label, text in facts:
        if text:
            screen.row(f"  {label:<12} {screen.visible(text)}")
    for result in shown.result_files:
        screen.row(f"  {'Answer':<12} {screen.visible(places.short(result, org))}")
    findings(screen, shown.findings)
    if shown.result_files:
        screen.next(f"transom get {places.short(shown.result_files[0], org)}")


def findings(screen: Screen, found: Sequence[Finding]) -> None:
    """What the application found, indented, in columns."""
    lines = [
        [screen.visible(each) for each in (found.record or "Whole file", found.field, found.code)]
        for found in found
    ]
    widths = [max(map(words.width, column)) for column in zip(*lines, strict=True)]
    for line, each in zip(lines, found, strict=True):
        cells = (
            text + " " * (room - words.width(text)) for text, room in zip(line, widths, strict=True)
        )
        screen.row(f"    {'   '.join(cells)}   {screen.visible(each.text)}".rstrip())


def answer(screen: Screen, shown: Submission, columns: int = 0) -> None:
    """One line on how a submission stands now, and its findings below."""
    drawn, style = _mark(screen, shown)
    name = screen.visible(shown.file_name)
    room = " " * max(columns - words.width(name), 0)
    word = f"{word_of(screen, shown):<18}"
    took = (shown.updated_at - shown.submitted_at).total_seconds()
    parts = [f" {name}{room}   ", word, f"   after {words.duration(took)}"]
    if shown.findings:
        parts.append(f"   {words.count(len(shown.findings), 'finding')}")
    if shown.reason:
        parts.append(f"   {screen.visible(shown.reason)}")
    screen.row((drawn, style), *parts)
    findings(screen, shown.findings)


def as_json(shown: Submission) -> dict[str, Any]:
    """A submission for machines: the record as it came, completed by what the SDK knows."""
    record = {key: value for key, value in shown.raw.items() if key != "_links"}
    ours = {
        "trackingId": shown.tracking_id,
        "fileName": shown.file_name,
        "uploadLocation": shown.place,
        "status": shown.status,
        "downstreamStatus": shown.downstream_status,
        "submissionTime": shown.submitted_at.isoformat(timespec="milliseconds"),
        "statusUpdateTime": shown.updated_at.isoformat(timespec="milliseconds"),
        "fileSize": shown.size,
        "sha256": shown.sha256,
        "findings": [
            {"record": each.record, "field": each.field, "code": each.code, "text": each.text}
            for each in shown.findings
        ],
        "resultFiles": list(shown.result_files),
    }
    return {**ours, **record, "state": shown.state}


# --- following -----------------------------------------------------------------------------------


def _follow(at: Desk, client: Client, found: Sequence[Submission]) -> int:
    last = {each.tracking_id: each for each in found}
    unanswered = [each for each in last if last[each].state not in ENDED]
    for each in found:
        if each.tracking_id not in unanswered:
            tell(at, each)
    if unanswered:
        at.screen.note(
            f"Following {words.count(len(unanswered), 'submission')}. Ctrl-C stops the following,"
            " not the submissions."
        )
        last |= client.wait(unanswered, _FOLLOWED_SECONDS, lambda changed: tell(at, changed))
    if at.shared.json:
        at.screen.document([as_json(each) for each in last.values()])
    return exits.of_all(exits.of_state(each.state) for each in last.values())


def tell(at: Desk, shown: Submission) -> None:
    """How one submission stands, as it becomes known."""
    if at.shared.json_lines:
        at.screen.event({"event": shown.state, **as_json(shown)})
    elif not at.shared.json:
        answer(at.screen, shown)
