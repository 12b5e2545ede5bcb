"""What a batch says of its checks' reactions, so that the reactor needs nothing but the batch."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from math import inf
from pathlib import Path

from analytics.history import History, Last
from checks.definition import CheckDefinition
from checks.due import Key
from checks.reaction import Reactions
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.state import State
from slurm_hooks.state_files import READABLE, make_directory, write_file
from slurm_hooks.unseen import Seen


def reacting(one: CheckDefinition, *, probation: bool) -> Reacting:
    """Return how check *one* reacts."""
    return Reacting(
        on_fail=reactions(one.failure_reactions),
        on_pass=reactions(one.success_reactions),
        confirm_fails=one.confirm.fails,
        confirm_of=one.confirm.of,
        hang_condemns=one.hang_condemns,
        shadow=one.shadow,
        probation=probation,
    )


def reactions(written: Reactions) -> tuple[Reaction, ...]:
    """Return what a definition asks for; whom to tell stays in the definition."""
    notes = {
        Kind.DRAIN: written.drain,
        Kind.UNDRAIN: written.undrain,
        Kind.COMMENT: written.comment,
        Kind.UNCOMMENT: written.uncomment,
        Kind.RESERVE: written.reserve,
        Kind.UNRESERVE: written.unreserve,
    }
    found = [Reaction(kind=kind, prefix=one.prefix) for kind, one in notes.items() if one]
    if written.notify:
        found.append(Reaction(kind=Kind.NOTIFY))
    return tuple(found)


def earlier(
    definitions: Iterable[CheckDefinition], node: str, last: Mapping[Key, Last]
) -> dict[str, tuple[Outcome, ...]]:
    """Return the judged results on *node* that may confirm a fail, the latest first, by check."""
    found = {}
    for one in definitions:
        known = last.get((node, one.name))
        if one.confirm.of > 1 and known is not None and known.failures:
            found[one.name] = tuple(known.failures[: one.confirm.of - 1])
    return found


def unreacted(state: State, definitions: Iterable[CheckDefinition], *, before: datetime) -> str:
    """Return that the reactor has not considered results from before *before*; else nothing.

    Raises:
        StateError: the state directory cannot be read.
    """
    if not any(reactions(one.failure_reactions) for one in definitions):
        return ""
    waiting = Seen(state.considered, state, service_uid=os.geteuid()).unseen()
    overdue = sum(
        path.name in waiting.get(batch_id, ()) and _written_at(path) < before.timestamp()
        for batch_id in waiting
        for path in state.results(batch_id)
    )
    if not overdue:
        return ""
    return (
        f"the reactor has not looked at {overdue} results: is EpilogSlurmctld in slurm.conf, and "
        f"does {state.reactions} belong to SlurmUser? As root: cluster-doctor react"
    )


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return inf  # it has just moved to the archive


def in_probation(
    state: State, history: History, definitions: Sequence[CheckDefinition], *, wanted: int
) -> Collection[str]:
    """Return which of *definitions* have fewer than *wanted* judged results.

    A check that once had enough is never asked for again.

    Raises:
        StoreError: the history does not answer.
        StateError: what was found cannot be written down.
    """
    unknown = [
        one.name
        for one in definitions
        if wanted and reactions(one.failure_reactions) and not (state.tried / one.name).is_file()
    ]
    if not unknown:
        return set()
    judged = history.judged(unknown)
    for name in unknown:
        if judged.get(name, 0) >= wanted:
            make_directory(state.tried, READABLE)
            write_file(state.tried / name, b"", mode=0o644)
    return {name for name in unknown if judged.get(name, 0) < wanted}
