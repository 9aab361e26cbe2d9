"""Submissions for people: lists in both directions, counted, searched; and all about one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from world import START, Account, Processor, World

from transom.core.handoff import Answer
from transom.core.tracking import Position, Query, Record
from transom.domain.errors import NotFound
from transom.domain.submission import AccessMethod, Finding, State, Submission


def listed(account: Account, **facts: object) -> list[str]:
    """The names of the first list of 10."""
    query = Query(**facts)  # type: ignore[arg-type]
    return [
        each.name for each in account.world.exchange.tracking.brief(account.actor, query, 10).found
    ]


def submit(account: Account, *names: str, minutes: float = 1) -> list[Submission]:
    """Send files of app1, so far apart."""
    sent = []
    for name in names:
        sent.append(account.submit(f"0001/app1/in/{name}"))
        account.world.clock.pass_time(timedelta(minutes=minutes))
    return sent


def answer(
    processor: Processor, outcomes: Mapping[str, State], findings: Sequence[Finding] = ()
) -> None:
    """Answer the files of these names; the others are taken and wait."""
    handoff = processor.account.world.exchange.handoff
    for lease in processor.claim(100):
        outcome = outcomes.get(lease.submission.name)
        if outcome is not None:
            said = Answer(outcome, tuple(findings), acknowledge=True)
            handoff.report(processor.actor, lease.submission.tracking_id, lease.fence, said)


def position(submission: Submission) -> Position:
    return Position(submission.submitted_at, submission.tracking_id)


def record(account: Account, tracking_id: str, most: int = 200) -> Record:
    return account.world.exchange.tracking.record(account.actor, tracking_id, most)


# --- lists ---------------------------------------------------------------------------------------


def test_lists_go_to_older_ones_and_back_to_newer_ones(world: World) -> None:
    firm, tracking = world.account(), world.exchange.tracking
    submit(firm, *"abcdefg")

    first = tracking.brief(firm.actor, Query(), 3)
    second = tracking.brief(firm.actor, Query(), 3, older=position(first.found[-1]))
    last = tracking.brief(firm.actor, Query(), 3, older=position(second.found[-1]))
    back = tracking.brief(firm.actor, Query(), 3, newer=position(last.found[0]))
    top = tracking.brief(firm.actor, Query(), 3, newer=position(back.found[0]))

    shown = [
        ("".join(each.name for each in page.found), page.has_newer, page.has_older)
        for page in (first, second, last, back, top)
    ]
    assert shown == [
        ("gfe", False, True),
        ("dcb", True, True),
        ("a", True, False),
        ("dcb", True, True),
        ("gfe", False, True),
    ]


def test_lists_part_those_of_one_instant_by_their_ids(world: World) -> None:
    firm, tracking = world.account(), world.exchange.tracking
    submit(firm, *"abcde", minutes=0)

    down = tracking.brief(firm.actor, Query(), 2)
    further = tracking.brief(firm.actor, Query(), 9, older=position(down.found[-1]))
    up = tracking.brief(firm.actor, Query(), 9, newer=position(further.found[0]))

    assert sorted(each.name for each in down.found + further.found) == list("abcde")
    assert up.found == down.found


def test_a_list_is_narrowed_by_parts_of_names_in_any_case(world: World) -> None:
    firm = world.account()
    submit(firm, "SI_20261113.txt", "rex_1120a.xml", "SI%20.txt")

    assert listed(firm, text="si_2026") == ["SI_20261113.txt"]
    assert listed(firm, text="1120A") == ["rex_1120a.xml"]
    assert listed(firm, text="%") == ["SI%20.txt"]
    assert listed(firm, text="_") == ["rex_1120a.xml", "SI_20261113.txt"]
    assert listed(firm, text="' OR 1=1 --") == []


def test_a_list_is_narrowed_by_a_tracking_id_from_eight_characters_on(world: World) -> None:
    firm = world.account()
    (one, _) = submit(firm, "_one_", "_two_")

    assert listed(firm, text=one.tracking_id) == ["_one_"]
    assert listed(firm, text=one.tracking_id[:8].upper()) == ["_one_"]
    assert listed(firm, text=one.tracking_id[:7]) == []


def test_a_list_is_narrowed_by_states_door_period_and_organization(world: World) -> None:
    firm, processor = world.account(), world.processor()
    world.entitle(firm, "0002", "app1", "both")
    submit(firm, "a", "b", "c", minutes=60)
    with firm.open("0001/app1/in/d") as upload:
        upload.write(0, b"by SFTP")
        upload.commit()
    firm.submit("0002/app1/in/e")
    answer(processor, {"a": State.ACCEPTED, "b": State.REJECTED})

    both = (State.ACCEPTED, State.REJECTED)
    assert listed(firm, states=both) == ["b", "a"]
    assert listed(firm, states=(State.REJECTED,)) == ["b"]
    assert listed(firm, method=AccessMethod.SFTP) == ["d"]
    assert listed(firm, org="0002") == ["e"]
    hour = timedelta(hours=1)
    assert listed(firm, since=START + hour, until=START + 2 * hour) == ["b"]


def test_a_list_is_counted_up_to_a_bound(world: World) -> None:
    firm, tracking = world.account(), world.exchange.tracking
    submit(firm, *"abcde")

    assert tracking.count(firm.actor, Query(), 10) == 5
    assert tracking.count(firm.actor, Query(), 3) == 3
    assert tracking.count(firm.actor, Query(text="c"), 10) == 1
    assert tracking.count(world.processor().actor, Query(), 10) == 0


def test_all_of_a_list_comes_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transom.core.tracking.PAGE", 2)
    firm = world.account()
    submit(firm, *"abcde")

    pages = world.exchange.tracking.all_brief(firm.actor, Query())

    assert [[each.name for each in page] for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


# --- one -----------------------------------------------------------------------------------------


def test_a_record_has_the_first_findings_those_of_the_whole_file_before_all(world: World) -> None:
    firm, processor = world.account(), world.processor()
    (sent,) = submit(firm, "a")
    findings = [Finding(f"r{each}", "zip", "Z", "bad") for each in range(300)]
    findings.append(Finding("", "", "F", "no header"))
    answer(processor, {"a": State.PARTIALLY_REJECTED}, findings)

    found = record(firm, sent.tracking_id, 3)

    assert found.found == 301
    assert [each.record for each in found.submission.findings] == ["", "r0", "r1"]
    pages = world.exchange.tracking.findings(firm.actor, sent.tracking_id)
    assert [each for page in pages for each in page] == findings


def test_findings_come_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transom.core.tracking.PAGE", 2)
    firm, processor = world.account(), world.processor()
    (sent,) = submit(firm, "a")
    answer(processor, {"a": State.REJECTED}, [Finding(each, "", "", "") for each in "xyz"])

    pages = world.exchange.tracking.findings(firm.actor, sent.tracking_id)

    assert ["".join(each.record for each in page) for page in pages] == ["xy", "z"]


def test_a_record_names_its_files_and_whether_the_reader_may_fetch_them(world: World) -> None:
    firm, sender = world.account(), world.account(may="submit")
    processor = world.processor()
    (sent,) = submit(firm, "a")
    processor.publish("0001/app1/out/feedback.xml", about=sent.tracking_id)

    for reader, may in ((firm, True), (sender, False)):
        found = record(reader, sent.tracking_id)
        assert [(e.listing.name, e.may_fetch) for e in found.results] == [("feedback.xml", may)]
        assert found.copy is not None
        assert (str(found.copy.listing.place), found.copy.may_fetch) == ("0001/app1/in_arcv", may)
        assert found.may_send
    assert not record(world.account(may="download"), sent.tracking_id).may_send


def test_a_record_forgets_the_copy_once_it_has_ended(world: World) -> None:
    firm = world.account()
    (sent,) = submit(firm, "a")
    world.clock.pass_time(timedelta(days=31))

    found = record(firm, sent.tracking_id)

    assert (found.copy, found.submission.downloadable) == (None, False)


def test_foreign_and_unknown_records_are_not_found_alike(sqlite_world: World) -> None:
    stranger, firm = sqlite_world.account("0002"), sqlite_world.account()
    (sent,) = submit(firm, "a")
    tracking = sqlite_world.exchange.tracking

    for ask in (
        lambda id_: record(stranger, id_),
        lambda id_: tracking.findings(stranger.actor, id_),
    ):
        for id_ in (sent.tracking_id, "nonsense"):
            with pytest.raises(NotFound):
                ask(id_)
