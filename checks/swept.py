"""What the history keeps of a sweep that came to its end. Pure."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from analytics.sweep_row import SweepRow, lasted

if TYPE_CHECKING:
    from checks.sweep import Sweep


def sweep_row(done: "Sweep", *, cluster: str, host: str, finished_at: datetime) -> SweepRow:
    """Return what *done* saw, planned and did, as a row."""
    verdicts = Counter(one.verdict.value for one in done.plan.nodes)
    return SweepRow(
        cluster=cluster,
        started_at=done.started_at,
        finished_at=finished_at,
        duration_s=lasted(done.started_at, finished_at),
        host=host,
        nodes=len(done.fleet.nodes),
        free=done.free,
        verdicts={name: float(verdicts[name]) for name in sorted(verdicts)},
        planned=sum(len(batch.visits) for batch in done.plan.batches),
        batches=len(done.advanced.submitted),
        visits=done.visits,
        cancelled=len(done.advanced.cancelled),
        settled=done.collected.settled,
        ingested=done.collected.ingested,
        closed=len(done.collected.closed),
        refused=tuple(refusals(done.advanced.refused)),
        warnings=tuple(done.collected.warnings),
    )


def refusals(refused: Mapping[str, str]) -> list[str]:
    """Return a line for each batch that Slurm would not take, with its reason."""
    return [f"batch {batch_id} was not taken: {why}" for batch_id, why in refused.items()]
