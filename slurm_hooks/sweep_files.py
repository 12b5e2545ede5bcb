"""What sweeps tell of themselves, one file each, until it is in the history; raises StateError."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.errors import StateError
from slurm_hooks.state_files import PRIVATE, entries, make_directory, write_file

KEPT = 2_000
"""A week of sweeps every five minutes: so many wait for a history that cannot be written."""


@dataclass(frozen=True, slots=True)
class SweepFiles:
    """A directory of such files, and the note of what they told of each node last.

    That note may be missing at any time: the next sweep then tells of every node again. So
    it goes before anything that was told is lost.
    """

    directory: Path
    told_nodes: Path

    def make(self) -> None:
        """Make the directory where it is missing."""
        make_directory(self.directory, PRIVATE)

    def write(self, name: str, data: bytes) -> None:
        """Put what a sweep tells there, all of it or nothing."""
        write_file(self.directory / name, data)

    def note_told(self, data: bytes) -> None:
        """Write down what was told of each node."""
        write_file(self.told_nodes, data)

    def forget_told(self) -> None:
        """Let the next sweep tell of every node."""
        _remove(self.told_nodes)

    def waiting(self) -> list[Path]:
        """Return the files, the oldest first."""
        return [path for path in entries(self.directory) if not path.name.startswith(".")]

    def remove(self, path: Path) -> None:
        """Remove one of them: the history has it."""
        _remove(path)

    def prune(self, *, keep: int = KEPT) -> int:
        """Remove all but the newest *keep*, and what killed sweeps left; returns how many are lost.

        The caller has the turn to sweep.
        """
        for path in entries(self.directory):
            if path.name.startswith("."):
                with contextlib.suppress(OSError):
                    path.unlink()
        lost = self.waiting()[:-keep]
        if lost:
            self.forget_told()
        for path in lost:
            _remove(path)
        return len(lost)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{path}: cannot remove it: {error.strerror}") from error
