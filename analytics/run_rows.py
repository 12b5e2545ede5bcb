"""The fields of `runs`: of a run, and of a visit in one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from analytics.fields import Field, local_time
from analytics.result import Result
from analytics.rows import HISTORY
from analytics.run import Run, RunStatus
from analytics.table import Style
from analytics.usual_fields import check, cluster, duration, job, partition, when
from slurm_hooks.outcome import Outcome

RUNS_DEFAULT = "run check status visits found"
VISITS_DEFAULT = "node check outcome finished duration job detail"

_STYLES = {
    RunStatus.IN_PROGRESS.value: Style.WARNING,
    RunStatus.COMPLETE.value: Style.GOOD,
    RunStatus.FAILED.value: Style.BAD,
    RunStatus.ERROR.value: Style.UNCLEAR,
}


_WRONG = (Outcome.FAIL, Outcome.ERROR, Outcome.TIMEOUT, Outcome.NODE_FAIL)
_OTHERS = tuple(outcome for outcome in Outcome if outcome not in _WRONG)


class VisitLine(NamedTuple):
    """A row of one run's visits."""

    check: str
    node: str
    result: Result | None
    """None where there is none yet."""


def counted(run: Run) -> str:
    """Return how many visits ended how, what went wrong first: 1 fail, 38 pass."""
    found = ((outcome, run.count(outcome)) for outcome in (*_WRONG, *_OTHERS))
    return ", ".join(f"{number:,} {outcome.value}" for outcome, number in found if number)


def sentence(run: Run) -> str:
    """Return one line on *run* for under the table of its visits."""
    taken = (
        "not submitted"
        if run.submitted_at is None
        else f"submitted {local_time(run.submitted_at)}, job {run.job_id}"
    )
    visits = ": ".join(filter(None, [f"{_visits(run)} visits", counted(run)]))
    return f"{run.check_name}: {run.status}; {visits}; {taken}"


def jobs_text(value: object) -> str:
    """Return jobs as node: reason."""
    if not isinstance(value, Sequence):
        return str(value)
    return "; ".join(_told(job) for job in value if isinstance(job, Mapping))


def _told(job: Mapping[str, object]) -> str:
    return f"{job['node']}: {job['reason']}"


def _visits(run: Run) -> str:
    return f"{run.ended}/{'?' if run.planned is None else run.planned}"


def _found(run: Run) -> str:
    jobs = jobs_text([*run.failed_jobs, *run.errored_jobs])
    return "; ".join(filter(None, [counted(run), jobs]))


def _hostlist(value: object) -> str:
    if not isinstance(value, Sequence) or not value:
        return ""
    from analytics.hostlist import fold  # noqa: PLC0415 takes 50 ms; few need it

    return fold([str(name) for name in value])


def _counts() -> Iterator[Field[Run]]:
    for outcome in Outcome:

        def count(run: Run, which: Outcome = outcome) -> int:
            return run.count(which)

        yield Field(
            name=outcome.value,
            meaning=f"visits that ended as {outcome.value}",
            value=count,
            kind=int,
            right=True,
        )


RUNS: Sequence[Field[Run]] = (
    Field(
        name="run",
        meaning="its id, which is the batch's; the batch's other checks share it",
        value=lambda run: run.batch,
        aliases=("batch",),
    ),
    Field(
        name="name",
        meaning="the name of its Slurm job",
        value=lambda run: run.name,
        aliases=("jobname",),
    ),
    check(lambda run: run.check_name),
    Field(
        name="status",
        meaning="InProgress, Complete, Failed or Error",
        value=lambda run: run.status,
        aliases=("state",),
        style=lambda text: _STYLES.get(text, Style.PLAIN),
    ),
    Field(
        name="visits",
        meaning="how many visits have a result, of how many",
        value=_visits,
        right=True,
        for_people=True,
    ),
    Field(
        name="planned",
        meaning="how many visits there should be",
        value=lambda run: run.planned,
        kind=int,
        right=True,
    ),
    Field(
        name="ended",
        meaning="how many visits have a result",
        value=lambda run: run.ended,
        kind=int,
        right=True,
    ),
    *_counts(),
    Field(
        name="found",
        meaning="how the visits ended, and why those that went wrong did",
        value=_found,
        flexible=True,
        for_people=True,
    ),
    Field(
        name="failed_jobs",
        meaning="where the check failed and why",
        value=lambda run: run.failed_jobs,
        text=jobs_text,
        flexible=True,
    ),
    Field(
        name="errored_jobs",
        meaning="where it could not judge because something broke, and what",
        value=lambda run: run.errored_jobs,
        text=jobs_text,
        flexible=True,
    ),
    Field(
        name="missing",
        meaning="nodes whose visit has no result yet",
        value=lambda run: run.missing,
        text=_hostlist,
        kind=list,
        flexible=True,
    ),
    when("planned_at", "when it was planned", lambda run: run.created_at),
    when("submitted", "when Slurm took it", lambda run: run.submitted_at, sacct="submit"),
    when(
        "changed",
        "when its last visit ended, or it was submitted",
        lambda run: run.changed_at,
        sacct="end",
    ),
    duration("from its submission to its last visit's end, in seconds", lambda run: run.duration_s),
    job("its Slurm array job", lambda run: run.job_id),
    partition(lambda run: run.partition),
    cluster(lambda run: run.cluster),
)


def _of_result(field: Field[Result]) -> Field[VisitLine]:
    """Return the field of a visit that shows *field* of its result."""

    def value(line: VisitLine) -> object:
        return None if line.result is None else field.value(line.result)

    absent = {"outcome": "-", "detail": "no result yet"}.get(field.name, "")
    return Field(
        name=field.name, meaning=field.meaning, value=value, text=field.text, absent=absent,
        aliases=field.aliases, kind=field.kind, right=field.right,
        flexible=field.flexible, style=field.style,
    )  # fmt: skip


_OWN: Mapping[str, Callable[[VisitLine], object]] = {
    "node": lambda line: line.node,
    "check": lambda line: line.check,
}

VISITS: Sequence[Field[VisitLine]] = tuple(
    replace(_of_result(field), value=_OWN[field.name]) if field.name in _OWN else _of_result(field)
    for field in HISTORY
)
