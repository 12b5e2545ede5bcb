"""What the last sweep says of itself: when it ended, and which fails it wants confirmed."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from analytics.standing import Confirm
from slurm_hooks.duration import format_duration
from slurm_hooks.files import read_regular

_MAX_BYTES = 10_000_000

Beat = Mapping[str, object]
"""What a sweep left at its end; empty where none did, or nobody can tell."""


def read_beat(path: Path) -> Beat:
    """Return what the last sweep that came to its end says of itself."""
    try:
        found = json.loads(read_regular(path, limit=_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def last_sweep(beat: Beat) -> datetime | None:
    """Return when the last sweep ended, None where none has (or nobody can tell)."""
    try:
        ended = datetime.fromisoformat(str(beat.get("finished_at")))
    except ValueError:
        return None
    return ended if ended.tzinfo else None


def confirmations(beat: Beat) -> dict[str, Confirm]:
    """Return, of the checks whose fails must repeat to count, how many of how many must."""
    found = beat.get("confirm")
    if not isinstance(found, dict):
        return {}
    return {
        str(check): (rule[0], rule[1])
        for check, rule in found.items()
        if isinstance(rule, list) and len(rule) == 2 and all(isinstance(n, int) for n in rule)
    }


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
