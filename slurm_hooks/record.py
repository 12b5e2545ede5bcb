"""What is written down about one check on one node in one visit attempt."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError
from slurm_hooks.outcome import Evidence, Outcome

__all__ = ["MAX_BYTES", "VERSION", "Evidence", "Outcome", "Record", "dumps", "loads"]

VERSION = 1
MAX_BYTES = 1_000_000
"""A record larger than this is not one of ours."""

_NAMESPACE = uuid.UUID("6f4d2f2e-0c57-5a0c-9d0a-3a1b6c1f0e55")


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
