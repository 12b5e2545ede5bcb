"""The command that has nodes verified, so that they return to service proven or not at all."""

import os
import time
from collections.abc import Sequence

import click

from slurm_hooks.account import asked_by
from slurm_hooks.cli import App
from slurm_hooks.errors import ClusterDoctorError, ConfigError, SlurmError
from slurm_hooks.hostlist import expand
from slurm_hooks.journal import Item, What
from slurm_hooks.privilege import as_slurm_user
from slurm_hooks.reaction import Kind
from slurm_hooks.reactor import Reactor, ask_to_verify, make_reactor, react
from slurm_hooks.settings import ReactionMode
from slurm_hooks.verified import Standing, judge, ready_at, verdict, verifications
from slurm_hooks.verify import visits_of

_POLL_S = 2.0


@click.command(short_help="Test drained nodes, and return those that pass to service.")
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@click.option("--wait", is_flag=True, help="Return when all are in service, or drained again.")
@click.pass_obj
def verify(app: App, *, nodes: tuple[str, ...], wait: bool) -> None:
    """Return each drained NODE (n1, n[3-5]) to service if what is tested there passes.

    It is reserved for the service account and resumed inside the reservation; the next sweep
    visits it with the checks that speak against it, or else with all. Whoever drained it: to
    ask is your word that it may come back. A node that fails is drained again.
    Runs as SlurmUser; root becomes that account. Exits 1 where a node cannot be
    verified, with --wait also where one did not return.
    """
    by, names = asked_by(os.environ), _names(nodes)
    as_slurm_user(app.settings, f"verify {' '.join(nodes)}")
    if app.settings.reactions.mode is ReactionMode.OFF:
        raise ConfigError(f"{app.settings.path}: reactions.mode is off: nothing changes a node")
    reactor = make_reactor(app.settings, service_uid=app.settings.service_uid)
    refused = ask_to_verify(reactor, names, by=by)
    for node, why in refused.items():
        click.echo(f"{node}: cannot be verified: {why}", err=True)
    asked = [name for name in names if name not in refused]
    problems = react(reactor).problems if asked else ()
    told = _tell(reactor, asked, {})
    while wait and asked and not all(_is_over(reactor, node) for node in asked):
        time.sleep(_POLL_S)
        problems = _react_again(reactor)
        told = _tell(reactor, asked, told)
    kept = [node for node in asked if wait and not _passed(reactor, node)]
    if problems:
        raise SlurmError("; ".join(problems))
    if refused or kept:
        raise click.exceptions.Exit(1)


def _names(hostlists: Sequence[str]) -> list[str]:
    try:
        return [*dict.fromkeys(name for one in hostlists for name in expand(one))]
    except ValueError as error:
        raise ConfigError(f"{' '.join(hostlists)}: not a list of nodes: {error}") from error


def _react_again(reactor: Reactor) -> Sequence[str]:
    """Do what follows by now; while Slurm does not answer that is told and waited out."""
    try:
        return react(reactor).problems
    except ClusterDoctorError as error:
        click.echo(f"{error}; asking again", err=True)
        return ()


def _tell(reactor: Reactor, nodes: Sequence[str], told: dict[str, str]) -> dict[str, str]:
    """Say how far each node is, where that is new; returns what was said."""
    said = {node: _how_far(reactor, node) for node in nodes}
    for node, line in said.items():
        if told.get(node) != line:
            click.echo(f"{node}: {line}")
    return said


def _how_far(reactor: Reactor, node: str) -> str:
    item = _latest(reactor, node)
    ended = verdict(item)
    if ended is not None:
        return {
            What.PASSED: "passed; it is back in service",
            What.FAILED: f"drained again: {ended.detail}",
            What.ABORTED: f"left as it is: {ended.detail}",
        }[ended.what] + ("" if item.over else " (under way)")
    if ready_at(item) is None:
        return "is to be reserved"
    visits = visits_of(reactor.seen, item)
    if judge(visits).standing is Standing.RUNNING:
        batch = visits[-1].batch
        return f"visited by batch {batch.id}: {', '.join(batch.visits[0].checks)}"
    return "reserved and resumed; the next sweep visits it"


def _latest(reactor: Reactor, node: str) -> Item:
    items = reactor.journal.read().items.values()
    here = [one for one in items if one.entry.kind is Kind.VERIFY and one.entry.node == node]
    return here[-1]


def _is_over(reactor: Reactor, node: str) -> bool:
    return all(item.entry.node != node for item in verifications(reactor.journal.read()))


def _passed(reactor: Reactor, node: str) -> bool:
    ended = verdict(_latest(reactor, node))
    return ended is not None and ended.what is What.PASSED
