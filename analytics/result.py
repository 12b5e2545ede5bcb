"""One result as a row of the history: the columns, in their one order and with their types.

A result's id is made from other columns of it, so it is not stored: 16 random bytes would be more
than all the rest. The log's path is stored with what it repeats of the row left out, and its begin
as what the runner needed beside the check, a few milliseconds. The view `history`
(sql/history.sql) gives all of that back.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from slurm_hooks.outcome import Outcome

if TYPE_CHECKING:
    from slurm_hooks.record import Record

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "result_id": "String",
        "cluster": "String",
        "node": "String",
        "check_name": "String",
        "outcome": "String",
        "finished_at": "DateTime64(3, 'UTC')",
        "started_at": "Nullable(DateTime64(3, 'UTC'))",
        "duration_s": "Float64",
        "detail": "String",
        "exit_code": "Nullable(Int32)",
        "signal": "Nullable(Int32)",
        "batch": "String",
        "task": "UInt32",
        "attempt": "UInt32",
        "job_id": "UInt64",
        "partition": "String",
        "metrics": "Map(String, Float64)",
        "log_path": "String",
        "evidence": "String",
        "revision": "UInt8",
        "ingested_at": "DateTime64(3, 'UTC')",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""

_SHORT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "started_at": ("overhead_ms", "Nullable(Int64)"),
        "duration_s": ("duration_ms", "UInt64"),
    }
)
"""What is stored in the place of a column."""

STORED: Mapping[str, str] = MappingProxyType(
    dict(_SHORT.get(name, (name, kind)) for name, kind in COLUMNS.items() if name != "result_id")
)
"""The columns of `results`, of which the view `history` makes those of COLUMNS.

``overhead_ms`` is what lies between begin and end beside the duration; NULL where it never began.
"""

JUDGED: tuple[str, ...] = tuple(outcome.value for outcome in Outcome if outcome.judged)


class Result(NamedTuple):
    """A row. A tuple, because a frame is made from 50,000 of them at a time."""

    result_id: str
    """A UUID, the same for every record of this check in this visit attempt."""
    cluster: str
    node: str
    check_name: str
    outcome: str
    finished_at: datetime
    started_at: datetime | None
    duration_s: float
    detail: str
    exit_code: int | None
    signal: int | None
    batch: str
    task: int
    attempt: int
    job_id: int
    partition: str
    metrics: dict[str, float]
    log_path: str
    evidence: str
    revision: int
    """Of two rows with one result_id the one with the higher revision counts."""
    ingested_at: datetime


def short_path(row: Result) -> str:
    """Return the log's path as it is stored: {check}, {node} and {started} for what the row says.

    A path that is not the runner's usual one (`slurm_hooks.visit`), or has braces, stays whole.
    """
    if row.started_at is None or "{" in row.log_path:
        return row.log_path
    name = f"{row.check_name}_{row.node}_{row.started_at:%Y%m%dT%H%M%SZ}.log"
    usual = f"/{row.check_name}/{row.node}/{name}"
    directory = row.log_path.removesuffix(usual)
    return row.log_path if directory == row.log_path else directory + USUAL_LOG


USUAL_LOG = "/{check}/{node}/{check}_{node}_{started}.log"


def result(record: "Record", outcome: Outcome, *, partition: str, now: datetime) -> Result:
    """Return *record*, which ended as *outcome*, as a row that was ingested at *now*."""
    return Result(
        result_id=str(record.result_id),
        cluster=record.cluster,
        node=record.node,
        check_name=record.check,
        outcome=outcome.value,
        finished_at=record.finished_at,
        started_at=record.started_at,
        duration_s=record.duration_s,
        detail=record.detail,
        exit_code=record.exit_code,
        signal=record.signal,
        batch=record.batch,
        task=record.task,
        attempt=record.attempt,
        job_id=record.job_id,
        partition=partition,
        metrics=record.metrics,
        log_path=record.log_path,
        evidence=record.evidence.value,
        revision=record.evidence.revision,
        ingested_at=now,
    )
