"""Checks that a person asks for: chosen by name instead of by age, else as in a sweep."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from analytics.history import Last
from checks.catalogue import Catalogue
from checks.definition import CheckDefinition
from checks.due import Key, Rule
from checks.eligible import Verdict, why_not_free
from checks.pack import NodePlan
from checks.plan import Plan, make_plan
from checks.selector import mismatch
from checks.sweep import (
    Collected,
    Observation,
    advance_open,
    collect,
    excluded_nodes,
    in_batch,
    limits_now,
    make_rules,
    observe,
)
from checks.sweeper import Sweeper
from checks.written import write_down
from slurm_hooks.batch import Mode
from slurm_hooks.decode import nearest
from slurm_hooks.errors import ConfigError
from slurm_hooks.opened import OpenBatch, read_open_batches
from slurm_hooks.outcome import Outcome
from slurm_hooks.settings import Settings
from slurm_hooks.slurm_text import Node
from slurm_hooks.submission import Advanced

_PASSING = {Verdict.WAITING, Verdict.OVER_LIMIT}
"""What keeps a node only until other visits have ended."""

_NEXT = "takes a visit of its own, after this one: other resources, no time left, or needs a pass"

Wanted = Mapping[str, frozenset[str]]
"""The checks that somebody asked for, by node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What was asked for and is not visited, and why."""

    node: str
    checks: tuple[str, ...]
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What becomes of a wish: the batches to submit, and the rest."""

    plan: Plan
    left_out: Sequence[LeftOut]
    """What cannot be visited."""
    postponed: Sequence[LeftOut]
    """What a visit after these could run: its resources differ, or there was no room."""

    @property
    def later(self) -> Wanted:
        """What is postponed, as a wish of its own."""
        return {one.node: frozenset(one.checks) for one in self.postponed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What `start` did."""

    asked: Asked
    batch_ids: tuple[str, ...]
    """Of the visits that Slurm took."""
    refused: Mapping[str, str]
    """By id why it did not take a batch, or not all of it; sweeps try again."""
    advanced: Advanced
    collected: Collected


def ask(
    sweeper: Sweeper,
    seen: Observation,
    opened: Sequence[OpenBatch],
    wanted: Wanted,
    *,
    patient: bool,
    now: datetime,
) -> Asked:
    """Return the visits that run *wanted* now, and what has to stay out. Changes nothing.

    The plan is a sweep's, made for these nodes and checks alone: what was asked for counts
    as never seen, and so does what it depends on, unless that is fresh and passed.

    Raises:
        ConfigError: a check or a node is unknown.
        StoreError: the history does not answer.
    """
    catalogue = chosen_catalogue(sweeper.catalogue, wanted)
    nodes = _nodes(seen, wanted)
    rules = _rules(sweeper.settings, catalogue, nodes, wanted, now=now)
    plan = make_plan(
        rules=rules,
        nodes=[_as_if_free(node) for node in nodes] if patient else nodes,
        excluded=excluded_nodes(sweeper.settings, nodes),
        last=forget(sweeper.history.last(), rules, wanted, now=now),
        in_batch=in_batch(opened),
        limits=limits_now(sweeper.settings, len(seen.nodes), opened),
        now=now,
    )
    return _explained(sweeper.settings, plan, catalogue, nodes, wanted)


def start(
    sweeper: Sweeper, wanted: Wanted, *, patient: bool, clock: Callable[[], datetime]
) -> Started:
    """Submit what of *wanted* can be visited now; the caller holds the sweep's lock.

    A *patient* visit waits in the queue for a node that has jobs, until the queue limit.

    Raises:
        ClusterDoctorError: something it needs did not answer; the next sweep goes on there.
    """
    sweeper.state.prepare()
    chosen = replace(sweeper, catalogue=chosen_catalogue(sweeper.catalogue, wanted))
    seen = observe(chosen)
    collected = collect(sweeper, seen.queue, now=clock())
    opened = read_open_batches(sweeper.state)
    asked = ask(sweeper, seen, opened, wanted, patient=patient, now=clock())
    last = sweeper.history.last() if asked.plan.batches else {}
    batches = [
        replace(write_down(chosen, planned, last=last, now=clock()), patient=patient)
        for planned in asked.plan.batches
    ]
    for batch in batches:
        sweeper.state.write_batch(batch)
    advanced = advance_open(sweeper, seen, now=clock())
    refused = advanced.refused
    return Started(
        asked=asked,
        batch_ids=tuple(batch.id for batch in batches if batch.id not in refused),
        refused={batch.id: refused[batch.id] for batch in batches if batch.id in refused},
        advanced=advanced,
        collected=collected,
    )


def to_retry(
    last: Mapping[Key, Last],
    outcomes: Collection[Outcome],
    *,
    nodes: Collection[str],
    checks: Collection[str],
    known: Collection[str],
) -> dict[str, frozenset[str]]:
    """Return the checks of *known* whose latest attempt ended as one of *outcomes*, by node.

    Empty *nodes* and *checks* mean all.
    """
    found: dict[str, set[str]] = {}
    for (node, check), one in sorted(last.items()):
        chosen = (not nodes or node in nodes) and (not checks or check in checks)
        if chosen and one.attempt in outcomes and check in known:
            found.setdefault(node, set()).add(check)
    return {node: frozenset(names) for node, names in found.items()}


def chosen_catalogue(catalogue: Catalogue, wanted: Wanted) -> Catalogue:
    """Return the checks asked for, suspended ones too, and the active ones they depend on.

    Raises:
        ConfigError: there is no such check.
    """
    active = {one.name: one for one in catalogue.active}
    asked = [catalogue.get(name) for name in sorted(set().union(*wanted.values()))]
    found = {one.name: one.model_copy(update={"suspend": False}) for one in asked}
    waiting = list(found.values())
    for one in waiting:
        for name in one.depends_on:
            if name in active and name not in found:
                found[name] = active[name]
                waiting.append(active[name])
    return Catalogue(
        definitions=tuple(found[name] for name in sorted(found)), sources=catalogue.sources
    )


def forget(
    last: Mapping[Key, Last], rules: Sequence[Rule], wanted: Wanted, *, now: datetime
) -> dict[Key, Last]:
    """Return *last* without what has to run again: what is wanted, and proofs that are no use."""
    return {
        (node, rule.name): last[node, rule.name]
        for rule in rules
        for node in rule.nodes
        if rule.name not in wanted[node]
        and (node, rule.name) in last
        and _proves(last[node, rule.name], rule, now)
    }


def _proves(last: Last, rule: Rule, now: datetime) -> bool:
    good = last.judged in {Outcome.PASS, Outcome.WARN}
    return good and last.judged_at is not None and now - last.judged_at <= rule.max_age


def _nodes(seen: Observation, wanted: Wanted) -> list[Node]:
    known = {node.name: node for node in seen.nodes}
    for name in wanted:
        if name not in known:
            raise ConfigError(f"Slurm has no node {name!r}{nearest(name, [*known])}")
    return [node for node in seen.nodes if node.name in wanted]


def _rules(
    settings: Settings,
    catalogue: Catalogue,
    nodes: Sequence[Node],
    wanted: Wanted,
    *,
    now: datetime,
) -> list[Rule]:
    """Return the rules of *catalogue*, each for the nodes where it is asked for or needed.

    Whoever asks for a check does not want to hear of other nodes that are not yet proven.
    """
    needs = {one.name: one.depends_on for one in catalogue.active}
    closures: dict[frozenset[str], frozenset[str]] = {}
    for names in wanted.values():
        if names not in closures:
            closures[names] = _with_dependencies(names, needs)
    return [
        replace(
            rule,
            nodes=frozenset(node for node in rule.nodes if rule.name in closures[wanted[node]]),
            depends_on_everywhere=(),
        )
        for rule in make_rules(settings, catalogue, nodes, first_seen=None, now=now)
    ]


def _with_dependencies(names: Iterable[str], needs: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found = list(names)
    for name in found:
        found.extend(other for other in needs[name] if other not in found)
    return frozenset(found)


def _as_if_free(node: Node) -> Node:
    """Return *node* without its jobs, where nothing but jobs keeps it from being visited."""
    kept = why_not_free(node)
    if kept is None or kept[0] is not Verdict.BUSY:
        return node
    idle = replace(node, state="IDLE", flags=node.flags - {"COMPLETING", "PLANNED"})
    return idle if why_not_free(idle) is None else node


def _explained(
    settings: Settings, plan: Plan, catalogue: Catalogue, nodes: Sequence[Node], wanted: Wanted
) -> Asked:
    left_out: list[LeftOut] = []
    postponed: list[LeftOut] = []
    by_name = {one.node: one for one in plan.nodes}
    for node in nodes:
        unfit = _unfit(settings, catalogue, node, wanted[node.name])
        left_out.extend(unfit)
        missing = wanted[node.name] - {name for one in unfit for name in one.checks}
        rest = _rest(by_name[node.name], missing)
        if rest is not None:
            (postponed if rest.verdict in _PASSING else left_out).append(rest)
    return Asked(plan=plan, left_out=left_out, postponed=postponed)


def _unfit(
    settings: Settings, catalogue: Catalogue, node: Node, names: Iterable[str]
) -> list[LeftOut]:
    reasons = ((name, _mismatch(settings, catalogue.get(name), node)) for name in sorted(names))
    return [
        LeftOut(node=node.name, checks=(name,), verdict=Verdict.EXCLUDED, why=f"not for it: {why}")
        for name, why in reasons
        if why
    ]


def _mismatch(settings: Settings, definition: CheckDefinition, node: Node) -> str:
    """Return why a visit for *definition* cannot go to *node*, or nothing where it can."""
    single = settings.partition_single
    if definition.shape.mode is not Mode.ARRAY and single not in node.partitions:
        return f"is not in partition {single}"
    return mismatch(definition, node)


def _rest(found: NodePlan, wanted: frozenset[str]) -> LeftOut | None:
    """Return what of *wanted* the node's visit, if there is one, does not run."""
    due = found.verdict is Verdict.DUE
    missing = wanted - set(found.checks) if due else wanted
    if not missing:
        return None
    return LeftOut(
        node=found.node,
        checks=tuple(sorted(missing)),
        verdict=Verdict.WAITING if due else found.verdict,
        why=_NEXT if due else found.detail,
    )
