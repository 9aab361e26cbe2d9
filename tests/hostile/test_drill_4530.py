"""The drill of Rule 4530: a filing of 1 GiB with two million complaints, judged in flat memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import unavailable

pytestmark = pytest.mark.drill

COMPLAINTS = 2_000_000
SIZE = 1 << 30
BAD_EVERY = 1_000
MOST_GROWTH_MIB = 256

CHILD = """
import json, sys
from pathlib import Path
from transom.connector.testing import Harness
from transom.processors.rule_4530 import worker_for

def peak_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

harness = Harness(worker_for("https://filex.example", "r4530-app", "secret"))
small = harness.submit("r4530/in", Path(sys.argv[1]))
before = peak_mib()
done = harness.submit("r4530/in", Path(sys.argv[2]))
print(json.dumps({
    "small": small.outcome, "outcome": done.outcome, "fault": repr(done.fault),
    "findings": len(done.findings), "growth": peak_mib() - before,
    "feedback": [content[:600].decode() for content in done.published.values()],
}))
"""


def write_filing(path: Path, count: int, size: int) -> None:
    """A filing of so many complaints and bytes; each thousandth has a wrong branch-zip."""
    head, tail = b"<filings-3070>\n", b"</filings-3070>\n"
    length = (size - len(head) - len(tail)) // count
    with path.open("wb") as out:
        out.write(head)
        for number in range(count):
            out.write(complaint(number).ljust(length - 1) + b"\n")
        out.write(tail.rjust(size - out.tell()))


def complaint(number: int) -> bytes:
    zip_code = "6060" if number % BAD_EVERY == 0 else "60606"
    return (
        f"<complaint><id>N-{number:08}</id><date>2026/11/20</date><firm-id>104224</firm-id>"
        f"<branch-id>HOME</branch-id><branch-zip>{zip_code}</branch-zip>"
        "<contact><phone-number>312-555-0142</phone-number><first-name>Maria</first-name>"
        "<last-name>Alvarez</last-name></contact><related-to><firm>1</firm></related-to>"
        "<product>02</product><problem>07</problem><customer><first-name>R</first-name>"
        "<last-name>A</last-name></customer></complaint>"
    ).encode()


def test_a_filing_of_a_gibibyte_is_judged_in_flat_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        unavailable.missing("VmHWM", "the drill of 4530 reads the peak of memory in /proc")
    # Not in tmp_path: that may be memory itself.
    room = Path(__file__).parents[2] / ".cache" / f"drill-4530-{os.getpid()}"
    room.mkdir(parents=True)
    large, small = room / "large.xml", tmp_path / "small.xml"
    try:
        if os.statvfs(room).f_bavail * os.statvfs(room).f_frsize < 2 * SIZE:
            unavailable.missing("room", "the drill of 4530 needs 2 GiB")
        write_filing(small, 2_000, SIZE // 1_000)
        write_filing(large, COMPLAINTS, SIZE)
        assert large.stat().st_size == SIZE

        told = subprocess.run(
            [sys.executable, "-c", CHILD, small, large], capture_output=True, text=True, check=True
        )
    finally:
        large.unlink(missing_ok=True)
        room.rmdir()

    done = json.loads(told.stdout)
    assert done["small"] == "PARTIALLY_REJECTED"
    assert done["outcome"] == "PARTIALLY_REJECTED", done["fault"]
    good, bad = COMPLAINTS - COMPLAINTS // BAD_EVERY, COMPLAINTS // BAD_EVERY
    counts = f'<complaints read="{COMPLAINTS}" good="{good}" bad="{bad}"/>'
    assert counts in done["feedback"][0]
    assert done["findings"] == 1_001
    assert done["growth"] < MOST_GROWTH_MIB
