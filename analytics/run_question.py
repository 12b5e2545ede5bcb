"""What `runs` asks of the store: filters as ClickHouse SQL with bound parameters; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analytics.result import Result
from analytics.run import COLUMNS

Question = tuple[str, Mapping[str, object]]

_OF_NODES = (
    "(check_name, batch) IN ("
    "SELECT check_name, batch FROM results WHERE node IN {nodes:Array(String)} UNION ALL "
    "SELECT check_name, batch FROM batches WHERE hasAny(nodes, {nodes:Array(String)}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRuns:
    """Which runs; an empty tuple or None means all."""

    cluster: str
    clusters: tuple[str, ...] | None = None
    """These in its place; an empty tuple means all."""
    last_only: bool = False
    """Of each check only the last of those that `since`, `until` and `nodes` leave."""
    since: datetime | None = None
    until: datetime | None = None
    """Runs that were planned between these; the id says when, to the second."""
    batch: str | None = None
    nodes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    newest_first: bool = False


def runs_question(wanted: WantedRuns) -> Question:
    """Return the SQL and its parameters; the rows come in the order of `analytics.run`.

    The last run of each check comes by check, all runs by time.
    """
    chosen, bound = _keys(wanted)
    conditions = [*chosen]
    if wanted.last_only:
        # Twice: the batch alone reaches the tables' rows before anything is counted.
        last = f"max(batch) FROM ({_every(chosen)}) GROUP BY cluster, check_name"
        conditions += [
            f"batch IN (SELECT {last})",
            f"(cluster, check_name, batch) IN (SELECT cluster, check_name, {last})",
        ]
    if wanted.outcomes:
        conditions.append(f"({' OR '.join(f'{name} > 0' for name in wanted.outcomes)})")
    way = "DESC" if wanted.newest_first else "ASC"
    order = ("check_name", "batch") if wanted.last_only else ("batch", "check_name")
    sql = (
        f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {' AND '.join(conditions)} "  # noqa: S608
        f"ORDER BY {', '.join(f'{name} {way}' for name in order)}"
    )
    return sql, bound


def visits_question(wanted: WantedRuns) -> Question:
    """Return the SQL for the results that count in the runs of one batch."""
    chosen, bound = _keys(wanted)
    sql = f"SELECT {', '.join(Result._fields)} FROM visits WHERE {' AND '.join(chosen)}"  # noqa: S608
    return sql, bound


def _keys(wanted: WantedRuns) -> tuple[Sequence[str], Mapping[str, object]]:
    """Return what chooses runs by what they are, not by how they went."""
    clusters = (wanted.cluster,) if wanted.clusters is None else wanted.clusters
    parts: list[tuple[str, str, object]] = []
    if clusters:
        parts.append(("cluster IN {clusters:Array(String)}", "clusters", list(clusters)))
    if wanted.batch is not None:
        parts.append(("batch = {batch:String}", "batch", wanted.batch))
    if wanted.since is not None:
        parts.append(("batch >= {since:String}", "since", _at(wanted.since)))
    if wanted.until is not None:
        parts.append(("batch <= {until:String}", "until", f"{_at(wanted.until)}~"))
    if wanted.checks:
        parts.append(("check_name IN {checks:Array(String)}", "checks", list(wanted.checks)))
    if wanted.nodes:
        parts.append((_OF_NODES, "nodes", list(wanted.nodes)))
    return [text for text, _, _ in parts] or ["1"], {name: value for _, name, value in parts}


def _every(chosen: Sequence[str]) -> str:
    condition = " AND ".join(chosen)
    return " UNION ALL ".join(
        f"SELECT cluster, check_name, batch FROM {table} WHERE {condition}"  # noqa: S608 bound
        for table in ("results", "batches")
    )


def _at(time: datetime) -> str:
    """Return how the ids of batches begin that are made at *time*."""
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"
