"""The fields of `status` and of `history`."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from analytics.fields import Field, local_time, pairs, short_seconds, style_of_outcome
from analytics.result import Result
from analytics.snapshot import time_of
from analytics.standing import Confirm, Seen, Standing, confirmed, fails
from slurm_hooks.duration import format_duration
from slurm_hooks.record import Outcome

STATUS_DEFAULT = "node check outcome judged remark"
HISTORY_DEFAULT = "finished node check outcome duration job detail"


class Line(NamedTuple):
    """A row of `status`."""

    node: str
    check: str
    standing: Standing
    now: datetime
    confirm: Confirm = (1, 1)

    @property
    def confirmed(self) -> bool | None:
        """Whether its fail counts; None where it did not fail."""
        judged = self.standing.judged
        if judged is None or judged.outcome != Outcome.FAIL:
            return None
        return self.confirm[0] == 1 or confirmed(self._judged, self.confirm)

    @property
    def doubt(self) -> str:
        """How far an unconfirmed fail is from counting; empty for all else."""
        if self.confirmed is not False:
            return ""
        return f"{fails(self._judged, self.confirm)} of {self.confirm[0]} fails, to be confirmed"

    @property
    def _judged(self) -> list[str]:
        return [one.outcome for one in self.standing.failures]

    @property
    def later(self) -> Seen | None:
        """The latest attempt, where it came after the judged result and judged nothing."""
        attempt = self.standing.attempt
        return None if attempt.judged else attempt

    @property
    def main(self) -> Seen:
        """The judged result, or the attempt where there never was one."""
        return self.standing.judged or self.standing.attempt


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts n2 before n10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _RUNS.findall(name)]


_RUNS = re.compile(r"[0-9]+|[^0-9]+")


def _age_s(one: Seen, now: datetime) -> float:
    return max(0.0, (now - time_of(one.at_ms)).total_seconds())


def _remark(line: Line) -> str:
    judged, later = line.standing.judged, line.later
    if later is None:
        return "; ".join(filter(None, [line.doubt, line.main.detail]))
    ago = format_duration(timedelta(seconds=_age_s(later, line.now)))
    if judged is None:
        return (
            f"{later.outcome} {ago} ago: {later.detail}"
            if later.detail
            else f"{later.outcome} {ago} ago"
        )
    return "; ".join(filter(None, [line.doubt, judged.detail, f"then {later.outcome} {ago} ago"]))


STATUS: Sequence[Field[Line]] = (
    Field(name="node", meaning="the node", value=lambda line: line.node, aliases=("nodelist",)),
    Field(name="check", meaning="the check's name", value=lambda line: line.check),
    Field(
        name="outcome",
        meaning="the latest judgement: pass, warn or fail; - where there is none",
        value=lambda line: line.standing.judged and line.standing.judged.outcome,
        text=str,
        absent="-",
        aliases=("state",),
        style=style_of_outcome,
    ),
    Field(
        name="confirmed",
        meaning="of a fail: whether it repeated as often as the check wants before it counts",
        value=lambda line: line.confirmed,
        text=lambda value: "yes" if value else "no",
    ),
    Field(
        name="judged",
        meaning="when it was judged",
        value=lambda line: line.standing.judged and time_of(line.standing.judged.at_ms),
        text=local_time,
        absent="-",
        aliases=("end",),
    ),
    Field(
        name="age",
        meaning="how long ago that was, in seconds",
        value=lambda line: line.standing.judged and _age_s(line.standing.judged, line.now),
        text=lambda value: format_duration(timedelta(seconds=float(str(value)))),
        right=True,
    ),
    Field(
        name="attempt",
        meaning="how a later visit ended that could not judge",
        value=lambda line: line.later and line.later.outcome,
        style=style_of_outcome,
    ),
    Field(
        name="attempted",
        meaning="when that visit ended",
        value=lambda line: line.later and time_of(line.later.at_ms),
        text=local_time,
    ),
    Field(
        name="why",
        meaning="why that visit could not judge",
        value=lambda line: line.later and line.later.detail,
        flexible=True,
    ),
    Field(
        name="remark",
        meaning="what the check said, and what became of a later visit that could not judge",
        value=_remark,
        flexible=True,
        for_people=True,
    ),
    Field(
        name="detail",
        meaning="what the check said; of the attempt where nothing was ever judged",
        value=lambda line: line.main.detail,
        flexible=True,
    ),
    Field(
        name="duration",
        meaning="how long the check took, in seconds",
        value=lambda line: line.main.duration_s,
        text=short_seconds,
        aliases=("elapsed",),
        right=True,
    ),
    Field(
        name="job",
        meaning="the Slurm job it ran in",
        value=lambda line: line.main.job_id or None,
        aliases=("jobid",),
        right=True,
    ),
    Field(
        name="log",
        meaning="the file with the check's whole output",
        value=lambda line: line.main.log_path,
    ),
)

HISTORY: Sequence[Field[Result]] = (
    Field(
        name="finished",
        meaning="when it ended",
        value=lambda row: row.finished_at,
        text=local_time,
        aliases=("end",),
    ),
    Field(
        name="started",
        meaning="when it began, where it did",
        value=lambda row: row.started_at,
        text=local_time,
        aliases=("start",),
    ),
    Field(name="node", meaning="the node", value=lambda row: row.node, aliases=("nodelist",)),
    Field(name="check", meaning="the check's name", value=lambda row: row.check_name),
    Field(
        name="outcome",
        meaning="pass warn fail, or why there is no judgement",
        value=lambda row: row.outcome,
        aliases=("state",),
        style=style_of_outcome,
    ),
    Field(
        name="duration",
        meaning="how long the check took, in seconds",
        value=lambda row: row.duration_s,
        text=short_seconds,
        aliases=("elapsed",),
        right=True,
    ),
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
    Field(
        name="job",
        meaning="the Slurm job it ran in",
        value=lambda row: row.job_id or None,
        aliases=("jobid",),
        right=True,
    ),
    Field(name="batch", meaning="the batch", value=lambda row: row.batch),
    Field(name="task", meaning="the array task", value=lambda row: row.task, right=True),
    Field(
        name="attempt",
        meaning="which start of the task, from 0",
        value=lambda row: row.attempt,
        right=True,
    ),
    Field(name="partition", meaning="the partition", value=lambda row: row.partition),
    Field(name="cluster", meaning="the cluster", value=lambda row: row.cluster),
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
    Field(
        name="log",
        meaning="the file with the check's whole output",
        value=lambda row: row.log_path,
    ),
)
