"""The command that asks how runs went: one check over one batch each."""

from datetime import datetime

import click

from analytics.ask import ask
from analytics.natural import natural
from analytics.option_types import Moment
from analytics.options import Filter, Shown, filters, fingers, in_order, of_clusters, presentation
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.result import Result
from analytics.run import Run
from analytics.run_question import WantedRuns, runs_question, visits_question
from analytics.run_rows import RUNS, RUNS_DEFAULT, VISITS, VISITS_DEFAULT, VisitLine, sentence
from slurm_hooks.batch import batch_of_comment, is_batch_id
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError


class RunId(click.ParamType[str]):
    """A run's id, or the name that its Slurm job has."""

    name = "run"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the id."""
        text = str(value)
        found = batch_of_comment(text) or text
        if not is_batch_id(found):
            self.fail(f"{text!r} is no run; `cluster-doctor runs --all` lists them.", param, ctx)
        return found


@click.command(short_help="Show how each check's last run went, or every run, or one.")
@click.argument("run", type=RunId(), required=False, metavar="[RUN]")
@click.option("-a", "--all", "every", is_flag=True, help="Every run, not each check's last.")
@click.option(
    "-S",
    "--starttime",
    type=Moment(),
    help="Every run that was planned then or later. All of sacct's forms: now-7days, 11/21.",
)
@click.option("-E", "--endtime", type=Moment(), help="Every run that was planned then or earlier.")
@click.option("-r", "--reverse", is_flag=True, help="In reverse: with -a the newest first.")
@fingers
@of_clusters()
@filters
@presentation
@click.pass_obj
def runs(
    app: App,
    *,
    run: str | None,
    every: bool,
    starttime: datetime | None,
    endtime: datetime | None,
    reverse: bool,
    clusters: tuple[str, ...] | None,
    only: Filter,
    shown: Shown,
) -> None:
    """Show the last run of each check; with -a, -S or -E every run; with RUN the visits of one.

    A run is one check over one batch. It is InProgress while visits have no result; then Failed
    if the check failed on a node, Error if Slurm never took it or the check or a node broke
    (error, timeout, node_fail), else Complete: visits that gave way to users' jobs do not count
    against it.

    -N chooses runs that visit these nodes, -s runs of which a visit ended so; their numbers are
    those of the whole run. On a terminal the table is cut to its width; in a pipe nothing is
    cut. Times are local, but for the one in RUN, which is UTC.
    """
    in_order(starttime, endtime)
    if run and (every or starttime or endtime):
        raise click.UsageError("give a RUN, or --all, --starttime and --endtime.")
    if run:
        _show_one(app, run, clusters, only, shown, newest_first=reverse)
        return
    usual = RUNS_DEFAULT if clusters is None else f"cluster {RUNS_DEFAULT}"
    columns = columns_for(RUNS, usual, shown)
    wanted = WantedRuns(
        cluster=app.settings.cluster,
        clusters=clusters,
        last_only=not (every or starttime or endtime),
        since=starttime,
        until=endtime,
        nodes=only.nodes,
        checks=only.checks,
        outcomes=only.outcomes,
        newest_first=reverse,
    )
    show(columns, _runs(app, wanted), shown)


def _show_one(
    app: App,
    run: str,
    clusters: tuple[str, ...] | None,
    only: Filter,
    shown: Shown,
    *,
    newest_first: bool,
) -> None:
    """Print the visits of *run*, and what became of it.

    Raises:
        StoreError: the history does not know it.
    """
    columns = columns_for(VISITS, VISITS_DEFAULT, shown)
    wanted = WantedRuns(
        cluster=app.settings.cluster, clusters=clusters, batch=run, checks=only.checks
    )
    found = _runs(app, wanted)
    if not found:
        of = f" of {', '.join(only.checks)}" if only.checks else ""
        raise StoreError(f"the history has no run {run}{of}; see cluster-doctor runs --all")
    rows = [line for line in _visits(app, wanted, found) if _matches(line, only)]
    show(columns, sorted(rows, key=_order, reverse=newest_first), shown)
    if shown.form is Form.TABLE and shown.header:
        click.echo("\n".join(sentence(one) for one in found))


def _runs(app: App, wanted: WantedRuns) -> list[Run]:
    return [Run._make(row) for row in ask(app, *runs_question(wanted))]


def _visits(app: App, wanted: WantedRuns, found: list[Run]) -> list[VisitLine]:
    """Return a line for each visit of the runs *found*, whether it has a result or not."""
    results = [Result._make(row) for row in ask(app, *visits_question(wanted))]
    ended = [VisitLine(one.check_name, one.node, one) for one in results]
    missing = [VisitLine(one.check_name, node, None) for one in found for node in one.missing]
    return [*ended, *missing]


def _matches(line: VisitLine, only: Filter) -> bool:
    outcome = line.result.outcome if line.result else ""
    return (not only.nodes or line.node in only.nodes) and only.takes(line.check, outcome)


def _order(line: VisitLine) -> tuple[list[tuple[int, str]], str]:
    return natural(line.node), line.check
