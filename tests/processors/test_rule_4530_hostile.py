"""Files made to break a parser: each is a finding, soon, and never a crash."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processors.filings import GOOD, SAMPLES, codes, complaint, filing, handled, harness

from transom.processors.rule_4530 import reader
from transom.processors.rule_4530.reader import Unreadable, complaints

LAUGHS = (
    "<!DOCTYPE filings-3070 [\n"
    '<!ENTITY l0 "lol">\n'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">\n' for n in range(1, 12))
    + "]>\n<filings-3070>&l11;</filings-3070>"
)
MIB = 1 << 20


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS.encode(),
        b"<!DOCTYPE filings-3070 [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><filings-3070>&x;",
        b"<!DOCTYPE filings-3070 [<!ENTITY % x SYSTEM 'http://127.0.0.1/x'> %x;]><filings-3070/>",
        b"<!DOCTYPE filings-3070 PUBLIC 'a' 'http://127.0.0.1/x'><filings-3070/>",
    ],
)
def test_a_document_type_declaration_ends_the_reading_at_once(content: bytes) -> None:
    began = time.monotonic()
    assert codes(content) == ["R4530-003"]
    assert time.monotonic() - began < 2


class Endless(io.RawIOBase):
    """A head, and then the same bytes without end; counts what was read of it."""

    def __init__(self, head: bytes, body: bytes, most: int = 64 * MIB) -> None:
        super().__init__()
        self.given = 0
        self._head, self._body, self._most = head, body, most

    def read(self, size: int = -1) -> bytes:
        if self.given >= self._most:
            return b""
        head, self._head = self._head, b""
        block = (head + self._body * (size // len(self._body)))[:size]
        self.given += len(block)
        return block


def growth_mib(source: Endless) -> tuple[str, float]:
    """The code of the finding that ends the reading, and how much memory it took."""
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) as ended:
            for _ in complaints(source):
                pass
        return ended.value.code, tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "body", "code", "most_read"),
    [
        (b"<filings-3070 a='", b"x", "R4530-007", 2 * MIB),
        (b"<filings-3070><", b"x", "R4530-007", 2 * MIB),
        (b"<!--", b"x", "R4530-007", 2 * MIB),
        (b"<?x ", b"x", "R4530-007", 2 * MIB),
        (b"<filings-3070>", b"<complaint>", "R4530-006", MIB),
        (b"<filings-3070 ", b"a='1' ", "R4530-002", 2 * MIB),
        (b"<!DOCTYPE x [", b"<!ENTITY a 'b'>", "R4530-003", MIB),
        (b"<filings-3070><complaint><id>", b"x", "R4530-002", 65 * MIB),
        (b"<filings-3070><complaint><id><![CDATA[", b"x", "R4530-002", 65 * MIB),
        (b"<filings-3070><complaint>", b" ", "R4530-002", 65 * MIB),
        (b"<filings-3070><complaint>", b"<firm-id>1</firm-id>", "R4530-002", 65 * MIB),
    ],
)
def test_what_has_no_end_is_read_in_bounded_memory(
    head: bytes, body: bytes, code: str, most_read: int
) -> None:
    source = Endless(head, body, most=8 * MIB if most_read > 8 * MIB else 64 * MIB)
    ended_by, grown = growth_mib(source)
    assert ended_by == code
    assert source.given <= most_read
    assert grown < 8


def test_every_bound_is_met_whichever_way_the_bytes_are_cut() -> None:
    content = (SAMPLES / "4530_2026Q4.xml").read_bytes()

    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 7))

    whole = [each.values for each in complaints(io.BytesIO(content))]
    assert [each.values for each in complaints(Dribble(content))] == whole
    assert len(whole) == 41


def no_fault(content: bytes) -> None:
    done = harness().submit("r4530/in", content)
    assert done.fault is None
    assert done.outcome in {"ACCEPTED", "PARTIALLY_REJECTED", "REJECTED"}
    assert bool(done.findings) == (done.outcome != "ACCEPTED")


@given(st.binary(max_size=400))
def test_no_bytes_crash_it(content: bytes) -> None:
    no_fault(content)


@given(st.text(max_size=200), st.sampled_from(sorted(GOOD)))
def test_no_value_crashes_it(text: str, name: str) -> None:
    inside = "".join(f"&#{ord(c)};" if c in "<&>" else c for c in text)
    no_fault(
        filing(
            complaint(**{name.replace("-", "_"): f"<{name}>{inside}</{name}>"})
            .encode("utf-8", "replace")
            .decode()
        )
    )


_NAMES = st.sampled_from(["filings-3070", "complaint", *reader.FIELDS, *reader.GROUPS, "x"])
_TREES = st.recursive(
    st.text("abc019/<&\u2028 ", max_size=8).map(
        lambda text: text.replace("<", "").replace("&", "")
    ),
    lambda inner: st.tuples(_NAMES, st.lists(inner, max_size=4)).map(
        lambda made: f"<{made[0]}>{''.join(made[1])}</{made[0]}>"
    ),
    max_leaves=20,
)


@given(st.lists(_TREES, max_size=5))
@settings(max_examples=200)
def test_no_well_formed_tree_crashes_it(trees: list[str]) -> None:
    no_fault(filing(*trees))
    no_fault(filing(*(f"<complaint>{tree}</complaint>" for tree in trees)))


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_no_damage_to_a_good_file_crashes_it(at: int, put: bytes) -> None:
    content = (SAMPLES / "4530_2026Q4_corrected.xml").read_bytes()
    no_fault(content[:at] + put + content[at + len(put) :])


@pytest.mark.parametrize("name", ["rot13", "idna", "unicode_escape", "utf-7", "x" * 1000, "../x"])
def test_an_encoding_that_is_none_is_a_finding(name: str) -> None:
    done = handled(filing(complaint(), head=f'<?xml version="1.0" encoding="{name}"?>'))
    assert [each.code for each in done.findings] <= ["R4530-010"]
    assert done.outcome == "REJECTED"
