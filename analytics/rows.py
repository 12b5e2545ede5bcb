"""The fields of `history`, which those of a run's visits are made of."""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from analytics.fields import Chosen, Field, pairs
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
        kind=int,
        right=True,
    ),
    Field(
        name="signal",
        meaning="the signal that ended the program",
        value=lambda row: row.signal,
        kind=int,
        right=True,
    ),
    job("the Slurm job it ran in", lambda row: row.job_id),
    Field(name="batch", meaning="the batch", value=lambda row: row.batch),
    Field(name="task", meaning="the array task", value=lambda row: row.task, kind=int, right=True),
    Field(
        name="attempt",
        meaning="which start of the task, from 0",
        value=lambda row: row.attempt,
        kind=int,
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
        kind=dict,
        flexible=True,
    ),
    log(lambda row: row.log_path),
)

_COLUMN_OF: Mapping[str, str] = {
    "finished": "finished_at",
    "started": "started_at",
    "check": "check_name",
    "duration": "duration_s",
    "exit": "exit_code",
    "job": "job_id",
    "result": "result_id",
    "log": "log_path",
}
"""The column of the history that a field is made of, where its name is another."""


def needed(shown: Iterable[Chosen[Result]]) -> tuple[str, ...]:
    """Return the columns of the history that the fields *shown* are made of: one each."""
    names = (_COLUMN_OF.get(one.field.name, one.field.name) for one in shown)
    return tuple(dict.fromkeys(names))


def parts(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[Result]:
    """Return *rows* as results that have *columns* and no more: enough for the fields of these.

    Of 20,000 results the others would take longer than the question.
    """
    part = namedtuple("part", columns)  # type: ignore[misc]  # names of ours, known only now
    return cast("list[Result]", list(map(part._make, rows)))
