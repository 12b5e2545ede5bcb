"""What is written down about one check on one node in one visit attempt."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError

VERSION = 1
MAX_BYTES = 1_000_000
"""A record larger than this is not one of ours."""

_NAMESPACE = uuid.UUID("6f4d2f2e-0c57-5a0c-9d0a-3a1b6c1f0e55")


class Outcome(StrEnum):
    """How one check on one node ended; complete and disjoint."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    TIMEOUT = "timeout"
    SKIP = "skip"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    NODE_FAIL = "node_fail"
    NOT_STARTED = "not_started"

    @property
    def judged(self) -> bool:
        """Whether it says something about the node; only these make a proof fresh."""
        return self in (Outcome.PASS, Outcome.WARN, Outcome.FAIL)


class Evidence(StrEnum):
    """Whose word a record is."""

    RUNNER = "runner"
    """The runner's, on the node, with the batch's token."""

    SLURM = "slurm"
    """Inferred by the sweep from what slurmctld and slurmdbd say."""

    CONFLICT = "conflict"
    """The sweep's, where the runner's word and Slurm's cannot both be true."""

    @property
    def revision(self) -> int:
        """Which of two records of one result counts: the higher, whenever it arrives."""
        return {Evidence.SLURM: 1, Evidence.RUNNER: 2, Evidence.CONFLICT: 3}[self]

    @property
    def suffix(self) -> str:
        """What marks its records' file names; one of conflict sorts after the one it overrules."""
        return {Evidence.SLURM: ".inferred", Evidence.RUNNER: "", Evidence.CONFLICT: ".overruled"}[
            self
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One file in the spool.

    ``outcome`` is None where the runner was stopped before it could tell; Slurm's
    word then decides (`slurm_hooks.settle`).
    """

    version: int = VERSION
    cluster: str
    batch: str
    task: int
    attempt: int
    check: str
    node: str
    job_id: int
    token: str
    evidence: Evidence
    outcome: Outcome | None
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    finished_at: datetime
    duration_s: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    log_path: str = ""

    @property
    def result_id(self) -> uuid.UUID:
        """The same for every record of this check in this visit attempt, whoever wrote it."""
        key = (self.cluster, self.batch, self.task, self.attempt, self.check)
        return uuid.uuid5(_NAMESPACE, json.dumps(key))

    @property
    def file_name(self) -> str:
        """Its name in the spool; one writer never uses another's."""
        start = f"{self.batch}.{self.task}.{self.attempt}.{self.check}"
        return f"{start}{self.evidence.suffix}.json"


def dumps(record: Record) -> bytes:
    """Return *record* as one line of JSON."""
    return json.dumps(encode(record), allow_nan=False).encode() + b"\n"


def loads(data: bytes) -> Record:
    """Return the record that *data* holds.

    Raises:
        RecordError: not JSON, a field is missing or of the wrong type, or a newer version.
    """
    if len(data) > MAX_BYTES:
        raise RecordError(f"larger than {MAX_BYTES} bytes")
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}") from error
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise RecordError(f"written by a newer cluster-doctor (record version {version})")
    try:
        return decode(Record, value)
    except DecodeError as error:
        raise RecordError(str(error)) from error
