"""What slurmctld has saved of its jobs: all that it still knows after it was killed."""

import shutil
from collections.abc import Callable

from tests.lab.cluster import Lab


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
