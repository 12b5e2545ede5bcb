"""What is written down about one check on one node in one visit attempt."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError
from slurm_hooks.outcome import Evidence, Outcome

__all__ = ["MAX_BYTES", "MAX_METRICS", "VERSION", "Evidence", "Outcome", "Record", "dumps", "loads"]

VERSION = 1
MAX_BYTES = 1_000_000
"""A record larger than this is not one of ours."""

MAX_METRICS = 1_000
_MAX_NAME = 200
_MAX_DETAIL = 4_000
_MAX_PATH = 4_096

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

    What is too much does not lose the verdict: metrics beyond MAX_METRICS, or that no runner
    writes (not finite, unprintable or endless names), are left out, and the detail says how
    many; so is what a detail has beyond 4,000 characters. The file itself keeps everything.

    Raises:
        RecordError: not JSON, a key comes twice, a field is missing or of the wrong type, or
            a newer version.
    """
    if len(data) > MAX_BYTES:
        raise RecordError(f"larger than {MAX_BYTES} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {error}") from error
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise RecordError(f"written by a newer cluster-doctor (record version {version})")
    try:
        return decode(Record, _bounded(value))
    except DecodeError as error:
        raise RecordError(str(error)) from error


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RecordError("it has a key twice, so it says two things")
    return found


def _bounded(value: object) -> object:
    """Return what was read from a record without what is too much in it."""
    if not isinstance(value, dict):
        return value
    metrics, detail, path = (value.get(key) for key in ("metrics", "detail", "log_path"))
    found = dict(value)
    if isinstance(detail, str) and len(detail) > _MAX_DETAIL:
        found["detail"] = f"{detail[: _MAX_DETAIL - 3]}..."
    if isinstance(path, str) and len(path) > _MAX_PATH:
        found["log_path"] = ""
    if isinstance(metrics, dict):
        usable = [item for item in metrics.items() if _is_metric(*item)][:MAX_METRICS]
        found["metrics"] = dict(usable)
        if left := len(metrics) - len(usable):
            said = f"{detail}; " if detail else ""
            found["detail"] = f"{said}{left:,} of {len(metrics):,} metrics are unusable or too many"
    return found


def _is_metric(name: str, value: object) -> bool:
    """Whether a metric may stay; what is no number is left for `decode` to refuse."""
    try:
        finite = not isinstance(value, int | float) or isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
    return finite and len(name) <= _MAX_NAME and name.isprintable()
