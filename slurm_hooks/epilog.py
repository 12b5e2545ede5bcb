"""The node Epilog, as root: ends what a visit left behind; local disk only, no Slurm command.

A shared file system may be stuck, slurmctld may be down: neither may hold a node.
"""

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks.decode import encode
from slurm_hooks.files import locked
from slurm_hooks.hook import Call, complain, number, run_hook
from slurm_hooks.leftovers import Owner, kill_leftovers
from slurm_hooks.oneline import one_line
from slurm_hooks.scratch import remove_tree, visit_scratch, visits

JOURNAL = "epilog.jsonl"
_JOURNAL_BYTES = 1_000_000
_NAMED = 20
_STALE_S = 86_400
"""A visit takes minutes: a scratch directory this old is a crash's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal."""

    ended_at: datetime
    job_id: int
    node: str
    exit_status: int | None
    """A wait status. 0 proves nothing: a cancelled or preempted visit has it too."""
    killed: tuple[str, ...]
    killed_count: int
    survived_count: int
    problem: str


def clean_up(call: Call) -> None:
    """Kill the visit's left-over processes, remove its scratch directory, note both."""
    local_dir = call.settings.local_dir
    scratch = visit_scratch(local_dir, job_id=call.job_id, node=call.node)
    owner = Owner(
        uid=call.uid,
        job_id=call.job_id,
        node=call.node,
        cluster=call.environ.get("SLURM_CLUSTER_NAME", ""),
        scratch=scratch,
    )
    killed, survived_count = kill_leftovers(owner)
    problems = [remove_tree(scratch), *_remove_stale(visits(local_dir))]
    entry = Entry(
        ended_at=datetime.now(UTC),
        job_id=call.job_id,
        node=one_line(owner.node),
        exit_status=_exit_status(call),
        killed=tuple(f"{process.pid} {one_line(process.name)}" for process in killed[:_NAMED]),
        killed_count=len(killed),
        survived_count=survived_count,
        problem=one_line("; ".join(problem for problem in problems if problem)),
    )
    if survived_count or entry.problem:
        complain(f"epilog: job {call.job_id}: {survived_count} processes live on; {entry.problem}")
    _note(local_dir, entry)


def _remove_stale(directory: Path) -> list[str]:
    """Remove scratch directories that no Epilog removed: their node crashed."""
    problems = []
    oldest = time.time() - _STALE_S
    for path in directory.iterdir() if directory.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_mtime < oldest:
                problems.append(remove_tree(path))
    return problems


def _exit_status(call: Call) -> int | None:
    """Return SLURM_JOB_EXIT_CODE, a wait status, where Slurm set it."""
    name = "SLURM_JOB_EXIT_CODE"
    return number(call.environ, name) if call.environ.get(name) else None


def _note(local_dir: Path, entry: Entry) -> None:
    """Append *entry* to the journal; a full one becomes ``epilog.jsonl.1``."""
    path = local_dir / JOURNAL
    with locked(local_dir / f".{JOURNAL}.lock", blocking=False) as held:
        if held and path.exists() and path.stat().st_size > _JOURNAL_BYTES:
            path.rename(path.with_name(f"{JOURNAL}.1"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o640)
    with os.fdopen(handle, "ab", buffering=0) as file:
        file.write(json.dumps(encode(entry)).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(run_hook("epilog", clean_up, environ=os.environ))
