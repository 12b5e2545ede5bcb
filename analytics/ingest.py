"""Moves the spool into the history, each result exactly once whatever dies on the way.

The plans of batches come first, so that no batch is over before its plan is there. Then
each round goes: a segment, the snapshot, then the files out of the spool. Killed between
any two steps, the next run does the round again: a segment of the same rows replaces
itself, rows that are there twice are one row in every view, and the snapshot's fold
counts a result once. What sweeps tell comes last, by the same rule (`analytics.take_sweeps`).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from analytics.admit import why_not
from analytics.alone import alone
from analytics.effects import Disk, Effects
from analytics.planned import Planned, planned
from analytics.reaction_changes import changed, revisions
from analytics.result import Result, result
from analytics.spool_file import Gone, Refused, Unclear, overruled, read, repeated
from analytics.store import Store
from analytics.take_sweeps import take_sweeps
from analytics.told import read_told
from slurm_hooks.batch import Batch
from slurm_hooks.errors import RecordError, StateError, StoreError
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.record import Evidence, Record, loads
from slurm_hooks.state import State

UNTIDY = "the history is not tidied up"
"""How the note begins where the store failed after the results were in."""

_AT_ONCE = 50_000
"""Records a round: a segment of about 3 MB."""

_TELL_EVERY = 200
_OURS = tuple(f"{one.suffix}.json" for one in Evidence if one is not Evidence.RUNNER)

Progress = Callable[[int, int], None]
"""Told how many spool files there are, and how many of them are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What one ingest did."""

    results: int = 0
    """Records that are in the history now."""
    waiting: int = 0
    """Records left for a sweep: to settle by Slurm's word, or to be held against it."""
    aside: int = 0
    """Files that were set aside, each with its reason beside it."""
    notes: tuple[str, ...] = ()
    """One line for each file that a person should look at."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A batch and where it was kept when it was read."""

    batch: Batch
    results: Path


def ingest(
    state: State,
    store: Store,
    *,
    cluster: str,
    now: datetime,
    compared: Collection[str] | None = None,
    effects: Effects | None = None,
    progress: Progress = lambda _all, _done: None,
    wait_s: float = 60.0,
) -> Ingested:
    """Move every record of the spool that has an outcome into the history.

    A file that is not a believable record is set aside with the reason; one that cannot
    be read at the moment stays. Neither stops the others.

    *compared* are the files that a sweep has just held against Slurm's word; the runner's
    later ones stay for the next sweep. Without it all are taken, and the next sweep looks at them
    in the history.

    Raises:
        StoreError: the history or the snapshot could not be written; the spool still
            holds what is not in it.
        StateError: the state directory could not be read or written, or another ingest
            held the lock for *wait_s*.
    """
    state.prepare()
    work = effects or Disk(state, store, cluster=cluster, now=now)
    with alone(state, wait_s=wait_s):
        return _Round(state, work, cluster=cluster, now=now, compared=compared).all(progress)


def rebuild(state: State, store: Store, *, cluster: str, now: datetime) -> None:
    """Make the status anew from the history: what the store keeps of it, and the snapshot.

    Raises:
        StoreError: the history could not be read, or the snapshot not written.
    """
    with alone(state):
        store.rebuild()
        Disk(state, store, cluster=cluster, now=now).rebuild()


class _Round:
    """One pass over the spool."""

    def __init__(
        self,
        state: State,
        effects: Effects,
        *,
        cluster: str,
        now: datetime,
        compared: Collection[str] | None,
    ) -> None:
        self._state, self._effects, self._cluster, self._now = state, effects, cluster, now
        self._compared = compared
        self._batches: dict[str, _Known | Refused | Unclear] = {}
        self._waiting = self._aside = self._results = 0
        self._notes: list[str] = []

    def all(self, progress: Progress) -> Ingested:
        paths = self._state.spooled()
        self._record_plans(paths)
        self._record_reactions()
        if self._compared is not None:
            paths = self._without_uncompared(paths, self._compared)
        for start in range(0, max(1, len(paths)), _AT_ONCE):
            self._some(paths[start : start + _AT_ONCE], partial(progress, len(paths)), start)
        progress(len(paths), len(paths))
        self._take_sweeps()
        self._tidy()
        return Ingested(
            results=self._results,
            waiting=self._waiting,
            aside=self._aside,
            notes=tuple(self._notes),
        )

    def _take_sweeps(self) -> None:
        """Take in what sweeps tell; the results are in the history already."""
        taken = take_sweeps(self._state, self._effects, cluster=self._cluster, now=self._now)
        self._aside += taken.aside
        self._notes += taken.notes

    def _tidy(self) -> None:
        """Tidy the history up; what came in is in it, whatever becomes of this."""
        try:
            self._notes += self._effects.tidy()
        except StoreError as error:
            self._notes.append(f"{UNTIDY}: {error}")

    def _without_uncompared(self, paths: Sequence[Path], compared: Collection[str]) -> list[Path]:
        """Leave what a runner wrote since into the spool, as long as its batch is open."""
        opened = set(self._state.open_batches())
        taken = [
            path
            for path in paths
            if path.name in compared
            or path.name.split(".")[0] not in opened
            or path.name.endswith(_OURS)
        ]
        self._waiting += len(paths) - len(taken)
        return taken

    def _record_plans(self, paths: Sequence[Path]) -> None:
        """Put into the history what was planned, once Slurm took it or a record speaks of it."""
        spoken_of = {path.name.split(".")[0] for path in paths}
        plans: dict[str, list[Planned]] = {}
        for batch_id in sorted({*self._state.open_batches(), *spoken_of}):
            if not self._state.is_recorded(batch_id):
                plans[batch_id] = self._plan(batch_id, spoken_of=batch_id in spoken_of)
        rows = [row for found in plans.values() for row in found]
        if rows:
            self._effects.append_plans(rows)
        for batch_id, found in plans.items():
            if found and found[0].submitted_at is not None:  # else it may still be submitted
                self._effects.mark_recorded(batch_id)

    def _record_reactions(self) -> None:
        """Put into the history what became of reactions since it last heard of them."""
        try:
            book, told = JournalFile(self._state.reactions).read(), read_told(self._state.told)
        except StateError as error:
            self._notes.append(f"what became of reactions is not in the history: {error}")
            return
        rows = changed(book, told, cluster=self._cluster)
        if rows:
            self._effects.append_reactions(rows)
            self._effects.mark_told(revisions(book))

    def _plan(self, batch_id: str, *, spoken_of: bool) -> list[Planned]:
        """Return the rows of a batch, none where it is too early or they cannot be told."""
        try:
            submission = self._state.read_submission(batch_id)
        except StateError as error:
            self._notes.append(f"when batch {batch_id} was submitted cannot be told: {error}")
            return []
        if submission is None and not spoken_of:
            return []
        match self._known(batch_id):
            case _Known(batch):
                return planned(batch, submission)
            case Unclear(problem) if not spoken_of:
                self._notes.append(f"the plan of batch {batch_id} is not in the history: {problem}")
        return []

    def _some(self, paths: Sequence[Path], tell: Callable[[int], None], before: int) -> None:
        taken: dict[Path, Result] = {}
        for number, path in enumerate(paths, start=before):
            if number % _TELL_EVERY == 0:
                tell(number)
            self._take(path, taken)
        rows = [*taken.values()]
        if rows:
            self._effects.append(rows)
        self._effects.count(rows)
        if self._compared is None:
            self._tell_the_sweep(rows)
        for path, row in taken.items():
            self._effects.file(path, row.batch)
            self._results += 1

    def _tell_the_sweep(self, rows: Sequence[Result]) -> None:
        """Mark the open batches of the runner's *rows*: no sweep has compared them."""
        opened = set(self._state.open_batches())
        told = {row.batch for row in rows if row.evidence == Evidence.RUNNER}
        for batch_id in sorted(told & opened):
            self._effects.mark_uncompared(batch_id)

    def _take(self, path: Path, taken: dict[Path, Result]) -> None:
        match self._examine(path):
            case Result() as row:
                taken[path] = row
            case Refused(reason):
                self._refuse(path, reason)
            case Unclear(problem):
                self._notes.append(f"{path}: left in the spool: {problem}")
            case Gone():
                self._notes.append(f"{path}: it vanished while the spool was read")
            case None:
                self._waiting += 1

    def _refuse(self, path: Path, reason: str) -> None:
        try:
            self._effects.set_aside(path, reason)
        except StateError as error:
            self._notes.append(f"{path}: {reason}; left in the spool: {error}")
        else:
            self._aside += 1
            self._notes.append(f"{path}: set aside in {self._state.aside}: {reason}")

    def _examine(self, path: Path) -> Result | Refused | Unclear | Gone | None:
        """Return the row of the record at *path*; None where Slurm's word has to come first."""
        data = read(path)
        if not isinstance(data, bytes):
            return data
        try:
            record = loads(data)
        except RecordError as error:
            return Refused(f"not a record: {error}")
        known = self._known(record.batch)
        if not isinstance(known, _Known):
            return known
        reason = self._why_not(path, record, known, data)
        if reason:
            return Refused(reason)
        if record.outcome is None:
            return None
        return result(record, record.outcome, partition=known.batch.partition, now=self._now)

    def _why_not(self, path: Path, record: Record, known: _Known, data: bytes) -> str | None:
        reason = why_not(
            record, known.batch, file_name=path.name, cluster=self._cluster, now=self._now
        )
        return (
            reason or overruled(known.results, record) or repeated(known.results / path.name, data)
        )

    def _known(self, batch_id: str) -> _Known | Refused | Unclear:
        if batch_id not in self._batches:
            self._batches[batch_id] = self._read_batch(batch_id)
        return self._batches[batch_id]

    def _read_batch(self, batch_id: str) -> _Known | Refused | Unclear:
        directory = self._state.batch_directory(batch_id)
        if directory is None:
            return Refused(f"there is no batch {batch_id[:60]!r}")
        try:
            return _Known(self._state.read_batch(batch_id), directory / "results")
        except StateError as error:
            return Unclear(str(error))
