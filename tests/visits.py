"""A node's view of a visit, without Slurm: a state directory, a batch, and the real runner."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks.batch import Batch, Program, Shape, Visit
from slurm_hooks.record import Record, loads
from slurm_hooks.state import State

ROOT = Path(__file__).parents[1]
BATCH_ID = "20300101T000000Z-0123abcd"
JOB_ID = 4_294_900_017
"""An id that no Slurm on this machine has given to a job."""
_START = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); module = sys.argv.pop(1); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def sh(script: str) -> tuple[str, ...]:
    """A program's argv that runs *script*."""
    return ("/bin/sh", "-c", script.replace("{", "{{").replace("}", "}}"))


def program(
    name: str, script: str, *, limit_s: float = 60.0, needs: tuple[str, ...] = ()
) -> Program:
    return Program(name=name, argv=sh(script), time_limit_s=limit_s, depends_on=needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node's disk and the cluster's shared directories, all below *root*."""

    root: Path
    node: str = "n1"
    settings_extra: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster(self) -> str:
        """Its own in every test run: it names directories that test runs share."""
        return f"t{os.getpid()}"

    @property
    def state(self) -> State:
        return State(self.root / "state")

    @property
    def local_dir(self) -> Path:
        return self.root / "local"

    @property
    def log_dir(self) -> Path:
        return self.root / "logs"

    @property
    def settings_path(self) -> Path:
        return self.root / "settings.toml"

    def prepare(self) -> "Node":
        """Make what an operator and the Prolog make."""
        for directory in (self.state.root, self.log_dir, self.local_dir):
            directory.mkdir(exist_ok=True)
        self.state.prepare()
        self.state.controller.mkdir(exist_ok=True)
        self.settings_path.write_text(
            f'cluster = "{self.cluster}"\n'
            f'state_dir = "{self.state.root}"\n'
            f'log_dir = "{self.log_dir}"\n'
            f'local_dir = "{self.local_dir}"\n'
            f'node_python = "{sys.executable}"\n{self.settings_extra}\n'
        )
        return self

    def plan(
        self,
        *programs: Program,
        node: str = "",
        time_limit_s: float = 3600.0,
        batch: str = BATCH_ID,
    ) -> Batch:
        """Write down a batch with one visit, of *programs*, to this node."""
        now = datetime(2030, 1, 1, tzinfo=UTC)
        planned = Batch(
            id=batch,
            token="0" * 32,
            cluster=self.cluster,
            created_at=now,
            partition="background",
            shape=Shape(),
            time_limit_s=time_limit_s,
            start_by=now,
            throttle=1,
            programs=programs,
            visits=(
                Visit(task=3, node=node or self.node, checks=tuple(one.name for one in programs)),
            ),
        )
        self.state.write_batch(planned)
        return planned

    @property
    def variables(self) -> dict[str, str]:
        """What Slurm sets in the array task's environment."""
        return {
            "SLURM_JOB_ID": str(JOB_ID),
            "SLURM_ARRAY_TASK_ID": "3",
            "SLURMD_NODENAME": self.node,
            "SLURM_CLUSTER_NAME": "test",
            "HOME": str(self.root),
            "SECRET": "of the submitter's",
            "BASH_ENV": "/nonexistent",
            **self.environment,
        }

    @contextmanager
    def starting(
        self, *, batch: str = BATCH_ID, prefix: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start the runner and yield it; it is gone afterwards."""
        argv = python_argv("slurm_hooks.runner")
        options = ["--settings", str(self.settings_path), "--batch", batch]
        with subprocess.Popen(
            [*prefix, *argv, *options],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *, batch: str = BATCH_ID) -> int:
        """Run the runner to its end and return its exit code."""
        with self.starting(batch=batch) as process:
            process.communicate(timeout=60)
            return process.returncode

    def records(self, spool: Path | None = None) -> dict[str, Record]:
        """The records in the shared spool (or *spool*) by check; fails on two of one check."""
        found: dict[str, Record] = {}
        for path in sorted((spool or self.state.spool).glob("*.json")):
            record = loads(path.read_bytes())
            assert record.check not in found
            assert path.name == record.file_name
            found[record.check] = record
        return found


def python_argv(module: str) -> list[str]:
    """The command that runs *module* of this checkout; -S leaves out all that a node lacks."""
    return [sys.executable, "-I", "-S", "-c", _START, str(ROOT), module]


def processes_of(marker: str) -> list[int]:
    """The ids of live processes that have *marker* in their environment or command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
            state = (path / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if marker.encode() in text and state not in (b"Z", b"X"):
            found.append(int(path.name))
    return found
