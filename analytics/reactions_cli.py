"""The command that shows reactions, and those with which a person decides about them."""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click

from analytics.ask import warn
from analytics.journal_view import book
from analytics.option_types import Moment, Words
from analytics.options import (
    Shown,
    alone,
    fingers,
    in_order,
    of_clusters,
    only_checks,
    only_nodes,
    presentation,
)
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.reacted import STATES, WantedReactions, summary, suspicions
from analytics.reacted import reactions as chosen
from analytics.reaction_rows import REACTIONS, REACTIONS_DEFAULT
from analytics.table import neutral
from analytics.word import Decision, hear
from slurm_hooks.account import asked_by
from slurm_hooks.cli import App
from slurm_hooks.errors import SlurmError
from slurm_hooks.journal import CheckEvent, Event, Line
from slurm_hooks.privilege import as_slurm_user

_DAY = timedelta(days=1)


@click.group(
    invoke_without_command=True, short_help="Show what was done to nodes because of results."
)
@click.option(
    "-S",
    "--starttime",
    type=Moment(),
    help="Reactions that were decided, or changed, then or later; the last 24 hours by default. "
    "All of sacct's forms: now-7days, 11/21, 14:30.",
)
@click.option(
    "-E", "--endtime", type=Moment(), help="Decided, or changed, then or earlier; now by default."
)
@click.option("-r", "--reverse", is_flag=True, help="Newest first.")
@fingers
@of_clusters("a journal is of one cluster")
@only_nodes
@only_checks
@click.option(
    "-s",
    "--state",
    "states",
    type=Words("state", STATES),
    default=(),
    help="Only in these states: waiting,done,undone.",
)
@click.option("--would", is_flag=True, help="Only what shadow decided: what would be done.")
@presentation
@click.pass_context
def reactions(
    ctx: click.Context,
    *,
    starttime: datetime | None,
    endtime: datetime | None,
    reverse: bool,
    clusters: tuple[str, ...] | None,
    nodelist: tuple[str, ...],
    checks: tuple[tuple[str, ...], ...],
    states: tuple[str, ...],
    would: bool,
    shown: Shown,
) -> None:
    """Show what was decided about nodes, and why, and what became of it.

    By default the last 24 hours, and all that still stands or waits, whatever its age; with
    -S or -E just that window. Options and times are those of sacct(1). On a terminal the
    table is cut to its width; in a pipe nothing is cut. Times are local.
    """
    if ctx.invoked_subcommand is not None:
        return
    columns = columns_for(REACTIONS, REACTIONS_DEFAULT, shown)
    now = datetime.now(UTC)
    until = endtime or now
    since = starttime or until - _DAY
    in_order(since, until)
    app: App = ctx.obj
    alone(clusters, app.settings.cluster, 'sql "SELECT * FROM reactions" shows those of all')
    names = tuple(name for part in checks for name in part)
    wanted = WantedReactions(
        since=since,
        until=until,
        open_too=starttime is None and endtime is None,
        nodes=nodelist,
        checks=names,
        states=("would",) if would else states,
        newest_first=reverse,
    )
    found = book(app.places, since=since, now=now)
    for line in suspicions(found, names or None):
        _on_top(line, shown)
    rows = chosen(found, wanted)
    show(columns, rows, shown)
    if shown.form is Form.TABLE and shown.header:
        click.echo(summary(rows))


@reactions.command(short_help="Let reactions that wait go on.")
@click.argument("name", metavar="CHECK|ID")
@click.pass_obj
def approve(app: App, name: str) -> None:
    """Let the reactions of a suspended CHECK go on, or the one with this ID; within the caps.

    Runs as SlurmUser; root becomes that account. Who said so is written down.
    """
    from slurm_hooks.approval import approve as decision  # noqa: PLC0415 beside the reactor

    _hear(app, "approve", decision, name)


@reactions.command(short_help="Give reactions up that wait.")
@click.argument("name", metavar="CHECK|ID")
@click.pass_obj
def discard(app: App, name: str) -> None:
    """Give up the reactions of a suspended CHECK that wait, or the one with this ID.

    The check reacts again to what it finds from now on. Runs as SlurmUser; root becomes
    that account. Who said so is written down.
    """
    from slurm_hooks.approval import discard as decision  # noqa: PLC0415 beside the reactor

    _hear(app, "discard", decision, name)


def _hear(app: App, verb: str, decision: Decision, name: str) -> None:
    from slurm_hooks.react_cli import told  # noqa: PLC0415 those who only look need none of it
    from slurm_hooks.reactor import make_reactor, react  # noqa: PLC0415

    settings, by = app.settings, asked_by(os.environ)
    as_slurm_user(settings, f"reactions {verb} {name}")
    reactor = make_reactor(settings, service_uid=settings.service_uid)
    heard = hear(reactor, decision, name, by=by, react=react)
    for line in (*decided(heard.lines), *told(heard.reacted, heard.book)):
        click.echo(line)
    if heard.reacted.taken_by:
        click.echo(f"another pass is under way ({heard.reacted.taken_by}); it does the rest")
    if heard.reacted.problems:
        raise SlurmError("; ".join(heard.reacted.problems))


def decided(lines: Sequence[Line]) -> list[str]:
    """Return what a person's word changed, a line each."""
    words = [f"{line.check}: {line.word}" for line in lines if isinstance(line, CheckEvent)]
    events = Counter(line.what for line in lines if isinstance(line, Event))
    return [*words, *(f"{count:,} waiting: {what}" for what, count in sorted(events.items()))]


def _on_top(line: str, shown: Shown) -> None:
    """Say what a person should know first, where it disturbs no program."""
    if shown.form is Form.TABLE and shown.header:
        click.echo("\n".join(map(neutral, line.split("\n"))))
    else:
        warn(line)
