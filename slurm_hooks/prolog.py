"""The node Prolog, as root: makes the visit's scratch directory on the node's own disk."""

import os
import sys
from pathlib import Path

from slurm_hooks.errors import StateError
from slurm_hooks.hook import Call, run_hook
from slurm_hooks.scratch import remove_tree, visit_scratch, visits


def prepare(call: Call) -> None:
    """Make the scratch directory of the job, and the node's own spool once.

    Raises:
        StateError: what was left of an older job of this id cannot be removed.
        OSError: the disk is full or read-only; the runner finds another place then.
    """
    local_dir = call.settings.local_dir
    _make(visits(local_dir), 0o755)
    spool = local_dir / "spool"
    if not spool.exists():
        _make(spool, 0o700)
        os.chown(spool, call.uid, -1, follow_symlinks=False)
    scratch = visit_scratch(local_dir, job_id=call.job_id, node=call.node)
    if problem := remove_tree(scratch):
        raise StateError(problem)
    scratch.mkdir(mode=0o700)
    os.chown(scratch, call.uid, -1, follow_symlinks=False)


def _make(directory: Path, mode: int) -> None:
    """Make *directory* with exactly *mode*, and what is missing above it; slurmd's umask aside."""
    if directory.is_dir():
        return
    if not directory.parent.is_dir():
        _make(directory.parent, 0o755)
    directory.mkdir(exist_ok=True)
    directory.chmod(mode)


if __name__ == "__main__":
    sys.exit(run_hook("prolog", prepare, environ=os.environ))
