"""The samples of the design guide as golden files: at 60, 80 and 120 columns, in a pipe, in ASCII.

TRANSOM_GOLDEN=write writes them anew; look at what changed before you keep it.
"""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from transom.client.cli import listing, put, show, track
from transom.client.cli.config import Config
from transom.client.cli.connection import Desk
from transom.client.cli.listing import SubSpace
from transom.client.cli.names import BadName, check
from transom.client.cli.progress import Bars, Lines, Silent, watcher
from transom.client.cli.show import Screen, Shared
from transom.client.values import Entry, Finding, Folder, Sent, Submission

GOLDEN = Path(__file__).with_name("golden")
AT = datetime(2026, 11, 20, 20, 36, 2, tzinfo=UTC)
KINDS = {
    "60": Screen(io.StringIO(), io.StringIO(), width=60),
    "80": Screen(io.StringIO(), io.StringIO(), width=80),
    "120": Screen(io.StringIO(), io.StringIO(), width=120),
    "pipe": Screen(io.StringIO(), io.StringIO()),
    "ascii": Screen(io.StringIO(), io.StringIO(), is_unicode=False),
    "color": Screen(io.StringIO(), io.StringIO(), width=80, is_coloured=True),
}
PARTIAL = Submission(
    "7c1e0b52-9a44-4c1d-8f0e-61b7d20c93aa",
    "4530_2026Q4.xml",
    "0001/r4530/in",
    "partially_rejected",
    "Received by FINRA",
    "PARTIALLY_REJECTED",
    AT - timedelta(seconds=233),
    AT,
    user_name="maria.alvarez@northgate.example",
    size=2_308_114,
    sha256="9f2c41d0" + "0" * 48 + "77ab03e6",
    archive_name="20261120153207418_4530_2026Q4.xml",
    findings=(
        Finding("NGS-2026-0312", "branch-zip", "R4530-114", 'Must be 5 digits. Found "6060".'),
        Finding("", "problem", "R4530-207", '"19" is not in the problem code list.'),
    ),
    result_files=("0001/r4530/out/feedback_4530_2026Q4.xml",),
)
REJECTED = Submission(
    "51d7aa90-0000-4c1d-8f0e-61b7d20c93aa",
    "SI_20261113_\u0645\u0644\u0641.txt",
    "0001/shorts/in",
    "rejected",
    "Received by FINRA",
    "REJECTED",
    AT - timedelta(days=3),
    AT - timedelta(days=3),
    findings=(Finding("1", "f", "c", "\x1b[31mred"),),
)


def _screen(kind: str) -> Screen:
    model = KINDS[kind]
    return Screen(
        io.StringIO(),
        io.StringIO(),
        is_coloured=model.is_coloured,
        is_unicode=model.is_unicode,
        width=model.width,
        is_watched=kind.isdigit(),
        zone=ZoneInfo("America/Chicago"),
    )


def _ls(screen: Screen) -> None:
    at = Desk(screen, Config(Path("x")), {})
    file = Entry("a", is_file=True, writable=False, size=18_422, modified=AT)
    spaces = [
        SubSpace(Entry("in", is_file=False, writable=True), (file,)),
        SubSpace(Entry("in_arcv", is_file=False, writable=False), (file,) * 31),
        SubSpace(Entry("out", is_file=False, writable=False), None),
    ]
    listing._show_sub_spaces(at, spaces)
    feedback = Entry("feedback_4530_2026Q4.xml", True, False, 18_422, AT)
    listing._show_files(at, Folder("0001/r4530/out", False, (feedback, file)))


def _put(screen: Screen) -> None:
    for name, size in (("4530_2026Q4.xml", 2_308_114), ("events.xml", 80_000_000)):
        sent = Sent("7c1e0b52-x", "0001/r4530/in", name, size, "9f2c41d0" + "7" * 56, 9.0, True)
        put.received(screen, sent, len("4530_2026Q4.xml"))
    track.answer(screen, PARTIAL, len("4530_2026Q4.xml"))
    screen.next("transom get r4530/out/feedback_4530_2026Q4.xml")


def _track(screen: Screen) -> None:
    track.table(screen, [PARTIAL, REJECTED], "0001")


def _one(screen: Screen) -> None:
    track.details(screen, PARTIAL, "0001")


def _error(screen: Screen) -> None:
    try:
        check("draft#2.xml")
    except BadName as bad:
        bad.add_note("transom put draft#2.xml r4530/in --as draft2.xml")
        screen.error(bad)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "sample", [_ls, _put, _track, _one, _error], ids=lambda each: each.__name__
)
def test_the_samples_look_as_agreed(sample, kind: str) -> None:  # noqa: ANN001
    screen = _screen(kind)
    sample(screen)
    said = f"{screen.out.getvalue()}--- stderr\n{screen.err.getvalue()}"  # type: ignore[attr-defined]
    file = GOLDEN / f"{sample.__name__.strip('_')}-{kind}.txt"
    if os.environ.get("TRANSOM_GOLDEN") == "write":
        file.write_text(said, encoding="utf-8")
    assert said == file.read_text(encoding="utf-8")
    if kind == "ascii":
        assert said.isascii()
    if kind.isdigit() and sample in (_ls, _track):
        assert max(map(len, said.splitlines())) <= int(kind)


@pytest.mark.parametrize(
    ("choice", "environ", "is_terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_decided_by_option_then_environment_then_terminal(
    choice: str, environ: dict[str, str], *, is_terminal: bool, coloured: bool
) -> None:
    assert show.colours(choice, environ, is_terminal) is coloured


@pytest.mark.parametrize(
    ("environ", "encoding", "speaks"),
    [
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8"}, "utf-8", True),
        ({"LC_CTYPE": "C.utf8"}, "utf-8", True),
        ({}, "utf-8", False),
        ({"LANG": "de_DE"}, "iso-8859-1", False),
        ({"LANG": "C.UTF-8"}, None, False),
    ],
)
def test_signs_beyond_ascii_need_a_locale_that_has_them(
    environ: dict[str, str], encoding: str | None, *, speaks: bool
) -> None:
    assert show.speaks_unicode(environ, encoding) is speaks


def test_quiet_leaves_results_and_errors() -> None:
    screen = Screen(io.StringIO(), io.StringIO(), Shared(quiet=True), is_watched=True)
    screen.note("said")
    screen.next("command")
    screen.row("result")
    screen.warn("careful")
    assert screen.out.getvalue() == "result\n"  # type: ignore[attr-defined]
    assert screen.err.getvalue() == "Warning: careful\n"  # type: ignore[attr-defined]
    assert isinstance(watcher(screen, "Sending", 1, has_bars=True), Silent)


def test_a_long_transfer_without_bars_tells_how_far_it_is() -> None:
    now = [0.0]
    screen = Screen(io.StringIO(), io.StringIO())
    with Lines(screen, "Sending", lambda: now[0]) as lines, lines.aside():
        step = lines.started("a.xml", 80_000_000)
        for now[0] in (1.0, 299.0, 300.0, 310.0, 330.0):
            step(int(now[0]) * 100_000, 80_000_000)
        lines.ended("a.xml", "done")
    assert screen.err.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "Sending a.xml, 80.0 MB",
        "Sending a.xml: 30.0 MB of 80.0 MB after 5m",
        "Sending a.xml: 33.0 MB of 80.0 MB after 5m30s",
        "a.xml: done",
    ]


def test_bars_show_the_files_under_way_and_count_the_others() -> None:
    screen = Screen(io.StringIO(), io.StringIO(), is_watched=True)
    bars = watcher(screen, "Sending", 9, has_bars=True)
    assert isinstance(bars, Bars)
    with bars:
        for name in "abcdefg":
            bars.started(f"{name}_[red].xml", 1000)(500, 1000)
        bars.started("unknown.xml", None)(12_300, None)
        bars._progress.refresh()
        with bars.aside():
            screen.row("a line between")
        bars.ended("a_[red].xml", "done")
        bars._progress.refresh()
    said = screen.err.getvalue()  # type: ignore[attr-defined]
    assert "b_[red].xml" in said
    assert "50%" in said
    assert "500 B/1.00 kB" in said
    assert "4 more" in said
    assert "3 more" in said
    assert screen.out.getvalue() == "a line between\n"  # type: ignore[attr-defined]


def test_a_terminal_that_cannot_redraw_gets_lines() -> None:
    screen = Screen(io.StringIO(), io.StringIO(), is_watched=True, is_dumb=True)
    assert isinstance(watcher(screen, "Sending", 1, has_bars=True), Lines)


def test_silence_is_explained_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_SILENCE_SECONDS", 0.0)
    screen = Screen(io.StringIO(), io.StringIO(), is_watched=True)
    with screen.awaiting("filex.example"):
        from cli.shell import until  # noqa: PLC0415

        until(screen.err.getvalue)  # type: ignore[attr-defined]
    assert screen.err.getvalue() == "Waiting for filex.example...\n"  # type: ignore[attr-defined]
