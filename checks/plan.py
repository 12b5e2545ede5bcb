"""Which checks are due where, and of every node why it is visited or not. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from analytics.history import Last
from checks.due import (
    NEVER,
    Key,
    Rule,
    first_due,
    is_due,
    passed,
    unconfirmed,
)
from checks.eligible import Verdict, why_not_free
from checks.explain import ages, nothing_due, over_limit
from checks.pack import (
    OVERHEAD,
    Candidate,
    Due,
    Limits,
    NodePlan,
    PlannedBatch,
    batches,
    pack,
    within_limits,
)
from slurm_hooks.batch import Shape
from slurm_hooks.slurm_text import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every node with its explanation, and the batches to submit."""

    nodes: tuple[NodePlan, ...]
    batches: tuple[PlannedBatch, ...]
    rules: tuple[Rule, ...] = ()
    """What it was made by, in running order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What every node is judged by."""

    last: Mapping[Key, Last]
    held_up: Mapping[str, str]
    """Checks that are due nowhere yet, each with the reason."""
    limits: Limits
    now: datetime


def make_plan(
    *,
    rules: Sequence[Rule],
    nodes: Sequence[Node],
    excluded: Mapping[str, str],
    last: Mapping[Key, Last],
    in_batch: Mapping[str, str],
    limits: Limits,
    now: datetime,
) -> Plan:
    """Decide what to visit, the longest unproven first.

    A pair never judged is older than any judged one; among those, one never
    tried is older than one that was. Ties break by node name, so that the same
    input gives the same plan.

    *rules* come in running order: cheapest first, after what they depend on.
    *excluded* says why a node is left out, *in_batch* which open batch visits it.
    """
    plans: dict[str, NodePlan] = {}
    candidates = []
    held_up = {}
    if any(rule.depends_on_everywhere for rule in rules):
        counting = [node.name for node in nodes if _counts(node, excluded)]
        held_up = _held_up(rules, counting, last, now)
    given = _Given(last=last, held_up=held_up, limits=limits, now=now)
    known = {node.name: _fixed(node, excluded, in_batch) for node in nodes}
    visitable = [name for name, fixed in known.items() if fixed is None]
    in_turn, out_of_turn = _take_turns(rules, visitable, given)
    for node in nodes:
        fixed = known[node.name]
        if fixed is None:
            wanted = [rule for rule in in_turn if node.name in rule.nodes]
            found = _judge_node(node.name, wanted, given)
            if isinstance(found, Candidate):
                candidates.append(found)
            fixed = found.plan if isinstance(found, Candidate) else found
        plans[node.name] = fixed
    planned = batches(within_limits(candidates, limits), limits)
    visited = {visit.node for batch in planned for visit in batch.visits}
    for candidate in candidates:
        if candidate.plan.node not in visited:
            plans[candidate.plan.node] = over_limit(candidate.plan, limits)
    for name, detail in out_of_turn.items():
        if plans[name].verdict is not Verdict.DUE:
            plans[name] = NodePlan(node=name, verdict=Verdict.OVER_LIMIT, detail=detail)
    return Plan(nodes=tuple(plans.values()), batches=planned, rules=tuple(rules))


def _fixed(node: Node, excluded: Mapping[str, str], in_batch: Mapping[str, str]) -> NodePlan | None:
    """Return the plan of a node whose checks need no look."""
    if node.name in excluded:
        return NodePlan(node=node.name, verdict=Verdict.EXCLUDED, detail=excluded[node.name])
    if node.name in in_batch:
        detail = f"visited by batch {in_batch[node.name]}"
        return NodePlan(node=node.name, verdict=Verdict.IN_BATCH, detail=detail)
    kept = why_not_free(node)
    return NodePlan(node=node.name, verdict=kept[0], detail=kept[1]) if kept else None


def _judge_node(node: str, rules: Sequence[Rule], given: _Given) -> NodePlan | Candidate:
    if not rules:
        return NodePlan(node=node, verdict=Verdict.EXCLUDED, detail="no check is for this node")
    due, blocked = _due_here(node, rules, given)
    if due:
        return _candidate(node, due, given.limits, given.now)
    if blocked:
        return NodePlan(node=node, verdict=Verdict.WAITING, detail="; ".join(blocked))
    return nothing_due(node, rules, given.last, given.now)


def _due_here(node: str, rules: Sequence[Rule], given: _Given) -> tuple[list[Due], list[str]]:
    """Return what of *rules* is due on *node*, and of what has to wait there: for what."""
    last, now = given.last, given.now
    due = []
    for rule in rules:
        found = last.get((node, rule.name))
        if found is None:
            if now >= first_due(rule):
                due.append(Due(NEVER, NEVER, rule))
        elif is_due(rule, found, now):
            proven_at = NEVER if unconfirmed(rule, found) else found.judged_at
            due.append(Due(proven_at or NEVER, found.attempt_at or NEVER, rule, found))
    return _without_blocked(node, due, rules, given)


def _take_turns(
    rules: Sequence[Rule],
    nodes: Sequence[str],
    given: _Given,
) -> tuple[Sequence[Rule], dict[str, str]]:
    """Take rules whose shape has a limit of its own away from all but the stalest *nodes*.

    So the other nodes' other checks do not wait behind them. Also returns why, by node.
    """
    limits = given.limits
    limited = dict.fromkeys(rule.shape for rule in rules if limits.room(rule.shape) is not None)
    out_of_turn: dict[str, str] = {}
    taken: dict[Shape, set[str]] = {}
    for shape in limited:
        due = _urgencies(shape, rules, nodes, given)
        room = limits.room(shape) or 0
        taken[shape] = set(sorted(due, key=lambda node: (due[node], node))[room:])
        names = ", ".join(rule.name for rule in rules if rule.shape == shape)
        most = room + limits.under_way.get(shape, 0)
        for node in taken[shape]:
            out_of_turn[node] = f"{names} in turn, at most {most} at once, the stalest first"
    if not limited:
        return rules, {}
    return [
        replace(rule, nodes=rule.nodes - taken.get(rule.shape, set())) for rule in rules
    ], out_of_turn


def _urgencies(
    shape: Shape,
    rules: Sequence[Rule],
    nodes: Sequence[str],
    given: _Given,
) -> dict[str, tuple[datetime, datetime]]:
    """Return how stale *nodes* are by the checks of *shape* that could run there."""
    found = {}
    for node in nodes:
        due, _ = _due_here(node, [rule for rule in rules if node in rule.nodes], given)
        ages = [(one.judged_at, one.attempt_at) for one in due if one.rule.shape == shape]
        if ages:
            found[node] = min(ages)
    return found


def _held_up(
    rules: Sequence[Rule], nodes: Sequence[str], last: Mapping[Key, Last], now: datetime
) -> dict[str, str]:
    """Return the checks that are due nowhere yet, each with what has to pass on *nodes* first."""
    by_name = {rule.name: rule for rule in rules}
    waiting = [rule for rule in rules if rule.depends_on_everywhere]
    needed = {name for rule in waiting for name in rule.depends_on_everywhere if name in by_name}
    missing = {
        name: [
            node
            for node in nodes
            if node in by_name[name].nodes
            and not passed(by_name[name], last.get((node, name)), now)
        ]
        for name in needed
    }
    found = {}
    for rule in waiting:
        open_ = [name for name in rule.depends_on_everywhere if missing.get(name)]
        if open_:
            said = " and ".join(f"{name} to pass on {_some(missing[name])}" for name in open_)
            found[rule.name] = f"{rule.name} waits for {said}"
    return found


def _counts(node: Node, excluded: Mapping[str, str]) -> bool:
    """Whether what must pass everywhere must pass on *node* too: somebody can prove it now."""
    kept = why_not_free(node)
    gone = kept is not None and kept[0] in {Verdict.DRAINED, Verdict.UNAVAILABLE}
    return not gone and node.name not in excluded


def _some(nodes: Sequence[str]) -> str:
    shown = ", ".join(sorted(nodes)[:3]) + (", ..." if len(nodes) > 3 else "")
    return f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} ({shown})"


def _without_blocked(
    node: str, due: list[Due], rules: Sequence[Rule], given: _Given
) -> tuple[list[Due], list[str]]:
    """Drop what is held up everywhere, or waits for a dependency on this node.

    That is one which is neither fresh and passed here nor in this visit. A dependency that
    is not for this node is not waited for.
    """
    held_up = given.held_up
    if not any(one.rule.depends_on or one.rule.name in held_up for one in due):
        return due, []
    by_name = {rule.name: rule for rule in rules}
    kept: dict[str, Due] = {}
    blocked = []
    for one in due:
        missing = [
            name
            for name in one.rule.depends_on
            if name in by_name
            and not passed(by_name[name], given.last.get((node, name)), given.now)
            and not (name in kept and kept[name].rule.shape == one.rule.shape)
        ]
        if one.rule.name in held_up:
            blocked.append(held_up[one.rule.name])
        elif missing:
            blocked.append(f"{one.rule.name} waits for {', '.join(missing)} to pass here")
        else:
            kept[one.rule.name] = one
    return [*kept.values()], blocked


def _candidate(node: str, due: Sequence[Due], limits: Limits, now: datetime) -> Candidate:
    first = min(due, key=lambda one: (one.judged_at, one.attempt_at, one.rule.name))
    visit = pack(first, due, limits.visit_budget)
    plan = NodePlan(
        node=node,
        verdict=Verdict.DUE,
        detail=ages(visit, now),
        checks=tuple(one.rule.name for one in visit),
    )
    return Candidate(
        urgency=(first.judged_at, first.attempt_at, node),
        shape=first.rule.shape,
        time_limit=sum((one.rule.time_limit for one in visit), OVERHEAD),
        queue_limit=min(one.rule.queue_limit or limits.queue_limit for one in visit),
        plan=plan,
    )
