"""Which records and plans are believed: what knows the token, and is as we write it. Pure."""

import hmac
import re

from slurm_hooks.batch import Batch
from slurm_hooks.reaction import Kind, Reaction
from slurm_hooks.record import Record

_CHECK = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PREFIX = re.compile(r"[ -~]{0,64}")
_RESERVATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


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


def is_as_we_write(batch: Batch) -> bool:
    """Whether all that a batch has written into Slurm is as definitions may have it.

    The service account writes batches, and SlurmUser acts on them: a prefix of a reservation
    that a definition could not hold was never read from one.
    """
    return all(
        _CHECK.fullmatch(program.name)
        and all(map(_is_plain, (*program.reacting.on_fail, *program.reacting.on_pass)))
        for program in batch.programs
    )


def _is_plain(reaction: Reaction) -> bool:
    names_one = reaction.kind in (Kind.RESERVE, Kind.UNRESERVE)
    return bool((_RESERVATION if names_one else _PREFIX).fullmatch(reaction.prefix))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
