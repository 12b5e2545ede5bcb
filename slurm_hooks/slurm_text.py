"""What Slurm's commands print, parsed. Pure; every format is one this project asks for."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

SEPARATOR = "\x1f"
"""ASCII unit separator: nothing that a user or an admin types into Slurm holds it."""

QUEUE_FORMAT = SEPARATOR.join(("%A", "%F", "%K", "%T", "%r", "%N", "%n", "%V", "%S", "%e", "%k"))
ACCOUNTING_FIELDS = "JobIDRaw,JobID,State,ExitCode,NodeList,Submit,Start,End,JobName"

_STATE_MARKS = "*~#!%$@^-+"
_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as slurmctld sees it (scontrol(1), SHOW NODE)."""

    name: str
    state: str
    """The base state, such as IDLE, MIXED, ALLOCATED or DOWN."""
    flags: frozenset[str] = frozenset()
    """Such as DRAIN, MAINTENANCE, RESERVED, PLANNED or NOT_RESPONDING."""
    cpus: int = 1
    real_memory_mb: int = 0
    features: tuple[str, ...] = ()
    gres: str = ""
    partitions: tuple[str, ...] = ()
    reason: str = ""
    reason_user: str = ""
    reason_at: datetime | None = None
    last_busy_at: datetime | None = None
    """When a job last ran on it; None where it never did, or Slurm does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition as slurmctld sees it (scontrol(1), SHOW PARTITION)."""

    name: str
    priority_tier: int
    preempt_mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One array task, in the queue or in the accounting database."""

    job_id: int
    array_job_id: int
    task: int | None
    """None for a job that is not an array task."""
    state: str
    reason: str = ""
    node: str = ""
    """Where it runs or ran; empty while pending."""
    required_node: str = ""
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    comment: str = ""
    """What names its batch: the comment in the queue, the job's name in the accounting."""
    exit_code: str = ""

    @property
    def ended(self) -> bool:
        """Whether Slurm is done with it."""
        return self.state in _ENDED

    @property
    def pending(self) -> bool:
        """Whether it waits for its node."""
        return self.state == "PENDING"

    @property
    def held_by_us(self) -> bool:
        """Whether it waits for its owner's release, as it does between sbatch and release."""
        return self.pending and self.reason == "JobHeldUser"


def parse_nodes(text: str) -> list[Node]:
    """Return the nodes in ``scontrol show nodes -o``, one a line."""
    return [_node(line) for line in text.splitlines() if line.startswith("NodeName=")]


def _node(line: str) -> Node:
    head, _, reason = line.partition(" Reason=")
    fields = _first_values(head)
    base, *flags = fields.get("State", "UNKNOWN").split("+")
    text, user, at = _reason(reason)
    return Node(
        name=fields["NodeName"],
        state=base.rstrip(_STATE_MARKS),
        flags=frozenset(flag.rstrip(_STATE_MARKS) for flag in flags) | _marks(base),
        cpus=_number(fields.get("CPUTot", "1")),
        real_memory_mb=_number(fields.get("RealMemory", "0")),
        features=_names(fields.get("ActiveFeatures", "")),
        gres=_known(fields.get("Gres", "")),
        partitions=_names(fields.get("Partitions", "")),
        reason=text,
        reason_user=user,
        reason_at=at,
        last_busy_at=_time(fields.get("LastBusyTime", "")),
    )


def _first_values(line: str) -> dict[str, str]:
    """Return each key's first value: what an admin types (comment, extra, reason) comes last."""
    found: dict[str, str] = {}
    for key, value in re.findall(r"(?:^| )([A-Za-z_]+)=(\S*)", line):
        found.setdefault(key, value)
    return found


def _marks(state: str) -> frozenset[str]:
    return frozenset({"NOT_RESPONDING"}) if "*" in state else frozenset()


def _reason(text: str) -> tuple[str, str, datetime | None]:
    """Split ``bad fan [root@2026-11-21T10:00:00]`` into its text, user and time."""
    found = re.search(r"(?s)^(.*?) ?\[([^\[\]@]*)@(\d{4}-[\dT:-]+)\]\s*(?:Comment=.*)?$", text)
    if not found:
        return text.strip(), "", None
    return found[1].strip(), found[2], _time(found[3])


def parse_partitions(text: str) -> list[Partition]:
    """Return the partitions in ``scontrol show partitions -o``, one a line."""
    found = []
    for line in text.splitlines():
        fields = _first_values(line)
        if "PartitionName" in fields:
            found.append(
                Partition(
                    name=fields["PartitionName"],
                    priority_tier=_number(fields.get("PriorityTier", "1")),
                    preempt_mode=fields.get("PreemptMode", "OFF"),
                )
            )
    return found


def parse_config(text: str) -> dict[str, str]:
    """Return the keys and values of ``scontrol show config``."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def parse_queue(text: str) -> list[Task]:
    """Return the tasks in ``squeue --array -o QUEUE_FORMAT``, one a line."""
    return [_queued(line.split(SEPARATOR)) for line in text.splitlines() if SEPARATOR in line]


def _queued(fields: list[str]) -> Task:
    job, array, task, state, reason, node, required, submitted, started, ended, comment = fields
    return Task(
        job_id=_number(job),
        array_job_id=_number(array),
        task=int(task) if task.isdigit() else None,
        state=state,
        reason=reason,
        node=node,
        required_node=required,
        submitted_at=_time(submitted),
        started_at=_time(started),
        ended_at=_time(ended),
        comment=_known(comment),
    )


def parse_accounting(text: str) -> list[Task]:
    """Return the tasks in ``sacct -X -P -o ACCOUNTING_FIELDS``, one a line."""
    return [_accounted(line.split("|")) for line in text.splitlines() if line.count("|") == 8]


def _accounted(fields: list[str]) -> Task:
    raw, job, state, exit_code, node, submitted, started, ended, name = fields
    array, _, task = job.partition("_")
    return Task(
        job_id=_number(raw),
        array_job_id=_number(array),
        task=int(task) if task.isdigit() else None,
        state=(state.split() or [""])[0].rstrip("+"),
        reason=state,
        node="" if node == "None assigned" else node,
        submitted_at=_time(submitted),
        started_at=_time(started),
        ended_at=_time(ended),
        comment=name,
        exit_code=exit_code,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in _known(text).split(",") if name)


def _known(text: str) -> str:
    return "" if text in {"(null)", "N/A", "None"} else text


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _time(text: str) -> datetime | None:
    """Return a time that Slurm printed under TZ=UTC, or None for N/A, Unknown and the like."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
