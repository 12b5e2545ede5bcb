"""The same promises, kept by the real Slurm and by its stand-in."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slurm_hooks.batch import Batch, Program, Shape, Verifying, Visit, new_batch_id
from slurm_hooks.errors import SlurmError, UnreachableError
from slurm_hooks.node_control import NodeCommands
from slurm_hooks.slurm import Slurm, SlurmCommands
from slurm_hooks.slurm_text import Node, Reservation, Task
from tests.fakes.slurm import FakeSlurm
from tests.lab import Lab

USER = "root"


@dataclass
class Cluster:
    """A wall to Slurm, and how to let its scheduler work."""

    slurm: Slurm
    schedule: Callable[[], object]
    nodes: list[str]
    close: Callable[[bool], object]
    """Let the background partition take no jobs, or take them again."""
    reserved: Callable[[str, str], AbstractContextManager[None]]
    """Reserve a node for USER under a name, while a block runs."""

    def batch(self, visits: int = 3, throttle: int = 2) -> Batch:
        now = datetime.now(UTC)
        return Batch(
            id=new_batch_id(now),
            token="t",
            cluster="lab",
            created_at=now,
            partition="background",
            shape=Shape(),
            time_limit_s=60,
            start_by=now + timedelta(minutes=30),
            throttle=throttle,
            programs=(Program(name="cpu", argv=("true",), time_limit_s=60),),
            visits=tuple(
                Visit(task=task, node=node, checks=("cpu",))
                for task, node in enumerate(reversed(self.nodes[:visits]))
            ),
        )

    def submit(self, batch: Batch, visit: Visit | None = None) -> int:
        return self.slurm.submit(batch, f"#!/bin/bash\n# {batch.id}\nexec sleep 300\n", visit)

    def tasks(self, job_id: int) -> dict[int | None, Task]:
        return {one.task: one for one in self.slurm.queue(USER) if one.array_job_id == job_id}

    def wait(self, job_id: int, condition: Callable[[dict[int | None, Task]], bool]) -> None:
        ends_at = time.monotonic() + 30
        while not condition(self.tasks(job_id)):
            assert time.monotonic() < ends_at, self.tasks(job_id)
            self.schedule()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.lab)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "fake":
        nodes = [Node(name=f"n{n}", state="IDLE", partitions=("main",)) for n in range(4)]
        fake = FakeSlurm(nodes)

        def close_fake(closed: bool) -> None:
            fake.closed = {"background"} if closed else set()

        @contextmanager
        def reserved_fake(name: str, node: str) -> Iterator[None]:
            fake.reservation_list.append(Reservation(name=name, nodes=(node,), users=(USER,)))
            yield
            fake.reservation_list.clear()

        names = [node.name for node in nodes]
        yield Cluster(fake, lambda: list(fake.start()), names, close_fake, reserved_fake)
    else:
        lab: Lab = request.getfixturevalue("lab")
        real = SlurmCommands(bin_dir=Path("/usr/bin"), conf=lab.slurm_conf)

        def close_real(closed: bool) -> None:
            state = "INACTIVE" if closed else "UP"
            lab.run(["scontrol", "update", "PartitionName=background", f"State={state}"])

        @contextmanager
        def reserved_real(name: str, node: str) -> Iterator[None]:
            wall = NodeCommands(bin_dir=Path("/usr/bin"), conf=lab.slurm_conf)
            wall.reserve(name, [node], [USER])
            yield
            wall.unreserve(name)

        yield Cluster(real, lambda: time.sleep(0.1), lab.nodes, close_real, reserved_real)
        close_real(False)


def states(tasks: dict[int | None, Task]) -> list[str]:
    return sorted(task.state for task in tasks.values())


def test_a_submitted_array_is_held_and_names_its_batch(cluster: Cluster) -> None:
    batch = cluster.batch()
    tasks = cluster.tasks(cluster.submit(batch))
    assert sorted(task for task in tasks if task is not None) == [0, 1, 2]
    assert all(task.held_by_us for task in tasks.values())
    assert {task.comment for task in tasks.values()} == {batch.comment}
    assert {task.required_node for task in tasks.values()} == {""}


def test_pinned_tasks_run_on_their_nodes_and_no_more_than_the_throttle(cluster: Cluster) -> None:
    batch = cluster.batch(visits=3, throttle=2)
    job_id = cluster.submit(batch)
    pins = {visit.task: visit.node for visit in batch.visits}
    cluster.slurm.pin(job_id, pins)
    assert {task.task: task.required_node for task in cluster.tasks(job_id).values()} == pins
    cluster.slurm.release([job_id])
    cluster.wait(job_id, lambda tasks: states(tasks) == ["PENDING", "RUNNING", "RUNNING"])
    running = [task for task in cluster.tasks(job_id).values() if task.state == "RUNNING"]
    assert all(task.node == pins[task.task or 0] for task in running)
    assert not any(task.held_by_us for task in cluster.tasks(job_id).values())


def test_many_tasks_are_pinned_each_to_its_own_node_and_pinning_again_changes_nothing(
    cluster: Cluster,
) -> None:
    """Held all the while: pinning never lets anything start, however many there are."""
    visits = tuple(
        Visit(task=task, node=cluster.nodes[task % len(cluster.nodes)], checks=("cpu",))
        for task in range(60)
    )
    job_id = cluster.submit(replace(cluster.batch(), visits=visits))
    pins = {visit.task: visit.node for visit in visits}
    for _ in range(2):
        cluster.slurm.pin(job_id, pins)
        tasks = cluster.tasks(job_id)
        assert {task.task: task.required_node for task in tasks.values()} == pins
        assert all(task.held_by_us for task in tasks.values())
    cluster.slurm.cancel([str(job_id)], only_pending=False)


def test_a_visit_alone_is_held_bound_to_its_node_and_keeps_its_number(cluster: Cluster) -> None:
    batch = cluster.batch(visits=3)
    visit = batch.visits[2]
    job_id = cluster.submit(batch, visit)
    task = cluster.tasks(job_id)[2]
    assert [*cluster.tasks(job_id)] == [2]
    assert (task.held_by_us, task.required_node, task.comment) == (True, visit.node, batch.comment)
    cluster.slurm.release([job_id])
    cluster.wait(job_id, lambda tasks: states(tasks) == ["RUNNING"])
    assert cluster.tasks(job_id)[2].node == visit.node
    cluster.slurm.cancel([f"{job_id}_2"], only_pending=False)
    cluster.wait(job_id, lambda tasks: states(tasks) == ["CANCELLED"])


def test_a_visit_alone_that_never_started_loses_its_number_and_keeps_its_node(
    cluster: Cluster,
) -> None:
    batch = cluster.batch(visits=3)
    visit = batch.visits[2]
    job_id = cluster.submit(batch, visit)
    cluster.slurm.cancel([f"{job_id}_2"], only_pending=False)
    cluster.wait(job_id, lambda tasks: states(tasks) == ["CANCELLED"])
    assert [(task.task, task.required_node) for task in cluster.tasks(job_id).values()] == [
        (None, visit.node)
    ]


def test_an_unknown_node_leaves_its_task_unpinned_and_the_others_pinned(cluster: Cluster) -> None:
    job_id = cluster.submit(cluster.batch(visits=2))
    cluster.slurm.pin(job_id, {0: "no-such-node", 1: cluster.nodes[0]})
    tasks = cluster.tasks(job_id)
    assert (tasks[0].required_node, tasks[1].required_node) == ("", cluster.nodes[0])


def test_cancelling_what_is_pending_spares_what_runs(cluster: Cluster) -> None:
    batch = cluster.batch(visits=2, throttle=1)
    job_id = cluster.submit(batch)
    cluster.slurm.pin(job_id, {visit.task: visit.node for visit in batch.visits})
    cluster.slurm.release([job_id])
    cluster.wait(job_id, lambda tasks: "RUNNING" in states(tasks))
    cluster.slurm.cancel([f"{job_id}_0", f"{job_id}_1"], only_pending=True)
    cluster.wait(job_id, lambda tasks: states(tasks) == ["CANCELLED", "RUNNING"])
    cluster.slurm.cancel([str(job_id)], only_pending=False)
    cluster.wait(job_id, lambda tasks: states(tasks) == ["CANCELLED", "CANCELLED"])
    tasks = cluster.tasks(job_id)
    assert all(task.ended for task in tasks.values())
    started = {task.task: task.started_at for task in tasks.values() if task.node}
    assert len(started) == 1


def test_the_accounting_names_the_batch_of_an_ended_task(cluster: Cluster) -> None:
    batch = cluster.batch(visits=1)
    job_id = cluster.submit(batch)
    cluster.slurm.pin(job_id, {0: batch.visits[0].node})
    cluster.slurm.release([job_id])
    cluster.wait(job_id, lambda tasks: states(tasks) == ["RUNNING"])
    cluster.slurm.cancel([str(job_id)], only_pending=False)
    since = batch.created_at - timedelta(minutes=1)

    def accounted() -> list[Task]:
        past = cluster.slurm.accounting(USER, since)
        return [task for task in past if task.comment == batch.comment and task.ended]

    ends_at = time.monotonic() + 30
    while not accounted():
        assert time.monotonic() < ends_at
        cluster.schedule()
    assert [(task.array_job_id, task.state) for task in accounted()] == [(job_id, "CANCELLED")]


def test_unknown_and_ended_jobs_are_no_error_to_cancel_or_release(cluster: Cluster) -> None:
    cluster.slurm.cancel(["999999"], only_pending=False)
    cluster.slurm.release([999999])
    assert cluster.tasks(999999) == {}


def test_a_closed_partition_refuses_a_batch_and_is_no_reason_to_stop_asking(
    cluster: Cluster,
) -> None:
    cluster.close(True)
    with pytest.raises(
        SlurmError, match=r"partition not available \(inactive or drain\)"
    ) as caught:
        cluster.submit(cluster.batch())
    assert not isinstance(caught.value, UnreachableError)
    cluster.close(False)
    assert cluster.tasks(cluster.submit(cluster.batch()))


def test_nodes_partitions_and_settings_are_told(cluster: Cluster) -> None:
    assert set(cluster.nodes) <= {node.name for node in cluster.slurm.nodes()}
    tiers = {one.name: one.priority_tier for one in cluster.slurm.partitions()}
    assert tiers["background"] < tiers["main"]
    assert cluster.slurm.config()["PreemptType"] == "preempt/partition_prio"


def test_a_missing_command_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="slurm_bin in the settings"):
        SlurmCommands(bin_dir=tmp_path).nodes()


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    hanging = tmp_path / "squeue"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.raises(UnreachableError, match=r"no answer in 0\.2 s; is slurmctld up"):
        SlurmCommands(bin_dir=tmp_path, timeout_s=0.2).queue("root")


def test_a_visit_in_a_reservation_starts_there_and_no_other_does(cluster: Cluster) -> None:
    batch = cluster.batch(visits=1)
    node = batch.visits[0].node
    inside = replace(
        batch, verifying=Verifying(entry="e", reservation=f"verify-{node}", checks=("cpu",))
    )
    with pytest.raises(SlurmError, match="Requested reservation is invalid"):
        cluster.submit(inside)
    with cluster.reserved(f"verify-{node}", node):
        outside = replace(batch, id=new_batch_id(datetime.now(UTC)))
        jobs = [cluster.submit(outside), cluster.submit(inside)]
        for job_id in jobs:
            cluster.slurm.pin(job_id, {0: node})
            cluster.slurm.release([job_id])
        cluster.wait(jobs[1], lambda tasks: states(tasks) == ["RUNNING"])
        assert states(cluster.tasks(jobs[0])) == ["PENDING"]
        cluster.slurm.cancel([str(job_id) for job_id in jobs], only_pending=False)
        cluster.wait(jobs[1], lambda tasks: all(task.ended for task in tasks.values()))
