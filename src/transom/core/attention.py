"""What needs somebody of a firm, and where its people send files most."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from transom.core.tools import Tools
from transom.domain.entitlement import Action, Actor
from transom.domain.listing import Listing
from transom.domain.names import Place
from transom.domain.permission import allows, trackable
from transom.domain.space import Direction
from transom.domain.submission import Submission
from transom.records import attention, listings, submissions

REFUSED_FOR = timedelta(days=7)
"""A refusal is news for so long, or until the file was sent again."""

ENDS_SOON = timedelta(days=3)
LATE_FACTOR = 2
"""Half of all answers take longer than the usual time: late is what takes twice as long."""

AT_LEAST = timedelta(minutes=15)
"""Nothing is late before, however quick its application is."""

UNKNOWN_USUAL = timedelta(days=1)
"""From when on something is late whose application has not answered often enough to tell."""

SHOWN = 5
_COUNTED_FINDINGS = 1_000
_ANSWERS, _FEWEST_ANSWERS = 50, 3
_SENT_LATELY = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission that its application rejected, or in part, with how much it found (to 1,000)."""

    submission: Submission
    found: int


@dataclass(frozen=True, slots=True)
class Late:
    """A submission that waits longer for its answer than usual; None: no usual time is known."""

    submission: Submission
    waited: timedelta
    usual: timedelta | None


@dataclass(frozen=True, slots=True)
class Needs:
    """What needs somebody. The `more_` tell that there are others of their kind."""

    refused: tuple[Refused, ...] = ()
    more_refused: bool = False
    late: tuple[Late, ...] = ()
    more_late: bool = False
    ending: tuple[Listing, ...] = ()
    more_ending: bool = False


class Attention:
    """Looks at what a person may follow in one organization, and says what needs somebody."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def needs(self, actor: Actor, org: str) -> Needs:
        """What needs somebody of an organization, of all that the actor may see there.

        Refused in the last week and not sent again, the newest first; without an answer for much
        longer than usual, the oldest first; results that nobody has downloaded and that end soon.

        Raises:
            Unavailable
        """
        refused = self._refused(actor, org)
        late = self._late(actor, org)
        ending = self._ending(actor, org)
        return Needs(
            refused=tuple(refused[:SHOWN]),
            more_refused=len(refused) > SHOWN,
            late=tuple(late[:SHOWN]),
            more_late=len(late) > SHOWN,
            ending=tuple(ending[:SHOWN]),
            more_ending=len(ending) > SHOWN,
        )

    def _refused(self, actor: Actor, org: str) -> list[Refused]:
        places = _tracked(actor, org)
        if not places:
            return []
        since = self._tools.clock.now() - REFUSED_FOR
        with self._tools.database.reading() as tx:
            found = attention.refused(tx, places, since, SHOWN + 1)
            return [
                Refused(each, submissions.count_findings(tx, each.tracking_id, _COUNTED_FINDINGS))
                for each in found
            ]

    def _late(self, actor: Actor, org: str) -> list[Late]:
        spaces: dict[str, list[str]] = {}
        for place in _tracked(actor, org):
            spaces.setdefault(place.application, []).append(place.sub_space)
        now, found = self._tools.clock.now(), list[Late]()
        with self._tools.database.reading() as tx:
            for application, names in spaces.items():
                waiting = attention.waiting(tx, org, application, names, SHOWN + 1)
                if not waiting or now - waiting[0].submitted_at <= AT_LEAST:
                    continue
                usual = _median(attention.answer_times(tx, org, application, _ANSWERS))
                waits = ((each, now - each.submitted_at) for each in waiting)
                found += [Late(each, time, usual) for each, time in waits if is_late(time, usual)]
        return sorted(found, key=lambda each: each.submission.submitted_at)

    def _ending(self, actor: Actor, org: str) -> list[Listing]:
        places = [
            place
            for place, right in actor.rights.all()
            if place.org == org
            and right.space.direction is Direction.OUTBOUND
            and Action.DOWNLOAD in right.actions
        ]
        now = self._tools.clock.now()
        with self._tools.database.reading() as tx:
            return listings.unfetched(tx, places, now + ENDS_SOON, now, SHOWN + 1)

    def usual(self, actor: Actor, place: Place) -> timedelta | None:
        """How long the application of a place takes to answer this organization, by the median.

        None when the actor may not follow submissions there, or too few were answered.

        Raises:
            Unavailable
        """
        if place not in trackable(actor):
            return None
        with self._tools.database.reading() as tx:
            times = attention.answer_times(tx, place.org, place.application, _ANSWERS)
        return _median(times)

    def places(self, actor: Actor, org: str, limit: int) -> list[Place]:
        """Where the actor may upload in an organization, at most limit: where it did most lately.

        Then come those that others used most, then the rest by name.

        Raises:
            Unavailable
        """
        mine = sorted(
            place
            for place, _ in actor.rights.all()
            if place.org == org and allows(actor, Action.UPLOAD, place)
        )
        with self._tools.database.reading() as tx:
            sent = attention.senders(tx, org, _SENT_LATELY)
        own, all_of = Counter[Place](), Counter[Place]()
        for (sender, place), times in sent.items():
            own[place] += times if sender == actor.principal_id else 0
            all_of[place] += times
        return sorted(mine, key=lambda each: (-own[each], -all_of[each], each))[:limit]


def is_late(waited: timedelta, usual: timedelta | None) -> bool:
    """Whether an answer takes much longer than usual."""
    if usual is None:
        return waited > UNKNOWN_USUAL
    return waited > max(LATE_FACTOR * usual, AT_LEAST)


def _tracked(actor: Actor, org: str) -> list[Place]:
    return sorted(place for place in trackable(actor) if place.org == org)


def _median(times: list[timedelta]) -> timedelta | None:
    if len(times) < _FEWEST_ANSWERS:
        return None
    return timedelta(seconds=statistics.median(each.total_seconds() for each in times))
