"""All that is known of each open batch but Slurm's word, read anew each time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurm_hooks.batch import Batch, Cancellation, ControllerWord, Submission, Visit
from slurm_hooks.errors import RecordError
from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Evidence, Record, loads
from slurm_hooks.state import State
from slurm_hooks.trust import why_refused

_Pair = tuple[int, str]
"""(task, check)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch that still misses a result, with all that its directory and the spool say."""

    batch: Batch
    submission: Submission | None
    finished: frozenset[_Pair]
    interrupted: Mapping[_Pair, tuple[Path, Record]]
    words: Mapping[int, ControllerWord]
    told: Mapping[int, Mapping[str, Sequence[Record]]]
    """By task and check: the runner's records with an outcome that are in the spool, after the
    one of the same name that is in the history already; that one alone where none was compared."""
    cancelled: Mapping[int, Cancellation]
    compared: bool = True
    """Whether all that is in the history already was held against Slurm's word."""

    @property
    def unfinished(self) -> list[Visit]:
        """The visits that still miss a result."""
        return [
            visit
            for visit in self.batch.visits
            if any((visit.task, check) not in self.finished for check in visit.checks)
        ]


def read_open_batches(state: State) -> list[OpenBatch]:
    """Return every open batch, oldest first.

    Raises:
        StateError: the state directory cannot be read.
    """
    batches = {batch_id: state.read_batch(batch_id) for batch_id in state.open_batches()}
    spooled = _spooled(state, batches)
    words: dict[str, dict[int, ControllerWord]] = {}
    for _, word in state.words():
        if isinstance(word, ControllerWord):
            words.setdefault(word.batch, {})[word.task] = word
    return [
        OpenBatch(
            batch=batch,
            submission=state.read_submission(batch_id),
            finished=frozenset(
                state.finished(batch_id)
                | {(found.task, found.check) for _, found in spooled[batch_id] if found.outcome}
            ),
            interrupted={
                (found.task, found.check): (path, found)
                for path, found in spooled[batch_id]
                if found.outcome is None
            },
            words=words.get(batch_id, {}),
            told=_told(state, batch_id, spooled[batch_id]),
            cancelled=state.read_cancellations(batch_id),
            compared=state.is_compared(batch_id),
        )
        for batch_id, batch in batches.items()
    ]


def _told(
    state: State, batch_id: str, spooled: Iterable[tuple[Path, Record]]
) -> dict[int, dict[str, tuple[Record, ...]]]:
    found: dict[int, dict[str, tuple[Record, ...]]] = {}
    if not state.is_compared(batch_id):
        for record in _taken_in(state, batch_id):
            found.setdefault(record.task, {})[record.check] = (record,)
    for path, record in spooled:
        if record.evidence is Evidence.RUNNER and record.outcome:
            earlier = state.batches / record.batch / "results" / path.name
            found.setdefault(record.task, {})[record.check] = (*_readable(earlier), record)
    return found


def _taken_in(state: State, batch_id: str) -> Iterable[Record]:
    """Yield the runner's records that are in the history already and not overruled there."""
    names = {path.name for path in state.results(batch_id)}
    for path in state.results(batch_id):
        for record in _readable(path):
            overruling = replace(record, evidence=Evidence.CONFLICT).file_name
            if record.evidence is Evidence.RUNNER and record.outcome and overruling not in names:
                yield record


def _readable(path: Path) -> Iterable[Record]:
    try:
        yield loads(read_regular(path, limit=MAX_BYTES))
    except (OSError, RecordError):
        return


def _spooled(state: State, batches: Mapping[str, Batch]) -> dict[str, list[tuple[Path, Record]]]:
    found: dict[str, list[tuple[Path, Record]]] = {batch_id: [] for batch_id in batches}
    for path in state.spooled():
        batch = batches.get(path.name.split(".")[0])
        if batch is None:
            continue
        for record in _readable(path):  # ingest sets others aside and says why
            if why_refused(record, batch) is None:
                found[batch.id].append((path, record))
    return found
