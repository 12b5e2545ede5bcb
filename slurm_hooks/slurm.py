"""The one wall to Slurm: its commands, with list argv, a deadline and a clean environment."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Protocol

from slurm_hooks.batch import Batch, Visit
from slurm_hooks.command_line import CommandLine
from slurm_hooks.errors import SlurmError
from slurm_hooks.slurm_text import (
    ACCOUNTING_FIELDS,
    QUEUE_FORMAT,
    Node,
    Partition,
    Task,
    parse_accounting,
    parse_config,
    parse_nodes,
    parse_partitions,
    parse_queue,
)

_QUEUE_ARGUMENTS = ("-h", "-a", "--array", "-t", "all", "-o", QUEUE_FORMAT)
_FEW = 20
"""Up to here the commands that save time would cost more."""
_AT_ONCE = 4
"""How many scontrol share the updates of an array: each waits for slurmctld most of its time."""


class Slurm(Protocol):
    """What this project asks of Slurm. Every call may raise SlurmError.

    It is an UnreachableError where another call would fare no better.
    """

    def nodes(self) -> list[Node]:
        """Return every node."""

    def partitions(self) -> list[Partition]:
        """Return every partition."""

    def config(self) -> Mapping[str, str]:
        """Return slurmctld's settings."""

    def queue(self, user: str) -> list[Task]:
        """Return *user*'s tasks that slurmctld still remembers, ended ones included."""

    def accounting(self, user: str, since: datetime) -> list[Task]:
        """Return *user*'s tasks since *since* from slurmdbd, every incarnation of a job id."""

    def submit(self, batch: Batch, script: str, visit: Visit | None = None) -> int:
        """Submit *batch* as a held array, or its *visit* alone; return the job id."""

    def pin(self, job_id: int, nodes: Mapping[int, str]) -> None:
        """Bind each pending task of *job_id* to its node; read the queue back to see which took."""

    def release(self, job_ids: Sequence[int]) -> None:
        """Let held arrays start."""

    def cancel(self, tasks: Sequence[str], *, only_pending: bool) -> None:
        """Cancel jobs (``12``) or array tasks (``12_3``); ended and unknown ones are no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmCommands:
    """Slurm's command line, which is the same from 22.05 on where this uses it.

    Text formats only: ``--json`` costs seconds and gigabytes at 10,000 jobs.
    """

    bin_dir: Path
    conf: Path | None = None
    timeout_s: float = 60.0

    def nodes(self) -> list[Node]:
        """As `Slurm.nodes`; 0.25 s for 10,000 nodes (sinfo -N takes 3 s).

        ``--all``: without it an ordinary account is not told that a node is in a hidden partition.
        """
        return parse_nodes(self._run("scontrol", "show", "nodes", "--all"))

    def partitions(self) -> list[Partition]:
        """As `Slurm.partitions`."""
        return parse_partitions(self._run("scontrol", "show", "partitions", "-o", "--all"))

    def config(self) -> Mapping[str, str]:
        """As `Slurm.config`."""
        return parse_config(self._run("scontrol", "show", "config"))

    def queue(self, user: str) -> list[Task]:
        """As `Slurm.queue`; ended tasks stay for MinJobAge (slurm.conf(5), 300 s)."""
        return parse_queue(self._run("squeue", *_QUEUE_ARGUMENTS, "-u", user))

    def accounting(self, user: str, since: datetime) -> list[Task]:
        """As `Slurm.accounting`; sacct(1) with -D, since a lost job id is used again.

        A task that was cancelled while held never became eligible, and is not told.
        """
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        arguments = ("-X", "-D", "-n", "-P", "-u", user, "-S", start, "-E", "now")
        return parse_accounting(self._run("sacct", *arguments, "-o", ACCOUNTING_FIELDS))

    def submit(self, batch: Batch, script: str, visit: Visit | None = None) -> int:
        """As `Slurm.submit`; sbatch(1).

        A visit alone is an array of one element: so its number stands in the job's
        environment, in the queue and in the accounting, as that of any other.
        ``--no-requeue``: a preempted visit ends, and the next sweep decides afresh.
        ``--deadline`` makes Slurm give the task up when it could not start in time.
        """
        printed = self._run("sbatch", *submit_arguments(batch, visit), stdin=script)
        job_id = printed.strip().split(";")[0]
        if not job_id.isdigit():
            raise SlurmError(f"sbatch printed {printed.strip()!r} where a job id was expected")
        return int(job_id)

    def pin(self, job_id: int, nodes: Mapping[int, str]) -> None:
        """As `Slurm.pin`: a scontrol, or a few at once, read all updates from standard input.

        An update of ``12_3`` costs slurmctld and scontrol time that grows with the array,
        one of the job that this task is does not. So one update that changes nothing makes
        a job of each task first (but of the last: that one keeps the array's id).

        scontrol goes on after a line that fails and says so only in its exit
        status, so the caller reads the queue back.
        """
        many = len(nodes) > _FEW
        own = self._split(job_id, sorted(nodes)) if many else {}
        lines = [
            f"update JobId={own.get(task, f'{job_id}_{task}')} ReqNodeList={node}\n"
            for task, node in nodes.items()
        ]
        at_once = _AT_ONCE if many else 1

        def feed(first: int) -> None:
            self._run("scontrol", stdin="".join(lines[first::at_once]), accept_failure=True)

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(feed, range(at_once)))

    def _split(self, job_id: int, tasks: Sequence[int]) -> Mapping[int | None, int]:
        """Make jobs of all but the last of *tasks*; returns their ids by task."""
        others = ",".join(str(task) for task in tasks[:-1])
        update = f"update JobId={job_id}_[{others}] Requeue=0\n"
        self._run("scontrol", stdin=update, accept_failure=True)
        printed = self._run("squeue", *_QUEUE_ARGUMENTS, "-j", str(job_id), accept_failure=True)
        return {task.task: task.job_id for task in parse_queue(printed) if task.job_id != job_id}

    def release(self, job_ids: Sequence[int]) -> None:
        """As `Slurm.release`; scontrol(1). One that is gone does not stop the others."""
        if job_ids:
            jobs = ",".join(str(job_id) for job_id in job_ids)
            self._run("scontrol", "release", jobs, accept_failure=True)

    def cancel(self, tasks: Sequence[str], *, only_pending: bool) -> None:
        """As `Slurm.cancel`; scancel(1)."""
        state = ("--state=PENDING",) if only_pending else ()
        if tasks:
            self._run("scancel", *state, *tasks, accept_failure=True)

    def _run(
        self, program: str, *arguments: str, stdin: str = "", accept_failure: bool = False
    ) -> str:
        line = CommandLine(bin_dir=self.bin_dir, conf=self.conf, timeout_s=self.timeout_s)
        answer = line.ask(program, *arguments, stdin=stdin)
        if answer.status and not accept_failure:
            raise answer.error()
        return answer.printed


def submit_arguments(batch: Batch, visit: Visit | None = None) -> list[str]:
    """Return sbatch's arguments for *batch*, or for its *visit* alone."""
    shape = batch.shape
    minutes = ceil(batch.time_limit_s / 60)
    deadline = datetime.fromtimestamp(batch.start_by.timestamp() + minutes * 60, UTC)
    arguments = [
        "--parsable",
        "--hold",
        *_tasks(batch, visit),
        f"--job-name={batch.comment}",
        f"--comment={batch.comment}",
        f"--partition={batch.partition}",
        "--no-requeue",
        f"--time={minutes}",
        f"--deadline={deadline:%Y-%m-%dT%H:%M:%S}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={shape.cpus}",
        "--output=/dev/null",
        "--input=/dev/null",
        "--chdir=/",
    ]
    if shape.mem_mb:
        arguments.append(f"--mem={shape.mem_mb}M")
    if shape.gpus:
        arguments.append(f"--gres=gpu:{shape.gpus}")
    if shape.exclusive:
        arguments.append("--exclusive")
    if batch.verifying:
        arguments.append(f"--reservation={batch.verifying.reservation}")
    return arguments


def _tasks(batch: Batch, visit: Visit | None) -> list[str]:
    if visit is None:
        return [f"--array=0-{len(batch.visits) - 1}%{batch.throttle}"]
    return [f"--array={visit.task}", f"--nodelist={visit.node}"]
