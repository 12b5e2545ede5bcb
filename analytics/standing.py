"""Where a check on a node stands: its latest judged result and its latest attempt; pure."""

from typing import NamedTuple

from analytics.result import JUDGED, Result
from slurm_hooks.record import Evidence

_RUNNERS = Evidence.RUNNER.revision


class Seen(NamedTuple):
    """What of a result is kept in a standing. A tuple: a fleet has 200,000 of them."""

    result_id: str
    revision: int
    outcome: str
    at_ms: int
    """When it finished, in milliseconds since 1970 UTC."""
    detail: str
    duration_s: float
    job_id: int
    log_path: str

    @property
    def judged(self) -> bool:
        """Whether it says something about the node."""
        return self.outcome in JUDGED

    @property
    def order(self) -> tuple[int, str]:
        """The later of two results has the greater; ties break by result_id."""
        return self.at_ms, self.result_id


class Standing(NamedTuple):
    """One check on one node, as the SQL view `status` has it."""

    judged: Seen | None
    attempt: Seen
    """The newest result of any outcome; the judged one itself unless a later one came."""


def seen(row: Result) -> Seen:
    """Return what a standing keeps of *row*."""
    return Seen(
        result_id=row.result_id,
        revision=row.revision,
        outcome=row.outcome,
        at_ms=round(row.finished_at.timestamp() * 1000),
        detail=row.detail,
        duration_s=row.duration_s,
        job_id=row.job_id,
        log_path=row.log_path,
    )


def fold(known: Standing | None, new: Seen) -> Standing | None:
    """Return the standing once *new* is counted, or None where only the history can tell.

    It cannot be told from *known* alone where *new* revises a result that is shown, since
    the runner-up is not kept, or where *new* is of a low revision and would be shown, since
    a higher one may have come and be hidden behind a later result. A runner's cannot have:
    what overrules it is counted after it, and ingest refuses it from then on.
    """
    if known is None:
        return Standing(judged=new if new.judged else None, attempt=new)
    for shown in (known.judged, known.attempt):
        if shown and shown.result_id == new.result_id:
            return known if new.revision <= shown.revision else None
    latest = new.order > known.attempt.order
    proof = new.judged and (known.judged is None or new.order > known.judged.order)
    if not (latest or proof):
        return known
    if new.revision < _RUNNERS:
        return None
    return Standing(judged=new if proof else known.judged, attempt=new if latest else known.attempt)
