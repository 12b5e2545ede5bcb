"""The ways to write a moment that sacct(1) takes for --starttime and --endtime; pure."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
_NOW = re.compile(r"now(?:\s*(?P<sign>[+-])\s*(?P<count>\d{1,9})\s*(?P<unit>[a-z]*))?")
_TIME = re.compile(rf"{_CLOCK}\s*(?P<half>am|pm)?")
_DATES = (
    re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?:[t-]{_CLOCK})?"),
    re.compile(rf"(?P<month>\d{{2}})(?P<day>\d{{2}})(?P<year>\d{{2}})?(?:[t-]{_CLOCK})?"),
    re.compile(rf"(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?:/(?P<year>\d{{2}}))?(?:[t-]{_CLOCK})?"),
    re.compile(
        rf"(?P<month>\d{{1,2}})\.(?P<day>\d{{1,2}})(?:\.(?P<year>\d{{2}}))?(?:[t-]{_CLOCK})?"
    ),
)
_HOURS = {"today": 0, "midnight": 0, "noon": 12, "fika": 15, "teatime": 16}


def parse_time(text: str, *, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return in UTC the moment that *text* names at *now*, in *zone* (None: this machine's).

    A time without a date is today's. A date without a year is the latest one that is
    not in the future, as in sacct; unlike there, the 30th of February is refused.

    Raises:
        ValueError: *text* names no moment; the message says how to write one.
    """
    low = text.strip().lower()
    try:
        if found := _NOW.fullmatch(low):
            return now.astimezone(UTC) + _offset(found)
        local = _local(low, now.astimezone(zone))
        return (local.replace(tzinfo=zone) if zone else local.astimezone()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is not a time; write it like 2030-11-21T14:30, 11/21, 14:30, today "
            "or now-7days (all forms of sacct(1) are known)"
        ) from error


def _offset(found: re.Match[str]) -> timedelta:
    if not found["sign"]:
        return timedelta(0)
    unit = found["unit"]
    name = "second" if not unit else unit.removesuffix("s")
    if name not in _UNITS_S:
        raise ValueError(unit)
    length = timedelta(seconds=int(found["count"]) * _UNITS_S[name])
    return length if found["sign"] == "+" else -length


def _local(low: str, now: datetime) -> datetime:
    """Return the local time that *low* names, without a zone."""
    if low == "tomorrow":
        return datetime.combine(now.date() + timedelta(days=1), time())
    if low in _HOURS:
        return datetime.combine(now.date(), time(_HOURS[low]))
    if found := _TIME.fullmatch(low):
        return datetime.combine(now.date(), _clock(found, found["half"]))
    for form in _DATES:
        if found := form.fullmatch(low):
            return datetime.combine(_date(found, now.date()), _clock(found))
    raise ValueError(low)


def _clock(found: re.Match[str], half: str | None = None) -> time:
    if found["hour"] is None:
        return time()
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(found[0])
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute, second)


def _date(found: re.Match[str], today: date) -> date:
    month, day = int(found["month"]), int(found["day"])
    if found["year"]:
        century = 2000 if len(found["year"]) == 2 else 0
        return date(century + int(found["year"]), month, day)
    later = (month, day) > (today.month, today.day)
    return date(today.year - later, month, day)
