"""The commands of a person who does not want to wait for the sweep: run, cancel, retry."""

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from analytics.fields import Field
from analytics.natural import natural
from analytics.option_types import Names, NodeList, Outcomes
from analytics.options import AS_TABLE
from analytics.present import columns_for, show
from analytics.result import Result, result
from analytics.rows import HISTORY
from checks import wiring
from checks.cancel import Chosen
from checks.cancel import cancel as cancel_visits
from checks.ondemand import LeftOut, Started, Wanted, start, to_retry
from checks.progress import say_progress, wait_for
from checks.service import in_turn, my_turn
from checks.sweeper import Sweeper
from checks.swept import refusals
from slurm_hooks.account import as_service, asked_by
from slurm_hooks.cli import App
from slurm_hooks.errors import ClusterDoctorError, ConfigError, RecordError, SlurmError
from slurm_hooks.files import read_regular
from slurm_hooks.ownership import check_sweep
from slurm_hooks.record import MAX_BYTES, Outcome, Record, loads
from slurm_hooks.state import State

_PATIENCE_S = 30.0
_EPILOG_S = 15.0
"""How long a node is waited for whose last job is just ending, such as a visit of ours."""

_FAILED, _INCOMPLETE = 1, 3
_RETRIED = "fail,error,timeout,preempted,cancelled,node_fail,not_started"

_LEFT_OUT: Sequence[Field[LeftOut]] = (
    Field(name="node", meaning="the node", value=lambda one: one.node),
    Field(name="left_out", meaning="what is not run", value=lambda one: ",".join(one.checks)),
    Field(name="plan", meaning="what keeps it", value=lambda one: one.verdict.value),
    Field(name="why", meaning="the reason", value=lambda one: one.why, flexible=True),
)


def _now() -> datetime:
    return datetime.now(UTC)


def _acting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of commands that start visits."""
    for option in (
        click.option("--wait", is_flag=True, help="Return when all ended; show the results."),
        click.option(
            "--now", "patient", is_flag=True,
            help="Visit busy nodes too, once their jobs end, if that is before queue_limit.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(short_help="Run checks on nodes now, whatever their age.")
@click.argument("checks", nargs=-1, required=True, metavar="CHECK...")
@click.option("-w", "-N", "--nodelist", type=NodeList(), required=True, help="Where: n1,n[3-5].")
@_acting
@click.pass_obj
def run(
    app: App, *, checks: tuple[str, ...], nodelist: tuple[str, ...], patient: bool, wait: bool
) -> None:
    """Run each CHECK, and what it depends on, on the nodes of -w now.

    Exits 0 when all of it was submitted, with --wait: ended pass or warn; 1 when anything
    ended otherwise, or nothing could be submitted; 3 when some of it was left out.
    """
    as_service(app.settings, "run")
    made = wiring.sweeper(app.settings)
    _known(made, checks)
    _start(made, dict.fromkeys(nodelist, frozenset(checks)), patient=patient, wait=wait)


@click.command(short_help="Run again what judged nothing, or failed.")
@click.option("-w", "-N", "--nodelist", type=NodeList(), default=(), help="Only these nodes.")
@click.option("-c", "--check", "checks", type=Names(), default=(), help="Only these checks.")
@click.option(
    "-s", "--outcome", "outcomes", type=Outcomes(), default=_RETRIED,
    help=f"What the latest attempt ended as; {_RETRIED} by default.",
)  # fmt: skip
@_acting
@click.pass_obj
def retry(
    app: App,
    *,
    nodelist: tuple[str, ...],
    checks: tuple[str, ...],
    outcomes: tuple[str, ...],
    patient: bool,
    wait: bool,
) -> None:
    """Run again now, by each node's latest attempt, what ended without a judgement or failed.

    Exits as `run` does.
    """
    as_service(app.settings, "retry")
    made = wiring.sweeper(app.settings)
    _known(made, checks)
    wanted = to_retry(
        made.history.last(),
        {Outcome(name) for name in outcomes},
        nodes=nodelist,
        checks=checks,
        known={one.name for one in made.catalogue.active},
    )
    if not wanted:
        click.echo("nothing to retry", err=True)
        return
    _start(made, wanted, patient=patient, wait=wait)


@click.command(short_help="End visits that run or wait.")
@click.argument("batches", nargs=-1, metavar="[BATCH]...")
@click.option("-w", "-N", "--nodelist", type=NodeList(), default=(), help="Only on these nodes.")
@click.option("-c", "--check", "checks", type=Names(), default=(), help="Only with these checks.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.pass_obj
def cancel(
    app: App,
    *,
    batches: tuple[str, ...],
    nodelist: tuple[str, ...],
    checks: tuple[str, ...],
    everything: bool,
) -> None:
    """End the visits that match every option, with all checks that still miss a result.

    Their results say cancelled or not_started, and by whom.
    """
    if everything == bool(batches or nodelist or checks):
        raise click.UsageError("name batches, -w, -c, or --all alone.")
    as_service(app.settings, "cancel")
    found = cancel_visits(
        wiring.sweeper(app.settings).slurm,
        app.state,
        Chosen(batches=batches, nodes=nodelist, checks=checks),
        user=app.settings.service_user,
        by=asked_by(os.environ),
        now=_now(),
    )
    for one in found:
        click.echo(f"cancelled {one.visit.node} {','.join(one.visit.checks)} (batch {one.batch})")
    if not found:
        click.echo("no visit matches", err=True)


def _known(made: Sweeper, checks: Iterable[str]) -> None:
    """Refuse a check that there is not, as a wrong use of the command."""
    try:
        for name in checks:
            made.catalogue.get(name)
    except ConfigError as error:
        raise click.UsageError(f"{error}.") from error


def _start(made: Sweeper, wanted: Wanted, *, patient: bool, wait: bool) -> None:
    """Submit *wanted*; with *wait* visit after visit until nothing more of it can run."""
    check_sweep(made.settings, made.catalogue.sources.values())
    batch_ids: list[str] = []
    left_out: list[LeftOut] = []
    refused: dict[str, str] = {}
    while True:
        with in_turn(made.settings, clock=_now, patience_s=_PATIENCE_S, tell=_say):
            _await_epilogs(made, wanted)
            done = start(made, wanted, patient=patient, clock=_now)
        batch_ids.extend(done.batch_ids)
        left_out.extend(done.asked.left_out)
        refused.update(done.refused)
        _report(done)
        if not wait or not done.batch_ids:
            break
        wait_for(
            made,
            done.batch_ids,
            clock=_now,
            tell=say_progress(),
            turn=partial(my_turn, made.settings, clock=_now),
        )
        if not done.asked.later:
            break
        wanted = done.asked.later
    left_out.extend(done.asked.postponed)
    good = _show_results(made.state, batch_ids) if wait and batch_ids else True
    _show_left_out(left_out)
    if refused:
        raise SlurmError("; ".join(refusals(refused)))
    if not batch_ids:
        raise ClusterDoctorError("nothing was submitted")
    if not good or left_out:
        raise click.exceptions.Exit(_INCOMPLETE if good else _FAILED)


def _await_epilogs(made: Sweeper, nodes: Collection[str]) -> None:
    """Give nodes that a job has just left the time to be free again."""
    ends_at = time.monotonic() + _EPILOG_S
    while time.monotonic() < ends_at:
        if not any("COMPLETING" in one.flags for one in made.slurm.nodes() if one.name in nodes):
            return
        time.sleep(1.0)


def _report(done: Started) -> None:
    for batch_id, job_id in done.advanced.submitted.items():
        click.echo(f"submitted batch {batch_id} as job {job_id}")
    for warning in done.collected.warnings:
        click.echo(f"warning: {warning}", err=True)


def _show_left_out(left_out: Sequence[LeftOut]) -> None:
    if left_out:
        rows = sorted(left_out, key=lambda one: (natural(one.node), one.checks))
        show(columns_for(_LEFT_OUT, "node left_out plan why", AS_TABLE), rows, AS_TABLE)


def _show_results(state: State, batch_ids: Collection[str]) -> bool:
    """Show how every check of *batch_ids* ended; returns whether all are pass or warn."""
    rows = results_of(state, batch_ids)
    show(columns_for(HISTORY, "node check outcome duration detail", AS_TABLE), rows, AS_TABLE)
    planned = sum(
        len(visit.checks) for one in map(state.read_batch, batch_ids) for visit in one.visits
    )
    good = {Outcome.PASS, Outcome.WARN}
    return len(rows) == planned and all(row.outcome in good for row in rows)


def results_of(state: State, batch_ids: Iterable[str]) -> list[Result]:
    """Return the results of *batch_ids* that are in the history, by node, in running order."""
    found: list[Result] = []
    for batch_id in batch_ids:
        partition = state.read_batch(batch_id).partition
        records: dict[tuple[int, str], Record] = {}
        for path in state.results(batch_id):
            record = _record(path)
            if record is None or record.outcome is None:
                continue
            key = (record.task, record.check)
            if key not in records or records[key].evidence.revision < record.evidence.revision:
                records[key] = record
        found.extend(
            result(one, one.outcome, partition=partition, now=one.finished_at)
            for one in records.values()
            if one.outcome is not None
        )
    return sorted(found, key=lambda row: (natural(row.node), row.finished_at))


def _record(path: Path) -> Record | None:
    try:
        return loads(read_regular(path, limit=MAX_BYTES))
    except (OSError, RecordError):
        return None


def _say(text: str) -> None:
    click.echo(text, err=True)
