"""The tables of the history: their columns, and how a segment of each is sorted and named."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics import planned, reaction_row, result


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of row. What it says of the columns holds for SQL and for frames."""

    name: str
    columns: Mapping[str, str]
    """Each column's ClickHouse type, in order."""
    order: tuple[str, ...]
    """How the rows of a segment are sorted."""
    identity: tuple[str, ...]
    """Rows alike in these are the same row; a segment's name is made from them."""
    time: str
    """The column whose latest value a segment's name begins with."""

    @property
    def structure(self) -> str:
        """The columns as ClickHouse writes a structure: name type, name type."""
        return ", ".join(f"{name} {kind}" for name, kind in self.columns.items())


RESULTS = Table(
    name="results",
    columns=result.COLUMNS,
    order=("node", "check_name", "finished_at", "result_id", "revision"),
    identity=("result_id", "revision"),
    time="finished_at",
)

BATCHES = Table(
    name="batches",
    columns=planned.COLUMNS,
    order=("created_at", "batch", "check_name", "job_id"),
    identity=("batch", "check_name", "job_id"),
    time="created_at",
)

REACTIONS = Table(
    name="reaction_states",
    columns=reaction_row.COLUMNS,
    order=("decided_at", "id", "revision"),
    identity=("id", "revision"),
    time="decided_at",
)
