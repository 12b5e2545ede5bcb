"""What slurmctld has saved of its jobs: all that it still knows after it was killed."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.lab.cluster import Lab

_SAVED = ("job", "node")
_WRITING_S = 0.1
"""Between what slurmctld knows and what it has written of it."""


def kill_when_saved(lab: Lab, deadline_s: float) -> None:
    """Kill slurmctld at a moment from now on at which all that it has told of is saved.

    A disk that has much to write shows a save long after its time, and a job may have ended
    meanwhile; slurmctld would take it to run until the node registers again, minutes later. So it
    is held still for a second look.
    """
    since = time.time()

    def all_is_saved() -> bool:
        jobs, nodes = (_changed_at(lab.layout.controller / f"{one}_state") for one in _SAVED)
        told_at, told_of_nodes = _changed_at(lab.slurmctld.log), _updated_at(lab.slurmctld.log)
        return jobs > max(since, told_at + _WRITING_S) and nodes > told_of_nodes + _WRITING_S

    def held_when_saved() -> bool:
        if not all_is_saved():
            return False
        lab.slurmctld.pause()
        if all_is_saved():
            return True
        lab.slurmctld.resume()
        return False

    lab.wait_for(held_when_saved, deadline_s, "slurmctld to have saved its jobs")
    lab.slurmctld.kill()


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _updated_at(log: Path) -> float:
    """Return when slurmctld last told that somebody changed a node, which is saved apart."""
    told = [line for line in log.read_text(errors="replace").splitlines() if "update_node" in line]
    return datetime.fromisoformat(told[-1][1:24]).timestamp() if told else -_WRITING_S - 1


def forgetful(lab: Lab) -> Callable[[], None]:
    """Return what kills slurmctld as if it had saved nothing since now.

    So it gives the ids of jobs away again that nodes may still have, as one does that is
    killed seconds after an sbatch: it saves every five seconds, and when it ends in good order.
    """
    saved = lab.layout.controller / "job_state"
    kept = lab.root / "job_state.kept"
    lab.slurmctld.stop()
    shutil.copy(saved, kept)
    lab.slurmctld.start()
    lab.wait_until_idle()

    def kill() -> None:
        lab.slurmctld.kill()
        for path in (saved, saved.with_suffix(".old")):
            shutil.copy(kept, path)

    return kill
