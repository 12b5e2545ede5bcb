"""The fields of `history`, which those of a run's visits are made of."""

import re
from collections.abc import Sequence

from analytics.fields import Field, pairs
from analytics.result import Result
from analytics.usual_fields import (
    check,
    cluster,
    duration,
    job,
    log,
    node,
    outcome,
    partition,
    when,
)

HISTORY_DEFAULT = "finished node check outcome duration job detail"


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts n2 before n10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _RUNS.findall(name)]


_RUNS = re.compile(r"[0-9]+|[^0-9]+")


HISTORY: Sequence[Field[Result]] = (
    when("finished", "when it ended", lambda row: row.finished_at, sacct="end"),
    when("started", "when it began, where it did", lambda row: row.started_at, sacct="start"),
    node(lambda row: row.node),
    check(lambda row: row.check_name),
    outcome("pass warn fail, or why there is no judgement", lambda row: row.outcome),
    duration("how long the check took, in seconds", lambda row: row.duration_s),
    Field(
        name="exit",
        meaning="the program's exit code",
        value=lambda row: row.exit_code,
        aliases=("exitcode",),
        right=True,
    ),
    Field(
        name="signal",
        meaning="the signal that ended the program",
        value=lambda row: row.signal,
        right=True,
    ),
    job("the Slurm job it ran in", lambda row: row.job_id),
    Field(name="batch", meaning="the batch", value=lambda row: row.batch),
    Field(name="task", meaning="the array task", value=lambda row: row.task, right=True),
    Field(
        name="attempt",
        meaning="which start of the task, from 0",
        value=lambda row: row.attempt,
        right=True,
    ),
    partition(lambda row: row.partition),
    cluster(lambda row: row.cluster),
    Field(
        name="evidence",
        meaning="whose word it is: the runner's, or Slurm's",
        value=lambda row: row.evidence,
    ),
    Field(name="result", meaning="the result's id", value=lambda row: row.result_id),
    Field(
        name="detail", meaning="what the check said", value=lambda row: row.detail, flexible=True
    ),
    Field(
        name="metrics",
        meaning="what the check measured",
        value=lambda row: row.metrics,
        text=pairs,
        flexible=True,
    ),
    log(lambda row: row.log_path),
)
