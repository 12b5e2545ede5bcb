"""The runner: ``python -I -m slurm_hooks.runner --settings FILE --batch ID`` in an array task.

Exits 0 once all its records are written, whatever they say; 143 when it was stopped,
its records written too; 1 when it could not do its work, with the reason on stderr.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from slurm_hooks.batch import Batch, Visit
from slurm_hooks.environment import SlurmTask, read_slurm_task
from slurm_hooks.errors import ClusterDoctorError, ConfigError, StateError
from slurm_hooks.family import Family, adopt_orphans
from slurm_hooks.keep import forward, keep, local_spools
from slurm_hooks.record import Record
from slurm_hooks.scratch import use_scratch
from slurm_hooks.settings import Settings, load_settings
from slurm_hooks.signals import Signals
from slurm_hooks.state import State
from slurm_hooks.visit import Turn, run_visit

_READ_AGAIN_AFTER_S = (0.2, 1.0, 3.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this array task's visit and return the exit code."""
    started = time.monotonic()
    signals = Signals()
    parser = argparse.ArgumentParser(prog="slurm_hooks.runner", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--batch", required=True)
    options = parser.parse_args(arguments)
    try:
        kept_all = _visit(
            load_settings(options.settings), options.batch, os.environ, signals, started
        )
    except (ClusterDoctorError, OSError) as error:
        _say(str(error))
        return 1
    if signals.stopped_by:
        return 143
    return 0 if kept_all else 1


def _visit(
    settings: Settings,
    batch_id: str,
    environ: Mapping[str, str],
    signals: Signals,
    started: float,
) -> bool:
    task = read_slurm_task(environ)
    state = State(settings.state_dir)
    batch = _read_batch(state, batch_id, signals)
    visit = _own_visit(batch, task)
    spools = local_spools(settings.local_dir, settings.cluster)
    forward(state, spools)
    if not adopt_orphans():
        _say("cannot adopt orphans; what a check hides is left to the node Epilog")
    lost: list[str] = []

    def deliver(record: Record) -> None:
        try:
            problem = keep(record, state, spools, sleep=signals.sleep)
        except Exception as error:  # noqa: BLE001 - the other checks' records still count
            problem = str(error)
            lost.append(record.check)
        if problem:
            _say(problem)

    with use_scratch(settings.local_dir, job_id=task.job_id, node=task.node) as scratch:
        turn = Turn(
            settings=settings,
            batch=batch,
            visit=visit,
            task=task,
            environ=environ,
            scratch=scratch,
            ends_at=started + batch.time_limit_s,
        )
        run_visit(turn, family=Family(), signals=signals, deliver=deliver)
    return not lost


def _read_batch(state: State, batch_id: str, signals: Signals) -> Batch:
    """Read the batch; a network file system may show a new directory late."""
    for pause in _READ_AGAIN_AFTER_S:
        try:
            return state.read_batch(batch_id)
        except StateError:
            signals.sleep(pause)
    return state.read_batch(batch_id)


def _own_visit(batch: Batch, task: SlurmTask) -> Visit:
    for visit in batch.visits:
        if visit.task == task.task:
            return visit
    raise ConfigError(
        f"batch {batch.id} has no visit for array task {task.task}; was another array given its id?"
    )


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the job's output file may be what is broken
        os.write(2, f"cluster-doctor: {text}\n".encode(errors="replace"))


if __name__ == "__main__":
    # Not sys.exit: a user may wait for the node, and an interpreter takes 10 ms to tidy up.
    os._exit(main())
