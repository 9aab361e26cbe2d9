"""How sizes, times, digests and other people's text are written."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.client.cli import words
from transom.client.cli.exits import WrongUse

EASTERN = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (18_422, "18.4 kB"),
        (2_308_114, "2.31 MB"),
        (80_000_000, "80.0 MB"),
        (999_499, "999 kB"),
        (999_950, "1.00 MB"),
        (5_000_000_000, "5.00 GB"),
        (123_456_789_012_345, "123 TB"),
    ],
)
def test_a_size_has_three_significant_digits(count: int, text: str) -> None:
    assert words.size(count) == text


@given(st.integers(1000, 10**17))
def test_every_size_fits_in_seven_columns(count: int) -> None:
    assert len(words.size(count)) <= len("1.23 MB") + 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (9.4, "9s"),
        (59.7, "1m"),
        (130, "2m10s"),
        (233, "3m53s"),
        (1800, "30m"),
        (7200, "2h"),
        (7500, "2h5m"),
        (93_600, "26h"),
        (12 * 86_400, "12d"),
        (-3, "0s"),
    ],
)
def test_a_time_span_is_short(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1w", 604_800)]
)
def test_a_time_span_is_read(text: str, seconds: float) -> None:
    assert words.seconds_of(text, "--x") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "1.5h", "1y"])
def test_what_is_no_time_span_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(WrongUse, match="--x"):
        words.seconds_of(text, "--x")


def test_since_takes_an_age_a_date_and_an_instant() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert words.since("7d", now) == datetime(2026, 11, 13, 12, tzinfo=UTC)
    assert words.since("2026-11-01T10:00:00+01:00", now) == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert words.since("2026-11-01", now) == datetime(2026, 11, 1).astimezone()
    with pytest.raises(WrongUse, match="--since"):
        words.since("yesterday", now)


def test_one_zone_stands_in_the_head() -> None:
    instants = [datetime(2026, 11, 20, 20, 36, tzinfo=UTC), None]
    assert words.moments(instants, EASTERN) == (" (EST)", ("2026-11-20 15:36", ""))
    assert words.moments([], EASTERN) == ("", ())


def test_at_the_end_of_summer_time_each_cell_has_its_zone() -> None:
    instants = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6)]
    assert words.moments(instants, EASTERN) == (
        "",
        ("2026-11-01 01:30 EDT", "2026-11-01 01:30 EST"),
    )


def test_a_zone_without_an_abbreviation_is_its_offset() -> None:
    assert (
        words.zone_of(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("America/Sao_Paulo")) == "UTC-0300"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain.txt", "plain.txt"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\u202eb", r"a\u202eb"),
        ("a\x9bb", r"a\x9bb"),
        ("\u0645\u0644\u0641", "\u0645\u0644\u0641"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_what_a_terminal_could_obey_is_written_out(text: str, seen: str) -> None:
    assert words.visible(text) == seen


@given(st.text())
def test_visible_text_has_no_control_character(text: str) -> None:
    assert all(
        each.isprintable() for each in words.visible(text).replace("\u3000", " ") if each.isascii()
    )
    assert words.visible(text, ascii_only=True).isascii()


def test_ids_are_short_where_that_is_unique() -> None:
    ids = ["7c1e0b52-1", "7c1e0b52-2", "b0447d19-1"]
    assert list(words.short_ids(ids).values()) == ["7c1e0b52-1", "7c1e0b52-2", "b0447d19"]


def test_a_long_name_loses_its_middle() -> None:
    assert words.shortened("4530_2026Q4.xml", 15) == "4530_2026Q4.xml"
    assert words.width(words.shortened("a_very_long_name.xml", 12)) == 12


def test_wide_characters_take_two_columns() -> None:
    assert words.width("\u6f22a\u0301") == 3


def test_a_message_parts_in_what_and_the_rest() -> None:
    assert words.sentences('"." is bad. Use a-z . For example x') == (
        '"." is bad.',
        "Use a-z . For example x",
    )
    assert words.sentences("Only this.") == ("Only this.", "")
