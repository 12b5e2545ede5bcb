"""The command that shows each node in one line."""

from datetime import UTC, datetime, timedelta

import click

from analytics.ask import warn
from analytics.heartbeat import last_sweep, read_beat, warning
from analytics.node_lines import SHOWN_STATES, STATES, WantedNodes, chosen, summary
from analytics.node_rows import NODES, NODES_DEFAULT
from analytics.node_sources import known_lines
from analytics.option_types import Names, Words
from analytics.options import Shown, only_nodes, presentation_beside_p
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.summary import swept
from slurm_hooks.cli import App
from slurm_hooks.duration import parse_duration
from slurm_hooks.errors import SlurmError


class Length(click.ParamType[timedelta]):
    """A length of time: 30m, 12h, 7d."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the length."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@click.command(short_help="Show each node: its state, who holds it, what fails, its last proof.")
@only_nodes
@click.option(
    "-s",
    "--state",
    "states",
    type=Words("state", STATES, SHOWN_STATES),
    default=(),
    help="Only nodes in one of these states or with one of these flags: drain,down; and held, "
    "failing, stale.",
)
@click.option(
    "-p", "--partition", "partitions", type=Names(), default=(), help="Only of these partitions."
)
@click.option(
    "--stale-after",
    type=Length(),
    default="24h",
    show_default=True,
    help="What stale means: so long nothing was judged on it.",
)
@presentation_beside_p
@click.pass_obj
def nodes(
    app: App,
    *,
    nodelist: tuple[str, ...],
    states: tuple[str, ...],
    partitions: tuple[str, ...],
    stale_after: timedelta,
    shown: Shown,
) -> None:
    """Show each node in one line, as sinfo does, and who keeps it from its users.

    HOLDER is a check of ours, the user who drained it, Slurm itself, or a reservation of
    somebody's; PROOF how long ago a check last judged the node. A node that is IDLE+DRAIN is
    both for -s. On a terminal the table is cut to its width; in a pipe nothing is cut.
    Times are local.
    """
    columns = columns_for(NODES, NODES_DEFAULT, shown)
    now = datetime.now(UTC)
    lines, _, answered = known_lines(app, now=now)
    if partitions and not answered:
        raise SlurmError("which nodes a partition has cannot be told while slurmctld is silent")
    missing = sorted({*nodelist} - {line.name for line in lines})
    if missing:
        warn(f"{'Slurm has' if answered else 'we know'} no node {', '.join(missing)}")
    wanted = WantedNodes(
        nodes=nodelist, states=states, partitions=partitions, stale_after=stale_after
    )
    rows = chosen(lines, wanted)
    show(columns, rows, shown)
    ended = last_sweep(read_beat(app.places.heartbeat))
    if shown.form is Form.TABLE and shown.header:
        click.echo(summary(rows, stale_after=stale_after, swept=swept(ended, now)))
    warn(warning(ended, now=now, interval=app.settings.sweep_interval))
