"""The command that shows all that is known of one node."""

import json
from datetime import UTC, datetime, timedelta

import click

from analytics.ask import ask, warn
from analytics.card import CHECKS_DEFAULT, as_json, head, logs
from analytics.fields import Chosen, chosen
from analytics.heartbeat import confirmations, read_beat
from analytics.journal_view import book
from analytics.node_lines import NodeLine
from analytics.node_sources import known_lines
from analytics.option_types import Moment
from analytics.options import Shown, in_order, presentation
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.question import Wanted, question
from analytics.result import Result
from analytics.snapshot import Snapshot, SnapshotUnusableError
from analytics.status_rows import STATUS, Line
from analytics.table import neutral
from analytics.timeline import TIMELINE, TIMELINE_DEFAULT, timeline
from slurm_hooks.cli import App
from slurm_hooks.errors import SlurmError, StateError, StoreError
from slurm_hooks.journal import Book, Item

_LOOKS_BACK = timedelta(days=30)
_MOST = 40


@click.command(short_help="Show all that is known of one node, and what happened on it.")
@click.argument("name", metavar="NODE")
@click.option(
    "-S",
    "--starttime",
    type=Moment(),
    help=f"All that happened then or later; by default the last {_MOST} things of "
    f"{_LOOKS_BACK.days} days. All of sacct's forms: now-7days, 11/21, 14:30.",
)
@click.option("-E", "--endtime", type=Moment(), help="What happened then or earlier.")
@click.option(
    "--last",
    "most",
    type=click.IntRange(min=1),
    help=f"So many, the newest; {_MOST} without -S.",
)
@presentation
@click.pass_obj
def node(
    app: App,
    *,
    name: str,
    starttime: datetime | None,
    endtime: datetime | None,
    most: int | None,
    shown: Shown,
) -> None:
    """Show NODE's card: its state, who holds it since when and why, how each check stands
    there, and the timeline of its results and reactions, the newest last.

    --json is one object with all of it; -o, -P and --csv choose and show the timeline. On a
    terminal tables are cut to its width; in a pipe nothing is cut. Times are local.
    """
    columns = columns_for(TIMELINE, TIMELINE_DEFAULT, shown)
    now = datetime.now(UTC)
    until = endtime or now
    since = starttime or until - _LOOKS_BACK
    in_order(since, until)
    lines, found, answered = known_lines(app, now=now)
    line = _line(lines, name, answered=answered)
    standings = _standings(app, name, now)
    most = most or (None if starttime else _MOST)
    wanted = Wanted(
        cluster=app.settings.cluster,
        since=since,
        until=until,
        nodes=(name,),
        newest_first=True,
        most=most,
    )
    happened = timeline(
        _results(app, wanted), _items(app, name, since, found, now),
        since=since, until=until, most=most,
    )  # fmt: skip
    if shown.form is Form.JSON and shown.fields is None:
        click.echo(json.dumps(as_json(line, standings, happened), indent=1))
        return
    if shown.form is Form.TABLE and shown.header:
        _show_head(line, found, standings, shown)
    show(columns, happened, shown)


def _line(lines: list[NodeLine], name: str, *, answered: bool) -> NodeLine:
    for line in lines:
        if line.name == name:
            return line
    known = "Slurm has" if answered else "slurmctld does not answer, and we know"
    raise SlurmError(f"{known} no node {name!r}; cluster-doctor nodes lists them")


def _standings(app: App, name: str, now: datetime) -> list[Line]:
    try:
        found = Snapshot(app.places.snapshot).standings([name])
    except SnapshotUnusableError:  # said already
        return []
    confirm = confirmations(read_beat(app.places.heartbeat))
    rows = [
        Line(node, check, standing, now, confirm.get(check, (1, 1)))
        for (node, check), standing in found
    ]
    return sorted(rows, key=lambda row: row.check)


def _results(app: App, wanted: Wanted) -> list[Result]:
    try:
        return [Result._make(row) for row in ask(app, *question(wanted))]
    except StoreError as error:
        warn(f"the timeline lacks results: {error}")
        return []


def _items(app: App, name: str, since: datetime, recent: Book, now: datetime) -> list[Item]:
    try:
        found = book(app.places, since=since, now=now)
    except StateError:  # said already
        found = recent
    return [item for item in found.items.values() if item.entry.node == name]


def _show_head(line: NodeLine, found: Book, standings: list[Line], shown: Shown) -> None:
    for told in head(line, found):
        click.echo("\n".join(map(neutral, told.split("\n"))))
    click.echo()
    columns: list[Chosen[Line]] = chosen(CHECKS_DEFAULT, STATUS)
    if standings:
        show(columns, standings, shown)
    else:
        click.echo("no check ever ran here")
    for text in logs(standings):
        click.echo(neutral(text))
    click.echo()
