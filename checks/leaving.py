"""Leaves what a sweep tells of itself and of the fleet, for the next ingest to take in.

None of this is worth a failed sweep: what cannot be written is a warning.
"""

import contextlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.hardware import hardware
from analytics.history import Last
from analytics.holder import Holder, HolderKind, holder
from analytics.node_changes import changed, node_state
from analytics.node_lines import Proof
from analytics.node_state import NodeState
from analytics.sweep_file import SweepFile, dumps
from analytics.sweep_row import SweepRow, failed
from analytics.told_nodes import read_told_nodes, told_nodes
from checks.coverage import coverage, proofs
from checks.due import Key
from checks.plan import Plan
from slurm_hooks.errors import ClusterDoctorError, StateError
from slurm_hooks.journal import Book, Item
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.oneline import one_line
from slurm_hooks.settings import Settings
from slurm_hooks.slurm_text import Node
from slurm_hooks.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What a sweep knew of the nodes."""

    nodes: Sequence[Node]
    plan: Plan
    last: Mapping[Key, Last]
    planned_at: datetime


def make_room(state: State) -> list[str]:
    """Keep no more of what earlier sweeps tell than there is room for; returns what was lost.

    Raises:
        StateError: the directory cannot be read, or nothing removed from it.
    """
    lost = state.sweeps.prune()
    if not lost:
        return []
    return [
        f"what the {lost} oldest sweeps told is lost: the history could not be written for too long"
    ]


def leave(state: State, settings: Settings, row: SweepRow, fleet: Fleet) -> str:
    """Write down what a sweep tells; returns what kept it from that, else nothing.

    Killed between the file and the note of what it tells, the next sweep tells some nodes again.
    """
    try:
        _leave(state, settings, row, fleet)
    except StateError as error:
        return f"what this sweep tells of nodes and coverage is not in the history: {error}"
    except Exception as error:  # noqa: BLE001 - the sweep's work is done, and stays so
        return f"what this sweep tells of nodes and coverage: {type(error).__name__}: {error}"
    return ""


def _leave(state: State, settings: Settings, row: SweepRow, fleet: Fleet) -> None:
    known, written = changed(
        node_rows(fleet, _book(state), settings, seen_at=row.started_at),
        read_told_nodes(state.sweeps.told_nodes),
        cluster=row.cluster,
        now=row.started_at,
    )
    samples = coverage(
        fleet.plan.rules,
        fleet.last,
        fleet.plan.nodes,
        cluster=row.cluster,
        at=row.started_at,
        now=fleet.planned_at,
    )
    told = SweepFile(sweep=row, nodes=tuple(known), coverage=tuple(samples))
    state.sweeps.write(told.file_name, dumps(told))
    state.sweeps.note_told(told_nodes(written))


def leave_failure(
    state: State,
    error: Exception,
    *,
    warnings: Sequence[str] = (),
    cluster: str,
    started_at: datetime,
    finished_at: datetime,
) -> None:
    """Write down that *error* ended a sweep, if that can be written."""
    said = (
        str(error) if isinstance(error, ClusterDoctorError) else f"{type(error).__name__}: {error}"
    )
    row = failed(
        one_line(said),
        cluster=cluster,
        host=this_host(),
        started_at=started_at,
        finished_at=finished_at,
    )
    told = SweepFile(sweep=row._replace(warnings=tuple(warnings)))
    with contextlib.suppress(StateError):
        state.sweeps.write(told.file_name, dumps(told))


@contextlib.contextmanager
def failures_left(settings: Settings, *, clock: Callable[[], datetime]) -> Iterator[None]:
    """Leave what fails in the block as a sweep that failed."""
    started_at = clock()
    try:
        yield
    except ClusterDoctorError as error:
        leave_failure(
            State(settings.state_dir),
            error,
            cluster=settings.cluster,
            started_at=started_at,
            finished_at=clock(),
        )
        raise


def this_host() -> str:
    """Return the name of this host."""
    return os.uname().nodename


def node_rows(
    fleet: Fleet, book: Book | None, settings: Settings, *, seen_at: datetime
) -> list[NodeState]:
    """Return a row for each node; *book* is what the reactor's journal says, None if unreadable."""
    plans = {one.node: one for one in fleet.plan.nodes}
    kinds, known = hardware(fleet.nodes), proofs(fleet.last)
    here = _by_node(book.items.values() if book else ())
    return [
        node_state(
            node,
            cluster=settings.cluster,
            seen_at=seen_at,
            verdict=plans[node.name].verdict.value,
            detail=plans[node.name].detail,
            holder=_holder(
                node, here, sure=book is not None, slurm_user=settings.reactions.slurm_user
            ),
            hardware=kinds[node.name],
            proof=known.get(node.name, Proof()),
        )
        for node in fleet.nodes
    ]


def _by_node(items: Iterable[Item]) -> Mapping[str, Sequence[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if not item.over:
            found[item.entry.node].append(item)
    return found


def _holder(
    node: Node, here: Mapping[str, Sequence[Item]], *, sure: bool, slurm_user: str
) -> Holder:
    """Return who holds *node*; where the journal cannot be read, a held one's holder is unknown."""
    found = holder(node, here.get(node.name, ()), slurm_user=slurm_user)
    held = found.kind is not HolderKind.NOBODY
    return Holder(HolderKind.UNKNOWN, since=found.since) if held and not sure else found


def _book(state: State) -> Book | None:
    """Return the reactor's journal; None where it cannot be read."""
    try:
        return JournalFile(state.reactions).read()
    except StateError:
        return None
