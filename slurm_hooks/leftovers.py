"""Finds and kills the processes that a visit left on its node, and nobody else's."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks import procfs
from slurm_hooks.procfs import Process

JOB_VARIABLE = "CLUSTER_DOCTOR_JOB_ID"
"""Every process of a visit has it, or SLURM_JOB_ID; the node Epilog knows them by it."""

_KILL_FOR_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose processes: those of this uid that carry the job, or are in its scratch directory.

    The uid alone is never enough: other visits, and other nodes of a cluster that
    shares this machine, have it too.
    """

    uid: int
    job_id: int
    node: str
    cluster: str
    """Slurm's ClusterName; empty where it is not known."""
    scratch: Path

    def owns(self, pid: int) -> bool:
        """Whether *pid* is one of them, now."""
        if procfs.owner(pid) != self.uid:
            return False
        return self._carries_job(procfs.environment(pid)) or self._is_inside(pid)

    def _carries_job(self, variables: Mapping[bytes, bytes]) -> bool:
        job = str(self.job_id).encode()
        return job in (variables.get(JOB_VARIABLE.encode()), variables.get(b"SLURM_JOB_ID")) and (
            _agrees(variables.get(b"SLURMD_NODENAME"), self.node)
            and _agrees(variables.get(b"SLURM_CLUSTER_NAME"), self.cluster)
        )

    def _is_inside(self, pid: int) -> bool:
        directory = procfs.working_directory(pid)
        return directory is not None and directory.is_relative_to(self.scratch)


def kill_leftovers(owner: Owner) -> tuple[list[Process], int]:
    """Kill what *owner* owns until nothing is left; returns what was killed and what survived.

    Gives up after some seconds: what lives then is stuck in the kernel, or multiplies
    faster than it dies. This process and its ancestors are never touched.
    """
    spared = procfs.ancestors(os.getpid())
    killed: dict[tuple[int, int], Process] = {}
    gives_up_at = time.monotonic() + _KILL_FOR_S
    while alive := _alive(owner, spared):
        if time.monotonic() > gives_up_at:
            break
        for process in alive:
            procfs.kill(process)
            killed[process.pid, process.started] = process
        time.sleep(0.01)
    return list(killed.values()), len(alive)


def _alive(owner: Owner, spared: set[int]) -> list[Process]:
    found = []
    for pid in procfs.pids():
        # Read before asking whose it is: kill() then hits this process or none.
        process = procfs.read_process(pid) if procfs.owner(pid) == owner.uid else None
        if process is None or process.ended or pid in spared or process.name == "slurmstepd":
            continue
        if owner.owns(pid):
            found.append(process)
    return found


def _agrees(value: bytes | None, wanted: str) -> bool:
    return value is None or not wanted or value == os.fsencode(wanted)
