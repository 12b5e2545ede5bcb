"""Calls the shims as Slurm does, with whatever is wrong that day."""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.install import SHIMS, install_hooks
from tests.programs import wait_until
from tests.visits import BATCH_ID, Node, processes_of, python_argv

NAMES = tuple(shim.name for shim in SHIMS)
PROLOG, EPILOG, EPILOG_SLURMCTLD = NAMES
UID = 61_234
"""The service account's; nobody has it."""
JOB_ID = 4_294_900_018
NODE = "n1"
ENVIRONMENT = {
    "SLURMD_NODENAME": NODE,
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_CLUSTER_NAME": "test",
    "SLURM_JOB_COMMENT": f"cluster-doctor:{BATCH_ID}",
    "SLURM_JOB_EXIT_CODE": "256",
    "SLURM_JOB_ID": str(JOB_ID),
    "SLURM_JOB_NODELIST": "n1",
    "SLURM_JOB_RESTART_COUNT": "0",
    "SLURM_JOB_UID": str(UID),
}
CONTEXTS = {
    PROLOG: "prolog_slurmd",
    EPILOG: "epilog_slurmd",
    EPILOG_SLURMCTLD: "epilog_slurmctld",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Installed shims and the node that they run on."""

    node: Node
    python: Path

    @property
    def directory(self) -> Path:
        return self.node.root / "hooks"

    def install(self) -> "Hooks":
        install_hooks(
            self.directory, python=self.python, settings=self.node.settings_path, service_uid=UID
        )
        return self

    def start(
        self,
        name: str,
        changes: Mapping[str, str | bytes] | None = None,
        *,
        launcher: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start shim *name*, through *launcher*, with Slurm's environment and *changes*."""
        environment: dict[str, str | bytes] = {
            **ENVIRONMENT,
            "SLURM_SCRIPT_CONTEXT": CONTEXTS[name],
            "SLURM_JOB_WORK_DIR": str(self.node.root),
            **(changes or {}),
        }
        return subprocess.Popen(
            [*launcher, str(self.directory / name)],
            env={os.fsencode(key): os.fsencode(value) for key, value in environment.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def left(self) -> list[int]:
        """The processes that the shims have started and that still live."""
        return processes_of(f"SLURM_JOB_WORK_DIR={self.node.root}\0")

    def call(
        self,
        name: str,
        changes: Mapping[str, str | bytes] | None = None,
        *,
        launcher: Sequence[str] = (),
    ) -> int:
        """Run shim *name* to its end; returns its exit code once nobody holds its output open.

        As Slurm does, kills what is left in its process group then.
        """
        with self.start(name, changes, launcher=launcher) as process:
            said, _ = process.communicate(timeout=30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            assert said == b""
            return process.returncode

    def finish(self, name: str, changes: Mapping[str, str | bytes] | None = None) -> int:
        """Run shim *name*, and what goes on behind its back, to the end."""
        code = self.call(name, changes)
        wait_until(lambda: not self.left())
        return code


def fake_python(path: Path, script: str, *, mode: int = 0o755) -> Path:
    """Make an interpreter at *path* that only does *script*."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def real_python(path: Path) -> Path:
    """Make an interpreter at *path* that runs this checkout's modules: ``-I -m <module> ...``."""
    return fake_python(path, f'shift 2\nexec {shlex.join(python_argv("")[:-1])} "$@"')
