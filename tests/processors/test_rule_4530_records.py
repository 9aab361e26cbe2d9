"""The rules of one complaint, each with what keeps it and what breaks it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from processors.filings import GOOD, codes, complaint, filing, found, handled

from transom.processors.rule_4530.findings import MEANINGS
from transom.processors.rule_4530.rules import CodeLists, parse_date
from transom.processors.rule_4530.seen import Seen

REP = "<related-to><rep>1</rep></related-to>"


def test_a_good_complaint_has_no_finding() -> None:
    assert found(filing(complaint())) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"id": f"<id>{'9' * 30}</id>"},
        {"id": "<id>  NGS-1\n </id>"},
        {"date": "<date>11/20/2026</date>"},
        {"date": "<date>2024/02/29</date>"},
        {"firm_id": "<firm-id>1</firm-id>"},
        {"firm_id": "<firm-id>12345678</firm-id>"},
        {"branch_id": "<branch-id>1234567890</branch-id>"},
        {"branch_zip": ""},
        {"branch_zip": "<branch-zip/>"},
        {"branch_zip": "<branch-zip>00501</branch-zip>"},
        {"related_to": "<related-to><other>1</other><firm>1</firm></related-to>"},
        {"related_to": "<related-to><affiliate>1</affiliate></related-to>"},
        {"related_to": REP, "more": "<rep-crd-number>2345678</rep-crd-number>"},
        {"product": "<product>99</product>", "problem": "<problem>18</problem>"},
        {"more": "<account-number>7-1</account-number>"},
        {"more": "<disputed-amount>0</disputed-amount>"},
        {"more": "<disputed-amount>12500.50</disputed-amount>"},
        {"more": "<security-symbol>BRK.A</security-symbol>"},
        {"more": "<allegation-period><from>2026/01/05</from></allegation-period>"},
        {
            "more": "<allegation-period><from>2026/01/05</from><to>01/05/2026</to>"
            "</allegation-period>"
        },
        {
            "contact": "<contact><phone-number>+1 (312) 555-0142 x9</phone-number>"
            f"<first-name>{'M' * 30}</first-name><last-name>O'Neil</last-name></contact>"
        },
    ],
)
def test_what_the_rules_allow_is_no_finding(changed: dict[str, str]) -> None:
    assert found(filing(complaint(**changed))) == []


def contact(**changed: str) -> str:
    parts = {"phone-number": "312-555-0142", "first-name": "M", "last-name": "A"}
    parts |= {name.replace("_", "-"): text for name, text in changed.items()}
    return (
        f"<contact>{''.join(f'<{name}>{text}</{name}>' for name, text in parts.items())}</contact>"
    )


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"id": ""}, "id", "R4530-101"),
        ({"date": ""}, "date", "R4530-101"),
        ({"firm_id": "<firm-id> </firm-id>"}, "firm-id", "R4530-101"),
        ({"branch_id": "<branch-id/>"}, "branch-id", "R4530-101"),
        ({"contact": contact(phone_number="")}, "contact/phone-number", "R4530-101"),
        ({"contact": contact(first_name="")}, "contact/first-name", "R4530-101"),
        ({"contact": contact(last_name="")}, "contact/last-name", "R4530-101"),
        ({"product": ""}, "product", "R4530-101"),
        ({"problem": ""}, "problem", "R4530-101"),
        ({"more": "<firm-id>104224</firm-id>"}, "firm-id", "R4530-102"),
        ({"more": "<surprise/>"}, "surprise", "R4530-103"),
        ({"firm_id": "<firm-id>1<b>2</b></firm-id>"}, "firm-id/b", "R4530-103"),
        ({"more": "<customer-note><id/></customer-note>"}, "customer-note", "R4530-103"),
        ({"more": "stray"}, "complaint", "R4530-104"),
        ({"contact": contact().replace("<contact>", "<contact>x")}, "contact", "R4530-104"),
        ({"id": "<id>a\tb</id>"}, "id", "R4530-105"),
        ({"id": "<id>a&#x85;b</id>"}, "id", "R4530-105"),
        ({"id": f"<id>{'9' * 31}</id>"}, "id", "R4530-110"),
        ({"id": f"<id>{'9' * 100_000}</id>"}, "id", "R4530-110"),
        ({"date": "<date>2026-11-20</date>"}, "date", "R4530-111"),
        ({"date": "<date>2026/02/29</date>"}, "date", "R4530-111"),
        ({"date": "<date>20/11/2026</date>"}, "date", "R4530-111"),
        ({"date": "<date>0000/01/01</date>"}, "date", "R4530-111"),
        ({"firm_id": "<firm-id>123456789</firm-id>"}, "firm-id", "R4530-112"),
        ({"firm_id": "<firm-id>CRD1</firm-id>"}, "firm-id", "R4530-112"),
        ({"firm_id": "<firm-id>١٢</firm-id>"}, "firm-id", "R4530-112"),
        ({"branch_id": "<branch-id>home</branch-id>"}, "branch-id", "R4530-113"),
        ({"branch_id": "<branch-id>12345678901</branch-id>"}, "branch-id", "R4530-113"),
        ({"branch_zip": "<branch-zip>6060</branch-zip>"}, "branch-zip", "R4530-114"),
        ({"branch_zip": "<branch-zip>60606-1234</branch-zip>"}, "branch-zip", "R4530-114"),
        ({"contact": contact(phone_number="call me")}, "contact/phone-number", "R4530-115"),
        ({"contact": contact(phone_number="3125550142" * 3)}, "contact/phone-number", "R4530-115"),
        ({"contact": contact(first_name="M" * 31)}, "contact/first-name", "R4530-116"),
        (
            {"related_to": "<related-to><firm>yes</firm></related-to>"},
            "related-to/firm",
            "R4530-117",
        ),
        ({"product": "<product>2</product>"}, "product", "R4530-118"),
        ({"problem": "<problem>007</problem>"}, "problem", "R4530-119"),
        (
            {"more": "<allegation-period><to>soon</to></allegation-period>"},
            "allegation-period/to",
            "R4530-120",
        ),
        ({"more": f"<account-number>{'7' * 31}</account-number>"}, "account-number", "R4530-121"),
        ({"more": "<disputed-amount>$5</disputed-amount>"}, "disputed-amount", "R4530-122"),
        ({"more": "<disputed-amount>-5</disputed-amount>"}, "disputed-amount", "R4530-122"),
        ({"more": "<security-symbol>acme</security-symbol>"}, "security-symbol", "R4530-123"),
        (
            {"related_to": REP, "more": "<rep-crd-number>x</rep-crd-number>"},
            "rep-crd-number",
            "R4530-124",
        ),
        ({"date": "<date>2026/11/21</date>"}, "date", "R4530-202"),
        (
            {
                "more": "<allegation-period><from>2026/02/01</from><to>2026/01/31</to>"
                "</allegation-period>"
            },
            "allegation-period",
            "R4530-203",
        ),
        ({"related_to": REP}, "rep-crd-number", "R4530-204"),
        ({"more": "<rep-crd-number>1</rep-crd-number>"}, "rep-crd-number", "R4530-205"),
        ({"product": "<product>77</product>"}, "product", "R4530-206"),
        ({"problem": "<problem>19</problem>"}, "problem", "R4530-207"),
        ({"related_to": ""}, "related-to", "R4530-208"),
        ({"related_to": "<related-to/>"}, "related-to", "R4530-208"),
    ],
)
def test_each_broken_rule_is_one_finding_at_its_field(
    changed: dict[str, str], field: str, code: str
) -> None:
    ((_, where, which),) = found(filing(complaint(**changed)))
    assert (where, which) == (field, code)


def test_a_whole_group_that_is_missing_is_a_finding_for_each_of_its_parts() -> None:
    assert [field for _, field, _ in found(filing(complaint(customer="")))] == [
        "customer/first-name",
        "customer/last-name",
    ]


def test_an_id_is_used_once_in_a_file_and_the_first_has_it() -> None:
    again = complaint(firm_id="<firm-id>2</firm-id>")
    done = handled(filing(complaint(), again, again))
    assert [(each.record, each.code) for each in done.findings] == [("NGS-1", "R4530-201")] * 2
    assert done.outcome == "PARTIALLY_REJECTED"


@pytest.mark.parametrize("wrong", ["", f"<id>{'9' * 31}</id>", "<id>a\tb</id>"])
def test_a_complaint_without_a_fit_id_is_named_by_its_place_in_the_file(wrong: str) -> None:
    ((record, _, _),) = found(filing(complaint(), complaint(id=wrong)))
    assert record == "complaint 2"


def test_a_value_in_a_finding_is_cut_and_made_visible() -> None:
    (one,) = handled(
        filing(complaint(branch_zip=f"<branch-zip>\t{'9' * 99}</branch-zip>"))
    ).findings
    assert one.text == f'Must be 5 digits. Found "{"9" * 60}...".'
    (one,) = handled(filing(complaint(branch_zip="<branch-zip>6&#x2028;6</branch-zip>"))).findings
    assert one.text.endswith('Found "6\\u20286".')


def test_one_complaint_full_of_flaws_tells_a_hundred_of_them() -> None:
    strange = "".join(f"<x{number}/>" for number in range(60))
    customer = GOOD["customer"].replace("</customer>", f"{strange}</customer>")
    many = complaint(customer=customer, more=strange)
    assert codes(filing(many)) == ["R4530-103"] * 100


def test_a_path_in_a_finding_has_at_most_two_hundred_characters() -> None:
    name = "x" * 250
    ((_, field, _),) = found(filing(complaint(more=f"<{name}/>")))
    assert field == f"{'x' * 197}..."


def test_attributes_carry_nothing() -> None:
    text = complaint().replace("<complaint>", '<complaint id="7" xml:lang="en">')
    assert found(filing(text)) == []


def test_no_code_is_said_that_the_table_does_not_have() -> None:
    package = Path(__file__).parents[2] / "src/transom/processors/rule_4530"
    said = set()
    for path in package.glob("*.py"):
        if path.name != "findings.py":
            said |= set(re.findall(r"R4530-[0-9]{3}", path.read_text()))
    said.add("R4530-012")  # findings.py says it itself
    assert said == set(MEANINGS)


def test_every_code_is_explained_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/rule-4530.md").read_text()
    for code, meaning in MEANINGS.items():
        assert f"| `{code}` | {meaning} |" in page


def test_the_code_lists_hold_two_digit_codes_and_no_problem_19() -> None:
    lists = CodeLists.read()
    assert all(re.fullmatch("[0-9]{2}", code) for code in lists.product | lists.problem)
    assert "19" not in lists.problem


def test_a_date_is_read_in_both_ways() -> None:
    assert parse_date("2026/11/20") == parse_date("11/20/2026") == date(2026, 11, 20)
    assert parse_date("") is None


def test_seen_ids_are_remembered_while_their_table_grows() -> None:
    seen = Seen()
    assert all(seen.add(str(number)) for number in range(20_000))
    assert not any(seen.add(str(number)) for number in range(20_000))
    assert seen.add("another")
