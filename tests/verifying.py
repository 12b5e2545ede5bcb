"""Verifications over nodes in memory: asked for, visited as a sweep would, and watched."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from slurm_hooks.batch import Batch, Program, Shape, Verifying, Visit
from slurm_hooks.journal import Item, What
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.reactor import ask_to_verify
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.verified import judge, ready_at, reservation, verdict, verifications
from slurm_hooks.verify import visits_of
from tests.reactions import Clinic


def ask(world: Clinic, *nodes: str) -> dict[str, str]:
    """Alice asks for it, and a pass of the reactor follows."""
    refused = ask_to_verify(world.reactor(), nodes, by="alice", patience_s=0)
    world.react()
    return refused


def verification(world: Clinic, node: str) -> Item:
    """The latest of *node*."""
    return [item for item in world.items(node) if item.entry.kind is Kind.VERIFY][-1]


def whats(world: Clinic, node: str) -> list[What]:
    return [event.what for event in verification(world, node).events]


def plan(
    world: Clinic, node: str, checks: Sequence[str] = ("gpu-xid",), *, only: Sequence[str] = (),
    reacting: Reacting | None = None,
) -> Batch:  # fmt: skip
    """Write down the batch that a sweep would: all of *checks* must pass, *only* these run now."""
    item = next(one for one in verifications(world.book) if one.entry.node == node)
    assert ready_at(item) is not None
    assert verdict(item) is None
    how = reacting or Reacting()
    batch = world.batch([node], how)
    batch = replace(
        batch,
        id=f"{world.now:%Y%m%dT%H%M%SZ}-{world.batches:08x}",
        shape=Shape(),
        programs=tuple(
            Program(name=one, argv=("/bin/true",), time_limit_s=5.0, reacting=how)
            for one in checks
        ),
        visits=(Visit(task=0, node=node, checks=tuple(only or checks)),),
        verifying=Verifying(
            entry=item.entry.id, reservation=reservation(node), checks=tuple(checks)
        ),
    )  # fmt: skip
    world.state.write_batch(batch)
    return batch


def report(
    world: Clinic, batch: Batch, outcomes: Mapping[str, Outcome] | Outcome,
    evidence: Evidence = Evidence.RUNNER,
) -> None:  # fmt: skip
    """Put the visit's records into the spool."""
    visit = batch.visits[0]
    for check in visit.checks:
        outcome = outcomes if isinstance(outcomes, Outcome) else outcomes.get(check)
        if outcome is not None:
            world.state.write_record(
                Record(
                    cluster="lab", batch=batch.id, task=0, attempt=0, check=check,
                    node=visit.node, job_id=900, token=batch.token, evidence=evidence,
                    outcome=outcome, detail=f"{check} says so",
                    started_at=world.now, finished_at=world.tick(),
                )
            )  # fmt: skip


def visit(
    world: Clinic, node: str, outcomes: Mapping[str, Outcome] | Outcome,
    checks: Sequence[str] = ("gpu-xid",), *, only: Sequence[str] = (),
    reacting: Reacting | None = None,
) -> Batch:  # fmt: skip
    """Plan a visit and report what it found; the reactor has not looked yet."""
    batch = plan(world, node, checks, only=only, reacting=reacting)
    report(world, batch, outcomes)
    world.now += timedelta(seconds=1)
    return batch


def open_to_users(world: Clinic, node: str) -> bool:
    """Whether a job of anybody's could start on *node* now."""
    reserved = any(node in one.nodes for one in world.nodes.reservation_list)
    found = world.node(node)
    return found.state != "DOWN" and "DRAIN" not in found.flags and not reserved


def watch(world: Clinic, node: str) -> None:
    """Fail where *node* is open to its users before it is said to have passed."""

    def look(call: str) -> None:
        if open_to_users(world, node):
            assert What.PASSED in whats(world, node), f"{node} was open before {call}"

    world.nodes.before = look


def standing(world: Clinic, node: str) -> str:
    item = verification(world, node)
    return judge(visits_of(world.reactor().seen, item)).standing.value
