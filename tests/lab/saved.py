"""What slurmctld has saved of its jobs: all that it still knows after it was killed."""

import shutil
import time
from collections.abc import Callable

from tests.lab.cluster import Lab

_WRITING_S = 0.1
"""Between what slurmctld knows and what it has written of it."""


def kill_when_saved(lab: Lab, deadline_s: float) -> None:
    """Kill slurmctld at a moment from now on at which all that it has told of is saved.

    A disk that has much to write shows a save long after its time, and a job may have ended
    meanwhile; slurmctld would take it to run until the node registers again, minutes later. So it
    is held still for a second look.
    """
    since, saved = time.time(), lab.layout.controller / "job_state"

    def all_is_saved() -> bool:
        saved_at, told_at = saved.stat().st_mtime, lab.slurmctld.log.stat().st_mtime
        return saved_at > max(since, told_at + _WRITING_S)

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
