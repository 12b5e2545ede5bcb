"""The fields of `status`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from analytics.fields import Field, age, style_of_outcome
from analytics.snapshot import time_of
from analytics.standing import Confirm, Seen, Standing, confirmed, fails
from analytics.usual_fields import check, duration, job, log, node, outcome, when
from slurm_hooks.duration import format_duration
from slurm_hooks.outcome import Outcome

STATUS_DEFAULT = "node check outcome judged remark"


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
    node(lambda line: line.node),
    check(lambda line: line.check),
    outcome(
        "the latest judgement: pass, warn or fail; - where there is none",
        lambda line: line.standing.judged and line.standing.judged.outcome,
        absent="-",
    ),
    Field(
        name="confirmed",
        meaning="of a fail: whether it repeated as often as the check wants before it counts",
        value=lambda line: line.confirmed,
        text=lambda value: "yes" if value else "no",
        kind=bool,
    ),
    when(
        "judged",
        "when it was judged",
        lambda line: line.standing.judged and time_of(line.standing.judged.at_ms),
        sacct="end",
        absent="-",
    ),
    Field(
        name="age",
        meaning="how long ago that was, in seconds",
        value=lambda line: line.standing.judged and _age_s(line.standing.judged, line.now),
        text=age,
        kind=float,
        right=True,
    ),
    Field(
        name="attempt",
        meaning="how a later visit ended that could not judge",
        value=lambda line: line.later and line.later.outcome,
        style=style_of_outcome,
    ),
    when(
        "attempted",
        "when that visit ended",
        lambda line: line.later and time_of(line.later.at_ms),
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
    duration("how long the check took, in seconds", lambda line: line.main.duration_s),
    job("the Slurm job it ran in", lambda line: line.main.job_id),
    log(lambda line: line.main.log_path),
)
