"""Which records are believed: those that know their batch's token and belong to its plan. Pure."""

import hmac

from slurm_hooks.batch import Batch
from slurm_hooks.record import Record


def why_refused(record: Record, batch: Batch) -> str | None:
    """Return why *record* does not speak for *batch*, or None where it does."""
    if not hmac.compare_digest(_bytes(record.token), _bytes(batch.token)):
        return f"its token is not that of batch {batch.id}"
    if (record.batch, record.cluster) != (batch.id, batch.cluster):
        return f"it names batch {record.batch!r} of cluster {record.cluster!r}"
    for visit in batch.visits:
        if visit.task == record.task:
            if visit.node != record.node:
                return f"task {record.task} of {batch.id} visits {visit.node}, not {record.node!r}"
            if record.check not in visit.checks:
                return f"task {record.task} of {batch.id} does not run {record.check!r}"
            return None
    return f"batch {batch.id} has no task {record.task}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
