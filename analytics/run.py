"""A run: one check over one batch, as a row of the view `runs`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from slurm_hooks.outcome import Outcome


class RunStatus(StrEnum):
    """How far a run is; sql/runs.sql decides it."""

    IN_PROGRESS = "InProgress"
    """Visits have no result yet."""
    COMPLETE = "Complete"
    FAILED = "Failed"
    """The check failed on a node."""
    ERROR = "Error"
    """Nothing failed, but Slurm never took it, or a check or a node broke."""


Job = Mapping[str, object]
"""job_id, node, reason."""


class Run(NamedTuple):
    """A row of the view, its columns in their order."""

    cluster: str
    check_name: str
    batch: str
    """The run's id; the runs of other checks over the batch share it."""
    name: str
    """The Slurm job's."""
    status: str
    planned: int | None
    """Visits; None where nobody wrote down how many there should be."""
    ended: int
    """Visits that have a result."""
    n_pass: int
    n_warn: int
    n_fail: int
    n_error: int
    n_timeout: int
    n_skip: int
    n_preempted: int
    n_cancelled: int
    n_node_fail: int
    n_not_started: int
    failed_jobs: Sequence[Job]
    errored_jobs: Sequence[Job]
    created_at: datetime
    submitted_at: datetime | None
    changed_at: datetime
    duration_s: float | None
    partition: str
    job_id: int
    missing: Sequence[str]
    """Nodes whose visit has no result yet."""

    def count(self, outcome: Outcome) -> int:
        """Return how many visits ended as *outcome*."""
        return int(getattr(self, f"n_{outcome.value}"))


COLUMNS: tuple[str, ...] = tuple(name.removeprefix("n_") for name in Run._fields)
"""What the view calls them."""
