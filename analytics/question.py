"""What `history` asks of the store: a filter as ClickHouse SQL with bound parameters; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.result import COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which results; an empty tuple means all."""

    cluster: str
    clusters: tuple[str, ...] | None = None
    """These in its place; an empty tuple means all."""
    since: datetime
    until: datetime
    nodes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    """Ids of Slurm jobs, in digits."""
    columns: Sequence[str] = tuple(COLUMNS)
    """Of `analytics.result`, in the order of the rows; each costs time."""
    newest_first: bool = False
    most: int | None = None
    """No more than so many, in that order."""


def question(wanted: Wanted) -> tuple[str, Mapping[str, object]]:
    """Return the SQL and its parameters; the rows have the wanted columns."""
    window = (
        "finished_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
        " AND finished_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
    )
    chosen = (
        ("cluster", "cluster", (wanted.cluster,) if wanted.clusters is None else wanted.clusters),
        ("node", "node", wanted.nodes),
        ("check_name", "check_name", wanted.checks),
        ("outcome", "outcome", wanted.outcomes),
        ("toString(job_id)", "job", wanted.jobs),
    )
    lists = {name: list(values) for _, name, values in chosen if values}
    given = ((what, name) for what, name, _ in chosen if name in lists)
    conditions = [window, *(f"{what} IN {{{name}:Array(String)}}" for what, name in given)]
    way = "DESC" if wanted.newest_first else "ASC"
    order = ", ".join(f"{name} {way}" for name in _order(wanted.columns))
    sql = (
        f"SELECT {', '.join(wanted.columns)} FROM history "  # noqa: S608 names of ours, values are bound
        f"WHERE {' AND '.join(conditions)} ORDER BY {order}"
    )
    if wanted.most is not None:
        sql += f" LIMIT {wanted.most:d}"
    return sql, {"since": _ms(wanted.since), "until": _ms(wanted.until), **lists}


def _order(columns: Sequence[str]) -> list[str]:
    """Return what rows are sorted by: what is not shown would be read for it, and tell nothing.

    Rows that are alike in all of it look alike. Maps have no order.
    """
    first = ("finished_at", "node", "check_name", "batch", "task", "attempt")
    shown = [name for name in columns if name not in first and name != "metrics"]
    return [*first[:3], *(name for name in first[3:] if name in columns), *shown]


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
