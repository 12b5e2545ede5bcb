"""The command that shows how every check on every node stands."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from analytics.ask import nothing_yet, warn
from analytics.heartbeat import confirmations, last_sweep, read_beat, warning
from analytics.natural import natural
from analytics.options import (
    Filter,
    Shown,
    alone,
    filters,
    fingers,
    nobodys,
    of_clusters,
    presentation,
)
from analytics.output import Form
from analytics.present import columns_for, show
from analytics.snapshot import Snapshot, SnapshotUnusableError
from analytics.standing import Confirm
from analytics.status_rows import STATUS, STATUS_DEFAULT, Line
from analytics.summary import summary
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError


@click.command(short_help="Show how each check on each node stands.")
@fingers
@nobodys
@of_clusters("the snapshot is of one cluster")
@filters
@presentation
@click.pass_obj
def status(app: App, *, clusters: tuple[str, ...] | None, only: Filter, shown: Shown) -> None:
    """Show the latest judgement of each check on each node.

    REMARK adds how a later visit ended that could not judge; -s selects by either. A fail
    that the check wants confirmed says so there, and in the field "confirmed". On a
    terminal the table is cut to its width; in a pipe nothing is cut. Times are local.
    """
    columns = columns_for(STATUS, STATUS_DEFAULT, shown)
    alone(clusters, app.settings.cluster, 'sql "SELECT * FROM status" shows all')
    now = datetime.now(UTC)
    beat = read_beat(app.places.heartbeat)
    rows = _lines(app, only, confirmations(beat), now)
    show(columns, rows, shown)
    ended = last_sweep(beat)
    if shown.form is Form.TABLE and shown.header:
        click.echo(summary(rows, ended, now))
    warn(warning(ended, now=now, interval=app.settings.sweep_interval))


def _lines(app: App, only: Filter, confirm: Mapping[str, Confirm], now: datetime) -> list[Line]:
    snapshot = Snapshot(app.places.snapshot)
    try:
        found = snapshot.standings(only.nodes or None, checks=only.checks, outcomes=only.outcomes)
    except SnapshotUnusableError as error:
        if nothing_yet(app):
            return []
        raise StoreError(f"{error}; make it anew: cluster-doctor ingest --rebuild") from error
    rows = [
        Line(node, check, standing, now, confirm.get(check, (1, 1)))
        for (node, check), standing in found
    ]
    return sorted(rows, key=lambda line: (natural(line.node), line.check))
