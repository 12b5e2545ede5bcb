"""How far each check is proven on the nodes it is for, and why it is not where it is not. Pure.

A node is proven by a check as long as a plan calls it fresh (`checks.due`); why it is not is what
the same plan says of the node.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from analytics.coverage_row import CoverageRow
from analytics.history import Last
from analytics.node_lines import Proof
from checks.due import Key, Rule, fresh_from
from checks.eligible import Verdict
from checks.pack import NodePlan
from slurm_hooks.record import Outcome

_FAIL, _PREEMPTED = Outcome.FAIL, Outcome.PREEMPTED
"""An enum's member is slow to look up, and 100,000 pairs are looked at."""

BLOCKED = "blocked"
"""Why a node is not proven that waits for another check to pass, there or elsewhere."""


def coverage(
    rules: Iterable[Rule],
    last: Mapping[Key, Last],
    nodes: Iterable[NodePlan],
    *,
    cluster: str,
    at: datetime,
    now: datetime,
) -> list[CoverageRow]:
    """Return a row for each of *rules*, in name order, for the sweep of *at* that planned at *now*.

    *nodes* is the plan by the same rules. One look at each pair of a check and a node.
    """
    why = {one.node: reason(one) for one in nodes}
    known = _by_check(last)
    rows = [
        _row(rule, known.get(rule.name, {}), why, cluster=cluster, at=at, now=now) for rule in rules
    ]
    return sorted(rows, key=lambda row: row.check_name)


def _by_check(last: Mapping[Key, Last]) -> Mapping[str, Mapping[str, Last]]:
    """Return what is known by check and node: in the order it is kept in, which memory likes."""
    found: dict[str, dict[str, Last]] = defaultdict(dict)
    for (node, check), seen in last.items():
        found[check][node] = seen
    return found


def reason(plan: NodePlan) -> str:
    """Return in a word why the checks that are not proven on this node are not."""
    if plan.verdict is Verdict.WAITING and plan.until is None:
        return BLOCKED
    return plan.verdict.value


def _row(
    rule: Rule,
    known: Mapping[str, Last],
    why: Mapping[str, str],
    *,
    cluster: str,
    at: datetime,
    now: datetime,
) -> CoverageRow:
    """Return how far *rule* is proven, where *known* is what is known of it on each node."""
    nodes, since = rule.nodes, fresh_from(rule, now)
    owing: list[str] = []
    preempted: list[int] = []
    judged: list[datetime] = []
    failing = 0
    for node, seen in known.items():
        if node not in nodes:
            continue
        judged_at = seen.judged_at
        if judged_at is not None:
            judged.append(judged_at)
            if seen.judged is _FAIL:
                failing += 1
            if judged_at >= since:
                continue
        owing.append(why[node])
        if seen.attempt is _PREEMPTED:
            preempted.append(_in_a_row(seen.unjudged))
    owing += [why[node] for node in nodes - known.keys()]
    debt = Counter(owing)
    return CoverageRow(
        cluster=cluster,
        at=at,
        check_name=rule.name,
        max_age_s=rule.max_age.total_seconds(),
        nodes=len(nodes),
        proven=len(nodes) - len(owing),
        failing=failing,
        never=len(nodes) - len(judged),
        oldest_proof=min(judged, default=None),
        debt={one: float(debt[one]) for one in sorted(debt)},
        preempted=len(preempted),
        preempted_most=max(preempted, default=0),
    )


def _in_a_row(unjudged: Sequence[Outcome]) -> int:
    """Return how often the latest tries were preempted, one after the other; at least once."""
    for number, outcome in enumerate(unjudged):
        if outcome is not _PREEMPTED:
            return max(1, number)
    return max(1, len(unjudged))


def proofs(last: Mapping[Key, Last]) -> dict[str, Proof]:
    """Return of each node how its checks stand, as `cluster-doctor nodes` shows it."""
    times: dict[str, list[datetime | None]] = defaultdict(list)
    failing: dict[str, list[str]] = defaultdict(list)
    for (node, check), seen in last.items():
        times[node].append(seen.judged_at)
        if seen.judged is _FAIL:
            failing[node].append(check)
    return {node: _proof(found, failing.get(node, ())) for node, found in times.items()}


def _proof(times: Sequence[datetime | None], failing: Sequence[str]) -> Proof:
    judged = [at for at in times if at is not None]
    return Proof(
        failing=tuple(sorted(failing)),
        latest=max(judged, default=None),
        oldest=min(judged, default=None),
        checks=len(times),
    )
