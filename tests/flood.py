"""Users who want every node all the time, and what of it ran where, to the millisecond."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.lab import Lab
from tests.lab.users import ORDINARY

_SCRIPT = "--wrap=date +%s.%N >>ran-$SLURMD_NODENAME; exec sleep 0.3"
_COMMON = ("--parsable", "--output=/dev/null", "--partition=main", "--ntasks=1", "--time=1")


@dataclass
class Flood:
    """Jobs of an ordinary user: many that run anywhere, many that insist on one node."""

    lab: Lab
    node: str
    user: str = ORDINARY[0]
    since: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def begin(self, *, anywhere: int, here: int) -> None:
        """Submit the jobs; those that insist on the node wait first in line."""
        wanted = f"--nodelist={self.node}"
        self._submit(f"--array=0-{here - 1}", wanted)
        self._submit(f"--array=0-{anywhere - 1}")

    def end(self) -> None:
        """Cancel what is left, and wait for it to be gone."""
        self.lab.run(["scancel", "-u", self.user])
        queue = ["squeue", "-h", "-u", self.user, "-o", "%i"]
        self.lab.wait_for(lambda: not self.lab.run(queue).stdout, 30, "the users' jobs to be gone")

    def on(self, node: str) -> list[float]:
        """When jobs began on *node*, by their own word."""
        path = self._home / f"ran-{node}"
        return [float(line) for line in path.read_text().split()] if path.exists() else []

    def here(self) -> list[float]:
        """When jobs began on the node that is watched."""
        return self.on(self.node)

    def accounted(self) -> list[datetime]:
        """When jobs began on the node that is watched, by slurmdbd's word; whole seconds."""
        argv = ["sacct", "-X", "-D", "-n", "-P", "-a", "-u", self.user, "-S", "now-1hour"]
        shown = self.lab.run([*argv, "-N", self.node, "-o", "Start"], env={"TZ": "UTC"}).stdout
        times = [line for line in shown.splitlines() if line[:1].isdigit()]
        found = [datetime.fromisoformat(line).replace(tzinfo=UTC) for line in times]
        return [at for at in found if at >= self.since]

    def wait_to_move(self, jobs: int = 3) -> None:
        """Return when some more of it ran elsewhere, and so the scheduler has looked at all."""
        before = self._elsewhere()
        self.lab.wait_for(lambda: self._elsewhere() >= before + jobs, 30, "the flood to go on")

    def _elsewhere(self) -> int:
        return sum(len(self.on(node)) for node in self.lab.nodes if node != self.node)

    def _submit(self, *options: str) -> None:
        self.lab.run(["sbatch", *_COMMON, *options, _SCRIPT], user=self.user)

    @property
    def _home(self) -> Path:
        return self.lab.layout.home(self.user)


@contextmanager
def flood(lab: Lab, node: str, *, anywhere: int = 3000, here: int = 300) -> Iterator[Flood]:
    """Flood the partition *main* of *lab* while the block runs."""
    for path in lab.layout.home(ORDINARY[0]).glob("ran-*"):
        path.unlink()
    found = Flood(lab, node)
    found.begin(anywhere=anywhere, here=here)
    try:
        found.wait_to_move()
        yield found
    finally:
        found.end()
