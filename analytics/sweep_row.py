"""One sweep as a row of `sweep_rows`: what it saw, planned and did, or what kept it."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": "String",
        "started_at": "DateTime64(3, 'UTC')",
        "finished_at": "DateTime64(3, 'UTC')",
        "duration_s": "Float64",
        "host": "String",
        "error": "String",
        "nodes": "UInt32",
        "free": "UInt32",
        "verdicts": "Map(String, Float64)",
        "planned": "UInt32",
        "batches": "UInt32",
        "visits": "UInt32",
        "cancelled": "UInt32",
        "settled": "UInt32",
        "ingested": "UInt32",
        "closed": "UInt32",
        "refused": "Array(String)",
        "warnings": "Array(String)",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""


class SweepRow(NamedTuple):
    """A row. A sweep that failed counts nothing: how far it came is in its error."""

    cluster: str
    started_at: datetime
    finished_at: datetime
    duration_s: float
    host: str
    """Where it ran."""
    error: str = ""
    """What kept it from its end; empty where it came to it."""
    nodes: int = 0
    """That Slurm has."""
    free: int = 0
    """Of them, those that could be visited."""
    verdicts: Mapping[str, float] = MappingProxyType({})
    """How many of them the plan found busy, due, fresh and so on, as `cluster-doctor plan` says."""
    planned: int = 0
    """Visits that it planned."""
    batches: int = 0
    """Batches that Slurm took; those of earlier sweeps too, where it did not take them then."""
    visits: int = 0
    """The visits of these."""
    cancelled: int = 0
    """Jobs and array tasks that nobody waits for any more."""
    settled: int = 0
    """Checks whose outcome was read from Slurm's word."""
    ingested: int = 0
    """Results of earlier visits that it took in."""
    closed: int = 0
    """Batches whose last result came."""
    refused: tuple[str, ...] = ()
    """Of each batch that Slurm did not take: why."""
    warnings: tuple[str, ...] = ()


def failed(
    error: str, *, cluster: str, host: str, started_at: datetime, finished_at: datetime
) -> SweepRow:
    """Return the row of a sweep that *error* kept from its end."""
    return SweepRow(
        cluster=cluster,
        started_at=started_at,
        finished_at=finished_at,
        duration_s=lasted(started_at, finished_at),
        host=host,
        error=error,
    )


def lasted(started_at: datetime, finished_at: datetime) -> float:
    """Return how long a sweep took, in seconds; none where the clock was set back meanwhile."""
    return max(0.0, (finished_at - started_at).total_seconds())
