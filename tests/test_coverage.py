"""How far checks are proven at a sweep, and why they are not where they are not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from analytics.coverage_row import CoverageRow
from analytics.history import Last
from analytics.node_lines import Proof
from checks.coverage import coverage, proofs, reason
from checks.due import Key, Rule, is_due
from checks.eligible import Verdict
from checks.pack import Limits, NodePlan
from checks.plan import Plan, make_plan
from slurm_hooks.record import Outcome
from slurm_hooks.slurm_text import Node
from tests.test_plan import NAMES, NOW, hours, idle, rule

DAY = timedelta(days=1)
BEGAN = NOW - timedelta(seconds=3)


def last(
    outcome: Outcome | None = Outcome.PASS,
    *,
    ago: timedelta = timedelta(hours=1),
    attempt: Outcome | None = None,
    unjudged: Sequence[Outcome] = (),
) -> Last:
    at = None if outcome is None else NOW - ago
    return Last(outcome, at, attempt or outcome, at or NOW, tuple(unjudged))


def planned(
    rules: Sequence[Rule],
    known: Mapping[Key, Last],
    nodes: Sequence[Node] | None = None,
    *,
    excluded: Mapping[str, str] | None = None,
    in_batch: Mapping[str, str] | None = None,
    most: int = 100,
) -> Plan:
    return make_plan(
        rules=rules,
        nodes=nodes or idle(),
        excluded=excluded or {},
        last=known,
        in_batch=in_batch or {},
        limits=Limits(
            max_visits=most, in_flight=0, visit_budget=hours(1), queue_limit=timedelta(minutes=30)
        ),
        now=NOW,
    )


def sample(plan: Plan, known: Mapping[Key, Last]) -> CoverageRow:
    (found,) = coverage(plan.rules, known, plan.nodes, cluster="lab", at=BEGAN, now=NOW)
    return found


def test_a_proof_exactly_max_age_old_counts_and_a_moment_older_does_not() -> None:
    known = {("n000", "disk"): last(ago=DAY), ("n001", "disk"): last(ago=DAY + hours(0.001))}
    found = sample(planned([rule(nodes=["n000", "n001"])], known), known)
    assert (found.nodes, found.proven, found.debt) == (2, 1, {"due": 1.0})
    assert (found.cluster, found.at, found.check_name) == ("lab", BEGAN, "disk")
    assert found.oldest_proof == NOW - DAY - hours(0.001)


def test_each_node_that_is_not_proven_counts_under_what_the_plan_says_of_it() -> None:
    nodes = [
        Node(name="n000", state="IDLE"),
        Node(name="n001", state="ALLOCATED"),
        Node(name="n002", state="IDLE", flags=frozenset({"DRAIN"})),
        Node(name="n003", state="DOWN"),
        Node(name="n004", state="IDLE"),
        Node(name="n005", state="IDLE"),
    ]
    plan = planned([rule()], {}, nodes, excluded={"n004": "named"}, in_batch={"n005": "b"})
    found = sample(plan, {})
    kinds = "due", "busy", "drained", "unavailable", "excluded", "in-batch"
    assert found.debt == dict.fromkeys(sorted(kinds), 1.0)
    assert (found.proven, found.never, found.oldest_proof) == (0, 6, None)


def test_what_waits_for_another_check_is_blocked_and_what_waits_for_its_retry_waits() -> None:
    rules = [rule("disk", nodes=["n000"]), rule("gpu", nodes=["n000"], depends_on=("disk",))]
    failing = {("n000", "disk"): last(Outcome.FAIL)}
    plan = planned(rules, failing)
    disk, gpu = coverage(plan.rules, failing, plan.nodes, cluster="lab", at=BEGAN, now=NOW)
    assert (disk.proven, disk.failing, disk.debt) == (1, 1, {})
    assert (gpu.proven, gpu.debt) == (0, {"blocked": 1.0})
    erred = {("n000", "disk"): last(None, attempt=Outcome.ERROR, unjudged=[Outcome.ERROR])}
    assert sample(planned(rules[:1], erred), erred).debt == {"waiting": 1.0}


def test_what_does_not_fit_into_this_sweep_is_over_the_limit() -> None:
    found = sample(planned([rule(minutes=29)], {}, most=2), {})
    assert found.debt == {"due": 2.0, "over-limit": 4.0}


def test_visits_that_give_way_again_and_again_are_counted() -> None:
    known = {
        ("n000", "disk"): last(None, attempt=Outcome.PREEMPTED, unjudged=[Outcome.PREEMPTED] * 5),
        ("n001", "disk"): last(
            ago=2 * DAY,
            attempt=Outcome.PREEMPTED,
            unjudged=[Outcome.PREEMPTED, Outcome.ERROR, Outcome.PREEMPTED],
        ),
        # Proven all the same, and one that ended otherwise since.
        ("n002", "disk"): last(attempt=Outcome.PREEMPTED, unjudged=[Outcome.PREEMPTED]),
        ("n003", "disk"): last(None, attempt=Outcome.ERROR, unjudged=[Outcome.ERROR]),
    }
    found = sample(planned([rule()], known), known)
    assert (found.preempted, found.preempted_most) == (2, 5)


def test_a_check_that_is_for_no_node_has_an_empty_row() -> None:
    found = sample(planned([rule(nodes=[])], {}), {})
    assert (found.nodes, found.proven, found.debt, found.preempted_most) == (0, 0, {}, 0)


def test_a_fail_is_a_judgement_and_stays_failing_when_it_is_old() -> None:
    known = {("n000", "disk"): last(Outcome.FAIL, ago=3 * DAY)}
    found = sample(planned([rule(nodes=["n000"])], known), known)
    assert (found.failing, found.proven, found.debt) == (1, 0, {"due": 1.0})


outcomes = st.sampled_from(Outcome)
lasts = st.builds(
    last,
    st.sampled_from([None, Outcome.PASS, Outcome.WARN, Outcome.FAIL]),
    ago=st.sampled_from([hours(0), hours(12), DAY, DAY + hours(0.01), 4 * DAY]),
    attempt=st.none() | outcomes,
    unjudged=st.lists(st.sampled_from([Outcome.ERROR, Outcome.PREEMPTED]), max_size=8),
)
histories = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["disk", "gpu"])), lasts
)
fleets = st.lists(
    st.builds(
        lambda state, flags: (state, frozenset(flags)),
        st.sampled_from(["IDLE", "ALLOCATED", "DOWN"]),
        st.sets(st.sampled_from(["DRAIN", "PLANNED", "RESERVED"]), max_size=1),
    ),
    min_size=len(NAMES),
    max_size=len(NAMES),
).map(
    lambda kinds: [
        Node(name=name, state=state, flags=flags)
        for name, (state, flags) in zip(NAMES, kinds, strict=True)
    ]
)
RULES = [rule("disk"), rule("gpu", nodes=NAMES[1:4], depends_on=("disk",), retries=1)]


@given(histories, fleets, st.sets(st.sampled_from(NAMES)), st.integers(0, 6), st.randoms())
def test_the_debt_is_what_is_not_proven_and_the_order_of_things_changes_nothing(
    known: dict[Key, Last], nodes: list[Node], excluded: set[str], most: int, dice: Random
) -> None:
    plan = planned(RULES, known, nodes, excluded=dict.fromkeys(excluded, "named"), most=most)
    rows = coverage(plan.rules, known, plan.nodes, cluster="lab", at=BEGAN, now=NOW)
    assert [row.check_name for row in rows] == ["disk", "gpu"]
    for row, one in zip(rows, RULES, strict=True):
        proven = {
            node
            for node in one.nodes
            if (seen := known.get((node, one.name))) and seen.judged_at
            if NOW - seen.judged_at <= one.max_age
        }
        assert row.nodes == len(one.nodes)
        assert row.proven == len(proven)
        assert sum(row.debt.values()) == row.nodes - row.proven
        assert 0 <= row.preempted <= row.nodes - row.proven
        assert row.preempted_most <= 8
        assert row.never <= row.nodes - row.proven
        assert set(row.debt) <= {*Verdict} | {"blocked"}
        verdicts = {one.node: reason(one) for one in plan.nodes}
        assert row.debt == Counter(verdicts[node] for node in one.nodes - proven)
    shuffled = [*known.items()], [*plan.nodes], [*plan.rules]
    for some in shuffled:
        dice.shuffle(some)
    again = coverage(shuffled[2], dict(shuffled[0]), shuffled[1], cluster="lab", at=BEGAN, now=NOW)
    assert again == rows


@given(histories, fleets)
def test_a_node_that_a_plan_calls_fresh_owes_nothing_and_what_is_proven_is_not_due_by_its_age(
    known: dict[Key, Last], nodes: list[Node]
) -> None:
    plan = planned(RULES, known, nodes)
    rows = coverage(plan.rules, known, plan.nodes, cluster="lab", at=BEGAN, now=NOW)
    for row, one in zip(rows, RULES, strict=True):
        assert "fresh" not in row.debt
        due = {
            node
            for node in one.nodes
            if (seen := known.get((node, one.name))) is None or is_due(one, seen, NOW)
        }
        assert row.proven <= row.nodes - len(due)


@given(histories)
def test_a_nodes_proof_is_what_is_known_of_its_checks(known: dict[Key, Last]) -> None:
    found = proofs(known)
    assert set(found) == {node for node, _ in known}
    for name, proof in found.items():
        mine = {check: one for (node, check), one in known.items() if node == name}
        times = [one.judged_at for one in mine.values() if one.judged_at]
        failing = sorted(check for check, one in mine.items() if one.judged is Outcome.FAIL)
        assert proof == Proof(
            failing=tuple(failing),
            latest=max(times, default=None),
            oldest=min(times, default=None),
            checks=len(mine),
        )


def test_five_thousand_nodes_and_twenty_checks_are_counted_in_a_fifth_of_a_second() -> None:
    names = [f"n{number:04}" for number in range(5000)]
    rules = [rule(f"check-{number:02}", nodes=names) for number in range(20)]
    known = {
        (node, one.name): last(ago=hours(number % 30))
        for number, node in enumerate(names)
        for one in rules
    }
    nodes = [NodePlan(node=node, verdict=Verdict.BUSY, detail="jobs run on it") for node in names]
    fastest = min(_timed(rules, known, nodes) for _ in range(3))
    assert fastest < timedelta(seconds=0.6)  # 0.1 s on a quiet machine; others may be working


def _timed(
    rules: Sequence[Rule], known: Mapping[Key, Last], nodes: Sequence[NodePlan]
) -> timedelta:
    began = datetime.now().astimezone()
    coverage(rules, known, nodes, cluster="lab", at=BEGAN, now=NOW)
    return datetime.now().astimezone() - began
