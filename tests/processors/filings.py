"""Filings to judge: a good complaint, and what to change in it."""

from __future__ import annotations

from pathlib import Path

from transom.connector.testing import Handled, Harness
from transom.processors.rule_4530 import worker_for

SAMPLES = Path(__file__).parents[2] / "examples" / "r4530"

GOOD = {
    "id": "<id>NGS-1</id>",
    "date": "<date>2026/11/20</date>",
    "firm-id": "<firm-id>104224</firm-id>",
    "branch-id": "<branch-id>HOME</branch-id>",
    "branch-zip": "<branch-zip>60606</branch-zip>",
    "contact": "<contact><phone-number>312-555-0142</phone-number>"
    "<first-name>Maria</first-name><last-name>Alvarez</last-name></contact>",
    "related-to": "<related-to><firm>1</firm></related-to>",
    "product": "<product>02</product>",
    "problem": "<problem>07</problem>",
    "customer": "<customer><first-name>Ruth</first-name><last-name>Adler</last-name></customer>",
}


def complaint(**changed: str) -> str:
    """A good complaint but for these elements: "branch_zip" is branch-zip, "" leaves it out."""
    parts = GOOD | {name.replace("_", "-"): text for name, text in changed.items()}
    return f"<complaint>{''.join(parts.values())}</complaint>"


def filing(*complaints: str, head: str = "") -> bytes:
    return f"{head}<filings-3070>{''.join(complaints)}</filings-3070>".encode()


def harness() -> Harness:
    return Harness(worker_for("https://filex.example", "r4530-app", "secret"))


def handled(content: bytes | Path, name: str = "x.xml") -> Handled:
    done = harness().submit("r4530/in", content, name=name)
    assert done.fault is None
    return done


def found(content: bytes | Path) -> list[tuple[str, str, str]]:
    """Record, field and code of each finding."""
    return [(each.record, each.field, each.code) for each in handled(content).findings]


def codes(content: bytes) -> list[str]:
    return [code for _, _, code in found(content)]
