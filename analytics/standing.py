"""Where a check on a node stands: its latest judged result and its latest attempt; pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analytics.result import JUDGED, Result
from slurm_hooks.outcome import Evidence, Outcome

KEPT = 8
"""How many results of each kind a standing looks back; sql/status.sql has the same number."""

RETRIED = (Outcome.ERROR.value, Outcome.TIMEOUT.value, Outcome.PREEMPTED.value)
"""What retries count; sql/status.sql has the same outcomes."""

_RUNNERS = Evidence.RUNNER.revision


class Seen(NamedTuple):
    """What of a result is kept in a standing. A tuple: a fleet has 200,000 of them."""

    visit: str
    """Which attempt of which visit it is of: batch.task.attempt."""
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
        """The later of two results has the smaller; ties break by visit."""
        return -self.at_ms, self.visit


class Brief(NamedTuple):
    """A result of which only the outcome matters still, and what to know it by."""

    at_ms: int
    visit: str
    revision: int
    outcome: str

    @property
    def order(self) -> tuple[int, str]:
        """As `Seen.order`."""
        return -self.at_ms, self.visit


class Standing(NamedTuple):
    """One check on one node, as the SQL view `status` has it."""

    judged: Seen | None
    attempt: Seen
    """The newest result of any outcome; the judged one itself unless a later one came."""
    unjudged: tuple[Brief, ...] = ()
    """The newest attempts of RETRIED outcomes since the judged one, the latest first."""
    failures: tuple[Brief, ...] = ()
    """The newest judged results back to the oldest fail among the last KEPT, the latest first.

    Empty where none failed, so that a healthy fleet's snapshot stays small.
    """


Confirm = tuple[int, int]
"""How many fails make one that counts, of how many of the last judged results."""


def fails(failures: Sequence[str], confirm: Confirm) -> int:
    """Return how many of the last judged results, latest first, are fails that may count."""
    return failures[: confirm[1]].count(Outcome.FAIL)


def confirmed(failures: Sequence[str], confirm: Confirm) -> bool:
    """Whether a fail counts: so many of the last *failures* are."""
    return fails(failures, confirm) >= confirm[0]


def seen(row: Result) -> Seen:
    """Return what a standing keeps of *row*."""
    return Seen(
        visit=f"{row.batch}.{row.task}.{row.attempt}",
        revision=row.revision,
        outcome=row.outcome,
        at_ms=round(row.finished_at.timestamp() * 1000),
        detail=row.detail,
        duration_s=row.duration_s,
        job_id=row.job_id,
        log_path=row.log_path,
    )


def since(judged: Seen | None, attempts: Iterable[Brief]) -> tuple[Brief, ...]:
    """Return which of *attempts* came after *judged*, the latest KEPT, latest first."""
    after = [one for one in attempts if judged is None or one.order < judged.order]
    return tuple(sorted(after, key=_order)[:KEPT])


def back_to_fail(judged: Iterable[Brief]) -> tuple[Brief, ...]:
    """Return the latest KEPT of *judged*, latest first, without what is older than every fail."""
    newest = sorted(judged, key=_order)[:KEPT]
    while newest and newest[-1].outcome != Outcome.FAIL.value:
        newest.pop()
    return tuple(newest)


def _order(one: Brief) -> tuple[int, str]:
    return one.order


def fold(known: Standing | None, new: Seen) -> Standing | None:
    """Return the standing once *new* is counted, or None where only the history can tell.

    It cannot be told from *known* alone where *new* revises a result that is shown, since
    the runner-up is not kept, or where *new* is of a low revision and would be shown, since
    a higher one may have come and be hidden behind a later result. A runner's cannot have:
    what overrules it is counted after it, and ingest refuses it from then on.
    """
    brief = Brief(new.at_ms, new.visit, new.revision, new.outcome)
    tried = (brief,) if new.outcome in RETRIED else ()
    if known is None:
        judged = new if new.judged else None
        return Standing(judged, new, since(judged, tried), back_to_fail((brief,)))
    for shown in (known.judged, known.attempt, *known.unjudged, *known.failures):
        if shown and shown.visit == new.visit:
            return known if new.revision <= shown.revision else None
    proof = new.judged and (known.judged is None or new.order < known.judged.order)
    judged = new if proof else known.judged
    failures = _failures(known, brief, proof=proof) if new.judged else known.failures
    if failures is None:
        return None
    after = Standing(
        judged=judged,
        attempt=new if new.order < known.attempt.order else known.attempt,
        unjudged=since(judged, (*known.unjudged, *tried)),
        failures=failures,
    )
    if after == known:
        return known
    return after if new.revision >= _RUNNERS else None


def _failures(known: Standing, new: Brief, *, proof: bool) -> tuple[Brief, ...] | None:
    """Return the failures once the judged result *new* is counted, or None where untold.

    What passed before the oldest fail is not kept, so where in line an older fail stands
    cannot be told.
    """
    kept = known.failures
    if proof or (kept and new.order < kept[-1].order):
        return back_to_fail((new, *kept))
    if new.outcome == Outcome.FAIL.value and len(kept) < KEPT:
        return None
    return kept
