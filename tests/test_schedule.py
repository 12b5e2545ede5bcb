"""What a cron expression means at one moment."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.schedule import LOCAL, Scheduled, check_schedule, scheduled

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")])
EXPRESSIONS = st.sampled_from(
    ["0 3 * * *", "30 2 * * *", "*/15 * * * *", "0 */6 * * 1-5", "5 0 1 * *", "0 2,3 * * SUN"]
)
START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(), timedelta(days=730)).map(lambda after: START + after)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.fixture
def local_berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def test_the_times_around_now_are_found() -> None:
    found = scheduled("0 3 * * *", now=berlin("2026-11-21T12:00"), zone=BERLIN)
    assert found == Scheduled(last=berlin("2026-11-21T03:00"), next=berlin("2026-11-22T03:00"))


def test_a_scheduled_time_has_come_in_its_first_second() -> None:
    at = berlin("2026-11-21T03:00")
    assert scheduled("0 3 * * *", now=at, zone=BERLIN).last == at
    earlier = scheduled("0 3 * * *", now=at - timedelta(milliseconds=1), zone=BERLIN)
    assert earlier == Scheduled(last=berlin("2026-11-20T03:00"), next=at)


def test_a_time_that_the_clocks_skip_comes_right_after_the_gap() -> None:
    noon = berlin("2026-03-29T12:00")
    assert scheduled("30 2 * * *", now=noon, zone=BERLIN).last == berlin("2026-03-29T03:00")


def test_a_time_that_the_clocks_repeat_comes_once() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for minutes in (0, 30, 60, 90):
        found = scheduled("30 2 * * *", now=first + timedelta(minutes=minutes), zone=BERLIN)
        assert found.last == first
        assert found.next == berlin("2026-10-26T02:30")


def test_the_gap_itself_has_a_last_time_and_a_next() -> None:
    before = berlin("2026-03-29T01:59:59")
    found = scheduled("30 2 * * *", now=before, zone=BERLIN)
    assert found == Scheduled(last=berlin("2026-03-28T02:30"), next=berlin("2026-03-29T03:00"))


def test_a_rare_time_is_found_far_back() -> None:
    found = scheduled("0 0 29 2 *", now=datetime(2027, 6, 1, tzinfo=UTC), zone=UTC)
    assert found.last == datetime(2024, 2, 29, tzinfo=UTC)


@given(expression=EXPRESSIONS, now=MOMENTS, zone=ZONES)
def test_now_lies_between_the_last_time_and_the_next(
    expression: str, now: datetime, zone: ZoneInfo
) -> None:
    found = scheduled(expression, now=now, zone=zone)
    assert found.last is not None
    assert found.last <= now < found.next
    assert scheduled(expression, now=found.last, zone=zone).last == found.last
    assert scheduled(expression, now=found.next, zone=zone).last == found.next


@pytest.mark.usefixtures("local_berlin")
def test_the_local_zone_is_the_host_s_in_summer_winter_and_between() -> None:
    for half_hours in range(2 * 24 * 365):
        now = START + timedelta(minutes=30 * half_hours)
        assert now.astimezone(LOCAL).replace(tzinfo=None) == now.astimezone(BERLIN).replace(
            tzinfo=None
        )
        assert now.astimezone(LOCAL).astimezone(UTC) == now
    for day in (*range(0, 365, 60), *range(86, 90), *range(296, 300)):
        now = START + timedelta(days=day, minutes=95)
        for expression in ("30 2 * * *", "*/20 * * * *"):
            assert scheduled(expression, now=now) == scheduled(expression, now=now, zone=BERLIN)


def test_spaces_do_not_matter() -> None:
    assert check_schedule(" 0  3 * * mon-fri ") == "0 3 * * mon-fri"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "'' has 0 fields of 5"),
        ("@daily", "'@daily' has 1 fields of 5"),
        ("0 0 3 * * *", "'0 0 3 * * *' has 6 fields of 5"),
        ("60 3 * * *", "'60 3 * * *': its minute is wrong"),
        ("0 3 * * xyz", "'0 3 * * xyz': its day-of-week is wrong"),
        ("0 0 30 2 *", "'0 0 30 2 *': its day-of-month is wrong"),
        ("0 0 */20 * 1L", "'0 0 */20 * 1L' is a time that never comes"),
    ],
)
def test_what_cron_would_not_take_is_refused_with_the_remedy(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match="write minute, hour, day") as caught:
        check_schedule(expression)
    assert str(caught.value).startswith(reason)


@given(st.text(alphabet="0123456789*/-,L#W MONJAN\u00b2", max_size=20))
def test_any_text_is_taken_or_refused_in_words(text: str) -> None:
    try:
        scheduled(check_schedule(text), now=datetime(2026, 11, 21, tzinfo=UTC), zone=UTC)
    except ValueError as error:
        assert "; write minute" in str(error)  # noqa: PT017 either way is right
