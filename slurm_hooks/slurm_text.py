"""What Slurm's commands print, parsed. Pure; every format is one this project asks for."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from slurm_hooks.hostlist import expand

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
_NODE_STARTS = re.compile(r"^(?=NodeName=)", re.MULTILINE)
_TYPED = re.compile(r"\n   (Reason|Comment|Extra)=")
"""Where what people type begins: after all that Slurm itself tells, but for rare lines."""
_FIELD_STARTS = re.compile(r"\n   [A-Z][A-Za-z]*=")
_SYSTEM = re.compile(r"\n   OS=.*")
"""The node's word for its kernel, with blanks in it."""
_PAIR = re.compile(r"(?<!\S)([A-Za-z_]+)=(\S*)")
_AUTHOR = re.compile(r"(.*) \[([^\[\]]*)@(\d{4}-[\dT:-]+)\]")


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
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A reservation as slurmctld sees it (scontrol(1), SHOW RESERVATION)."""

    name: str
    nodes: tuple[str, ...]
    """In Slurm's order; empty once they are gone from slurm.conf."""
    users: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    """Such as MAINT, IGNORE_JOBS or SPEC_NODES."""
    state: str = "ACTIVE"
    """ACTIVE or INACTIVE."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


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
    """Return the nodes in ``scontrol show nodes``.

    Not with ``-o``: there a reason, a comment and Extra, in this order, share a line with
    nothing that ends them, and each may hold `` Comment=`` (22.05). Here each begins a line of
    its own, and costs no more: 10,000 nodes are told in 0.2 s and 6 MB either way.

    A line end inside a reason is kept, so that nobody's addition reads as the text without it.
    One inside a comment is kept as long as the next line does not look like another field.
    """
    return [_node(shown) for shown in _NODE_STARTS.split(text) if shown.startswith("NodeName=")]


def _node(shown: str) -> Node:
    first = _TYPED.search(shown)
    fields = _first_values(_SYSTEM.sub("", shown[: first.start()] if first else shown))
    typed = _typed(shown)
    base, *flags = fields.get("State", "UNKNOWN").split("+")
    text, user, at = _reason(typed.get("Reason", ""))
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
        last_busy_at=parse_time(fields.get("LastBusyTime", "")),
        comment=typed.get("Comment", ""),
    )


def _typed(shown: str) -> dict[str, str]:
    """Return the texts that people typed, each by its key; the first of a key is Slurm's."""
    found: dict[str, str] = {}
    whole = shown.removesuffix("\n").removesuffix("\n")
    for start in _TYPED.finditer(whole):
        end = _FIELD_STARTS.search(whole, start.end())
        found.setdefault(start[1], whole[start.end() : end.start() if end else None])
    return found


def _first_values(shown: str) -> dict[str, str]:
    """Return each key's first value."""
    found: dict[str, str] = {}
    for key, value in _PAIR.findall(shown):
        found.setdefault(key, value)
    return found


def _marks(state: str) -> frozenset[str]:
    return frozenset({"NOT_RESPONDING"}) if "*" in state else frozenset()


def _reason(typed: str) -> tuple[str, str, datetime | None]:
    """Split ``bad fan [root@2026-11-21T10:00:00]`` into its text, user and time.

    Author and time end the first line, whatever it holds; further lines are indented by ten.
    """
    first, *more = typed.split("\n")
    found = _AUTHOR.fullmatch(first)
    if not found:
        return typed, "", None
    lines = [found[1], *(line.removeprefix(" " * 10) for line in more)]
    return "\n".join(lines), found[2], parse_time(found[3])


def parse_reservations(text: str) -> list[Reservation]:
    """Return the reservations in ``scontrol show reservations -o``, one a line."""
    found = []
    for line in text.split("\n"):
        # A name may hold blanks and equal signs: it goes on to the last time of a start.
        named = re.fullmatch(r"ReservationName=(.*) (StartTime=.*)", line)
        if named:
            found.append(_reservation(named[1], _first_values(named[2])))
    return found


def _reservation(name: str, fields: dict[str, str]) -> Reservation:
    return Reservation(
        name=name,
        nodes=tuple(expand(_known(fields.get("Nodes", "")))),
        users=_names(fields.get("Users", "")),
        flags=frozenset(_names(fields.get("Flags", ""))),
        state=fields.get("State", ""),
        starts_at=parse_time(fields.get("StartTime", "")),
        ends_at=parse_time(fields.get("EndTime", "")),
    )


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
        submitted_at=parse_time(submitted),
        started_at=parse_time(started),
        ended_at=parse_time(ended),
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
        submitted_at=parse_time(submitted),
        started_at=parse_time(started),
        ended_at=parse_time(ended),
        comment=name,
        exit_code=exit_code,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in _known(text).split(",") if name)


def _known(text: str) -> str:
    return "" if text in {"(null)", "N/A", "None"} else text


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def parse_time(text: str) -> datetime | None:
    """Return a time that Slurm printed under TZ=UTC, or None for N/A, Unknown and the like."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
