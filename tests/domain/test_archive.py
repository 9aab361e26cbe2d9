"""The archive's names and the ends of retention, through every trick of the local calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.archive import archive_name, archive_names, ends_after, starts_before
from transom.domain.names import STORED_NAME_BYTES, UPLOAD_NAME_BYTES, parse_file_name

EASTERN = ZoneInfo("America/New_York")
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)

# Zones in which days have 23, 23.5, 24, 24.5 and 25 hours, lack their midnight, have it twice, or
# (in Samoa, 30 December 2011) do not take place.
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in (
            "America/New_York",
            "UTC",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "America/Havana",
            "Pacific/Apia",
        )
    ]
)
INSTANTS = st.datetimes(datetime(2005, 1, 1), datetime(2095, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
DAYS = st.integers(0, 400)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def prefixes(received: str, count: int) -> list[str]:
    return [name[:17] for name in islice(archive_names("f", at(received), EASTERN), count)]


# --- names ---------------------------------------------------------------------------------------


def test_an_archive_name_has_the_form_of_the_guides_example() -> None:
    received_at = at("2019-03-22T19:05:21.330-04:00")

    assert archive_name("file1.zip", received_at, EASTERN) == "20190322190521330_file1.zip"


@pytest.mark.parametrize(
    ("received", "prefix"),
    [
        ("2026-07-01T03:59:59.999+00:00", "20260630235959999"),  # still yesterday in the east
        ("2026-01-01T04:59:59.999+00:00", "20251231235959999"),
        ("2026-01-01T05:00:00+00:00", "20260101000000000"),
        ("2026-07-01T12:00:00.000999+00:00", "20260701080000000"),  # cut, not rounded
        ("2026-07-01T12:00:00.007+00:00", "20260701080000007"),
        ("2028-02-29T12:00:00+00:00", "20280229070000000"),
        ("2026-11-20T14:36:10+05:30", "20261120040610000"),  # whatever zone it is given in
    ],
)
def test_the_prefix_is_local_time_to_the_millisecond(received: str, prefix: str) -> None:
    assert archive_name("f", at(received), EASTERN) == f"{prefix}_f"


def test_the_longest_name_that_can_be_uploaded_is_archived_under_a_legal_name() -> None:
    name = archive_name("a" * UPLOAD_NAME_BYTES, at("2026-07-01T12:00:00+00:00"), EASTERN)

    assert len(parse_file_name(name)) == STORED_NAME_BYTES


def test_the_first_name_to_try_is_the_true_one_and_each_next_is_a_millisecond_further() -> None:
    assert prefixes("2026-12-31T23:59:59.998-05:00", 4) == [
        "20261231235959998",
        "20261231235959999",
        "20270101000000000",
        "20270101000000001",
    ]


def test_in_the_hour_that_comes_twice_two_uploads_meet_and_the_second_gives_way() -> None:
    daylight, standard = "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"

    assert prefixes(daylight, 1) == prefixes(standard, 1) == ["20261101013000000"]
    assert prefixes(standard, 2)[1] == "20261101013000001"


def test_names_go_back_an_hour_where_the_clock_does() -> None:
    assert prefixes("2026-11-01T01:59:59.999-04:00", 2) == [
        "20261101015959999",
        "20261101010000000",
    ]


def test_no_name_lies_in_the_hour_that_is_left_out() -> None:
    assert prefixes("2027-03-14T01:59:59.998-05:00", 4) == [
        "20270314015959998",
        "20270314015959999",
        "20270314030000000",
        "20270314030000001",
    ]


@given(
    INSTANTS
    | st.integers(-4_000_000, 4_000_000).map(
        lambda ms: at("2027-03-14T07:00:00+00:00") + ms * MILLISECOND
    )
)
def test_every_prefix_is_a_moment_that_the_local_clock_shows(received_at: datetime) -> None:
    prefix = archive_name("f", received_at, EASTERN)[:17]

    shown = datetime.strptime(prefix + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=EASTERN)
    there_and_back = shown.astimezone(UTC).astimezone(EASTERN)
    assert there_and_back.replace(tzinfo=None) == shown.replace(tzinfo=None)


# --- how long something is kept ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-06-10T00:00:00-04:00", "2026-07-11T00:00:00-04:00"),  # the first instant of a day
        ("2026-06-10T23:59:59.999999-04:00", "2026-07-11T00:00:00-04:00"),  # and the last
        ("2026-06-11T03:59:59+00:00", "2026-07-11T00:00:00-04:00"),  # another day in UTC
        ("2026-10-15T12:00:00-04:00", "2026-11-15T00:00:00-05:00"),  # an hour more
        ("2027-02-20T12:00:00-05:00", "2027-03-23T00:00:00-04:00"),  # an hour less
        ("2026-11-01T01:30:00-04:00", "2026-12-02T00:00:00-05:00"),  # in the hour that comes twice
        ("2026-11-01T01:30:00-05:00", "2026-12-02T00:00:00-05:00"),  # both times
        ("2026-10-01T12:00:00-04:00", "2026-11-01T00:00:00-04:00"),  # until the long day begins
        ("2026-10-02T12:00:00-04:00", "2026-11-02T00:00:00-05:00"),  # until it is over
        ("2027-02-12T12:00:00-05:00", "2027-03-15T00:00:00-04:00"),  # until the short one is
        ("2026-12-15T12:00:00-05:00", "2027-01-15T00:00:00-05:00"),  # into the next year
        ("2026-12-31T23:59:59-05:00", "2027-01-31T00:00:00-05:00"),
        ("2027-02-10T12:00:00-05:00", "2027-03-13T00:00:00-05:00"),  # February of 28 days
        ("2028-02-10T12:00:00-05:00", "2028-03-12T00:00:00-05:00"),  # February of 29 days
        ("2028-01-29T12:00:00-05:00", "2028-02-29T00:00:00-05:00"),
        ("2028-02-29T12:00:00-05:00", "2028-03-31T00:00:00-04:00"),
    ],
)
def test_a_file_received_on_a_day_stays_through_the_30th_day_after_it(start: str, end: str) -> None:
    assert ends_after(at(start), 30, EASTERN) == at(end)


def test_what_is_kept_for_no_days_goes_at_midnight() -> None:
    assert ends_after(at("2026-06-10T12:00:00-04:00"), 0, EASTERN) == at("2026-06-11T00:00-04:00")


def test_a_submission_shows_in_tracking_through_the_90th_day() -> None:
    last = at("2026-09-08T23:59:59-04:00")

    assert starts_before(last, 90, EASTERN) == at("2026-06-10T00:00-04:00")
    assert starts_before(last + timedelta(seconds=1), 90, EASTERN) == at("2026-06-11T00:00-04:00")


@given(INSTANTS, DAYS, ZONES)
def test_ends_and_starts_are_instants_in_utc(start: datetime, days: int, zone: ZoneInfo) -> None:
    assert ends_after(start, days, zone).tzinfo is UTC
    assert starts_before(start, days, zone).tzinfo is UTC


@given(INSTANTS, DAYS, ZONES)
def test_what_is_kept_begins_no_later_than_it_ends(
    start: datetime, days: int, zone: ZoneInfo
) -> None:
    assert ends_after(start, days, zone) > start
    assert starts_before(start, days, zone) <= start


@given(INSTANTS, DAYS, ZONES, st.timedeltas(timedelta(0), timedelta(days=450)))
def test_the_two_rules_agree_on_what_is_kept_at_any_later_instant(
    start: datetime, days: int, zone: ZoneInfo, later: timedelta
) -> None:
    now = start + later

    assert (starts_before(now, days, zone) <= start) == (now < ends_after(start, days, zone))


@given(INSTANTS, DAYS, ZONES)
def test_the_two_rules_agree_to_the_microsecond(start: datetime, days: int, zone: ZoneInfo) -> None:
    end = ends_after(start, days, zone)

    assert starts_before(end - MICROSECOND, days, zone) <= start
    assert starts_before(end, days, zone) > start
