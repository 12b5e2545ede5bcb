"""Times are read as sacct reads them."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.timeform import parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 0, 11, 41, tzinfo=BERLIN)

# What `sacct -v -S TEXT` of Slurm 22.05.8 said it looks at, asked at NOW in Berlin.
SACCT = {
    "14:30": "2026-11-22 14:30:00",
    "2:30PM": "2026-11-22 14:30:00",
    "2:30 pm": "2026-11-22 14:30:00",
    "9:05": "2026-11-22 09:05:00",
    "12:00AM": "2026-11-22 00:00:00",
    "23:59:59": "2026-11-22 23:59:59",
    "1120": "2026-11-20 00:00:00",
    "112024": "2024-11-20 00:00:00",
    "1120-13:14:15": "2026-11-20 13:14:15",
    "1120T13:00": "2026-11-20 13:00:00",
    "11.20": "2026-11-20 00:00:00",
    "1.2": "2026-01-02 00:00:00",
    "11/20/24": "2024-11-20 00:00:00",
    "11/20/24-13:14": "2024-11-20 13:14:00",
    "1/2": "2026-01-02 00:00:00",
    "12/31": "2025-12-31 00:00:00",
    "2030-01-02": "2030-01-02 00:00:00",
    "2030-01-02T03:04": "2030-01-02 03:04:00",
    "2030-01-02T03:04:05": "2030-01-02 03:04:05",
    "2030-01-02T3:04": "2030-01-02 03:04:00",
    "2030-01-02-13:00": "2030-01-02 13:00:00",
    "today": "2026-11-22 00:00:00",
    "midnight": "2026-11-22 00:00:00",
    "noon": "2026-11-22 12:00:00",
    "fika": "2026-11-22 15:00:00",
    "FIKA": "2026-11-22 15:00:00",
    "teatime": "2026-11-22 16:00:00",
    "tomorrow": "2026-11-23 00:00:00",
    "now": "2026-11-22 00:11:41",
    "now-7days": "2026-11-15 00:11:41",
    "now-1day": "2026-11-21 00:11:41",
    "now - 2days": "2026-11-20 00:11:41",
    "now-1week": "2026-11-15 00:11:41",
    "now-2weeks": "2026-11-08 00:11:41",
    "now+60": "2026-11-22 00:12:41",
    "now-60": "2026-11-22 00:10:41",
    "now-5seconds": "2026-11-22 00:11:36",
    "now-60minutes": "2026-11-21 23:11:41",
    "now-2hours": "2026-11-21 22:11:41",
    "now-2hour": "2026-11-21 22:11:41",
}

REFUSED = ["", "soon", "25:00", "13:00PM", "now-2h", "now-5min", "now-1days2hours", "02/30"]
REFUSED += ["2030-1-2", "11/20/2024", "noon-2030", "0229", "now-", "2030-13-01", "14:30x"]


@pytest.mark.parametrize("text", SACCT)
def test_every_form_means_what_it_means_to_sacct(text: str) -> None:
    expected = datetime.fromisoformat(SACCT[text]).replace(tzinfo=BERLIN)
    assert parse_time(text, now=NOW, zone=BERLIN) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_names_no_moment_is_refused_with_an_example_of_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write it like 2030-11-21T14:30"):
        parse_time(text, now=NOW, zone=BERLIN)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_iso_time_is_read_back_to_the_second(moment: datetime) -> None:
    assert parse_time(f"{moment:%4Y-%m-%dT%H:%M:%S}", now=NOW, zone=UTC) == moment.replace(
        microsecond=0
    )


@given(st.integers(0, 10**8), st.sampled_from(["+", "-"]))
def test_seconds_are_added_to_now_across_changes_of_the_clock(count: int, sign: str) -> None:
    moved = parse_time(f"now{sign}{count}", now=NOW, zone=BERLIN)
    assert moved - NOW == timedelta(seconds=count if sign == "+" else -count)


@given(st.text(alphabet="0123456789-/.:T apmnow+days", max_size=20))
def test_any_text_is_a_moment_in_utc_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_time(text, now=NOW, zone=BERLIN).tzinfo is UTC


@given(st.dates(min_value=date(2025, 11, 22), max_value=NOW.astimezone(UTC).date()))
def test_a_date_without_a_year_is_the_latest_one_that_is_not_to_come(day: date) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert parse_time(f"{day:%m/%d}", now=NOW, zone=UTC) == midnight
