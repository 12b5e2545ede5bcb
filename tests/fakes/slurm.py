"""A Slurm in memory: as much of slurmctld as a sweep meets, and verbs to make time pass."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from slurm_hooks.batch import Batch, Visit
from slurm_hooks.errors import SlurmError, UnreachableError
from slurm_hooks.slurm_text import Node, Partition, Reservation, Task

CONFIG = {
    "PreemptType": "preempt/partition_prio",
    "AccountingStorageType": "accounting_storage/slurmdbd",
}
PARTITIONS = [
    Partition(name="main", priority_tier=100, preempt_mode="OFF"),
    Partition(name="background", priority_tier=1, preempt_mode="REQUEUE"),
    Partition(name="hidden", priority_tier=50, preempt_mode="REQUEUE"),
]


@dataclass
class FakeSlurm:
    """Holds nodes and array tasks; time passes only when a test says so."""

    node_list: list[Node]
    now: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    next_job_id: int = 100
    up: bool = True
    tasks: dict[tuple[int, int], Task] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    past: list[Task] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    """Partitions that take no jobs now (scontrol(1), State=INACTIVE)."""
    most_jobs: int = 1_000_000
    """Of the account's, as a QOS may say (sacctmgr(1), MaxSubmitJobsPerUser)."""

    reservation_list: list[Reservation] = field(default_factory=list)
    """A `FakeNodes` may share it."""

    def nodes(self) -> list[Node]:
        """As `Slurm.nodes`: a node under a running task is ALLOCATED."""
        self._answer()
        used = {task.node for task in self.tasks.values() if task.state == "RUNNING"}
        return [
            replace(node, state="ALLOCATED") if node.name in used else node
            for node in self.node_list
        ]

    def partitions(self) -> list[Partition]:
        """As `Slurm.partitions`."""
        self._answer()
        return PARTITIONS

    def config(self) -> Mapping[str, str]:
        """As `Slurm.config`."""
        self._answer()
        return CONFIG

    def queue(self, user: str) -> list[Task]:  # noqa: ARG002 there is but one
        """As `Slurm.queue`."""
        self._answer()
        return [self.tasks[key] for key in sorted(self.tasks)]

    def accounting(self, user: str, since: datetime) -> list[Task]:  # noqa: ARG002
        """As `Slurm.accounting`."""
        self._answer()
        return [*self.past, *self.queue(user)]

    def submit(self, batch: Batch, script: str, visit: Visit | None = None) -> int:
        """As `Slurm.submit`."""
        self._answer()
        if batch.id not in script:
            raise SlurmError("the script names no batch")
        self._take(batch, 1 if visit is not None else len(batch.visits))
        job_id, self.next_job_id = self.next_job_id, self.next_job_id + len(batch.visits)
        self.batches[job_id] = batch
        for number, one in enumerate([visit] if visit is not None else batch.visits):
            self.tasks[job_id, one.task] = Task(
                job_id=job_id + number,
                array_job_id=job_id,
                task=one.task,
                state="PENDING",
                reason="JobHeldUser",
                required_node=visit.node if visit is not None else "",
                submitted_at=self.now,
                comment=batch.comment,
            )
        return job_id

    def _take(self, batch: Batch, jobs: int) -> None:
        live = sum(not task.ended for task in self.tasks.values())
        if batch.partition in self.closed:
            raise SlurmError("Required partition not available (inactive or drain)")
        if live + jobs > self.most_jobs:
            raise SlurmError("QOSMaxSubmitJobPerUserLimit")
        if self._reservation(batch) not in {"", *(one.name for one in self.reservation_list)}:
            raise SlurmError("Requested reservation is invalid")

    def _reservation(self, batch: Batch) -> str:
        return batch.verifying.reservation if batch.verifying else ""

    def _free(self, batch: Batch) -> set[str]:
        """Return the idle nodes where a task of *batch* may start: in its reservation, or in none.

        A reservation counts at once; slurmctld shows it on the node some seconds later.
        """
        reserved = {node: one.name for one in self.reservation_list for node in one.nodes}
        return {
            node.name
            for node in self.nodes()
            if node.state == "IDLE"
            and not node.flags - {"RESERVED", "MAINTENANCE"}
            and reserved.get(node.name, "?" if node.flags else "") == self._reservation(batch)
        }

    def pin(self, job_id: int, nodes: Mapping[int, str]) -> None:
        """As `Slurm.pin`: what is not pending is left as it is, without an error."""
        self._answer()
        known = {node.name for node in self.node_list}
        for number, node in nodes.items():
            task = self.tasks.get((job_id, number))
            if task is not None and task.pending and node in known:
                self.tasks[job_id, number] = replace(task, required_node=node)

    def release(self, job_ids: Sequence[int]) -> None:
        """As `Slurm.release`."""
        self._answer()
        for key, task in self.tasks.items():
            if key[0] in job_ids and task.held_by_us:
                self.tasks[key] = replace(task, reason="None")

    def cancel(self, tasks: Sequence[str], *, only_pending: bool) -> None:
        """As `Slurm.cancel`."""
        self._answer()
        for text in tasks:
            job_id, _, number = text.partition("_")
            for key, task in list(self.tasks.items()):
                named = key[0] == int(job_id) and number in ("", str(key[1]))
                if named and not task.ended and (task.pending or not only_pending):
                    self.end(key, "CANCELLED")

    def start(self) -> Iterator[tuple[Batch, Task]]:
        """Start what may start, as the scheduler would; yields each task that now runs."""
        for key, task in list(self.tasks.items()):
            if not self._throttled(key[0]) and _startable(task, self._free(self.batches[key[0]])):
                running = replace(
                    task, state="RUNNING", node=task.required_node, started_at=self.now
                )
                self.tasks[key] = running
                yield self.batches[key[0]], running

    def _throttled(self, job_id: int) -> bool:
        running = [
            key for key, task in self.tasks.items() if key[0] == job_id and task.state == "RUNNING"
        ]
        return len(running) >= self.batches[job_id].throttle

    def end(self, key: tuple[int, int], state: str) -> None:
        """End a task as *state*; of a job's only task that never started the number is lost."""
        task = self.tasks[key]
        only = task.pending and sum(one[0] == key[0] for one in self.tasks) == 1
        number = None if only else task.task
        self.tasks[key] = replace(task, state=state, ended_at=self.now, task=number)

    def pass_time(self, length: timedelta) -> None:
        """Move the clock; what ended more than MinJobAge ago is only in the accounting then."""
        self.now += length
        for key, task in list(self.tasks.items()):
            if task.ended and task.ended_at and self.now - task.ended_at > timedelta(minutes=5):
                self.past.append(self.tasks.pop(key))

    def lose_state(self) -> None:
        """slurmctld was killed before it saved: it knows no job, and uses their ids again."""
        self.tasks.clear()
        self.batches.clear()
        self.next_job_id = 100

    def _answer(self) -> None:
        if not self.up:
            raise UnreachableError("squeue: exit 1: Unable to contact slurm controller")


def _startable(task: Task, free: set[str]) -> bool:
    return task.pending and not task.held_by_us and (task.required_node or "?") in free
