"""One line under the status table: how many of what, and when somebody last looked."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from analytics.status_rows import Line
from slurm_hooks.duration import format_duration
from slurm_hooks.outcome import Outcome


def summary(rows: Collection[Line], ended: datetime | None, now: datetime) -> str:
    """Return the counts by judgement, those without one, and the age of the last sweep."""
    counts = Counter(row.standing.judged.outcome if row.standing.judged else "" for row in rows)
    unsure = sum(row.confirmed is False for row in rows)
    parts = [
        f"{counts[outcome.value]:,} {outcome.value}"
        + (f" ({unsure:,} to be confirmed)" if outcome is Outcome.FAIL and unsure else "")
        for outcome in Outcome
        if outcome.judged and counts[outcome.value]
    ]
    if counts[""]:
        parts.append(f"{counts['']:,} not judged yet")
    total = counts.total()
    counted = f"{total:,} {'check' if total == 1 else 'checks'}"
    return "; ".join(
        [": ".join([counted, ", ".join(parts)]) if parts else counted, swept(ended, now)]
    )


def swept(ended: datetime | None, now: datetime) -> str:
    """Return when the last sweep ended."""
    return "no sweep yet" if ended is None else f"last sweep {format_duration(now - ended)} ago"
