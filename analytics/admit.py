"""Which records may enter the history: whole, believed, and possible. Pure."""

from datetime import datetime, timedelta

from slurm_hooks.batch import Batch
from slurm_hooks.record import Evidence, Record
from slurm_hooks.trust import why_refused

_CLOCKS_DIFFER = timedelta(days=1)
"""How far a node's clock may be off before its times are worth nothing."""

_LONGEST = timedelta(days=366)
"""A visit that ended later than this after its batch was made is no visit of ours."""

_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1
_INT32 = 2**31 - 1


def why_not(
    record: Record, batch: Batch, *, file_name: str, cluster: str, now: datetime
) -> str | None:
    """Return why *record*, found as *file_name* at *now*, is set aside; None where it is good."""
    return (
        _not_text(record)
        or why_refused(record, batch)
        or _not_in_range(record)
        or _not_consistent(record, file_name, cluster)
        or _not_possible(record, batch, now)
    )


def _not_text(record: Record) -> str | None:
    """JSON can name characters that no file, and so no segment, can hold."""
    texts = (
        *(record.cluster, record.batch, record.check, record.node, record.token),
        *(record.detail, record.log_path),
        *record.metrics,
    )
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "it holds half a character (a lone surrogate)"
    return None


def _not_consistent(record: Record, file_name: str, cluster: str) -> str | None:
    if record.cluster != cluster:
        return f"it is of cluster {record.cluster!r}, and these settings are of {cluster!r}"
    if record.file_name != file_name:
        return f"its name should be {record.file_name}"
    if record.evidence is not Evidence.RUNNER and record.outcome and record.outcome.judged:
        return f"{record.outcome} needs the runner's own word, and this one is inferred"
    return None


def _not_in_range(record: Record) -> str | None:
    for name, value, least, most in (
        ("task", record.task, 0, _UINT32),
        ("attempt", record.attempt, 0, 100_000),
        ("job_id", record.job_id, 0, _UINT64),
        ("exit_code", record.exit_code or 0, -_INT32, _INT32),
        ("signal", record.signal or 0, 0, 1000),
        ("duration_s", record.duration_s, 0, _LONGEST.total_seconds()),
    ):
        if not least <= value <= most:
            return f"its {name} of {value} is impossible"
    return None


def _not_possible(record: Record, batch: Batch, now: datetime) -> str | None:
    earliest = batch.created_at - _CLOCKS_DIFFER
    latest = min(now, batch.created_at + _LONGEST) + _CLOCKS_DIFFER
    for name, time in (("finished_at", record.finished_at), ("started_at", record.started_at)):
        if time is not None and not earliest <= time <= latest:
            return (
                f"its {name} of {time:%Y-%m-%dT%H:%M:%SZ} cannot be: its batch was made at "
                f"{batch.created_at:%Y-%m-%dT%H:%M:%SZ} and it is {now:%Y-%m-%dT%H:%M:%SZ} now"
            )
    return None
