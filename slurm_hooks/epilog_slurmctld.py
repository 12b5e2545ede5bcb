"""EpilogSlurmctld, as SlurmUser on the controller: writes down how a task ended, and reacts.

Slurm may run it twice for one task (measured: slurmctld stopped while the job was in its
Epilog), and not at all for one that never started; what it writes is no more than a word.
"""

import os
import re
import sys
from datetime import UTC, datetime

from slurm_hooks.batch import ControllerWord, batch_of_comment
from slurm_hooks.hook import Call, complain, number, run_hook
from slurm_hooks.oneline import one_line
from slurm_hooks.ownership import pinned
from slurm_hooks.reactor import make_reactor, react
from slurm_hooks.state import State


def end_of_job(call: Call) -> None:
    """Write down what ended, and react to all that is new.

    Any end of a job of the service account's wakes the reactor, that of a sweep started by
    scrontab too; so a wake-up that gets lost costs time and nothing else.

    Raises:
        ClusterDoctorError: as `write_word` and `reactor.react`.
    """
    try:
        write_word(call)
    finally:
        done = react(make_reactor(call.settings, service_uid=call.uid))
        for problem in done.problems:
            complain(f"reactor: {problem}")


def write_word(call: Call) -> None:
    """Write down the end of the array task, where its comment names a batch.

    Raises:
        RecordError: a variable that Slurm sets is missing or no number.
        StateError: the state directory cannot be written.
    """
    environ = call.environ
    batch_id = batch_of_comment(environ.get("SLURM_JOB_COMMENT", ""))
    if batch_id is None or "SLURM_ARRAY_TASK_ID" not in environ:
        return  # another job of the service account's, such as the sweep itself
    word = ControllerWord(
        batch=batch_id,
        task=number(environ, "SLURM_ARRAY_TASK_ID"),
        attempt=_attempt(call),
        job_id=call.job_id,
        node=one_line(environ.get("SLURM_JOB_NODELIST", "")),
        exit_status=_wait_status(environ.get("SLURM_JOB_EXIT_CODE", "")),
        ended_at=datetime.now(UTC),
    )
    state = pinned(State(call.settings.state_dir), "controller", shared=True)
    with state.real_names():
        state.write_word(word)


def _attempt(call: Call) -> int:
    """Return how often the job was requeued before; visits are submitted with --no-requeue."""
    for name in ("SLURM_JOB_RESTART_COUNT", "SLURM_RESTART_COUNT"):
        if call.environ.get(name):
            return number(call.environ, name)
    return 0


def _wait_status(text: str) -> int:
    """Return *text* as a number; 0, which proves nothing, where it is none."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else 0


if __name__ == "__main__":
    sys.exit(run_hook("epilog_slurmctld", end_of_job, environ=os.environ))
