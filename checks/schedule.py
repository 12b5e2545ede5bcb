"""Cron expressions: when a check was scheduled last, and when it will be next."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_JUMP = timedelta(hours=3)
"""More than any clock is put forward or back at once."""
_SECOND = timedelta(seconds=1)
_FAR_BACK = timedelta(days=50 * 366)
_EXAMPLE = 'write minute, hour, day, month and weekday, like "0 3 * * *" for daily at 03:00'


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One expression at one moment; times are UTC."""

    last: datetime | None
    """The latest scheduled time that has come; None where there was none in 50 years."""
    next: datetime
    """The first that is still to come."""


class LocalZone(tzinfo):
    """The host's local time by the C library, so that TZ and /etc/localtime count as for cron."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return the offset that holds at the local time *dt* (PEP 495 for the doubled hour)."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002 tzinfo's signature
        """Return nothing: only the offset as a whole is known."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """Return the zone's abbreviation."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """Return the local time of *dt*, which holds UTC."""
        seconds = dt.replace(tzinfo=UTC, microsecond=0).timestamp()
        local = datetime.fromtimestamp(seconds, tz=None)  # noqa: DTZ006 with its fold
        return local.replace(microsecond=dt.microsecond, tzinfo=self)


LOCAL = LocalZone()


def check_schedule(expression: str) -> str:
    """Return *expression*, with single spaces.

    Raises:
        ValueError: cron would not take it, or its time never comes; the message says how
            to write one.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"{expression!r} has {len(fields)} fields of 5; {_EXAMPLE}")
    text = " ".join(fields)
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        field = re.sub(r"^Bad ", "its ", str(error))
        raise ValueError(f"{text!r}: {field} is wrong; {_EXAMPLE}") from None
    except StopIteration:
        raise ValueError(f"{text!r} is a time that never comes; {_EXAMPLE}") from None
    return text


def scheduled(expression: str, *, now: datetime, zone: tzinfo = LOCAL) -> Scheduled:
    """Return the scheduled times around *now*; the one that is now has come.

    As Debian's cron does: a fixed time that the clocks skip in spring comes right after
    the gap, and one that they repeat in autumn counts the first time only (cron(8)).
    """
    return Scheduled(last=_last(expression, now, zone), next=_next(expression, now, zone))


def _next(expression: str, after: datetime, zone: tzinfo) -> datetime:
    """Return the first scheduled time later than *after*.

    CronSim walks along the clock on the wall, which may stand earlier than *after* said.
    """
    start = (after.astimezone(UTC) - _JUMP).replace(microsecond=0)
    coming = (one.astimezone(UTC) for one in CronSim(expression, start.astimezone(zone)))
    return next((one for one in coming if one > after), _NEVER)


def _last(expression: str, now: datetime, zone: tzinfo) -> datetime | None:
    """Return the latest scheduled time that is not after *now*, found by bisection.

    CronSim's own way back does not get past a time that the clocks skip.
    """
    back = timedelta(minutes=1)
    while _next(expression, now - back, zone) > now:
        back *= 2
        if back > _FAR_BACK:
            return None
    early, late = now - back, now
    while late - early > _SECOND:
        middle = early + (late - early) / 2
        if _next(expression, middle, zone) <= now:
            early = middle
        else:
            late = middle
    return _next(expression, early, zone)
