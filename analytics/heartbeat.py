"""When the last sweep ended, as it says itself."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from slurm_hooks.duration import format_duration
from slurm_hooks.files import read_regular


def last_sweep(path: Path) -> datetime | None:
    """Return when the last sweep ended, None where none has (or nobody can tell)."""
    try:
        found = json.loads(read_regular(path, limit=10_000))["finished_at"]
        ended = datetime.fromisoformat(found)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return ended if ended.tzinfo else None


def warning(ended: datetime | None, *, now: datetime, interval: timedelta) -> str | None:
    """Return what a person should know where sweeps come later than three *interval*s apart.

    An end in the future, by more than clocks that are kept together differ, would
    hide for as long that sweeps have stopped.
    """
    if ended is None:
        return "no sweep has ended yet; start one with: cluster-doctor sweep"
    if ended - now > interval:
        return (
            f"the last sweep ended {format_duration(ended - now)} from now: a clock is wrong, "
            "here or where sweeps run"
        )
    if now - ended <= 3 * interval:
        return None
    return (
        f"the last sweep ended {format_duration(now - ended)} ago, and one is due every "
        f"{format_duration(interval)}; is its scrontab or cron entry there and working?"
    )
