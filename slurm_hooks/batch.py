"""A batch: one job array that proves many nodes, as it is written down before it is submitted."""

import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from slurm_hooks.decode import DecodeError, T, decode, encode
from slurm_hooks.errors import RecordError
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Reacting

VERSION = 1
MAX_VISITS = 200
"""What slurmctld does with an array costs time that grows with its size, so larger plans become
several batches."""

MAX_BYTES = 20_000_000
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_COMMENT = "cluster-doctor:"


class Mode(StrEnum):
    """How the visits of a batch are submitted."""

    ARRAY = "array"
    """One array, a task for each node."""
    JOBS = "jobs"
    """A job for each node."""
    JOB = "job"
    """One job, to one node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a visit asks Slurm for, and how; a batch has one."""

    cpus: int = 1
    mem_mb: int = 0
    """0 asks for the partition's default."""
    gpus: int = 0
    exclusive: bool = False
    mode: Mode = Mode.ARRAY
    max_jobs: int = 0
    """No more visits of this shape at once; 0 is no limit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the runner needs to know of one check; fixed when the batch is written."""

    name: str
    argv: tuple[str, ...]
    """May hold {python}, {node} and {scratch}; the runner fills them in."""
    time_limit_s: float
    depends_on: tuple[str, ...] = ()
    reacting: Reacting = field(default_factory=Reacting)
    """Not the runner's business: the reactor reads it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One node's turn: array task *task* runs *checks*, in this order, on *node*."""

    task: int
    node: str
    checks: tuple[str, ...]
    earlier: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    """The judged results before this visit, the latest first, of checks that confirm their fails;
    back to the oldest fail that may count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """What a batch is part of that decides whether its one node returns to service."""

    entry: str
    """The verification, by its id in the journal of reactions."""
    reservation: str
    """Where the visit runs, and no other job may."""
    checks: tuple[str, ...]
    """All that must pass on the node, in this batch or in another of the same verification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One job array. Immutable: what happens to it is written beside it."""

    version: int = VERSION
    id: str
    token: str
    cluster: str
    created_at: datetime
    partition: str
    shape: Shape
    time_limit_s: float
    """Of each task: its checks' limits and the runner's own overhead."""
    start_by: datetime
    """A task still pending then is given up."""
    throttle: int
    """How many tasks may run at once."""
    patient: bool = False
    """Whether its tasks wait for nodes that have users' jobs, as somebody asked for."""
    programs: tuple[Program, ...]
    visits: tuple[Visit, ...]
    pending_limit_s: float = 300.0
    """A task that Slurm could start and has not started for so long is given up."""
    age_limit_s: float = 4 * 3600.0
    """What is left of a batch older than this is cancelled."""
    verifying: Verifying | None = None

    @property
    def comment(self) -> str:
        """The job's comment and name; anybody can write them, so they prove nothing."""
        return _COMMENT + self.id

    @property
    def end_by(self) -> datetime:
        """When what is left of it is cancelled, running or not."""
        return self.created_at + timedelta(seconds=self.age_limit_s)

    def program(self, name: str) -> Program:
        """Return the program of check *name*, which one of the visits lists."""
        return next(program for program in self.programs if program.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Written beside a batch once Slurm took it."""

    job_id: int
    """The array's; the first, where each visit is a job of its own."""
    other_job_ids: tuple[int, ...] = ()
    submitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Written beside a batch when somebody wants one of its visits gone."""

    task: int
    by: str
    at: datetime

    @property
    def file_name(self) -> str:
        """Its name beside the batch."""
        return f"cancelled.{self.task}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerWord:
    """What EpilogSlurmctld saw when an array task ended (prolog(5), environment)."""

    version: int = VERSION
    batch: str
    task: int
    attempt: int
    job_id: int
    node: str
    exit_status: int
    """SLURM_JOB_EXIT_CODE, a wait status. 0 proves nothing: a preempted task has it too."""
    ended_at: datetime

    @property
    def file_name(self) -> str:
        """Its name in the controller's directory: the same for the same end, seen twice."""
        return f"{self.batch}.{self.task}.{self.attempt}.json"


def new_batch_id(now: datetime) -> str:
    """Return an id that sorts by time and never repeats."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"


def new_token() -> str:
    """Return 128 random bits; whoever knows them may speak for the batch."""
    return os.urandom(16).hex()


def is_batch_id(text: str) -> bool:
    """Whether *text* has the form of a batch id; anything else must not become a path."""
    return _ID.fullmatch(text) is not None


def batch_of_comment(comment: str) -> str | None:
    """Return the batch id in a job's comment, or None where there is none."""
    identifier = comment.removeprefix(_COMMENT)
    return identifier if identifier != comment and is_batch_id(identifier) else None


def dump_batch(batch: Batch) -> bytes:
    """Return *batch* as JSON."""
    return json.dumps(encode(batch), indent=1).encode() + b"\n"


def load_batch(data: bytes) -> Batch:
    """Return the batch that *data* holds.

    Raises:
        RecordError: torn, foreign or from a newer version.
    """
    return _load(Batch, data)


def dump_submission(submission: Submission) -> bytes:
    """Return *submission* as JSON."""
    return json.dumps(encode(submission)).encode() + b"\n"


def load_submission(data: bytes) -> Submission:
    """Return the submission that *data* holds, or raise RecordError."""
    return _load(Submission, data)


def dump_cancellation(cancellation: Cancellation) -> bytes:
    """Return *cancellation* as JSON."""
    return json.dumps(encode(cancellation)).encode() + b"\n"


def load_cancellation(data: bytes) -> Cancellation:
    """Return the cancellation that *data* holds, or raise RecordError."""
    return _load(Cancellation, data)


def dump_word(word: ControllerWord) -> bytes:
    """Return *word* as JSON."""
    return json.dumps(encode(word)).encode() + b"\n"


def load_word(data: bytes) -> ControllerWord:
    """Return the controller's word that *data* holds, or raise RecordError."""
    return _load(ControllerWord, data)


def _load(kind: type[T], data: bytes) -> T:
    if len(data) > MAX_BYTES:
        raise RecordError(f"larger than {MAX_BYTES} bytes")
    try:
        return decode(kind, json.loads(data.decode()))
    except (ValueError, RecursionError, DecodeError) as error:
        raise RecordError(f"not a {kind.__name__}: {error}") from error
