"""A sweep: what it asks, what it does, and what is left when it dies anywhere."""

import json
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from analytics.embedded import EmbeddedStore
from analytics.heartbeat import confirmations, read_beat
from analytics.history import KeptHistory, Last
from analytics.ingest import Ingested, ingest
from checks.catalogue import Catalogue
from checks.definition import CheckDefinition
from checks.eligible import Verdict
from checks.partitions import check_partition
from checks.progress import Progress, wait_for
from checks.reaction import Note, Reactions
from checks.sweep import Sweep, observe, plan_now, sweep
from checks.sweeper import Sweeper
from slurm_hooks.batch import Batch, ControllerWord
from slurm_hooks.errors import ConfigError, SlurmError, StoreError
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settings import Settings, parse_settings
from slurm_hooks.slurm_text import Node, Partition, Task
from slurm_hooks.state import State
from slurm_hooks.suspension import Suspended
from tests.fakes.crash import SLURM_EFFECTS, STATE_EFFECTS, CrashPoint, Killed, Mortal
from tests.fakes.slurm import CONFIG, PARTITIONS, FakeSlurm

CHECKS = ("cpu", "storage")
NODES = ("n0", "n1", "n2", "n3")


def definition(name: str, **more: object) -> CheckDefinition:
    return CheckDefinition.model_validate(
        {"name": name, "description": name, "command": ("true",), "max_age": "1d",
         "time_limit": "1m", **more}
    )  # fmt: skip


class World:
    """A fake cluster and a real state directory with a real store."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.slurm = FakeSlurm(
            [Node(name=name, state="IDLE", partitions=("main", "background")) for name in NODES]
        )
        self.settings = settings(root)
        self.state = State(root)
        self.store = EmbeddedStore(self.state.history)
        catalogue = Catalogue(definitions=tuple(definition(name) for name in CHECKS), sources={})
        self.sweeper = Sweeper(
            settings=self.settings,
            slurm=self.slurm,
            state=self.state,
            catalogue=catalogue,
            history=KeptHistory(self.state, self.store, cluster="lab"),
            ingest=self.ingest,
            script=lambda batch_id: f"#!/bin/bash\n# {batch_id}\n",
        )

    def ingest(self, now: datetime, compared: Collection[str] | None = None) -> Ingested:
        return ingest(self.state, self.store, cluster="lab", now=now, compared=compared)

    def sweep(self) -> Sweep:
        return sweep(self.sweeper, clock=lambda: self.slurm.now)

    def run_visits(self, outcome: Outcome = Outcome.PASS) -> int:
        """Let every task that may start run to its end, as the runner would."""
        ran = 0
        while started := list(self.slurm.start()):
            for batch, task in started:
                self.run_visit(batch, task, outcome)
                ran += 1
        return ran

    def run_visit(self, batch: Batch, task: Task, outcome: Outcome) -> None:
        visit = next(one for one in batch.visits if one.task == task.task)
        assert task.node == visit.node
        for check in visit.checks:
            self.state.write_record(
                Record(
                    cluster="lab", batch=batch.id, task=visit.task, attempt=0, check=check,
                    node=visit.node, job_id=task.job_id, token=batch.token,
                    evidence=Evidence.RUNNER, outcome=outcome, finished_at=self.slurm.now,
                )
            )  # fmt: skip
        self.slurm.end((task.array_job_id, visit.task), "COMPLETED")

    def rows(self) -> list[tuple[str, str, str]]:
        """Every result in the history: (node, check, outcome)."""
        found = self.store.query(
            "SELECT node, check_name, outcome FROM history ORDER BY node, check_name, outcome"
        )
        return [cast("tuple[str, str, str]", row) for row in found.iter_rows()]

    def runs(self) -> list[tuple[object, ...]]:
        """Every run: (check, status, planned, ended)."""
        found = self.store.query("SELECT check_name, status, planned, ended FROM runs ORDER BY ALL")
        return found.rows()


def settings(root: Path) -> Settings:
    return parse_settings(
        f'cluster = "lab"\nstate_dir = "{root}"\nlog_dir = "{root}/log"\n'
        'max_concurrent_visits = 2\nrecord_grace = "0s"\n',
        root / "settings.toml",
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


PROVEN = [(node, check, "pass") for node in NODES for check in CHECKS]


def test_a_sweep_proves_every_idle_node_and_the_next_one_has_nothing_to_do(world: World) -> None:
    first = world.sweep()
    assert [one.verdict for one in first.plan.nodes] == [Verdict.DUE] * 4
    assert world.run_visits() == 4
    second = world.sweep()
    assert world.rows() == PROVEN
    assert [one.verdict for one in second.plan.nodes] == [Verdict.FRESH] * 4
    assert world.state.open_batches() == []


def test_a_retry_comes_after_the_backoff_and_the_next_one_only_after_retry_after(
    world: World,
) -> None:
    catalogue = Catalogue(definitions=(definition("cpu", retries={"attempts": 1}),), sources={})
    world.sweeper = replace(world.sweeper, catalogue=catalogue)

    def verdicts_after(minutes: int) -> set[Verdict]:
        world.slurm.pass_time(timedelta(minutes=minutes))
        return {one.verdict for one in world.sweep().plan.nodes}

    assert verdicts_after(0) == {Verdict.DUE}
    world.run_visits(Outcome.ERROR)
    assert verdicts_after(9) == {Verdict.WAITING}
    assert verdicts_after(2) == {Verdict.DUE}
    world.run_visits(Outcome.ERROR)
    assert verdicts_after(50) == {Verdict.WAITING}
    assert verdicts_after(11) == {Verdict.DUE}


def test_a_check_suspended_by_command_is_planned_nowhere_until_it_is_resumed(
    world: World,
) -> None:
    world.state.prepare()
    world.state.suspensions.add("cpu", Suspended(by="alice", since=world.slurm.now))

    def planned() -> set[tuple[str, ...]]:
        catalogue = world.sweeper.catalogue.without(world.state.suspensions.all())
        made = replace(world.sweeper, catalogue=catalogue)
        seen = observe(made)
        return {
            one.checks
            for one in plan_now(made, seen, [], last=made.history.last(), now=world.slurm.now).nodes
        }

    assert planned() == {("storage",)}
    assert world.state.suspensions.remove("cpu")
    assert planned() == {CHECKS}


def test_what_is_under_way_is_a_run_as_soon_as_it_was_submitted(world: World) -> None:
    world.sweep()
    assert world.runs() == [(check, "InProgress", 4, 0) for check in CHECKS]
    world.run_visits()
    world.sweep()
    assert world.runs() == [(check, "Complete", 4, 4) for check in CHECKS]


def test_no_task_is_released_before_it_is_pinned(world: World) -> None:
    """A node that Slurm refuses leaves its task cancelled, never free to run elsewhere."""
    world.slurm.node_list.append(Node(name="n9", state="IDLE", partitions=("main", "background")))
    nodes = world.slurm.nodes

    class Forgetful(FakeSlurm):
        def pin(self, job_id: int, nodes: object) -> None: ...

    world.slurm.__class__ = Forgetful
    assert nodes()
    world.sweep()
    assert world.run_visits() == 0
    assert {task.state for task in world.slurm.tasks.values()} == {"CANCELLED"}
    world.sweep()
    assert {outcome for _, _, outcome in world.rows()} == {"not_started"}


def test_a_node_taken_meanwhile_gives_its_task_up_and_says_why(world: World) -> None:
    world.sweep()
    busy = world.slurm.node_list[0]
    world.slurm.node_list[0] = Node(name=busy.name, state="ALLOCATED", partitions=busy.partitions)
    done = world.sweep()
    assert len(done.advanced.cancelled) == 1
    world.run_visits()
    world.sweep()
    assert [row for row in world.rows() if row[0] == "n0"] == [
        ("n0", check, "not_started") for check in CHECKS
    ]


def test_what_slurm_forgot_is_looked_up_in_the_accounting(world: World) -> None:
    world.sweep()
    for _, task in world.slurm.start():
        world.slurm.end((task.array_job_id, task.task or 0), "PREEMPTED")
    world.slurm.pass_time(timedelta(hours=1))
    world.sweep()
    assert set(world.rows()) == {
        (node, check, "preempted" if check == "cpu" else "not_started")
        for node in NODES
        for check in CHECKS
    }


def test_slurmctld_losing_its_state_loses_no_node(world: World) -> None:
    """Job ids are used again afterwards; the batch is told from the job's comment."""
    world.sweep()
    world.slurm.lose_state()
    world.sweep()
    world.run_visits()
    world.sweep()
    assert set(PROVEN) <= set(world.rows())
    assert {outcome for *_, outcome in world.rows()} == {"pass", "not_started"}


def test_a_second_submission_of_one_batch_is_cancelled(world: World) -> None:
    """sbatch's answer can be lost after slurmctld took the job."""
    world.sweep()
    batch = next(iter(world.slurm.batches.values()))
    twin = world.slurm.submit(batch, batch.id)
    world.sweep()
    assert {task.state for key, task in world.slurm.tasks.items() if key[0] == twin} == {
        "CANCELLED"
    }
    world.run_visits()
    world.sweep()
    assert world.rows() == PROVEN


def test_a_word_and_a_record_that_come_after_the_end_are_put_away(world: World) -> None:
    """The controller's word often comes a moment after the batch was archived."""
    world.sweep()
    world.run_visits()
    world.sweep()
    batch = world.state.read_batch(next(world.state.archive.iterdir()).name)
    world.state.controller.mkdir()
    world.state.write_word(
        ControllerWord(
            batch=batch.id, task=0, attempt=0, job_id=1, node="n0", exit_status=0,
            ended_at=world.slurm.now,
        )
    )  # fmt: skip
    world.state.write_record(
        Record(
            cluster="lab", batch=batch.id, task=0, attempt=1, check="cpu", node="n0", job_id=1,
            token=batch.token, evidence=Evidence.RUNNER, outcome=None, finished_at=world.slurm.now,
        )
    )  # fmt: skip
    world.sweep()
    assert list(world.state.controller.iterdir()) == []
    assert world.state.spooled() == []
    assert world.rows() == PROVEN


def test_old_batches_are_removed_and_the_history_stays(world: World) -> None:
    world.sweep()
    world.run_visits()
    world.sweep()
    assert len(list(world.state.archive.iterdir())) == 1
    world.slurm.pass_time(timedelta(days=31))
    world.sweep()
    assert list(world.state.archive.iterdir()) == []
    assert world.rows() == PROVEN


def test_without_a_history_nothing_is_planned_but_open_batches_go_on(world: World) -> None:
    """A node is not called stale on a guess; what is under way is still brought to its end."""
    world.sweep()
    slurm = world.slurm

    class NoHistory:
        def last(self) -> dict[tuple[str, str], Last]:
            raise StoreError("no snapshot, no store")

        def judged(self, checks: Sequence[str]) -> dict[str, int]:
            raise StoreError(f"no store to count {checks}")

    with pytest.raises(StoreError, match="no snapshot"):
        sweep(replace(world.sweeper, history=NoHistory()), clock=lambda: slurm.now)
    world.run_visits()
    assert len(slurm.batches) == 1
    world.sweep()
    assert world.rows() == PROVEN


def test_slurm_not_answering_changes_nothing(world: World) -> None:
    world.slurm.up = False
    with pytest.raises(SlurmError, match="Unable to contact"):
        world.sweep()
    assert world.state.open_batches() == []


def test_a_sweep_leaves_the_free_nodes_and_a_heartbeat(world: World) -> None:
    world.sweep()
    assert world.state.free_nodes.read_text().split() == list(NODES)
    beat = json.loads(world.state.heartbeat.read_text())
    assert datetime.fromisoformat(beat["finished_at"]) == world.slurm.now
    assert beat["planned"] == 4
    assert beat["confirm"] == {}


def test_the_heartbeat_tells_status_which_fails_are_to_be_confirmed(world: World) -> None:
    found = (definition("cpu", confirm={"fails": 2, "of": 3}), definition("storage"))
    world.sweeper = replace(world.sweeper, catalogue=Catalogue(definitions=found, sources={}))
    world.sweep()
    assert confirmations(read_beat(world.state.heartbeat)) == {"cpu": (2, 3)}


def kill_and_recover(world: World, point: CrashPoint, before: Callable[[World], None]) -> None:
    """Sweep until killed at *point*; then let time pass and sweep as cron would."""
    before(world)
    mortal = Sweeper(
        settings=world.settings,
        slurm=cast("FakeSlurm", Mortal(world.slurm, SLURM_EFFECTS, point)),
        state=cast("State", Mortal(world.state, STATE_EFFECTS, point)),
        catalogue=world.sweeper.catalogue,
        history=world.sweeper.history,
        ingest=world.ingest,
        script=world.sweeper.script,
    )
    try:
        sweep(mortal, clock=lambda: world.slurm.now)
    except Killed:
        world.sweep()
    for _ in range(3):
        world.run_visits()
        world.sweep()


def fresh(_: World) -> None:
    """Nothing happened before."""


def half_run(world: World) -> None:
    """One visit passed, one was preempted with its runner's word, two still wait."""
    world.sweep()
    started = list(world.slurm.start())
    world.run_visit(*started[0], Outcome.PASS)
    batch, task = started[1]
    visit = next(one for one in batch.visits if one.task == task.task)
    for check in visit.checks:
        world.state.write_record(
            Record(
                cluster="lab", batch=batch.id, task=visit.task, attempt=0, check=check,
                node=visit.node, job_id=task.job_id, token=batch.token, evidence=Evidence.RUNNER,
                outcome=None, started_at=world.slurm.now if check == "cpu" else None,
                finished_at=world.slurm.now,
            )
        )  # fmt: skip
    world.slurm.end((task.array_job_id, visit.task), "PREEMPTED")


def contradicted(world: World) -> None:
    """A visit has a runner's pass, and Slurm says that it never started."""
    world.sweep()
    key = min(world.slurm.tasks)
    batch, task = world.slurm.batches[key[0]], world.slurm.tasks[key]
    world.state.write_record(
        Record(
            cluster="lab", batch=batch.id, task=0, attempt=0, check="cpu",
            node=batch.visits[0].node, job_id=task.job_id, token=batch.token,
            evidence=Evidence.RUNNER, outcome=Outcome.PASS, finished_at=world.slurm.now,
        )
    )  # fmt: skip
    world.slurm.end(key, "DEADLINE")


def taken_in_by_hand(world: World) -> None:
    """The same, and somebody ran `ingest` before the sweep that could tell."""
    contradicted(world)
    world.ingest(world.slurm.now)


def too_old(world: World) -> None:
    """Two visits run, two wait for their turn, and the batch is over its age limit."""
    world.sweep()
    list(world.slurm.start())
    world.slurm.pass_time(timedelta(hours=4))


@pytest.mark.parametrize(
    ("before", "least", "unproven"),
    [
        (fresh, 8, None),
        (half_run, 8, None),
        (contradicted, 7, ("n0", "cpu")),
        (taken_in_by_hand, 8, ("n0", "cpu")),
        (too_old, 5, None),
    ],
)
def test_a_sweep_killed_at_any_effect_ends_as_if_it_had_not_been(
    before: Callable[[World], None], least: int, unproven: tuple[str, str] | None, tmp_path: Path
) -> None:
    undisturbed = World(tmp_path / "undisturbed")
    kill_and_recover(undisturbed, CrashPoint(), before)
    expected = undisturbed.rows()
    assert {row for row in PROVEN if row[:2] != unproven} <= set(expected)
    runs = undisturbed.runs()
    for number in count():
        world, point = World(tmp_path / f"killed-{number}"), CrashPoint(at=number)
        kill_and_recover(world, point, before)
        assert world.rows() == expected, f"killed before effect {number}: {point.effects}"
        assert world.runs() == runs
        assert world.state.open_batches() == []
        if len(point.effects) < number:
            break
    assert number >= least


@pytest.mark.parametrize(
    ("partitions", "config", "message"),
    [
        ([PARTITIONS[0]], CONFIG, "no partition"),
        (PARTITIONS, {**CONFIG, "PreemptType": "preempt/none"}, "PreemptType"),
        (
            [PARTITIONS[0], Partition(name="background", priority_tier=1, preempt_mode="OFF")],
            CONFIG,
            "PreemptMode is OFF",
        ),
        (
            [Partition(name="main", priority_tier=1, preempt_mode="OFF"), PARTITIONS[1]],
            CONFIG,
            "jobs in main would wait",
        ),
    ],
)
def test_a_partition_that_would_make_users_wait_is_refused(
    partitions: list[Partition], config: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_partition(settings(tmp_path), partitions, config)
    assert "PriorityTier=1 PreemptMode=REQUEUE" in str(caught.value)


def test_what_nobody_could_be_told_is_a_warning_of_the_sweep(world: World) -> None:
    world.sweeper = replace(world.sweeper, tell=lambda: ["the pager is off"])
    assert "the pager is off" in world.sweep().collected.warnings
    assert "the pager is off" in str(read_beat(world.state.heartbeat)["warnings"])


def test_notices_go_out_although_the_sweep_fails(world: World) -> None:
    told: list[str] = []

    def tell() -> Sequence[str]:
        told.append("told")
        return ()

    world.sweeper = replace(world.sweeper, tell=tell)
    world.slurm.up = False
    with pytest.raises(SlurmError):
        world.sweep()
    assert told == ["told"]


def test_results_that_nobody_reacts_to_are_a_warning(world: World) -> None:
    """An EpilogSlurmctld that was never installed must not look like a healthy fleet."""
    drains = Reactions(drain=Note())
    found = world.sweeper.catalogue
    checks = [one.model_copy(update={"failure_reactions": drains}) for one in found.definitions]
    catalogue = replace(found, definitions=tuple(checks))
    made = replace(world.sweeper, catalogue=catalogue)
    sweep(made, clock=lambda: world.slurm.now)
    world.run_visits()
    now = world.slurm.now.timestamp()
    for path in world.sweeper.state.spooled():
        os.utime(path, (now, now))
    assert sweep(made, clock=lambda: world.slurm.now).collected.warnings == ()
    world.slurm.pass_time(timedelta(minutes=16))
    warnings = sweep(made, clock=lambda: world.slurm.now).collected.warnings
    assert "the reactor has not looked at" in "".join(warnings)
    assert "cluster-doctor react" in "".join(warnings)


def test_whoever_waits_waits_until_the_history_has_it(world: World) -> None:
    """A record in the spool is on its way; another sweep, or the next look, takes it in."""
    world.sweep()
    world.run_visits()
    turns = iter(["another sweep", "", ""])
    told: list[Progress] = []
    wait_for(
        world.sweeper,
        world.sweeper.state.open_batches(),
        clock=lambda: world.slurm.now,
        tell=told.append,
        turn=lambda: nullcontext(next(turns)),
    )
    assert [one.done for one in told] == [0, told[-1].total]
    assert world.rows() == PROVEN
