"""What a sweep decides to visit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from analytics.history import Last
from analytics.standing import confirmed
from checks.due import Key, Rule
from checks.eligible import Verdict
from checks.pack import Limits, NodePlan
from checks.plan import Plan, make_plan
from checks.schedule import Scheduled
from slurm_hooks.batch import MAX_VISITS, Shape
from slurm_hooks.record import Outcome
from slurm_hooks.slurm_text import Node

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAMES = [f"n{number:03}" for number in range(6)]


def rule(
    name: str = "disk",
    *,
    nodes: Sequence[str] = NAMES,
    minutes: int = 5,
    shape: Shape | None = None,
    depends_on: tuple[str, ...] = (),
    everywhere: tuple[str, ...] = (),
    scheduled: Scheduled | None = None,
    retries: int = 0,
    confirm: tuple[int, int] = (1, 1),
) -> Rule:
    return Rule(
        name=name,
        max_age=timedelta(days=1),
        retry_after=timedelta(hours=1),
        time_limit=timedelta(minutes=minutes),
        shape=shape or Shape(),
        depends_on=depends_on,
        nodes=frozenset(nodes),
        depends_on_everywhere=everywhere,
        retries=retries,
        confirm=confirm,
        scheduled=scheduled,
    )


def idle(names: Sequence[str] = NAMES) -> list[Node]:
    return [Node(name=name, state="IDLE") for name in names]


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def at_three(*, ago: timedelta) -> Scheduled:
    return Scheduled(last=NOW - ago, next=NOW - ago + timedelta(days=1))


def judged(hours: float, outcome: Outcome = Outcome.PASS) -> Last:
    at = NOW - timedelta(hours=hours)
    return Last(judged=outcome, judged_at=at, attempt=outcome, attempt_at=at)


def tried(hours: float, outcome: Outcome) -> Last:
    at = NOW - timedelta(hours=hours)
    return Last(judged=None, judged_at=None, attempt=outcome, attempt_at=at)


def plan(
    rules: Sequence[Rule],
    last: Mapping[Key, Last] | None = None,
    *,
    nodes: Sequence[Node] | None = None,
    excluded: Mapping[str, str] | None = None,
    in_batch: Mapping[str, str] | None = None,
    max_visits: int = 100,
    in_flight: int = 0,
    now: datetime = NOW,
) -> Plan:
    return make_plan(
        rules=rules,
        nodes=idle() if nodes is None else nodes,
        excluded=excluded or {},
        last=last or {},
        in_batch=in_batch or {},
        limits=Limits(
            max_visits=max_visits,
            in_flight=in_flight,
            visit_budget=timedelta(minutes=20),
            queue_limit=timedelta(minutes=30),
        ),
        now=now,
    )


def of(found: Plan, node: str) -> NodePlan:
    return next(one for one in found.nodes if one.node == node)


def visited(found: Plan) -> list[str]:
    return [visit.node for batch in found.batches for visit in batch.visits]


def test_the_never_judged_come_first_then_the_oldest() -> None:
    last = {
        ("n000", "disk"): judged(30),
        ("n001", "disk"): judged(50),
        ("n002", "disk"): tried(5, Outcome.TIMEOUT),
        ("n003", "disk"): judged(23),
        ("n004", "disk"): judged(40),
    }
    assert visited(plan([rule()], last)) == ["n005", "n002", "n001", "n004", "n000"]
    assert of(plan([rule()], last), "n003").verdict is Verdict.FRESH


def test_a_result_exactly_max_age_old_is_still_fresh() -> None:
    found = plan([rule(nodes=["n000"])], {("n000", "disk"): judged(24)})
    assert of(found, "n000").verdict is Verdict.FRESH
    assert of(found, "n000").until == NOW


def test_a_check_never_seen_before_is_due_at_once_on_every_node() -> None:
    rules = [rule("disk"), rule("new", scheduled=at_three(ago=hours(9)))]
    last = {(name, "disk"): judged(1) for name in NAMES}
    found = plan(rules, last)
    assert {one.verdict for one in found.nodes} == {Verdict.DUE}
    assert {one.checks for one in found.nodes} == {("new",)}


def new(name: str = "disk", *, ago: float, at: Scheduled | None = None) -> Rule:
    """A check that does not run after its creation."""
    return replace(rule(name, scheduled=at), new_since=NOW - hours(ago))


def test_a_new_check_that_waits_for_its_first_time_is_due_max_age_after_it_was_seen() -> None:
    found = plan([new(ago=23)])
    assert visited(found) == []
    assert of(found, "n000") == NodePlan(
        node="n000",
        verdict=Verdict.WAITING,
        detail="disk is new; run for the first time",
        until=NOW + hours(1),
    )
    assert visited(plan([new(ago=24)])) == NAMES
    assert visited(plan([rule()])) == NAMES


def test_a_new_check_that_waits_is_due_at_its_first_scheduled_time() -> None:
    before, after = at_three(ago=hours(5)), at_three(ago=hours(3))
    waiting = of(plan([new(ago=4, at=before)]), "n000")
    assert (waiting.verdict, waiting.until) == (Verdict.WAITING, before.next)
    assert visited(plan([new(ago=4, at=after)])) == NAMES


def test_a_new_check_that_waits_keeps_no_other_from_its_turn_nor_changes_a_known_pair() -> None:
    assert {one.checks for one in plan([new(ago=1), rule("cpu")]).nodes} == {("cpu",)}
    known = {("n000", "disk"): judged(25), ("n001", "disk"): judged(1)}
    found = plan([new(ago=1)], known)
    assert visited(found) == ["n000"]
    assert of(found, "n001").verdict is Verdict.FRESH
    held = plan([new(ago=1), rule("cpu")], {("n000", "cpu"): tried(0.5, Outcome.ERROR)})
    assert of(held, "n000").detail == "cpu ended error; tried again"


def test_what_depends_on_a_new_check_that_waits_waits_for_it() -> None:
    found = plan([new(ago=1), rule("mpi", depends_on=("disk",))])
    assert of(found, "n000").detail == "mpi waits for disk to pass here"


def test_a_scheduled_time_makes_a_fresh_check_due_until_it_is_judged_again() -> None:
    rules = [rule(nodes=["n000"], scheduled=at_three(ago=hours(9)))]
    found = of(plan(rules, {("n000", "disk"): judged(10)}), "n000")
    assert found.verdict is Verdict.DUE
    assert found.detail == "disk 10h old and scheduled 9h ago"
    after = of(plan(rules, {("n000", "disk"): judged(9)}), "n000")
    assert after.verdict is Verdict.FRESH
    assert after.until == NOW + hours(15)


def test_a_proof_ages_out_between_scheduled_times_too() -> None:
    weekly = Scheduled(last=NOW - timedelta(days=6), next=NOW + timedelta(days=1))
    found = of(plan([rule(scheduled=weekly)], {("n000", "disk"): judged(25)}), "n000")
    assert (found.verdict, found.detail) == (Verdict.DUE, "disk 1d1h old")


def test_a_scheduled_time_does_not_override_the_wait_after_a_failed_try() -> None:
    at = NOW - timedelta(minutes=10)
    last = Last(
        judged=Outcome.PASS,
        judged_at=NOW - hours(10),
        attempt=Outcome.ERROR,
        attempt_at=at,
    )
    found = of(plan([rule(scheduled=at_three(ago=hours(9)))], {("n000", "disk"): last}), "n000")
    assert found.verdict is Verdict.WAITING
    assert found.until == at + hours(1)


def test_a_proof_older_than_a_scheduled_time_still_serves_what_depends_on_it() -> None:
    rules = [
        rule("mount", shape=Shape(gpus=8), scheduled=at_three(ago=hours(9))),
        rule("io", depends_on=("mount",)),
    ]
    last = {("n000", "mount"): judged(10)}
    assert of(plan(rules, last), "n000").checks == ("io",)


def test_a_try_that_judged_nothing_is_not_repeated_at_once() -> None:
    found = of(plan([rule()], {("n000", "disk"): tried(0.5, Outcome.ERROR)}), "n000")
    assert found.verdict is Verdict.WAITING
    assert found.until == NOW + timedelta(minutes=30)


def test_a_node_is_only_fresh_when_every_check_is() -> None:
    rules = [rule("a", nodes=["n000"]), rule("b", nodes=["n000"])]
    last = {("n000", "a"): judged(23.5), ("n000", "b"): tried(0.1, Outcome.ERROR)}
    found = of(plan(rules, last), "n000")
    assert found.verdict is Verdict.WAITING
    assert found.detail == "b ended error; tried again"


def test_a_visit_that_the_node_did_not_let_happen_is_repeated_at_once() -> None:
    last = {("n000", "disk"): tried(0.1, Outcome.PREEMPTED)}
    assert of(plan([rule()], last), "n000").verdict is Verdict.DUE


FIRST_TRIES = [Outcome.ERROR, Outcome.TIMEOUT, Outcome.PREEMPTED]


@given(
    outcomes=st.lists(st.sampled_from(FIRST_TRIES), min_size=1, max_size=8).map(tuple),
    retries=st.integers(0, 7),
)
def test_each_try_in_a_row_is_repeated_after_twice_as_long_up_to_retry_after(
    outcomes: tuple[Outcome, ...], retries: int
) -> None:
    last = Last(None, None, outcomes[0], NOW, unjudged=outcomes)
    backoff, longest = timedelta(minutes=10), hours(1)
    if outcomes[0] is Outcome.PREEMPTED:
        before = outcomes.count(Outcome.PREEMPTED) - 1
        pause = min(longest, backoff * 2 ** (before - 1)) if before else timedelta()
    else:
        tries = len(outcomes) - outcomes.count(Outcome.PREEMPTED)
        pause = min(longest, backoff * 2 ** (tries - 1)) if tries <= retries else longest
    rules = [rule(retries=retries)]
    due = of(plan(rules, {("n000", "disk"): last}, now=NOW + pause), "n000")
    assert due.verdict is Verdict.DUE
    if pause:
        early = NOW + pause - timedelta(seconds=1)
        waiting = of(plan(rules, {("n000", "disk"): last}, now=early), "n000")
        assert (waiting.verdict, waiting.until) == (Verdict.WAITING, NOW + pause)


def test_a_fail_to_be_confirmed_is_due_again_after_the_backoff_and_before_all_others() -> None:
    rules = [rule(confirm=(2, 3))]
    seen = judged(0.1, Outcome.FAIL)._replace(failures=(Outcome.FAIL,))
    waiting = of(plan(rules, {("n000", "disk"): seen}), "n000")
    assert (waiting.verdict, waiting.until) == (Verdict.WAITING, NOW + timedelta(minutes=4))
    assert waiting.detail == "disk failed 1 of 2 times, to be confirmed; tried again"
    last = {(name, "disk"): judged(99) for name in NAMES}
    last["n003", "disk"] = judged(1, Outcome.FAIL)._replace(failures=(Outcome.FAIL,))
    found = plan(rules, last)
    assert visited(found)[0] == "n003"
    assert of(found, "n003").detail == "disk failed 1 of 2 times, to be confirmed"


def test_a_confirmed_fail_stays_fresh_and_so_does_a_pass_after_one_fail() -> None:
    failed, passed = Outcome.FAIL, Outcome.PASS
    last = {
        ("n000", "disk"): judged(1, failed)._replace(failures=(failed, passed, failed)),
        ("n001", "disk"): judged(1, passed)._replace(failures=(passed, failed)),
        ("n002", "disk"): judged(1, failed)._replace(failures=(failed, passed, passed, failed)),
    }
    found = plan([rule(confirm=(2, 3))], last)
    assert of(found, "n000").verdict is Verdict.FRESH
    assert of(found, "n001").verdict is Verdict.FRESH
    assert of(found, "n002").verdict is Verdict.DUE


@given(
    failures=st.lists(st.sampled_from([Outcome.PASS, Outcome.WARN, Outcome.FAIL])).map(tuple),
    fails=st.integers(1, 8),
    of_=st.integers(1, 8),
)
def test_a_fail_is_confirmed_by_so_many_of_the_last_so_many_and_only_fewer_need_less(
    failures: tuple[Outcome, ...], fails: int, of_: int
) -> None:
    window = failures[:of_]
    assert confirmed(failures, (fails, of_)) == (sum(one == "fail" for one in window) >= fails)
    if confirmed(failures, (fails, of_)):
        assert confirmed(failures, (fails, of_ + 1))
        assert fails == 1 or confirmed(failures, (fails - 1, of_))


def test_a_failure_is_a_judgement_and_stays_fresh() -> None:
    found = plan([rule()], {("n000", "disk"): judged(1, Outcome.FAIL)})
    assert of(found, "n000").verdict is Verdict.FRESH


def test_every_node_is_explained() -> None:
    nodes = [
        Node(name="n000", state="ALLOCATED"),
        Node(name="n001", state="IDLE", flags=frozenset({"DRAIN"}), reason="fan"),
        *idle(["n002", "n003", "n004", "n005"]),
    ]
    found = plan(
        [rule(nodes=["n000", "n001", "n002", "n003", "n004"])],
        {("n004", "disk"): judged(1)},
        nodes=nodes,
        excluded={"n002": "named"},
        in_batch={"n003": "b"},
    )
    assert [one.verdict for one in found.nodes] == [
        Verdict.BUSY, Verdict.DRAINED, Verdict.EXCLUDED, Verdict.IN_BATCH, Verdict.FRESH,
        Verdict.EXCLUDED,
    ]  # fmt: skip
    assert all(one.detail for one in found.nodes)


def test_what_does_not_fit_the_budget_stays_due() -> None:
    rules = [rule("a", minutes=8), rule("b", minutes=8), rule("c", minutes=8)]
    assert of(plan(rules), "n000").checks == ("a", "b")
    after = {("n000", "a"): judged(0), ("n000", "b"): judged(0)}
    assert of(plan(rules, after), "n000").checks == ("c",)


def test_a_visit_holds_one_shape_that_of_its_most_urgent_check() -> None:
    rules = [rule("cpu"), rule("gpu", shape=Shape(gpus=8))]
    last = {("n000", "cpu"): judged(30)}
    found = plan(rules, last, nodes=idle(["n000"]))
    assert found.batches[0].shape == Shape(gpus=8)
    assert found.batches[0].visits[0].checks == ("gpu",)


def test_a_check_waits_for_its_dependency() -> None:
    rules = [rule("mount"), rule("io", depends_on=("mount",))]
    failed = {("n000", "mount"): judged(1, Outcome.FAIL)}
    found = of(plan(rules, failed), "n000")
    assert found.verdict is Verdict.WAITING
    assert found.detail == "io waits for mount to pass here"


def test_a_dependency_in_the_same_visit_or_fresh_and_passed_is_enough() -> None:
    rules = [rule("mount"), rule("io", depends_on=("mount",))]
    assert of(plan(rules), "n000").checks == ("mount", "io")
    passed = {("n000", "mount"): judged(1)}
    assert of(plan(rules, passed), "n000").checks == ("io",)


def test_an_urgent_check_brings_its_dependency_even_when_cheaper_ones_fill_the_budget() -> None:
    rules = [
        rule("cheap", minutes=9),
        rule("mount", minutes=9),
        rule("io", minutes=9, depends_on=("mount",)),
    ]
    last = {("n000", "cheap"): judged(25), ("n000", "mount"): judged(25)}
    assert of(plan(rules, last), "n000").checks == ("mount", "io")


def test_a_chain_longer_than_the_budget_is_run_from_its_start() -> None:
    rules = [
        rule("mount", minutes=9),
        rule("write", minutes=9, depends_on=("mount",)),
        rule("io", minutes=9, depends_on=("write",)),
    ]
    last = {("n000", "mount"): judged(25), ("n000", "write"): judged(25)}
    assert of(plan(rules, last), "n000").checks == ("mount", "write")


def test_a_dependency_for_other_nodes_holds_nothing_up() -> None:
    rules = [rule("gpu", nodes=["n001"]), rule("io", depends_on=("gpu",))]
    assert of(plan(rules), "n000").checks == ("io",)
    assert of(plan(rules), "n001").checks == ("gpu", "io")


def test_a_check_runs_nowhere_before_its_dependency_passed_everywhere() -> None:
    rules = [rule("mount"), rule("mpi", everywhere=("mount",))]
    last = {(name, "mount"): judged(1) for name in NAMES[:2]} | {
        ("n002", "mount"): judged(1, Outcome.FAIL)
    }
    found = plan(rules, last)
    waits = "mpi waits for mount to pass on 4 nodes (n002, n003, n004, ...)"
    assert (of(found, "n000").verdict, of(found, "n000").detail) == (Verdict.WAITING, waits)
    assert of(found, "n003").checks == ("mount",)
    proven = plan(rules, {(name, "mount"): judged(1) for name in NAMES})
    assert {one.checks for one in proven.nodes} == {("mpi",)}


def test_what_depends_on_a_check_that_is_held_up_everywhere_waits_too() -> None:
    rules = [
        rule("mount", nodes=["n001"]),
        rule("mpi", nodes=["n000"], everywhere=("mount",)),
        rule("app", nodes=["n000"], depends_on=("mpi",)),
    ]
    assert of(plan(rules), "n000").detail == (
        "mpi waits for mount to pass on 1 node (n001); app waits for mpi to pass here"
    )


def test_a_dependency_that_is_suspended_or_for_no_node_holds_nothing_up_anywhere() -> None:
    rules = [rule("mount", nodes=[]), rule("mpi", everywhere=("mount", "suspended"))]
    assert len(visited(plan(rules))) == len(NAMES)


STATES = {
    "idle": (Node(name="", state="IDLE"), True),
    "busy": (Node(name="", state="ALLOCATED"), True),
    "drained": (Node(name="", state="IDLE", flags=frozenset({"DRAIN"})), False),
    "draining": (Node(name="", state="ALLOCATED", flags=frozenset({"DRAIN"})), False),
    "down": (Node(name="", state="DOWN"), False),
    "reserved": (Node(name="", state="IDLE", flags=frozenset({"RESERVED"})), False),
}


@given(
    passed=st.sets(st.sampled_from(NAMES)),
    stale=st.sets(st.sampled_from(NAMES)),
    excluded=st.sets(st.sampled_from(NAMES)),
    targets=st.sets(st.sampled_from(NAMES)),
    states=st.lists(st.sampled_from([*STATES]), min_size=6, max_size=6),
)
def test_one_node_that_counts_without_a_fresh_pass_holds_the_check_up_and_no_other_does(
    passed: set[str], stale: set[str], excluded: set[str], targets: set[str], states: list[str]
) -> None:
    rules = [rule("mount", nodes=[*targets]), rule("mpi", everywhere=("mount",))]
    nodes = [
        replace(STATES[state][0], name=name) for name, state in zip(NAMES, states, strict=True)
    ]
    last = {(name, "mount"): judged(25 if name in stale else 1) for name in passed}
    found = plan(rules, last, nodes=nodes, excluded=dict.fromkeys(excluded, "named"))
    counting = {
        name
        for name, state in zip(NAMES, states, strict=True)
        if STATES[state][1] and name not in excluded
    }
    missing = (counting & targets) - (passed - stale)
    free = {name for name, state in zip(NAMES, states, strict=True) if state == "idle"} - excluded
    runs_on = {one.node for one in found.nodes if "mpi" in one.checks}
    assert runs_on == (set() if missing else free)


def test_the_rest_is_over_the_limit() -> None:
    found = plan([rule(minutes=20)], max_visits=2)
    assert visited(found) == ["n000", "n001"]
    assert of(found, "n002").verdict is Verdict.OVER_LIMIT
    assert plan([rule()], max_visits=2, in_flight=2).batches == ()


def test_a_visit_that_may_wait_less_than_the_others_stays_until_it_is_first() -> None:
    rules = [
        rule(nodes=NAMES[:5]),
        replace(rule("ib", nodes=NAMES[5:]), queue_limit=timedelta(minutes=1)),
    ]
    fresher = {("n005", "ib"): judged(30)}
    found = plan(rules, fresher, max_visits=1)
    assert visited(found) == NAMES[:5]
    assert of(found, "n005").verdict is Verdict.OVER_LIMIT
    assert found.batches[0].queue_limit == timedelta(minutes=30)
    staler = {(node, "disk"): judged(30) for node in NAMES[:5]}
    found = plan(rules, staler, max_visits=1)
    assert visited(found) == ["n005"]
    assert found.batches[0].queue_limit == timedelta(minutes=1)


def test_large_plans_become_several_arrays() -> None:
    names = [f"n{number:04}" for number in range(500)]
    found = plan([rule(nodes=names)], nodes=idle(names), max_visits=1000)
    assert [len(batch.visits) for batch in found.batches] == [MAX_VISITS, MAX_VISITS, 100]


lasts = st.none() | st.builds(
    lambda hours, outcome, is_judged: (
        judged(hours, outcome) if is_judged else tried(hours, outcome)
    ),
    st.integers(0, 60),
    st.sampled_from([Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.PREEMPTED]),
    st.booleans(),
)
shapes = st.sampled_from([Shape(), Shape(gpus=8), Shape(exclusive=True)])


@given(
    history=st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from("abc")), lasts),
    kinds=st.tuples(shapes, shapes, shapes),
    waits=st.booleans(),
    max_visits=st.integers(1, 9),
    in_flight=st.integers(0, 9),
    order=st.permutations(NAMES),
)
def test_a_plan_keeps_its_promises(
    history: Mapping[Key, Last | None],
    kinds: tuple[Shape, Shape, Shape],
    waits: bool,
    max_visits: int,
    in_flight: int,
    order: list[str],
) -> None:
    """One visit a node, one shape a batch, nothing fresh, limits kept, inputs' order no matter."""
    last = {key: value for key, value in history.items() if value is not None}
    rules = [
        rule(name, minutes=7, shape=kind, depends_on=("a",) if waits and name == "c" else ())
        for name, kind in zip("abc", kinds, strict=True)
    ]
    found = plan(rules, last, nodes=idle(order), max_visits=max_visits, in_flight=in_flight)
    nodes = visited(found)
    assert len(nodes) == len(set(nodes))
    assert [one.node for one in found.nodes] == order
    assert sum(batch.throttle for batch in found.batches) <= max(0, max_visits - in_flight)
    for batch in found.batches:
        assert 1 <= batch.throttle <= len(batch.visits) <= MAX_VISITS
        for visit in batch.visits:
            assert {one.shape for one in rules if one.name in visit.checks} == {batch.shape}
            assert timedelta(minutes=7) * len(visit.checks) <= timedelta(minutes=20)
            for check in visit.checks:
                seen = last.get((visit.node, check))
                assert seen is None or seen.judged_at is None or NOW - seen.judged_at > timedelta(1)
    for one in found.nodes:
        assert (one.verdict is Verdict.DUE) == (one.node in nodes)
    again = plan(rules, last, nodes=idle(NAMES), max_visits=max_visits, in_flight=in_flight)
    assert again.batches == found.batches
