"""Gates before Slurm's commands: a test learns what a sweep calls, and acts at a chosen moment."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.users import SERVICE, account
from tests.lab.waiting import wait_for

COMMANDS = ("sbatch", "scontrol", "squeue", "scancel", "sacct", "sinfo")
REACHED_S = 30.0


@dataclass(frozen=True, slots=True)
class Gates:
    """A directory for the setting slurm_bin."""

    directory: Path

    @classmethod
    def make(cls, root: Path) -> "Gates":
        """Make the gates of the lab at *root*, anew."""
        gates = cls(root / "gates")
        shutil.rmtree(gates.directory, ignore_errors=True)
        gates.directory.mkdir()
        for name in COMMANDS:
            shutil.copy(Path(__file__).with_name("gate.sh"), gates.directory / name)
            (gates.directory / name).chmod(0o755)
        (gates.directory / "calls").touch()
        service = account(SERVICE)
        for path in (gates.directory, gates.directory / "calls"):
            os.chown(path, service.uid, service.gid)
        return gates

    @property
    def calls(self) -> list[str]:
        """Every command so far, with its arguments."""
        return (self.directory / "calls").read_text().splitlines()

    def forget(self) -> None:
        """Start counting anew."""
        (self.directory / "calls").write_text("")

    def stop_at(self, moment: str) -> None:
        """Let the next command that comes to *moment* wait there, say ``before pin``."""
        (self.directory / "stop").write_text(moment)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Wait for the command that waits; it goes on after the block."""
        wait_for((self.directory / "reached").exists, REACHED_S, "a command to come to the gate")
        try:
            yield
        finally:
            (self.directory / "reached").unlink()
