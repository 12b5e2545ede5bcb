"""The tables of the history: their columns, and how a segment of each is sorted and named."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics import coverage_row, node_state, planned, reaction_row, result, sweep_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of row. What it says of the columns holds for SQL and for frames."""

    name: str
    columns: Mapping[str, str]
    """Each column's ClickHouse type, in order."""
    order: tuple[str, ...]
    """How the rows of a segment are sorted."""
    identity: tuple[str, ...]
    """Rows alike in these tell of the same thing."""
    latest: tuple[tuple[str, bool], ...]
    """Which of these rows counts: the first by these columns, each with whether it descends."""
    key: str
    """The same in all rows that tell of one thing, and greater for later things."""
    time: str
    """When what a row tells of happened; retention goes by it."""

    @property
    def structure(self) -> str:
        """The columns as ClickHouse writes a structure: name type, name type."""
        return ", ".join(f"{name} {kind}" for name, kind in self.columns.items())


RESULTS = Table(
    name="results",
    columns=result.STORED,
    order=("node", "check_name", "finished_at", "batch", "task", "attempt", "revision"),
    identity=("cluster", "node", "check_name", "batch", "task", "attempt"),
    latest=(("revision", True), ("ingested_at", False)),
    key="batch",
    time="finished_at",
)

BATCHES = Table(
    name="batches",
    columns=planned.COLUMNS,
    order=("batch", "check_name", "submitted_at", "job_id"),
    identity=("cluster", "batch", "check_name"),
    latest=(("submitted_at", True),),
    key="batch",
    time="created_at",
)

REACTIONS = Table(
    name="reaction_states",
    columns=reaction_row.COLUMNS,
    order=("decided_at", "id", "revision"),
    identity=("cluster", "node", "check_name", "id"),
    latest=(("revision", True),),
    key="decided_at",
    time="decided_at",
)

SWEEPS = Table(
    name="sweep_rows",
    columns=sweep_row.COLUMNS,
    order=("started_at",),
    identity=("cluster", "started_at"),
    latest=(("finished_at", True),),
    key="started_at",
    time="started_at",
)

NODES = Table(
    name="node_states",
    columns=node_state.COLUMNS,
    order=("seen_at", "node"),
    identity=("cluster", "node", "seen_at"),
    latest=(("seen_at", True),),
    key="seen_at",
    time="seen_at",
)

COVERAGE = Table(
    name="coverage_samples",
    columns=coverage_row.COLUMNS,
    order=("at", "check_name"),
    identity=("cluster", "check_name", "at"),
    latest=(("at", True),),
    key="at",
    time="at",
)

TABLES = (RESULTS, BATCHES, REACTIONS, SWEEPS, NODES, COVERAGE)
