"""One check of one batch as a row of `batches`: what was planned and when Slurm took it."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slurm_hooks.batch import Batch, Submission

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "batch": "String",
        "cluster": "String",
        "created_at": "DateTime64(3, 'UTC')",
        "submitted_at": "Nullable(DateTime64(3, 'UTC'))",
        "partition": "String",
        "job_id": "UInt64",
        "check_name": "String",
        "planned": "UInt32",
        "nodes": "Array(String)",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""


class Planned(NamedTuple):
    """A row. Of two rows of one batch and check the one that knows of a submission counts."""

    batch: str
    cluster: str
    created_at: datetime
    submitted_at: datetime | None
    """None where Slurm never took the batch."""
    partition: str
    job_id: int
    """The array's; 0 where Slurm never took the batch."""
    check_name: str
    planned: int
    """Visits whose list has the check."""
    nodes: tuple[str, ...]
    """Where they go, in the order of their tasks."""


def planned(batch: "Batch", submission: "Submission | None") -> list[Planned]:
    """Return one row for each check of *batch*, in name order."""
    visits = Counter(check for visit in batch.visits for check in set(visit.checks))
    return [
        Planned(
            batch=batch.id,
            cluster=batch.cluster,
            created_at=batch.created_at,
            submitted_at=submission.submitted_at if submission else None,
            partition=batch.partition,
            job_id=submission.job_id if submission else 0,
            check_name=check,
            planned=visits[check],
            nodes=tuple(visit.node for visit in batch.visits if check in visit.checks),
        )
        for check in sorted(visits)
    ]
