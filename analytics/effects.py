"""What an ingest changes on disk, one call for each effect."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from analytics.history import is_new, standings
from analytics.planned import Planned
from analytics.reaction_row import ReactionRow
from analytics.result import Result
from analytics.snapshot import Snapshot, SnapshotUnusableError
from analytics.store import Store
from analytics.tables import BATCHES, REACTIONS, Table
from analytics.told import note_told
from slurm_hooks.errors import StateError
from slurm_hooks.state import State


class Effects(Protocol):
    """Everything an ingest changes, one call each; dying before any of them loses nothing."""

    def append_plans(self, rows: Sequence[Planned]) -> None:
        """Add what was planned to the history."""
        ...

    def mark_recorded(self, batch_id: str) -> None:
        """Write down that the plan of a batch is in the history."""
        ...

    def append_reactions(self, rows: Sequence[ReactionRow]) -> None:
        """Add what became of reactions to the history."""
        ...

    def mark_told(self, revisions: Mapping[str, int]) -> None:
        """Write down which states of reactions the history has."""
        ...

    def append(self, rows: Sequence[Result]) -> None:
        """Add *rows* to the history."""
        ...

    def mark_uncompared(self, batch_id: str) -> None:
        """Write down that results of an open batch were not held against Slurm's word."""
        ...

    def count(self, rows: Sequence[Result]) -> None:
        """Count *rows*, maybe none, in the status snapshot; the history has them already."""
        ...

    def file(self, path: Path, batch_id: str) -> None:
        """Move the spool file *path* to its batch's results."""
        ...

    def append_told(self, rows: Sequence[tuple[object, ...]], table: Table) -> None:
        """Add to *table* what sweeps tell."""
        ...

    def remove_sweep(self, path: Path) -> None:
        """Remove what a sweep told; the history has it already."""
        ...

    def forget_told_nodes(self) -> None:
        """Let the next sweep tell of every node."""
        ...

    def set_aside(self, path: Path, reason: str) -> None:
        """Move the file *path* of the spool, or of a sweep, out of the way."""
        ...

    def tidy(self) -> Sequence[str]:
        """Keep the history quick and no longer than it should be; returns what is in the way."""
        ...


class Disk:
    """The effects on a real state directory."""

    def __init__(self, state: State, store: Store, *, cluster: str, now: datetime) -> None:
        self._state, self._store, self._now = state, store, now
        self._snapshot = Snapshot(state.snapshot)
        self._ask = partial(standings, store, cluster)

    def append_plans(self, rows: Sequence[Planned]) -> None:
        """Add what was planned to the history."""
        from analytics.frame import plan_frame  # noqa: PLC0415 loads Polars

        self._store.append(plan_frame(rows), BATCHES)

    def mark_recorded(self, batch_id: str) -> None:
        """Write down that the plan of a batch is in the history."""
        self._state.mark_recorded(batch_id)

    def append_reactions(self, rows: Sequence[ReactionRow]) -> None:
        """Add what became of reactions to the history."""
        from analytics.frame import reaction_frame  # noqa: PLC0415 loads Polars

        self._store.append(reaction_frame(rows), REACTIONS)

    def mark_told(self, revisions: Mapping[str, int]) -> None:
        """Write down which states of reactions the history has."""
        note_told(self._state.told, revisions)

    def mark_uncompared(self, batch_id: str) -> None:
        """Write down that results of an open batch were not held against Slurm's word."""
        self._state.mark_compared(batch_id, yes=False)

    def append(self, rows: Sequence[Result]) -> None:
        """Add *rows* to the history."""
        from analytics.frame import frame  # noqa: PLC0415 loads Polars

        self._store.append(frame(rows))

    def count(self, rows: Sequence[Result]) -> None:
        """Count *rows*; makes the snapshot anew where it is missing or not readable."""
        try:
            if rows:
                self._snapshot.update(rows, self._ask, now=self._now)
            else:
                self._snapshot.check()
        except SnapshotUnusableError:
            self.rebuild()

    def rebuild(self) -> None:
        """Make the snapshot anew from the history."""
        known = () if is_new(self._state, self._store) else self._ask()
        self._snapshot.replace(known, now=self._now)

    def file(self, path: Path, batch_id: str) -> None:
        """Move the spool file *path* to its batch's results."""
        directory = self._state.batch_directory(batch_id)
        if directory is None:
            raise StateError(f"{path}: its batch vanished while it was ingested")
        try:
            (directory / "results").mkdir(mode=0o750, exist_ok=True)
            path.rename(directory / "results" / path.name)
        except OSError as error:
            raise StateError(
                f"{path}: cannot move it to {directory / 'results'}: {error.strerror}; "
                "it is in the history already, and counts once however often it is ingested"
            ) from error

    def append_told(self, rows: Sequence[tuple[object, ...]], table: Table) -> None:
        """Add to *table* what sweeps tell."""
        from analytics.frame import told_frame  # noqa: PLC0415 loads Polars

        self._store.append(told_frame(rows, table), table)

    def remove_sweep(self, path: Path) -> None:
        """Remove what a sweep told; the history has it already."""
        self._state.sweeps.remove(path)

    def forget_told_nodes(self) -> None:
        """Let the next sweep tell of every node."""
        self._state.sweeps.forget_told()

    def set_aside(self, path: Path, reason: str) -> None:
        """Move *path* to the aside directory, with *reason*."""
        self._state.set_aside(path, reason)

    def tidy(self) -> Sequence[str]:
        """Merge what many ingests wrote, and drop what is older than the retention."""
        return self._store.tidy(now=self._now)
