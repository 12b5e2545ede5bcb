"""The commands that ask what the checks found, and the one that takes results in."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click

from analytics.ask import ask, warn
from analytics.heartbeat import confirmations, last_sweep, read_beat, warning
from analytics.history import is_new
from analytics.options import Filter, Moment, Shown, filters, in_order, presentation
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.question import Wanted, question
from analytics.result import Result
from analytics.rows import HISTORY, HISTORY_DEFAULT, natural
from analytics.snapshot import Snapshot, SnapshotUnusableError
from analytics.standing import Confirm
from analytics.status_rows import STATUS, STATUS_DEFAULT, Line
from analytics.store import open_store
from analytics.summary import summary
from slurm_hooks.account import as_service
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError

_DAY = timedelta(days=1)


@click.command(short_help="Show how each check on each node stands.")
@filters
@presentation
@click.pass_obj
def status(app: App, *, only: Filter, shown: Shown) -> None:
    """Show the latest judgement of each check on each node.

    REMARK adds how a later visit ended that could not judge; -s selects by either. A fail
    that the check wants confirmed says so there, and in the field "confirmed". On a
    terminal the table is cut to its width; in a pipe nothing is cut. Times are local.
    """
    columns = columns_for(STATUS, STATUS_DEFAULT, shown)
    now = datetime.now(UTC)
    beat = read_beat(app.state.heartbeat)
    lines = _lines(app, only, confirmations(beat), now)
    rows = [
        line
        for line in lines
        if only.takes(line.check, line.main.outcome, line.standing.attempt.outcome)
    ]
    show(columns, rows, shown)
    ended = last_sweep(beat)
    if shown.form is Form.TABLE and shown.header:
        click.echo(summary(rows, ended, now))
    warn(warning(ended, now=now, interval=app.settings.sweep_interval))


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
@click.option("-X", "--allocations", is_flag=True, help="As in sacct; results have no steps.")
@filters
@presentation
@click.pass_obj
def history(
    app: App,
    *,
    starttime: datetime | None,
    endtime: datetime | None,
    reverse: bool,
    allocations: bool,  # noqa: ARG001 accepted because fingers know it
    only: Filter,
    shown: Shown,
) -> None:
    """Show every result of the last 24 hours, or of -S to -E, oldest first.

    Options and times are those of sacct(1), except that -s never changes the window. On a
    terminal the table is cut to its width; in a pipe nothing is cut. Times are local.
    """
    columns = columns_for(HISTORY, HISTORY_DEFAULT, shown)
    until = endtime or datetime.now(UTC)
    since = starttime or until - _DAY
    in_order(since, until)
    wanted = Wanted(
        cluster=app.settings.cluster,
        since=since,
        until=until,
        nodes=only.nodes,
        checks=only.checks,
        outcomes=only.outcomes,
        newest_first=reverse,
    )
    show(columns, _results(app, wanted), shown)


@click.command(short_help="Take finished records into the history.")
@click.option(
    "--rebuild", is_flag=True, help="Then make the status snapshot anew from the history."
)
@click.pass_obj
def ingest(app: App, *, rebuild: bool) -> None:
    """Move every record that the spool holds into the history; each sweep does this too.

    Killed or repeated, it neither loses a result nor counts one twice. What is no record
    of ours is set aside with the reason. The next sweep compares what came with Slurm's word.
    """
    as_service(app.settings, "ingest")
    from analytics import ingest as work  # noqa: PLC0415 loads Polars

    store, cluster, now = open_store(app.settings), app.settings.cluster, datetime.now(UTC)
    done = work.ingest(app.state, store, cluster=cluster, now=now, progress=_progress)
    for note in (*done.notes, *store.refused):
        warn(note)
    if rebuild:
        work.rebuild(app.state, store, cluster=cluster, now=now)
    click.echo(
        f"{_count(done.results, 'result')} ingested, "
        f"{_count(done.waiting, 'record')} waiting for Slurm's word, "
        f"{_count(done.aside, 'file')} set aside"
    )


def _lines(app: App, only: Filter, confirm: Mapping[str, Confirm], now: datetime) -> list[Line]:
    snapshot = Snapshot(app.state.snapshot)
    try:
        found = snapshot.standings(only.nodes or None)
    except SnapshotUnusableError as error:
        if is_new(app.state, open_store(app.settings)):
            return []
        raise StoreError(f"{error}; make it anew: cluster-doctor ingest --rebuild") from error
    rows = [
        Line(node, check, standing, now, confirm.get(check, (1, 1)))
        for (node, check), standing in found
    ]
    return sorted(rows, key=lambda line: (natural(line.node), line.check))


def _results(app: App, wanted: Wanted) -> list[Result]:
    return [Result._make(row) for row in ask(app, *question(wanted))]


def _progress(total: int, done: int) -> None:
    """Say how far a long ingest is, on a terminal."""
    if total > 1000 and sys.stderr.isatty():
        click.echo(f"\r{done:,} of {total:,} records", err=True, nl=done >= total)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
