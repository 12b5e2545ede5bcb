"""The command that shows results: sacct(1) for checks."""

from datetime import UTC, datetime, timedelta

import click

from analytics.ask import ask
from analytics.option_types import JobIds, Moment
from analytics.options import (
    Filter,
    Shown,
    filters,
    fingers,
    in_order,
    nobodys,
    of_clusters,
    presentation,
)
from analytics.present import columns_for, show
from analytics.question import Wanted, question
from analytics.result import Result
from analytics.rows import HISTORY, HISTORY_DEFAULT, needed, parts
from slurm_hooks.cli import App

_DAY = timedelta(days=1)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@click.command(short_help="Show every result: by node, check, outcome and time.")
@click.option(
    "-S",
    "--starttime",
    type=Moment(),
    help="Results that ended then or later; 24 hours before the end by default. "
    "All of sacct's forms: now-7days, 11/21, 11/21-14:30, 2030-11-21T14:30, noon.",
)
@click.option(
    "-E",
    "--endtime",
    type=Moment(),
    help="Results that ended then or earlier; now by default, with -s too.",
)
@click.option("-r", "--reverse", is_flag=True, help="Newest first.")
@click.option(
    "-j",
    "--jobs",
    type=JobIds(),
    default=(),
    help="Only what ran in these Slurm jobs, whenever it did.",
)
@fingers
@nobodys
@of_clusters()
@filters
@presentation
@click.pass_obj
def history(
    app: App,
    *,
    starttime: datetime | None,
    endtime: datetime | None,
    reverse: bool,
    jobs: tuple[str, ...],
    clusters: tuple[str, ...] | None,
    only: Filter,
    shown: Shown,
) -> None:
    """Show every result of the last 24 hours, or of -S to -E, oldest first.

    Options and times are those of sacct(1), except that -s never changes the window. On a
    terminal the table is cut to its width; in a pipe nothing is cut. Times are local.
    """
    usual = HISTORY_DEFAULT if clusters is None else f"cluster {HISTORY_DEFAULT}"
    columns = columns_for(HISTORY, usual, shown)
    until = endtime or datetime.now(UTC)
    since = starttime or (_EVER if jobs else until - _DAY)
    in_order(since, until)
    wanted = Wanted(
        cluster=app.settings.cluster,
        clusters=clusters,
        since=since,
        until=until,
        nodes=only.nodes,
        checks=only.checks,
        outcomes=only.outcomes,
        jobs=jobs,
        columns=needed(columns),
        newest_first=reverse,
    )
    show(columns, _results(app, wanted), shown)


def _results(app: App, wanted: Wanted) -> list[Result]:
    return parts(wanted.columns, ask(app, *question(wanted)))
