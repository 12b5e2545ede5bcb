"""The commands that plan and start checks: sweep, plan, checks."""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from analytics.fields import Field, local_time
from analytics.option_types import NodeList
from analytics.options import AS_TABLE, Shown, presentation
from analytics.present import columns_for
from analytics.present import show as show_rows
from analytics.table import Style
from checks import wiring
from checks.definition import CheckDefinition
from checks.definition_file import load_definition
from checks.eligible import Verdict
from checks.leaving import failures_left
from checks.pack import NodePlan
from checks.plan import Plan
from checks.progress import say_progress, wait_for
from checks.service import my_turn
from checks.sweep import Sweep, observe, plan_now
from checks.sweep import sweep as sweep_once
from checks.sweeper import Sweeper
from checks.swept import refusals
from checks.verifying import plan_verifications
from checks.waking import wake_reactor
from slurm_hooks.account import as_service, asked_by
from slurm_hooks.cli import App
from slurm_hooks.duration import format_duration
from slurm_hooks.errors import ConfigError, SlurmError
from slurm_hooks.oneline import one_line
from slurm_hooks.opened import read_open_batches
from slurm_hooks.ownership import check_sweep
from slurm_hooks.suspension import Suspended

_STYLES = {
    Verdict.DUE: Style.WARNING,
    Verdict.FRESH: Style.GOOD,
    Verdict.IN_BATCH: Style.PLAIN,
    Verdict.DRAINED: Style.BAD,
    Verdict.UNAVAILABLE: Style.BAD,
}


def _now() -> datetime:
    return datetime.now(UTC)


def _style(text: str) -> Style:
    return _STYLES.get(Verdict(text), Style.QUIET) if text in set(Verdict) else Style.PLAIN


class _Listed(NamedTuple):
    """A row of `checks list`."""

    definition: CheckDefinition
    suspended: Suspended | str | None
    """By command; text where its file cannot be read."""


def _state(one: _Listed) -> str:
    if one.definition.suspend:
        return "suspended in its file"
    if isinstance(one.suspended, Suspended):
        return f"suspended {_by_whom(one.suspended)}"
    return f"suspended: {one.suspended}" if one.suspended else "active"


def _by_whom(suspended: Suspended) -> str:
    reason = f": {suspended.reason}" if suspended.reason else ""
    return f"by {suspended.by} since {local_time(suspended.since)}{reason}"


def _why(plan: NodePlan) -> str:
    if plan.until is None:
        return plan.detail
    joint = "until" if plan.verdict is Verdict.FRESH else "after"
    return f"{plan.detail} {joint} {local_time(plan.until)}"


_NODE_FIELDS: Sequence[Field[NodePlan]] = (
    Field(name="node", meaning="the node", value=lambda one: one.node),
    Field(name="plan", meaning="what is done", value=lambda one: one.verdict.value, style=_style),
    Field(name="checks", meaning="what will run", value=lambda one: ",".join(one.checks)),
    Field(name="why", meaning="the reason", value=_why, flexible=True),
)

_NODE_USUAL = "node plan checks why"

_CHECK_FIELDS: Sequence[Field[_Listed]] = (
    Field(name="check", meaning="its name", value=lambda one: one.definition.name),
    Field(
        name="max_age", meaning="stale after",
        value=lambda one: format_duration(one.definition.max_age),
    ),
    Field(
        name="schedule", meaning="when it is due besides",
        value=lambda one: one.definition.schedule or "",
    ),
    Field(
        name="limit", meaning="longest run",
        value=lambda one: format_duration(one.definition.time_limit),
    ),
    Field(name="state", meaning="active, or who suspended it", value=_state),
    Field(
        name="after", meaning="depends on", value=lambda one: ",".join(one.definition.depends_on)
    ),
    Field(
        name="description", meaning="what it proves",
        value=lambda one: one.definition.summary, flexible=True,
    ),
)  # fmt: skip


_CHECK_USUAL = "check max_age limit state after description"


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--wait", is_flag=True, help="Return when the visits ended; show how far they are.")
@click.pass_obj
def sweep(app: App, *, dry_run: bool, wait: bool) -> None:
    """Visit the idle nodes whose last proof is stale.

    One pass: take in what earlier visits found, plan, submit. Run it every few
    minutes as the service account; it is safe to miss, to repeat and to kill.
    Exits 1 where Slurm would not take a batch; the next sweep tries it again.
    """
    if dry_run:
        plan_made = _plan(wiring.sweeper(app.settings))
        show_rows(columns_for(_NODE_FIELDS, _NODE_USUAL, AS_TABLE), plan_made.nodes, AS_TABLE)
        click.echo(_summary(plan_made) + "; nothing was submitted (--dry-run)", err=True)
        return
    as_service(app.settings, "sweep")
    with my_turn(app.settings, clock=_now) as taken_by:
        if taken_by:
            click.echo(f"another sweep is under way ({taken_by}); it does the work", err=True)
            return
        with failures_left(app.settings, clock=_now):
            made = wiring.sweeper(app.settings)
        check_sweep(app.settings, made.catalogue.sources.values())
        asleep = wake_reactor(app.settings.reactions.react_command)
        notes = [*filter(None, [asleep]), *plan_verifications(made, clock=_now)]
        done = sweep_once(made, clock=_now)
    for note in notes:
        click.echo(f"warning: {note}", err=True)
    _report(done)
    refused = done.advanced.refused
    if wait:
        wait_for(
            made,
            [one for one in made.state.open_batches() if one not in refused],
            clock=_now,
            tell=say_progress(),
            turn=partial(my_turn, app.settings, clock=_now),
        )
    if refused:
        raise SlurmError("; ".join(refusals(refused)))


@click.command()
@click.option("-N", "--nodelist", type=NodeList(), default=(), help="Only these nodes: n1,n[3-5].")
@presentation
@click.pass_obj
def plan(app: App, *, nodelist: tuple[str, ...], shown: Shown) -> None:
    """Show every node with what a sweep would do to it now, and why."""
    columns = columns_for(_NODE_FIELDS, _NODE_USUAL, shown)
    nodes = _plan(wiring.sweeper(app.settings)).nodes
    wanted = set(nodelist)
    show_rows(columns, [one for one in nodes if not wanted or one.node in wanted], shown)


@click.group()
def checks() -> None:
    """Show and validate check definitions, and switch checks off and on."""


@checks.command("list")
@presentation
@click.pass_obj
def list_(app: App, *, shown: Shown) -> None:
    """List every check."""
    columns = columns_for(_CHECK_FIELDS, _CHECK_USUAL, shown)
    off = app.state.suspensions.all()
    definitions = wiring.catalogue(app.settings).definitions
    show_rows(columns, [_Listed(one, off.get(one.name)) for one in definitions], shown)


@checks.command()
@click.argument("name")
@click.pass_obj
def show(app: App, name: str) -> None:
    """Print the definition of check NAME and the file it comes from."""
    catalogue = wiring.catalogue(app.settings)
    catalogue.get(name)
    path = catalogue.sources[name]
    click.echo(f"# {path}")
    click.echo(path.read_text(encoding="utf-8"), nl=False)


@checks.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; shown by `checks list`.")
@click.pass_obj
def suspend(app: App, name: str, reason: str) -> None:
    """Switch check NAME off from the next sweep on, until `checks resume`.

    Visits under way end as planned. Nothing waits for a suspended check.
    """
    as_service(app.settings, f"checks suspend {name}")
    wiring.catalogue(app.settings).get(name)
    off = Suspended(by=asked_by(os.environ), since=_now(), reason=one_line(reason))
    app.state.suspensions.add(name, off)
    click.echo(f"{name}: suspended {_by_whom(off)}")


@checks.command()
@click.argument("name")
@click.pass_obj
def resume(app: App, name: str) -> None:
    """Switch check NAME on again after `checks suspend`.

    Exits 1 where its own file suspends it.
    """
    as_service(app.settings, f"checks resume {name}")
    found = wiring.catalogue(app.settings)
    undone = app.state.suspensions.remove(name)
    if not undone:
        found.get(name)
    if any(one.suspend for one in found.definitions if one.name == name):
        path = found.sources[name]
        raise ConfigError(f"{path}: suspend: the file itself suspends {name}; edit or remove it")
    click.echo(f"{name}: resumed" if undone else f"{name}: it was not suspended")


@checks.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def validate(app: App, files: Sequence[Path]) -> None:
    """Check FILES, or without any all definitions that the settings name.

    Exits 1 and prints one line for each fault, with file, line and key.
    """
    faults: list[str] = []
    for path in files:
        try:
            load_definition(path)
        except ConfigError as error:
            faults.append(str(error))
    if not files:
        try:
            found = wiring.catalogue(app.settings)
            click.echo(f"{len(found.definitions)} checks are well-formed and go together")
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        click.echo("\n".join(faults), err=True)
        raise click.exceptions.Exit(1)
    for path in files:
        click.echo(f"{path}: well-formed")


def _plan(made: Sweeper) -> Plan:
    seen = observe(made)
    opened = read_open_batches(made.state)
    return plan_now(made, seen, opened, last=made.history.last(), now=_now())


def _summary(made: Plan) -> str:
    counts = Counter(one.verdict for one in made.nodes)
    shown = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{len(made.nodes)} nodes: {shown}"


def _report(done: Sweep) -> None:
    click.echo(_summary(done.plan))
    for batch_id, job_id in done.advanced.submitted.items():
        click.echo(f"submitted batch {batch_id} as job {job_id}")
    if done.advanced.cancelled:
        click.echo(f"cancelled {', '.join(done.advanced.cancelled)}")
    if done.collected.ingested:
        click.echo(f"{done.collected.ingested} new results")
    for warning in done.collected.warnings:
        click.echo(f"warning: {warning}", err=True)
