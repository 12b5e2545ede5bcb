"""Moves what sweeps tell of themselves into the history, each file exactly once.

Killed after the rows are in and before the file is gone, the next ingest adds the same rows
again, which replace themselves. What is in the way here keeps no result out of the history.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from analytics.effects import Effects
from analytics.spool_file import Gone, Refused, Unclear, read
from analytics.sweep_file import MAX_BYTES, SweepFile, loads
from analytics.tables import COVERAGE, NODES, SWEEPS
from slurm_hooks.errors import RecordError, StateError, StoreError
from slurm_hooks.state import State

LATE = "not in the history yet"
"""What the note says where the store refused what sweeps tell."""

_AT_ONCE = 20_000
"""Rows a round: some 30 MB of memory."""


@dataclass(slots=True)
class Taken:
    """What came of it."""

    aside: int = 0
    """Files that were set aside."""
    notes: list[str] = field(default_factory=list)


def take_sweeps(state: State, effects: Effects, *, cluster: str, now: datetime) -> Taken:
    """Take in every file that a sweep left; set aside what is none.

    Raises:
        StateError: the directory cannot be listed.
    """
    taken = Taken()
    waiting = state.sweeps.waiting()
    done = 0
    try:
        for told in _rounds(waiting, state, effects, taken, cluster=cluster, now=now):
            _append(effects, [*told.values()])
            for path in told:
                effects.remove_sweep(path)
            done += len(told)
    except (StoreError, StateError) as error:
        left = len(waiting) - done - taken.aside
        taken.notes.append(
            f"what {left} {'sweep tells' if left == 1 else 'sweeps tell'} of nodes and coverage is "
            f"{LATE}: {error}"
        )
    return taken


def _append(effects: Effects, told: Sequence[SweepFile]) -> None:
    """Add the rows of *told*, a sweep's own last: who sees it sees what it tells."""
    for rows, table in (
        ([row for one in told for row in one.nodes], NODES),
        ([row for one in told for row in one.coverage], COVERAGE),
        ([one.sweep for one in told], SWEEPS),
    ):
        if rows:
            effects.append_told(rows, table)


def _rounds(
    paths: Sequence[Path],
    state: State,
    effects: Effects,
    taken: Taken,
    *,
    cluster: str,
    now: datetime,
) -> Iterator[dict[Path, SweepFile]]:
    """Yield what the files tell, so much at a time as memory allows."""
    told: dict[Path, SweepFile] = {}
    rows = 0
    for path in paths:
        match _read(path, cluster=cluster, now=now):
            case SweepFile() as one:
                told[path] = one
                rows += 1 + len(one.nodes) + len(one.coverage)
            case Refused(reason):
                _refuse(path, reason, state, effects, taken)
            case Unclear(problem):
                taken.notes.append(f"{path}: left there: {problem}")
            case Gone():
                pass
        if rows >= _AT_ONCE:
            yield told
            told, rows = {}, 0
    if told:
        yield told


def _read(path: Path, *, cluster: str, now: datetime) -> SweepFile | Refused | Unclear | Gone:
    data = read(path, limit=MAX_BYTES)
    if not isinstance(data, bytes):
        return data
    try:
        return loads(data, cluster=cluster, now=now)
    except RecordError as error:
        return Refused(str(error))


def _refuse(path: Path, reason: str, state: State, effects: Effects, taken: Taken) -> None:
    """Set *path* aside; what it told of nodes is told again by the next sweep."""
    try:
        effects.forget_told_nodes()
        effects.set_aside(path, reason)
    except StateError as error:
        taken.notes.append(f"{path}: {reason}; left there: {error}")
    else:
        taken.aside += 1
        taken.notes.append(f"{path}: set aside in {state.aside}: {reason}")
