"""What the planner asks: when each check last proved each node."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from analytics.snapshot import Key, Row, Snapshot, SnapshotUnusableError, briefs, time_of
from analytics.standing import Brief, Seen, Standing, back_to_fail, since
from slurm_hooks.errors import StoreError
from slurm_hooks.outcome import Outcome
from slurm_hooks.places import Places

if TYPE_CHECKING:
    from analytics.store import Store

_SEEN = ("visit", "revision", "outcome", "at", "detail", "duration_s", "job_id", "log_path")


class Last(NamedTuple):
    """What is known of one check on one node; None where there was nothing yet.

    A tuple: a plan reads 200,000 of them, and a frozen dataclass takes twice as long to make.
    """

    judged: Outcome | None
    judged_at: datetime | None
    attempt: Outcome | None
    """The newest result, judged or not."""
    attempt_at: datetime | None
    unjudged: tuple[Outcome, ...] = ()
    """The tries since the judged result that ended error, timeout or preempted, latest first."""
    failures: tuple[Outcome, ...] = ()
    """The last judged results back to the oldest fail among them; empty where none failed."""


class History(Protocol):
    """Where the planner learns what was proven when."""

    def last(self) -> Mapping[tuple[str, str], Last]:
        """Return what is known of each (node, check).

        Raises:
            StoreError: it cannot be told; planning on a guess would be worse than none.
        """
        ...

    def judged(self, checks: Sequence[str]) -> Mapping[str, int]:
        """Return how many judged results there are of each of *checks*; one without is left out.

        Raises:
            StoreError: it cannot be told.
        """
        ...


class KeptHistory:
    """The history in a state directory: its snapshot, or the store where that is unusable."""

    def __init__(self, places: Places, store: "Store", *, cluster: str) -> None:
        self._places, self._store, self._cluster = places, store, cluster

    def last(self) -> Mapping[tuple[str, str], Last]:
        """Return what is known of each (node, check); a new state directory knows nothing.

        Raises:
            StoreError: neither the snapshot nor the store can tell; the message says how to
                get the snapshot back.
        """
        try:
            return dict(_last(Snapshot(self._places.snapshot).last()))
        except SnapshotUnusableError as error:
            if is_new(self._places, self._store):
                return {}
            return self._from_store(error)

    def judged(self, checks: Sequence[str]) -> Mapping[str, int]:
        """Return how many judged results there are of each of *checks*; one without is left out.

        Raises:
            StoreError: the store does not answer.
        """
        found = self._store.query(
            "SELECT check_name, count() AS judged FROM history WHERE cluster = {cluster:String} "
            "AND check_name IN {checks:Array(String)} AND outcome IN ('pass', 'warn', 'fail') "
            "GROUP BY check_name",
            {"cluster": self._cluster, "checks": list(checks)},
        )
        return dict(found.select("check_name", "judged").iter_rows())

    def _from_store(self, reason: StoreError) -> Mapping[tuple[str, str], Last]:
        try:
            found = list(standings(self._store, self._cluster))
        except StoreError as error:
            raise StoreError(
                f"cannot tell what was proven when, so nothing is planned: {reason}; "
                f"and the history cannot stand in: {error}; "
                "once it can, run: cluster-doctor ingest --rebuild"
            ) from error
        return {key: _brief(standing) for key, standing in found}


def is_new(places: Places, store: "Store") -> bool:
    """Whether nothing was ever recorded: there is no snapshot, and *store* is untouched.

    Raises:
        StoreError: the state directory is not there, or cannot be listed.
    """
    try:
        if not places.root.is_dir():
            raise StoreError(f"{places.root}: there is no such directory; is it mounted?")
        return not places.snapshot.exists() and store.untouched()
    except OSError as error:
        raise StoreError(f"{places.root}: cannot list it: {error.strerror}") from error


def standings(
    store: "Store", cluster: str, nodes: Sequence[str] | None = None
) -> Iterator[tuple[Key, Standing]]:
    """Yield from the store how each check on *nodes* (None: on all) stands."""
    chosen = "" if nodes is None else " AND node IN {nodes:Array(String)}"
    found = store.query(
        f"SELECT * FROM status WHERE cluster = {{cluster:String}}{chosen}",  # noqa: S608 bound
        {"cluster": cluster, "nodes": list(nodes or ())},
    )
    for row in found.iter_rows(named=True):
        attempt = _seen(row, "attempt")
        judged = _seen(row, "judged") if row["judged_visit"] else None
        yield (
            (row["node"], row["check_name"]),
            Standing(
                judged=judged,
                attempt=attempt,
                unjudged=since(judged, _briefs(row["newest_unjudged"])),
                failures=back_to_fail(_briefs(row["newest_judged"])),
            ),
        )


def _briefs(rows: Iterable[Mapping[str, Any]]) -> Iterator[Brief]:
    """Yield the results of an array in the view; a tuple's elements have numbers for names."""
    for row in rows:
        yield Brief(-row["1"], row["2"], row["3"], row["4"])


def _seen(row: Mapping[str, object], part: str) -> Seen:
    visit, revision, outcome, at, *rest = (row[f"{part}_{name}"] for name in _SEEN)
    detail, duration_s, job_id, log_path = rest
    return Seen(
        visit=str(visit),
        revision=int(str(revision)),
        outcome=str(outcome),
        at_ms=round(at.timestamp() * 1000) if isinstance(at, datetime) else 0,
        detail=str(detail),
        duration_s=float(str(duration_s)),
        job_id=int(str(job_id)),
        log_path=str(log_path),
    )


def _brief(standing: Standing) -> Last:
    judged, attempt = standing.judged, standing.attempt
    return Last(
        judged=Outcome(judged.outcome) if judged else None,
        judged_at=time_of(judged.at_ms) if judged else None,
        attempt=Outcome(attempt.outcome),
        attempt_at=time_of(attempt.at_ms),
        unjudged=_outcomes(standing.unjudged),
        failures=_outcomes(standing.failures),
    )


def _outcomes(several: Iterable[Brief]) -> tuple[Outcome, ...]:
    return tuple(Outcome(one.outcome) for one in several)


def _last(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str], Last]]:
    for node, check, judged, judged_at, attempt, attempt_at, unjudged, failures in rows:
        proof_at = None if judged_at is None else time_of(judged_at)
        at = proof_at if attempt_at == judged_at or attempt_at is None else time_of(attempt_at)
        yield (
            (node, check),
            Last(
                _OUTCOMES[judged],
                proof_at,
                _OUTCOMES[attempt],
                at,
                _outcomes(briefs(unjudged)) if unjudged else (),
                _outcomes(briefs(failures)) if failures else (),
            ),
        )


_OUTCOMES: Mapping[str | None, Outcome | None] = {
    None: None,
    **{outcome.value: outcome for outcome in Outcome},
}
"""Three times faster than Outcome(text)."""
