"""What a whole filing comes to."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from processors.filings import SAMPLES, codes, complaint, filing, found, handled, harness

from transom.client.errors import Unreachable
from transom.processors.rule_4530 import feedback, findings, reader

BAD_ZIP = "<branch-zip>6060</branch-zip>"


@pytest.mark.parametrize(
    ("name", "outcome", "expected"),
    [
        ("4530_2026Q3.xml", "ACCEPTED", []),
        (
            "4530_2026Q4.xml",
            "PARTIALLY_REJECTED",
            [
                ("NGS-2026-0312", "branch-zip", "R4530-114"),
                ("NGS-2026-0327", "problem", "R4530-207"),
            ],
        ),
        ("4530_2026Q4_corrected.xml", "ACCEPTED", []),
        ("4530_2026Q3_broken.xml", "REJECTED", [("", "", "R4530-002")]),
    ],
)
def test_each_sample_has_the_outcome_that_its_page_states(
    name: str, outcome: str, expected: list[tuple[str, str, str]]
) -> None:
    assert handled(SAMPLES / name, name).outcome == outcome
    assert found(SAMPLES / name) == expected


def test_findings_read_as_in_the_design_guide() -> None:
    assert [each.text for each in handled(SAMPLES / "4530_2026Q4.xml").findings] == [
        'Must be 5 digits. Found "6060".',
        '"19" is not in the problem code list.',
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "R4530-001"),
        (b"id,date\n1,2\n", "R4530-002"),
        (b"<filings-3070><complaint>", "R4530-002"),
        (b"<filings-3070/>trailing", "R4530-002"),
        (b"<filings-3070>&undefined;</filings-3070>", "R4530-002"),
        (b"<filings-3070>\x00</filings-3070>", "R4530-002"),
        (b"<!DOCTYPE filings-3070><filings-3070/>", "R4530-003"),
        (b"<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'><filings-3070/>", "R4530-003"),
        (b"<filings-4530/>", "R4530-004"),
        (b"<filings-3070/>", "R4530-005"),
        (b"<filings-3070> <!-- none --> </filings-3070>", "R4530-005"),
        (filing("<complaint>" + "<a>" * 7 + "</a>" * 7 + "</complaint>"), "R4530-006"),
        (filing("<complaint " + " ".join(f"a{n}='1'" for n in range(33)) + "/>"), "R4530-007"),
        (filing(f"<complaint><{'x' * 257}/></complaint>"), "R4530-007"),
        (filing("<complaint>", *(f"<x{n}/>" for n in range(65)), "</complaint>"), "R4530-008"),
        (filing(*(f"<complaint a{n}='1'/>" for n in range(65))), "R4530-008"),
        (filing(head="<?xml version='1.0' encoding='cp037'?>"), "R4530-010"),
        (filing(head="<?xml version='1.0' encoding='zip'?>"), "R4530-010"),
        (filing("<event/>"), "R4530-011"),
        (filing("text"), "R4530-011"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_filing_is_rejected_whole(
    content: bytes, code: str
) -> None:
    done = handled(content)
    assert done.outcome == "REJECTED"
    assert [(each.record, each.field, each.code) for each in done.findings] == [("", "", code)]


def test_what_was_found_before_the_break_comes_after_the_break() -> None:
    content = filing(complaint(branch_zip=BAD_ZIP))[:-5]
    assert codes(content) == ["R4530-002", "R4530-114"]


def test_some_good_complaints_make_it_partial_and_none_make_it_a_rejection() -> None:
    bad = complaint(id="<id>NGS-2</id>", branch_zip=BAD_ZIP)
    assert handled(filing(complaint())).outcome == "ACCEPTED"
    assert handled(filing(complaint(), bad)).outcome == "PARTIALLY_REJECTED"
    assert handled(filing(bad)).outcome == "REJECTED"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_encodings_that_the_parser_knows_are_read(encoding: str) -> None:
    name = "<customer><first-name>Grace</first-name><last-name>Ekström</last-name></customer>"
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    text = filing(complaint(customer=name), head=head).decode()
    assert handled(text.encode(encoding)).outcome == "ACCEPTED"


def test_elements_may_come_in_any_order_with_comments_and_sections_between() -> None:
    text = filing(complaint(id="<!-- first --><id><![CDATA[NGS]]>-<?pi x?>1</id>")).decode()
    assert handled(text.replace("><", "> \n <").encode()).outcome == "ACCEPTED"


def test_more_complaints_than_a_file_may_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_COMPLAINTS", 2)
    three = [complaint(id=f"<id>{number}</id>") for number in range(3)]
    assert handled(filing(*three[:2])).outcome == "ACCEPTED"
    assert codes(filing(*three)) == ["R4530-009"]


def test_only_the_first_thousand_findings_are_reported_and_the_rest_are_counted() -> None:
    many = [complaint(id=f"<id>{number}</id>", branch_zip=BAD_ZIP) for number in range(1200)]
    done = handled(filing(*many))
    assert len(done.findings) == findings.MOST_REPORTED + 1
    assert done.findings[999].record == "999"
    assert done.findings[1000].code == "R4530-012"
    assert "1,200 findings" in done.findings[1000].text
    root = feedback_of(done.published)
    assert root.find("findings").attrib == {"count": "1200", "listed": "1200"}
    assert len(root.findall("finding")) == 1200


def test_the_finding_about_the_file_is_reported_however_many_came_before() -> None:
    many = [complaint(id=f"<id>{number}</id>", branch_zip=BAD_ZIP) for number in range(1200)]
    done = handled(filing(*many)[:-3])
    assert done.findings[0].code == "R4530-002"
    assert len(done.findings) == findings.MOST_REPORTED + 1
    assert feedback_of(done.published).findall("finding")[0].get("code") == "R4530-002"


def test_the_feedback_lists_no_more_than_its_bound_and_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feedback, "MOST_LISTED", 3)
    many = [complaint(id=f"<id>{number}</id>", branch_zip=BAD_ZIP) for number in range(5)]
    root = feedback_of(handled(filing(*many)).published)
    assert root.find("findings").attrib == {"count": "5", "listed": "3"}
    assert len(root.findall("finding")) == 3


def feedback_of(published: dict[str, bytes]) -> ET.Element:
    (content,) = published.values()
    return ET.fromstring(content)  # noqa: S314 - our own


def test_the_feedback_tells_the_submission_its_counts_and_each_finding() -> None:
    bad = complaint(id="<id>A&amp;B \"'&lt;</id>", branch_zip="<branch-zip>&lt;a&amp;</branch-zip>")
    done = handled(filing(complaint(), bad), "Q4.xml")
    assert list(done.published) == ["0001/r4530/out/feedback_Q4.xml"]
    root = feedback_of(done.published)
    assert root.tag == "filings-3070-feedback"
    assert root.get("outcome") == "PARTIALLY_REJECTED"
    assert root.find("submission").get("tracking-id").startswith("00000000-")
    assert root.find("submission").get("file-name") == "Q4.xml"
    assert root.find("complaints").attrib == {"read": "2", "good": "1", "bad": "1"}
    (one,) = root.findall("finding")
    assert one.attrib == {"record": "A&B \"'<", "field": "branch-zip", "code": "R4530-114"}
    assert one.text == 'Must be 5 digits. Found "<a&".'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("4530_2026Q4.xml", "feedback_4530_2026Q4.xml"),
        ("Q4.XML", "feedback_Q4.xml"),
        ("filing", "feedback_filing.xml"),
        ("q4.txt", "feedback_q4.txt.xml"),
        ("x" * 233 + ".xml", "feedback_" + "x" * 224 + ".xml"),
    ],
)
def test_the_feedback_is_named_after_the_file(name: str, expected: str) -> None:
    assert feedback.feedback_name(name) == expected


def test_a_repeated_run_publishes_the_same_feedback_and_gives_the_same_answer() -> None:
    content = (SAMPLES / "4530_2026Q4.xml").read_bytes()
    once = harness().submit("r4530/in", content, name="x.xml")
    twice = harness().submit("r4530/in", content, name="x.xml", again=True)
    assert twice == once


def test_content_that_was_cut_is_judged_as_if_it_were_not() -> None:
    at = harness()
    at.cut_content(100, 0, 2000)
    done = at.submit("r4530/in", SAMPLES / "4530_2026Q4.xml")
    assert done.outcome == "PARTIALLY_REJECTED"
    assert len(at.pauses) == 3


def test_a_rejection_waits_for_the_end_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(b"<wrong/>" + b" " * 300_000)

    at = harness()
    at.cut_content(200_000)  # long after the root, which is wrong
    done = at.submit("r4530/in", path)
    assert done.outcome == "REJECTED"
    assert len(at.pauses) == 1


def test_an_exchange_that_does_not_answer_means_no_answer_to_the_firm() -> None:
    at = harness()
    at.fail("publish", *[Unreachable("gone")] * 6)
    done = at.submit("r4530/in", SAMPLES / "4530_2026Q3.xml")
    assert done.outcome == ""
    assert isinstance(done.fault, Unreachable)
